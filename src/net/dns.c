/* SPDX-License-Identifier: Apache-2.0
 *
 * c-ares behind the resolver interface. A lookup that prefers one family asks for it first and for the other only when the
 * first had no address. A channel whose servers do not answer is made anew, so that a changed resolv.conf is seen. */
#include "net/dns.h"

#include <ares.h>
#include <netdb.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "base/sb.h"
#include "event/loop.h"
#include "net/dns_stats.h"

/* Envoy's defaults. */
#define DEFAULT_TIMEOUT_S 2
#define DEFAULT_TRIES 3
#define MAX_ANSWERS 4096u

struct cares {
    struct nu_resolver base;
    struct nu_loop *loop;
    struct nu_stats *stats; /* NULL: not counted */
    struct nu_scope *scope; /* made with the first question, so that who needs no DNS has no such statistics; NULL: not yet */
    unsigned slab;
    struct nu_resolver_conf *conf;
    ares_channel channel;
    bool channel_up, dirty;
    unsigned n_running;
    struct nu_list sockets; /* struct sock */
    struct nu_timer timer;
    struct nu_task wakeup;  /* hands over answers that c-ares had at once */
    struct nu_list done;    /* struct job */
};

struct sock {
    struct nu_watch watch;
    struct nu_list node;
    struct nu_task free_task;
    struct cares *owner;
};

/* One lookup; lives until c-ares has called back, even when its query was cancelled. */
struct job {
    struct cares *owner;
    struct nu_dns_query *query; /* NULL: cancelled */
    struct nu_list node;        /* done */
    enum nu_dns_family family;
    bool second;                /* the other family is being asked */
    bool in_start;
    bool ok, finished;
    size_t n;
    struct nu_dns_answer *answers;
    char name[];
};

static void count(struct cares *r, unsigned stat)
{
    if (r->scope != NULL)
        nu_stat_inc(r->scope, r->slab, stat);
}

/* ---- c-ares' sockets and timer on our loop ---- */

static void arm_timer(struct cares *r)
{
    struct timeval tv, *next = ares_timeout(r->channel, NULL, &tv);
    if (next == NULL) {
        nu_timer_cancel(r->loop, &r->timer);
        return;
    }
    nu_timer_cancel(r->loop, &r->timer);
    nu_timer_arm(r->loop, &r->timer, NU_MS(next->tv_sec * 1000 + (next->tv_usec + 999) / 1000 + 1));
}

static void on_timer(struct nu_timer *t)
{
    struct cares *r = nu_container_of(t, struct cares, timer);
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(r);
}

static void on_ready(struct nu_watch *w, uint32_t ready)
{
    struct sock *s = nu_container_of(w, struct sock, watch);
    struct cares *r = s->owner;
    int fd = w->fd; /* s may go while c-ares works */
    bool in = (ready & (NU_READABLE | NU_HANGUP | NU_FD_ERROR | NU_PEER_CLOSED)) != 0;
    bool out = (ready & (NU_WRITABLE | NU_FD_ERROR)) != 0;
    ares_process_fd(r->channel, in ? fd : ARES_SOCKET_BAD, out ? fd : ARES_SOCKET_BAD);
    arm_timer(r);
}

static void free_sock(struct nu_task *t)
{
    nu_free(nu_container_of(t, struct sock, free_task));
}

static struct sock *find_sock(struct cares *r, int fd)
{
    nu_list_foreach(n, &r->sockets) {
        struct sock *s = nu_list_entry(n, struct sock, node);
        if (s->watch.fd == fd)
            return s;
    }
    return NULL;
}

/* c-ares says what it wants to know about a socket; neither: it is about to close it. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct cares *r = arg;
    struct sock *s = find_sock(r, fd);
    uint32_t events = (readable ? (uint32_t)NU_READABLE : 0) | (writable ? (uint32_t)NU_WRITABLE : 0);
    if (events == 0) {
        if (s == NULL)
            return;
        nu_loop_unwatch(r->loop, &s->watch);
        nu_list_remove(&s->node);
        nu_loop_defer(r->loop, &s->free_task, free_sock);
        return;
    }
    if (s != NULL) {
        nu_loop_rewatch_level(r->loop, &s->watch, events);
        return;
    }
    s = nu_new(struct sock);
    s->owner = r;
    nu_list_push_back(&r->sockets, &s->node);
    nu_loop_watch_level(r->loop, &s->watch, fd, events, false, on_ready);
}

/* ---- the channel ---- */

static void put_server(struct nu_sb *sb, const struct nu_sockaddr *a)
{
    char text[NU_SOCKADDR_TEXT];
    struct nu_sockaddr copy = *a;
    if (nu_sockaddr_port(&copy) == 0)
        nu_sockaddr_set_port(&copy, 53);
    if (sb->len > 0)
        nu_sb_char(sb, ',');
    nu_sb_add(sb, nu_sockaddr_text(&copy, false, text));
}

static bool system_has_servers(ares_channel channel)
{
    struct ares_addr_port_node *servers = NULL;
    bool any = ares_get_servers_ports(channel, &servers) == ARES_SUCCESS && servers != NULL;
    ares_free_data(servers);
    return any;
}

static void set_servers(struct cares *r)
{
    if (r->conf->n_servers == 0 || (r->conf->servers_as_fallback && system_has_servers(r->channel)))
        return;
    struct nu_sb list = {0};
    for (size_t i = 0; i < r->conf->n_servers; i++)
        put_server(&list, &r->conf->servers[i]);
    if (ares_set_servers_ports_csv(r->channel, nu_sb_cstr(&list)) != ARES_SUCCESS)
        nu_log(dns, NU_LOG_ERROR, "c-ares does not take the resolvers %s", nu_sb_cstr(&list));
    nu_sb_free(&list);
}

static void channel_open(struct cares *r)
{
    const struct nu_resolver_conf *c = r->conf;
    char lookups[] = "fb"; /* hosts file, then DNS */
    struct ares_options o = {
        .flags = (c->use_tcp ? ARES_FLAG_USEVC : 0) | (c->no_search ? ARES_FLAG_NOSEARCH : 0) |
                 (c->edns_payload > 0 ? ARES_FLAG_EDNS : 0),
        .timeout = (int)(c->timeout_s > 0 ? c->timeout_s : DEFAULT_TIMEOUT_S),
        .tries = (int)(c->tries > 0 ? c->tries : DEFAULT_TRIES),
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = r,
        .lookups = lookups,
        .ednspsz = (int)c->edns_payload,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUT | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS;
    mask |= c->edns_payload > 0 ? ARES_OPT_EDNSPSZ : 0;
    mask |= c->rotate ? ARES_OPT_ROTATE : 0;
    r->channel_up = ares_init_options(&r->channel, &o, mask) == ARES_SUCCESS;
    r->dirty = false;
    if (r->channel_up)
        set_servers(r);
}

static void channel_renew(struct cares *r)
{
    if (r->channel_up && !(r->dirty && r->n_running == 0))
        return;
    if (r->channel_up) {
        ares_destroy(r->channel);
        count(r, NU_DNS_CARES_reinits);
    }
    channel_open(r);
}

/* ---- lookups ---- */

static void ask(struct job *j, int family);

static int first_family(enum nu_dns_family f)
{
    switch (f) {
    case NU_DNS_AUTO:
    case NU_DNS_V6_ONLY:
        return AF_INET6;
    case NU_DNS_V4_ONLY:
    case NU_DNS_V4_PREFERRED:
        return AF_INET;
    case NU_DNS_ALL:
        return AF_UNSPEC;
    }
    NU_UNREACHABLE();
}

/* The family to ask next when the first had nothing; AF_UNSPEC: none. */
static int second_family(enum nu_dns_family f)
{
    return f == NU_DNS_AUTO ? AF_INET : f == NU_DNS_V4_PREFERRED ? AF_INET6 : AF_UNSPEC;
}

static void deliver(struct job *j)
{
    struct nu_dns_query *q = j->query;
    if (q != NULL) {
        q->job = NULL;
        q->resolver = NULL;
        q->done(q, j->ok, j->answers, j->n);
    }
    nu_free(j->answers);
    nu_free(j);
}

static void deliver_done(struct nu_task *t)
{
    struct cares *r = nu_container_of(t, struct cares, wakeup);
    struct nu_list *n;
    while ((n = nu_list_pop_front(&r->done)) != NULL)
        deliver(nu_list_entry(n, struct job, node));
}

static void finish(struct job *j, bool ok)
{
    struct cares *r = j->owner;
    r->n_running--;
    if (r->scope != NULL)
        nu_gauge_sub(r->scope, r->slab, NU_DNS_CARES_pending_resolutions, 1);
    j->ok = ok;
    j->finished = true;
    nu_list_push_back(&r->done, &j->node); /* never from within nu_dns_resolve, nor from within c-ares */
    nu_loop_soon(r->loop, &r->wakeup, deliver_done);
}

static void take_answers(struct job *j, const struct ares_addrinfo *ai)
{
    size_t n = 0;
    for (const struct ares_addrinfo_node *a = ai->nodes; a != NULL; a = a->ai_next)
        n++;
    n = nu_min(n, (size_t)MAX_ANSWERS);
    j->answers = nu_calloc(n + 1, sizeof(j->answers[0]));
    for (const struct ares_addrinfo_node *a = ai->nodes; a != NULL && j->n < n; a = a->ai_next) {
        struct nu_dns_answer *out = &j->answers[j->n];
        if (a->ai_family == AF_INET)
            memcpy(&out->sock.in4, a->ai_addr, sizeof(out->sock.in4));
        else if (a->ai_family == AF_INET6)
            memcpy(&out->sock.in6, a->ai_addr, sizeof(out->sock.in6));
        else
            continue;
        out->ttl_s = a->ai_ttl > 0 ? (uint32_t)a->ai_ttl : 0;
        j->n++;
    }
}

static void count_outcome(struct cares *r, int status, int timeouts)
{
    if (timeouts > 0 && r->scope != NULL)
        nu_stat_add(r->scope, r->slab, NU_DNS_CARES_timeouts, (uint64_t)timeouts);
    if (status == ARES_ENOTFOUND || status == ARES_ENODATA)
        count(r, NU_DNS_CARES_not_found);
    else if (status != ARES_SUCCESS)
        count(r, NU_DNS_CARES_get_addr_failure);
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
    struct job *j = arg;
    struct cares *r = j->owner;
    count_outcome(r, status, timeouts);
    if (status == ARES_ECONNREFUSED || status == ARES_ETIMEOUT)
        r->dirty = true;
    if (status == ARES_SUCCESS && ai != NULL)
        take_answers(j, ai);
    ares_freeaddrinfo(ai);
    int other = second_family(j->family);
    bool gone = status == ARES_EDESTRUCTION || status == ARES_ECANCELLED;
    if (j->n == 0 && !j->second && other != AF_UNSPEC && !gone && j->query != NULL) {
        j->second = true;
        nu_free(nu_take(&j->answers));
        ask(j, other);
        return;
    }
    finish(j, status == ARES_SUCCESS || status == ARES_ENOTFOUND || status == ARES_ENODATA);
}

static void ask(struct job *j, int family)
{
    struct ares_addrinfo_hints hints = {.ai_family = family, .ai_flags = ARES_AI_NOSORT, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(j->owner->channel, j->name, NULL, &hints, on_answer, j);
}

static void resolve(struct nu_resolver *base, struct nu_dns_query *q, nu_str name, enum nu_dns_family family)
{
    struct cares *r = nu_container_of(base, struct cares, base);
    struct job *j = nu_zalloc(sizeof(*j) + name.len + 1);
    j->owner = r;
    j->query = q;
    j->family = family;
    memcpy(j->name, name.ptr, name.len);
    q->job = j;
    if (r->scope == NULL && r->stats != NULL)
        r->scope = nu_scope_get(r->stats, &nu_dns_cares_layout, NU_STR("dns.cares."), NU_STR("dns.cares."), NULL, 0);
    count(r, NU_DNS_CARES_resolve_total);
    if (r->scope != NULL)
        nu_gauge_add(r->scope, r->slab, NU_DNS_CARES_pending_resolutions, 1);
    channel_renew(r);
    r->n_running++;
    if (!r->channel_up || name.len == 0 || memchr(name.ptr, 0, name.len) != NULL) {
        finish(j, false);
        return;
    }
    ask(j, first_family(family));
    arm_timer(r);
}

static void cancel(struct nu_resolver *base, struct nu_dns_query *q)
{
    (void)base;
    struct job *j = q->job;
    j->query = NULL;
    q->job = NULL;
    q->resolver = NULL;
}

static void cares_free(struct nu_resolver *base)
{
    struct cares *r = nu_container_of(base, struct cares, base);
    if (r->channel_up)
        ares_destroy(r->channel); /* calls back with EDESTRUCTION */
    nu_timer_cancel(r->loop, &r->timer);
    nu_loop_cancel_task(r->loop, &r->wakeup);
    deliver_done(&r->wakeup);
    nu_resolver_conf_free(&r->conf);
    nu_scope_unref(&r->scope);
    ares_library_cleanup();
    nu_free(r);
}

static const struct nu_resolver_ops cares_ops = {.resolve = resolve, .cancel = cancel, .free = cares_free};

struct nu_resolver *nu_resolver_new(struct nu_loop *loop, struct nu_stats *stats, unsigned slab,
                                    const struct nu_resolver_conf *conf)
{
    struct cares *r = nu_new(struct cares);
    r->base.ops = &cares_ops;
    r->loop = loop;
    r->slab = slab;
    r->conf = nu_resolver_conf_copy(conf);
    nu_list_init(&r->sockets);
    nu_list_init(&r->done);
    nu_timer_init(&r->timer, on_timer);
    r->stats = stats;
    int err = ares_library_init(ARES_LIB_INIT_ALL);
    NU_ASSERT(err == ARES_SUCCESS);
    return &r->base;
}

struct nu_resolver_conf *nu_resolver_conf_copy(const struct nu_resolver_conf *conf)
{
    size_t n = conf != NULL ? conf->n_servers : 0;
    struct nu_resolver_conf *c = nu_zalloc(sizeof(*c) + n * sizeof(c->servers[0]));
    if (conf == NULL)
        return c;
    *c = *conf;
    c->servers = (void *)(c + 1);
    if (n > 0)
        memcpy(c->servers, conf->servers, n * sizeof(c->servers[0]));
    return c;
}

void nu_resolver_conf_free(struct nu_resolver_conf **conf)
{
    nu_free(nu_take(conf));
}

void nu_resolver_free(struct nu_resolver **rp)
{
    struct nu_resolver *r = nu_take(rp);
    if (r != NULL)
        r->ops->free(r);
}

void nu_dns_resolve(struct nu_resolver *r, struct nu_dns_query *q, nu_str name, enum nu_dns_family family)
{
    NU_ASSERT(q->resolver == NULL);
    q->resolver = r;
    r->ops->resolve(r, q, name, family);
}

void nu_dns_cancel(struct nu_dns_query *q)
{
    if (q->resolver != NULL)
        q->resolver->ops->cancel(q->resolver, q);
}
