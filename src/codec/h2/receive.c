/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes to frames. A frame is handled when it is complete, and until then stays in the input; DATA and what nobody wants go
 * through as they come. What each type must look like is a row of `rules`; the handlers are in receive_control.c and
 * receive_head.c, that of DATA is here.
 *
 *     PREFACE (server) -> HEAD -> PAYLOAD -> HEAD;   HEAD -> DATA -> SKIP (padding) -> HEAD */
#include "base/err.h"
#include "codec/h2/h2_priv.h"

/* Body bytes up to here are copied to where other small ones are: a reference would keep a whole block of the input for
 * them. */
enum { COPIED_AT_MOST = 256 };

enum stream_rule { ON_CONNECTION, ON_STREAM, ON_EITHER };

static const struct {
    uint32_t min, max;
    enum stream_rule stream;
    void (*fn)(struct nu_h2 *c, const uint8_t *p, uint32_t n);
    nu_str wrong_stream;
} rules[H2_N_FRAME_TYPES] = {
    [H2_DATA] = {0, H2_FRAME_MAX, ON_STREAM, NULL, NU_STR_INIT("DATA on stream 0")},                            /* s6.1 */
    [H2_HEADERS] = {0, H2_FRAME_MAX, ON_STREAM, h2_on_headers, NU_STR_INIT("HEADERS on stream 0")},             /* s6.2 */
    [H2_PRIORITY] = {0, H2_FRAME_MAX, ON_STREAM, h2_on_priority, NU_STR_INIT("PRIORITY on stream 0")},          /* s6.3 */
    [H2_RST_STREAM] = {4, 4, ON_STREAM, h2_on_rst_stream, NU_STR_INIT("RST_STREAM on stream 0")},               /* s6.4 */
    [H2_SETTINGS] = {0, H2_FRAME_MAX, ON_CONNECTION, h2_on_settings, NU_STR_INIT("SETTINGS on a stream")},      /* s6.5 */
    [H2_PUSH_PROMISE] = {4, H2_FRAME_MAX, ON_STREAM, h2_on_push_promise, NU_STR_INIT("PUSH_PROMISE on stream 0")}, /* s6.6 */
    [H2_PING] = {8, 8, ON_CONNECTION, h2_on_ping, NU_STR_INIT("PING on a stream")},                             /* s6.7 */
    [H2_GOAWAY] = {8, H2_FRAME_MAX, ON_CONNECTION, h2_on_goaway, NU_STR_INIT("GOAWAY on a stream")},            /* s6.8 */
    [H2_WINDOW_UPDATE] = {4, 4, ON_EITHER, h2_on_window_update, NU_STR_INIT("")},                               /* s6.9 */
    [H2_CONTINUATION] = {0, H2_FRAME_MAX, ON_STREAM, h2_on_continuation, NU_STR_INIT("CONTINUATION on stream 0")}, /* s6.10 */
};

/* ---- DATA (s6.1) ---- */

void h2_consume_connection(struct nu_h2 *c, uint32_t n)
{
    c->recv_due += n;
    if (h2_over(c) || c->recv_due < c->opt->initial_connection_window_size / 2)
        return;
    uint32_t due = c->recv_due;
    c->recv_window += due;
    c->recv_due = 0;
    h2_send_window_update(c, NULL, due);
}

void nu_h2_consume(struct nu_h2_stream *s, uint32_t n)
{
    struct nu_h2 *c = s->conn;
    if (c == NULL || s->closed || n == 0)
        return;
    NU_ASSERT(n <= s->recv_held);
    s->recv_held -= n;
    h2_consume_connection(c, n);
    if (s->end_received)
        return;
    s->recv_due += n;
    if (h2_over(c) || s->recv_due < c->opt->initial_stream_window_size / 2)
        return;
    uint32_t due = s->recv_due;
    s->recv_window += due;
    s->recv_due = 0;
    h2_send_window_update(c, s, due);
}

/* Nobody wants the frame: the connection's window for it is given back. */
static void skip_data(struct nu_h2 *c)
{
    c->frame.skip = c->frame.length;
    h2_consume_connection(c, c->frame.length);
}

static void data_for_no_stream(struct nu_h2 *c)
{
    uint32_t id = c->frame.stream_id;
    if (h2_is_idle(c, id)) {
        h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, NU_STR("DATA on an idle stream"));
        return;
    }
    c->glitches++;
    enum h2_past past = h2_past_of(c, id);
    if (past == H2_PAST_ENDED || past == H2_PAST_SKIPPED)
        h2_send_rst(c, NULL, id, NU_H2_STREAM_CLOSED);
    skip_data(c);
}

/* The stream's part of the checks. true: its bytes are wanted. */
static bool data_is_wanted(struct nu_h2 *c, struct nu_h2_stream *s)
{
    if (s->end_received)
        h2_stream_error(c, s, NU_H2_STREAM_CLOSED, NU_H2_RESET_FAULT, NU_STR("http2.remote_reset"));
    else if (!s->head_received)
        h2_message_error(c, s, NU_STR("http2.violation.of.messaging.rule"), NU_STR("DATA before HEADERS"));
    else if (c->frame.length > s->recv_window)
        h2_stream_error(c, s, NU_H2_FLOW_CONTROL_ERROR, NU_H2_RESET_FAULT, NU_STR("http2.remote_reset"));
    else
        return true;
    return false;
}

/* A DATA frame begins. */
static void begin_data(struct nu_h2 *c)
{
    uint32_t n = c->frame.length;
    c->rx_state = RX_HEAD;
    if (n > c->recv_window) {
        h2_protocol_error(c, NU_H2_FLOW_CONTROL_ERROR, NU_STR("more DATA than the connection's window"));
        return;
    }
    c->recv_window -= n;
    struct nu_h2_stream *s = c->current = h2_find(c, c->frame.stream_id);
    if (s == NULL) {
        data_for_no_stream(c);
        return;
    }
    if (!data_is_wanted(c, s)) {
        skip_data(c);
        return;
    }
    s->recv_window -= n;
    s->recv_held += n;
    s->wire_in += H2_FRAME_HEAD + n;
    c->frame.left = n;
    c->rx_state = (c->frame.flags & H2_PADDED) != 0 ? RX_DATA_PAD : RX_DATA;
}

/* All of the frame's body is there, and what was to be said about it has been said. */
static void data_complete(struct nu_h2 *c, struct nu_h2_stream *s)
{
    c->rx_state = RX_HEAD;
    if ((c->frame.flags & H2_END_STREAM) != 0)
        h2_end_received(c, s);
}

static bool fits_length(const struct nu_h2_stream *s, bool end)
{
    if (s->has_length && (s->body_received > s->content_length || (end && s->body_received != s->content_length)))
        return false;
    return !s->no_body || s->body_received == 0;
}

/* s8.1.1: a body that is longer or shorter than it was said to be ends the stream, whatever the options. */
static void wrong_length(struct nu_h2 *c, struct nu_h2_stream *s, uint32_t rest)
{
    c->rx_state = RX_HEAD;
    c->frame.skip += rest;
    h2_stream_error(c, s, NU_H2_PROTOCOL_ERROR, NU_H2_RESET_MESSAGE, NU_STR("http2.violation.of.messaging.rule"));
}

/* Gives the user what has come of the body, and its end. */
static void deliver(struct nu_h2 *c, struct nu_buf *in)
{
    struct nu_h2_stream *s = c->current;
    struct nu_buf data = {0};
    uint32_t n = (uint32_t)nu_min(in->len, (size_t)c->frame.left);
    c->frame.left -= n;
    s->body_received += n;
    bool complete = c->frame.left == 0, end = complete && (c->frame.flags & H2_END_STREAM) != 0;
    if (!fits_length(s, end)) {
        wrong_length(c, s, c->frame.left + n);
        return;
    }
    s->end_received = c->ending = end;
    if (s->reset_after_end) {
        nu_buf_drain(in, c->bufs, n);
        nu_h2_consume(s, n);
    } else {
        if (n <= COPIED_AT_MOST && n > 0) {
            nu_buf_add(&data, c->bufs, nu_buf_linearize(in, c->bufs, n), n);
            nu_buf_drain(in, c->bufs, n);
        } else {
            nu_buf_move_n(&data, in, c->bufs, n);
        }
        if (n > 0 || end)
            c->ops->on_data(s, &data, end);
        nu_buf_clear(&data, c->bufs);
    }
    c->ending = false;
    if (c->current == NULL) { /* closed in there */
        c->frame.skip += c->frame.left;
        c->rx_state = RX_HEAD;
    } else if (complete) {
        data_complete(c, s);
    }
}

/* The rest of a DATA frame that has begun. false: more is needed. */
static bool go_on_with_data(struct nu_h2 *c, struct nu_buf *in)
{
    if (c->current == NULL) { /* closed between two pieces */
        c->frame.skip += c->frame.left;
        c->rx_state = RX_HEAD;
        return true;
    }
    if (c->rx_state == RX_DATA_PAD) {
        uint8_t pad;
        if (in->len == 0)
            return false;
        nu_buf_copy_out(in, 0, &pad, 1);
        nu_buf_drain(in, c->bufs, 1);
        if (pad >= c->frame.left) {
            h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, NU_STR("DATA with more padding than it has room for"));
            return true;
        }
        c->frame.left -= 1 + (uint32_t)pad;
        c->frame.skip = pad;
        c->rx_state = RX_DATA;
        nu_h2_consume(c->current, 1 + (uint32_t)pad);
        h2_track_frame(c, c->frame.left);
    }
    if (in->len == 0 && c->frame.left > 0)
        return false;
    if (!h2_over(c))
        deliver(c, in);
    return true;
}

/* ---- frames ---- */

static bool read_preface(struct nu_h2 *c, struct nu_buf *in)
{
    char got[H2_PREFACE_LEN];
    size_t n = nu_min(in->len, sizeof(got));
    nu_buf_copy_out(in, 0, got, n);
    if (memcmp(got, H2_PREFACE, n) != 0) {
        h2_fail(c, NU_H2_FAIL_PROTOCOL, NU_H2_PROTOCOL_ERROR, NU_STR("Received bad client magic byte string"),
                NU_STR("no HTTP/2 connection preface"));
        return true;
    }
    if (n < sizeof(got))
        return false;
    nu_buf_drain(in, c->bufs, n);
    c->rx_state = RX_HEAD;
    return true;
}

/* What is wrong with a frame's head: the session fails, or nothing. */
static void check_head(struct nu_h2 *c)
{
    uint8_t type = c->frame.type;
    uint32_t n = c->frame.length, id = c->frame.stream_id;
    if (n > H2_FRAME_MAX)
        h2_protocol_error(c, NU_H2_FRAME_SIZE_ERROR, NU_STR("a frame that is too large"));
    else if (!c->settings_received && (type != H2_SETTINGS || (c->frame.flags & H2_ACK) != 0)) /* s3.4 */
        h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, NU_STR("SETTINGS expected"));
    else if (c->block.stream_id != 0 && (type != H2_CONTINUATION || id != c->block.stream_id)) /* s6.10 */
        h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, NU_STR("CONTINUATION expected"));
    else if (type >= H2_N_FRAME_TYPES)
        return;
    else if (n < rules[type].min || n > rules[type].max || (type == H2_DATA && n == 0 && (c->frame.flags & H2_PADDED) != 0))
        h2_protocol_error(c, NU_H2_FRAME_SIZE_ERROR, NU_STR("a frame of the wrong size"));
    else if ((rules[type].stream == ON_STREAM && id == 0) || (rules[type].stream == ON_CONNECTION && id != 0))
        h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, rules[type].wrong_stream);
}

static void begin_frame(struct nu_h2 *c)
{
    c->current = NULL;
    c->frame.left = c->frame.skip = 0;
    check_head(c);
    if (h2_over(c))
        return;
    if (c->ops->on_activity != NULL && (c->frame.type != H2_PING || (c->frame.flags & H2_ACK) == 0))
        c->ops->on_activity(c);
    if (h2_over(c))
        return;
    if (c->frame.type >= H2_N_FRAME_TYPES) { /* s5.5: ignored */
        c->frame.skip = c->frame.length;
        return;
    }
    if (c->frame.type != H2_DATA) {
        c->rx_state = RX_PAYLOAD;
        return;
    }
    if ((c->frame.flags & H2_PADDED) == 0)
        h2_track_frame(c, c->frame.length);
    if (!h2_over(c))
        begin_data(c);
}

/* One step. false: more bytes are needed. */
static bool step(struct nu_h2 *c, struct nu_buf *in)
{
    if (nu_unlikely(c->frame.skip > 0) && c->rx_state == RX_HEAD) {
        uint32_t n = (uint32_t)nu_min(in->len, (size_t)c->frame.skip);
        nu_buf_drain(in, c->bufs, n);
        c->frame.skip -= n;
        return n > 0;
    }
    switch ((enum h2_rx_state)c->rx_state) {
    case RX_PREFACE:
        return read_preface(c, in);
    case RX_HEAD: {
        if (in->len < H2_FRAME_HEAD)
            return false;
        struct h2_frame_head h = h2_get_head(nu_buf_linearize(in, c->bufs, H2_FRAME_HEAD));
        nu_buf_drain(in, c->bufs, H2_FRAME_HEAD);
        c->frame.length = h.length;
        c->frame.stream_id = h.stream_id;
        c->frame.type = h.type;
        c->frame.flags = h.flags;
        begin_frame(c);
        return true;
    }
    case RX_PAYLOAD:
        if (in->len < c->frame.length)
            return false;
        c->rx_state = RX_HEAD;
        rules[c->frame.type].fn(c, nu_buf_linearize(in, c->bufs, c->frame.length), c->frame.length);
        nu_buf_drain(in, c->bufs, c->frame.length);
        return true;
    case RX_DATA_PAD:
    case RX_DATA:
        return go_on_with_data(c, in);
    }
    NU_UNREACHABLE();
}

int nu_h2_receive(struct nu_h2 *c, struct nu_buf *in, uint64_t now_ms)
{
    struct nu_buf work = {0};
    c->now_ms = now_ms;
    if (c->reset_tokens_ms == 0)
        c->reset_tokens_ms = now_ms;
    /* A callback may end the connection and with it the user's buffer. */
    nu_buf_move(&work, in);
    while (!h2_over(c) && step(c, &work))
        ;
    if (h2_over(c))
        nu_buf_clear(&work, c->bufs);
    nu_buf_move(&work, in);
    *in = work;
    return c->failure.kind != NU_H2_FAIL_NONE ? NU_ERR_INVALID : 0;
}
