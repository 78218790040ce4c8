/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing HTTP/1: what the sessions put before and between body bytes. Writers append at `at`, in room that the caller
 * reserved, and return the new end. */
#ifndef NU_CODEC_H1_ENCODE_H
#define NU_CODEC_H1_ENCODE_H

#include <stdint.h>
#include <string.h>

#include "base/str.h"

/* The standard reason phrase of a status; "Unknown" when there is none (as Envoy writes it). */
nu_str nu_h1_reason(unsigned status);

static inline uint8_t *nu_h1_put(uint8_t *at, nu_str s)
{
    if (s.len > 0)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

/* "name: value\r\n": name.len + value.len + 4 bytes. */
static inline uint8_t *nu_h1_put_field(uint8_t *at, nu_str name, nu_str value)
{
    at = nu_h1_put(at, name);
    *at++ = ':';
    *at++ = ' ';
    at = nu_h1_put(at, value);
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

/* The same with Proper-Case-Words. */
uint8_t *nu_h1_put_field_proper(uint8_t *at, nu_str name, nu_str value);

/* "1f4\r\n": at most NU_H1_CHUNK_HEAD bytes. */
#define NU_H1_CHUNK_HEAD 18
uint8_t *nu_h1_put_chunk_head(uint8_t *at, uint64_t size);

#endif
