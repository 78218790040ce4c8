/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.network.tcp_proxy: relays bytes between a client and a host of a cluster. It connects as soon as the
 * client is there and reads nothing from it until then. Each side's end, pause and close is passed on:
 *
 *     client ends its side     -> upstream's write side ends        client gone  -> upstream is flushed and closed
 *     upstream ends its side   -> client's write side ends          upstream gone -> client is flushed and closed
 *     one side is reset        -> the other is reset, as in Envoy
 *     one write buffer is full -> the other side is not read
 *
 * Bulk goes from socket to socket past the buffers (net/splice.h). */
#include "codec/pb/pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.nu.h"
#include "ext/network_filter/tcp_proxy_stats.h"
#include "http/uuid.h"
#include "listener/listener_conf.h"
#include "net/access_log.h"
#include "net/duration.h"
#include "net/filter.h"
#include "net/log_ids.h"
#include "net/server.h"
#include "tls/info.h"
#include "net/splice.h"
#include "upstream/breaker.h"
#include "upstream/cluster_manager.h"
#include "upstream/cluster_stats.h"
#include "upstream/lb.h"
#include "upstream/pool.h"

typedef struct envoy_extensions_filters_network_tcp_proxy_v3_TcpProxy tcp_proxy_msg;

#define HOUR NU_SECONDS(3600)

struct target {
    nu_str cluster;
    uint64_t until; /* sum of the weights up to and with this one */
};

struct tcp_proxy_conf {
    struct nu_net_filter_conf base;
    struct nu_server *server;
    struct nu_scope *scope; /* tcp.<stat_prefix>. */
    struct nu_conn_stats conn_stats;
    struct target *targets;
    size_t n_targets;
    uint32_t max_connect_attempts;
    nu_ms idle_timeout; /* 0: none */
    nu_ms max_duration; /* 0: none */
    struct nu_access_logs access_logs;
};

struct session;

/* The upstream connection's filter, in its arena: it may outlive the session, to flush. */
struct far_side {
    struct nu_net_filter base;
    struct session *session; /* NULL: the client is gone */
    const struct tcp_proxy_conf *conf;
    struct nu_listener_conf *held; /* while it flushes alone: what conf lives in */
};

/* A client's connection. */
struct session {
    struct nu_net_filter base;
    const struct tcp_proxy_conf *conf;
    struct far_side *far; /* NULL: not connected */
    struct nu_tcp_pool_request req;
    struct nu_timer idle, duration;
    nu_str cluster_name;
    struct nu_cluster *cluster;    /* references, once there is an attempt */
    struct nu_cluster_info *info;
    uint32_t attempts;
    bool ended;
};

#define LOG(s, text, ...) nu_log_conn(filter, NU_LOG_DEBUG, (s)->base.conn->info, text, ##__VA_ARGS__)

static void connect_upstream(struct session *s);

static void count(const struct tcp_proxy_conf *conf, const struct nu_worker *w, unsigned index)
{
    nu_stat_inc(conf->scope, w->index, index);
}

static void count_cluster(const struct session *s, unsigned index)
{
    nu_stat_inc(s->cluster->scope, s->base.conn->worker->index, index);
}

static void flag(const struct session *s, enum nu_response_flag f)
{
    if (s->base.conn->stream != NULL)
        nu_stream_info_flag(s->base.conn->stream, f);
}

/* ---- idle ---- */

static void touch(struct session *s)
{
    if (nu_timer_armed(&s->idle))
        nu_timer_arm(s->base.conn->worker->loop, &s->idle, s->conf->idle_timeout);
}

static void on_idle(struct nu_timer *t)
{
    struct session *s = nu_container_of(t, struct session, idle);
    struct nu_conn *c = s->base.conn;
    count(s->conf, c->worker, NU_TCP_idle_timeout);
    nu_conn_close_why(c, NU_CLOSE_NOW, NU_STR("tcp_session_idle_timeout"));
}

static void start_idle_timer(struct session *s)
{
    nu_timer_init(&s->idle, on_idle);
    if (nu_ms_is_zero(s->conf->idle_timeout))
        return;
    nu_timer_arm(s->base.conn->worker->loop, &s->idle, s->conf->idle_timeout);
}

/* The upstream's part of the record; NULL: nobody logs. */
static struct nu_upstream_info *upstream_record(const struct session *s)
{
    const struct nu_stream_info *si = s->base.conn->stream;
    return si != NULL ? si->upstream : NULL;
}

static void on_duration(struct nu_timer *t)
{
    struct session *s = nu_container_of(t, struct session, duration);
    flag(s, NU_FLAG_DURATION_TIMEOUT);
    count(s->conf, s->base.conn->worker, NU_TCP_max_downstream_connection_duration);
    nu_conn_close_why(s->base.conn, NU_CLOSE_NOW, NU_STR("max_connection_duration_reached"));
}

/* ---- the upstream connection's side ---- */

static void note_received(struct session *s, size_t n)
{
    touch(s);
    struct nu_upstream_info *u = upstream_record(s);
    if (u != NULL)
        u->wire_received += n;
}

static enum nu_filter_status far_on_data(struct nu_net_filter *f, struct nu_buf *data, bool end)
{
    struct far_side *far = nu_container_of(f, struct far_side, base);
    struct session *s = far->session;
    if (s == NULL) {
        nu_buf_clear(data, &f->conn->worker->bufs);
        return NU_FILTER_STOP;
    }
    note_received(s, data->len);
    nu_conn_write(s->base.conn, data, end);
    if (f->conn->read_full && s->far != NULL)
        nu_conn_splice(f->conn, s->base.conn);
    return NU_FILTER_STOP;
}

static void far_on_passed(struct nu_net_filter *f, size_t n)
{
    struct session *s = nu_container_of(f, struct far_side, base)->session;
    if (s != NULL)
        note_received(s, n);
}

static void far_gone(struct far_side *far)
{
    struct session *s = far->session;
    if (far->held != NULL)
        nu_gauge_sub(far->conf->scope, far->base.conn->worker->index, NU_TCP_upstream_flush_active, 1);
    if (s == NULL)
        return;
    far->session = NULL;
    s->far = NULL;
    nu_timer_cancel(s->base.conn->worker->loop, &s->idle);
    if (nu_conn_was_reset(far->base.conn)) {
        flag(s, NU_FLAG_UPSTREAM_REMOTE_RESET);
        nu_conn_close(s->base.conn, NU_CLOSE_ABORT);
        return;
    }
    nu_conn_close(s->base.conn, NU_CLOSE_FLUSH);
}

static void far_on_event(struct nu_net_filter *f, enum nu_conn_event ev)
{
    if (ev != NU_CONN_CONNECTED)
        far_gone(nu_container_of(f, struct far_side, base));
}

static void far_on_late_write(struct nu_net_filter *f)
{
    struct session *s = nu_container_of(f, struct far_side, base)->session;
    if (s != NULL)
        touch(s);
}

static void far_on_high(struct nu_net_filter *f)
{
    struct session *s = nu_container_of(f, struct far_side, base)->session;
    if (s == NULL)
        return;
    count(s->conf, f->conn->worker, NU_TCP_downstream_flow_control_paused_reading_total);
    nu_conn_read_pause(s->base.conn);
}

static void far_on_low(struct nu_net_filter *f)
{
    struct session *s = nu_container_of(f, struct far_side, base)->session;
    if (s == NULL)
        return;
    count(s->conf, f->conn->worker, NU_TCP_downstream_flow_control_resumed_reading_total);
    nu_conn_read_resume(s->base.conn);
}

static void far_on_free(struct nu_net_filter *f)
{
    nu_listener_conf_unref(&nu_container_of(f, struct far_side, base)->held);
}

static const struct nu_net_filter_ops far_ops = {
    .on_data = far_on_data,
    .on_passed = far_on_passed,
    .on_event = far_on_event,
    .on_late_write = far_on_late_write,
    .on_high = far_on_high,
    .on_low = far_on_low,
    .on_free = far_on_free,
};

/* ---- connecting ---- */

static void fail(struct session *s, nu_str why)
{
    LOG(s, "the session to cluster '%.*s' fails: %.*s", NU_STR_ARG(s->cluster_name), NU_STR_ARG(why));
    nu_conn_close_why(s->base.conn, NU_CLOSE_NOW, why);
}

static void note_upstream(struct session *s, struct nu_conn *up)
{
    struct nu_stream_info *si = s->base.conn->stream;
    if (si == NULL)
        return;
    struct nu_upstream_info *ui = nu_stream_info_upstream(si);
    nu_conn_local_sockaddr(up, &ui->local_address);
    ui->connection_id = up->info->id;
    if (nu_conn_tls(up->info) != NULL)
        ui->tls = nu_tls_info_keep(nu_conn_tls(up->info), si->arena);
    ui->connect_start_ns = s->req.started_ns;
    ui->connect_done_ns = ui->pool_ready_ns = nu_loop_now_ns(up->worker->loop);
}

static void on_pool_ready(struct nu_tcp_pool_request *req, struct nu_conn *up)
{
    struct session *s = nu_container_of(req, struct session, req);
    struct nu_conn *down = s->base.conn;
    struct far_side *far = nu_arena_new(&up->arena, struct far_side);
    far->base.ops = &far_ops;
    far->session = s;
    far->conf = s->conf;
    s->far = far;
    LOG(s, "on upstream connection [C%" PRIu64 "]", up->info->id);
    up->half_close = 1;
    up->delayed_close = s->conf->idle_timeout; /* a flush that no longer moves ends as an idle session does */
    nu_conn_add_filter(up, &far->base);
    note_upstream(s, up);
    start_idle_timer(s);
    nu_conn_start(up);
    if (nu_conn_is_open(down))
        nu_conn_read_resume(down);
}

static void on_pool_failure(struct nu_tcp_pool_request *req, enum nu_pool_failure why, nu_str reason)
{
    struct session *s = nu_container_of(req, struct session, req);
    struct nu_stream_info *si = s->base.conn->stream;
    if (si != NULL && reason.len > 0)
        nu_stream_info_upstream(si)->transport_failure = nu_arena_str(si->arena, reason);
    if (why == NU_POOL_REMOTE_CONNECT_FAILURE || why == NU_POOL_CONNECT_TIMEOUT)
        flag(s, NU_FLAG_UPSTREAM_CONNECTION_FAILURE);
    if (why == NU_POOL_OVERFLOW)
        flag(s, NU_FLAG_UPSTREAM_OVERFLOW);
    if (nu_conn_is_open(s->base.conn))
        connect_upstream(s);
}

/* Envoy asks the breaker here: a TCP pool would queue for a connection that nobody gives back. */
static bool may_connect(struct session *s)
{
    if (!nu_breaker_can(s->cluster, s->info, NU_PRIORITY_DEFAULT, NU_BREAKER_CX)) {
        flag(s, NU_FLAG_UPSTREAM_OVERFLOW);
        count_cluster(s, NU_CLUSTER_upstream_cx_overflow);
        fail(s, NU_STR("tcp_initializion_failure:1"));
        return false;
    }
    if (s->attempts >= s->conf->max_connect_attempts) {
        flag(s, NU_FLAG_UPSTREAM_RETRY_LIMIT_EXCEEDED);
        count_cluster(s, NU_CLUSTER_upstream_cx_connect_attempts_exceeded);
        fail(s, NU_STR("tcp_initializion_failure:0"));
        return false;
    }
    return true;
}

static bool find_cluster(struct session *s)
{
    struct nu_cluster *c = nu_cluster_find(s->conf->server->clusters, s->cluster_name);
    if (c == NULL) {
        flag(s, NU_FLAG_NO_CLUSTER_FOUND);
        count(s->conf, s->base.conn->worker, NU_TCP_downstream_cx_no_route);
        fail(s, NU_STR("tcp_initializion_failure:4"));
        return false;
    }
    if (s->cluster == NULL) {
        s->cluster = nu_cluster_ref(c);
        s->info = nu_cluster_info_ref(nu_cluster_settings(c));
        if (s->base.conn->stream != NULL)
            s->base.conn->stream->cluster = s->cluster;
    }
    return true;
}

static void connect_upstream(struct session *s)
{
    struct nu_conn *c = s->base.conn;
    if (!find_cluster(s) || !may_connect(s))
        return;
    struct nu_host *host = nu_cluster_pick(s->cluster, c->worker, &(struct nu_lb_context){.downstream = c});
    if (host == NULL) {
        count_cluster(s, NU_CLUSTER_upstream_cx_none_healthy);
        flag(s, NU_FLAG_NO_HEALTHY_UPSTREAM);
        fail(s, NU_STR("tcp_initializion_failure:2"));
        return;
    }
    s->attempts++;
    LOG(s, "connects to %.*s of cluster '%.*s' (attempt %u)", NU_STR_ARG(host->address->text), NU_STR_ARG(s->cluster_name),
        s->attempts);
    if (c->stream != NULL) {
        struct nu_upstream_info *ui = nu_stream_info_upstream(c->stream);
        nu_host_unref(&ui->host);
        ui->host = nu_host_ref(host);
        c->stream->attempt_count = s->attempts;
    }
    s->req.on_ready = on_pool_ready;
    s->req.on_failure = on_pool_failure;
    nu_tcp_pool_start(host, s->info, NU_PRIORITY_DEFAULT, c->worker, &(struct nu_transport_options){.downstream = c->info},
                      &s->req);
}

/* Filters before this one may have chosen. */
static nu_str choose(const struct tcp_proxy_conf *conf, const struct nu_conn_info *info, struct nu_worker *w)
{
    const struct target *t = conf->targets;
    nu_str chosen = nu_conn_info_state(info, NU_STR(NU_STATE_TCP_PROXY_CLUSTER));
    if (chosen.len > 0)
        return chosen;
    if (conf->n_targets == 1)
        return t->cluster;
    uint64_t at = nu_random_below(&w->random, conf->targets[conf->n_targets - 1].until);
    while (at >= t->until)
        t++;
    return t->cluster;
}

/* ---- the client's side ---- */

static enum nu_filter_status on_new_connection(struct nu_net_filter *f)
{
    struct session *s = nu_container_of(f, struct session, base);
    struct nu_conn *c = f->conn;
    count(s->conf, c->worker, NU_TCP_downstream_cx_total);
    if (!nu_ms_is_zero(s->conf->max_duration))
        nu_timer_arm(c->worker->loop, &s->duration, s->conf->max_duration);
    nu_conn_read_pause(c);
    if (c->stream != NULL)
        c->stream->request_id = nu_uuid_text(&c->worker->random, nu_arena_alloc(&c->arena, NU_UUID_TEXT));
    s->cluster_name = choose(s->conf, c->info, c->worker);
    connect_upstream(s);
    return NU_FILTER_STOP;
}

static void note_sent(struct session *s, size_t n)
{
    touch(s);
    struct nu_upstream_info *u = upstream_record(s);
    if (u != NULL)
        u->wire_sent += n;
}

static enum nu_filter_status on_data(struct nu_net_filter *f, struct nu_buf *data, bool end)
{
    struct session *s = nu_container_of(f, struct session, base);
    if (s->far == NULL)
        return NU_FILTER_STOP;
    note_sent(s, data->len);
    nu_conn_write(s->far->base.conn, data, end);
    if (f->conn->read_full && s->far != NULL)
        nu_conn_splice(f->conn, s->far->base.conn);
    return NU_FILTER_STOP;
}

static void on_passed(struct nu_net_filter *f, size_t n)
{
    note_sent(nu_container_of(f, struct session, base), n);
}

static void log_session(struct session *s)
{
    struct nu_conn *c = s->base.conn;
    if (s->conf->access_logs.n == 0 || c->stream == NULL)
        return;
    c->stream->end_ns = nu_loop_now_ns(c->worker->loop);
    c->stream->bytes_received = c->stream->wire_received = c->bytes_in;
    c->stream->bytes_sent = c->stream->wire_sent = c->bytes_out;
    nu_access_logs_run(&s->conf->access_logs, &(struct nu_log_entry){.info = c->stream, .type = NU_LOG_TCP_END});
}

/* Not when both sides have ended: that closes a connection, too, and is told as ours when our FIN was the last. */
static bool we_closed(const struct nu_conn *c, enum nu_conn_event ev)
{
    return ev == NU_CONN_LOCAL_CLOSE && !(c->read_end && c->write_end_sent);
}

/* The client is gone: what it sent is still delivered, unless we closed it or it reset the connection. */
static void leave_upstream(struct session *s, enum nu_conn_event ev)
{
    bool ours = we_closed(s->base.conn, ev);
    struct far_side *far = s->far;
    struct nu_conn *up = far->base.conn;
    s->far = NULL;
    far->session = NULL;
    while (nu_conn_read_paused(up))
        nu_conn_read_resume(up);
    if (ours || nu_conn_was_reset(s->base.conn)) {
        nu_conn_close(up, ours ? NU_CLOSE_NOW : NU_CLOSE_ABORT);
        return;
    }
    if (nu_conn_is_open(up) && nu_conn_pending(up) > 0 && s->base.conn->info->listener != NULL) {
        uintptr_t held = (uintptr_t)s->base.conn->info->listener;
        far->held = nu_listener_conf_ref((struct nu_listener_conf *)held);
        count(s->conf, up->worker, NU_TCP_upstream_flush_total);
        nu_gauge_add(s->conf->scope, up->worker->index, NU_TCP_upstream_flush_active, 1);
    }
    nu_conn_close(up, NU_CLOSE_FLUSH);
}

static void on_event(struct nu_net_filter *f, enum nu_conn_event ev)
{
    struct session *s = nu_container_of(f, struct session, base);
    struct nu_loop *loop = f->conn->worker->loop;
    if (ev == NU_CONN_CONNECTED || s->ended)
        return;
    s->ended = true;
    nu_timer_cancel(loop, &s->idle);
    nu_timer_cancel(loop, &s->duration);
    nu_tcp_pool_cancel(&s->req);
    if (s->far != NULL)
        leave_upstream(s, ev);
    log_session(s);
}

static void on_high(struct nu_net_filter *f)
{
    struct session *s = nu_container_of(f, struct session, base);
    if (s->far == NULL)
        return;
    count_cluster(s, NU_CLUSTER_upstream_flow_control_paused_reading_total);
    nu_conn_read_pause(s->far->base.conn);
}

static void on_low(struct nu_net_filter *f)
{
    struct session *s = nu_container_of(f, struct session, base);
    if (s->far == NULL)
        return;
    count_cluster(s, NU_CLUSTER_upstream_flow_control_resumed_reading_total);
    nu_conn_read_resume(s->far->base.conn);
}

static void on_late_write(struct nu_net_filter *f)
{
    touch(nu_container_of(f, struct session, base));
}

static void on_free(struct nu_net_filter *f)
{
    struct session *s = nu_container_of(f, struct session, base);
    struct nu_stream_info *si = f->conn->stream;
    if (si != NULL && si->upstream != NULL)
        nu_host_unref(&si->upstream->host);
    nu_cluster_info_unref(&s->info);
    nu_cluster_unref(&s->cluster);
}

static const struct nu_net_filter_ops ops = {
    .on_new_connection = on_new_connection,
    .on_data = on_data,
    .on_passed = on_passed,
    .on_event = on_event,
    .on_late_write = on_late_write,
    .on_high = on_high,
    .on_low = on_low,
    .on_free = on_free,
};

static void attach(const struct nu_net_filter_conf *base, struct nu_conn *c)
{
    const struct tcp_proxy_conf *conf = (const struct tcp_proxy_conf *)base; /* base is first */
    struct session *s = nu_arena_new(&c->arena, struct session);
    s->base.ops = &ops;
    s->conf = conf;
    c->stats = &conf->conn_stats;
    c->half_close = 1;
    nu_timer_init(&s->duration, on_duration);
    if (conf->access_logs.n > 0)
        (void)nu_conn_stream_info(c);
    nu_conn_add_filter(c, &s->base);
}

/* ---- configuration ---- */

static void make_scope(struct nu_factory *f, struct tcp_proxy_conf *c, nu_str stat_prefix)
{
    nu_str prefix = nu_arena_printf(f->arena, "tcp.%.*s.", NU_STR_ARG(stat_prefix));
    struct nu_stat_tag tag = {NU_STR("envoy.tcp_prefix"), stat_prefix};
    c->scope = nu_factory_keep_scope(f, nu_scope_get(f->server->stats, &nu_tcp_proxy_layout, prefix, NU_STR("tcp."), &tag, 1));
    c->conn_stats = (struct nu_conn_stats){
        .scope = c->scope,
        .rx_total = NU_TCP_downstream_cx_rx_bytes_total,
        .rx_buffered = NU_TCP_downstream_cx_rx_bytes_buffered,
        .tx_total = NU_TCP_downstream_cx_tx_bytes_total,
        .tx_buffered = NU_TCP_downstream_cx_tx_bytes_buffered,
        .delayed_close_timeout = -1,
    };
}

static void make_targets(struct nu_factory *f, struct tcp_proxy_conf *c, const tcp_proxy_msg *m)
{
    if (m->weighted_clusters == NULL) {
        c->targets = nu_arena_array(f->arena, struct target, 1);
        c->targets[0] = (struct target){.cluster = nu_arena_str(f->arena, m->cluster), .until = 1};
        c->n_targets = 1;
        return;
    }
    uint64_t sum = 0;
    c->n_targets = m->weighted_clusters->n_clusters;
    c->targets = nu_arena_array(f->arena, struct target, c->n_targets);
    for (size_t i = 0; i < c->n_targets; i++) {
        sum += m->weighted_clusters->clusters[i]->weight;
        c->targets[i].cluster = nu_arena_str(f->arena, m->weighted_clusters->clusters[i]->name);
        c->targets[i].until = sum;
        if (m->weighted_clusters->clusters[i]->metadata_match != NULL)
            nu_pb_unsupported(f->diags, m->weighted_clusters->clusters[i], "metadata_match",
                              "subset load balancing is not supported yet");
    }
    if (sum == 0 || sum > UINT32_MAX)
        nu_pb_error(f->diags, m, "weighted_clusters", "the sum of the weights must be between 1 and 4294967295");
}

static struct nu_net_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const tcp_proxy_msg *m = NU_PB_AS(msg, envoy_extensions_filters_network_tcp_proxy_v3_TcpProxy);
    struct tcp_proxy_conf *c = nu_arena_new(f->arena, struct tcp_proxy_conf);
    size_t before = f->diags->n_errors;
    c->base.attach = attach;
    c->base.terminal = true;
    c->server = f->server;
    c->idle_timeout = nu_duration_or(m->idle_timeout, HOUR);
    c->max_duration = nu_duration_or(m->max_downstream_connection_duration, NU_MS(0));
    c->max_connect_attempts = m->max_connect_attempts != NULL ? *m->max_connect_attempts : 1;
    if (m->metadata_match != NULL)
        nu_pb_unsupported(f->diags, m, "metadata_match", "subset load balancing is not supported yet");
    make_targets(f, c, m);
    bool logs = nu_access_logs_build(f, m->access_log, m->n_access_log, &c->access_logs);
    if (!logs || f->diags->n_errors > before)
        return NULL;
    make_scope(f, c, m->stat_prefix);
    return &c->base;
}

static const struct nu_net_filter_factory factory = {.terminal = true, .create = create};

const struct nu_extension nu_ext_network_filter_tcp_proxy = {
    .category = "envoy.filters.network",
    .name = "envoy.filters.network.tcp_proxy",
    .config_type = &envoy_extensions_filters_network_tcp_proxy_v3_TcpProxy_type,
    .ops = &factory,
};
