/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits against floods, with Envoy's fields, formulas, counters and texts (core.Http2ProtocolOptions).
 *
 * Outbound: frames that we wrote and the socket has not taken. Frames that the user took out of `out` together make a mark,
 * with the number of bytes that must have left before they count no more. The last mark is in the session; older ones are
 * in a ring that exists only while the peer does not keep up. When that is full, marks grow instead: frames are then held
 * to be outstanding for longer than they are, never for less. */
#include "base/alloc.h"
#include "codec/h2/h2_priv.h"

enum { MAX_MARKS = 32 };

struct nu_h2_marks {
    uint32_t first, n;
    struct nu_h2_mark ring[MAX_MARKS];
};

static void flood(struct nu_h2 *c, enum nu_h2_counter counter, nu_str text)
{
    if (h2_over(c))
        return;
    h2_count(c, counter);
    h2_fail(c, NU_H2_FAIL_FLOOD, NU_H2_ENHANCE_YOUR_CALM, text, text);
}

/* ---- inbound ---- */

void h2_track_frame(struct nu_h2 *c, uint32_t content)
{
    const struct nu_h2_options *o = c->opt;
    switch (c->frame.type) {
    case H2_DATA:
    case H2_HEADERS:
    case H2_CONTINUATION:
        /* END_STREAM's bit has no meaning on CONTINUATION; Envoy looks at it there, too. */
        if (content > 0 || (c->frame.flags & H2_END_STREAM) != 0)
            c->empty_frames = 0;
        else if (++c->empty_frames > o->max_consecutive_inbound_frames_with_empty_payload)
            flood(c, NU_H2_COUNT_inbound_empty_frames_flood, NU_STR("Too many consecutive frames with an empty payload"));
        break;
    case H2_PRIORITY:
        if (++c->n_priority > (uint64_t)o->max_inbound_priority_frames_per_stream * (1 + c->n_opened))
            flood(c, NU_H2_COUNT_inbound_priority_frames_flood, NU_STR("Too many PRIORITY frames"));
        break;
    case H2_WINDOW_UPDATE:
        if (++c->n_window_update >
            5 + 2 * (c->n_opened + o->max_inbound_window_update_frames_per_data_frame_sent * c->n_data_sent))
            flood(c, NU_H2_COUNT_inbound_window_update_frames_flood, NU_STR("Too many WINDOW_UPDATE frames"));
        break;
    default:
        break;
    }
}

/* ---- resets ---- */

static void too_many_resets(struct nu_h2 *c)
{
    h2_fail(c, NU_H2_FAIL_PREMATURE_RESETS, NU_H2_ENHANCE_YOUR_CALM, NU_STR("Too many premature resets"),
            NU_STR("too many premature resets"));
}

/* nghttp2's token bucket: stream_reset_burst, stream_reset_rate. */
void h2_track_reset(struct nu_h2 *c)
{
    const struct nu_h2_options *o = c->opt;
    if (!c->server || o->stream_reset_burst == 0)
        return;
    uint64_t seconds = (c->now_ms - c->reset_tokens_ms) / 1000;
    if (seconds > 0) {
        uint64_t tokens = c->reset_tokens + nu_min(seconds, (uint64_t)UINT32_MAX) * o->stream_reset_rate;
        c->reset_tokens = (uint32_t)nu_min(tokens, (uint64_t)o->stream_reset_burst);
        c->reset_tokens_ms += seconds * 1000;
    }
    if (c->reset_tokens == 0)
        h2_protocol_error(c, NU_H2_ENHANCE_YOUR_CALM, NU_STR("too many RST_STREAM"));
    else
        c->reset_tokens--;
}

/* Envoy's overload.premature_reset_total_stream_count: half of that many, or later half of all. */
void h2_track_closed(struct nu_h2 *c, const struct nu_h2_stream *s, bool peer_caused)
{
    uint32_t total = c->opt->premature_reset_total_stream_count;
    if (!c->server || total == 0)
        return;
    c->n_closed++;
    if (!peer_caused || s->final_sent || c->now_ms - s->opened_ms > c->opt->premature_reset_min_lifetime_ms)
        return;
    c->n_premature++;
    if ((uint64_t)c->n_premature * 2 >= nu_max(total, c->n_closed))
        too_many_resets(c);
}

/* ---- outbound ---- */

void h2_track_outbound(struct nu_h2 *c, bool control)
{
    c->new_frames++;
    c->outbound_frames++;
    if (control) {
        c->new_control++;
        c->outbound_control_frames++;
    }
    if (nu_unlikely(c->outbound_frames > c->opt->max_outbound_frames))
        flood(c, NU_H2_COUNT_outbound_flood, NU_STR("Too many frames in the outbound queue."));
    else if (nu_unlikely(c->outbound_control_frames > c->opt->max_outbound_control_frames))
        flood(c, NU_H2_COUNT_outbound_control_flood, NU_STR("Too many control frames in the outbound queue."));
}

static void release(struct nu_h2 *c, struct nu_h2_mark *m)
{
    c->outbound_frames -= m->frames;
    c->outbound_control_frames -= m->control;
    *m = (struct nu_h2_mark){0};
}

void h2_release_outbound(struct nu_h2 *c, size_t unsent)
{
    struct nu_h2_marks *m = c->marks;
    NU_ASSERT_SLOW(unsent <= c->taken_bytes || c->taken_bytes == 0);
    uint64_t left = unsent < c->taken_bytes ? c->taken_bytes - unsent : 0;
    while (m != NULL && m->n > 0 && m->ring[m->first % MAX_MARKS].end <= left) {
        release(c, &m->ring[m->first++ % MAX_MARKS]);
        m->n--;
    }
    if (c->last_mark.frames == 0 || c->last_mark.end > left)
        return;
    release(c, &c->last_mark);
    if (m != NULL) {
        nu_free(m);
        c->marks = NULL;
    }
}

/* The last mark becomes an older one, when there is room. */
static void push_mark(struct nu_h2 *c)
{
    if (c->marks == NULL)
        c->marks = nu_new(struct nu_h2_marks);
    struct nu_h2_marks *m = c->marks;
    if (m->n == MAX_MARKS)
        return;
    m->ring[(m->first + m->n++) % MAX_MARKS] = c->last_mark;
    c->last_mark = (struct nu_h2_mark){0};
}

void h2_mark_outbound(struct nu_h2 *c)
{
    c->taken_bytes += c->out.len;
    if (c->new_frames == 0)
        return;
    if (c->last_mark.frames > 0)
        push_mark(c);
    c->last_mark.end = c->taken_bytes;
    c->last_mark.frames += c->new_frames;
    c->last_mark.control += c->new_control;
    c->new_frames = c->new_control = 0;
}
