/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/digest.h"

#include <openssl/md5.h>
#include <openssl/sha.h>

_Static_assert(NU_MD5_BYTES == MD5_DIGEST_LENGTH && NU_SHA1_BYTES == SHA_DIGEST_LENGTH &&
                   NU_SHA256_BYTES == SHA256_DIGEST_LENGTH,
               "sizes of digests");

void nu_md5(nu_str in, uint8_t out[NU_MD5_BYTES])
{
    (void)MD5((const uint8_t *)in.ptr, in.len, out);
}

void nu_sha1(nu_str in, uint8_t out[NU_SHA1_BYTES])
{
    (void)SHA1((const uint8_t *)in.ptr, in.len, out);
}

void nu_sha256(nu_str in, uint8_t out[NU_SHA256_BYTES])
{
    (void)SHA256((const uint8_t *)in.ptr, in.len, out);
}

nu_str nu_hex(struct nu_arena *a, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char *out = nu_arena_alloc(a, 2 * n);
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    return nu_str_make(out, 2 * n);
}
