/* SPDX-License-Identifier: Apache-2.0
 *
 * Adds, updates and removes clusters one by one, on the main thread. A change of one cluster publishes its settings and
 * its hosts and touches nothing else. */
#include "upstream/cluster_manager.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "upstream/breaker.h"
#include "upstream/cluster_manager_stats.h"
#include "upstream/cluster_priv.h"
#include "upstream/cluster_table.h"
#include "upstream/count.h"
#include "upstream/lb_priv.h"
#include "upstream/pool_priv.h"
#include "upstream/thread_clusters_stats.h"
#include "worker/worker.h"

struct waiter {
    struct waiter *next;
    void (*done)(void *arg);
    void *arg;
};

struct nu_cluster_manager {
    struct nu_server *server;
    struct nu_cluster_table table;
    struct nu_scope *scope; /* cluster_manager. */
    struct nu_scope **thread_scopes; /* thread_local_cluster_manager.worker_0. ..., the main thread's last */
    struct waiter *waiters;
    uint32_t n_warming;
    uint32_t n_hidden;
};

static void count(struct nu_cluster_manager *cm, unsigned stat)
{
    nu_stat_inc(cm->scope, cm->server->workers->n, stat);
}

static void gauge(struct nu_cluster_manager *cm, unsigned stat, uint64_t v)
{
    nu_gauge_set(cm->scope, cm->server->workers->n, stat, v);
}

static struct nu_scope *thread_scope(const struct nu_server *s, unsigned index)
{
    char prefix[64], number[16];
    int n = snprintf(number, sizeof(number), "%u", index);
    struct nu_stat_tag tag = {NU_STR("envoy.worker_id"), nu_str_make(number, (size_t)n)};
    if (index == s->workers->n)
        return nu_scope_get(s->stats, &nu_thread_clusters_layout, NU_STR("thread_local_cluster_manager.main_thread."),
                            NU_STR("thread_local_cluster_manager.main_thread."), NULL, 0);
    n = snprintf(prefix, sizeof(prefix), "thread_local_cluster_manager.worker_%u.", index);
    return nu_scope_get(s->stats, &nu_thread_clusters_layout, nu_str_make(prefix, (size_t)n),
                        NU_STR("thread_local_cluster_manager.worker."), &tag, 1);
}

struct nu_cluster_manager *nu_cluster_manager_new(struct nu_server *s)
{
    struct nu_cluster_manager *cm = nu_new(struct nu_cluster_manager);
    cm->server = s;
    s->clusters = cm;
    nu_cluster_table_init(&cm->table, s->workers);
    cm->scope = nu_scope_get(s->stats, &nu_cluster_manager_layout, NU_STR("cluster_manager."),
                             NU_STR("cluster_manager."), NULL, 0);
    cm->thread_scopes = nu_calloc(s->workers->n + 1u, sizeof(cm->thread_scopes[0]));
    for (unsigned i = 0; i <= s->workers->n; i++)
        cm->thread_scopes[i] = thread_scope(s, i);
    return cm;
}

struct nu_cluster *nu_cluster_find(const struct nu_cluster_manager *cm, nu_str name)
{
    return nu_cluster_table_find(&cm->table, name);
}

/* ---- builds ---- */

void nu_assignment_free(struct nu_assignment **ap)
{
    struct nu_assignment *a = nu_take(ap);
    for (uint32_t i = 0; a != NULL && i < a->n_endpoints; i++) {
        nu_address_unref(&a->endpoints[i].address);
        nu_labels_free(&a->endpoints[i].labels);
    }
    for (uint32_t i = 0; a != NULL && i < a->n_localities; i++)
        nu_labels_free(&a->localities[i].labels);
    nu_free(a);
}

void nu_cluster_build_drop(struct nu_cluster_build **bp)
{
    struct nu_cluster_build *b = nu_take(bp);
    if (b == NULL)
        return;
    nu_cluster_info_unref(&b->info);
    nu_assignment_free(&b->assignment);
    nu_dns_conf_free(&b->dns);
    nu_free(b->message);
    nu_free(b);
}

nu_str nu_cluster_build_name(const struct nu_cluster_build *b)
{
    return b->name;
}

/* ---- warming ---- */

static void tell_warm(struct nu_cluster_manager *cm)
{
    gauge(cm, NU_CM_warming_clusters, cm->n_warming);
    while (cm->n_warming == 0 && cm->waiters != NULL) {
        struct waiter *w = cm->waiters;
        cm->waiters = w->next;
        w->done(w->arg);
        nu_free(w);
    }
}

void nu_cluster_manager_when_warm(struct nu_cluster_manager *cm, void (*done)(void *arg), void *arg)
{
    if (cm->n_warming == 0) {
        done(arg);
        return;
    }
    struct waiter *w = nu_new(struct waiter);
    *w = (struct waiter){.next = cm->waiters, .done = done, .arg = arg};
    cm->waiters = w;
}

static void became_warm(struct nu_cluster *c)
{
    struct nu_cluster_manager *cm = c->server->clusters;
    if (c->warm)
        return;
    c->warm = true;
    cm->n_warming--;
    tell_warm(cm);
}

/* ---- hosts of static clusters ---- */

struct nu_host_conf nu_endpoint_host_conf(const struct nu_assignment *a, const struct nu_endpoint_conf *e)
{
    const struct nu_locality_conf *l = &a->localities[e->locality];
    return (struct nu_host_conf){.address = e->address, .hostname = e->hostname, .region = l->region,
                                 .zone = l->zone, .sub_zone = l->sub_zone, .priority = l->priority,
                                 .weight = e->weight, .health_flags = e->health_flags, .canary = e->canary,
                                 .labels = {e->labels, l->labels}};
}

static void set_static_hosts(struct nu_cluster *c, const struct nu_assignment *a)
{
    const struct nu_host_set *old = nu_cluster_hosts(c);
    struct nu_host_index *x = old != NULL ? nu_host_index_new(old) : NULL;
    struct nu_member *members = nu_calloc(a->n_endpoints + 1u, sizeof(*members));
    for (uint32_t i = 0; i < a->n_endpoints; i++) {
        struct nu_host_conf conf = nu_endpoint_host_conf(a, &a->endpoints[i]);
        nu_transport_count(c, &conf.labels, 1);
        members[i] = (struct nu_member){.host = nu_host_index_take(x, c, &conf), .locality = a->endpoints[i].locality};
    }
    nu_cluster_set_hosts(c, nu_host_set_new(nu_cluster_settings(c), c->server->runtime, a->localities,
                                            a->n_localities, members, a->n_endpoints));
    nu_free(members);
    if (x != NULL)
        nu_host_index_free(&x);
}

/* ---- applying ---- */

static void drop_info(void *p)
{
    struct nu_cluster_info *i = p;
    nu_cluster_info_unref(&i);
}

static void set_info(struct nu_cluster *c, struct nu_cluster_info *next)
{
    const struct nu_cluster_info *old = nu_cluster_settings(c);
    next->cluster = c;
    next->generation = old != NULL ? old->generation + 1 : 1;
    nu_breaker_track(c, old, next);
    nu_slot_publish(c->server->workers, &c->info, next, drop_info);
}

/* Gives the cluster the build's settings and hosts. */
static void fill(struct nu_cluster_manager *cm, struct nu_cluster *c, struct nu_cluster_build *b)
{
    set_info(c, nu_take(&b->info));
    nu_free(c->message);
    c->message = nu_take(&b->message);
    c->message_len = b->message_len;
    c->added_via_api = b->added_via_api;
    c->updated_wall_ns = nu_loop_wall_ns(nu_workers_main(cm->server->workers)->loop);
    nu_dns_source_stop(&c->source);
    if (b->type == NU_CLUSTER_STATIC) {
        set_static_hosts(c, b->assignment);
        return;
    }
    if (!c->warm && b->wait_for_warm) {
        cm->n_warming++;
    } else {
        c->warm = true;
    }
    c->source = nu_dns_source_start(c, nu_take(&b->assignment), nu_take(&b->dns), b->type == NU_CLUSTER_LOGICAL_DNS,
                                    became_warm);
}

static void add(struct nu_cluster_manager *cm, struct nu_cluster_build *b)
{
    struct nu_cluster *c = nu_cluster_new(cm->server, b->name, b->stat_name);
    c->warm = b->type == NU_CLUSTER_STATIC;
    fill(cm, c, b);
    nu_cluster_table_add(&cm->table, c); /* which holds the reference */
    count(cm, NU_CM_cluster_added);
    nu_log(upstream, NU_LOG_DEBUG, "cluster '%.*s' added", NU_STR_ARG(c->name));
}

static bool same_message(const struct nu_cluster *c, const struct nu_cluster_build *b)
{
    return c->message != NULL && b->message != NULL && c->message_len == b->message_len &&
           memcmp(c->message, b->message, c->message_len) == 0;
}

static void apply_one(struct nu_cluster_manager *cm, struct nu_cluster_build *b)
{
    struct nu_cluster *c = nu_cluster_table_find(&cm->table, b->name);
    if (c != NULL && c->hidden) {
        c->hidden = false;
        cm->n_hidden--;
    }
    if (c == NULL) {
        add(cm, b);
    } else if (!same_message(c, b)) {
        fill(cm, c, b);
        count(cm, NU_CM_cluster_modified);
        nu_log(upstream, NU_LOG_DEBUG, "cluster '%.*s' updated", NU_STR_ARG(c->name));
    }
    nu_cluster_build_drop(&b);
}

/* No loop picks hosts of it any more. The balancers' states hold hosts, which hold the cluster. */
static void drop_cluster(void *p)
{
    struct nu_cluster *c = p;
    for (unsigned i = 0; i <= c->server->workers->n; i++)
        nu_lb_local_free(&c->lb_locals[i]);
    nu_cluster_unref(&c);
}

/* Takes a cluster away from new streams; those under way keep it by their references. */
static void retire(struct nu_cluster_manager *cm, struct nu_cluster *c)
{
    c->removed = true;
    nu_dns_source_stop(&c->source);
    if (!c->warm)
        became_warm(c);
    nu_cluster_set_hosts(c, NULL);
    nu_slot_publish(cm->server->workers, &c->info, NULL, drop_info);
    nu_free(nu_take(&c->message));
    nu_workers_after_grace(cm->server->workers, drop_cluster, c);
}

static void remove_one(struct nu_cluster_manager *cm, nu_str name)
{
    struct nu_cluster *c = nu_cluster_table_find(&cm->table, name);
    if (c == NULL)
        return;
    nu_log(upstream, NU_LOG_DEBUG, "cluster '%.*s' removed", NU_STR_ARG(name));
    nu_cluster_table_remove(&cm->table, c);
    retire(cm, c);
    count(cm, NU_CM_cluster_removed);
}

/* All threads read one table: what is in it is there for each of them. */
static void count_active(struct nu_cluster_manager *cm)
{
    unsigned n_workers = cm->server->workers->n;
    gauge(cm, NU_CM_active_clusters, cm->table.n - cm->n_hidden);
    for (unsigned i = 0; i <= n_workers; i++)
        nu_gauge_set(cm->thread_scopes[i], n_workers, NU_THREAD_CLUSTERS_clusters_inflated, cm->table.n - cm->n_hidden);
}

void nu_cluster_manager_apply(struct nu_cluster_manager *cm, struct nu_cluster_build **builds, size_t n,
                              const nu_str *remove, size_t n_remove)
{
    cm->n_warming++; /* holds back the news until the batch is complete */
    nu_cluster_table_reserve(&cm->table, n);
    for (size_t i = 0; i < n; i++)
        apply_one(cm, nu_take(&builds[i]));
    for (size_t i = 0; i < n_remove; i++)
        remove_one(cm, remove[i]);
    count_active(cm);
    cm->n_warming--;
    tell_warm(cm);
}

void nu_cluster_manager_hide(struct nu_cluster_manager *cm, const nu_str *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct nu_cluster *c = nu_cluster_table_find(&cm->table, names[i]);
        if (c == NULL || c->hidden)
            continue;
        c->hidden = true;
        cm->n_hidden++;
    }
    count_active(cm);
}

void nu_cluster_manager_remove_hidden(struct nu_cluster_manager *cm)
{
    for (uint32_t i = 0; i < nu_cluster_table_slots(&cm->table) && cm->n_hidden > 0; i++) {
        struct nu_cluster *c = nu_cluster_table_at(&cm->table, i);
        if (c == NULL || !c->hidden)
            continue;
        cm->n_hidden--;
        remove_one(cm, c->name);
    }
    count_active(cm);
}

/* ---- reading ---- */

static int by_name(const void *a, const void *b)
{
    const struct nu_cluster *const *x = a, *const *y = b;
    return nu_str_cmp((*x)->name, (*y)->name);
}

void nu_cluster_manager_each(struct nu_cluster_manager *cm, void (*fn)(struct nu_cluster *c, void *arg), void *arg)
{
    struct nu_cluster **all = nu_calloc(cm->table.n + 1u, sizeof(struct nu_cluster *));
    size_t n = 0;
    for (uint32_t i = 0; i < nu_cluster_table_slots(&cm->table); i++) {
        struct nu_cluster *c = nu_cluster_table_at(&cm->table, i);
        if (c != NULL && !c->hidden)
            all[n++] = c;
    }
    qsort(all, n, sizeof(all[0]), by_name);
    for (size_t i = 0; i < n; i++)
        fn(all[i], arg);
    nu_free(all);
}

/* ---- the end ---- */

static void close_pools(const struct nu_cluster *c)
{
    const struct nu_host_set *s = nu_cluster_hosts(c);
    for (uint32_t p = 0; s != NULL && p < s->n_priorities; p++)
        for (uint32_t i = 0; i < s->priorities[p].n_all; i++)
            for (unsigned w = 0; w <= c->server->workers->n; w++)
                nu_host_pools_close(s->priorities[p].all[i], &c->server->workers->workers[w]);
}

void nu_cluster_manager_free(struct nu_cluster_manager **cmp)
{
    struct nu_cluster_manager *cm = nu_take(cmp);
    if (cm == NULL)
        return;
    for (uint32_t i = 0; i < nu_cluster_table_slots(&cm->table); i++) {
        struct nu_cluster *c = nu_cluster_table_at(&cm->table, i);
        if (c == NULL)
            continue;
        close_pools(c);
        retire(cm, c);
    }
    nu_cluster_table_clear(&cm->table);
    nu_scope_unref(&cm->scope);
    for (unsigned i = 0; i <= cm->server->workers->n; i++)
        nu_scope_unref(&cm->thread_scopes[i]);
    nu_free(cm->thread_scopes);
    while (cm->waiters != NULL) {
        struct waiter *w = cm->waiters;
        cm->waiters = w->next;
        nu_free(w);
    }
    nu_free(cm);
}
