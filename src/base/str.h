/* SPDX-License-Identifier: Apache-2.0
 *
 * nu_str: a borrowed view of bytes, not NUL-terminated. The value type for all text in nuncio. A view with
 * ptr == NULL means "absent" where a header says so; NU_STR("") is empty but present. */
#ifndef NU_BASE_STR_H
#define NU_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "base/attr.h"

typedef struct nu_str {
    const char *ptr;
    size_t len;
} nu_str;

#define NU_STR(literal) ((nu_str){.ptr = "" literal, .len = sizeof(literal) - 1})
#define NU_STR_INIT(literal) {.ptr = "" literal, .len = sizeof(literal) - 1}
#define NU_STR_NONE ((nu_str){.ptr = NULL, .len = 0})
/* For printf("%.*s", NU_STR_ARG(s)). */
#define NU_STR_ARG(s) (int)(s).len, (s).ptr != NULL ? (s).ptr : ""

static inline nu_str nu_str_from(const char *cstr)
{
    return (nu_str){.ptr = cstr, .len = cstr != NULL ? strlen(cstr) : 0};
}

static inline nu_str nu_str_make(const void *ptr, size_t len)
{
    return (nu_str){.ptr = (const char *)ptr, .len = len};
}

static inline bool nu_str_eq(nu_str a, nu_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool nu_str_starts(nu_str s, nu_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool nu_str_ends(nu_str s, nu_str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* The part from byte `from` on (empty when past the end). */
static inline nu_str nu_str_skip(nu_str s, size_t from)
{
    if (from > s.len)
        from = s.len;
    return (nu_str){.ptr = s.ptr != NULL ? s.ptr + from : NULL, .len = s.len - from};
}

/* The first `len` bytes (all when longer). */
static inline nu_str nu_str_first(nu_str s, size_t len)
{
    return (nu_str){.ptr = s.ptr, .len = len < s.len ? len : s.len};
}

static inline char nu_ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool nu_ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool nu_ascii_alnum(char c)
{
    return nu_ascii_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ASCII case-insensitive forms. */
bool nu_str_eq_nocase(nu_str a, nu_str b);
bool nu_str_starts_nocase(nu_str s, nu_str prefix);

/* Orders by bytes, then by length: <0, 0, >0. */
int nu_str_cmp(nu_str a, nu_str b);

/* Index of the first `c` / first occurrence of `what` (optionally ignoring case); -1 when absent. */
ssize_t nu_str_find(nu_str s, char c);
ssize_t nu_str_rfind(nu_str s, char c);
ssize_t nu_str_search(nu_str s, nu_str what);
ssize_t nu_str_search_nocase(nu_str s, nu_str what);

/* Without leading and trailing SP and HTAB. */
nu_str nu_str_trim(nu_str s);

/* Cuts *rest at the first `sep`: returns the part before it (untrimmed) and leaves the part after it. When no
 * `sep` is left returns all and sets *rest to NU_STR_NONE; the caller loops while rest->ptr != NULL. */
nu_str nu_str_next(nu_str *rest, char sep);

/* Decimal and hexadecimal without sign or space. false: empty, another character, or overflow. */
NU_NODISCARD bool nu_str_to_u64(nu_str s, uint64_t *out);
NU_NODISCARD bool nu_str_hex_to_u64(nu_str s, uint64_t *out);
/* As above with an optional leading '-'. */
NU_NODISCARD bool nu_str_to_i64(nu_str s, int64_t *out);
/* Locale-free double; the whole of s must be used. */
NU_NODISCARD bool nu_str_to_double(nu_str s, double *out);

/* Levenshtein distance, for "did you mean"; `limit` + 1 when larger than limit. At most 128 bytes each. */
unsigned nu_str_distance(nu_str a, nu_str b, unsigned limit);

/* Writes v in decimal at dst (at least 20 bytes), without NUL; returns the length. */
size_t nu_u64_to_text(char *dst, uint64_t v);

#endif
