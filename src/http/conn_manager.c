/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection manager as a network filter: owns a connection's session and its streams, decides when the connection
 * drains and closes, answers what the codec refuses. Which protocol the session speaks, nothing here asks after it is
 * made. */
#include "http/stream_priv.h"

#include "base/assert.h"
#include "http/hcm_listener_stats.h"
#include "http/hcm_stats.h"
#include "net/log_ids.h"
#include "worker/runtime.h"

/* The HTTP/2 connection preface (RFC 9113 s3.4): AUTO looks for it. */
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static void count(const struct hcm_conn *hc, unsigned index)
{
    nu_stat_inc(hc->conf->scope, hc->filter.conn->worker->index, index);
}

static struct nu_loop *loop_of(const struct hcm_conn *hc)
{
    return hc->filter.conn->worker->loop;
}

static struct hcm_conn *of_filter(struct nu_net_filter *f)
{
    return nu_container_of(f, struct hcm_conn, filter);
}

static struct hcm_conn *of_owner(struct nu_session_owner *o)
{
    return nu_container_of(o, struct hcm_conn, owner);
}

/* ---- closing ---- */

/* HTTP/1 answers to a request that was not read completely need the delay: the peer may still be sending, and a close
 * with unread bytes would reset the connection under the answer. */
static void close_when_written(struct hcm_conn *hc, bool delay)
{
    hc->closed = true;
    nu_conn_close(hc->filter.conn, delay ? NU_CLOSE_FLUSH_DELAY : NU_CLOSE_FLUSH);
}

static void arm_idle(struct hcm_conn *hc)
{
    if (hc->conf->idle_timeout.v > 0 && nu_conn_is_open(hc->filter.conn))
        nu_timer_arm(loop_of(hc), &hc->filter.conn->timer, hc->conf->idle_timeout);
}

static void on_idle(struct nu_timer *t)
{
    struct hcm_conn *hc = of_filter(nu_container_of(t, struct nu_conn, timer)->filters_tail);
    if (hc->n_streams > 0) { /* armed lazily: streams of this connection are under way */
        arm_idle(hc);
        return;
    }
    count(hc, NU_HCM_downstream_cx_idle_timeout);
    hc->closed = true;
    nu_conn_close_why(hc->filter.conn, NU_CLOSE_FLUSH, NU_STR("idle_timeout_on_connection"));
}

static void on_max_duration(struct nu_timer *t)
{
    struct hcm_conn *hc = nu_container_of(t, struct hcm_timers, duration)->owner;
    count(hc, NU_HCM_downstream_cx_max_duration_reached);
    if (hc->n_streams == 0 && !hc->conf->http1_safe_max_connection_duration) {
        hc->closed = true;
        nu_conn_close_why(hc->filter.conn, NU_CLOSE_FLUSH, NU_STR("max_connection_duration"));
        return;
    }
    hcm_drain(hc);
}

void hcm_drain(struct hcm_conn *hc)
{
    if (hc->drain != HCM_OPEN)
        return;
    hc->drain = HCM_DRAINING;
    if (hc->session != NULL)
        hc->session->ops->go_away(hc->session);
}

/* ---- what the session tells ---- */

static struct nu_stream_user *on_new_stream(struct nu_session_owner *o, struct nu_codec_stream *codec)
{
    struct hcm_conn *hc = of_owner(o);
    unsigned slab = hc->filter.conn->worker->index;
    uint32_t limit = hc->conf->max_requests_per_connection;
    if (hc->timers != NULL)
        nu_timer_cancel(loop_of(hc), &hc->timers->head);
    hc->n_requests++;
    count(hc, NU_HCM_downstream_rq_total);
    if (hc->session->ops->protocol <= NU_PROTO_HTTP11)
        count(hc, NU_HCM_downstream_rq_http1_total);
    nu_gauge_add(hc->conf->scope, slab, NU_HCM_downstream_rq_active, 1);
    if (limit > 0 && hc->n_requests >= limit && hc->drain == HCM_OPEN) {
        count(hc, NU_HCM_downstream_cx_max_requests_reached);
        hcm_drain(hc);
    }
    return &stream_new(hc, codec)->user;
}

static nu_str refusal_body(unsigned status)
{
    switch (status) {
    case 400:
        return NU_STR("Bad Request");
    case 426:
        return NU_STR("Upgrade Required");
    case 431:
        return NU_STR("Request Header Fields Too Large");
    case 501:
        return NU_STR("Not Implemented");
    default:
        return NU_STR("");
    }
}

/* The stream that can carry an answer: the one under way, or one begun for it. NULL: none. */
static struct nu_http_stream *stream_for_refusal(struct hcm_conn *hc)
{
    if (!nu_list_empty(&hc->streams))
        return nu_list_entry(hc->streams.next, struct nu_http_stream, node);
    struct nu_codec_stream *codec = hc->session->ops->begin_refused(hc->session);
    if (codec == NULL)
        return NULL;
    codec->user = on_new_stream(&hc->owner, codec);
    struct nu_http_stream *s = nu_container_of(codec->user, struct nu_http_stream, user);
    s->info.protocol = hc->session->ops->protocol;
    return s;
}

static void refuse(struct hcm_conn *hc, unsigned status, nu_str body, nu_str details, enum nu_response_flag flag)
{
    struct nu_http_stream *s = status != 0 ? stream_for_refusal(hc) : NULL;
    if (s == NULL) {
        close_when_written(hc, true);
        return;
    }
    if (flag != NU_N_RESPONSE_FLAGS)
        nu_stream_info_flag(&s->info, flag);
    s->should_close = true;
    nu_http_stream_local_reply(s, &(struct nu_local_reply){
                                      .status = status, .body = body, .details = details, .grpc_status = -1});
}

static void on_protocol_error(struct nu_session_owner *o, unsigned status, nu_str details)
{
    struct hcm_conn *hc = of_owner(o);
    if (hc->closed)
        return;
    nu_log_conn(http, NU_LOG_DEBUG, hc->filter.conn->info, "protocol error: %u, %.*s", status, NU_STR_ARG(details));
    count(hc, NU_HCM_downstream_cx_protocol_error);
    refuse(hc, status, refusal_body(status), details, NU_FLAG_DOWNSTREAM_PROTOCOL_ERROR);
}

static void on_head_begin(struct nu_session_owner *o)
{
    struct hcm_conn *hc = of_owner(o);
    if (hc->conf->request_headers_timeout.v > 0)
        nu_timer_arm(loop_of(hc), &hc->timers->head, hc->conf->request_headers_timeout);
}

static void on_head_timeout(struct nu_timer *t)
{
    struct hcm_conn *hc = nu_container_of(t, struct hcm_timers, head)->owner;
    count(hc, NU_HCM_downstream_rq_header_timeout);
    refuse(hc, 408, NU_STR("request header timeout"), NU_STR("request_header_timeout"), NU_N_RESPONSE_FLAGS);
}

static void on_stream_end(struct nu_session_owner *o, struct nu_codec_stream *codec, bool reset)
{
    (void)o;
    (void)codec;
    (void)reset;
}

static const struct nu_session_owner_ops owner_ops = {
    .on_new_stream = on_new_stream,
    .on_protocol_error = on_protocol_error,
    .on_head_begin = on_head_begin,
    .on_stream_end = on_stream_end,
};

void hcm_stream_ended(struct hcm_conn *hc, struct nu_http_stream *s)
{
    if (hc->closed)
        return;
    if (hc->end_when_idle && hc->n_streams == 0 && hc->filter.conn->in.len == 0)
        hc->drain = HCM_CLOSING; /* the response had begun before, and could not say "close" */
    if (hc->drain == HCM_CLOSING && hc->n_streams == 0) {
        close_when_written(hc, !(s->remote_done && s->local_done));
        return;
    }
    if (hc->n_streams == 0)
        arm_idle(hc);
}

/* ---- the network filter ---- */

static void make_session(struct hcm_conn *hc)
{
    hc->session = nu_h1_server_new(hc->filter.conn, &hc->owner, &hc->conf->h1);
    count(hc, NU_HCM_downstream_cx_http1_total);
    nu_gauge_add(hc->conf->scope, hc->filter.conn->worker->index, NU_HCM_downstream_cx_http1_active, 1);
    hc->counted_active = true;
}

enum guess { GUESS_MORE, GUESS_HTTP1, GUESS_HTTP2 };

static enum guess guess_protocol(const struct nu_buf *data)
{
    char seen[sizeof(PREFACE) - 1];
    size_t n = nu_min(data->len, sizeof(seen));
    nu_buf_copy_out(data, 0, seen, n);
    if (memcmp(seen, PREFACE, n) != 0)
        return GUESS_HTTP1;
    return n == sizeof(seen) ? GUESS_HTTP2 : GUESS_MORE;
}

/* AUTO: waits until the first bytes tell. HTTP/2 is not there yet: such a connection is counted and closed. false: nothing
 * to dispatch. */
static bool choose_session(struct hcm_conn *hc, struct nu_buf *data, bool end)
{
    if (hc->conf->codec_type == NU_CODEC_AUTO) {
        enum guess g = guess_protocol(data);
        if (g == GUESS_MORE && !end)
            return false;
        if (g == GUESS_HTTP2) {
            count(hc, NU_HCM_downstream_cx_protocol_error);
            nu_buf_clear(data, &hc->filter.conn->worker->bufs);
            hc->closed = true;
            nu_conn_close_why(hc->filter.conn, NU_CLOSE_NOW, NU_STR("http2_not_supported"));
            return false;
        }
    }
    make_session(hc);
    return true;
}

static enum nu_filter_status on_data(struct nu_net_filter *f, struct nu_buf *data, bool end)
{
    struct hcm_conn *hc = of_filter(f);
    if (hc->session == NULL && !hc->closed && !choose_session(hc, data, end))
        return NU_FILTER_STOP;
    if (hc->closed) {
        nu_buf_clear(data, &f->conn->worker->bufs);
        return NU_FILTER_STOP;
    }
    hc->session->ops->dispatch(hc->session, data, end);
    if (end && !hc->closed && hc->n_streams == 0)
        close_when_written(hc, false);
    return NU_FILTER_STOP;
}

static enum nu_filter_status on_new_connection(struct nu_net_filter *f)
{
    struct hcm_conn *hc = of_filter(f);
    count(hc, NU_HCM_downstream_cx_total);
    nu_gauge_add(hc->conf->scope, f->conn->worker->index, NU_HCM_downstream_cx_active, 1);
    if (f->conn->transport->secure) {
        count(hc, NU_HCM_downstream_cx_ssl_total);
        nu_gauge_add(hc->conf->scope, f->conn->worker->index, NU_HCM_downstream_cx_ssl_active, 1);
    }
    arm_idle(hc);
    if (hc->conf->max_connection_duration.v > 0)
        nu_timer_arm(loop_of(hc), &hc->timers->duration, hc->conf->max_connection_duration);
    return NU_FILTER_CONTINUE;
}

static void count_gone(struct hcm_conn *hc, enum nu_conn_event ev)
{
    struct nu_conn *c = hc->filter.conn;
    unsigned slab = c->worker->index;
    bool remote = ev == NU_CONN_REMOTE_CLOSE;
    count(hc, NU_HCM_downstream_cx_destroy);
    count(hc, remote ? NU_HCM_downstream_cx_destroy_remote : NU_HCM_downstream_cx_destroy_local);
    if (hc->n_streams > 0) {
        count(hc, NU_HCM_downstream_cx_destroy_active_rq);
        count(hc, remote ? NU_HCM_downstream_cx_destroy_remote_active_rq
                         : NU_HCM_downstream_cx_destroy_local_active_rq);
    }
    nu_gauge_sub(hc->conf->scope, slab, NU_HCM_downstream_cx_active, 1);
    if (hc->filter.conn->transport->secure)
        nu_gauge_sub(hc->conf->scope, slab, NU_HCM_downstream_cx_ssl_active, 1);
    if (hc->counted_active)
        nu_gauge_sub(hc->conf->scope, slab, NU_HCM_downstream_cx_http1_active, 1);
    nu_hist_record(hc->conf->scope, slab, NU_HCM_downstream_cx_length_ms,
                   (nu_loop_now_ns(loop_of(hc)) - hc->start_ns) / NU_NS_PER_MS);
}

static void on_event(struct nu_net_filter *f, enum nu_conn_event ev)
{
    struct hcm_conn *hc = of_filter(f);
    if (ev == NU_CONN_CONNECTED)
        return;
    if (!hc->closed && hc->session != NULL && hc->session->ops->head_begun(hc->session))
        (void)stream_for_refusal(hc); /* a request that never came whole is one in logs and statistics, too */
    count_gone(hc, ev);
    hc->closed = true;
    if (hc->timers != NULL) {
        nu_timer_cancel(loop_of(hc), &hc->timers->duration);
        nu_timer_cancel(loop_of(hc), &hc->timers->head);
    }
    if (hc->session != NULL)
        hc->session->ops->on_close(hc->session, NU_RESET_CONN_TERMINATION);
    nu_list_foreach(node, &hc->streams) /* what the codec did not know any more (half-ended streams) */
        nu_list_entry(node, struct nu_http_stream, node)->user.ops->on_reset(
            &nu_list_entry(node, struct nu_http_stream, node)->user, NU_RESET_CONN_TERMINATION, NU_STR(""));
}

static void on_high(struct nu_net_filter *f)
{
    struct hcm_conn *hc = of_filter(f);
    if (hc->session != NULL)
        hc->session->ops->on_high(hc->session);
}

static void on_low(struct nu_net_filter *f)
{
    struct hcm_conn *hc = of_filter(f);
    if (hc->session != NULL)
        hc->session->ops->on_low(hc->session);
}

static void on_drain(struct nu_net_filter *f)
{
    struct hcm_conn *hc = of_filter(f);
    if (hc->closed)
        return;
    if (hc->n_streams == 0 && f->conn->in.len == 0) {
        close_when_written(hc, true);
    } else {
        hc->end_when_idle = true;
        hcm_drain(hc);
    }
}

static const struct nu_net_filter_ops filter_ops = {
    .on_new_connection = on_new_connection,
    .on_data = on_data,
    .on_event = on_event,
    .on_high = on_high,
    .on_low = on_low,
    .on_drain = on_drain,
};

void nu_hcm_attach(const struct nu_net_filter_conf *base, struct nu_conn *c)
{
    const struct nu_hcm_conf *conf = (const struct nu_hcm_conf *)(const void *)base; /* first member */
    struct hcm_conn *hc = nu_arena_new(&c->arena, struct hcm_conn);
    hc->filter.ops = &filter_ops;
    hc->owner.ops = &owner_ops;
    hc->conf = conf;
    hc->start_ns = nu_loop_now_ns(c->worker->loop);
    c->delayed_close = conf->delayed_close_timeout;
    c->stats = &conf->conn_stats;
    nu_list_init(&hc->streams);
    nu_timer_init(&c->timer, on_idle);
    if (conf->max_connection_duration.v > 0 || conf->request_headers_timeout.v > 0) {
        hc->timers = nu_arena_new(&c->arena, struct hcm_timers);
        hc->timers->owner = hc;
        nu_timer_init(&hc->timers->duration, on_max_duration);
        nu_timer_init(&hc->timers->head, on_head_timeout);
    }
    nu_conn_add_filter(c, &hc->filter);
}
