/* SPDX-License-Identifier: Apache-2.0
 *
 * The client side of HTTP/1: one request at a time on an upstream connection (RFC 9112). The connection may serve another
 * one when both messages ended in step, nobody said "close" and nothing is left over.
 *
 *     IDLE --new_stream--> HEAD --1xx--> HEAD --head--> BODY --end--> IDLE
 *     101, or 2xx to CONNECT --> TUNNEL;   fault, reset, close --> CLOSED
 */
#include "base/assert.h"
#include "codec/h1/encode.h"
#include "http/h1_read.h"
#include "http/h1_write.h"

enum client_state { CLIENT_IDLE, CLIENT_HEAD, CLIENT_BODY, CLIENT_DONE, CLIENT_TUNNEL, CLIENT_CLOSED };

/* Interim responses that one request may get. */
#define MAX_INFORMATIONAL 100

struct h1_client {
    struct nu_session base;
    struct nu_codec_stream codec;
    const struct nu_h1_options *opt;
    struct h1_reader reader;
    struct h1_writer writer;
    struct nu_buf held; /* tunnel bytes that came before the tunnel was accepted */
    uint8_t state;
    bool active, in_dispatch;
    bool head_request, connect_request, upgrade_request, held_end;
    bool no_reuse; /* the connection ends with this exchange */
    uint16_t pauses, informational;
};

static struct h1_client *of_session(const struct nu_session *s)
{
    return (struct h1_client *)(uintptr_t)s;
}

static struct h1_client *of_codec(const struct nu_codec_stream *s)
{
    return (struct h1_client *)((uintptr_t)s - offsetof(struct h1_client, codec));
}

/* ---- the end of an exchange ---- */

static void drop_held(struct h1_client *s)
{
    nu_buf_clear(&s->held, &s->base.conn->worker->bufs);
    s->held_end = false;
}

/* Response and request are both over: tells the pool, which reuses or closes. */
static void maybe_finish(struct h1_client *s)
{
    if (s->state != CLIENT_DONE || s->writer.state != H1_WRITE_DONE || !s->active)
        return;
    bool excess = s->base.conn->in.len > 0; /* must never be taken for the next response */
    s->active = false;
    s->codec.user = NULL;
    s->no_reuse |= excess;
    s->state = s->no_reuse ? CLIENT_CLOSED : CLIENT_IDLE;
    drop_held(s);
    s->base.owner->ops->on_stream_end(s->base.owner, &s->codec, false);
    if (excess)
        s->base.owner->ops->on_protocol_error(s->base.owner, 0, NU_STR("http1.codec_error"));
}

static void response_complete(struct h1_client *s)
{
    s->state = CLIENT_DONE;
    if (s->writer.state != H1_WRITE_DONE)
        s->no_reuse = true; /* answered early: the rest of the request has no reader */
}

static void fault(struct h1_client *s, nu_str details)
{
    struct nu_stream_user *u = s->codec.user;
    bool active = s->active;
    s->active = false;
    s->codec.user = NULL;
    s->state = CLIENT_CLOSED;
    s->no_reuse = true;
    s->reader.bytes += s->base.conn->in.len; /* seen, though not understood */
    drop_held(s);
    if (active)
        u->ops->on_reset(u, NU_RESET_PROTOCOL_ERROR, details);
    s->base.owner->ops->on_protocol_error(s->base.owner, 0, details);
}

/* ---- reading responses ---- */

static bool is_final(unsigned status)
{
    return status >= 200 || status == 101; /* nothing follows a 101, also when nobody asked for it */
}

static void release_held(struct h1_client *s)
{
    struct nu_buf data = {0};
    bool end = s->held_end;
    nu_buf_move(&data, &s->held);
    if (data.len > 0 || end)
        h1_write_data(s->base.conn, &s->writer, &data, end);
}

static bool opens_tunnel(const struct h1_client *s, unsigned status)
{
    return (s->connect_request && status / 100 == 2) || (s->upgrade_request && status == 101);
}

/* "100 Continue" and its kin: passed on, and the wait for the real head goes on. */
static void take_informational(struct h1_client *s, struct nu_http_headers *h)
{
    if (++s->informational > MAX_INFORMATIONAL) {
        fault(s, NU_STR("http1.codec_error"));
        return;
    }
    s->codec.user->ops->on_informational(s->codec.user, h);
}

static void decide_reuse(struct h1_client *s, const struct nu_h1_head *p, enum nu_h1_framing framing)
{
    bool keep = p->version == NU_H1_VERSION_11 ? !p->close : p->keep_alive && !p->close;
    if (!keep)
        s->base.owner->ops->on_go_away(s->base.owner);
    if (!keep || framing == NU_H1_UNTIL_CLOSE || p->status == 101)
        s->no_reuse = true;
}

static void take_final(struct h1_client *s, struct nu_http_headers *h, const struct nu_h1_head *p)
{
    struct nu_stream_user *u = s->codec.user;
    enum nu_h1_framing framing = nu_h1_response_framing(p, s->head_request, s->connect_request);
    if (opens_tunnel(s, p->status)) {
        s->state = CLIENT_TUNNEL;
        s->no_reuse = true;
        release_held(s);
        u->ops->on_headers(u, h, false);
        return;
    }
    if (s->connect_request || s->upgrade_request) { /* refused: held bytes were never the upstream's to see */
        s->no_reuse = s->no_reuse || s->held.len > 0 || s->connect_request;
        drop_held(s);
        s->writer.state = H1_WRITE_DONE;
    }
    decide_reuse(s, p, framing);
    nu_h1_body_init(&s->reader.body, framing, p->length);
    bool end = framing == NU_H1_NO_BODY;
    if (end)
        response_complete(s);
    else
        s->state = CLIENT_BODY;
    u->ops->on_headers(u, h, end);
    maybe_finish(s);
}

static bool read_head(struct h1_client *s, struct nu_buf *in)
{
    struct h1_head head;
    int got = h1_read_head(&s->reader.scan, s->base.conn, in, s->opt, false, &head);
    if (got < 0)
        fault(s, nu_h1_error_details(got));
    if (got <= 0)
        return false;
    struct nu_http_headers *h = nu_headers_new(s->codec.user->arena, true);
    struct nu_h1_head parsed = head.parsed; /* its fields are gone after the next line; what it says is not */
    h->status = parsed.status;
    h->http10 = parsed.version == NU_H1_VERSION_10;
    if (s->opt->preserve_case_forward_reason_phrase)
        h->path = parsed.reason; /* a response has no path: the reason phrase travels there */
    h1_head_take(&s->reader, s->base.conn, in, s->opt, &head, h);
    if (parsed.status < 200 || parsed.status == 204)
        nu_headers_remove_id(h, NU_HDR_CONTENT_LENGTH); /* it was 0 */
    if (is_final(parsed.status))
        take_final(s, h, &parsed);
    else
        take_informational(s, h);
    return s->active;
}

static void give_body(struct h1_client *s, struct nu_buf *data, struct nu_http_headers *trailers, bool complete)
{
    struct nu_stream_user *u = s->codec.user;
    if (complete)
        response_complete(s);
    if (data->len > 0 || (complete && trailers == NULL))
        u->ops->on_data(u, data, complete && trailers == NULL);
    if (trailers != NULL && s->active)
        u->ops->on_trailers(u, trailers);
    maybe_finish(s);
}

static bool read_body(struct h1_client *s, struct nu_buf *in)
{
    struct nu_buf data = {0};
    struct nu_http_headers *trailers = NULL;
    int got = h1_read_body(&s->reader, s->base.conn, in, s->opt, s->codec.user->arena, false, &data, &trailers);
    if (got < 0) {
        nu_buf_clear(&data, &s->base.conn->worker->bufs);
        fault(s, nu_h1_error_details(got));
        return false;
    }
    give_body(s, &data, trailers, got == H1_READ_END);
    nu_buf_clear(&data, &s->base.conn->worker->bufs);
    return got == H1_READ_END && s->active;
}

static void read_tunnel(struct h1_client *s, struct nu_buf *in, bool end)
{
    struct nu_buf data = {0};
    nu_buf_move(&data, in);
    s->reader.bytes += data.len;
    if (data.len > 0 || end)
        s->codec.user->ops->on_data(s->codec.user, &data, end);
    nu_buf_clear(&data, &s->base.conn->worker->bufs);
}

/* Bytes that nobody asked for: the connection cannot be trusted any more. */
static void unexpected(struct h1_client *s, struct nu_buf *in)
{
    nu_buf_clear(in, &s->base.conn->worker->bufs);
    if (s->state == CLIENT_CLOSED)
        return;
    s->state = CLIENT_CLOSED;
    s->no_reuse = true;
    s->base.owner->ops->on_protocol_error(s->base.owner, 0, NU_STR("http1.codec_error"));
}

static void dispatch(struct nu_session *base, struct nu_buf *in, bool end)
{
    struct h1_client *s = of_session(base);
    bool more = true;
    s->in_dispatch = true;
    while (more && s->pauses == 0) {
        switch ((enum client_state)s->state) {
        case CLIENT_HEAD:
            more = in->len > 0 && read_head(s, in);
            break;
        case CLIENT_BODY:
            more = in->len > 0 && read_body(s, in);
            break;
        case CLIENT_TUNNEL:
            read_tunnel(s, in, end);
            more = false;
            break;
        case CLIENT_IDLE:
        case CLIENT_DONE:
        case CLIENT_CLOSED:
            if (in->len > 0)
                unexpected(s, in);
            more = false;
            break;
        }
    }
    s->in_dispatch = false;
}

/* ---- writing requests ---- */

static bool bodiless(nu_str method)
{
    return nu_str_eq(method, NU_STR("GET")) || nu_str_eq(method, NU_STR("HEAD")) ||
           nu_str_eq(method, NU_STR("DELETE")) || nu_str_eq(method, NU_STR("TRACE")) ||
           nu_str_eq(method, NU_STR("CONNECT"));
}

static nu_str request_framing(struct h1_client *s, const struct nu_http_headers *h, bool end)
{
    s->writer.chunked = false;
    if (nu_headers_has_id(h, NU_HDR_CONTENT_LENGTH) || s->connect_request || s->upgrade_request)
        return NU_STR("");
    if (end)
        return bodiless(h->method) ? NU_STR("") : NU_STR("content-length: 0\r\n");
    s->writer.chunked = true;
    return NU_STR("transfer-encoding: chunked\r\n");
}

static void encode_headers(struct nu_codec_stream *cs, const struct nu_http_headers *h, bool end)
{
    struct h1_client *s = of_codec(cs);
    s->head_request = nu_str_eq(h->method, NU_STR("HEAD"));
    s->connect_request = nu_str_eq(h->method, NU_STR("CONNECT"));
    s->upgrade_request = nu_headers_is_upgrade(h);
    bool full_url = s->opt->send_fully_qualified_url && !s->connect_request;
    nu_str target = s->connect_request ? h->authority : h->path;
    struct h1_head_lines lines = {.host = h->authority, .host_name = h->host_name, .framing = request_framing(s, h, end)};
    lines.parts[lines.n_parts++] = h->method;
    if (full_url) {
        nu_str parts[] = {NU_STR(" "), h->scheme, NU_STR("://"), h->authority, target};
        lines.parts[lines.n_parts++] = nu_arena_concat(h->arena, parts, NU_ARRAY_LEN(parts));
    } else {
        lines.parts[lines.n_parts++] = NU_STR(" ");
        lines.parts[lines.n_parts++] = target;
    }
    lines.parts[lines.n_parts++] = NU_STR(" HTTP/1.1\r\n");
    h1_write_head(s->base.conn, &s->writer, s->opt, &lines, h);
    s->writer.state = end ? H1_WRITE_DONE : H1_WRITE_BODY;
}

static void encode_informational(struct nu_codec_stream *cs, const struct nu_http_headers *h)
{
    (void)cs;
    (void)h; /* a client has nothing of the kind to say */
}

static void encode_data(struct nu_codec_stream *cs, struct nu_buf *data, bool end)
{
    struct h1_client *s = of_codec(cs);
    if ((s->connect_request || s->upgrade_request) && s->state == CLIENT_HEAD) {
        nu_buf_move(&s->held, data); /* until the tunnel is accepted (bounded by the downstream's flow control) */
        s->held_end = end;
        return;
    }
    h1_write_data(s->base.conn, &s->writer, data, end);
    if (end)
        maybe_finish(s);
}

static void encode_trailers(struct nu_codec_stream *cs, const struct nu_http_headers *t)
{
    struct h1_client *s = of_codec(cs);
    h1_write_trailers(s->base.conn, &s->writer, s->opt, t);
    maybe_finish(s);
}

static void codec_reset(struct nu_codec_stream *cs, enum nu_reset_reason r)
{
    struct h1_client *s = of_codec(cs);
    (void)r;
    s->active = false;
    cs->user = NULL;
    s->state = CLIENT_CLOSED;
    s->no_reuse = true;
    drop_held(s);
    s->base.owner->ops->on_stream_end(s->base.owner, cs, true);
}

static void read_pause(struct nu_codec_stream *cs)
{
    struct h1_client *s = of_codec(cs);
    s->pauses++;
    nu_conn_read_pause(s->base.conn);
}

static void read_resume(struct nu_codec_stream *cs)
{
    struct h1_client *s = of_codec(cs);
    NU_ASSERT(s->pauses > 0);
    s->pauses--;
    nu_conn_read_resume(s->base.conn);
    if (s->pauses == 0 && !s->in_dispatch && s->base.conn->in.len > 0)
        nu_conn_redispatch(s->base.conn);
}

static void wire_bytes(const struct nu_codec_stream *cs, uint64_t *wire_in, uint64_t *wire_out, uint64_t *head_in,
                       uint64_t *head_out)
{
    const struct h1_client *s = of_codec(cs);
    *wire_in = s->reader.bytes;
    *head_in = s->reader.head_bytes;
    *wire_out = s->writer.bytes;
    *head_out = s->writer.head_bytes;
}

static const struct nu_codec_stream_ops codec_ops = {
    .headers = encode_headers,
    .informational = encode_informational,
    .data = encode_data,
    .trailers = encode_trailers,
    .reset = codec_reset,
    .read_pause = read_pause,
    .read_resume = read_resume,
    .bytes = wire_bytes,
};

/* ---- the session ---- */

/* The connection ended: a body that lasts until then is complete (RFC 9112 s6.3 rule 8), all else is cut off. */
/* A response that had begun: Envoy's codec calls the end of the connection in it a protocol error. */
static bool cut_off(const struct h1_client *s, bool until_close)
{
    return s->active && !s->base.conn->local_closed &&
           ((s->state == CLIENT_BODY && !until_close) || (s->state == CLIENT_HEAD && s->base.conn->in.len > 0));
}

static void on_close(struct nu_session *base, enum nu_reset_reason r)
{
    struct h1_client *s = of_session(base);
    struct nu_stream_user *u = s->codec.user;
    struct nu_buf nothing = {0};
    bool until_close = s->state == CLIENT_BODY && s->reader.body.framing == NU_H1_UNTIL_CLOSE;
    s->no_reuse = true;
    s->reader.bytes += s->active ? base->conn->in.len : 0; /* seen, though not complete */
    if (r == NU_RESET_CONN_TERMINATION && cut_off(s, until_close)) {
        r = NU_RESET_PROTOCOL_ERROR;
        base->owner->ops->on_protocol_error(base->owner, 0, NU_STR("http1.codec_error"));
    }
    if (s->active && until_close && r == NU_RESET_CONN_TERMINATION) {
        s->state = CLIENT_DONE;
        u->ops->on_data(u, &nothing, true);
        maybe_finish(s);
    }
    bool active = s->active;
    s->active = false;
    s->codec.user = NULL;
    s->state = CLIENT_CLOSED;
    drop_held(s);
    if (active)
        u->ops->on_reset(u, r, NU_STR(""));
}

static struct nu_codec_stream *new_stream(struct nu_session *base, struct nu_stream_user *u)
{
    struct h1_client *s = of_session(base);
    if (s->state != CLIENT_IDLE || s->active)
        return NULL;
    s->codec.user = u;
    s->active = true;
    s->state = CLIENT_HEAD;
    s->reader = (struct h1_reader){0};
    s->writer = (struct h1_writer){0};
    s->informational = 0;
    s->head_request = s->connect_request = s->upgrade_request = false;
    return &s->codec;
}

static void on_high(struct nu_session *base)
{
    struct h1_client *s = of_session(base);
    if (s->active)
        s->codec.user->ops->on_high(s->codec.user);
}

static void on_low(struct nu_session *base)
{
    struct h1_client *s = of_session(base);
    if (s->active)
        s->codec.user->ops->on_low(s->codec.user);
}

static bool is_idle(const struct nu_session *base)
{
    return of_session(base)->state == CLIENT_IDLE;
}

static const struct nu_session_ops session_ops = {
    .protocol = NU_PROTO_HTTP11,
    .dispatch = dispatch,
    .on_close = on_close,
    .new_stream = new_stream,
    .on_high = on_high,
    .on_low = on_low,
    .idle = is_idle,
};

struct nu_session *nu_h1_client_new(struct nu_conn *c, struct nu_session_owner *o, const struct nu_h1_options *opt)
{
    struct h1_client *s = nu_arena_new(&c->arena, struct h1_client);
    s->base = (struct nu_session){.ops = &session_ops, .owner = o, .conn = c};
    s->codec.ops = &codec_ops;
    s->opt = opt;
    return &s->base;
}

bool nu_session_reusable(const struct nu_session *s)
{
    return s->ops == &session_ops && !of_session(s)->no_reuse;
}
