/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a downstream stream: it begins when a head is complete, walks the filter chain, sends a response, and ends in
 * one function, stream_end, from whatever state. Everything a stream owns dies with its arena at the end of that turn. */
#include "base/assert.h"
#include "http/hcm_listener_stats.h"
#include "http/hcm_stats.h"
#include "http/log_head.h"
#include "http/stream_priv.h"
#include "net/upstream_view.h"
#include "http/tracing_stats.h"
#include "net/drain.h"
#include "worker/runtime.h"

static void count(struct nu_http_stream *s, unsigned index)
{
    nu_stat_inc(s->conf->scope, s->info.worker->index, index);
}

#define LOG(s, text, ...) nu_log_stream(http, NU_LOG_DEBUG, &(s)->info, text, ##__VA_ARGS__)

static struct nu_loop *loop_of(const struct nu_http_stream *s)
{
    return s->info.worker->loop;
}

/* ---- the filter chain is made ---- */

void nu_http_stream_add_filter(struct nu_http_stream *s, struct nu_http_filter *f)
{
    f->stream = s;
    f->prev = s->tail;
    f->next = NULL;
    if (s->tail != NULL)
        s->tail->next = f;
    else
        s->head = f;
    s->tail = f;
}

static int disabled_in(const struct nu_filter_confs *confs, nu_str name)
{
    for (unsigned i = 0; confs != NULL && i < confs->n; i++)
        if (nu_str_eq(confs->items[i].name, name))
            return confs->items[i].disabled;
    return -1;
}

/* The most specific level that says something about the filter decides; else its own setting. */
static bool entry_enabled(struct nu_http_stream *s, const struct nu_http_filter_entry *e)
{
    const struct nu_filter_confs *levels[] = {
        s->route.weighted != NULL ? nu_weighted_cluster_filter_confs(s->route.weighted) : NULL,
        s->route.route != NULL ? &s->route.route->filter_confs : NULL,
        s->route.vhost != NULL ? &s->route.vhost->filter_confs : NULL,
        s->route.vhost != NULL ? nu_route_table_filter_confs(s->table) : NULL,
    };
    for (unsigned i = 0; i < NU_ARRAY_LEN(levels); i++) {
        int said = disabled_in(levels[i], e->name);
        if (said >= 0)
            return said == 0;
    }
    return !e->disabled;
}

static void make_chain(struct nu_http_stream *s)
{
    const struct nu_filter_list *list = &s->conf->filters;
    struct nu_filter_list upgraded;
    if (s->chain_made)
        return;
    s->chain_made = true;
    if (s->dir[DIR_DECODE].headers != NULL)
        nu_http_stream_route(s);
    if ((s->is_upgrade || s->is_connect) && nu_upgrade_chain(s, &upgraded)) {
        list = &upgraded;
        s->upgraded = true;
        count(s, NU_HCM_downstream_cx_upgrades_total);
        nu_gauge_add(s->conf->scope, s->info.worker->index, NU_HCM_downstream_cx_upgrades_active, 1);
    }
    for (unsigned i = 0; i < list->n; i++) {
        const struct nu_http_filter_entry *e = &list->items[i];
        struct nu_http_filter *before = s->tail;
        if (!e->terminal && !entry_enabled(s, e))
            continue;
        e->conf->attach(e->conf, s);
        for (struct nu_http_filter *f = before != NULL ? before->next : s->head; f != NULL; f = f->next)
            f->entry = e;
    }
    for (struct nu_http_filter *f = s->head; f != NULL && s->downstream_high > 0; f = f->next)
        if (f->ops->on_downstream_high != NULL)
            f->ops->on_downstream_high(f);
}

/* ---- timers ---- */

void nu_http_stream_activity(struct nu_http_stream *s)
{
    if (s->idle_timeout.v > 0)
        nu_timer_arm(loop_of(s), &s->idle_timer, s->idle_timeout);
}

void nu_http_stream_set_idle_timeout(struct nu_http_stream *s, nu_ms timeout)
{
    s->idle_timeout = timeout;
    nu_timer_cancel(loop_of(s), &s->idle_timer);
    nu_http_stream_activity(s);
}

static void on_idle(struct nu_timer *t)
{
    struct nu_http_stream *s = nu_container_of(t, struct nu_http_stream, idle_timer);
    count(s, NU_HCM_downstream_rq_idle_timeout);
    nu_stream_info_flag(&s->info, NU_FLAG_STREAM_IDLE_TIMEOUT);
    s->idle_timed_out = true;
    bool waits_for_upstream = s->remote_done;
    nu_http_stream_local_reply(s, &(struct nu_local_reply){
                                      .status = waits_for_upstream ? 504 : 408,
                                      .body = NU_STR("stream timeout"),
                                      .details = NU_STR("stream_idle_timeout"),
                                      .grpc_status = -1,
                                  });
}

static void on_request_timeout(struct nu_timer *t)
{
    struct nu_http_stream *s = nu_container_of(t, struct nu_http_stream, request_timer);
    count(s, NU_HCM_downstream_rq_timeout);
    nu_http_stream_local_reply(s, &(struct nu_local_reply){
                                      .status = 408,
                                      .body = NU_STR("request timeout"),
                                      .details = NU_STR("request_overall_timeout"),
                                      .grpc_status = -1,
                                  });
}

static void on_max_duration(struct nu_timer *t)
{
    struct nu_http_stream *s = nu_container_of(t, struct nu_http_stream, duration_timer);
    count(s, NU_HCM_downstream_rq_max_duration_reached);
    nu_http_stream_local_reply(s, &(struct nu_local_reply){
                                      .status = s->remote_done ? 504 : 408,
                                      .body = NU_STR("downstream duration timeout"),
                                      .details = NU_STR("max_duration_timeout"),
                                      .grpc_status = s->is_grpc ? 4 : -1,
                                  });
}

static void start_duration_timer(struct nu_http_stream *s)
{
    nu_ms limit = nu_route_duration_limit(s->route.route, s->dir[DIR_DECODE].headers, s->conf->max_stream_duration);
    if (limit.v > 0)
        nu_timer_arm(loop_of(s), &s->duration_timer, limit);
}

/* ---- the request arrives (codec -> chain) ---- */

static void note_bytes(struct nu_http_stream *s)
{
    struct nu_stream_info *i = &s->info;
    if (s->codec != NULL)
        s->codec->ops->bytes(s->codec, &i->wire_received, &i->wire_sent, &i->header_received, &i->header_sent);
}

static void request_complete(struct nu_http_stream *s)
{
    LOG(s, "request complete");
    s->remote_done = true;
    s->info.last_rx_byte_ns = nu_loop_now_ns(loop_of(s));
    nu_timer_cancel(loop_of(s), &s->request_timer);
}

static struct nu_http_stream *of(struct nu_stream_user *u)
{
    return nu_container_of(u, struct nu_http_stream, user);
}

static bool upgrade_allowed(struct nu_http_stream *s)
{
    static const struct nu_local_reply refused = {
        .status = 403,
        .details = NU_STR_INIT("upgrade_failed"),
        .grpc_status = -1,
    };
    struct nu_filter_list ignored;
    if (!s->is_upgrade || nu_upgrade_chain(s, &ignored))
        return true;
    count(s, NU_HCM_downstream_rq_ws_on_non_ws_route);
    nu_http_stream_local_reply(s, &refused);
    return false;
}

static void on_headers(struct nu_stream_user *u, struct nu_http_headers *h, bool end)
{
    struct nu_http_stream *s = of(u);
    s->dir[DIR_DECODE].headers = h;
    s->info.protocol = h->http10 ? NU_PROTO_HTTP10 : s->hc->session->ops->protocol;
    s->is_head = nu_str_eq(h->method, NU_STR("HEAD"));
    s->is_connect = nu_str_eq(h->method, NU_STR("CONNECT"));
    s->is_upgrade = nu_headers_is_upgrade(h);
    s->is_grpc = nu_headers_is_grpc(h);
    nu_log_head(http, &s->info, "request headers", h, end);
    if (end)
        request_complete(s);
    else if (s->conf->request_timeout.v > 0)
        nu_timer_arm(loop_of(s), &s->request_timer, s->conf->request_timeout);
    s->route_cached = true; /* what is refused here has no route */
    if (!forwarding_request(s, h))
        return;
    s->route_cached = false;
    nu_http_stream_route(s);
    nu_http_stream_activity(s);
    start_duration_timer(s);
    if (!upgrade_allowed(s))
        return;
    if (s->conf->log_on_new_request)
        stream_log(s, NU_LOG_DOWNSTREAM_START);
    make_chain(s);
    s->in_decode = true;
    chain_headers(s, DIR_DECODE, NULL, end);
    s->in_decode = false;
}

static void on_data(struct nu_stream_user *u, struct nu_buf *data, bool end)
{
    struct nu_http_stream *s = of(u);
    s->info.bytes_received += data->len;
    if (end)
        request_complete(s);
    nu_http_stream_activity(s);
    chain_data(s, DIR_DECODE, NULL, data, end);
    nu_buf_clear(data, &s->info.worker->bufs); /* what nobody wants: a reply was sent already */
}

static void on_trailers(struct nu_stream_user *u, struct nu_http_headers *t)
{
    struct nu_http_stream *s = of(u);
    s->dir[DIR_DECODE].trailers = t;
    request_complete(s);
    nu_http_stream_activity(s);
    chain_trailers(s, DIR_DECODE, NULL);
}

static void on_reset(struct nu_stream_user *u, enum nu_reset_reason r, nu_str details)
{
    struct nu_http_stream *s = of(u);
    if (s->phase != STREAM_ACTIVE)
        return;
    note_bytes(s);
    s->codec = NULL;
    LOG(s, "reset by the client's side: %.*s %.*s", NU_STR_ARG(nu_reset_reason_text(r)), NU_STR_ARG(details));
    count(s, NU_HCM_downstream_rq_rx_reset);
    if (r == NU_RESET_CONN_TERMINATION || r == NU_RESET_REMOTE) {
        nu_stream_info_flag(&s->info, NU_FLAG_DOWNSTREAM_CONNECTION_TERMINATION);
        if (s->info.response_code_details.len == 0 || s->response_state != RESPONSE_DONE)
            s->info.response_code_details = NU_STR("downstream_remote_disconnect");
    } else if (r == NU_RESET_PROTOCOL_ERROR) {
        nu_stream_info_flag(&s->info, NU_FLAG_DOWNSTREAM_PROTOCOL_ERROR);
        if (details.len > 0)
            s->info.response_code_details = nu_arena_str(&s->arena, details);
    }
    stream_end(s);
}

static void on_high(struct nu_stream_user *u)
{
    stream_downstream_high(of(u));
}

static void on_low(struct nu_stream_user *u)
{
    stream_downstream_low(of(u));
}

static const struct nu_stream_user_ops user_ops = {
    .on_headers = on_headers,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
    .on_high = on_high,
    .on_low = on_low,
};

/* ---- flow control ---- */

void stream_downstream_high(struct nu_http_stream *s)
{
    if (s->downstream_high++ > 0)
        return;
    for (struct nu_http_filter *f = s->head; f != NULL; f = f->next)
        if (f->ops->on_downstream_high != NULL)
            f->ops->on_downstream_high(f);
}

void stream_downstream_low(struct nu_http_stream *s)
{
    NU_ASSERT(s->downstream_high > 0);
    if (--s->downstream_high > 0)
        return;
    for (struct nu_http_filter *f = s->head; f != NULL; f = f->next)
        if (f->ops->on_downstream_low != NULL)
            f->ops->on_downstream_low(f);
}

void stream_pause_request(struct nu_http_stream *s)
{
    if (s->request_pauses++ > 0 || s->codec == NULL)
        return;
    count(s, NU_HCM_downstream_flow_control_paused_reading_total);
    s->codec->ops->read_pause(s->codec);
}

void stream_resume_request(struct nu_http_stream *s)
{
    NU_ASSERT(s->request_pauses > 0);
    if (--s->request_pauses > 0 || s->codec == NULL)
        return;
    count(s, NU_HCM_downstream_flow_control_resumed_reading_total);
    s->codec->ops->read_resume(s->codec);
}

void nu_http_stream_pause_request(struct nu_http_stream *s)
{
    stream_pause_request(s);
}

void nu_http_stream_resume_request(struct nu_http_stream *s)
{
    stream_resume_request(s);
}

void nu_http_stream_pause_response(struct nu_http_stream *s)
{
    stream_downstream_high(s);
}

void nu_http_stream_resume_response(struct nu_http_stream *s)
{
    stream_downstream_low(s);
}

/* ---- the response leaves (chain -> codec) ---- */

static void count_code(struct nu_http_stream *s, unsigned status)
{
    static const unsigned classes[] = {NU_HCM_downstream_rq_1xx, NU_HCM_downstream_rq_2xx, NU_HCM_downstream_rq_3xx,
                                       NU_HCM_downstream_rq_4xx, NU_HCM_downstream_rq_5xx};
    static const unsigned listener_classes[] = {
        NU_HCM_LISTENER_downstream_rq_1xx, NU_HCM_LISTENER_downstream_rq_2xx, NU_HCM_LISTENER_downstream_rq_3xx,
        NU_HCM_LISTENER_downstream_rq_4xx, NU_HCM_LISTENER_downstream_rq_5xx};
    struct nu_scope *listener = s->conf->listener_scope;
    if (s->info.health_check)
        return;
    count(s, NU_HCM_downstream_rq_completed);
    if (listener != NULL)
        nu_stat_inc(listener, s->info.worker->index, NU_HCM_LISTENER_downstream_rq_completed);
    if (status < 100 || status > 599)
        return;
    count(s, classes[status / 100 - 1]);
    if (listener != NULL)
        nu_stat_inc(listener, s->info.worker->index, listener_classes[status / 100 - 1]);
}

static void note_first_tx(struct nu_http_stream *s)
{
    if (s->info.first_tx_ns == 0)
        s->info.first_tx_ns = nu_loop_now_ns(loop_of(s));
}

/* Both halves are done: the stream ends. A response that is complete before its request closes the connection. */
static void response_complete(struct nu_http_stream *s)
{
    if (!s->remote_done)
        count(s, NU_HCM_downstream_rq_rx_reset); /* Envoy resets what is left of the request */
    s->local_done = true;
    s->response_state = RESPONSE_DONE;
    s->info.last_tx_ns = nu_loop_now_ns(loop_of(s));
    stream_end(s);
}

/* Whether the connection ends with this response (HTTP/1). */
static void decide_close(struct nu_http_stream *s)
{
    struct hcm_conn *hc = s->hc;
    if (hc->drain == HCM_OPEN && nu_drain_close(s->conf->server, s->info.conn, s->info.worker)) {
        hcm_drain(hc);
        count(s, NU_HCM_downstream_cx_drain_close);
    }
    if (!s->remote_done) {
        bool tunnel = (s->is_upgrade && s->info.response_code == 101) ||
                      (s->is_connect && s->info.response_code / 100 == 2);
        count(s, NU_HCM_downstream_rq_response_before_rq_complete);
        if (!tunnel) /* nobody waits for the rest of the request */
            hc->drain = HCM_CLOSING;
    }
    if (s->saw_connection_close || s->should_close || hc->drain == HCM_DRAINING)
        hc->drain = HCM_CLOSING;
}

void stream_encode_headers(struct nu_http_stream *s, struct nu_http_headers *h, bool end)
{
    static const struct nu_local_reply no_status = {
        .status = 502,
        .body = NU_STR_INIT("missing required header: :status"),
        .details = NU_STR_INIT("filter_removed_required_response_headers{missing_required_header:_:status}"),
        .grpc_status = -1,
    };
    if (s->phase != STREAM_ACTIVE || s->codec == NULL)
        return;
    if (nu_unlikely(h->status == 0)) { /* a filter took it away */
        nu_http_stream_local_reply(s, &no_status);
        return;
    }
    s->dir[DIR_ENCODE].headers = h;
    s->info.response_code = h->status;
    if (!end && s->info.protocol == NU_PROTO_HTTP10 && !nu_headers_has_id(h, NU_HDR_CONTENT_LENGTH))
        s->should_close = true; /* nothing else tells an HTTP/1.0 client where the body ends */
    decide_close(s);
    forwarding_response(s, h, end);
    note_first_tx(s);
    count_code(s, h->status);
    s->response_state = RESPONSE_HEADERS;
    nu_log_head(http, &s->info, "response headers", h, end);
    if (s->conf->log_on_tunnel_established && (s->is_connect || s->is_upgrade))
        stream_log(s, NU_LOG_DOWNSTREAM_START);
    nu_codec_headers(s->codec, h, end);
    if (end)
        response_complete(s);
    else
        nu_http_stream_activity(s);
}

void stream_encode_data(struct nu_http_stream *s, struct nu_buf *data, bool end)
{
    if (s->phase != STREAM_ACTIVE || s->codec == NULL) {
        nu_buf_clear(data, &s->info.worker->bufs);
        return;
    }
    s->info.bytes_sent += data->len;
    nu_codec_data(s->codec, data, end);
    if (end)
        response_complete(s);
    else
        nu_http_stream_activity(s);
}

void stream_encode_trailers(struct nu_http_stream *s, struct nu_http_headers *t)
{
    if (s->phase != STREAM_ACTIVE || s->codec == NULL)
        return;
    nu_codec_trailers(s->codec, t);
    response_complete(s);
}

void stream_encode_informational(struct nu_http_stream *s, struct nu_http_headers *h)
{
    if (s->phase == STREAM_ACTIVE && s->codec != NULL)
        s->codec->ops->informational(s->codec, h);
}

void nu_http_stream_respond_informational(struct nu_http_stream *s, struct nu_http_headers *h)
{
    if (s->phase == STREAM_ACTIVE && !nu_http_stream_responded(s))
        chain_informational(s, h);
}

void nu_http_stream_respond_headers(struct nu_http_stream *s, struct nu_http_headers *h, bool end, nu_str details)
{
    if (s->phase != STREAM_ACTIVE)
        return;
    if (details.len > 0)
        s->info.response_code_details = details;
    s->dir[DIR_ENCODE].headers = h;
    chain_headers(s, DIR_ENCODE, NULL, end);
}

void nu_http_stream_respond_data(struct nu_http_stream *s, struct nu_buf *data, bool end)
{
    if (s->phase == STREAM_ACTIVE)
        chain_data(s, DIR_ENCODE, NULL, data, end);
    nu_buf_clear(data, &s->info.worker->bufs);
}

void nu_http_stream_respond_trailers(struct nu_http_stream *s, struct nu_http_headers *t)
{
    if (s->phase != STREAM_ACTIVE)
        return;
    s->dir[DIR_ENCODE].trailers = t;
    chain_trailers(s, DIR_ENCODE, NULL);
}

/* ---- local replies ---- */

static struct nu_local_reply *copy_reply(struct nu_http_stream *s, const struct nu_local_reply *r)
{
    struct nu_local_reply *copy = nu_arena_alloc(&s->arena, sizeof(*copy));
    *copy = *r;
    copy->body = nu_arena_str(&s->arena, r->body);
    return copy;
}

static void tell_filters_of_reply(struct nu_http_stream *s, const struct nu_local_reply *r)
{
    for (struct nu_http_filter *f = s->head; f != NULL && s->phase == STREAM_ACTIVE; f = f->next)
        if (f->ops->on_local_reply != NULL)
            f->ops->on_local_reply(f, r->status, r->details);
}

/* An encoding filter has seen headers of another response already: this one goes to the codec past the filters. */
static void reply_directly(struct nu_http_stream *s, struct nu_http_headers *h, struct nu_buf *body)
{
    bool end = body->len == 0;
    s->dir[DIR_ENCODE].aborted = true;
    stream_encode_headers(s, h, end);
    if (!end)
        stream_encode_data(s, body, true);
}

static void send_reply(struct nu_http_stream *s, const struct nu_local_reply *r)
{
    struct nu_http_headers *h = nu_headers_new(&s->arena, true);
    struct nu_buf body = {0};
    nu_str text;
    LOG(s, "local reply: %u, %.*s", r->status, NU_STR_ARG(r->details));
    s->local_reply_sent = true;
    s->dir[DIR_DECODE].aborted = true;
    if (s->dir[DIR_DECODE].headers == NULL || (r->status == 400 && !s->conf->h1.override_stream_error))
        s->should_close = true; /* 400: the connection may be out of step */
    if (s->dir[DIR_DECODE].headers != NULL)
        make_chain(s);
    s->info.response_code_details = r->details;
    local_reply_build(s, r, h, &text);
    if (!s->is_head)
        nu_buf_add_str(&body, &s->info.worker->bufs, text);
    tell_filters_of_reply(s, r);
    if (s->dir[DIR_ENCODE].started) {
        reply_directly(s, h, &body);
    } else {
        bool end = body.len == 0;
        s->dir[DIR_ENCODE].headers = h;
        chain_headers(s, DIR_ENCODE, NULL, end);
        if (!end && s->phase == STREAM_ACTIVE)
            chain_data(s, DIR_ENCODE, NULL, &body, true);
    }
    nu_buf_clear(&body, &s->info.worker->bufs);
}

void nu_http_stream_local_reply(struct nu_http_stream *s, const struct nu_local_reply *r)
{
    if (s->phase != STREAM_ACTIVE)
        return;
    if (nu_http_stream_responded(s)) {
        nu_http_stream_reset(s, r->details);
        return;
    }
    if (s->dir[DIR_DECODE].at != NULL) { /* a decoding filter is on the stack: when it has returned */
        s->dir[DIR_DECODE].aborted = true;
        if (s->pending_reply == NULL)
            s->pending_reply = copy_reply(s, r);
        return;
    }
    send_reply(s, r);
}

void nu_http_stream_reset(struct nu_http_stream *s, nu_str details)
{
    if (s->phase != STREAM_ACTIVE)
        return;
    LOG(s, "reset: %.*s", NU_STR_ARG(details));
    count(s, NU_HCM_downstream_rq_tx_reset);
    count(s, NU_HCM_downstream_rq_rx_reset); /* Envoy hears of its own reset, too */
    if (details.len > 0)
        s->info.response_code_details = details;
    stream_end(s);
}

/* ---- recreate ---- */

/* What lives as long as the request goes with it, as text: objects belong to the stream that ends. */
static void copy_filter_state(struct nu_http_stream *to, const struct nu_filter_state *list)
{
    for (; list != NULL; list = list->next)
        if (list->life == NU_LIFE_REQUEST)
            nu_filter_state_set(&to->info, nu_arena_str(&to->arena, list->name), nu_arena_str(&to->arena, list->text),
                                NULL, list->life);
}

bool nu_http_stream_recreate(struct nu_http_stream *s, struct nu_buf *body)
{
    struct nu_codec_stream *codec = s->codec;
    struct hcm_conn *hc = s->hc;
    if (s->phase != STREAM_ACTIVE || !s->remote_done || codec == NULL || s->dir[DIR_ENCODE].started)
        return false;
    struct nu_http_stream *next = stream_new(hc, NULL);
    count(next, NU_HCM_downstream_rq_total); /* to Envoy it is another request */
    if (hc->session->ops->protocol <= NU_PROTO_HTTP11)
        count(next, NU_HCM_downstream_rq_http1_total);
    nu_gauge_add(s->conf->scope, s->info.worker->index, NU_HCM_downstream_rq_active, 1);
    struct nu_http_headers *h = nu_headers_copy(s->dir[DIR_DECODE].headers, &next->arena);
    next->original_host = nu_arena_str(&next->arena, s->original_host);
    next->original_path = nu_arena_str(&next->arena, s->original_path);
    copy_filter_state(next, s->info.filter_state);
    next->internal_request = s->internal_request;
    next->info.remote = s->info.remote;
    next->info.request_id = nu_arena_str(&next->arena, s->info.request_id);
    next->info.start_ns = s->info.start_ns;
    next->info.start_wall_ns = s->info.start_wall_ns;
    next->saw_connection_close = s->saw_connection_close;
    s->codec = NULL;
    if (s->request_pauses > 0)
        codec->ops->read_resume(codec);
    next->codec = codec;
    codec->ops->hand_over(codec, &next->user);
    stream_end(s);
    next->dir[DIR_DECODE].headers = h;
    next->info.protocol = hc->session->ops->protocol;
    next->is_head = nu_str_eq(h->method, NU_STR("HEAD"));
    next->is_grpc = nu_headers_is_grpc(h);
    request_complete(next);
    nu_http_stream_route(next);
    nu_http_stream_activity(next);
    make_chain(next);
    bool end = body == NULL || body->len == 0;
    chain_headers(next, DIR_DECODE, NULL, end);
    if (!end)
        chain_data(next, DIR_DECODE, NULL, body, true);
    return true;
}

/* ---- beginning and end ---- */

struct nu_http_stream *stream_new(struct hcm_conn *hc, struct nu_codec_stream *codec)
{
    struct nu_worker *w = hc->filter.conn->worker;
    struct nu_arena arena;
    nu_arena_init(&arena, &w->arenas);
    struct nu_http_stream *s = nu_arena_new(&arena, struct nu_http_stream);
    s->arena = arena;
    s->user = (struct nu_stream_user){.ops = &user_ops, .arena = &s->arena};
    s->hc = hc;
    s->conf = hc->conf;
    s->codec = codec;
    s->random = nu_random_u64(&w->random);
    s->buffer_limit = hc->filter.conn->buffer_limit;
    /* The end of the response before may still be in the way: the connection tells this stream when it has left. */
    s->downstream_high = nu_conn_above_high(hc->filter.conn);
    s->table = nu_route_table_ref(nu_hcm_routes(hc->conf));
    s->info = (struct nu_stream_info){
        .worker = w,
        .arena = &s->arena,
        .conn = hc->filter.conn->info,
        .id = nu_worker_next_id(w),
        .start_ns = nu_loop_now_ns(w->loop),
        .start_wall_ns = nu_loop_wall_ns(w->loop),
    };
    s->idle_timeout = s->conf->stream_idle_timeout;
    nu_timer_init(&s->idle_timer, on_idle);
    nu_timer_init(&s->request_timer, on_request_timeout);
    nu_timer_init(&s->duration_timer, on_max_duration);
    nu_list_push_back(&hc->streams, &s->node);
    hc->n_streams++;
    LOG(s, "new stream");
    return s;
}

/* What a filter answered has a cluster in the log all the same, as in Envoy: the route's. */
static struct nu_cluster *cluster_to_log(const struct nu_http_stream *s)
{
    if (s->info.cluster != NULL || s->conf->access_logs.n == 0 || !nu_route_match_forwards(&s->route))
        return s->info.cluster;
    return nu_view_cluster_find(s->conf->server->clusters, nu_route_match_cluster(&s->route, s->dir[DIR_DECODE].headers));
}

void stream_log(struct nu_http_stream *s, enum nu_log_type type)
{
    struct nu_cluster *cluster = s->info.cluster;
    s->info.cluster = cluster_to_log(s);
    const struct nu_log_entry e = {
        .info = &s->info,
        .request = s->dir[DIR_DECODE].headers,
        .response = s->dir[DIR_ENCODE].headers,
        .response_trailers = s->dir[DIR_ENCODE].trailers,
        .type = type,
    };
    nu_access_logs_run(&s->conf->access_logs, &e);
    s->info.cluster = cluster;
}

static void stream_free(struct nu_task *t)
{
    struct nu_http_stream *s = nu_container_of(t, struct nu_http_stream, free_task);
    struct nu_arena arena = s->arena; /* s itself is in it */
    struct nu_buf_pool *pool = &s->info.worker->bufs;
    nu_buf_clear(&s->dir[DIR_DECODE].buffered, pool);
    nu_buf_clear(&s->dir[DIR_ENCODE].buffered, pool);
    nu_route_table_unref(&s->table);
    nu_arena_clear(&arena);
}

static void final_counts(struct nu_http_stream *s)
{
    unsigned slab = s->info.worker->index;
    nu_gauge_sub(s->conf->scope, slab, NU_HCM_downstream_rq_active, 1);
    if (s->upgraded)
        nu_gauge_sub(s->conf->scope, slab, NU_HCM_downstream_cx_upgrades_active, 1);
    if (s->info.health_check)
        nu_stat_inc(s->conf->tracing_scope, slab, NU_TRACING_health_check);
    nu_hist_record(s->conf->scope, slab, NU_HCM_downstream_rq_time,
                   (s->info.end_ns - s->info.start_ns) / NU_NS_PER_MS);
}

static void destroy_filters(struct nu_http_stream *s)
{
    for (struct nu_http_filter *f = s->head; f != NULL; f = f->next)
        if (f->ops->on_stream_complete != NULL)
            f->ops->on_stream_complete(f);
    stream_log(s, NU_LOG_DOWNSTREAM_END);
    for (struct nu_http_filter *f = s->head; f != NULL; f = f->next)
        if (f->ops->on_destroy != NULL)
            f->ops->on_destroy(f);
}

void stream_end(struct nu_http_stream *s)
{
    if (s->phase != STREAM_ACTIVE)
        return;
    s->phase = STREAM_ENDED;
    LOG(s, "stream ends: %u, %.*s", s->info.response_code, NU_STR_ARG(s->info.response_code_details));
    struct nu_loop *loop = loop_of(s);
    note_bytes(s);
    struct nu_codec_stream *codec = nu_take(&s->codec);
    s->info.end_ns = nu_loop_now_ns(loop);
    nu_timer_cancel(loop, &s->idle_timer);
    nu_timer_cancel(loop, &s->request_timer);
    nu_timer_cancel(loop, &s->duration_timer);
    if (codec != NULL) {
        if (s->request_pauses > 0) /* whoever paused ends with the stream; the next request must be read */
            codec->ops->read_resume(codec);
        if (!s->local_done || !s->remote_done) {
            s->hc->drain = HCM_CLOSING; /* HTTP/1: the rest of this message has no owner */
            nu_codec_reset(codec, NU_RESET_LOCAL);
        } else {
            codec->user = NULL;
        }
    }
    destroy_filters(s);
    final_counts(s);
    nu_list_remove(&s->node);
    s->hc->n_streams--;
    nu_loop_defer(loop, &s->free_task, stream_free);
    hcm_stream_ended(s->hc, s);
}
