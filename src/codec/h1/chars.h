/* SPDX-License-Identifier: Apache-2.0
 *
 * Character classes of HTTP/1 (RFC 9110 s5.6.2, s5.5; RFC 3986). */
#ifndef NU_CODEC_H1_CHARS_H
#define NU_CODEC_H1_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Lower-cased token character, or 0 when the byte is none. */
extern const uint8_t nu_h1_token[256];

/* Visible ASCII only: request targets, as Envoy takes them. */
bool nu_h1_target_ok(const uint8_t *p, size_t n);

/* ---- sixteen bytes at a time; nothing past n is read ---- */

#ifdef __SSE2__

static inline __m128i nu_h1_load16(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* A bit for each of 16 bytes that no field value may have: CTL but HTAB, DEL. */
static inline unsigned nu_h1_not_value16(__m128i v)
{
    __m128i printable = _mm_cmpeq_epi8(_mm_max_epu8(v, _mm_set1_epi8(0x20)), v);
    __m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t')), del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
    return (unsigned)_mm_movemask_epi8(_mm_andnot_si128(del, _mm_or_si128(printable, tab))) ^ 0xffffu;
}

/* A bit for each of 16 bytes that is no letter and no "-"; *upper: one for each capital. */
static inline unsigned nu_h1_not_name16(__m128i v, unsigned *upper)
{
    __m128i from_a = _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i letter = _mm_cmpeq_epi8(_mm_min_epu8(from_a, _mm_set1_epi8(25)), from_a);
    __m128i name = _mm_or_si128(letter, _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
    /* Bit 0x20 tells small letters; the shift puts it where movemask looks. */
    *upper = (unsigned)_mm_movemask_epi8(_mm_andnot_si128(_mm_slli_epi16(v, 2), letter));
    return (unsigned)_mm_movemask_epi8(name) ^ 0xffffu;
}

#endif

/* How many bytes p[0, n) begins with that a field value may have: no CTL but HTAB; obs-text is allowed. */
static inline size_t nu_h1_value_run(const uint8_t *p, size_t n)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; n - i >= 16; i += 16) {
        unsigned stop = nu_h1_not_value16(nu_h1_load16(p + i));
        if (stop != 0)
            return i + (unsigned)__builtin_ctz(stop);
    }
#endif
    while (i < n && ((p[i] >= 0x20 && p[i] != 0x7f) || p[i] == '\t'))
        i++;
    return i;
}

/* Lower-cases the letters and "-" that p[0, n) begins with, and returns how many; it may stop before the last of them. */
static inline size_t nu_h1_lower_run(uint8_t *p, size_t n)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; n - i >= 16; i += 16) {
        unsigned upper, stop = nu_h1_not_name16(nu_h1_load16(p + i), &upper);
        for (upper &= (stop & -stop) - 1u; upper != 0; upper &= upper - 1u) /* those before the stop */
            p[i + (unsigned)__builtin_ctz(upper)] |= 0x20;
        if (stop != 0)
            return i + (unsigned)__builtin_ctz(stop);
    }
#endif
    return i;
}

#endif
