/* SPDX-License-Identifier: Apache-2.0
 *
 * What operators print: texts, counters, times, addresses of a record. Headers, paths and metadata are in
 * formatter_eval_http.c. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "http/formatter_priv.h"
#include "http/uuid.h"
#include "net/upstream_view.h"
#include "worker/worker.h"

#define EVAL(name)                                                                                 \
    enum nu_value_kind nu_eval_##name(const struct nu_format_op *op, const struct nu_log_entry *e, struct nu_sb *out)

enum nu_value_kind nu_eval_number(struct nu_sb *out, int64_t v)
{
    if (v < 0) {
        nu_sb_char(out, '-');
        v = -v;
    }
    nu_sb_u64(out, (uint64_t)v);
    return NU_VALUE_JSON;
}

enum nu_value_kind nu_eval_text(const struct nu_format_op *op, nu_str s, struct nu_sb *out)
{
    if (s.ptr == NULL)
        return NU_VALUE_NONE;
    nu_sb_add(out, nu_str_first(s, op->max_len));
    return NU_VALUE_TEXT;
}

static enum nu_value_kind text_or_none(const struct nu_format_op *op, nu_str s, struct nu_sb *out)
{
    return s.len > 0 ? nu_eval_text(op, s, out) : NU_VALUE_NONE;
}

/* A reason is one word in a log line: Envoy writes _ for the spaces. */
static enum nu_value_kind words_or_none(const struct nu_format_op *op, nu_str s, struct nu_sb *out)
{
    size_t start = out->len;
    enum nu_value_kind kind = text_or_none(op, s, out);
    for (size_t i = start; i < out->len; i++)
        if (out->ptr[i] == ' ')
            out->ptr[i] = '_';
    return kind;
}

EVAL(none)
{
    (void)op, (void)e, (void)out;
    return NU_VALUE_NONE;
}

EVAL(constant)
{
    (void)e;
    return text_or_none(op, op->a, out);
}

EVAL(empty)
{
    (void)op, (void)e, (void)out;
    return NU_VALUE_NONE;
}

/* ---- times ---- */

EVAL(start_time)
{
    nu_time_format_run(op->data, op->mode != 0, e->info->start_wall_ns, out);
    return NU_VALUE_TEXT;
}

EVAL(emit_time)
{
    (void)e;
    nu_time_format_run(op->data, op->mode != 0, nu_clock_wall_ns(), out);
    return NU_VALUE_TEXT;
}

static enum nu_value_kind span(uint64_t from, uint64_t to, uint64_t unit, struct nu_sb *out)
{
    if (from == 0 || to == 0)
        return NU_VALUE_NONE;
    return nu_eval_number(out, to >= from ? (int64_t)((to - from) / unit) : 0);
}

EVAL(duration)
{
    static const struct nu_upstream_info none;
    const struct nu_stream_info *i = e->info;
    const struct nu_upstream_info *u = i->upstream != NULL ? i->upstream : &none;
    switch ((enum nu_duration_kind)op->mode) {
    case NU_DURATION_TOTAL:
        return span(i->start_ns, i->end_ns, NU_NS_PER_MS, out);
    case NU_DURATION_REQUEST:
        return span(i->start_ns, i->last_rx_byte_ns, NU_NS_PER_MS, out);
    case NU_DURATION_REQUEST_TX:
        return span(i->start_ns, u->last_tx_ns, NU_NS_PER_MS, out);
    case NU_DURATION_RESPONSE:
        return span(i->start_ns, u->first_rx_ns, NU_NS_PER_MS, out);
    case NU_DURATION_RESPONSE_TX:
        return span(u->first_rx_ns, i->last_tx_ns, NU_NS_PER_MS, out);
    case NU_DURATION_POOL_READY:
        return span(i->start_ns, u->pool_ready_ns, NU_NS_PER_MS, out);
    }
    return NU_VALUE_NONE;
}

static uint64_t point(const struct nu_stream_info *i, uint16_t which)
{
    static const struct nu_upstream_info none;
    const struct nu_upstream_info *u = i->upstream != NULL ? i->upstream : &none;
    const uint64_t times[] = {
        [NU_POINT_NONE] = 0,
        [NU_POINT_DS_RX_BEG] = i->start_ns,
        [NU_POINT_DS_RX_END] = i->last_rx_byte_ns,
        [NU_POINT_US_CX_BEG] = u->connect_start_ns,
        [NU_POINT_US_CX_END] = u->connect_done_ns,
        [NU_POINT_US_TX_BEG] = u->first_tx_ns,
        [NU_POINT_US_TX_END] = u->last_tx_ns,
        [NU_POINT_US_RX_BEG] = u->first_rx_ns,
        [NU_POINT_US_RX_END] = u->last_rx_ns,
        [NU_POINT_DS_TX_BEG] = i->first_tx_ns,
        [NU_POINT_DS_TX_END] = i->last_tx_ns,
    };
    return times[which];
}

EVAL(common_duration)
{
    return span(point(e->info, op->mode), point(e->info, op->mode_b), op->max_len, out);
}

/* ---- numbers ---- */

EVAL(response_code)
{
    (void)op;
    return nu_eval_number(out, e->info->response_code);
}

EVAL(counter)
{
    static const struct nu_upstream_info none;
    const struct nu_stream_info *i = e->info;
    const struct nu_upstream_info *u = i->upstream != NULL ? i->upstream : &none;
    const uint64_t values[] = {
        [NU_COUNT_ZERO] = 0,
        [NU_COUNT_BYTES_RECEIVED] = i->bytes_received,
        [NU_COUNT_BYTES_SENT] = i->bytes_sent,
        [NU_COUNT_DS_WIRE_RECEIVED] = i->wire_received,
        [NU_COUNT_DS_WIRE_SENT] = i->wire_sent,
        [NU_COUNT_DS_HEADER_RECEIVED] = i->header_received,
        [NU_COUNT_DS_HEADER_SENT] = i->header_sent,
        [NU_COUNT_US_WIRE_RECEIVED] = u->wire_received,
        [NU_COUNT_US_WIRE_SENT] = u->wire_sent,
        [NU_COUNT_US_HEADER_RECEIVED] = u->header_received,
        [NU_COUNT_US_HEADER_SENT] = u->header_sent,
        [NU_COUNT_US_DECOMPRESSED_RECEIVED] = u->decompressed_received,
        [NU_COUNT_US_DECOMPRESSED_SENT] = u->decompressed_sent,
        [NU_COUNT_ATTEMPTS] = i->attempt_count,
    };
    return nu_eval_number(out, (int64_t)values[op->mode]);
}

EVAL(connection_id)
{
    (void)op;
    return e->info->conn != NULL ? nu_eval_number(out, (int64_t)e->info->conn->id) : NU_VALUE_NONE;
}

EVAL(upstream_connection_id)
{
    (void)op;
    if (e->info->upstream == NULL || e->info->upstream->connection_id == 0)
        return NU_VALUE_NONE;
    return nu_eval_number(out, (int64_t)e->info->upstream->connection_id);
}

/* ---- flags and protocols ---- */

static enum nu_value_kind flags(const struct nu_stream_info *i, bool long_names, struct nu_sb *out)
{
    static const nu_str names[][2] = {
#define X(name, short_name, long_name) {NU_STR_INIT(short_name), NU_STR_INIT(long_name)},
        NU_RESPONSE_FLAGS(X)
#undef X
    };
    bool first = true;
    unsigned n = nu_min((unsigned)__builtin_popcountll(i->flags), (unsigned)sizeof(i->flag_order));
    for (unsigned k = 0; k < n; k++) {
        unsigned f = i->flag_order[k];
        if (!first)
            nu_sb_char(out, ',');
        nu_sb_add(out, names[f][long_names]);
        first = false;
    }
    if (first)
        nu_sb_char(out, '-');
    return NU_VALUE_TEXT;
}

EVAL(response_flags)
{
    (void)op;
    return flags(e->info, false, out);
}

EVAL(response_flags_long)
{
    (void)op;
    return flags(e->info, true, out);
}

static nu_str protocol_name(enum nu_protocol p)
{
    static const nu_str names[] = {[NU_PROTO_NONE] = {NULL, 0},
                                   [NU_PROTO_HTTP10] = NU_STR_INIT("HTTP/1.0"),
                                   [NU_PROTO_HTTP11] = NU_STR_INIT("HTTP/1.1"),
                                   [NU_PROTO_HTTP2] = NU_STR_INIT("HTTP/2"),
                                   [NU_PROTO_HTTP3] = NU_STR_INIT("HTTP/3")};
    return names[p];
}

EVAL(protocol)
{
    return nu_eval_text(op, protocol_name(e->info->protocol), out);
}

EVAL(upstream_protocol)
{
    return e->info->upstream != NULL ? nu_eval_text(op, protocol_name(e->info->upstream->protocol), out)
                                     : NU_VALUE_NONE;
}

EVAL(response_code_details)
{
    nu_str details = e->info->response_code_details;
    if (details.len == 0)
        return NU_VALUE_NONE;
    for (size_t i = 0; i < details.len; i++) { /* whitespace would break lines into columns */
        char c = details.ptr[i];
        bool blank = c == ' ' || (c >= '\t' && c <= '\r');
        nu_sb_char(out, blank && op->mode == 0 ? '_' : c);
    }
    return NU_VALUE_TEXT;
}

EVAL(access_log_type)
{
    static const char *const names[] = {
        [NU_LOG_NOT_SET] = "NotSet",
        [NU_LOG_TCP_UPSTREAM_CONNECTED] = "TcpUpstreamConnected",
        [NU_LOG_TCP_PERIODIC] = "TcpPeriodic",
        [NU_LOG_TCP_END] = "TcpConnectionEnd",
        [NU_LOG_DOWNSTREAM_START] = "DownstreamStart",
        [NU_LOG_DOWNSTREAM_PERIODIC] = "DownstreamPeriodic",
        [NU_LOG_DOWNSTREAM_END] = "DownstreamEnd",
    };
    return nu_eval_text(op, nu_str_from(names[e->type]), out);
}

/* ---- addresses ---- */

/* The address as a socket address or, for unix sockets, as the shared one's text. */
static const struct nu_sockaddr *address(const struct nu_log_entry *e, uint16_t which, nu_str *text)
{
    const struct nu_stream_info *i = e->info;
    const struct nu_conn_info *c = i->conn;
    const struct nu_upstream_info *u = i->upstream;
    *text = NU_STR_NONE;
    switch ((enum nu_address_kind)which) {
    case NU_ADDR_DS_REMOTE:
        if (i->remote.family != AF_UNSPEC)
            return &i->remote;
        return c != NULL ? &c->remote : NULL;
    case NU_ADDR_DS_DIRECT_REMOTE:
        return c != NULL ? nu_conn_direct_remote(c) : NULL;
    case NU_ADDR_DS_DIRECT_LOCAL:
        if (c != NULL && nu_conn_details(c)->direct_local.family != AF_UNSPEC)
            return &nu_conn_details(c)->direct_local;
        __attribute__((fallthrough));
    case NU_ADDR_DS_LOCAL:
        if (c == NULL || c->local == NULL)
            return NULL;
        *text = c->local->text;
        return &c->local->sock;
    case NU_ADDR_US_LOCAL:
        return u != NULL && u->local_address.family != AF_UNSPEC ? &u->local_address : NULL;
    case NU_ADDR_US_REMOTE:
        if (u == NULL || u->host == NULL)
            return NULL;
        *text = nu_view_host_address(u->host)->text;
        return &nu_view_host_address(u->host)->sock;
    }
    return NULL;
}

EVAL(address)
{
    char room[NU_SOCKADDR_TEXT];
    nu_str text;
    const struct nu_sockaddr *a = address(e, op->mode, &text);
    if (a == NULL)
        return NU_VALUE_NONE;
    return nu_eval_text(op, text.ptr != NULL ? text : nu_sockaddr_text(a, false, room), out);
}

static void mask(struct nu_sockaddr *a, unsigned bits)
{
    uint8_t *p = a->family == AF_INET ? (uint8_t *)&a->in4.sin_addr : a->in6.sin6_addr.s6_addr;
    unsigned size = a->family == AF_INET ? 4 : 16;
    for (unsigned i = 0; i < size; i++) {
        unsigned keep = bits >= 8 ? 8 : bits;
        p[i] = (uint8_t)(p[i] & (0xff00u >> keep));
        bits -= keep;
    }
}

EVAL(address_ip)
{
    char room[NU_SOCKADDR_TEXT];
    nu_str text;
    const struct nu_sockaddr *a = address(e, op->mode, &text);
    if (a == NULL)
        return NU_VALUE_NONE;
    if (a->family != AF_INET && a->family != AF_INET6)
        return nu_eval_text(op, text.ptr != NULL ? text : nu_sockaddr_text(a, true, room), out);
    struct nu_sockaddr copy = *a;
    if (op->mode_b != UINT16_MAX) {
        mask(&copy, op->mode_b);
        nu_sb_add(out, nu_sockaddr_text(&copy, true, room));
        nu_sb_printf(out, "/%u", op->mode_b);
        return NU_VALUE_TEXT;
    }
    return nu_eval_text(op, nu_sockaddr_text(&copy, true, room), out);
}

EVAL(address_port)
{
    nu_str text;
    const struct nu_sockaddr *a = address(e, op->mode, &text);
    if (a == NULL || (a->family != AF_INET && a->family != AF_INET6))
        return NU_VALUE_NONE;
    return nu_eval_number(out, nu_sockaddr_port(a));
}

EVAL(endpoint_id)
{
    (void)op, (void)e, (void)out;
    return NU_VALUE_NONE; /* of internal addresses only */
}

/* ---- texts ---- */

EVAL(conn_text)
{
    const struct nu_conn_info *c = e->info->conn;
    if (c == NULL)
        return NU_VALUE_NONE;
    switch ((enum nu_text_kind)op->mode) {
    case NU_TEXT_FILTER_CHAIN:
        return text_or_none(op, nu_conn_info_filter_chain_name(c), out);
    case NU_TEXT_TERMINATION:
        return text_or_none(op, nu_conn_details(c)->termination_details, out);
    case NU_TEXT_DS_TRANSPORT_FAILURE:
        return words_or_none(op, nu_conn_details(c)->transport_failure, out);
    case NU_TEXT_JA3:
        return nu_conn_details(c)->fingerprints != NULL ? text_or_none(op, nu_conn_details(c)->fingerprints->ja3, out) : NU_VALUE_NONE;
    case NU_TEXT_JA4:
        return nu_conn_details(c)->fingerprints != NULL ? text_or_none(op, nu_conn_details(c)->fingerprints->ja4, out) : NU_VALUE_NONE;
    case NU_TEXT_LISTENER:
        return text_or_none(op, nu_conn_info_listener_name(c), out);
    default:
        return NU_VALUE_NONE;
    }
}

EVAL(stream_text)
{
    const struct nu_stream_info *i = e->info;
    switch ((enum nu_text_kind)op->mode) {
    case NU_TEXT_ROUTE:
        return text_or_none(op, i->route_name, out);
    case NU_TEXT_VIRTUAL_CLUSTER:
        return text_or_none(op, i->virtual_cluster_name, out);
    case NU_TEXT_CLUSTER:
        return i->cluster != NULL ? text_or_none(op, nu_view_cluster_stat_name(i->cluster), out) : NU_VALUE_NONE;
    case NU_TEXT_CLUSTER_RAW:
        return i->cluster != NULL ? text_or_none(op, nu_view_cluster_name(i->cluster), out) : NU_VALUE_NONE;
    default:
        return NU_VALUE_NONE;
    }
}

static nu_str host_name(const struct nu_upstream_info *u)
{
    if (u->host == NULL)
        return NU_STR_NONE;
    nu_str name = nu_view_host_name(u->host);
    return name.len > 0 ? name : nu_view_host_address(u->host)->text;
}

static nu_str without_port(nu_str name)
{
    ssize_t colon = nu_str_rfind(name, ':');
    return colon > 0 && nu_str_find(name, ':') == colon ? nu_str_first(name, (size_t)colon) : name;
}

EVAL(upstream_text)
{
    const struct nu_upstream_info *u = e->info->upstream;
    if (u == NULL)
        return NU_VALUE_NONE;
    switch ((enum nu_text_kind)op->mode) {
    case NU_TEXT_HOST_NAME:
        return text_or_none(op, host_name(u), out);
    case NU_TEXT_HOST_NAME_NO_PORT:
        return text_or_none(op, without_port(host_name(u)), out);
    case NU_TEXT_US_TRANSPORT_FAILURE:
        return words_or_none(op, u->transport_failure, out);
    case NU_TEXT_US_DETECTED_CLOSE:
        return text_or_none(op, u->detected_close, out);
    default:
        return NU_VALUE_NONE;
    }
}

EVAL(stream_id)
{
    return text_or_none(op, e->info->request_id, out);
}

EVAL(unique_id)
{
    char room[NU_UUID_TEXT];
    return e->info->worker != NULL ? nu_eval_text(op, nu_uuid_text(&e->info->worker->random, room), out)
                                   : NU_VALUE_NONE;
}

EVAL(local_reply_body)
{
    return nu_eval_text(op, e->local_reply_body.ptr != NULL ? e->local_reply_body : NU_STR(""), out); /* never "-" */
}

EVAL(trace_id)
{
    (void)op, (void)e, (void)out;
    return NU_VALUE_NONE; /* no tracer: no trace */
}
