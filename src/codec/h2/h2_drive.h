/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests and fuzz targets of codec/h2: a session with a user that writes down all that it is told, and frames by
 * hand. The user is well behaved: it consumes what it gets and frees streams when they are closed. */
#ifndef NU_CODEC_H2_H2_DRIVE_H
#define NU_CODEC_H2_H2_DRIVE_H

#include <stdio.h>

#include "base/alloc.h"
#include "base/sb.h"
#include "codec/h2/h2_priv.h"

struct app_stream {
    struct nu_h2_stream h2;
    struct nu_list node;
    struct nu_sb fields, body;
    bool answered;
};

struct app {
    struct nu_h2 h2;
    struct nu_h2_options opt;
    struct nu_buf_pool pool;
    struct nu_sb log;
    struct nu_list streams;
    struct nu_buf in;        /* what is not a whole frame yet */
    uint64_t now_ms;
    size_t unsent;           /* what nu_h2_flush is told */
    unsigned counts[NU_H2_N_COUNTERS];
    unsigned n_open, n_closed, n_high, n_low, n_end_sent;
    bool no_consume;         /* bytes of on_data are kept */
    bool output;             /* on_output came */
    int result;              /* of the last receive or flush */
    void (*answer)(struct app *a, struct app_stream *s);          /* a message is complete */
    void (*meddle)(struct app *a, struct app_stream *s);          /* in every callback of a stream; may reset it */
};

static inline struct app *app_of(struct nu_h2 *c)
{
    return nu_container_of(c, struct app, h2);
}

static inline struct app_stream *app_stream_of(struct nu_h2_stream *s)
{
    return nu_container_of(s, struct app_stream, h2);
}

static inline struct app_stream *app_new_stream(struct app *a)
{
    struct app_stream *s = nu_new(struct app_stream);
    nu_list_push_back(&a->streams, &s->node);
    a->n_open++;
    return s;
}

static inline void app_free_stream(struct app_stream *s)
{
    nu_list_remove(&s->node);
    nu_sb_free(&s->fields);
    nu_sb_free(&s->body);
    nu_free(s);
}

static inline struct nu_h2_stream *app_on_open(struct nu_h2 *c)
{
    return &app_new_stream(app_of(c))->h2;
}

static inline void app_on_field(struct nu_h2_stream *h, const struct nu_h2_field *f)
{
    struct app_stream *s = app_stream_of(h);
    nu_sb_add(&s->fields, f->name);
    nu_sb_char(&s->fields, '=');
    nu_sb_add(&s->fields, f->value);
    nu_sb_lit(&s->fields, "; ");
    if (app_of(h->conn)->meddle != NULL)
        app_of(h->conn)->meddle(app_of(h->conn), s);
}

static inline void app_end(struct app *a, struct app_stream *s)
{
    if (a->answer != NULL && !s->answered) {
        s->answered = true;
        a->answer(a, s);
    }
}

static inline void app_on_head(struct nu_h2_stream *h, enum nu_h2_block block, bool end)
{
    static const char *const names[] = {"head", "informational", "trailers"};
    struct app_stream *s = app_stream_of(h);
    struct app *a = app_of(h->conn);
    nu_sb_printf(&a->log, "%s %u%s: ", names[block], h->id, end ? " end" : "");
    nu_sb_add(&a->log, nu_sb_str(&s->fields));
    nu_sb_char(&a->log, '\n');
    s->fields.len = 0;
    if (a->meddle != NULL)
        a->meddle(a, s);
    else if (end)
        app_end(a, s);
}

static inline void app_on_data(struct nu_h2_stream *h, struct nu_buf *data, bool end)
{
    struct app_stream *s = app_stream_of(h);
    struct app *a = app_of(h->conn);
    size_t n = data->len;
    nu_sb_reserve(&s->body, n + 1);
    nu_buf_copy_out(data, 0, s->body.ptr + s->body.len, n);
    s->body.len += n;
    nu_buf_drain(data, &a->pool, n);
    if (!a->no_consume)
        nu_h2_consume(h, (uint32_t)n);
    if (end) {
        nu_sb_printf(&a->log, "body %u: %zu ", h->id, s->body.len);
        nu_sb_add(&a->log, nu_str_first(nu_sb_str(&s->body), 16));
        nu_sb_char(&a->log, '\n');
    }
    if (a->meddle != NULL)
        a->meddle(a, s);
    else if (end)
        app_end(a, s);
}

static inline void app_on_reset(struct nu_h2_stream *h, const struct nu_h2_reset *why)
{
    static const char *const causes[] = {"remote", "message", "limit", "fault", "goaway", "connection"};
    NU_ASSERT(h->closed);
    nu_sb_printf(&app_of(h->conn)->log, "reset %u %s %u %.*s\n", h->id, causes[why->cause], why->code,
                 NU_STR_ARG(why->details));
}

static inline void app_on_closed(struct nu_h2_stream *h)
{
    struct app *a = app_of(h->conn);
    NU_ASSERT(h->closed && h->queue.len == 0);
    a->n_closed++;
    app_free_stream(app_stream_of(h));
}

static inline void app_on_end_sent(struct nu_h2_stream *h)
{
    struct app *a = app_of(h->conn);
    a->n_end_sent++;
    if (a->meddle != NULL)
        a->meddle(a, app_stream_of(h));
}

static inline void app_on_send_high(struct nu_h2_stream *h)
{
    struct app *a = app_of(h->conn);
    a->n_high++;
    if (a->meddle != NULL)
        a->meddle(a, app_stream_of(h));
}

static inline void app_on_send_low(struct nu_h2_stream *h)
{
    struct app *a = app_of(h->conn);
    a->n_low++;
    if (a->meddle != NULL)
        a->meddle(a, app_stream_of(h));
}

static inline void app_on_goaway(struct nu_h2 *c, uint32_t last, uint32_t code)
{
    nu_sb_printf(&app_of(c)->log, "goaway %u %u\n", last, code);
}

static inline void app_on_ping_ack(struct nu_h2 *c, uint64_t opaque)
{
    nu_sb_printf(&app_of(c)->log, "ping ack %llx\n", (unsigned long long)opaque);
}

static inline void app_on_count(struct nu_h2 *c, enum nu_h2_counter counter)
{
    app_of(c)->counts[counter]++;
}

static inline void app_on_output(struct nu_h2 *c)
{
    app_of(c)->output = true;
}

static const struct nu_h2_ops app_ops = {
    .on_open = app_on_open,
    .on_field = app_on_field,
    .on_head = app_on_head,
    .on_data = app_on_data,
    .on_reset = app_on_reset,
    .on_closed = app_on_closed,
    .on_end_sent = app_on_end_sent,
    .on_send_high = app_on_send_high,
    .on_send_low = app_on_send_low,
    .on_goaway = app_on_goaway,
    .on_ping_ack = app_on_ping_ack,
    .on_count = app_on_count,
    .on_output = app_on_output,
};

/* a->opt may be changed between the two. */
static inline void app_prepare(struct app *a)
{
    *a = (struct app){.opt = nu_h2_options_default, .now_ms = 1000};
    nu_buf_pool_init(&a->pool);
    nu_list_init(&a->streams);
}

static inline void app_start(struct app *a, bool server)
{
    nu_h2_init(&a->h2, server, &app_ops, &a->opt, &a->pool);
    a->output = true;
}

static inline void app_free(struct app *a)
{
    nu_h2_clear(&a->h2);
    NU_ASSERT(a->n_open == a->n_closed && nu_list_empty(&a->streams) && a->h2.n_streams == 0);
    nu_buf_clear(&a->in, &a->pool);
    nu_sb_free(&a->log);
    nu_buf_pool_clear(&a->pool);
}

/* Bytes arrive, as they would from a socket: in a block of their own. */
static inline void app_receive(struct app *a, const void *bytes, size_t n)
{
    nu_buf_add(&a->in, &a->pool, bytes, n);
    a->result = nu_h2_receive(&a->h2, &a->in, a->now_ms);
    nu_buf_check(&a->in);
}

/* What the session has to send, appended to *to; budget as in nu_h2_flush. */
static inline void app_flush(struct app *a, struct nu_sb *to, size_t budget)
{
    int result = nu_h2_flush(&a->h2, budget, a->unsent);
    if (a->result == 0)
        a->result = result;
    a->output = false;
    size_t n = a->h2.out.len;
    nu_buf_check(&a->h2.out);
    nu_sb_reserve(to, n + 1);
    nu_buf_copy_out(&a->h2.out, 0, to->ptr + to->len, n);
    to->len += n;
    nu_buf_drain(&a->h2.out, &a->pool, n);
}

/* A client's request; body: NULL for none, then END_STREAM is in the head. */
static inline struct app_stream *app_request(struct app *a, const char *method, const char *path, const char *body)
{
    struct app_stream *s = app_new_stream(a);
    struct nu_h2_writer w;
    nu_h2_head_begin(&w, &a->h2, &s->h2, NU_H2_HEAD, 5, 64 + strlen(path) + strlen(method));
    nu_h2_put_pseudo(&w, NU_H2_METHOD, nu_str_from(method));
    nu_h2_put_pseudo(&w, NU_H2_SCHEME, NU_STR("http"));
    nu_h2_put_pseudo(&w, NU_H2_PATH, nu_str_from(path));
    nu_h2_put_pseudo(&w, NU_H2_AUTHORITY, NU_STR("host.test"));
    nu_h2_put(&w, 0, NU_STR("x-test"), NU_STR("yes"), false);
    nu_h2_head_end(&w, body == NULL);
    if (body != NULL) {
        struct nu_buf data = {0};
        nu_buf_add(&data, &a->pool, body, strlen(body));
        nu_h2_send_data(&s->h2, &data, true);
    }
    return s;
}

static inline void app_respond_head(struct app *a, struct app_stream *s, unsigned status, bool end)
{
    struct nu_h2_writer w;
    nu_h2_head_begin(&w, &a->h2, &s->h2, status < 200 ? NU_H2_INFORMATIONAL : NU_H2_HEAD, 2, 64);
    nu_h2_put_status(&w, status);
    nu_h2_put(&w, 0, NU_STR("server"), NU_STR("test"), false);
    nu_h2_head_end(&w, end);
}

static inline void app_send(struct app *a, struct app_stream *s, const void *bytes, size_t n, bool end)
{
    struct nu_buf data = {0};
    nu_buf_add(&data, &a->pool, bytes, n);
    nu_h2_send_data(&s->h2, &data, end);
    nu_buf_clear(&data, &a->pool);
}

static inline void app_send_trailers(struct app *a, struct app_stream *s)
{
    struct nu_h2_writer w;
    nu_h2_head_begin(&w, &a->h2, &s->h2, NU_H2_TRAILERS, 1, 32);
    nu_h2_put(&w, 0, NU_STR("x-trailer"), NU_STR("end"), false);
    nu_h2_head_end(&w, true);
}

/* An answer that says the request's body again, and trailers if there was one. */
static inline void app_echo(struct app *a, struct app_stream *s)
{
    struct nu_sb body = s->body;
    s->body = (struct nu_sb){0};
    app_respond_head(a, s, 200, false);
    app_send(a, s, body.ptr, body.len, body.len == 0);
    if (body.len > 0)
        app_send_trailers(a, s);
    nu_sb_free(&body);
}

/* ---- frames by hand ---- */

static inline void raw_frame(struct nu_sb *to, uint8_t type, uint8_t flags, uint32_t id, const void *payload, size_t n)
{
    uint8_t head[H2_FRAME_HEAD];
    h2_put_head(head, (uint32_t)n, type, flags, id);
    nu_sb_add(to, nu_str_make(head, sizeof(head)));
    nu_sb_add(to, nu_str_make(payload, n));
}

/* What a client begins with. */
static inline void raw_preface(struct nu_sb *to)
{
    nu_sb_lit(to, H2_PREFACE);
    raw_frame(to, H2_SETTINGS, 0, 0, "", 0);
}

/* GET http://host.test/ */
#define RAW_GET "\x82\x86\x84\x41\x09host.test"

/* The frames of a text, one a line: type, stream, flags in hex, and what is short in hex. */
static inline void raw_print(nu_str frames, struct nu_sb *out)
{
    static const char *const types[] = {"DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING",
        "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"};
    while (frames.len >= H2_FRAME_HEAD) {
        struct h2_frame_head h = h2_get_head((const uint8_t *)frames.ptr);
        nu_str payload = nu_str_first(nu_str_skip(frames, H2_FRAME_HEAD), h.length);
        frames = nu_str_skip(frames, H2_FRAME_HEAD + h.length);
        if (h.type == H2_SETTINGS || (h.type == H2_WINDOW_UPDATE && h.stream_id == 0))
            continue;
        NU_ASSERT(h.type < H2_N_FRAME_TYPES);
        if (h.type == H2_GOAWAY || h.type == H2_RST_STREAM) {
            const uint8_t *p = (const uint8_t *)payload.ptr;
            nu_sb_printf(out, "%s %u %u\n", types[h.type], h.type == H2_GOAWAY ? h2_get32(p) : h.stream_id,
                         h2_get32(h.type == H2_GOAWAY ? p + 4 : p));
        } else {
            nu_sb_printf(out, "%s %u %x %zu\n", types[h.type], h.stream_id, h.flags, payload.len);
        }
    }
}

#endif
