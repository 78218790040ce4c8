/* SPDX-License-Identifier: Apache-2.0
 *
 * Sending messages: heads are encoded where they are sent from; body bytes wait in their stream's queue, by reference,
 * until the windows and the user's budget let them go, one frame of each stream in turn (RFC 9113 s5.2, s8.1). */
#include "base/alloc.h"
#include "codec/h2/h2_priv.h"

/* Trailers that wait: fields one behind the other, each with a head of KEPT_HEAD bytes. */
struct nu_h2_kept {
    uint32_t n, bytes, len;
    uint8_t data[];
};

struct kept_field {
    uint16_t id;
    bool sensitive;
    uint32_t name_len, value_len;
};

/* ---- heads ---- */

bool nu_h2_can_open(const struct nu_h2 *c)
{
    return !h2_over(c) && !c->goaway_received && c->next_id <= H2_MAX_ID && c->n_streams < c->peer_max_streams;
}

static bool waits(const struct nu_h2_stream *s)
{
    return s->queue.len > 0;
}

void nu_h2_head_begin(struct nu_h2_writer *w, struct nu_h2 *c, struct nu_h2_stream *s, enum nu_h2_block block, size_t n,
                      size_t bytes)
{
    *w = (struct nu_h2_writer){.stream = s, .block = block};
    if (s->id == 0 && !c->server && !h2_over(c)) {
        uint32_t id = c->next_id;
        NU_ASSERT(id <= H2_MAX_ID);
        h2_note_opened(c, id);
        h2_stream_begin(c, s, id);
    }
    if (s->conn == NULL || s->closed || h2_over(c))
        return; /* what is put goes nowhere */
    NU_ASSERT(!s->end_queued);
    if (block == NU_H2_TRAILERS && waits(s)) {
        size_t room = n * sizeof(struct kept_field) + bytes;
        w->kept = nu_alloc(sizeof(*w->kept) + room);
        *w->kept = (struct nu_h2_kept){0};
        w->at = w->kept->data;
        w->end = w->at + room;
        return;
    }
    size_t bound = nu_hpack_bound(n, bytes);
    size_t room = H2_FRAME_HEAD + bound + H2_FRAME_HEAD * (bound / H2_FRAME_MAX);
    w->start = nu_buf_reserve(&c->out, c->bufs, room);
    w->at = nu_hpack_put_begin(&c->encoder, w->start + H2_FRAME_HEAD);
    w->end = w->start + room;
}

void nu_h2_put_pseudo(struct nu_h2_writer *w, enum nu_h2_pseudo which, nu_str value)
{
    if (w->start == NULL)
        return;
    struct nu_h2_stream *s = w->stream;
    if (which == NU_H2_METHOD) {
        s->head_request = nu_str_eq(value, NU_STR("HEAD"));
        s->connect = nu_str_eq(value, NU_STR("CONNECT"));
    }
    w->at = nu_hpack_put_pseudo(&s->conn->encoder, w->at, which, value);
}

void nu_h2_put_status(struct nu_h2_writer *w, unsigned status)
{
    if (w->start != NULL)
        w->at = nu_hpack_put_status(&w->stream->conn->encoder, w->at, status);
}

static void keep(struct nu_h2_writer *w, uint16_t id, nu_str name, nu_str value, bool sensitive)
{
    const struct kept_field f = {.id = id, .sensitive = sensitive, .name_len = (uint32_t)name.len,
        .value_len = (uint32_t)value.len};
    NU_ASSERT(sizeof(f) + name.len + value.len <= (size_t)(w->end - w->at));
    memcpy(w->at, &f, sizeof(f));
    w->at += sizeof(f);
    if (name.len > 0)
        memcpy(w->at, name.ptr, name.len);
    w->at += name.len;
    if (value.len > 0)
        memcpy(w->at, value.ptr, value.len);
    w->at += value.len;
    w->kept->n++;
    w->kept->bytes += (uint32_t)(name.len + value.len);
}

void nu_h2_put(struct nu_h2_writer *w, uint16_t id, nu_str name, nu_str value, bool sensitive)
{
    if (w->start != NULL)
        w->at = nu_hpack_put(&w->stream->conn->encoder, w->at, id, name, value, sensitive);
    else if (w->kept != NULL)
        keep(w, id, name, value, sensitive);
}

/* The block is larger than a frame: room is made in it for the heads of CONTINUATION frames, from its end on. The length
 * with them. */
static size_t split_block(uint8_t *start, size_t length, uint32_t id, uint8_t flags)
{
    uint8_t *block = start + H2_FRAME_HEAD;
    size_t n = (length - 1) / H2_FRAME_MAX;
    for (size_t i = n; i > 0; i--) {
        uint32_t part = (uint32_t)(i == n ? length - n * H2_FRAME_MAX : H2_FRAME_MAX);
        uint8_t *to = block + i * H2_FRAME_MAX + (i - 1) * H2_FRAME_HEAD;
        memmove(to + H2_FRAME_HEAD, block + i * H2_FRAME_MAX, part);
        h2_put_head(to, part, H2_CONTINUATION, i == n ? H2_END_HEADERS : 0, id);
    }
    h2_put_head(start, H2_FRAME_MAX, H2_HEADERS, flags & (uint8_t)~H2_END_HEADERS, id);
    return length + n * H2_FRAME_HEAD;
}

static void end_block(struct nu_h2_writer *w, bool end)
{
    struct nu_h2_stream *s = w->stream;
    struct nu_h2 *c = s->conn;
    NU_ASSERT(w->at <= w->end);
    size_t length = (size_t)(w->at - w->start) - H2_FRAME_HEAD;
    uint8_t flags = (uint8_t)(H2_END_HEADERS | (end ? H2_END_STREAM : 0));
    if (nu_likely(length <= H2_FRAME_MAX))
        h2_put_head(w->start, (uint32_t)length, H2_HEADERS, flags, s->id);
    else
        length = split_block(w->start, length, s->id, flags);
    h2_frame_done(c, (uint32_t)length);
    s->wire_out += H2_FRAME_HEAD + length;
    s->head_out += H2_FRAME_HEAD + length;
    s->final_sent |= w->block == NU_H2_HEAD;
    h2_track_outbound(c, false);
}

void nu_h2_head_end(struct nu_h2_writer *w, bool end)
{
    struct nu_h2_stream *s = w->stream;
    end |= w->block == NU_H2_TRAILERS;
    if (w->kept != NULL) {
        w->kept->len = (uint32_t)(w->at - w->kept->data);
        s->trailers = w->kept;
        s->end_queued = true;
        return;
    }
    if (w->start == NULL)
        return;
    s->end_queued = end;
    struct nu_h2 *c = s->conn;
    end_block(w, end);
    if (end)
        h2_end_sent(c, s);
}

static void send_trailers(struct nu_h2 *c, struct nu_h2_stream *s)
{
    struct nu_h2_kept *k = s->trailers;
    struct nu_h2_writer w;
    s->trailers = NULL;
    s->end_queued = false;
    nu_h2_head_begin(&w, c, s, NU_H2_TRAILERS, k->n, k->bytes);
    for (const uint8_t *p = k->data; p < k->data + k->len;) {
        struct kept_field f;
        memcpy(&f, p, sizeof(f));
        p += sizeof(f);
        nu_h2_put(&w, f.id, nu_str_make(p, f.name_len), nu_str_make(p + f.name_len, f.value_len), f.sensitive);
        p += f.name_len + f.value_len;
    }
    nu_free(k);
    nu_h2_head_end(&w, true);
}

/* ---- bodies ---- */

void h2_drop_queue(struct nu_h2 *c, struct nu_h2_stream *s)
{
    c->queued_bytes -= s->queue.len;
    nu_buf_clear(&s->queue, c->bufs);
}

void h2_wake(struct nu_h2 *c, struct nu_h2_stream *s)
{
    if (!waits(s) || s->send_window <= 0 || nu_list_linked(&s->ready))
        return;
    nu_list_push_back(&c->ready, &s->ready);
    if (c->send_window > 0)
        h2_want_flush(c);
}

/* One DATA frame with the first n bytes of `from`; the windows have room for them. */
static void put_data(struct nu_h2 *c, struct nu_h2_stream *s, struct nu_buf *from, size_t n, bool end)
{
    uint8_t *at = nu_buf_reserve(&c->out, c->bufs, H2_FRAME_HEAD);
    h2_put_head(at, (uint32_t)n, H2_DATA, end ? H2_END_STREAM : 0, s->id);
    nu_buf_commit(&c->out, H2_FRAME_HEAD);
    if (n == from->len) {
        nu_buf_join(&c->out, from, c->bufs);
    } else {
        struct nu_buf part = {0};
        nu_buf_move_n(&part, from, c->bufs, n);
        nu_buf_join(&c->out, &part, c->bufs);
    }
    s->send_window -= (int64_t)n;
    c->send_window -= (int64_t)n;
    s->wire_out += H2_FRAME_HEAD + n;
    c->n_data_sent++;
    h2_track_outbound(c, false);
}

/* false: the stream is gone. */
static bool queue_shrunk(struct nu_h2 *c, struct nu_h2_stream *s)
{
    if (!s->above_high || s->queue.len > c->opt->stream_send_high / 2)
        return true;
    s->above_high = false;
    return h2_call(c, s, c->ops->on_send_low);
}

static void queue_grew(struct nu_h2 *c, struct nu_h2_stream *s)
{
    if (s->above_high || c->opt->stream_send_high == 0 || s->queue.len <= c->opt->stream_send_high)
        return;
    s->above_high = true;
    if (c->ops->on_send_high != NULL)
        c->ops->on_send_high(s);
}

void h2_send_some(struct nu_h2 *c, struct nu_h2_stream *s)
{
    size_t window = (size_t)nu_min(s->send_window, c->send_window), most = nu_min(window, (size_t)c->peer_max_frame);
    size_t n = nu_min(s->queue.len, most);
    bool end = n == s->queue.len && s->end_queued && s->trailers == NULL;
    nu_list_remove(&s->ready);
    c->queued_bytes -= n;
    put_data(c, s, &s->queue, n, end);
    if (waits(s) && s->send_window > 0)
        nu_list_push_back(&c->ready, &s->ready);
    if (!queue_shrunk(c, s))
        return;
    if (end)
        h2_end_sent(c, s);
    else if (!waits(s) && s->trailers != NULL)
        send_trailers(c, s);
}

/* What is small, in nobody's way and within the windows needs no queue. */
static bool goes_at_once(const struct nu_h2 *c, const struct nu_h2_stream *s, size_t n)
{
    if (waits(s) || n > c->peer_max_frame)
        return false;
    if (n == 0)
        return true;
    return (int64_t)n <= s->send_window && (int64_t)n <= c->send_window && n <= c->direct && nu_list_empty(&c->ready);
}

void nu_h2_send_data(struct nu_h2_stream *s, struct nu_buf *data, bool end)
{
    struct nu_h2 *c = s->conn;
    if (c == NULL || s->closed)
        return;
    if (h2_over(c)) {
        nu_buf_clear(data, c->bufs);
        return;
    }
    NU_ASSERT(!s->end_queued);
    if (data->len == 0 && !end)
        return;
    s->end_queued = end;
    if (goes_at_once(c, s, data->len)) {
        c->direct -= data->len;
        put_data(c, s, data, data->len, end);
        h2_want_flush(c);
        if (end)
            h2_end_sent(c, s);
        return;
    }
    c->queued_bytes += data->len;
    nu_buf_join(&s->queue, data, c->bufs);
    h2_wake(c, s);
    queue_grew(c, s);
}
