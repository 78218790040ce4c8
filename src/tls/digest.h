/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests of texts, for what has no other business with the library: as fingerprints. */
#ifndef NU_TLS_DIGEST_H
#define NU_TLS_DIGEST_H

#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

#define NU_MD5_BYTES 16u
#define NU_SHA1_BYTES 20u
#define NU_SHA256_BYTES 32u

void nu_md5(nu_str in, uint8_t out[NU_MD5_BYTES]);
void nu_sha1(nu_str in, uint8_t out[NU_SHA1_BYTES]);
void nu_sha256(nu_str in, uint8_t out[NU_SHA256_BYTES]);
/* In lower case, in the arena. */
nu_str nu_hex(struct nu_arena *a, const uint8_t *bytes, size_t n);

#endif
