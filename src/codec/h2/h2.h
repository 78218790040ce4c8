/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 (RFC 9113): one connection's session, client or server. Pure: bytes and the time go in, callbacks and bytes come
 * out; it owns no socket and no timer. What it knows: frames, HPACK, the states of streams (s5.1), flow control on both
 * levels (s5.2), the rules of messages (s8), extended CONNECT (RFC 8441), and limits against floods. What it leaves to its
 * user: header maps, what a message means, timeouts, when to write.
 *
 * Use.
 *   Bytes arrived:       nu_h2_receive. Callbacks come from inside.
 *   A message goes out:  nu_h2_head_begin, nu_h2_put..., nu_h2_head_end; nu_h2_send_data; trailers like a head.
 *   Once a turn:         nu_h2_flush, and then the user takes what is in c->out. on_output tells when there is something
 *                        to flush: once, until the next flush.
 *   An error return of receive or flush: the session is over. A GOAWAY lies in c->out, nu_h2_failure tells why. The user
 *                        sends what is there, closes the connection, and calls nu_h2_close.
 *
 * Streams belong to the user: struct nu_h2_stream is a member of what on_open returns (server) or of what is given to
 * nu_h2_head_begin (client). It must stay where it is until on_closed, the last callback of every stream; only then, and
 * also inside that callback, may it be freed. The session itself must not be freed from inside a callback.
 *
 *      idle --HEADERS--> open --END_STREAM in--> half-closed (remote) --END_STREAM out--> closed: on_closed
 *                        open --END_STREAM out-> half-closed (local)  --END_STREAM in---> closed
 *      any --RST_STREAM in, fault, GOAWAY, end of the connection--> on_reset, closed;   any --nu_h2_reset--> closed
 *
 * Callbacks may call everything of this header but nu_h2_receive, nu_h2_flush and nu_h2_clear; nu_h2_close too. */
#ifndef NU_CODEC_H2_H2_H
#define NU_CODEC_H2_H2_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buffer.h"
#include "base/list.h"
#include "codec/h2/hpack.h"

/* RFC 9113 s7. */
enum nu_h2_code {
    NU_H2_NO_ERROR,
    NU_H2_PROTOCOL_ERROR,
    NU_H2_INTERNAL_ERROR,
    NU_H2_FLOW_CONTROL_ERROR,
    NU_H2_SETTINGS_TIMEOUT,
    NU_H2_STREAM_CLOSED,
    NU_H2_FRAME_SIZE_ERROR,
    NU_H2_REFUSED_STREAM,
    NU_H2_CANCEL,
    NU_H2_COMPRESSION_ERROR,
    NU_H2_CONNECT_ERROR,
    NU_H2_ENHANCE_YOUR_CALM,
    NU_H2_INADEQUATE_SECURITY,
    NU_H2_HTTP_1_1_REQUIRED,
};

/* Envoy's http2. counters of which the session knows, by their names there. */
#define NU_H2_COUNTERS(X)                                                                          \
    X(dropped_headers_with_underscores)                                                            \
    X(goaway_sent)                                                                                 \
    X(header_overflow)                                                                             \
    X(inbound_empty_frames_flood)                                                                  \
    X(inbound_priority_frames_flood)                                                               \
    X(inbound_window_update_frames_flood)                                                          \
    X(outbound_control_flood)                                                                      \
    X(outbound_flood)                                                                              \
    X(requests_rejected_with_underscores_in_headers)                                               \
    X(rx_messaging_error)                                                                          \
    X(rx_reset)                                                                                    \
    X(stream_refused_errors)                                                                       \
    X(trailers)                                                                                    \
    X(tx_reset)

enum nu_h2_counter {
#define X(name) NU_H2_COUNT_##name,
    NU_H2_COUNTERS(X)
#undef X
    NU_H2_N_COUNTERS
};

struct nu_h2;
struct nu_h2_stream;
struct nu_h2_kept;
struct nu_h2_marks;

struct nu_h2_setting {
    uint16_t id;
    uint32_t value;
};

/* core.Http2ProtocolOptions and limits: immutable, part of a snapshot, shared by sessions. nu_h2_options_default has
 * Envoy's defaults. */
struct nu_h2_options {
    uint32_t hpack_table_size;               /* both directions */
    uint32_t max_concurrent_streams;         /* advertised; refused above it */
    uint32_t initial_stream_window_size;     /* 65,535 to 2^31-1 */
    uint32_t initial_connection_window_size; /* 65,535 to 2^31-1 */
    uint32_t max_outbound_frames;            /* written by us, not yet by the socket (nu_h2_flush) */
    uint32_t max_outbound_control_frames;    /* of them: acknowledgements and RST_STREAM */
    uint32_t max_consecutive_inbound_frames_with_empty_payload;
    uint32_t max_inbound_priority_frames_per_stream;
    uint32_t max_inbound_window_update_frames_per_data_frame_sent;
    uint32_t max_field_bytes;     /* max_header_field_size_kb, in bytes: of one name or value; more: COMPRESSION_ERROR */
    uint32_t max_head_bytes;      /* max_request_headers_kb / max_response_headers_kb in bytes: names and values of a head,
                                   * all that the peer sent, what is dropped or joined later included */
    uint32_t max_headers_count;   /* fields of a head; cookie crumbs are not counted */
    uint32_t stream_reset_burst, stream_reset_rate; /* RST_STREAM a server takes at once, and then per second; 0: no limit */
    uint32_t premature_reset_total_stream_count; /* Envoy's overload.premature_reset_*: see NU_H2_FAIL_PREMATURE_RESETS */
    uint32_t premature_reset_min_lifetime_ms;
    uint32_t stream_send_high;    /* bytes of a stream that wait to be sent: on_send_high; on_send_low at half; 0: never */
    bool allow_connect;           /* SETTINGS_ENABLE_CONNECT_PROTOCOL = 1; `:protocol` is accepted (RFC 8441) */
    bool stream_error_on_invalid; /* override_stream_error_on_invalid_http_message: an invalid message ends the stream
                                   * only; otherwise the connection, as Envoy does */
    bool disallow_obs_text;       /* bytes over 0x7f in values are invalid */
    bool huffman;                 /* enable_huffman_encoding */
    enum { NU_H2_UNDERSCORES_ALLOW, NU_H2_UNDERSCORES_REJECT, NU_H2_UNDERSCORES_DROP } underscores; /* servers */
    const struct nu_h2_setting *custom_settings; /* custom_settings_parameters, sent as they are */
    uint32_t n_custom_settings;
    const struct nu_hpack_names *names; /* ids of fields; NULL: none */
};
extern const struct nu_h2_options nu_h2_options_default;

/* ---- what the user implements ---- */

/* The part of a message that a header block is. */
enum nu_h2_block {
    NU_H2_HEAD,
    NU_H2_INFORMATIONAL, /* a response's 1xx head */
    NU_H2_TRAILERS,
};

enum nu_h2_reset_cause {
    NU_H2_RESET_REMOTE,     /* the peer's RST_STREAM with `code` (Envoy: remote reset; REFUSED_STREAM: remote refused;
                             * CONNECT_ERROR: connect error); details "http2.remote_reset", "http2.remote_refuse" */
    NU_H2_RESET_MESSAGE,    /* the peer's message was invalid (Envoy: server local reset, client protocol error); details
                             * "http2.invalid.header.field" or "http2.violation.of.messaging.rule" */
    NU_H2_RESET_LIMIT,      /* the peer's head is too large or has a name that is rejected (Envoy: remote reset); details
                             * "http2.too_many_headers" or "http2.unexpected_underscore" */
    NU_H2_RESET_FAULT,      /* another stream error of the peer (Envoy: remote reset); details "http2.remote_reset" */
    NU_H2_RESET_GOAWAY,     /* client: the peer's GOAWAY says that it never saw the request (Envoy: remote refused) */
    NU_H2_RESET_CONNECTION, /* the session failed, or nu_h2_close */
};

struct nu_h2_reset {
    enum nu_h2_reset_cause cause;
    uint32_t code;  /* of the RST_STREAM, either way */
    nu_str details; /* Envoy's response-code details; may be empty. Literals */
};

/* All may be NULL unless said otherwise. */
struct nu_h2_ops {
    /* Server, not NULL: a request's header block begins. Returns the stream's record, zeroed, or NULL to refuse it
     * (REFUSED_STREAM). The fields follow. */
    struct nu_h2_stream *(*on_open)(struct nu_h2 *c);
    /* A field of the block that s->block tells (INFORMATIONAL only once :status has come); pseudo-header fields first. All
     * its views end with the call, but for static names (f->static_name). Not NULL. */
    void (*on_field)(struct nu_h2_stream *s, const struct nu_h2_field *f);
    /* The block is complete and valid. end: no body follows. Requests have their method, path, ... set or are CONNECT;
     * responses have a :status; a lone `host` field may stand for a missing :authority. Not NULL. */
    void (*on_head)(struct nu_h2_stream *s, enum nu_h2_block block, bool end);
    /* Body bytes as they come, not frame by frame: move or drain them all. Sooner or later the user calls nu_h2_consume
     * for them. May be of no bytes with `end`. Not NULL. */
    void (*on_data)(struct nu_h2_stream *s, struct nu_buf *data, bool end);
    /* The stream is over abnormally. Only on_closed follows. Not NULL. */
    void (*on_reset)(struct nu_h2_stream *s, const struct nu_h2_reset *why);
    /* The last of each stream, however it ended. Not NULL. */
    void (*on_closed)(struct nu_h2_stream *s);
    /* END_STREAM went into c->out. */
    void (*on_end_sent)(struct nu_h2_stream *s);
    /* More than stream_send_high bytes wait / half of it and fewer; alternating. */
    void (*on_send_high)(struct nu_h2_stream *s);
    void (*on_send_low)(struct nu_h2_stream *s);
    /* The peer's GOAWAY, each of them. Streams that it did not see are reset after it. */
    void (*on_goaway)(struct nu_h2 *c, uint32_t last_stream_id, uint32_t code);
    /* The peer's SETTINGS: max_concurrent_streams may have changed (nu_h2_can_open). */
    void (*on_settings)(struct nu_h2 *c);
    void (*on_ping_ack)(struct nu_h2 *c, uint64_t opaque);
    /* A frame other than a PING's acknowledgement begins (connection_keepalive takes it for a sign of life). */
    void (*on_activity)(struct nu_h2 *c);
    void (*on_count)(struct nu_h2 *c, enum nu_h2_counter counter);
    /* There is something to flush now: once, until the next nu_h2_flush. Not NULL. */
    void (*on_output)(struct nu_h2 *c);
};

/* ---- streams ---- */

/* Visible so that users embed it; theirs to read are the members before the line. Zero-initialise. */
struct nu_h2_stream {
    struct nu_h2 *conn;  /* NULL: not begun; valid until on_closed has returned */
    uint32_t id;         /* 0: a client's that has not sent its head */
    uint8_t block;       /* enum nu_h2_block: of the fields that are coming */
    bool end_received, end_sent; /* END_STREAM has come / is in c->out */
    bool end_queued;     /* END_STREAM waits behind data, or is sent */
    bool closed;         /* from on_reset or on_closed on: nothing that is called for it does anything */
    uint64_t wire_in, wire_out, head_in, head_out; /* bytes of its frames, their headers included; of HEADERS alone */
    struct nu_buf queue; /* body bytes that wait for window and turn */
    /* ---- */
    struct nu_list node, ready;
    struct nu_h2_stream *chain;
    int64_t send_window;         /* may be negative (s6.9.2) */
    uint32_t recv_window;        /* what the peer may still send */
    uint32_t recv_held;          /* received and not consumed */
    uint32_t recv_due;           /* consumed and not announced */
    uint64_t content_length, body_received;
    uint64_t opened_ms;
    struct nu_h2_kept *trailers; /* they wait behind the queue */
    unsigned has_length : 1, head_request : 1, connect : 1, no_body : 1;
    unsigned head_received : 1, final_sent : 1;
    unsigned above_high : 1, reset_after_end : 1;
    uint32_t reset_code;
};

/* ---- the session ---- */

enum nu_h2_fail {
    NU_H2_FAIL_NONE,
    NU_H2_FAIL_PROTOCOL,          /* Envoy: codec_error:..., and the response flag of a protocol error */
    NU_H2_FAIL_FLOOD,             /* Envoy: overload_error:... */
    NU_H2_FAIL_PREMATURE_RESETS,  /* of premature_reset_total_stream_count streams more than half were reset, by the peer or
                                   * because of it, within their first premature_reset_min_lifetime_ms and before a response
                                   * head was sent (Envoy: downstream_rq_too_many_premature_resets, closes at once) */
};

struct nu_h2_failure {
    enum nu_h2_fail kind;
    uint32_t code;  /* that the GOAWAY has: enum nu_h2_code */
    nu_str text;    /* Envoy's text of the error, as in "codec_error:<text with _ for spaces>" */
    nu_str reason;  /* ours, for logs: what the peer did */
};

#define NU_H2_FEW_SLOTS 8u

/* Visible so that users embed it; theirs to read are the members before the line. nu_h2_init initialises. */
struct nu_h2 {
    const struct nu_h2_ops *ops;
    const struct nu_h2_options *opt;
    struct nu_buf_pool *bufs;
    struct nu_buf out;          /* frames to send: the user takes them all, after nu_h2_flush */
    uint32_t n_streams;         /* not closed yet */
    uint32_t glitches;          /* oddities of the peer that are not errors */
    uint64_t queued_bytes;      /* of all streams' queues */
    uint32_t outbound_frames, outbound_control_frames; /* as nu_h2_flush last knew */
    bool server;
    bool goaway_sent, goaway_received;
    bool peer_allows_connect;   /* the peer's SETTINGS_ENABLE_CONNECT_PROTOCOL */
    bool settings_received, settings_acked;
    uint32_t peer_max_streams;  /* the peer's SETTINGS_MAX_CONCURRENT_STREAMS */
    /* ---- */
    uint8_t rx_state;
    bool flush_wanted, closed;
    bool ending;                /* the user is being told the end of c->current's message */
    size_t direct;              /* bytes of DATA that may go into out between flushes */
    struct {                    /* the frame that is being received */
        uint32_t length, stream_id;
        uint32_t left;          /* DATA: bytes of the body that are still to come */
        uint32_t skip;          /* bytes behind them that nobody wants */
        uint8_t type, flags;
    } frame;
    struct {                    /* the header block that is being received */
        struct nu_buf rest;     /* a field whose end is in the next CONTINUATION */
        uint32_t stream_id;     /* 0: none */
        uint32_t n_frames, wire_bytes, bytes, n_fields;
        uint16_t seen;          /* what has come of it (message.c) */
        uint16_t status;
        bool end_stream;
        bool wanted;            /* its stream is open; otherwise it is decoded and thrown away */
    } block;
    struct nu_h2_stream *current; /* that the frame is for; NULL when there is none or it has closed meanwhile */
    struct nu_list streams, ready;
    struct nu_list *iter;       /* where a walk over the streams goes on */
    struct nu_h2_guard {        /* a stream in the middle of a callback, which may close it */
        struct nu_h2_stream *stream;
        struct nu_h2_guard *outer;
    } *guards;
    struct nu_h2_stream **table; /* chains by id, [table_cap], a power of two */
    uint32_t table_cap;
    struct nu_h2_stream *few[NU_H2_FEW_SLOTS];
    uint32_t next_id;           /* client: of the next stream */
    uint32_t last_peer_id;      /* server: the highest that the peer opened */
    uint32_t goaway_last_id;    /* that we sent */
    uint64_t recent_opened, recent_reset; /* of the 64 ids up to the newest: bit n is (newest - 2n) */
    int64_t send_window;
    uint32_t recv_window, recv_due;
    uint32_t peer_initial_window, peer_max_frame;
    uint64_t now_ms;
    uint32_t empty_frames;      /* in a row */
    uint64_t n_priority, n_window_update, n_opened, n_data_sent;
    uint32_t n_closed, n_premature;
    uint32_t reset_tokens;
    uint64_t reset_tokens_ms;
    uint64_t taken_bytes;       /* ever taken out of out */
    struct nu_h2_mark {         /* frames that were taken together, and perhaps have not left yet */
        uint64_t end;           /* of taken_bytes, when all of them have left */
        uint32_t frames, control;
    } last_mark;
    struct nu_h2_marks *marks;  /* older ones */
    uint32_t new_frames, new_control; /* in out */
    struct nu_h2_failure failure;
    struct nu_hpack_decoder decoder;
    struct nu_hpack_encoder encoder;
};

/* A session; SETTINGS (and the client's preface) are in c->out at once, to be flushed without on_output. opt and bufs are
 * borrowed and outlive it. */
void nu_h2_init(struct nu_h2 *c, bool server, const struct nu_h2_ops *ops, const struct nu_h2_options *opt,
                struct nu_buf_pool *bufs);
/* All streams are reset (NU_H2_RESET_CONNECTION); nothing is received or sent any more. May be repeated. */
void nu_h2_close(struct nu_h2 *c);
/* Closes and gives all memory back. */
void nu_h2_clear(struct nu_h2 *c);
/* The connection is idle: tables give back what they do not use. */
void nu_h2_trim(struct nu_h2 *c);

/* Takes the bytes that arrived; what is left in `in` is the beginning of a frame that is not complete (at most 16 KiB) and is
 * offered again with more. now_ms: any monotonic clock. 0, or a negative error: the session has failed. */
NU_NODISCARD int nu_h2_receive(struct nu_h2 *c, struct nu_buf *in, uint64_t now_ms);
/* Puts DATA of the streams that may send into c->out, in turns, until that has `budget` bytes; control frames and heads are
 * there already. The user then takes all of c->out. unsent: how many bytes that it took before have not left yet (the
 * connection's write buffer), for the limits on outbound frames. 0, or a negative error: the session has failed. */
NU_NODISCARD int nu_h2_flush(struct nu_h2 *c, size_t budget, size_t unsent);
/* Whether a flush with more budget would give more. */
bool nu_h2_wants_flush(const struct nu_h2 *c);
/* Why the session failed; NULL: it did not. */
const struct nu_h2_failure *nu_h2_failure(const struct nu_h2 *c);

/* ---- sending messages ---- */

/* Writes one header block straight into c->out; between begin and end nothing else may be called on the session. */
struct nu_h2_writer {
    struct nu_h2_stream *stream;
    uint8_t *start, *at, *end;
    struct nu_h2_kept *kept; /* trailers that wait for the body before them */
    enum nu_h2_block block;
};

/* Client: whether another stream may begin (SETTINGS_MAX_CONCURRENT_STREAMS, GOAWAY, stream identifiers). */
bool nu_h2_can_open(const struct nu_h2 *c);

/* Begins a head, a 1xx head or trailers. A client's first head opens the stream: s is zeroed, c given, nu_h2_can_open. n,
 * bytes: at least the number of fields, pseudo-header fields included, and the sum of their names and values (a :status:
 * 10). Trailers end the stream; they wait until the body before them has left. */
void nu_h2_head_begin(struct nu_h2_writer *w, struct nu_h2 *c, struct nu_h2_stream *s, enum nu_h2_block block, size_t n,
                      size_t bytes);
void nu_h2_put_pseudo(struct nu_h2_writer *w, enum nu_h2_pseudo which, nu_str value);
void nu_h2_put_status(struct nu_h2_writer *w, unsigned status);
/* A regular field; id: of the name or 0; the name is lower case. sensitive: never to be indexed. */
void nu_h2_put(struct nu_h2_writer *w, uint16_t id, nu_str name, nu_str value, bool sensitive);
/* end: no body follows (trailers: always). The stream may be closed when this returns (on_closed). */
void nu_h2_head_end(struct nu_h2_writer *w, bool end);

/* Takes all of data to be sent as windows allow; end: nothing follows. The stream may be closed when this returns. A stream
 * that was closed before takes nothing. */
void nu_h2_send_data(struct nu_h2_stream *s, struct nu_buf *data, bool end);
/* RST_STREAM: drops what waits; on_closed comes from inside, on_reset does not. Nothing on a closed stream. */
void nu_h2_reset(struct nu_h2_stream *s, enum nu_h2_code code);
/* The user wants no more of the request (an early response, s8.1): what comes is thrown away, and RST_STREAM with `code`
 * follows END_STREAM, at once if that has been sent. END_STREAM has been queued. Nothing when the request is complete. */
void nu_h2_reset_after_end(struct nu_h2_stream *s, enum nu_h2_code code);

/* ---- receiving ---- */

/* n bytes of on_data have been used up: the peer gets window for them, by WINDOW_UPDATE once half of it is due. A stream
 * that closes gives back what it had not consumed by itself. */
void nu_h2_consume(struct nu_h2_stream *s, uint32_t n);

/* ---- the connection ---- */

void nu_h2_ping(struct nu_h2 *c, uint64_t opaque);
/* Server: GOAWAY(2^31-1), so that the peer begins nothing new; requests that are under way still count (s6.8). */
void nu_h2_shutdown_notice(struct nu_h2 *c);
/* GOAWAY with the last stream seen: later ones are ignored. Streams go on. */
void nu_h2_goaway(struct nu_h2 *c, enum nu_h2_code code);

#endif
