/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the HTTP/2 session share. Functions that may end the session or a stream say so; their callers look at
 * h2_over, or whether the stream is still c->current, before they go on. */
#ifndef NU_CODEC_H2_H2_PRIV_H
#define NU_CODEC_H2_H2_PRIV_H

#include "base/assert.h"
#include "codec/h2/frame.h"
#include "codec/h2/h2.h"

/* What the bytes that come next are (receive.c). */
enum h2_rx_state { RX_PREFACE, RX_HEAD, RX_PAYLOAD, RX_DATA_PAD, RX_DATA };

/* ---- session.c ---- */

/* Nothing more is received or sent. */
static inline bool h2_over(const struct nu_h2 *c)
{
    return c->closed || c->failure.kind != NU_H2_FAIL_NONE;
}

static inline void h2_count(struct nu_h2 *c, enum nu_h2_counter counter)
{
    if (c->ops->on_count != NULL)
        c->ops->on_count(c, counter);
}

/* The session fails: GOAWAY. The first failure is the one that counts. */
void h2_fail(struct nu_h2 *c, enum nu_h2_fail kind, enum nu_h2_code code, nu_str text, nu_str reason);
/* The usual one: the peer broke the protocol. `reason` is a literal. */
void h2_protocol_error(struct nu_h2 *c, enum nu_h2_code code, nu_str reason);
/* Something lies in out, or could be put there. */
static inline void h2_want_flush(struct nu_h2 *c)
{
    if (!c->flush_wanted) {
        c->flush_wanted = true;
        c->ops->on_output(c);
    }
}

/* Room for a frame's payload behind its head, which is written already; then h2_frame_done with the same length. */
uint8_t *h2_frame(struct nu_h2 *c, uint32_t length, enum h2_frame_type type, uint8_t flags, uint32_t stream_id);
void h2_frame_done(struct nu_h2 *c, uint32_t length);
/* Frames other than DATA and heads. */
void h2_send_rst(struct nu_h2 *c, struct nu_h2_stream *s, uint32_t id, enum nu_h2_code code);
void h2_send_window_update(struct nu_h2 *c, struct nu_h2_stream *s, uint32_t increment);
void h2_send_settings_ack(struct nu_h2 *c);
void h2_send_ping_ack(struct nu_h2 *c, const uint8_t *opaque);

/* ---- streams.c ---- */

struct nu_h2_stream *h2_find(const struct nu_h2 *c, uint32_t id);
/* Never opened: a frame for it is an error of the connection (RFC 9113 s5.1). */
bool h2_is_idle(const struct nu_h2 *c, uint32_t id);
/* Not open any more, or never was because a higher one was opened. */
enum h2_past { H2_PAST_SKIPPED, H2_PAST_ENDED, H2_PAST_RESET_BY_US, H2_PAST_LONG_AGO };
enum h2_past h2_past_of(const struct nu_h2 *c, uint32_t id);
/* The peer opened a stream (server) / we did (client): remembers it. */
void h2_note_opened(struct nu_h2 *c, uint32_t id);
/* We refused or reset it. */
void h2_note_reset(struct nu_h2 *c, uint32_t id);
/* The stream begins. */
void h2_stream_begin(struct nu_h2 *c, struct nu_h2_stream *s, uint32_t id);
/* It ends; why: what on_reset tells, NULL: nothing. s may be freed when this returns. */
void h2_stream_close(struct nu_h2 *c, struct nu_h2_stream *s, const struct nu_h2_reset *why);
/* The peer's fault: RST_STREAM, on_reset, closed. May fail the session (too many of them). */
void h2_stream_error(struct nu_h2 *c, struct nu_h2_stream *s, enum nu_h2_code code, enum nu_h2_reset_cause cause,
                     nu_str details);
/* An invalid message: ends the stream, or the session unless opt->stream_error_on_invalid. */
void h2_message_error(struct nu_h2 *c, struct nu_h2_stream *s, nu_str details, nu_str reason);
/* END_STREAM has come. May close the stream. */
void h2_end_received(struct nu_h2 *c, struct nu_h2_stream *s);
/* END_STREAM is in out. May close the stream. */
void h2_end_sent(struct nu_h2 *c, struct nu_h2_stream *s);
/* Calls an operation, which may be NULL. false: the stream has closed meanwhile, and perhaps is no more. */
bool h2_call(struct nu_h2 *c, struct nu_h2_stream *s, void (*fn)(struct nu_h2_stream *s));
/* Calls fn for every stream; fn may close any of them. */
void h2_each_stream(struct nu_h2 *c, void (*fn)(struct nu_h2 *c, struct nu_h2_stream *s, int64_t arg), int64_t arg);

/* ---- send.c ---- */

/* The stream may have become able to send. */
void h2_wake(struct nu_h2 *c, struct nu_h2_stream *s);
/* One DATA frame of a stream that is ready. */
void h2_send_some(struct nu_h2 *c, struct nu_h2_stream *s);
void h2_drop_queue(struct nu_h2 *c, struct nu_h2_stream *s);

/* ---- receive_control.c, receive_head.c: handlers of whole frames; all may end streams and the session ---- */

void h2_on_priority(struct nu_h2 *c, const uint8_t *p, uint32_t n);
void h2_on_rst_stream(struct nu_h2 *c, const uint8_t *p, uint32_t n);
void h2_on_settings(struct nu_h2 *c, const uint8_t *p, uint32_t n);
void h2_on_push_promise(struct nu_h2 *c, const uint8_t *p, uint32_t n);
void h2_on_ping(struct nu_h2 *c, const uint8_t *p, uint32_t n);
void h2_on_goaway(struct nu_h2 *c, const uint8_t *p, uint32_t n);
void h2_on_window_update(struct nu_h2 *c, const uint8_t *p, uint32_t n);
void h2_on_headers(struct nu_h2 *c, const uint8_t *p, uint32_t n);
void h2_on_continuation(struct nu_h2 *c, const uint8_t *p, uint32_t n);

/* The connection's share of nu_h2_consume. */
void h2_consume_connection(struct nu_h2 *c, uint32_t n);

/* ---- message.c: the rules of messages (RFC 9113 s8) ---- */

enum h2_verdict {
    H2_FINE,
    H2_SKIP_FIELD,    /* not for the user */
    H2_BAD_FIELD,     /* "http2.invalid.header.field" */
    H2_BAD_MESSAGE,   /* "http2.violation.of.messaging.rule" */
    H2_TOO_LARGE,     /* "http2.too_many_headers" */
    H2_UNDERSCORE,    /* "http2.unexpected_underscore" */
};

/* A field of the block that is being received; *reason is for logs. */
enum h2_verdict h2_check_field(struct nu_h2 *c, struct nu_h2_stream *s, struct nu_h2_field *f, nu_str *reason);
/* All fields of it have come. */
enum h2_verdict h2_check_block(struct nu_h2 *c, struct nu_h2_stream *s, nu_str *reason);

/* ---- limits.c ---- */

/* A frame has come; content: its bytes without padding. May fail the session. */
void h2_track_frame(struct nu_h2 *c, uint32_t content);
/* A frame was put into out. May fail the session. */
void h2_track_outbound(struct nu_h2 *c, bool control);
/* At a flush: what had been taken from out has left but for `unsent` bytes. */
void h2_release_outbound(struct nu_h2 *c, size_t unsent);
/* What is in out now is taken. */
void h2_mark_outbound(struct nu_h2 *c);
/* The peer reset a stream. May fail the session. */
void h2_track_reset(struct nu_h2 *c);
/* A stream of a server has ended. May fail the session. */
void h2_track_closed(struct nu_h2 *c, const struct nu_h2_stream *s, bool peer_caused);

#endif
