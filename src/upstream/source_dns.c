/* SPDX-License-Identifier: Apache-2.0
 *
 * Hosts from DNS. STRICT_DNS: every address of every name is a host. LOGICAL_DNS: one host, at the first address of its
 * name; when that changes, connections stay and new ones go to the new address. Each name is asked again on its own
 * timer; a lookup that fails keeps what is known. Main thread. */
#include "base/alloc.h"
#include "base/log.h"
#include "net/server.h"
#include "upstream/cluster_priv.h"
#include "upstream/count.h"
#include "worker/worker.h"

/* One endpoint: a name, or an address that needs no lookup. */
struct target {
    struct nu_cluster_source *source;
    const struct nu_endpoint_conf *conf; /* of the source's assignment */
    struct nu_dns_query query;
    struct nu_timer timer;
    nu_ms backoff; /* of failures in a row; 0: none failed */
    bool known;    /* was resolved at least once */
    struct nu_address **addresses; /* references */
    size_t n_addresses;
};

struct nu_cluster_source {
    struct nu_cluster *cluster; /* borrowed: it stops its source */
    struct nu_worker *worker;
    struct nu_assignment *assignment;
    struct nu_dns_conf *conf;
    struct nu_resolver *resolver;
    struct nu_resolver *own_resolver; /* NULL: the server's */
    struct nu_task free_task;
    void (*warm)(struct nu_cluster *c);
    bool logical;
    uint32_t n;
    struct target targets[];
};

static void start(struct target *t);

/* ---- membership ---- */

static struct nu_host_conf host_conf(const struct target *t, struct nu_address *address)
{
    struct nu_host_conf c = nu_endpoint_host_conf(t->source->assignment, t->conf);
    c.address = address;
    if (c.hostname.len == 0)
        c.hostname = t->conf->dns_name;
    return c;
}

static void publish(struct nu_cluster_source *s)
{
    struct nu_cluster *c = s->cluster;
    size_t n = 0, at = 0;
    for (uint32_t i = 0; i < s->n; i++)
        n += s->targets[i].n_addresses;
    struct nu_member *members = nu_calloc(n + 1, sizeof(*members));
    struct nu_host_index *x = nu_host_index_new(nu_cluster_hosts(c));
    uint32_t max_weight = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const struct target *t = &s->targets[i];
        for (size_t k = 0; k < t->n_addresses; k++) {
            struct nu_host_conf conf = host_conf(t, t->addresses[k]);
            max_weight = nu_max(max_weight, conf.weight);
            members[at++] = (struct nu_member){.host = nu_host_index_take(x, c, &conf), .locality = t->conf->locality};
        }
    }
    nu_host_index_free(&x);
    nu_cluster_set_hosts(c, nu_host_set_new(nu_cluster_settings(c), c->server->runtime, s->assignment->localities,
                                            s->assignment->n_localities, members, (uint32_t)at));
    NU_MEMBERSHIP_SET(c, max_host_weight, s->logical ? 0 : max_weight);
    nu_free(members);
}

static void drop_addresses(struct target *t)
{
    for (size_t i = 0; i < t->n_addresses; i++)
        nu_address_unref(&t->addresses[i]);
    nu_free(nu_take(&t->addresses));
    t->n_addresses = 0;
}

/* The host of the endpoint's port at an answer. */
static struct nu_address *address_of(const struct target *t, const struct nu_dns_answer *a)
{
    struct nu_sockaddr sock = a->sock;
    nu_sockaddr_set_port(&sock, t->conf->port);
    return nu_address_from_sock(&sock);
}

static bool has_address(struct nu_address *const *list, size_t n, const struct nu_address *a)
{
    for (size_t i = 0; i < n; i++)
        if (nu_address_eq(list[i], a))
            return true;
    return false;
}

/* Replaces what is known; false: the same addresses as before, in whatever order. */
static bool take_answers(struct target *t, const struct nu_dns_answer *answers, size_t n)
{
    struct nu_address **next = nu_calloc(n + 1, sizeof(*next));
    size_t n_next = 0;
    bool changed = !t->known;
    for (size_t i = 0; i < n; i++) {
        struct nu_address *a = address_of(t, &answers[i]);
        if (has_address(next, n_next, a)) {
            nu_address_unref(&a);
            continue;
        }
        changed |= !has_address(t->addresses, t->n_addresses, a);
        next[n_next++] = a;
    }
    changed |= n_next != t->n_addresses;
    drop_addresses(t);
    t->addresses = next;
    t->n_addresses = n_next;
    t->known = true;
    return changed;
}

/* A LOGICAL_DNS cluster has one host, at the first address; another address is another host, as in Envoy. */
static void update(struct target *t, const struct nu_dns_answer *answers, size_t n)
{
    struct nu_cluster_source *s = t->source;
    /* Envoy chooses a transport for each host of each answer, and counts it. */
    struct nu_host_labels labels = {t->conf->labels, s->assignment->localities[t->conf->locality].labels};
    nu_transport_count(s->cluster, &labels, s->logical ? nu_min(n, (size_t)1) : n);
    if (take_answers(t, answers, s->logical ? nu_min(n, (size_t)1) : n))
        publish(s);
    else
        NU_MEMBERSHIP_INC(s->cluster, update_no_rebuild);
}

/* ---- asking ---- */

static void on_timer(struct nu_timer *timer)
{
    start(nu_container_of(timer, struct target, timer));
}

static void ask_again(struct target *t, nu_ms after)
{
    struct nu_cluster_source *s = t->source;
    if (s->conf->jitter.v > 0)
        after.v += (int64_t)nu_random_below(&s->worker->random, (uint64_t)s->conf->jitter.v);
    nu_timer_arm(s->worker->loop, &t->timer, after);
}

/* Envoy's jittered back-off: a random time below a bound that doubles up to the maximum. */
static nu_ms after_failure(struct target *t)
{
    const struct nu_dns_conf *conf = t->source->conf;
    if (conf->failure_base.v == 0)
        return conf->refresh;
    t->backoff.v = t->backoff.v == 0 ? conf->failure_base.v : nu_min(t->backoff.v * 2, conf->failure_max.v);
    return NU_MS((int64_t)nu_random_below(&t->source->worker->random, (uint64_t)t->backoff.v) + 1);
}

static nu_ms after_success(struct target *t, const struct nu_dns_answer *answers, size_t n)
{
    const struct nu_dns_conf *conf = t->source->conf;
    t->backoff = NU_MS(0);
    uint32_t ttl = UINT32_MAX;
    for (size_t i = 0; i < n; i++)
        ttl = nu_min(ttl, answers[i].ttl_s);
    if (!conf->respect_ttl || n == 0 || ttl == 0)
        return conf->refresh;
    return NU_SECONDS(ttl);
}

static void on_answer(struct nu_dns_query *q, bool ok, const struct nu_dns_answer *answers, size_t n)
{
    struct target *t = nu_container_of(q, struct target, query);
    struct nu_cluster_source *s = t->source;
    struct nu_cluster *c = s->cluster;
    if (s->logical && n == 0)
        ok = false;
    if (ok) {
        nu_log(upstream, NU_LOG_DEBUG, "DNS lookup of '%.*s' gave %zu address(es)", NU_STR_ARG(t->conf->dns_name), n);
        NU_MEMBERSHIP_INC(c, update_success);
        update(t, answers, n);
        ask_again(t, after_success(t, answers, n));
    } else {
        NU_MEMBERSHIP_INC(c, update_failure);
        nu_log(upstream, NU_LOG_DEBUG, "DNS lookup of '%.*s' failed", NU_STR_ARG(t->conf->dns_name));
        ask_again(t, after_failure(t));
    }
    s->warm(c); /* the first outcome of any name will do, as in Envoy */
}

static void start(struct target *t)
{
    struct nu_cluster_source *s = t->source;
    NU_MEMBERSHIP_INC(s->cluster, update_attempt);
    nu_log(upstream, NU_LOG_DEBUG, "DNS lookup of '%.*s'", NU_STR_ARG(t->conf->dns_name));
    nu_dns_resolve(s->resolver, &t->query, t->conf->dns_name, s->conf->family);
}

/* ---- life ---- */

static struct nu_resolver *resolver_of(struct nu_cluster_source *s, struct nu_server *server)
{
    if (s->conf->resolver == NULL)
        return server->resolver;
    s->own_resolver = nu_resolver_new(s->worker->loop, server->stats, s->worker->index, s->conf->resolver);
    return s->own_resolver;
}

static void target_init(struct nu_cluster_source *s, struct target *t, struct nu_endpoint_conf *conf)
{
    *t = (struct target){.source = s, .conf = conf, .query = {.done = on_answer}};
    nu_timer_init(&t->timer, on_timer);
    if (conf->address == NULL)
        return;
    t->addresses = nu_calloc(1, sizeof(t->addresses[0])); /* a unix socket among names */
    t->addresses[0] = nu_address_ref(conf->address);
    t->n_addresses = 1;
    t->known = true;
}

struct nu_cluster_source *nu_dns_source_start(struct nu_cluster *c, struct nu_assignment *a, struct nu_dns_conf *conf,
                                              bool logical, void (*warm)(struct nu_cluster *c))
{
    struct nu_cluster_source *s = nu_zalloc(sizeof(*s) + a->n_endpoints * sizeof(s->targets[0]));
    s->cluster = c;
    s->worker = nu_workers_main(c->server->workers);
    s->assignment = a;
    s->conf = conf;
    s->warm = warm;
    s->logical = logical;
    s->n = a->n_endpoints;
    s->resolver = resolver_of(s, c->server);
    uint32_t n_known = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        target_init(s, &s->targets[i], &a->endpoints[i]);
        n_known += s->targets[i].known;
    }
    if (n_known > 0 || s->n == 0)
        publish(s);
    for (uint32_t i = 0; i < s->n; i++)
        if (!s->targets[i].known)
            start(&s->targets[i]);
    if (n_known == s->n) /* nobody to ask */
        warm(c);
    return s;
}

static void source_free(struct nu_task *task)
{
    struct nu_cluster_source *s = nu_container_of(task, struct nu_cluster_source, free_task);
    nu_resolver_free(&s->own_resolver);
    nu_assignment_free(&s->assignment);
    nu_dns_conf_free(&s->conf);
    nu_free(s);
}

void nu_dns_source_stop(struct nu_cluster_source **sp)
{
    struct nu_cluster_source *s = nu_take(sp);
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < s->n; i++) {
        struct target *t = &s->targets[i];
        nu_dns_cancel(&t->query);
        nu_timer_cancel(s->worker->loop, &t->timer);
        drop_addresses(t);
    }
    nu_loop_defer(s->worker->loop, &s->free_task, source_free); /* a callback of ours may be on the stack */
}

void nu_dns_conf_free(struct nu_dns_conf **dp)
{
    struct nu_dns_conf *d = nu_take(dp);
    if (d == NULL)
        return;
    nu_resolver_conf_free(&d->resolver);
    nu_free(d);
}
