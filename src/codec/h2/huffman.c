/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/h2/huffman.h"

#include "base/assert.h"
#include "codec/h2/huffman_table.h"

enum { EOS = 256 };

size_t nu_huffman_len(nu_str s)
{
    size_t bits = 7;
    for (size_t i = 0; i < s.len; i++)
        bits += huffman_len[(uint8_t)s.ptr[i]];
    return bits / 8;
}

uint8_t *nu_huffman_encode(uint8_t *at, nu_str s)
{
    uint64_t bits = 0; /* the low n_bits of it are not written yet */
    unsigned n_bits = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        bits = bits << huffman_len[c] | huffman_code[c];
        n_bits += huffman_len[c];
        if (n_bits >= 32) {
            n_bits -= 32;
            uint32_t word = __builtin_bswap32((uint32_t)(bits >> n_bits));
            memcpy(at, &word, 4);
            at += 4;
        }
    }
    for (; n_bits >= 8; n_bits -= 8)
        *at++ = (uint8_t)(bits >> (n_bits - 8));
    if (n_bits > 0)
        *at++ = (uint8_t)(bits << (8 - n_bits) | 0xffu >> n_bits); /* padded with the beginning of EOS */
    return at;
}

/* The symbol whose code `window` begins with, one that is longer than 8 bits; *len: its bits. */
static unsigned long_symbol(uint32_t window, unsigned *len)
{
    const struct huffman_length *l = huffman_lengths;
    while (window >= l->limit)
        l++;
    *len = l->bits;
    return huffman_long[(int32_t)(window >> (32 - l->bits)) - l->minus];
}

/* Bits that are to be decoded: the first n of `bits`, counted from its top; below them are ones. */
struct bit_reader {
    uint64_t bits;
    unsigned n;
    const uint8_t *in, *end;
};

/* At least 32 bits, or all there are. */
static inline void refill(struct bit_reader *r)
{
    while (r->n <= 56 && r->in < r->end) {
        unsigned shift = 56 - r->n;
        r->bits = (r->bits & ~(0xffull << shift)) | (uint64_t)*r->in++ << shift;
        r->n += 8;
    }
}

static inline void skip(struct bit_reader *r, unsigned n)
{
    r->bits = r->bits << n | ((1ull << n) - 1);
    r->n -= n;
}

ssize_t nu_huffman_decode(const uint8_t *in, size_t n, uint8_t *out)
{
    struct bit_reader r = {.bits = ~0ull, .in = in, .end = in + n};
    uint8_t *to = out;
    for (;;) {
        if (r.n < 32)
            refill(&r);
        unsigned len, symbol, entry = huffman_short[r.bits >> 56];
        if (nu_likely(entry != 0)) {
            len = entry & 0xff;
            symbol = entry >> 8;
        } else {
            symbol = long_symbol((uint32_t)(r.bits >> 32), &len);
        }
        if (nu_unlikely(len > r.n)) /* no code begins with seven ones and is shorter than what is left */
            return r.n < 8 && r.bits == ~0ull ? to - out : -1;
        if (nu_unlikely(symbol == EOS))
            return -1;
        *to++ = (uint8_t)symbol;
        skip(&r, len);
    }
}
