/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_format.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"

#define MAX_WIDTH 64

struct out {
    char *dst;
    size_t n, cap;
};

static void add(struct out *o, const char *s, size_t n)
{
    n = nu_min(n, o->cap - o->n);
    memcpy(o->dst + o->n, s, n);
    o->n += n;
}

static void add_text(struct out *o, const char *s)
{
    add(o, s, strlen(s));
}

static void add_number(struct out *o, long long v, int digits)
{
    char buf[24];
    int n = snprintf(buf, sizeof(buf), "%0*lld", digits, v);
    add(o, buf, n > 0 ? (size_t)n : 0);
}

/* strftime's flags that mean the same in spdlog. */
static const char time_flags[] = "YmdHMSTDRpaAbBcChIryxXz";
static const char other_flags[] = "vnlLtPefFEsg#@!%_jiuoO^$";

static bool known(char c)
{
    return c != '\0' && (strchr(time_flags, c) != NULL || strchr(other_flags, c) != NULL);
}

static void add_time(struct out *o, const struct tm *tm, char flag)
{
    char format[3] = {'%', flag, '\0'}, buf[64];
    if (flag == 'C') /* spdlog: the year without century */
        format[1] = 'y';
    if (flag == 'z') { /* +02:00 */
        long min = tm->tm_gmtoff / 60;
        int n = snprintf(buf, sizeof(buf), "%c%02ld:%02ld", min < 0 ? '-' : '+', (min < 0 ? -min : min) / 60,
                         (min < 0 ? -min : min) % 60);
        add(o, buf, n > 0 ? (size_t)n : 0);
        return;
    }
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"") /* one of time_flags */
        size_t n = strftime(buf, sizeof(buf), format, tm);
    _Pragma("GCC diagnostic pop") add(o, buf, n);
}

static void add_escaped(struct out *o, const struct nu_log_record *r, bool json)
{
    for (size_t i = 0; i < r->text_len; i++) {
        unsigned char c = (unsigned char)r->text[i];
        char buf[8];
        if (c == '\n')
            add_text(o, "\\n");
        else if (json && (c == '"' || c == '\\'))
            add(o, (char[]){'\\', (char)c}, 2);
        else if (json && c < 0x20)
            add(o, buf, (size_t)snprintf(buf, sizeof(buf), "\\u%04x", c));
        else
            add(o, r->text + i, 1);
    }
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void add_flag(struct out *o, const struct nu_log_record *r, const struct tm *tm, char flag)
{
    if (strchr(time_flags, flag) != NULL) {
        add_time(o, tm, flag);
        return;
    }
    switch (flag) {
    case 'v':
        add(o, r->text, r->text_len);
        break;
    case '_':
    case 'j':
        add_escaped(o, r, flag == 'j');
        break;
    case 'n':
        add_text(o, r->module);
        break;
    case 'l':
        add_text(o, r->level);
        break;
    case 'L':
        add(o, (char[]){(char)toupper((unsigned char)r->level[0])}, 1);
        break;
    case 't':
        add_number(o, r->thread, 1);
        break;
    case 'P':
        add_number(o, getpid(), 1);
        break;
    case 'e':
        add_number(o, r->when.tv_nsec / 1000000, 3);
        break;
    case 'f':
        add_number(o, r->when.tv_nsec / 1000, 6);
        break;
    case 'F':
        add_number(o, r->when.tv_nsec, 9);
        break;
    case 'E':
        add_number(o, r->when.tv_sec, 1);
        break;
    case 's':
        add_text(o, base_name(r->file));
        break;
    case 'g':
        add_text(o, r->file);
        break;
    case '#':
        add_number(o, r->line, 1);
        break;
    case '@':
        add_text(o, base_name(r->file));
        add_text(o, ":");
        add_number(o, r->line, 1);
        break;
    case '%':
        add_text(o, "%");
        break;
    default: /* colours, elapsed times, function names: nothing */
        break;
    }
}

/* "%-10l": alignment, width, flag. Returns what follows. */
struct piece {
    char flag, align;
    unsigned width;
};

static const char *parse(const char *p, struct piece *out)
{
    *out = (struct piece){.align = '+'};
    if (*p == '-' || *p == '=')
        out->align = *p++;
    while (isdigit((unsigned char)*p) && out->width < MAX_WIDTH)
        out->width = out->width * 10 + (unsigned)(*p++ - '0');
    if (out->width > 0 && *p == '!')
        p++;
    out->flag = *p;
    return *p != '\0' ? p + 1 : p;
}

const char *nu_log_format_check(const char *pattern)
{
    struct piece piece;
    for (const char *p = pattern; *p != '\0';) {
        if (*p++ != '%')
            continue;
        p = parse(p, &piece);
        if (piece.flag == '\0')
            return "the pattern ends within a flag";
        if (!known(piece.flag))
            return "a flag of the pattern is unknown (%v is the message, %l the level, %n the logger, %T the time)";
        if (piece.width > MAX_WIDTH)
            return "a width of the pattern is above 64";
    }
    return NULL;
}

static void pad(struct out *o, size_t start, const struct piece *piece)
{
    size_t len = o->n - start;
    if (len >= piece->width || o->cap - o->n < piece->width - len)
        return;
    size_t room = piece->width - len;
    size_t left = piece->align == '-' ? 0 : piece->align == '=' ? room / 2 : room;
    memmove(o->dst + start + left, o->dst + start, len);
    memset(o->dst + start, ' ', left);
    memset(o->dst + start + left + len, ' ', room - left);
    o->n += room;
}

size_t nu_log_format_line(const char *pattern, const struct nu_log_record *r, char *dst, size_t cap)
{
    struct out o = {.dst = dst, .cap = cap};
    struct tm tm;
    struct piece piece;
    localtime_r(&r->when.tv_sec, &tm);
    for (const char *p = pattern; *p != '\0';) {
        if (*p != '%') {
            add(&o, p++, 1);
            continue;
        }
        p = parse(p + 1, &piece);
        size_t start = o.n;
        add_flag(&o, r, &tm, piece.flag);
        pad(&o, start, &piece);
    }
    return o.n;
}
