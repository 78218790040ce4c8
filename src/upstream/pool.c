/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of a pool, for HTTP and TCP alike; what is counted when is Envoy's. A pool exists while it has connections or
 * waiting requests, or its host is in the cluster. */
#include <errno.h>

#include "base/alloc.h"
#include "base/sb.h"
#include "net/log_ids.h"
#include "upstream/breaker.h"
#include "upstream/count.h"
#include "upstream/pool_priv.h"

#define NS_TO_MS(ns) ((ns) / NU_NS_PER_MS)

static void on_conn_event(struct nu_conn_watcher *watcher, struct nu_conn *conn, enum nu_conn_event ev);
static void try_connect(struct nu_pool *p);

/* ---- pools ---- */

#define LOG(c, text, ...) nu_log_conn(pool, NU_LOG_DEBUG, (c)->conn->info, text, ##__VA_ARGS__)

static void pool_free(struct nu_task *t)
{
    struct nu_pool *p = nu_container_of(t, struct nu_pool, free_task);
    nu_cluster_info_unref(&p->info);
    nu_host_unref(&p->host);
    nu_free((void *)(uintptr_t)p->key.ptr);
    nu_free((void *)(uintptr_t)p->preamble.ptr);
    nu_free(p);
}

static void free_if_empty(struct nu_host *h, struct nu_worker *w)
{
    struct nu_host_pools *p = h->pools[w->index];
    if (p->http[0] != NULL || p->http[1] != NULL || p->tcp[0] != NULL || p->tcp[1] != NULL || p->keyed.n > 0)
        return;
    h->pools[w->index] = NULL;
    nu_map_free(&p->keyed);
    nu_free(p);
}

static void forget(struct nu_pool *p)
{
    struct nu_host_pools *pools = p->host->pools[p->worker->index];
    struct nu_pool **slot = p->ops->http ? &pools->http[p->priority] : &pools->tcp[p->priority];
    if (p->key.ptr != NULL) {
        nu_map_del(&pools->keyed, p->key);
        nu_list_remove(&p->node);
    } else if (*slot == p) {
        *slot = NULL;
    }
    free_if_empty(p->host, p->worker);
}

/* A pool that drains, or is not for everybody, ends with its last connection and request. */
static void pool_end_if_done(struct nu_pool *p)
{
    if ((!p->draining && p->key.ptr == NULL) || p->n_clients > 0 || p->n_pending > 0 || nu_task_queued(&p->free_task))
        return;
    forget(p);
    nu_loop_cancel_task(p->worker->loop, &p->ready_task);
    nu_loop_defer(p->worker->loop, &p->free_task, pool_free);
}

static struct nu_pool *pool_new(struct nu_host *host, struct nu_cluster_info *info, enum nu_priority priority,
                                struct nu_worker *w, const struct nu_pool_ops *ops)
{
    struct nu_pool *p = nu_new(struct nu_pool);
    *p = (struct nu_pool){.ops = ops, .host = nu_host_ref(host), .info = nu_cluster_info_ref(info),
                          .transport = nu_transport_of(info, host), .cluster = host->cluster, .worker = w, .priority = priority,
                          .draining = nu_atomic_u32_get(&host->removed) != 0};
    nu_list_init(&p->idle);
    nu_list_init(&p->connecting);
    nu_list_init(&p->busy);
    nu_list_init(&p->pending);
    nu_list_init(&p->victims);
    return p;
}

static void close_all(struct nu_list *clients)
{
    struct nu_list *n;
    while ((n = clients->next) != clients)
        nu_pool_client_close(nu_list_entry(n, struct nu_pool_client, node));
}

/* Connections made with older settings take no new requests. */
static NU_COLD void renew(struct nu_pool *p, struct nu_cluster_info *info)
{
    nu_cluster_info_unref(&p->info);
    p->info = nu_cluster_info_ref(info);
    p->transport = nu_transport_of(info, p->host);
    close_all(&p->idle);
    nu_list_foreach(n, &p->busy) {
        struct nu_pool_client *c = nu_list_entry(n, struct nu_pool_client, node);
        c->state = NU_CLIENT_DRAINING;
    }
}

static struct nu_host_pools *pools_new(void)
{
    struct nu_host_pools *pools = nu_new(struct nu_host_pools);
    nu_list_init(&pools->some);
    return pools;
}

static void set_preamble(struct nu_pool *p, const struct nu_transport_options *options)
{
    const struct nu_transport_conf *t = p->transport;
    struct nu_sb bytes = {0};
    nu_free((void *)(uintptr_t)p->preamble.ptr);
    p->preamble = NU_STR_NONE;
    if (t->ops->preamble == NULL)
        return;
    struct nu_transport_options o = {0};
    if (options != NULL)
        o = *options;
    o.host_name = p->host->hostname;
    o.alpn = p->ops->http ? NU_STR("http/1.1") : NU_STR_NONE;
    t->ops->preamble(t, &o, p->worker, &bytes);
    p->preamble = nu_str_make(bytes.ptr, bytes.len); /* the builder's memory is the pool's from now on */
}

static void bring_up_to_date(struct nu_pool *p, struct nu_cluster_info *info, const struct nu_transport_options *options)
{
    if (nu_likely(p->info == info || info->generation <= p->info->generation))
        return;
    p->n_clients++; /* keeps it without its idle connections */
    renew(p, info);
    p->n_clients--;
    set_preamble(p, options);
}

/* The pool for connections with a key of their own; takes the key. */
static NU_COLD struct nu_pool *get_keyed(struct nu_host *host, struct nu_cluster_info *info, enum nu_priority priority,
                                         struct nu_worker *w, const struct nu_pool_ops *ops,
                                         const struct nu_transport_options *options, struct nu_sb *key)
{
    struct nu_host_pools *pools = host->pools[w->index];
    struct nu_pool *p = nu_map_get(&pools->keyed, nu_sb_str(key));
    if (p != NULL) {
        nu_sb_free(key);
        bring_up_to_date(p, info, options);
        return p;
    }
    p = pool_new(host, info, priority, w, ops);
    p->key = nu_sb_str(key);
    set_preamble(p, options);
    nu_map_put(&pools->keyed, p->key, p);
    nu_list_push_back(&pools->some, &p->node);
    return p;
}

/* What tells these options from others. false: nothing, the connection is for everybody. */
static NU_COLD bool make_key(const struct nu_transport_conf *t, enum nu_priority priority, const struct nu_pool_ops *ops,
                             const struct nu_transport_options *options, struct nu_sb *key)
{
    nu_sb_char(key, ops->http ? 'h' : 't');
    nu_sb_char(key, (char)('0' + priority));
    size_t head = key->len;
    t->ops->pool_key(t, options, key);
    if (key->len > head)
        return true;
    nu_sb_free(key);
    return false;
}

struct nu_pool *nu_pool_get(struct nu_host *host, struct nu_cluster_info *info, enum nu_priority priority, struct nu_worker *w,
                            const struct nu_pool_ops *ops, const struct nu_transport_options *options)
{
    struct nu_host_pools *pools = host->pools[w->index];
    struct nu_sb key = {0};
    if (nu_unlikely(pools == NULL))
        pools = host->pools[w->index] = pools_new();
    const struct nu_transport_conf *t = info->transport;
    if (nu_unlikely(info->n_transport_matches > 0))
        t = nu_transport_of(info, host);
    if (nu_unlikely(t->ops->pool_key != NULL && options != NULL) && make_key(t, priority, ops, options, &key))
        return get_keyed(host, info, priority, w, ops, options, &key);
    struct nu_pool **slot = ops->http ? &pools->http[priority] : &pools->tcp[priority];
    if (nu_unlikely(*slot == NULL)) {
        *slot = pool_new(host, info, priority, w, ops);
        set_preamble(*slot, NULL);
    } else if (nu_unlikely((*slot)->info != info)) {
        bring_up_to_date(*slot, info, NULL);
    }
    return *slot;
}

/* ---- giving connections out ---- */

static void set_state(struct nu_pool_client *c, enum nu_client_state state, struct nu_list *list)
{
    c->state = state;
    nu_list_remove(&c->node);
    nu_list_push_front(list, &c->node);
}

static void fail(struct nu_pool *p, struct nu_list *node, enum nu_pool_failure why, nu_str reason)
{
    p->ops->set_pool(node, NULL);
    p->ops->on_failure(node, why, reason);
}

/* Counts a request on an idle client and hands it over; a breaker may refuse. */
static void attach(struct nu_pool *p, struct nu_pool_client *c, struct nu_list *node)
{
    struct nu_cluster *cl = p->cluster;
    struct nu_worker *w = p->worker;
    if (p->ops->http && !nu_breaker_can(cl, p->info, p->priority, NU_BREAKER_RQ)) {
        nu_log(pool, NU_LOG_DEBUG, "cluster '%.*s' has max_requests: overflow", NU_STR_ARG(cl->name));
        NU_CLUSTER_INC(cl, w, upstream_rq_active_overflow);
        fail(p, node, NU_POOL_OVERFLOW, NU_STR_NONE);
        return;
    }
    LOG(c, "attached to a request");
    set_state(c, NU_CLIENT_BUSY, &p->busy);
    c->serving = true;
    c->n_requests++;
    if (--c->requests_left == 0) {
        LOG(c, "max_requests_per_connection is reached: it drains");
        NU_CLUSTER_INC(cl, w, upstream_cx_max_requests);
        c->state = NU_CLIENT_DRAINING;
    }
    p->n_active++;
    nu_atomic_u64_add(&p->host->stats.rq_total, 1);
    nu_atomic_u64_add(&p->host->stats.rq_active, 1);
    NU_CLUSTER_INC(cl, w, upstream_rq_total);
    NU_CLUSTER_GAUGE_INC(cl, w, upstream_rq_active);
    nu_breaker_force(cl, p->info, p->priority, NU_BREAKER_RQ, w);
    p->ops->set_pool(node, NULL);
    p->ops->on_ready(c, node);
}

/* The counterpart of attach. */
static void release(struct nu_pool_client *c)
{
    struct nu_pool *p = c->pool;
    NU_ASSERT(c->serving);
    c->serving = false;
    p->n_active--;
    nu_atomic_u64_sub(&p->host->stats.rq_active, 1);
    NU_CLUSTER_GAUGE_DEC(p->cluster, p->worker, upstream_rq_active);
    nu_breaker_give(p->cluster, p->info, p->priority, NU_BREAKER_RQ, p->worker);
}

/* A request stops waiting. */
static void unqueue(struct nu_pool *p, struct nu_list *node)
{
    nu_list_remove(node);
    NU_CLUSTER_GAUGE_DEC(p->cluster, p->worker, upstream_rq_pending_active);
    (void)nu_atomic_u64_sub(&p->host->stats.rq_pending_active, 1);
    nu_breaker_give(p->cluster, p->info, p->priority, NU_BREAKER_PENDING, p->worker);
}

/* Requests that wait get the connections that are idle. */
static void serve_pending(struct nu_pool *p)
{
    while (p->n_pending > 0 && !nu_list_empty(&p->idle)) {
        struct nu_list *node = p->pending.next;
        p->n_pending--;
        unqueue(p, node);
        attach(p, nu_list_entry(p->idle.next, struct nu_pool_client, node), node);
    }
}

static void on_ready_task(struct nu_task *t)
{
    struct nu_pool *p = nu_container_of(t, struct nu_pool, ready_task);
    serve_pending(p);
    if (p->draining)
        close_all(&p->idle);
}

void nu_pool_request(struct nu_pool *p, struct nu_list *node)
{
    if (nu_likely(!nu_list_empty(&p->idle))) {
        attach(p, nu_list_entry(p->idle.next, struct nu_pool_client, node), node);
        return;
    }
    if (!nu_breaker_can(p->cluster, p->info, p->priority, NU_BREAKER_PENDING)) {
        nu_log(pool, NU_LOG_DEBUG, "cluster '%.*s' has max_pending_requests: overflow", NU_STR_ARG(p->cluster->name));
        NU_CLUSTER_INC(p->cluster, p->worker, upstream_rq_pending_overflow);
        fail(p, node, NU_POOL_OVERFLOW, NU_STR_NONE);
        pool_end_if_done(p);
        return;
    }
    nu_log(pool, NU_LOG_DEBUG, "a request for %.*s waits (connections: %u, of these connecting: %u)",
           NU_STR_ARG(p->host->address->text), p->n_clients, p->n_connecting);
    nu_breaker_force(p->cluster, p->info, p->priority, NU_BREAKER_PENDING, p->worker);
    NU_CLUSTER_INC(p->cluster, p->worker, upstream_rq_pending_total);
    NU_CLUSTER_GAUGE_INC(p->cluster, p->worker, upstream_rq_pending_active);
    (void)nu_atomic_u64_add(&p->host->stats.rq_pending_active, 1);
    nu_list_push_back(&p->pending, node);
    p->n_pending++;
    p->ops->set_pool(node, p);
    try_connect(p);
}

static bool is_victim(const struct nu_pool *p, const struct nu_list *node)
{
    nu_list_foreach(n, &p->victims) if (n == node) return true;
    return false;
}

void nu_pool_cancel(struct nu_pool *p, struct nu_list *node, bool close_excess)
{
    if (!is_victim(p, node))
        p->n_pending--;
    unqueue(p, node);
    p->ops->set_pool(node, NULL);
    NU_CLUSTER_INC(p->cluster, p->worker, upstream_rq_cancelled);
    if (close_excess && p->n_connecting > p->n_pending)
        nu_pool_client_close(nu_list_entry(p->connecting.next, struct nu_pool_client, node));
    pool_end_if_done(p);
}

/* ---- connections ---- */

static bool host_allows_connection(const struct nu_pool *p)
{
    return nu_atomic_u64_get(&p->host->stats.cx_active) < p->info->per_host_max_connections &&
           nu_breaker_can(p->cluster, p->info, p->priority, NU_BREAKER_CX);
}

static void on_timer(struct nu_timer *t)
{
    struct nu_pool_client *c = nu_container_of(t, struct nu_pool_client, timer);
    struct nu_pool *p = c->pool;
    if (c->state == NU_CLIENT_CONNECTING) {
        LOG(c, "connect timeout");
        NU_CLUSTER_INC(p->cluster, p->worker, upstream_cx_connect_timeout);
        c->timed_out = true;
        nu_pool_client_close(c);
    } else if (c->state == NU_CLIENT_IDLE) { /* one that is busy is armed again when it idles */
        LOG(c, "idle timeout");
        NU_CLUSTER_INC(p->cluster, p->worker, upstream_cx_idle_timeout);
        nu_pool_client_close(c);
    }
}

static void on_duration(struct nu_timer *t)
{
    struct nu_pool_client *c = nu_container_of(t, struct nu_pool_client, duration);
    LOG(c, "max_connection_duration is reached");
    NU_CLUSTER_INC(c->pool->cluster, c->pool->worker, upstream_cx_max_duration_reached);
    if (c->serving)
        c->state = NU_CLIENT_DRAINING;
    else
        nu_pool_client_close(c);
}

static void count_open(struct nu_pool *p)
{
    struct nu_worker *w = p->worker;
    nu_breaker_force(p->cluster, p->info, p->priority, NU_BREAKER_CX, w);
    nu_atomic_u64_add(&p->host->stats.cx_total, 1);
    nu_atomic_u64_add(&p->host->stats.cx_active, 1);
    NU_CLUSTER_INC(p->cluster, w, upstream_cx_total);
    NU_CLUSTER_GAUGE_INC(p->cluster, w, upstream_cx_active);
    if (p->ops->http)
        NU_CLUSTER_INC(p->cluster, w, upstream_cx_http1_total);
}

/* With the connection's memory: what it was made from may go. */
static void client_free(void *arg)
{
    struct nu_pool_client *c = arg;
    nu_cluster_info_unref(&c->info);
    nu_host_unref(&c->host);
}

static void client_open(struct nu_pool *p)
{
    struct nu_connect_options o = p->info->connect;
    o.address = p->host->address;
    o.transport = p->transport;
    o.buffer_limit = p->info->buffer_limit;
    o.timeout = NU_MS(0); /* ours, below: it counts */
    struct nu_conn *conn = nu_conn_connect(p->worker, &o);
    conn->stats = &p->cluster->conn_stats;
    if (p->preamble.ptr != NULL)
        conn->transport->ops->set_preamble(conn, p->preamble);
    struct nu_pool_client *c = nu_arena_new(&conn->arena, struct nu_pool_client);
    c->pool = p;
    c->conn = conn;
    c->info = nu_cluster_info_ref(p->info);
    c->host = nu_host_ref(p->host);
    nu_arena_on_clear(&conn->arena, client_free, c);
    c->state = NU_CLIENT_CONNECTING;
    c->started_ns = nu_loop_now_ns(p->worker->loop);
    c->requests_left = p->info->max_requests_per_connection > 0 ? p->info->max_requests_per_connection : UINT64_MAX;
    c->watcher.on_event = on_conn_event;
    nu_conn_watch(conn, &c->watcher);
    nu_timer_init(&c->timer, on_timer);
    nu_timer_init(&c->duration, on_duration);
    nu_timer_arm(p->worker->loop, &c->timer, p->info->connect_timeout);
    nu_list_push_front(&p->connecting, &c->node);
    p->n_connecting++;
    p->n_clients++;
    LOG(c, "new connection to %.*s of cluster '%.*s'", NU_STR_ARG(p->host->address->text), NU_STR_ARG(p->cluster->name));
    count_open(p);
    p->ops->on_open(c);
}

/* Makes a connection when requests wait for one that nobody is making. */
static void try_connect(struct nu_pool *p)
{
    while (p->n_pending > p->n_connecting) {
        bool allowed = host_allows_connection(p);
        if (!allowed) {
            nu_log(pool, NU_LOG_DEBUG, "cluster '%.*s' has max_connections: overflow", NU_STR_ARG(p->cluster->name));
            NU_CLUSTER_INC(p->cluster, p->worker, upstream_cx_overflow);
        }
        /* The first connection of a pool is always made, or its requests would wait for ever. */
        if (!allowed && p->n_clients > 0)
            return;
        client_open(p);
        if (!allowed)
            return;
    }
}

void nu_pool_client_close(struct nu_pool_client *c)
{
    nu_conn_close(c->conn, NU_CLOSE_NOW);
}

static void count_closed(struct nu_pool_client *c, bool remote)
{
    struct nu_pool *p = c->pool;
    struct nu_worker *w = p->worker;
    NU_CLUSTER_INC(p->cluster, w, upstream_cx_destroy);
    if (remote)
        NU_CLUSTER_INC(p->cluster, w, upstream_cx_destroy_remote);
    else
        NU_CLUSTER_INC(p->cluster, w, upstream_cx_destroy_local);
    if (!c->serving)
        return;
    NU_CLUSTER_INC(p->cluster, w, upstream_cx_destroy_with_active_rq);
    if (remote)
        NU_CLUSTER_INC(p->cluster, w, upstream_cx_destroy_remote_with_active_rq);
    else
        NU_CLUSTER_INC(p->cluster, w, upstream_cx_destroy_local_with_active_rq);
}

static void give_back(struct nu_pool_client *c)
{
    struct nu_pool *p = c->pool;
    nu_timer_cancel(p->worker->loop, &c->timer);
    nu_timer_cancel(p->worker->loop, &c->duration);
    uint64_t lived = nu_loop_now_ns(p->worker->loop) - c->started_ns;
    NU_CLUSTER_RECORD(p->cluster, p->worker, upstream_cx_length_ms, NS_TO_MS(lived));
    if (c->connected && p->ops->http)
        NU_CLUSTER_RECORD(p->cluster, p->worker, upstream_rq_per_cx, c->n_requests);
    NU_CLUSTER_GAUGE_DEC(p->cluster, p->worker, upstream_cx_active);
    nu_atomic_u64_sub(&p->host->stats.cx_active, 1);
    nu_breaker_give(p->cluster, p->info, p->priority, NU_BREAKER_CX, p->worker);
}

/* Requests that wait share the fate of the connection that was made for them (Envoy's rule). The callbacks may start
 * new requests, which must not fail with the old ones. */
static void purge_pending(struct nu_pool *p, enum nu_pool_failure why, nu_str reason)
{
    struct nu_list *node;
    while ((node = nu_list_pop_front(&p->pending)) != NULL)
        nu_list_push_back(&p->victims, node);
    p->n_pending = 0;
    while ((node = nu_list_pop_front(&p->victims)) != NULL) {
        unqueue(p, node);
        NU_CLUSTER_INC(p->cluster, p->worker, upstream_rq_pending_failure_eject);
        fail(p, node, why, reason);
    }
}

static void on_connect_failed(struct nu_pool_client *c, bool remote)
{
    struct nu_pool *p = c->pool;
    p->n_connecting--;
    NU_CLUSTER_INC(p->cluster, p->worker, upstream_cx_connect_fail);
    nu_atomic_u64_add(&p->host->stats.cx_connect_fail, 1);
    enum nu_pool_failure why = c->timed_out ? NU_POOL_CONNECT_TIMEOUT
                               : remote     ? NU_POOL_REMOTE_CONNECT_FAILURE
                                            : NU_POOL_LOCAL_CONNECT_FAILURE;
    purge_pending(p, why, nu_conn_details(c->conn->info)->transport_failure);
}

static void on_closed(struct nu_pool_client *c, bool remote)
{
    struct nu_pool *p = c->pool;
    enum nu_client_state was = c->state;
    nu_str failure = nu_conn_details(c->conn->info)->transport_failure;
    c->state = NU_CLIENT_CLOSED;
    LOG(c, "closed by %s after %" PRIu64 " request(s)%s%.*s", remote ? "the peer" : "us", c->n_requests,
        failure.len > 0 ? ": " : "", NU_STR_ARG(failure));
    nu_list_remove(&c->node);
    count_closed(c, remote);
    p->n_clients++; /* keeps the pool while callbacks run */
    if (was == NU_CLIENT_CONNECTING)
        on_connect_failed(c, remote);
    if (p->ops->on_closed != NULL)
        p->ops->on_closed(c);
    if (c->serving)
        release(c);
    give_back(c);
    p->n_clients -= 2;
    try_connect(p);
    pool_end_if_done(p);
}

static void on_connected(struct nu_pool_client *c)
{
    struct nu_pool *p = c->pool;
    struct nu_loop *loop = p->worker->loop;
    c->connected = true;
    LOG(c, "connected");
    p->n_connecting--;
    NU_CLUSTER_RECORD(p->cluster, p->worker, upstream_cx_connect_ms,
                      NS_TO_MS(nu_loop_now_ns(loop) - c->started_ns));
    nu_timer_cancel(loop, &c->timer);
    if (c->info->max_connection_duration.v > 0)
        nu_timer_arm(loop, &c->duration, c->info->max_connection_duration);
    set_state(c, NU_CLIENT_IDLE, &p->idle);
    nu_ms idle = p->ops->http ? c->info->http_idle_timeout : c->info->tcp_idle_timeout;
    if (idle.v > 0)
        nu_timer_arm(loop, &c->timer, idle);
    serve_pending(p);
    if (p->draining && c->state == NU_CLIENT_IDLE)
        nu_pool_client_close(c);
}

static void on_conn_event(struct nu_conn_watcher *watcher, struct nu_conn *conn, enum nu_conn_event ev)
{
    struct nu_pool_client *c = nu_container_of(watcher, struct nu_pool_client, watcher);
    (void)conn;
    if (ev == NU_CONN_CONNECTED)
        on_connected(c);
    else
        on_closed(c, ev == NU_CONN_REMOTE_CLOSE);
}

void nu_pool_client_done(struct nu_pool_client *c, bool reusable)
{
    struct nu_pool *p = c->pool;
    NU_ASSERT(c->state != NU_CLIENT_CLOSED); /* on_closed releases */
    LOG(c, "the request is done (%s)", reusable ? "reusable" : "not reusable");
    release(c);
    if (!reusable || c->state == NU_CLIENT_DRAINING || (p->draining && p->n_pending == 0)) {
        nu_pool_client_close(c);
        return;
    }
    set_state(c, NU_CLIENT_IDLE, &p->idle);
    nu_ms idle = c->info->http_idle_timeout;
    if (idle.v > 0)
        nu_timer_arm(p->worker->loop, &c->timer, idle);
    /* Not at once: the response's last bytes may have come with a FIN, which this turn will tell. */
    if (p->n_pending > 0)
        nu_loop_soon(p->worker->loop, &p->ready_task, on_ready_task);
}

/* ---- hosts that go ---- */

static void drain(struct nu_pool *p)
{
    if (p == NULL)
        return;
    p->draining = true;
    p->n_clients++;
    close_all(&p->idle);
    if (p->n_pending == 0)
        close_all(&p->connecting);
    p->n_clients--;
    pool_end_if_done(p);
}

static void each_keyed(struct nu_host_pools *pools, void (*fn)(struct nu_pool *p))
{
    struct nu_list todo, *n;
    nu_list_take_all(&pools->some, &todo);
    while ((n = nu_list_pop_front(&todo)) != NULL) { /* pools that are left keep the table */
        nu_list_push_back(&pools->some, n);
        fn(nu_list_entry(n, struct nu_pool, node));
    }
}

static void each_pool(struct nu_host *h, struct nu_worker *w, void (*fn)(struct nu_pool *p))
{
    if (h->pools[w->index] != NULL)
        each_keyed(h->pools[w->index], fn);
    for (unsigned i = 0; i < NU_N_PRIORITIES; i++) { /* the table goes with the last pool */
        if (h->pools[w->index] != NULL)
            fn(h->pools[w->index]->http[i]);
        if (h->pools[w->index] != NULL)
            fn(h->pools[w->index]->tcp[i]);
    }
    if (h->pools[w->index] != NULL)
        free_if_empty(h, w);
}

static void close_pool(struct nu_pool *p)
{
    if (p == NULL)
        return;
    p->draining = true;
    p->n_clients++;
    close_all(&p->idle);
    close_all(&p->connecting);
    close_all(&p->busy);
    p->n_clients--;
    pool_end_if_done(p);
}

void nu_host_pools_close(struct nu_host *h, struct nu_worker *w)
{
    each_pool(h, w, close_pool);
}

struct drain_job {
    struct nu_host **hosts;
    uint32_t n;
    struct nu_workers *all;
};

static void drain_on(struct nu_worker *w, void *arg)
{
    const struct drain_job *job = arg;
    for (uint32_t i = 0; i < job->n; i++)
        if (nu_atomic_u32_get(&job->hosts[i]->removed) != 0) /* it may have come back */
            each_pool(job->hosts[i], w, drain);
}

static void drain_done(void *arg)
{
    struct drain_job *job = arg;
    drain_on(nu_workers_main(job->all), job);
    for (uint32_t i = 0; i < job->n; i++)
        nu_host_unref(&job->hosts[i]);
    nu_free(job->hosts);
    nu_free(job);
}

void nu_host_pools_drain_all(struct nu_workers *all, struct nu_host **hosts, uint32_t n)
{
    struct drain_job *job = nu_new(struct drain_job);
    *job = (struct drain_job){.hosts = hosts, .n = n, .all = all};
    nu_workers_each(all, drain_on, drain_done, job);
}
