/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker's side of a listener: accept, limits, listener filters, the filter chain, the connection. A turn accepts a
 * bounded batch from each socket; out of descriptors, accepting pauses and clients wait in the backlog. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "listener/connection_monitor_stats.h"
#include "listener/listener_priv.h"
#include "listener/listener_stats.h"
#include "listener/listener_worker_stats.h"
#include "net/log_ids.h"
#include "worker/runtime.h"

#define MAX_BATCH 64u
/* How long accepting pauses when the process is out of descriptors or memory. */
#define RETRY NU_MS(100)

/* A socket in listener filters. */
struct pending {
    struct nu_accepting base;
    struct nu_watch watch;
    struct nu_timer timeout;
    struct nu_task free_task;
    struct nu_list node;
    struct nu_listener_worker *lw;
    struct nu_listener_conf *conf; /* a reference */
    size_t at;                     /* the filter that runs */
};

/* What a listener keeps of an open connection. */
struct active {
    struct nu_conn_watcher base;
    struct nu_listener_worker *lw;
    struct nu_listener_conf *conf; /* a reference: filters and records borrow from it */
    uint64_t start_ns;
};

static void count(const struct nu_listener_worker *lw, const struct nu_listener_conf *conf, unsigned index)
{
    nu_stat_inc(conf->scope, lw->w->index, index);
}

/* ---- connections ---- */

static struct nu_cx_count *global_count(const struct nu_listener_worker *lw)
{
    return &lw->listener->lm->counts[lw->w->index];
}

/* The admin interface answers when everything else is full, and counts towards nothing (the monitor is the workers'). */
static bool is_exempt(const struct nu_listener_conf *conf)
{
    return conf->ignore_global_conn_limit || conf->on_main;
}

static void count_open(struct nu_listener_worker *lw, const struct nu_listener_conf *conf)
{
    unsigned slab = lw->w->index;
    nu_stat_inc(conf->scope, slab, NU_LISTENER_downstream_cx_total);
    nu_gauge_add(conf->scope, slab, NU_LISTENER_downstream_cx_active, 1);
    nu_stat_inc(conf->worker_scopes[slab], slab, NU_LISTENER_WORKER_downstream_cx_total);
    nu_gauge_add(conf->worker_scopes[slab], slab, NU_LISTENER_WORKER_downstream_cx_active, 1);
    nu_atomic_u32_add(&lw->n_active, 1);
    if (!is_exempt(conf))
        nu_atomic_u32_add(&global_count(lw)->n, 1);
}

static void count_close(struct nu_listener_worker *lw, const struct active *a)
{
    unsigned slab = lw->w->index;
    const struct nu_listener_conf *conf = a->conf;
    uint64_t ms = (nu_loop_now_ns(lw->w->loop) - a->start_ns) / NU_NS_PER_MS;
    nu_stat_inc(conf->scope, slab, NU_LISTENER_downstream_cx_destroy);
    nu_gauge_sub(conf->scope, slab, NU_LISTENER_downstream_cx_active, 1);
    nu_hist_record(conf->scope, slab, NU_LISTENER_downstream_cx_length_ms, ms);
    nu_gauge_sub(conf->worker_scopes[slab], slab, NU_LISTENER_WORKER_downstream_cx_active, 1);
    nu_atomic_u32_sub(&lw->n_active, 1);
    if (!is_exempt(conf))
        nu_atomic_u32_sub(&global_count(lw)->n, 1);
}

static void log_end(const struct nu_listener_conf *conf, struct nu_stream_info *si, struct nu_conn *c)
{
    si->end_ns = nu_loop_now_ns(si->worker->loop);
    if (c != NULL) {
        si->bytes_received = si->wire_received = c->bytes_in;
        si->bytes_sent = si->wire_sent = c->bytes_out;
    }
    nu_access_logs_run(&conf->access_logs, &(struct nu_log_entry){.info = si, .type = NU_LOG_NOT_SET});
}

/* After its filters have given up what they hold of the snapshot. */
static void on_conn_free(struct nu_conn_watcher *w)
{
    nu_listener_conf_unref(&nu_container_of(w, struct active, base)->conf);
}

static void on_conn_event(struct nu_conn_watcher *w, struct nu_conn *c, enum nu_conn_event ev)
{
    struct active *a = nu_container_of(w, struct active, base);
    if (ev == NU_CONN_CONNECTED)
        return;
    count_close(a->lw, a);
    if (a->conf->access_logs.n > 0)
        log_end(a->conf, nu_conn_stream_info(c), c);
}

/* Of a connection whose transport has a time to become ready. */
struct handshake_limit {
    struct nu_conn_watcher base;
    struct nu_timer timer;
    struct nu_conn *conn;
};

static void on_handshake_timeout(struct nu_timer *t)
{
    struct nu_conn *c = nu_container_of(t, struct handshake_limit, timer)->conn;
    nu_stat_inc(c->info->listener->scope, c->worker->index, NU_LISTENER_downstream_cx_transport_socket_connect_timeout);
    nu_conn_details_edit(c->info)->termination_details = NU_STR("transport socket timeout was reached");
    nu_conn_close_why(c, NU_CLOSE_NOW, NU_STR("transport_socket_timeout"));
}

/* Ready, or gone. */
static void on_limited_event(struct nu_conn_watcher *w, struct nu_conn *c, enum nu_conn_event ev)
{
    struct handshake_limit *l = nu_container_of(w, struct handshake_limit, base);
    (void)ev;
    nu_timer_cancel(c->worker->loop, &l->timer);
}

static void limit_handshake(const struct nu_filter_chain *chain, struct nu_conn *c)
{
    if (nu_ms_is_zero(chain->transport_connect_timeout) || c->state != NU_CONN_OPEN)
        return;
    struct handshake_limit *l = nu_arena_new(&c->arena, struct handshake_limit);
    l->base.on_event = on_limited_event;
    l->conn = c;
    nu_conn_watch(c, &l->base);
    nu_timer_init(&l->timer, on_handshake_timeout);
    nu_timer_arm(c->worker->loop, &l->timer, chain->transport_connect_timeout);
}

static void attach_filters(const struct nu_filter_chain *chain, struct nu_conn *c)
{
    for (size_t i = 0; i < chain->n_filters && c->state == NU_CONN_OPEN; i++)
        chain->filters[i]->attach(chain->filters[i], c);
}

static void open_conn(struct nu_listener_worker *lw, struct nu_listener_conf *conf, struct nu_accepting *acc,
                      const struct nu_filter_chain *chain)
{
    acc->info->drain = &chain->drain;
    struct nu_conn *c = nu_conn_from_accepting(acc, chain->transport, conf->buffer_limit);
    struct active *a = nu_arena_new(&c->arena, struct active);
    a->base.on_event = on_conn_event;
    a->base.on_free = on_conn_free;
    a->lw = lw;
    a->conf = nu_listener_conf_ref(conf);
    a->start_ns = nu_loop_now_ns(lw->w->loop);
    nu_conn_watch(c, &a->base);
    count_open(lw, conf);
    if (conf->access_logs.n > 0)
        (void)nu_conn_stream_info(c);
    if (chain->n_filters == 0) {
        nu_conn_close(c, NU_CLOSE_NOW);
        return;
    }
    attach_filters(chain, c);
    limit_handshake(chain, c);
    if (c->state == NU_CONN_OPEN)
        nu_conn_start(c);
}

/* ---- the filter chain ---- */

static void drop_accepting(struct nu_accepting *acc)
{
    nu_buf_clear(&acc->early, &acc->worker->bufs);
    if (acc->fd >= 0)
        close(acc->fd);
    acc->fd = -1;
    nu_arena_clear(&acc->arena);
}

/* The record of a socket that becomes no connection. */
static struct nu_stream_info *unopened_info(struct nu_listener_worker *lw, struct nu_accepting *acc)
{
    struct nu_stream_info *si = nu_arena_new(&acc->arena, struct nu_stream_info);
    si->worker = lw->w;
    si->arena = &acc->arena;
    si->conn = acc->info;
    si->metadata = nu_conn_details(acc->info)->metadata;
    si->start_ns = nu_loop_now_ns(lw->w->loop);
    si->start_wall_ns = nu_loop_wall_ns(lw->w->loop);
    return si;
}

static void refuse_unmatched(struct nu_listener_worker *lw, struct nu_listener_conf *conf, struct nu_accepting *acc)
{
    count(lw, conf, NU_LISTENER_no_filter_chain_match);
    if (conf->access_logs.n > 0) {
        struct nu_stream_info *si = unopened_info(lw, acc);
        si->response_code_details = NU_STR("filter_chain_not_found");
        nu_stream_info_flag(si, NU_FLAG_NO_ROUTE_FOUND);
        log_end(conf, si, NULL);
    }
    drop_accepting(acc);
}

static void choose_chain(struct nu_listener_worker *lw, struct nu_listener_conf *conf, struct nu_accepting *acc)
{
    const struct nu_filter_chain *chain = conf->catch_all;
    if (chain == NULL && conf->n_chains > 0)
        chain = nu_chain_match(conf->matcher, acc->info);
    if (chain == NULL)
        chain = conf->default_chain;
    if (chain == NULL)
        refuse_unmatched(lw, conf, acc);
    else
        open_conn(lw, conf, acc, chain);
}

/* ---- listener filters ---- */

static void free_pending(struct nu_task *t)
{
    nu_free(nu_container_of(t, struct pending, free_task));
}

/* Takes a socket out of the listener filters; its descriptor stays open unless the caller drops it. */
static void leave_filters(struct pending *p)
{
    struct nu_loop *loop = p->lw->w->loop;
    nu_timer_cancel(loop, &p->timeout);
    nu_loop_unwatch(loop, &p->watch);
    nu_list_remove(&p->node);
    nu_gauge_sub(p->conf->scope, p->lw->w->index, NU_LISTENER_downstream_pre_cx_active, 1);
}

static void end_pending(struct pending *p)
{
    nu_listener_conf_unref(&p->conf);
    nu_loop_defer(p->lw->w->loop, &p->free_task, free_pending);
}

static void close_pending_socket(struct pending *p)
{
    leave_filters(p);
    if (p->conf->access_logs.n > 0)
        log_end(p->conf, unopened_info(p->lw, &p->base), NULL);
    drop_accepting(&p->base);
    end_pending(p);
}

static void refuse_pending(struct pending *p, unsigned stat)
{
    count(p->lw, p->conf, stat);
    close_pending_socket(p);
}

static void pass_pending(struct pending *p)
{
    leave_filters(p);
    choose_chain(p->lw, p->conf, &p->base);
    end_pending(p);
}

static void run_filters(struct pending *p)
{
    while (p->at < p->conf->n_listener_filters) {
        switch (nu_accepting_run(p->conf->listener_filters[p->at], &p->base)) {
        case NU_LF_CONTINUE:
            p->at++;
            p->base.state = NULL;
            continue;
        case NU_LF_WAIT:
            return;
        case NU_LF_REFUSE:
            close_pending_socket(p);
            return;
        case NU_LF_CLOSE:
            refuse_pending(p, NU_LISTENER_downstream_listener_filter_error);
            return;
        case NU_LF_REMOTE_CLOSE:
            refuse_pending(p, NU_LISTENER_downstream_listener_filter_remote_close);
            return;
        }
    }
    pass_pending(p);
}

static void on_pending_ready(struct nu_watch *w, uint32_t ready)
{
    (void)ready;
    run_filters(nu_container_of(w, struct pending, watch));
}

static void on_filters_timeout(struct nu_timer *t)
{
    struct pending *p = nu_container_of(t, struct pending, timeout);
    count(p->lw, p->conf, NU_LISTENER_downstream_pre_cx_timeout);
    if (p->conf->continue_on_listener_filters_timeout) {
        pass_pending(p);
        return;
    }
    close_pending_socket(p);
}

static void enter_filters(struct nu_listener_worker *lw, struct nu_listener_conf *conf, struct nu_accepting *acc)
{
    struct pending *p = nu_new(struct pending);
    p->base = *acc;
    p->base.info->arena = &p->base.arena; /* until the connection takes it over */
    p->lw = lw;
    p->conf = nu_listener_conf_ref(conf);
    p->watch.fd = -1;
    nu_list_push_back(&lw->accepting, &p->node);
    nu_gauge_add(conf->scope, lw->w->index, NU_LISTENER_downstream_pre_cx_active, 1);
    nu_timer_init(&p->timeout, on_filters_timeout);
    if (conf->listener_filters_timeout.v > 0)
        nu_timer_arm(lw->w->loop, &p->timeout, conf->listener_filters_timeout);
    /* Registering reports at once what is readable already, so that the filters run for the first time then. */
    nu_loop_watch(lw->w->loop, &p->watch, acc->fd, on_pending_ready);
}

/* ---- accepting ---- */

/* Connections of one listener on all workers. */
static uint64_t listener_connections(const struct nu_listener *l)
{
    uint64_t n = 0;
    for (unsigned i = 0; i <= l->lm->server->workers->n; i++)
        n += nu_atomic_u32_get(&l->workers[i].n_active);
    return n;
}

static uint64_t global_limit(const struct nu_listener_manager *lm)
{
    uint64_t limit = nu_atomic_u64_get(&lm->global_limit);
    if (lm->server->runtime == NULL || !nu_runtime_has_keys(lm->server->runtime))
        return limit;
    return nu_runtime_u64(lm->server->runtime, NU_STR("overload.global_downstream_max_connections"), limit);
}

static uint64_t listener_limit(const struct nu_listener *l)
{
    const struct nu_runtime *rt = l->lm->server->runtime;
    if (rt == NULL || !nu_runtime_has_keys(rt))
        return UINT64_MAX;
    return nu_runtime_u64(rt, l->limit_key, UINT64_MAX);
}

static bool admit(struct nu_listener_worker *lw)
{
    const struct nu_listener_conf *conf = lw->conf;
    uint64_t limit = is_exempt(conf) ? UINT64_MAX : global_limit(lw->listener->lm);
    if (limit != UINT64_MAX && nu_listener_manager_n_connections(lw->listener->lm) >= limit) {
        count(lw, conf, NU_LISTENER_downstream_global_cx_overflow);
        if (lw->listener->lm->monitor_scope != NULL)
            nu_stat_inc(lw->listener->lm->monitor_scope, lw->w->index, NU_CX_MONITOR_failed_updates);
        return false;
    }
    limit = listener_limit(lw->listener);
    if (limit != UINT64_MAX && listener_connections(lw->listener) >= limit) {
        count(lw, conf, NU_LISTENER_downstream_cx_overflow);
        return false;
    }
    return true;
}

/* An IPv4 peer of an IPv6 socket is an IPv4 peer. */
static void unmap(struct nu_sockaddr *a)
{
    if (a->family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
        return;
    struct nu_sockaddr v4 = {.in4 = {.sin_family = AF_INET, .sin_port = a->in6.sin6_port}};
    memcpy(&v4.in4.sin_addr, &a->in6.sin6_addr.s6_addr[12], 4);
    *a = v4;
}

static void unref_address(void *arg)
{
    struct nu_address *a = arg;
    nu_address_unref(&a);
}

/* The address a client reached on a socket bound to a wildcard: few different ones, kept for the listener's life. */
static struct nu_address *own_address(struct nu_listener_worker *lw, struct nu_acceptor *a, struct nu_accepting *acc)
{
    struct nu_sockaddr sock = {.family = AF_UNSPEC};
    socklen_t len = sizeof(sock);
    if (getsockname(acc->fd, &sock.any, &len) != 0)
        return a->address;
    unmap(&sock);
    for (unsigned i = 0; i < lw->n_locals; i++)
        if (nu_sockaddr_eq(&lw->locals[i]->sock, &sock))
            return lw->locals[i];
    struct nu_address *fresh = nu_address_from_sock(&sock);
    if (lw->n_locals < NU_ARRAY_LEN(lw->locals))
        lw->locals[lw->n_locals++] = nu_address_ref(fresh);
    nu_arena_on_clear(&acc->arena, unref_address, fresh);
    return fresh;
}

static NU_COLD void log_new_connection(const struct nu_conn_info *info, const struct nu_listener_conf *conf)
{
    char text[NU_SOCKADDR_TEXT];
    nu_str from = nu_sockaddr_text(&info->remote, false, text);
    nu_log_conn(conn_handler, NU_LOG_DEBUG, info, "new connection from %.*s on listener '%.*s'", NU_STR_ARG(from),
                NU_STR_ARG(conf->name));
}

static void take_socket(struct nu_acceptor *a, int fd, const struct nu_sockaddr *remote)
{
    struct nu_listener_worker *lw = a->lw;
    struct nu_accepting acc = {.worker = lw->w, .fd = fd, .listener_scope = lw->conf->scope};
    nu_conn_arena_init(&acc.arena);
    acc.info = nu_arena_new(&acc.arena, struct nu_conn_info);
    acc.info->id = nu_worker_next_id(lw->w);
    acc.info->remote = *remote;
    acc.info->listener = lw->conf;
    acc.info->local = a->wildcard ? own_address(lw, a, &acc) : a->address;
    if (nu_log_on(NU_LOG_MODULE_conn_handler, NU_LOG_DEBUG))
        log_new_connection(acc.info, lw->conf);
    if (lw->conf->n_listener_filters > 0)
        enter_filters(lw, lw->conf, &acc);
    else
        choose_chain(lw, lw->conf, &acc);
}

static void on_retry(struct nu_timer *t);

static void pause_accepting(struct nu_listener_worker *lw, int err)
{
    nu_log(conn_handler, NU_LOG_WARN, "listener '%.*s' cannot accept (%s): waiting %d ms",
           NU_STR_ARG(lw->listener->name), strerror(err), (int)RETRY.v);
    for (size_t i = 0; i < lw->n_acceptors; i++)
        nu_loop_unwatch(lw->w->loop, &lw->acceptors[i].watch);
    nu_timer_init(&lw->retry, on_retry);
    nu_timer_arm(lw->w->loop, &lw->retry, RETRY);
}

enum accept_result { ACCEPTED, NOTHING, PAUSED };

static enum accept_result accept_one(struct nu_acceptor *a)
{
    struct nu_sockaddr remote = {.family = AF_UNSPEC};
    socklen_t len = sizeof(remote);
    int fd = accept4(a->watch.fd, &remote.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
            return errno == ECONNABORTED ? ACCEPTED : NOTHING;
        pause_accepting(a->lw, errno);
        return PAUSED;
    }
    unmap(&remote);
    if (admit(a->lw))
        take_socket(a, fd, &remote);
    else
        close(fd);
    return ACCEPTED;
}

/* The socket is level-triggered: when a batch was not enough the loop reports it again, so a batch that fits what comes
 * saves the accept(2) that finds nothing. */
static void on_acceptable(struct nu_watch *w, uint32_t ready)
{
    struct nu_acceptor *a = nu_container_of(w, struct nu_acceptor, watch);
    struct nu_listener_worker *lw = a->lw;
    unsigned n = 0, most = lw->conf->max_accepts > 0 ? lw->conf->max_accepts : MAX_BATCH;
    enum accept_result r = ACCEPTED;
    (void)ready;
    while (n < a->batch && (r = accept_one(a)) == ACCEPTED)
        n++;
    if (n > 0)
        nu_hist_record(lw->conf->scope, lw->w->index, NU_LISTENER_connections_accepted_per_socket_event, n);
    if (r == ACCEPTED)
        a->batch = nu_min(a->batch * 2, most);
    else
        a->batch = nu_max(n, 1u);
}

static void watch_acceptor(struct nu_acceptor *a)
{
    nu_loop_watch_level(a->lw->w->loop, &a->watch, a->fd, NU_READABLE, a->shared, on_acceptable);
}

static void on_retry(struct nu_timer *t)
{
    struct nu_listener_worker *lw = nu_container_of(t, struct nu_listener_worker, retry);
    for (size_t i = 0; i < lw->n_acceptors; i++)
        watch_acceptor(&lw->acceptors[i]);
}

/* ---- orders of the main thread ---- */

static bool is_wildcard(const struct nu_address *a)
{
    if (a->sock.family == AF_INET)
        return a->sock.in4.sin_addr.s_addr == INADDR_ANY;
    return a->sock.family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->sock.in6.sin6_addr);
}

void nu_listener_worker_stop_accepting(struct nu_listener_worker *lw)
{
    nu_timer_cancel(lw->w->loop, &lw->retry);
    for (size_t i = 0; i < lw->n_acceptors; i++)
        nu_loop_unwatch(lw->w->loop, &lw->acceptors[i].watch);
    nu_free(lw->acceptors);
    lw->acceptors = NULL;
    lw->n_acceptors = 0;
}

static void begin_accepting(struct nu_listener_worker *lw, struct nu_listen_socket *const *sockets, size_t n)
{
    lw->acceptors = nu_calloc(n, sizeof(*lw->acceptors));
    lw->n_acceptors = n;
    for (size_t i = 0; i < n; i++) {
        struct nu_acceptor *a = &lw->acceptors[i];
        const struct nu_listen_socket *s = sockets[i];
        a->lw = lw;
        a->address = lw->conf->bound[i];
        a->fd = s->fds[s->n_fds > 1 ? lw->w->index : 0];
        a->batch = 1;
        a->wildcard = is_wildcard(a->address);
        a->shared = s->n_fds == 1 && lw->w->all->n > 1 && !lw->conf->on_main;
        watch_acceptor(a);
    }
}

void nu_listener_worker_update(struct nu_listener_worker *lw, struct nu_listener_conf *conf,
                               struct nu_listen_socket *const *sockets, size_t n)
{
    nu_listener_worker_stop_accepting(lw);
    struct nu_listener_conf *old = lw->conf;
    lw->conf = nu_listener_conf_ref(conf);
    nu_listener_conf_unref(&old);
    if (n > 0)
        begin_accepting(lw, sockets, n);
}

static const struct active *active_of(const struct nu_conn *c, const struct nu_listener_worker *lw)
{
    for (struct nu_conn_watcher *w = c->watchers; w != NULL; w = w->next) {
        const struct active *a = nu_container_of(w, struct active, base);
        if (w->on_event == on_conn_event)
            return a->lw == lw ? a : NULL;
    }
    return NULL;
}

static bool named(const struct nu_conn *c, struct nu_filter_chain *const *which, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (&which[i]->drain == c->info->drain)
            return true;
    return n == 0;
}

static void close_pending(struct nu_listener_worker *lw)
{
    nu_list_foreach(node, &lw->accepting) {
        close_pending_socket(nu_list_entry(node, struct pending, node));
    }
}

/* Closing one connection may close others (a session's other side): begin again each time. */
static struct nu_conn *next_to_close(struct nu_listener_worker *lw, struct nu_filter_chain *const *which, size_t n)
{
    nu_list_foreach(node, &lw->w->conns) {
        struct nu_conn *c = nu_list_entry(node, struct nu_conn, node);
        if (active_of(c, lw) != NULL && named(c, which, n))
            return c;
    }
    return NULL;
}

void nu_listener_worker_close(struct nu_listener_worker *lw, struct nu_filter_chain *const *which, size_t n)
{
    struct nu_conn *c;
    if (n == 0)
        close_pending(lw);
    while ((c = next_to_close(lw, which, n)) != NULL)
        nu_conn_close(c, NU_CLOSE_NOW);
}

void nu_listener_worker_clear(struct nu_listener_worker *lw)
{
    nu_listener_worker_stop_accepting(lw);
    nu_listener_conf_unref(&lw->conf);
    for (unsigned i = 0; i < lw->n_locals; i++)
        nu_address_unref(&lw->locals[i]);
    lw->n_locals = 0;
}
