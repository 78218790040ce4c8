/* SPDX-License-Identifier: Apache-2.0
 *
 * The one interface before HTTP/1, 2 and 3: a session turns a connection's bytes into streams and back. Nothing above
 * asks which protocol it is. Server sessions serve the connection manager; client sessions serve the upstream pools.
 *
 * Ends of a stream. The codec's half (struct nu_codec_stream) and its user's half (struct nu_stream_user) each end once:
 * by decoding and encoding completely, or by a reset from either side. After on_reset, or after nu_codec_reset, neither
 * side calls the other about that stream again. */
#ifndef NU_HTTP_SESSION_H
#define NU_HTTP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "http/headers.h"
#include "net/stream_info.h"

struct nu_conn;
struct nu_session;
struct nu_scope;
struct nu_worker;

enum nu_reset_reason {
    NU_RESET_LOCAL,                  /* "local reset" */
    NU_RESET_LOCAL_REFUSED,          /* "local refused stream reset" */
    NU_RESET_REMOTE,                 /* "remote reset" */
    NU_RESET_REMOTE_REFUSED,         /* "remote refused stream reset" */
    NU_RESET_LOCAL_CONNECT_FAILURE,  /* "local connection failure" */
    NU_RESET_REMOTE_CONNECT_FAILURE, /* "remote connection failure" */
    NU_RESET_CONNECT_TIMEOUT,        /* "connection timeout" */
    NU_RESET_CONN_TERMINATION,       /* "connection termination" */
    NU_RESET_OVERFLOW,               /* "overflow" */
    NU_RESET_CONNECT_ERROR,          /* "connect error" (CONNECT) */
    NU_RESET_PROTOCOL_ERROR,         /* "protocol error" */
    NU_RESET_OVERLOAD,               /* "overload manager" */
};
/* Envoy's words for it, as in "... reset reason: remote connection failure". */
nu_str nu_reset_reason_text(enum nu_reset_reason r);

/* ---- the user's half ---- */

/* First member of the connection manager's stream, of an upstream request, ... */
struct nu_stream_user {
    const struct nu_stream_user_ops *ops;
    struct nu_arena *arena; /* where the codec builds header maps for this stream */
};

struct nu_stream_user_ops {
    /* The head. `h` lives in user->arena as long as the stream. end: no body follows. */
    void (*on_headers)(struct nu_stream_user *u, struct nu_http_headers *h, bool end);
    /* 1xx but 101; client sessions only. */
    void (*on_informational)(struct nu_stream_user *u, struct nu_http_headers *h);
    /* Body bytes: move or drain them all. */
    void (*on_data)(struct nu_stream_user *u, struct nu_buf *data, bool end);
    void (*on_trailers)(struct nu_stream_user *u, struct nu_http_headers *t);
    /* The stream is over abnormally; nothing may be called on it any more. details: response-code details or "". */
    void (*on_reset)(struct nu_stream_user *u, enum nu_reset_reason r, nu_str details);
    /* What was encoded does not leave fast enough / has left. Counted by the codec: high then low, alternating. */
    void (*on_high)(struct nu_stream_user *u);
    void (*on_low)(struct nu_stream_user *u);
    /* All that was encoded (end included) has left the session's buffers; may be NULL. */
    void (*on_flushed)(struct nu_stream_user *u);
};

/* ---- the codec's half ---- */

struct nu_codec_stream {
    const struct nu_codec_stream_ops *ops;
    struct nu_stream_user *user;
};

struct nu_codec_stream_ops {
    void (*headers)(struct nu_codec_stream *s, const struct nu_http_headers *h, bool end);
    void (*informational)(struct nu_codec_stream *s, const struct nu_http_headers *h);
    /* Moves all of data. */
    void (*data)(struct nu_codec_stream *s, struct nu_buf *data, bool end);
    void (*trailers)(struct nu_codec_stream *s, const struct nu_http_headers *t);
    void (*reset)(struct nu_codec_stream *s, enum nu_reset_reason r);
    /* Counted. While paused no on_data comes, and the peer is slowed down. */
    void (*read_pause)(struct nu_codec_stream *s);
    void (*read_resume)(struct nu_codec_stream *s);
    /* Server: another user (with another arena) takes the stream over. */
    void (*hand_over)(struct nu_codec_stream *s, struct nu_stream_user *to);
    /* Bytes on the wire so far for this stream: head and body, both directions. */
    void (*bytes)(const struct nu_codec_stream *s, uint64_t *wire_in, uint64_t *wire_out, uint64_t *head_in,
                  uint64_t *head_out);
};

static inline void nu_codec_headers(struct nu_codec_stream *s, const struct nu_http_headers *h, bool end)
{
    s->ops->headers(s, h, end);
}
static inline void nu_codec_data(struct nu_codec_stream *s, struct nu_buf *data, bool end)
{
    s->ops->data(s, data, end);
}
static inline void nu_codec_trailers(struct nu_codec_stream *s, const struct nu_http_headers *t)
{
    s->ops->trailers(s, t);
}
static inline void nu_codec_reset(struct nu_codec_stream *s, enum nu_reset_reason r)
{
    s->ops->reset(s, r);
}

/* ---- sessions ---- */

/* What a session tells its owner; first member of the owner (connection manager's connection, pool's client). */
struct nu_session_owner {
    const struct nu_session_owner_ops *ops;
};

struct nu_session_owner_ops {
    /* Server: a request's head is complete. The owner makes its half (with an arena) and returns it; on_headers
     * follows at once. */
    struct nu_stream_user *(*on_new_stream)(struct nu_session_owner *o, struct nu_codec_stream *s);
    /* The peer broke the protocol; nothing more is read. Server: the owner answers `status` (0: nothing can be answered)
     * on the stream under way or on one from begin_refused, and closes. Client: the owner closes the connection. */
    void (*on_protocol_error)(struct nu_session_owner *o, unsigned status, nu_str details);
    /* Server: bytes of a head have begun to arrive / the head is complete (request_headers_timeout). May be NULL. */
    void (*on_head_begin)(struct nu_session_owner *o);
    /* Client: the peer will take no more streams here (GOAWAY, connection: close). */
    void (*on_go_away)(struct nu_session_owner *o);
    /* A stream was encoded and decoded completely, or reset: the codec's half is free. HTTP/1: the session can begin
     * the next one, if it may be reused. reset (client): the user ended it before its response was complete. */
    void (*on_stream_end)(struct nu_session_owner *o, struct nu_codec_stream *s, bool reset);
};

/* HTTP/1 options: core.Http1ProtocolOptions and limits; immutable, part of a snapshot. */
struct nu_h1_options {
    bool allow_absolute_url;       /* default true */
    bool accept_http_10;
    nu_str default_host_for_http_10;
    bool enable_trailers;
    bool allow_chunked_length;
    bool allow_custom_methods;
    bool send_fully_qualified_url;
    bool proper_case, preserve_case;
    bool preserve_case_forward_reason_phrase;
    enum { NU_FORMATTER_DEFAULT_CASE, NU_FORMATTER_PROPER_CASE } preserve_case_default;
    uint32_t max_head_bytes;       /* max_request_headers_kb / max_response_headers_kb in bytes */
    uint32_t max_headers_count;
    enum { NU_UNDERSCORES_ALLOW, NU_UNDERSCORES_REJECT, NU_UNDERSCORES_DROP } underscores;
    bool proxy_100_continue;       /* HCM; server side */
    struct nu_scope *http1_scope;  /* http1. counters; NULL: none */
    bool override_stream_error;    /* keep the connection open on an invalid message where framing allows */
};

struct nu_session_ops {
    enum nu_protocol protocol;
    /* Bytes arrived: consumes what it can from `in` (the rest is offered again with more). end: the peer ended. */
    void (*dispatch)(struct nu_session *s, struct nu_buf *in, bool end);
    /* The connection is gone: resets all streams with `r`. */
    void (*on_close)(struct nu_session *s, enum nu_reset_reason r);
    /* Client: begins a stream; NULL when it cannot (busy, going away). */
    struct nu_codec_stream *(*new_stream)(struct nu_session *s, struct nu_stream_user *u);
    /* Server: no more requests are wanted after those begun (HTTP/1: "connection: close" on the next response; HTTP/2:
     * GOAWAY). */
    void (*go_away)(struct nu_session *s);
    /* The connection's write buffer passed its marks. */
    void (*on_high)(struct nu_session *s);
    void (*on_low)(struct nu_session *s);
    /* Whether nothing is under way (an idle keep-alive connection). */
    bool (*idle)(const struct nu_session *s);
    /* Server: whether bytes of a head have come that is not complete. */
    bool (*head_begun)(const struct nu_session *s);
    /* Server: begins a stream whose request will never be complete (refused or late head), so that it can be answered; NULL:
     * a stream is under way. The owner sets user. */
    struct nu_codec_stream *(*begin_refused)(struct nu_session *s);
};

struct nu_session {
    const struct nu_session_ops *ops;
    struct nu_session_owner *owner;
    struct nu_conn *conn;
};

/* HTTP/1 sessions in the connection's arena. Options are borrowed and outlive the connection. (http/h1_server.c,
 * http/h1_client.c) */
struct nu_session *nu_h1_server_new(struct nu_conn *c, struct nu_session_owner *o, const struct nu_h1_options *opt);
struct nu_session *nu_h1_client_new(struct nu_conn *c, struct nu_session_owner *o, const struct nu_h1_options *opt);
/* Client: whether the connection may serve another request after the current one. */
bool nu_session_reusable(const struct nu_session *s);

#endif
