/* SPDX-License-Identifier: Apache-2.0
 *
 * String builder: grows on the heap. For configuration, admin output and log lines; the data path writes
 * straight into buffers. */
#ifndef NU_BASE_SB_H
#define NU_BASE_SB_H

#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

/* Zero-initialise; nu_sb_free gives the memory back. */
struct nu_sb {
    char *ptr;
    size_t len, cap;
};

void nu_sb_reserve(struct nu_sb *sb, size_t more);
void nu_sb_add_slow(struct nu_sb *sb, const char *ptr, size_t len);

static inline void nu_sb_add(struct nu_sb *sb, nu_str s)
{
    if (nu_unlikely(sb->cap - sb->len < s.len)) {
        nu_sb_add_slow(sb, s.ptr, s.len);
        return;
    }
    if (s.len > 0)
        memcpy(sb->ptr + sb->len, s.ptr, s.len);
    sb->len += s.len;
}

#define nu_sb_lit(sb, literal) nu_sb_add((sb), NU_STR(literal))

static inline void nu_sb_char(struct nu_sb *sb, char c)
{
    nu_sb_add(sb, (nu_str){&c, 1});
}

void nu_sb_u64(struct nu_sb *sb, uint64_t v);
void nu_sb_printf(struct nu_sb *sb, const char *fmt, ...) NU_PRINTF(2, 3);

/* A quoted JSON string (RFC 8259); bytes that are not UTF-8 become U+FFFD. */
void nu_sb_json_str(struct nu_sb *sb, nu_str s);

static inline nu_str nu_sb_str(const struct nu_sb *sb)
{
    return (nu_str){.ptr = sb->ptr != NULL ? sb->ptr : "", .len = sb->len};
}

/* NUL-terminates (the NUL is not counted) and returns the text, valid until the next change. */
const char *nu_sb_cstr(struct nu_sb *sb);

void nu_sb_free(struct nu_sb *sb);

#endif
