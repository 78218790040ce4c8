/* SPDX-License-Identifier: Apache-2.0
 *
 * The Huffman code of HPACK and QPACK (RFC 7541 s5.2, appendix B). */
#ifndef NU_CODEC_H2_HUFFMAN_H
#define NU_CODEC_H2_HUFFMAN_H

#include "base/str.h"

/* Bytes that s takes when coded. */
size_t nu_huffman_len(nu_str s);
/* Codes s at `at`, where there is room for nu_huffman_len(s), and returns the end. */
uint8_t *nu_huffman_encode(uint8_t *at, nu_str s);

/* Room that n coded bytes need decoded: no code is shorter than 5 bits. */
static inline size_t nu_huffman_room(size_t n)
{
    return n * 8 / 5 + 1;
}
/* Decodes in[0, n) at out, which has nu_huffman_room(n); returns the length. -1: a code that is none, EOS, or a padding
 * that is longer than 7 bits or not of ones. */
ssize_t nu_huffman_decode(const uint8_t *in, size_t n, uint8_t *out);

#endif
