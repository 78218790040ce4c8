/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking TLS's presentation language (RFC 8446 s3) apart: each function takes from the front of a view and says whether
 * it was there. */
#ifndef NU_CODEC_TLS_READER_H
#define NU_CODEC_TLS_READER_H

#include "base/str.h"

NU_NODISCARD static inline bool nu_tls_take(nu_str *in, size_t n, nu_str *out)
{
    if (in->len < n)
        return false;
    *out = nu_str_make(in->ptr, n);
    *in = nu_str_skip(*in, n);
    return true;
}

/* A big-endian number of `n` bytes, at most four. */
NU_NODISCARD static inline bool nu_tls_number(nu_str *in, size_t n, uint32_t *out)
{
    nu_str bytes;
    if (!nu_tls_take(in, n, &bytes))
        return false;
    *out = 0;
    for (size_t i = 0; i < n; i++)
        *out = *out << 8 | (uint8_t)bytes.ptr[i];
    return true;
}

NU_NODISCARD static inline bool nu_tls_u16(nu_str *in, uint16_t *out)
{
    uint32_t v;
    if (!nu_tls_number(in, 2, &v))
        return false;
    *out = (uint16_t)v;
    return true;
}

/* A vector whose length stands in front of it, in `width` bytes. */
NU_NODISCARD static inline bool nu_tls_vector(nu_str *in, size_t width, nu_str *out)
{
    uint32_t len;
    return nu_tls_number(in, width, &len) && nu_tls_take(in, len, out);
}

/* `in` is one such vector and nothing else. */
NU_NODISCARD static inline bool nu_tls_only_vector(nu_str in, size_t width, nu_str *out)
{
    return nu_tls_vector(&in, width, out) && in.len == 0;
}

#endif
