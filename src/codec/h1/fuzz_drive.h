/* SPDX-License-Identifier: Apache-2.0
 *
 * For the fuzz targets and tests of codec/h1: one message after the other out of a text that comes in pieces of `step`
 * bytes, as a digest. However a text is cut, the digest must be the same. */
#ifndef NU_CODEC_H1_FUZZ_DRIVE_H
#define NU_CODEC_H1_FUZZ_DRIVE_H

#include "base/arena.h"
#include "base/assert.h"
#include "base/sb.h"
#include "codec/h1/body.h"

#define DRIVE_MAX_HEAD 4096u

/* What has arrived of the text, and how far it is used. */
struct drive {
    const uint8_t *data;
    size_t size, step, here, used;
    struct nu_arena arena;
    struct nu_sb *out;
};

static inline bool drive_more(struct drive *d)
{
    if (d->here == d->size)
        return false;
    d->here += nu_min(d->step, d->size - d->here);
    return true;
}

static inline void drive_fields(struct drive *d, const struct nu_h1_head *h, const uint8_t *base, size_t len)
{
    for (uint32_t i = 0; i < h->n; i++) {
        const struct nu_h1_field *f = &h->fields[i];
        NU_ASSERT((size_t)f->name + f->name_len <= len && (size_t)f->value + f->value_len <= len);
        nu_sb_add(d->out, nu_str_make(base + f->name, f->name_len));
        nu_sb_char(d->out, '=');
        nu_sb_add(d->out, nu_str_make(base + f->value, f->value_len));
        nu_sb_char(d->out, ';');
    }
}

/* The one-step parser on the same bytes and what follows them: it says nothing, or exactly the same. */
static inline void drive_whole(struct drive *d, const struct nu_h1_rules *rules, const struct nu_h1_head *h,
                               const uint8_t *base, size_t len, int err)
{
    size_t n = d->here - d->used;
    uint8_t *copy = nu_arena_alloc(&d->arena, n);
    struct nu_h1_head w = {.cap = h->cap};
    w.fields = nu_arena_array(&d->arena, struct nu_h1_field, w.cap);
    memcpy(copy, d->data + d->used, n);
    NU_ASSERT(nu_h1_parse_whole(&w, rules, copy, len - 1) == 0);
    if (nu_h1_parse_whole(&w, rules, copy, n) == 0)
        return;
    NU_ASSERT(err == 0 && w.n == h->n && memcmp(copy, base, len) == 0);
    for (uint32_t i = 0; i < w.n; i++) {
        const struct nu_h1_field *a = &w.fields[i], *b = &h->fields[i];
        NU_ASSERT(a->name == b->name && a->name_len == b->name_len && a->value == b->value && a->value_len == b->value_len);
    }
    NU_ASSERT(nu_str_eq(w.method, h->method) && nu_str_eq(w.target, h->target) && nu_str_eq(w.reason, h->reason));
    NU_ASSERT(w.status == h->status && w.version == h->version && w.n_underscore_dropped == h->n_underscore_dropped);
    NU_ASSERT(w.has_length == h->has_length && w.chunked == h->chunked && w.length == h->length);
    NU_ASSERT(w.close == h->close && w.keep_alive == h->keep_alive && w.n_hosts == h->n_hosts);
}

/* A head, or trailers. false: it is over. */
static inline bool drive_head(struct drive *d, const struct nu_h1_rules *rules, bool trailers, struct nu_h1_head *h)
{
    struct nu_h1_scan scan = {.start_checked = trailers};
    ssize_t len;
    do {
        size_t n = d->here - d->used;
        len = n > 0 ? nu_h1_scan(&scan, d->data + d->used, nu_min(n, (size_t)DRIVE_MAX_HEAD + 1), DRIVE_MAX_HEAD,
                                 rules->request)
                    : 0;
    } while (len == 0 && drive_more(d));
    if (len <= 0) {
        nu_sb_printf(d->out, "<head %d>", (int)len);
        return false;
    }
    uint8_t *base = nu_arena_alloc(&d->arena, (size_t)len);
    memcpy(base, d->data + d->used, (size_t)len);
    *h = (struct nu_h1_head){.cap = scan.lines + 1};
    h->fields = nu_arena_array(&d->arena, struct nu_h1_field, h->cap);
    int err = trailers ? nu_h1_parse_fields(h, rules, base, (size_t)len) : nu_h1_parse(h, rules, base, (size_t)len);
    if (!trailers)
        drive_whole(d, rules, h, base, (size_t)len, err);
    d->used += (size_t)len;
    if (err != 0) {
        NU_ASSERT(nu_h1_error_status(err) >= 400 && nu_h1_error_details(err).len > 0);
        nu_sb_printf(d->out, "<error %d>", err);
        return false;
    }
    nu_sb_printf(d->out, "<%.*s %.*s %u v%u>", NU_STR_ARG(h->method), NU_STR_ARG(h->target), h->status, h->version);
    drive_fields(d, h, base, (size_t)len);
    return true;
}

static inline bool drive_body(struct drive *d, const struct nu_h1_rules *rules, enum nu_h1_framing framing,
                              uint64_t length)
{
    struct nu_h1_body b;
    nu_h1_body_init(&b, framing, length);
    nu_sb_printf(d->out, "<body %d>", framing);
    for (;;) {
        const uint8_t *data = NULL;
        size_t used, len, n = d->here - d->used;
        int event = nu_h1_body_decode(&b, d->data + d->used, n, &used, &data, &len);
        NU_ASSERT(used <= n && len <= used);
        if (event < 0) {
            nu_sb_printf(d->out, "<error %d>", event);
            return false;
        }
        d->used += used;
        nu_sb_add(d->out, nu_str_make(data, len));
        if (event == NU_H1_BODY_END)
            return framing != NU_H1_UNTIL_CLOSE;
        struct nu_h1_head trailers;
        if (event == NU_H1_BODY_TRAILERS)
            return drive_head(d, rules, true, &trailers);
        if (event == NU_H1_BODY_MORE && !drive_more(d)) {
            nu_sb_lit(d->out, "<cut>");
            return false;
        }
    }
}

static inline void drive(const uint8_t *data, size_t size, size_t step, const struct nu_h1_rules *rules,
                         struct nu_sb *out)
{
    struct drive d = {.data = data, .size = size, .step = step, .out = out};
    struct nu_h1_head h;
    bool more = true;
    nu_arena_init(&d.arena, NULL);
    for (unsigned i = 0; more && i < 8 && (d.here > d.used || drive_more(&d)); i++)
        more = drive_head(&d, rules, false, &h) &&
               drive_body(&d, rules, rules->request ? nu_h1_request_framing(&h) : nu_h1_response_framing(&h, false, false),
                          h.length);
    nu_arena_clear(&d.arena);
}

/* The text whole, byte by byte and in threes. */
static inline void drive_all_ways(const uint8_t *data, size_t size, const struct nu_h1_rules *rules)
{
    struct nu_sb whole = {0};
    drive(data, size, size, rules, &whole);
    for (size_t step = 1; step <= 3 && size <= 8192; step += 2) {
        struct nu_sb cut = {0};
        drive(data, size, step, rules, &cut);
        NU_ASSERT(nu_str_eq(nu_sb_str(&whole), nu_sb_str(&cut)));
        nu_sb_free(&cut);
    }
    nu_sb_free(&whole);
}

#endif
