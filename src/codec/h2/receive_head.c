/* SPDX-License-Identifier: Apache-2.0
 *
 * HEADERS and CONTINUATION (RFC 9113 s6.2, s6.10): which stream a header block is for, and its fields, which go to the user
 * one by one as they are decoded. A block is decoded whatever becomes of its stream, because the table depends on it
 * (s4.3). What is kept between frames is at most one field that is not complete. */
#include "codec/h2/h2_priv.h"

/* CONTINUATION frames that a block may have more than its bytes need. */
enum { SPARE_CONTINUATIONS = 8 };

/* ---- what the block is for ---- */

static void want_block(struct nu_h2 *c, struct nu_h2_stream *s, enum nu_h2_block block)
{
    c->current = s;
    c->block.wanted = true;
    s->block = (uint8_t)block;
}

static void refuse(struct nu_h2 *c, uint32_t id, enum nu_h2_code code)
{
    c->glitches++;
    h2_note_reset(c, id);
    if (code == NU_H2_REFUSED_STREAM)
        h2_count(c, NU_H2_COUNT_stream_refused_errors);
    h2_send_rst(c, NULL, id, code);
}

static void open_request(struct nu_h2 *c, uint32_t id, bool self_dependent)
{
    h2_note_opened(c, id);
    if (c->goaway_sent && id > c->goaway_last_id) { /* s6.8: we said that we would not look at it */
        h2_note_reset(c, id);
        return;
    }
    if (self_dependent) {
        refuse(c, id, NU_H2_PROTOCOL_ERROR);
        return;
    }
    struct nu_h2_stream *s = c->n_streams < c->opt->max_concurrent_streams ? c->ops->on_open(c) : NULL;
    if (s == NULL) {
        refuse(c, id, NU_H2_REFUSED_STREAM);
        return;
    }
    h2_stream_begin(c, s, id);
    if (h2_over(c)) /* on_open closed the session */
        h2_stream_close(c, s, &(struct nu_h2_reset){.cause = NU_H2_RESET_CONNECTION});
    else
        want_block(c, s, NU_H2_HEAD);
}

/* A second head on an open stream. */
static void begin_trailers(struct nu_h2 *c, struct nu_h2_stream *s)
{
    if (!c->block.end_stream) {
        h2_message_error(c, s, NU_STR("http2.violation.of.messaging.rule"), NU_STR("trailers without END_STREAM"));
        return;
    }
    if (c->server)
        h2_count(c, NU_H2_COUNT_trailers);
    want_block(c, s, NU_H2_TRAILERS);
}

/* For a stream that is not open any more. */
static void late_head(struct nu_h2 *c, uint32_t id)
{
    enum h2_past past = h2_past_of(c, id);
    c->glitches++;
    if (!c->server || past == H2_PAST_RESET_BY_US || past == H2_PAST_LONG_AGO)
        return;
    if (past == H2_PAST_SKIPPED) /* s5.1.1 */
        h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, NU_STR("HEADERS on a stream below the highest"));
    else
        h2_protocol_error(c, NU_H2_STREAM_CLOSED, NU_STR("HEADERS on a closed stream"));
}

static void choose_stream(struct nu_h2 *c, bool self_dependent)
{
    uint32_t id = c->block.stream_id;
    struct nu_h2_stream *s = h2_find(c, id);
    if (s != NULL) {
        s->wire_in += H2_FRAME_HEAD + c->frame.length;
        s->head_in += H2_FRAME_HEAD + c->frame.length;
        if (self_dependent)
            h2_stream_error(c, s, NU_H2_PROTOCOL_ERROR, NU_H2_RESET_FAULT, NU_STR("http2.remote_reset"));
        else if (s->end_received)
            h2_stream_error(c, s, NU_H2_STREAM_CLOSED, NU_H2_RESET_FAULT, NU_STR("http2.remote_reset"));
        else if (s->head_received)
            begin_trailers(c, s);
        else
            want_block(c, s, NU_H2_HEAD);
        return;
    }
    if (!h2_is_idle(c, id)) {
        late_head(c, id);
    } else if (!c->server || (id & 1) == 0) {
        h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, NU_STR("HEADERS on a stream that the peer must not open"));
    } else {
        open_request(c, id, self_dependent);
        if (c->current != NULL) {
            c->current->wire_in += H2_FRAME_HEAD + c->frame.length;
            c->current->head_in += H2_FRAME_HEAD + c->frame.length;
        }
    }
}

/* ---- fields ---- */

static void fault(struct nu_h2 *c, struct nu_h2_stream *s, enum h2_verdict verdict, nu_str reason)
{
    switch (verdict) {
    case H2_FINE:
    case H2_SKIP_FIELD:
        break;
    case H2_BAD_FIELD:
        h2_message_error(c, s, NU_STR("http2.invalid.header.field"), reason);
        break;
    case H2_BAD_MESSAGE:
        h2_message_error(c, s, NU_STR("http2.violation.of.messaging.rule"), reason);
        break;
    case H2_TOO_LARGE:
        h2_count(c, NU_H2_COUNT_header_overflow);
        h2_stream_error(c, s, NU_H2_INTERNAL_ERROR, NU_H2_RESET_LIMIT, NU_STR("http2.too_many_headers"));
        break;
    case H2_UNDERSCORE:
        h2_stream_error(c, s, NU_H2_INTERNAL_ERROR, NU_H2_RESET_LIMIT, NU_STR("http2.unexpected_underscore"));
        break;
    }
}

static void take_field(struct nu_h2 *c, struct nu_h2_field *f)
{
    nu_str reason = NU_STR("");
    struct nu_h2_stream *s = c->current;
    if (s == NULL)
        return;
    enum h2_verdict verdict = h2_check_field(c, s, f, &reason);
    if (nu_likely(verdict == H2_FINE))
        c->ops->on_field(s, f);
    else if (verdict != H2_SKIP_FIELD)
        fault(c, s, verdict, reason);
}

/* Decodes what is complete of p[0, n). How much that was. */
static size_t decode(struct nu_h2 *c, const uint8_t *p, size_t n, bool last)
{
    const uint8_t *at = p;
    struct nu_h2_field f;
    enum nu_hpack_result r = NU_HPACK_DONE;
    while (!h2_over(c) && (r = nu_hpack_next(&c->decoder, c->bufs, &at, p + n, &f)) == NU_HPACK_FIELD)
        take_field(c, &f);
    nu_hpack_end(&c->decoder);
    if (r == NU_HPACK_BAD || (r == NU_HPACK_MORE && last))
        h2_protocol_error(c, NU_H2_COMPRESSION_ERROR, NU_STR("an invalid header block"));
    return (size_t)(at - p);
}

/* All fields have come: the user gets the head, if it still is one. */
static void complete(struct nu_h2 *c)
{
    struct nu_h2_stream *s = c->current;
    nu_str reason = NU_STR("");
    bool end = c->block.end_stream;
    if (s == NULL || h2_over(c))
        return;
    enum h2_verdict verdict = h2_check_block(c, s, &reason);
    if (verdict != H2_FINE) {
        fault(c, s, verdict, reason);
        return;
    }
    if (s->block == NU_H2_HEAD)
        s->head_received = true;
    s->end_received = c->ending = end;
    c->ops->on_head(s, (enum nu_h2_block)s->block, end);
    c->ending = false;
    if (end && c->current != NULL)
        h2_end_received(c, s);
}

static void take_fragment(struct nu_h2 *c, const uint8_t *p, size_t n)
{
    struct nu_buf *rest = &c->block.rest;
    bool last = (c->frame.flags & H2_END_HEADERS) != 0;
    if (nu_unlikely(rest->len > 0)) {
        nu_buf_add(rest, c->bufs, p, n);
        n = rest->len;
        size_t used = decode(c, nu_buf_linearize(rest, c->bufs, n), n, last);
        nu_buf_drain(rest, c->bufs, used);
    } else {
        size_t used = decode(c, p, n, last);
        if (!last)
            nu_buf_add(rest, c->bufs, p + used, n - used);
    }
    if (!last)
        return;
    nu_buf_clear(rest, c->bufs);
    c->block.stream_id = 0;
    complete(c);
}

/* ---- frames ---- */

/* Pad Length (8)?, Exclusive (1) and Stream Dependency (31)?, Weight (8)?, Field Block Fragment, Padding. false: the
 * session failed. */
static bool unwrap(struct nu_h2 *c, const uint8_t **p, uint32_t *n, bool *self_dependent)
{
    uint32_t pad = 0;
    if ((c->frame.flags & H2_PADDED) != 0) {
        if (*n < 1) {
            h2_protocol_error(c, NU_H2_FRAME_SIZE_ERROR, NU_STR("HEADERS without its padding's length"));
            return false;
        }
        pad = *(*p)++;
        if (pad > --*n) {
            h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, NU_STR("HEADERS with more padding than it has room for"));
            return false;
        }
        *n -= pad;
    }
    h2_track_frame(c, *n);
    *self_dependent = false;
    if ((c->frame.flags & H2_HAS_PRIORITY) != 0) {
        if (*n < 5) {
            h2_protocol_error(c, NU_H2_FRAME_SIZE_ERROR, NU_STR("HEADERS without its priority"));
            return false;
        }
        *self_dependent = (h2_get32(*p) & H2_MAX_ID) == c->frame.stream_id;
        *p += 5;
        *n -= 5;
    }
    return !h2_over(c);
}

void h2_on_headers(struct nu_h2 *c, const uint8_t *p, uint32_t n)
{
    bool self_dependent;
    if (!unwrap(c, &p, &n, &self_dependent))
        return;
    c->block.stream_id = c->frame.stream_id;
    c->block.n_frames = c->block.bytes = c->block.n_fields = 0;
    c->block.wire_bytes = n;
    c->block.seen = c->block.status = 0;
    c->block.end_stream = (c->frame.flags & H2_END_STREAM) != 0;
    c->block.wanted = false;
    choose_stream(c, self_dependent);
    nu_hpack_begin(&c->decoder);
    if (!h2_over(c))
        take_fragment(c, p, n);
}

void h2_on_continuation(struct nu_h2 *c, const uint8_t *p, uint32_t n)
{
    h2_track_frame(c, n);
    if (c->block.stream_id == 0) {
        h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, NU_STR("CONTINUATION without HEADERS"));
        return;
    }
    c->block.wire_bytes += n;
    if (++c->block.n_frames > SPARE_CONTINUATIONS + c->block.wire_bytes / H2_FRAME_MAX)
        h2_protocol_error(c, NU_H2_ENHANCE_YOUR_CALM, NU_STR("too many CONTINUATION frames"));
    else if (c->block.wire_bytes / 2 > c->opt->max_head_bytes + H2_FRAME_MAX)
        h2_protocol_error(c, NU_H2_ENHANCE_YOUR_CALM, NU_STR("a header block without an end"));
    if (h2_over(c))
        return;
    c->current = c->block.wanted ? h2_find(c, c->block.stream_id) : NULL;
    if (c->current != NULL) {
        c->current->wire_in += H2_FRAME_HEAD + n;
        c->current->head_in += H2_FRAME_HEAD + n;
    }
    take_fragment(c, p, n);
}
