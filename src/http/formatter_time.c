/* SPDX-License-Identifier: Apache-2.0
 *
 * Times in formats: strftime with sub-second digits (%f, %1f to %9f; absl's %E3S, %E*S, %E3f) and %s for the epoch. */
#include <time.h>

#include "base/clock.h"
#include "http/formatter_priv.h"

enum part_kind { PART_STRFTIME, PART_DIGITS, PART_EPOCH, PART_SECONDS_DIGITS, PART_EPOCH_MS };

struct part {
    enum part_kind kind;
    unsigned digits;
    const char *text; /* a strftime format */
};

struct nu_time_format {
    struct part *parts;
    size_t n;
};

struct builder {
    struct nu_arena *arena;
    struct nu_time_format *out;
    struct nu_sb pending;
};

static void add(struct builder *b, enum part_kind kind, unsigned digits)
{
    if (b->pending.len > 0) {
        nu_str text = nu_arena_str(b->arena, nu_sb_str(&b->pending));
        b->out->parts[b->out->n++] = (struct part){.kind = PART_STRFTIME, .text = text.ptr};
        b->pending.len = 0;
    }
    if (kind != PART_STRFTIME)
        b->out->parts[b->out->n++] = (struct part){.kind = kind, .digits = digits};
}

static bool digit(char c)
{
    return c >= '1' && c <= '9';
}

/* One conversion at s[0] == '%'; returns its length. */
static size_t conversion(struct builder *b, nu_str s)
{
    char c = s.len > 1 ? s.ptr[1] : '\0', d = s.len > 2 ? s.ptr[2] : '\0', e = s.len > 3 ? s.ptr[3] : '\0';
    if (c == 's') {
        add(b, PART_EPOCH, 0);
        return 2;
    }
    if (c == 'f') {
        add(b, PART_DIGITS, 9);
        return 2;
    }
    if (digit(c) && d == 'f') {
        add(b, PART_DIGITS, (unsigned)(c - '0'));
        return 3;
    }
    if (c == 'E' && (digit(d) || d == '*') && (e == 'S' || e == 'f')) {
        add(b, e == 'S' ? PART_SECONDS_DIGITS : PART_DIGITS, d == '*' ? 9 : (unsigned)(d - '0'));
        return 4;
    }
    nu_sb_add(&b->pending, nu_str_first(s, 2));
    return nu_min(s.len, (size_t)2);
}

const struct nu_time_format *nu_time_format_parse(struct nu_arena *a, nu_str format, bool local)
{
    struct nu_time_format *tf = nu_arena_new(a, struct nu_time_format);
    struct builder b = {.arena = a, .out = tf};
    (void)local;
    if (nu_str_find(format, '\n') >= 0)
        return NULL;
    tf->parts = nu_arena_array(a, struct part, format.len + 1);
    for (size_t at = 0; at < format.len;) {
        if (format.ptr[at] == '%') {
            at += conversion(&b, nu_str_skip(format, at));
            continue;
        }
        nu_sb_char(&b.pending, format.ptr[at++]);
    }
    add(&b, PART_STRFTIME, 0);
    nu_sb_free(&b.pending);
    return tf;
}

static void put_digits(struct nu_sb *out, uint64_t nanos, unsigned digits)
{
    for (unsigned i = digits; i < 9; i++)
        nanos /= 10;
    nu_sb_printf(out, "%0*llu", (int)digits, (unsigned long long)nanos);
}

static void put_strftime(struct nu_sb *out, const char *format, const struct tm *tm)
{
    char text[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the config's own format: strftime reads no arguments by it */
    size_t n = strftime(text, sizeof(text), format, tm);
#pragma GCC diagnostic pop
    nu_sb_add(out, nu_str_make(text, n));
}

static void put_part(struct nu_sb *out, const struct part *p, const struct tm *tm, uint64_t wall_ns)
{
    switch (p->kind) {
    case PART_STRFTIME:
        put_strftime(out, p->text, tm);
        return;
    case PART_DIGITS:
        put_digits(out, wall_ns % NU_NS_PER_SEC, p->digits);
        return;
    case PART_EPOCH:
        nu_sb_u64(out, wall_ns / NU_NS_PER_SEC);
        return;
    case PART_SECONDS_DIGITS:
        nu_sb_printf(out, "%02d.", tm->tm_sec);
        put_digits(out, wall_ns % NU_NS_PER_SEC, p->digits);
        return;
    case PART_EPOCH_MS:
        nu_sb_u64(out, wall_ns / NU_NS_PER_MS);
        return;
    }
}

void nu_time_format_run(const struct nu_time_format *tf, bool local, uint64_t wall_ns, struct nu_sb *out)
{
    struct tm tm;
    time_t seconds = (time_t)(wall_ns / NU_NS_PER_SEC);
    if (local)
        localtime_r(&seconds, &tm);
    else
        gmtime_r(&seconds, &tm);
    if (tf == NULL) {
        nu_sb_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03u%s", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                     tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(wall_ns / NU_NS_PER_MS % 1000), local ? "" : "Z");
        if (local)
            put_strftime(out, "%z", &tm);
        return;
    }
    for (size_t i = 0; i < tf->n; i++)
        put_part(out, &tf->parts[i], &tm, wall_ns);
}
