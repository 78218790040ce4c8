/* SPDX-License-Identifier: Apache-2.0
 *
 * The server side of HTTP/1: requests in, responses out, one at a time on a connection (RFC 9112). The next pipelined
 * request waits in the connection's input until the response before it is written.
 *
 *     HEAD --head complete--> BODY --body complete--> RESPOND --response written--> HEAD
 *     HEAD, BODY --peer's fault--> REFUSED;   upgrade or CONNECT accepted --> TUNNEL;   any --> CLOSED
 */
#include "base/assert.h"
#include "codec/h1/encode.h"
#include "codec/h1/target.h"
#include "http/h1_read.h"
#include "http/h1_write.h"

enum server_state {
    SERVER_HEAD,
    SERVER_BODY,
    SERVER_RESPOND, /* the request is complete */
    SERVER_HELD,    /* an upgrade was asked for: bytes wait until it is accepted or refused */
    SERVER_TUNNEL,  /* bytes go both ways as they are */
    SERVER_REFUSED, /* a faulty request is being answered: nothing is read */
    SERVER_CLOSED,
};

/* A request and its response; lives in the arena of the stream, so that an idle connection does not have it. */
struct message {
    struct h1_reader reader;
    struct h1_writer writer;
    bool head_request, http10, connect_request;
};

struct h1_server {
    struct nu_session base;
    struct nu_codec_stream codec;
    const struct nu_h1_options *opt;
    struct message *msg;    /* of the stream under way, or of the last one: not to be touched after its end */
    struct nu_h1_scan scan; /* of the head */
    uint8_t state;
    bool active;  /* codec.user is between its begin and its end */
    bool in_dispatch, head_begun;
    bool waiting; /* we paused the connection until the response is written */
    uint16_t pauses;
};

static struct h1_server *of_session(const struct nu_session *s)
{
    return (struct h1_server *)(uintptr_t)s;
}

static struct h1_server *of_codec(const struct nu_codec_stream *s)
{
    return (struct h1_server *)((uintptr_t)s - offsetof(struct h1_server, codec));
}

/* ---- reading requests ---- */

static void fault(struct h1_server *s, unsigned status, nu_str details)
{
    if (s->active)
        s->msg->reader.bytes += s->base.conn->in.len; /* seen, though not understood */
    s->state = SERVER_REFUSED;
    s->base.owner->ops->on_protocol_error(s->base.owner, status, details);
}

static void fault_of(struct h1_server *s, int err)
{
    fault(s, nu_h1_error_status(err), nu_h1_error_details(err));
}

/* The target's host wins over the Host header (RFC 9112 s3.2.2). 0, or the details of a refusal. */
static nu_str set_target(struct h1_server *s, struct nu_http_headers *h, nu_str target)
{
    nu_str scheme, authority, path;
    enum nu_target_form form = nu_h1_target_split(target, s->msg->connect_request, &scheme, &authority, &path);
    h->path = path;
    switch (form) {
    case NU_TARGET_ORIGIN:
        return NU_STR_NONE;
    case NU_TARGET_ASTERISK:
        return nu_str_eq(h->method, NU_STR("OPTIONS")) ? NU_STR_NONE : NU_STR("http1.invalid_url");
    case NU_TARGET_AUTHORITY:
        h->authority = target;
        h->path = NU_STR_NONE;
        return NU_STR_NONE;
    case NU_TARGET_ABSOLUTE:
        if (!s->opt->allow_absolute_url) {
            h->path = target;
            return NU_STR_NONE;
        }
        h->authority = authority;
        return NU_STR_NONE;
    case NU_TARGET_BAD:
        break;
    }
    return NU_STR("http1.invalid_url");
}

/* Versions that are not wanted; HTTP/1.0 may get a default host. Details of a refusal, or none. */
static nu_str check_version(struct h1_server *s, const struct nu_h1_head *p, struct nu_http_headers *h)
{
    if (p->version == NU_H1_VERSION_11)
        return NU_STR_NONE;
    if (!s->opt->accept_http_10)
        return NU_STR("low_version");
    s->msg->http10 = h->http10 = true;
    if (h->authority.ptr == NULL && s->opt->default_host_for_http_10.len > 0)
        h->authority = s->opt->default_host_for_http_10;
    return NU_STR_NONE;
}

/* What `connection` may name, as Envoy decides: nothing that says who the client is, no pseudo header, not ten names. */
static bool connection_ok(nu_str list)
{
    unsigned n = 0;
    while (list.ptr != NULL) {
        nu_str token = nu_str_trim(nu_str_next(&list, ','));
        if (++n >= 10 || nu_str_starts(token, NU_STR(":")) || nu_str_eq_nocase(token, NU_STR("x-forwarded-for")) ||
            nu_str_eq_nocase(token, NU_STR("x-forwarded-host")) || nu_str_eq_nocase(token, NU_STR("x-forwarded-proto")))
            return false;
    }
    return true;
}

/* An upgrade to HTTP/2 is never taken: the request is served as if nobody had asked for it. */
static bool drop_h2c(struct nu_http_headers *h)
{
    if (!nu_str_eq_nocase(nu_headers_get_id(h, NU_HDR_UPGRADE), NU_STR("h2c")))
        return false;
    nu_headers_remove_id(h, NU_HDR_UPGRADE);
    nu_headers_remove(h, NU_STR("http2-settings"));
    return true;
}

static void begin_stream(struct h1_server *s)
{
    s->codec.user = s->base.owner->ops->on_new_stream(s->base.owner, &s->codec);
    s->active = true;
    s->msg = nu_arena_new(s->codec.user->arena, struct message);
}

/* A head is complete: the stream begins with it. */
static void take_head(struct h1_server *s, struct nu_buf *in, struct h1_head *head)
{
    const struct nu_h1_head *p = &head->parsed;
    enum nu_h1_framing framing = nu_h1_request_framing(p);
    begin_stream(s);
    struct message *m = s->msg;
    struct nu_stream_user *u = s->codec.user;
    struct nu_http_headers *h = nu_headers_new(u->arena, false);
    h->method = p->method;
    m->head_request = nu_str_eq(p->method, NU_STR("HEAD"));
    m->connect_request = nu_str_eq(p->method, NU_STR("CONNECT"));
    nu_h1_body_init(&m->reader.body, framing, p->length);
    h1_head_take(&m->reader, s->base.conn, in, s->opt, head, h);
    bool upgrade = p->has_upgrade && p->upgrade_token && !drop_h2c(h);
    bool tunnel = m->connect_request || upgrade;
    nu_str low = check_version(s, p, h);
    nu_str bad = set_target(s, h, p->target);
    if (bad.ptr == NULL && !upgrade && !connection_ok(nu_headers_get_id(h, NU_HDR_CONNECTION)))
        bad = NU_STR("http1.connection_header_rejected");
    if (low.ptr != NULL || bad.ptr != NULL || !nu_authority_ok(h->authority)) {
        if (low.ptr != NULL)
            fault(s, 426, low);
        else
            fault(s, 400, bad.ptr != NULL ? bad : NU_STR("http.invalid_authority"));
        return;
    }
    bool end = framing == NU_H1_NO_BODY && !tunnel;
    s->state = end ? SERVER_RESPOND : tunnel ? SERVER_HELD : SERVER_BODY;
    u->ops->on_headers(u, h, end);
}

/* true: go on with what is left of the input. */
static bool read_head(struct h1_server *s, struct nu_buf *in)
{
    struct h1_head head;
    if (!s->head_begun && s->base.owner->ops->on_head_begin != NULL) {
        s->head_begun = true;
        s->base.owner->ops->on_head_begin(s->base.owner);
    }
    int got = h1_read_head(&s->scan, s->base.conn, in, s->opt, true, &head);
    if (got < 0) {
        fault_of(s, got);
        return false;
    }
    if (got == 0)
        return false;
    s->head_begun = false;
    s->scan = (struct nu_h1_scan){0};
    take_head(s, in, &head);
    return true;
}

static void give_body(struct h1_server *s, struct nu_buf *data, struct nu_http_headers *trailers, bool complete)
{
    struct nu_stream_user *u = s->codec.user;
    if (complete)
        s->state = SERVER_RESPOND;
    if (data->len > 0 || (complete && trailers == NULL))
        u->ops->on_data(u, data, complete && trailers == NULL);
    if (trailers != NULL && s->active)
        u->ops->on_trailers(u, trailers);
}

static bool read_body(struct h1_server *s, struct nu_buf *in)
{
    struct nu_buf data = {0};
    struct nu_http_headers *trailers = NULL;
    int got = h1_read_body(&s->msg->reader, s->base.conn, in, s->opt, s->codec.user->arena, true, &data, &trailers);
    if (got < 0) {
        nu_buf_clear(&data, &s->base.conn->worker->bufs);
        fault_of(s, got);
        return false;
    }
    if (trailers != NULL)
        trailers->response = false;
    give_body(s, &data, trailers, got == H1_READ_END);
    nu_buf_clear(&data, &s->base.conn->worker->bufs);
    return got == H1_READ_END;
}

static void read_tunnel(struct h1_server *s, struct nu_buf *in, bool end)
{
    struct nu_buf data = {0};
    nu_buf_move(&data, in);
    s->msg->reader.bytes += data.len;
    if (data.len > 0 || end)
        s->codec.user->ops->on_data(s->codec.user, &data, end);
    nu_buf_clear(&data, &s->base.conn->worker->bufs);
}

/* While a complete request waits for its response nothing is read: the client's next request stays in the kernel. */
static void wait_for_response(struct h1_server *s)
{
    if (!s->waiting) {
        s->waiting = true;
        nu_conn_read_pause(s->base.conn);
    }
}

static void end_wait(struct h1_server *s)
{
    if (s->waiting) {
        s->waiting = false;
        nu_conn_read_resume(s->base.conn);
    }
}

static void dispatch(struct nu_session *base, struct nu_buf *in, bool end)
{
    struct h1_server *s = of_session(base);
    bool more = true;
    s->in_dispatch = true;
    while (more && s->pauses == 0) {
        switch ((enum server_state)s->state) {
        case SERVER_HEAD:
            more = in->len > 0 && read_head(s, in);
            break;
        case SERVER_BODY:
            more = in->len > 0 && read_body(s, in);
            break;
        case SERVER_TUNNEL:
            read_tunnel(s, in, end);
            more = false;
            break;
        case SERVER_RESPOND:
        case SERVER_HELD:
            wait_for_response(s);
            more = false;
            break;
        case SERVER_REFUSED:
        case SERVER_CLOSED:
            nu_buf_clear(in, &base->conn->worker->bufs);
            more = false;
            break;
        }
    }
    s->in_dispatch = false;
}

/* ---- writing responses ---- */

/* Both halves are over: the next request may come. */
static void finish(struct h1_server *s)
{
    s->active = false;
    s->codec.user = NULL;
    s->state = SERVER_HEAD;
    end_wait(s);
    s->base.owner->ops->on_stream_end(s->base.owner, &s->codec, false);
    if (!s->in_dispatch && nu_conn_is_open(s->base.conn) && s->base.conn->in.len > 0)
        nu_conn_redispatch(s->base.conn);
}

static void response_written(struct h1_server *s)
{
    if (s->state == SERVER_RESPOND)
        finish(s);
}

/* Whether a response head with `status` has a body framed by us, and how (RFC 9112 s6). */
static nu_str response_framing(struct h1_server *s, const struct nu_http_headers *h, bool end)
{
    bool no_framing = h->status < 200 || h->status == 204;
    struct message *m = s->msg;
    m->writer.chunked = false;
    if (nu_headers_has_id(h, NU_HDR_CONTENT_LENGTH) || no_framing)
        return NU_STR("");
    if (end && !m->head_request)
        return h->status == 304 ? NU_STR("") : NU_STR("content-length: 0\r\n");
    if (h->status == 304 || m->http10 || (m->connect_request && h->status / 100 == 2))
        return NU_STR("");
    m->writer.chunked = !m->head_request; /* the answer to HEAD says what GET would get, as Envoy's does */
    return NU_STR("transfer-encoding: chunked\r\n");
}

static nu_str status_line_code(unsigned status, char text[4])
{
    text[0] = (char)('0' + status / 100 % 10);
    text[1] = (char)('0' + status / 10 % 10);
    text[2] = (char)('0' + status % 10);
    return nu_str_make(text, 3);
}

static void write_status(struct h1_server *s, const struct nu_http_headers *h, nu_str framing)
{
    char code[4];
    struct h1_head_lines lines = {
        .parts = {s->msg->http10 ? NU_STR("HTTP/1.0 ") : NU_STR("HTTP/1.1 "), status_line_code(h->status, code), NU_STR(" "),
                  h->path.ptr != NULL ? h->path : nu_h1_reason(h->status), NU_STR("\r\n")},
        .n_parts = 5,
        .host = NU_STR_NONE,
        .framing = framing,
    };
    h1_write_head(s->base.conn, &s->msg->writer, s->opt, &lines, h);
}

/* An upgrade that is accepted turns the connection into a tunnel; one that is refused makes it a request without a body. */
static void settle_tunnel(struct h1_server *s, const struct nu_http_headers *h)
{
    bool accepted = s->msg->connect_request ? h->status / 100 == 2 : h->status == 101;
    if (s->state != SERVER_HELD)
        return;
    s->state = accepted ? SERVER_TUNNEL : SERVER_CLOSED; /* refused: what came behind the head has no meaning */
    if (!accepted && s->msg->reader.body.done && s->base.conn->in.len == 0 && !s->msg->connect_request)
        s->state = SERVER_RESPOND; /* nothing came: the connection is still in step */
    end_wait(s);
    if (accepted && s->base.conn->in.len > 0)
        nu_conn_redispatch(s->base.conn);
}

static void encode_headers(struct nu_codec_stream *cs, const struct nu_http_headers *h, bool end)
{
    struct h1_server *s = of_codec(cs);
    nu_str framing = response_framing(s, h, end);
    settle_tunnel(s, h);
    write_status(s, h, framing);
    s->msg->writer.state = H1_WRITE_BODY;
    if (end)
        response_written(s);
}

static void encode_informational(struct nu_codec_stream *cs, const struct nu_http_headers *h)
{
    write_status(of_codec(cs), h, NU_STR(""));
}

static void encode_data(struct nu_codec_stream *cs, struct nu_buf *data, bool end)
{
    struct h1_server *s = of_codec(cs);
    if (s->msg->head_request)
        nu_buf_clear(data, &s->base.conn->worker->bufs);
    h1_write_data(s->base.conn, &s->msg->writer, data, end);
    if (end)
        response_written(s);
}

static void encode_trailers(struct nu_codec_stream *cs, const struct nu_http_headers *t)
{
    struct h1_server *s = of_codec(cs);
    h1_write_trailers(s->base.conn, &s->msg->writer, s->opt, t);
    response_written(s);
}

/* HTTP/1 cannot reset a stream: the connection is of no use any more. The owner closes it. */
static void codec_reset(struct nu_codec_stream *cs, enum nu_reset_reason r)
{
    struct h1_server *s = of_codec(cs);
    (void)r;
    s->active = false;
    cs->user = NULL;
    s->state = SERVER_CLOSED;
}

static void read_pause(struct nu_codec_stream *cs)
{
    struct h1_server *s = of_codec(cs);
    s->pauses++;
    nu_conn_read_pause(s->base.conn);
}

static void read_resume(struct nu_codec_stream *cs)
{
    struct h1_server *s = of_codec(cs);
    NU_ASSERT(s->pauses > 0);
    s->pauses--;
    nu_conn_read_resume(s->base.conn);
    if (s->pauses == 0 && !s->in_dispatch && s->base.conn->in.len > 0)
        nu_conn_redispatch(s->base.conn);
}

static void hand_over(struct nu_codec_stream *cs, struct nu_stream_user *to)
{
    struct h1_server *s = of_codec(cs);
    struct message *m = nu_arena_new(to->arena, struct message);
    *m = *s->msg;
    s->msg = m;
    cs->user = to;
}

static void wire_bytes(const struct nu_codec_stream *cs, uint64_t *wire_in, uint64_t *wire_out, uint64_t *head_in,
                       uint64_t *head_out)
{
    const struct h1_server *s = of_codec(cs);
    *wire_in = s->msg->reader.bytes;
    *head_in = s->msg->reader.head_bytes;
    *wire_out = s->msg->writer.bytes;
    *head_out = s->msg->writer.head_bytes;
}

static const struct nu_codec_stream_ops codec_ops = {
    .headers = encode_headers,
    .informational = encode_informational,
    .data = encode_data,
    .trailers = encode_trailers,
    .reset = codec_reset,
    .read_pause = read_pause,
    .read_resume = read_resume,
    .hand_over = hand_over,
    .bytes = wire_bytes,
};

/* ---- the session ---- */

static void on_close(struct nu_session *base, enum nu_reset_reason r)
{
    struct h1_server *s = of_session(base);
    struct nu_stream_user *u = s->codec.user;
    bool active = s->active;
    s->active = false;
    s->codec.user = NULL;
    s->state = SERVER_CLOSED;
    if (active)
        u->ops->on_reset(u, r, NU_STR(""));
}

static struct nu_codec_stream *begin_refused(struct nu_session *base)
{
    struct h1_server *s = of_session(base);
    if (s->active)
        return NULL;
    s->state = SERVER_REFUSED;
    s->active = true;
    s->msg = nu_arena_new(&base->conn->arena, struct message); /* once: the connection ends with the answer */
    s->msg->reader.bytes = base->conn->in.len;
    return &s->codec;
}

static void go_away(struct nu_session *base)
{
    (void)base; /* the connection manager says "connection: close" in the next response */
}

static void on_high(struct nu_session *base)
{
    struct h1_server *s = of_session(base);
    if (s->active)
        s->codec.user->ops->on_high(s->codec.user);
}

static void on_low(struct nu_session *base)
{
    struct h1_server *s = of_session(base);
    if (s->active)
        s->codec.user->ops->on_low(s->codec.user);
}

static bool is_idle(const struct nu_session *base)
{
    return !of_session(base)->active;
}

static bool head_begun(const struct nu_session *base)
{
    const struct h1_server *s = of_session(base);
    return s->state == SERVER_HEAD && s->head_begun;
}

static const struct nu_session_ops session_ops = {
    .protocol = NU_PROTO_HTTP11,
    .dispatch = dispatch,
    .on_close = on_close,
    .go_away = go_away,
    .on_high = on_high,
    .on_low = on_low,
    .idle = is_idle,
    .head_begun = head_begun,
    .begin_refused = begin_refused,
};

struct nu_session *nu_h1_server_new(struct nu_conn *c, struct nu_session_owner *o, const struct nu_h1_options *opt)
{
    struct h1_server *s = nu_arena_new(&c->arena, struct h1_server);
    s->base = (struct nu_session){.ops = &session_ops, .owner = o, .conn = c};
    s->codec.ops = &codec_ops;
    s->opt = opt;
    return &s->base;
}
