/* SPDX-License-Identifier: Apache-2.0
 *
 * For the fuzz targets of codec/h2: a peer's bytes for a session of ours, whose user answers, meddles and flushes. The first
 * byte of the input chooses options. However the bytes are cut, the user must be told the same; and whatever comes, memory,
 * windows and counts must add up in the end. */
#ifndef NU_CODEC_H2_H2_FUZZ_DRIVE_H
#define NU_CODEC_H2_H2_FUZZ_DRIVE_H

#include "codec/h2/h2_drive.h"

enum { FUZZ_STRICT = 1, FUZZ_CONNECT = 2, FUZZ_TINY = 4, FUZZ_MEDDLE = 8, FUZZ_NO_CONSUME = 16, FUZZ_BY_HAND = 32 };

static unsigned fuzz_meddle_count;

/* Answers early, resets now and then, gives up the session once in a long while. */
static inline void fuzz_meddle(struct app *a, struct app_stream *s)
{
    unsigned n = ++fuzz_meddle_count;
    if (s->h2.closed)
        return;
    if (n % 61 == 0)
        nu_h2_close(&a->h2);
    else if (n % 7 == 0)
        nu_h2_reset(&s->h2, NU_H2_CANCEL);
    else if (a->h2.server && s->h2.head_received && !s->answered) {
        s->answered = true;
        app_respond_head(a, s, 200, false);
        app_send(a, s, "early answer", 12, true);
    }
}

static inline void fuzz_options(struct app *a, uint8_t choice)
{
    a->opt.stream_error_on_invalid = (choice & FUZZ_STRICT) != 0;
    a->opt.allow_connect = (choice & FUZZ_CONNECT) != 0;
    if ((choice & FUZZ_TINY) != 0) {
        a->opt.initial_stream_window_size = 100;
        a->opt.hpack_table_size = 100;
        a->opt.max_concurrent_streams = 3;
        a->opt.max_head_bytes = 300;
        a->opt.max_headers_count = 10;
        a->opt.stream_send_high = 50;
        a->opt.max_outbound_control_frames = 10;
        a->opt.max_outbound_frames = 50;
        a->opt.premature_reset_total_stream_count = 10;
        a->opt.underscores = NU_H2_UNDERSCORES_DROP;
    }
    a->no_consume = (choice & FUZZ_NO_CONSUME) != 0;
    if ((choice & FUZZ_MEDDLE) != 0)
        a->meddle = fuzz_meddle;
}

/* Whether the session's own numbers agree with each other. */
static inline void fuzz_check(const struct app *a)
{
    const struct nu_h2 *c = &a->h2;
    uint64_t queued = 0, held = 0;
    uint32_t n = 0;
    nu_list_foreach (l, &c->streams) {
        const struct nu_h2_stream *s = nu_list_entry(l, struct nu_h2_stream, node);
        NU_ASSERT(s->conn == c && !s->closed && h2_find(c, s->id) == s);
        NU_ASSERT(!(s->end_received && s->end_sent));
        NU_ASSERT(s->end_received || s->recv_window + s->recv_held + s->recv_due == c->opt->initial_stream_window_size);
        NU_ASSERT(s->queue.len == 0 || s->send_window <= 0 || nu_list_linked(&s->ready) || c->failure.kind != NU_H2_FAIL_NONE);
        NU_ASSERT(s->send_window <= (int64_t)H2_MAX_WINDOW || c->failure.kind != NU_H2_FAIL_NONE);
        queued += s->queue.len;
        held += s->recv_held;
        n++;
    }
    NU_ASSERT(n == c->n_streams && queued == c->queued_bytes);
    if (!h2_over(c))
        NU_ASSERT(c->recv_window + held + c->recv_due == c->opt->initial_connection_window_size);
}

static inline void fuzz_run(const uint8_t *data, size_t size, size_t step, uint8_t choice, bool server, struct nu_sb *log)
{
    static struct app a;
    struct nu_sb out = {0};
    bool meddles = (choice & FUZZ_MEDDLE) != 0;
    app_prepare(&a);
    fuzz_options(&a, choice);
    fuzz_meddle_count = 0;
    app_start(&a, server);
    app_flush(&a, &out, 1000);
    if (server) {
        a.answer = app_echo;
        if ((choice & FUZZ_BY_HAND) == 0) {
            struct nu_sb preface = {0};
            raw_preface(&preface);
            app_receive(&a, preface.ptr, preface.len);
            nu_sb_free(&preface);
        }
    } else {
        app_request(&a, "GET", "/", NULL);
        app_request(&a, "POST", "/", "a body that is a little longer than the smallest window, which is one of a hundred bytes: and that it is, now");
        app_request(&a, "HEAD", "/", NULL);
        if ((choice & FUZZ_BY_HAND) == 0) {
            static const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
            app_receive(&a, settings, sizeof(settings));
        }
    }
    for (size_t at = 0; at < size; at += step) {
        app_receive(&a, data + at, nu_min(step, size - at));
        fuzz_check(&a);
        NU_ASSERT(a.in.len < H2_FRAME_HEAD + H2_FRAME_MAX);
    }
    a.unsent = nu_min(size % 1000, out.len);
    app_flush(&a, &out, meddles ? 10 : 100000);
    fuzz_check(&a);
    app_flush(&a, &out, 1000000);
    fuzz_check(&a);
    nu_sb_add(log, nu_sb_str(&a.log));
    nu_sb_printf(log, "%d %u", a.h2.failure.kind, a.h2.failure.code);
    if (size % 2 == 0)
        nu_h2_trim(&a.h2);
    app_free(&a);
    nu_sb_free(&out);
}

/* Whole, and in pieces. What meddles counts its calls, which depend on the pieces, and so do the moments when a tiny window is
 * given back. */
static inline void fuzz_all_ways(const uint8_t *data, size_t size, bool server)
{
    struct nu_sb whole = {0};
    if (size == 0)
        return;
    uint8_t choice = *data;
    data++;
    size--;
    fuzz_run(data, size, nu_max(size, (size_t)1), choice, server, &whole);
    for (size_t step = 1; step <= 9 && size <= 4096; step += 4) {
        struct nu_sb cut = {0};
        fuzz_run(data, size, step, choice, server, &cut);
        NU_ASSERT((choice & (FUZZ_MEDDLE | FUZZ_TINY)) != 0 || nu_str_eq(nu_sb_str(&whole), nu_sb_str(&cut)));
        nu_sb_free(&cut);
    }
    nu_sb_free(&whole);
}

#endif
