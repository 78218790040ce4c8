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

/* The symbol that `bits` begins with. */
static inline unsigned next_symbol(uint64_t bits, unsigned *len)
{
    unsigned entry = huffman_short[bits >> 56];
    if (nu_unlikely(entry == 0))
        return long_symbol((uint32_t)(bits >> 32), len);
    *len = entry & 0xff;
    return entry >> 8;
}

/* The last bytes: `bits` has n, counted from its top, and zeros below; at most seven more come from [in, end). */
static ssize_t decode_end(uint64_t bits, unsigned n, const uint8_t *in, const uint8_t *end, uint8_t *out, uint8_t *to)
{
    for (;;) {
        for (; n <= 56 && in < end; n += 8)
            bits |= (uint64_t)*in++ << (56 - n);
        unsigned len, symbol = next_symbol(n < 64 ? bits | ~0ull >> n : bits, &len);
        if (nu_unlikely(len > n)) /* no code begins with seven ones and is shorter than what is left */
            return n < 8 && (n == 0 || bits >> (64 - n) == (1u << n) - 1) ? to - out : -1;
        if (nu_unlikely(symbol == EOS))
            return -1;
        *to++ = (uint8_t)symbol;
        bits <<= len;
        n -= len;
    }
}

ssize_t nu_huffman_decode(const uint8_t *in, size_t n, uint8_t *out)
{
    const uint8_t *end = in + n;
    uint8_t *to = out;
    uint64_t bits = 0; /* what is to be decoded, from the top; below n_bits of it there is the beginning of what follows */
    unsigned n_bits = 0;
    while (end - in >= 8) {
        uint64_t word;
        memcpy(&word, in, 8);
        bits |= __builtin_bswap64(word) >> n_bits;
        in += (63 - n_bits) / 8;
        n_bits |= 56;
        do {
            unsigned len, symbol = next_symbol(bits, &len);
            if (nu_unlikely(symbol == EOS))
                return -1;
            *to++ = (uint8_t)symbol;
            bits <<= len;
            n_bits -= len;
        } while (n_bits >= 30); /* the longest code */
    }
    return decode_end(n_bits > 0 ? bits & ~(~0ull >> n_bits) : 0, n_bits, in, end, out, to);
}
