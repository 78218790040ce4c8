/* SPDX-License-Identifier: Apache-2.0
 *
 * One attempt at an upstream, see attempt.h. */
#include "router/attempt.h"

#include "codec/h1/target.h"
#include "tls/info.h"
#include "upstream/host.h"
#include "worker/worker.h"

void nu_buf_share(struct nu_buf *to, const struct nu_buf *from, struct nu_buf_pool *p)
{
    for (const struct nu_slice *s = from->head; s != NULL; s = s->next)
        nu_buf_add_block(to, p, s->block, s->ptr, s->len);
}

static uint64_t now_ns(const struct nu_attempt *a)
{
    return nu_loop_now_ns(a->worker->loop);
}

static struct nu_upstream_info *up_info(struct nu_attempt *a)
{
    return a->info != NULL ? nu_stream_info_upstream(a->info) : NULL;
}

/* ---- blocking the sender of the request ---- */

static void set_blocked(struct nu_attempt *a, bool *why, bool value)
{
    bool before = a->pending_full || a->stream_high;
    *why = value;
    bool after = a->pending_full || a->stream_high;
    if (after == before)
        return;
    if (after)
        a->ops->on_blocked(a);
    else
        a->ops->on_unblocked(a);
}

static void unblock(struct nu_attempt *a)
{
    set_blocked(a, &a->pending_full, false);
    set_blocked(a, &a->stream_high, false);
}

/* ---- the end ---- */

void nu_attempt_note_bytes(struct nu_attempt *a)
{
    struct nu_upstream_info *u = up_info(a);
    if (u == NULL || a->stream == NULL)
        return;
    a->stream->ops->bytes(a->stream, &u->wire_received, &u->wire_sent, &u->header_received, &u->header_sent);
}

static void over(struct nu_attempt *a)
{
    a->state = NU_ATTEMPT_OVER;
    a->stream = NULL;
    nu_buf_clear(&a->pending, &a->worker->bufs);
    unblock(a);
}

/* Both ends are through: the codec's half is free when its callback returns. */
static void over_if_done(struct nu_attempt *a)
{
    if (a->state != NU_ATTEMPT_OPEN || !a->end_sent || !a->end_received)
        return;
    nu_attempt_note_bytes(a);
    over(a);
}

void nu_attempt_reset(struct nu_attempt *a)
{
    if (a->state == NU_ATTEMPT_WAITING && a->tunnel)
        nu_tcp_pool_cancel(&a->tcp);
    else if (a->state == NU_ATTEMPT_WAITING)
        nu_http_pool_cancel(&a->pool);
    if (a->state == NU_ATTEMPT_OPEN) {
        struct nu_codec_stream *s = a->stream;
        nu_attempt_note_bytes(a);
        a->read_pauses = 0;
        a->stream = NULL;
        a->state = NU_ATTEMPT_OVER;
        nu_codec_reset(s, NU_RESET_LOCAL);
    }
    over(a);
}

void nu_attempt_clear(struct nu_attempt *a)
{
    nu_attempt_reset(a);
    if (a->info != NULL && a->info->upstream != NULL && a->info->upstream->host == a->host)
        a->info->upstream->host = NULL;
    nu_host_unref(&a->host);
}

/* ---- what the codec tells ---- */

static struct nu_attempt *of(struct nu_stream_user *u)
{
    return nu_container_of(u, struct nu_attempt, user);
}

static void note_first_rx(struct nu_attempt *a)
{
    struct nu_upstream_info *u = up_info(a);
    if (u != NULL && u->first_rx_ns == 0)
        u->first_rx_ns = now_ns(a);
}

static void note_end(struct nu_attempt *a)
{
    struct nu_upstream_info *u = up_info(a);
    a->end_received = true;
    if (u != NULL)
        u->last_rx_ns = now_ns(a);
    over_if_done(a);
}

static void send_pending(struct nu_attempt *a);

/* The upgrade or the tunnel is there: the body may go. */
static void accept_upgrade(struct nu_attempt *a, const struct nu_http_headers *h)
{
    if (!a->hold_body || (h->status != 101 && h->status / 100 != 2))
        return;
    a->hold_body = false;
    send_pending(a);
}

static void on_headers(struct nu_stream_user *u, struct nu_http_headers *h, bool end)
{
    struct nu_attempt *a = of(u);
    if (a->state != NU_ATTEMPT_OPEN)
        return;
    a->got_headers = true;
    note_first_rx(a);
    accept_upgrade(a, h);
    if (a->state != NU_ATTEMPT_OPEN)
        return;
    if (end)
        note_end(a);
    a->ops->on_headers(a, h, end);
}

static void on_informational(struct nu_stream_user *u, struct nu_http_headers *h)
{
    struct nu_attempt *a = of(u);
    if (a->state != NU_ATTEMPT_OPEN)
        return;
    note_first_rx(a);
    a->ops->on_informational(a, h);
}

static void on_data(struct nu_stream_user *u, struct nu_buf *data, bool end)
{
    struct nu_attempt *a = of(u);
    if (a->state != NU_ATTEMPT_OPEN) { /* reset from within one of its own callbacks */
        nu_buf_clear(data, &a->worker->bufs);
        return;
    }
    if (end)
        note_end(a);
    a->ops->on_data(a, data, end);
}

static void on_trailers(struct nu_stream_user *u, struct nu_http_headers *t)
{
    struct nu_attempt *a = of(u);
    if (a->state != NU_ATTEMPT_OPEN)
        return;
    note_end(a);
    a->ops->on_trailers(a, t);
}

static void on_reset(struct nu_stream_user *u, enum nu_reset_reason r, nu_str details)
{
    struct nu_attempt *a = of(u);
    if (a->state != NU_ATTEMPT_OPEN)
        return;
    nu_attempt_note_bytes(a);
    over(a);
    a->ops->on_reset(a, r, NU_STR(""), details);
}

static void on_high(struct nu_stream_user *u)
{
    struct nu_attempt *a = of(u);
    if (a->state == NU_ATTEMPT_OPEN)
        set_blocked(a, &a->stream_high, true);
}

static void on_low(struct nu_stream_user *u)
{
    struct nu_attempt *a = of(u);
    if (a->state == NU_ATTEMPT_OPEN)
        set_blocked(a, &a->stream_high, false);
}

static const struct nu_stream_user_ops user_ops = {
    .on_headers = on_headers,
    .on_informational = on_informational,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
    .on_high = on_high,
    .on_low = on_low,
};

/* ---- sending ---- */

static void note_tx(struct nu_attempt *a, bool end)
{
    struct nu_upstream_info *u = up_info(a);
    if (u == NULL)
        return;
    uint64_t now = now_ns(a);
    if (u->first_tx_ns == 0)
        u->first_tx_ns = now;
    if (end)
        u->last_tx_ns = now;
}

static void send_data(struct nu_attempt *a, struct nu_buf *data, bool end)
{
    note_tx(a, end);
    a->end_sent = end;
    nu_codec_data(a->stream, data, end);
    over_if_done(a);
}

/* All that waited: body, trailers, end. */
static void send_pending(struct nu_attempt *a)
{
    bool end = a->end_given && a->trailers == NULL;
    if (a->pending.len > 0 || (end && !a->end_sent)) {
        struct nu_buf data = {0};
        nu_buf_move(&data, &a->pending);
        send_data(a, &data, end);
    }
    if (a->state == NU_ATTEMPT_OPEN && a->trailers != NULL && !a->end_sent) {
        note_tx(a, true);
        a->end_sent = true;
        nu_codec_trailers(a->stream, a->trailers);
        over_if_done(a);
    }
    if (a->state == NU_ATTEMPT_OPEN)
        set_blocked(a, &a->pending_full, false);
}

void nu_attempt_data(struct nu_attempt *a, struct nu_buf *data, bool end)
{
    a->end_given = a->end_given || end;
    if (a->state == NU_ATTEMPT_OPEN && !a->hold_body) {
        send_data(a, data, end);
        return;
    }
    if (a->state == NU_ATTEMPT_OVER) {
        nu_buf_clear(data, &a->worker->bufs);
        return;
    }
    nu_buf_move(&a->pending, data);
    if (a->cluster->buffer_limit > 0 && a->pending.len > a->cluster->buffer_limit)
        set_blocked(a, &a->pending_full, true);
}

void nu_attempt_trailers(struct nu_attempt *a, const struct nu_http_headers *t)
{
    a->trailers = t;
    a->end_given = true;
    if (a->state == NU_ATTEMPT_OPEN && !a->hold_body)
        send_pending(a);
}

/* ---- the pool ---- */

static void note_connection(struct nu_attempt *a, struct nu_conn *conn, enum nu_protocol protocol)
{
    struct nu_upstream_info *u = up_info(a);
    if (u == NULL)
        return;
    u->connection_id = conn->info->id;
    u->protocol = protocol;
    u->pool_ready_ns = now_ns(a);
    struct nu_sockaddr *local = &nu_conn_details_edit(conn->info)->direct_local;
    if (local->family == AF_UNSPEC)
        nu_conn_local_sockaddr(conn, local); /* a system call: once a connection */
    u->local_address = *local;
    const struct nu_tls_info *tls = nu_conn_tls(conn->info);
    u->tls = tls != NULL ? nu_tls_info_keep(tls, a->info->arena) : NULL;
}

static void open_stream(struct nu_attempt *a, struct nu_codec_stream *stream)
{
    a->state = NU_ATTEMPT_OPEN;
    a->stream = stream;
    for (unsigned i = 0; i < a->read_pauses; i++) /* asked for while there was no stream; later ones reach it at once */
        stream->ops->read_pause(stream);
    a->ops->on_ready(a);
    if (a->state != NU_ATTEMPT_OPEN)
        return;
    bool end = a->end_given && a->pending.len == 0 && a->trailers == NULL;
    a->end_sent = end;
    note_tx(a, end);
    nu_codec_headers(stream, a->headers, end);
    if (!end && !a->hold_body && a->state == NU_ATTEMPT_OPEN)
        send_pending(a);
}

static void on_pool_ready(struct nu_http_pool_request *req, struct nu_codec_stream *stream, struct nu_conn *conn,
                          const struct nu_session *session)
{
    struct nu_attempt *a = nu_container_of(req, struct nu_attempt, pool);
    note_connection(a, conn, session->ops->protocol);
    open_stream(a, stream);
}

static void on_tcp_ready(struct nu_tcp_pool_request *req, struct nu_conn *conn)
{
    struct nu_attempt *a = nu_container_of(req, struct nu_attempt, tcp);
    struct nu_codec_stream *stream = nu_tunnel_new(conn, &a->user);
    note_connection(a, conn, NU_PROTO_NONE);
    open_stream(a, stream);
    if (a->state == NU_ATTEMPT_OPEN)
        nu_tunnel_answer(stream);
}

static enum nu_reset_reason reason_of(enum nu_pool_failure why)
{
    switch (why) {
    case NU_POOL_OVERFLOW:
        return NU_RESET_OVERFLOW;
    case NU_POOL_LOCAL_CONNECT_FAILURE:
        return NU_RESET_LOCAL_CONNECT_FAILURE;
    case NU_POOL_REMOTE_CONNECT_FAILURE:
        return NU_RESET_REMOTE_CONNECT_FAILURE;
    case NU_POOL_CONNECT_TIMEOUT:
        return NU_RESET_CONNECT_TIMEOUT;
    }
    NU_UNREACHABLE();
}

static void fail(struct nu_attempt *a, enum nu_pool_failure why, nu_str transport)
{
    struct nu_upstream_info *u = up_info(a);
    nu_str text = nu_arena_str(a->user.arena, transport);
    if (u != NULL && text.len > 0)
        u->transport_failure = text;
    if (u != NULL && why == NU_POOL_OVERFLOW)
        u->host = NULL; /* it never heard of the request */
    over(a);
    a->ops->on_reset(a, reason_of(why), text, NU_STR(""));
}

static void on_pool_failure(struct nu_http_pool_request *req, enum nu_pool_failure why, nu_str transport)
{
    fail(nu_container_of(req, struct nu_attempt, pool), why, transport);
}

static void on_tcp_failure(struct nu_tcp_pool_request *req, enum nu_pool_failure why, nu_str transport)
{
    fail(nu_container_of(req, struct nu_attempt, tcp), why, transport);
}

void nu_attempt_init(struct nu_attempt *a, const struct nu_attempt_ops *ops, struct nu_worker *w,
                     struct nu_arena *arena, struct nu_stream_info *info)
{
    a->ops = ops;
    a->worker = w;
    a->info = info;
    a->user = (struct nu_stream_user){.ops = &user_ops, .arena = arena};
    a->pool.on_ready = on_pool_ready;
    a->pool.on_failure = on_pool_failure;
    a->pool.user = &a->user;
    a->tcp.on_ready = on_tcp_ready;
    a->tcp.on_failure = on_tcp_failure;
}

/* The server's name, from the request (upstream_http_protocol_options): addresses are no names, but certificates have them. */
static NU_COLD void set_names(struct nu_attempt *a, struct nu_transport_options *o)
{
    const struct nu_cluster_info *info = a->cluster;
    nu_str value = NU_STR_NONE, host;
    struct nu_sockaddr ignored;
    if (info->override_auto_sni_header.len > 0)
        value = nu_headers_get(a->headers, info->override_auto_sni_header);
    if (value.len == 0)
        value = a->headers->authority;
    nu_authority_port(value, &host);
    if (nu_str_starts(host, NU_STR("[")) && nu_str_ends(host, NU_STR("]")))
        host = nu_str_make(host.ptr + 1, host.len - 2);
    bool ip = nu_sockaddr_parse_ip(host, 0, &ignored);
    if (info->auto_sni && !ip && host.len > 0)
        o->sni = host;
    if (info->auto_san_validation) {
        a->san = host;
        o->sans = &a->san;
        o->n_sans = 1;
    }
}

void nu_attempt_start(struct nu_attempt *a, struct nu_host *host, struct nu_cluster_info *cluster,
                      enum nu_priority priority, const struct nu_http_headers *headers, bool end)
{
    NU_ASSERT(a->state == NU_ATTEMPT_IDLE || a->state == NU_ATTEMPT_OVER);
    nu_host_unref(&a->host);
    a->host = nu_host_ref(host);
    a->cluster = cluster;
    a->headers = headers;
    a->trailers = NULL;
    a->end_given = end;
    a->end_sent = a->end_received = a->got_headers = false;
    a->read_pauses = 0;
    a->state = NU_ATTEMPT_WAITING;
    if (a->info != NULL) {
        struct nu_upstream_info *u = up_info(a);
        *u = (struct nu_upstream_info){.host = a->host};
    }
    struct nu_transport_options options = {.downstream = a->info != NULL ? a->info->conn : NULL};
    if (nu_unlikely(cluster->auto_sni || cluster->auto_san_validation))
        set_names(a, &options);
    a->pool.options = &options;
    if (a->tunnel)
        nu_tcp_pool_start(host, cluster, priority, a->worker, &options, &a->tcp);
    else
        nu_http_pool_start(host, cluster, priority, a->worker, &a->pool);
}

void nu_attempt_pause(struct nu_attempt *a)
{
    a->read_pauses++;
    if (a->state == NU_ATTEMPT_OPEN && !a->end_received)
        a->stream->ops->read_pause(a->stream);
}

void nu_attempt_resume(struct nu_attempt *a)
{
    NU_ASSERT(a->read_pauses > 0);
    a->read_pauses--;
    if (a->state == NU_ATTEMPT_OPEN && !a->end_received)
        a->stream->ops->read_resume(a->stream);
}
