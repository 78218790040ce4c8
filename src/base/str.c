/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <stdlib.h>
#include <sys/types.h>

bool nu_str_eq_nocase(nu_str a, nu_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (nu_ascii_lower(a.ptr[i]) != nu_ascii_lower(b.ptr[i]))
            return false;
    return true;
}

bool nu_str_starts_nocase(nu_str s, nu_str prefix)
{
    return s.len >= prefix.len && nu_str_eq_nocase(nu_str_first(s, prefix.len), prefix);
}

int nu_str_cmp(nu_str a, nu_str b)
{
    size_t n = nu_min(a.len, b.len);
    int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    if (order != 0 || a.len == b.len)
        return order;
    return a.len < b.len ? -1 : 1;
}

ssize_t nu_str_find(nu_str s, char c)
{
    const char *p = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;
    return p != NULL ? p - s.ptr : -1;
}

ssize_t nu_str_rfind(nu_str s, char c)
{
    const char *p = s.len > 0 ? memrchr(s.ptr, c, s.len) : NULL;
    return p != NULL ? p - s.ptr : -1;
}

ssize_t nu_str_search(nu_str s, nu_str what)
{
    if (what.len == 0)
        return 0;
    const char *p = s.len > 0 ? memmem(s.ptr, s.len, what.ptr, what.len) : NULL;
    return p != NULL ? p - s.ptr : -1;
}

ssize_t nu_str_search_nocase(nu_str s, nu_str what)
{
    for (size_t i = 0; i + what.len <= s.len; i++)
        if (nu_str_eq_nocase((nu_str){s.ptr + i, what.len}, what))
            return (ssize_t)i;
    return -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

nu_str nu_str_trim(nu_str s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

nu_str nu_str_next(nu_str *rest, char sep)
{
    nu_str all = *rest;
    ssize_t at = nu_str_find(all, sep);
    if (at < 0) {
        *rest = NU_STR_NONE;
        return all;
    }
    *rest = nu_str_skip(all, (size_t)at + 1);
    return nu_str_first(all, (size_t)at);
}

bool nu_str_to_u64(nu_str s, uint64_t *out)
{
    uint64_t v = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.ptr[i] - '0'), &v))
            return false;
    }
    *out = v;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = nu_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool nu_str_hex_to_u64(nu_str s, uint64_t *out)
{
    uint64_t v = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        int digit = hex_digit(s.ptr[i]);
        if (digit < 0 || (v >> 60) != 0)
            return false;
        v = v << 4 | (uint64_t)digit;
    }
    *out = v;
    return true;
}

bool nu_str_to_i64(nu_str s, int64_t *out)
{
    uint64_t v;
    bool negative = s.len > 0 && s.ptr[0] == '-';
    if (!nu_str_to_u64(negative ? nu_str_skip(s, 1) : s, &v))
        return false;
    if (v > (uint64_t)INT64_MAX + (negative ? 1u : 0u))
        return false;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool nu_str_to_double(nu_str s, double *out)
{
    char text[64];
    char *end;
    if (s.len == 0 || s.len >= sizeof(text) || is_blank(s.ptr[0]))
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    *out = strtod(text, &end); /* nuncio never calls setlocale: the C locale holds */
    return end == text + s.len;
}

unsigned nu_str_distance(nu_str a, nu_str b, unsigned limit)
{
    unsigned row[129];
    if (a.len > 128 || b.len > 128)
        return limit + 1;
    for (unsigned j = 0; j <= b.len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned above = row[j];
            unsigned change = diagonal + (a.ptr[i - 1] != b.ptr[j - 1] ? 1u : 0u);
            unsigned gap = nu_min(above, row[j - 1]) + 1;
            row[j] = nu_min(change, gap);
            diagonal = above;
        }
    }
    return row[b.len] > limit ? limit + 1 : row[b.len];
}

size_t nu_u64_to_text(char *dst, uint64_t v)
{
    char text[20];
    size_t n = 0;
    do {
        text[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    for (size_t i = 0; i < n; i++)
        dst[i] = text[n - 1 - i];
    return n;
}
