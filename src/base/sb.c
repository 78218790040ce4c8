/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sb.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"

void nu_sb_reserve(struct nu_sb *sb, size_t more)
{
    NU_ASSERT(more < SIZE_MAX / 4);
    if (sb->cap - sb->len >= more)
        return;
    size_t cap = nu_max(sb->cap * 2, sb->len + more);
    sb->cap = nu_max(cap, (size_t)64);
    sb->ptr = nu_realloc(sb->ptr, sb->cap);
}

void nu_sb_add_slow(struct nu_sb *sb, const char *ptr, size_t len)
{
    nu_sb_reserve(sb, len);
    memcpy(sb->ptr + sb->len, ptr, len);
    sb->len += len;
}

void nu_sb_u64(struct nu_sb *sb, uint64_t v)
{
    nu_sb_reserve(sb, 20);
    sb->len += nu_u64_to_text(sb->ptr + sb->len, v);
}

void nu_sb_printf(struct nu_sb *sb, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    NU_ASSERT(n >= 0);
    nu_sb_reserve(sb, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(sb->ptr + sb->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    sb->len += (size_t)n;
}

/* Length of the well-formed UTF-8 sequence at s (Unicode table 3-7), 0 when there is none. */
static size_t utf8_len(nu_str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    uint8_t low = 0x80, high = 0xbf;
    size_t n;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        n = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        n = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        n = 4;
    else
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (s.len < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static void json_escape(struct nu_sb *sb, char c)
{
    switch (c) {
    case '"':
        nu_sb_lit(sb, "\\\"");
        return;
    case '\\':
        nu_sb_lit(sb, "\\\\");
        return;
    case '\n':
        nu_sb_lit(sb, "\\n");
        return;
    case '\r':
        nu_sb_lit(sb, "\\r");
        return;
    case '\t':
        nu_sb_lit(sb, "\\t");
        return;
    case '\b':
        nu_sb_lit(sb, "\\b");
        return;
    case '\f':
        nu_sb_lit(sb, "\\f");
        return;
    default:
        nu_sb_printf(sb, "\\u%04x", (unsigned)(unsigned char)c);
    }
}

void nu_sb_json_str(struct nu_sb *sb, nu_str s)
{
    nu_sb_char(sb, '"');
    while (s.len > 0) {
        size_t n = utf8_len(s);
        if (n == 0)
            nu_sb_lit(sb, "\xef\xbf\xbd");
        else if (n == 1 && ((unsigned char)s.ptr[0] < 0x20 || s.ptr[0] == '"' || s.ptr[0] == '\\'))
            json_escape(sb, s.ptr[0]);
        else
            nu_sb_add(sb, nu_str_first(s, n));
        s = nu_str_skip(s, n > 0 ? n : 1);
    }
    nu_sb_char(sb, '"');
}

const char *nu_sb_cstr(struct nu_sb *sb)
{
    nu_sb_reserve(sb, 1);
    sb->ptr[sb->len] = '\0';
    return sb->ptr;
}

void nu_sb_free(struct nu_sb *sb)
{
    nu_free(sb->ptr);
    *sb = (struct nu_sb){0};
}
