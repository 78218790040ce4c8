/* SPDX-License-Identifier: Apache-2.0
 *
 * Header blocks, one a line of the input by a length byte: ours and nghttp2's decoder say the same; and what was decoded,
 * encoded by us and decoded by nghttp2, is what it was. */
#include <nghttp2/nghttp2.h>

#include "base/assert.h"
#include "base/sb.h"
#include "codec/h2/hpack_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STRING = 65536, TABLE = 4096, ENCODED = 1 << 20 };

static void put_field(struct nu_sb *out, nu_str name, nu_str value)
{
    nu_sb_add(out, name);
    nu_sb_lit(out, ": ");
    nu_sb_add(out, value);
    nu_sb_char(out, '\n');
}

static bool by_nghttp2(nghttp2_hd_inflater *inflater, const uint8_t *p, size_t n, struct nu_sb *out)
{
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, p, n, 1);
        if (used < 0)
            return false;
        p += used;
        n -= (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
            put_field(out, nu_str_make(nv.name, nv.namelen), nu_str_make(nv.value, nv.valuelen));
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0)
            break;
    }
    nghttp2_hd_inflate_end_headers(inflater);
    return true;
}

struct sides {
    struct nu_buf_pool pool;
    struct nu_hpack_decoder decoder;
    struct nu_hpack_encoder encoder;
    nghttp2_hd_inflater *of_input, *of_encoder;
    uint8_t *encoded;
    size_t encoded_len;
};

/* Decodes and encodes again. */
static bool by_us(struct sides *s, const uint8_t *p, size_t n, struct nu_sb *out)
{
    const uint8_t *at = p;
    struct nu_h2_field f;
    enum nu_hpack_result r;
    uint8_t *to = nu_hpack_put_begin(&s->encoder, s->encoded);
    nu_hpack_begin(&s->decoder);
    while ((r = nu_hpack_next(&s->decoder, &s->pool, &at, p + n, &f)) == NU_HPACK_FIELD) {
        put_field(out, f.name, f.value);
        if ((size_t)(s->encoded + ENCODED - to) < nu_hpack_bound(1, f.name.len + f.value.len))
            continue;
        to = f.pseudo != NU_H2_REGULAR ? nu_hpack_put_pseudo(&s->encoder, to, (enum nu_h2_pseudo)f.pseudo, f.value)
                                       : nu_hpack_put(&s->encoder, to, 0, f.name, f.value, f.sensitive);
    }
    s->encoded_len = (size_t)(to - s->encoded);
    nu_hpack_end(&s->decoder);
    return r == NU_HPACK_DONE;
}

static bool block(struct sides *s, const uint8_t *p, size_t n)
{
    struct nu_sb a = {0}, b = {0}, c = {0};
    bool fine = by_us(s, p, n, &a);
    NU_ASSERT(fine == by_nghttp2(s->of_input, p, n, &b));
    NU_ASSERT(!fine || nu_str_eq(nu_sb_str(&a), nu_sb_str(&b)));
    if (fine) {
        NU_ASSERT(by_nghttp2(s->of_encoder, s->encoded, s->encoded_len, &c));
        NU_ASSERT(nu_str_eq(nu_sb_str(&a), nu_sb_str(&c)) || s->encoded_len > ENCODED / 2);
    }
    nu_sb_free(&a);
    nu_sb_free(&b);
    nu_sb_free(&c);
    return fine;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t encoded[ENCODED];
    struct sides s = {.encoded = encoded};
    nu_buf_pool_init(&s.pool);
    nu_hpack_decoder_init(&s.decoder, NULL, TABLE, MAX_STRING);
    nu_hpack_encoder_init(&s.encoder, NULL, TABLE, size % 2 == 0);
    NU_ASSERT(nghttp2_hd_inflate_new(&s.of_input) == 0 && nghttp2_hd_inflate_new(&s.of_encoder) == 0);
    bool fine = true;
    while (fine && size > 1) {
        size_t n = nu_min((size_t)data[0], size - 1);
        fine = block(&s, data + 1, n);
        data += 1 + n;
        size -= 1 + n;
        if (n % 8 == 7)
            nu_hpack_table_trim(&s.decoder.table);
    }
    nghttp2_hd_inflate_del(s.of_input);
    nghttp2_hd_inflate_del(s.of_encoder);
    nu_hpack_decoder_clear(&s.decoder);
    nu_hpack_encoder_clear(&s.encoder);
    nu_buf_pool_clear(&s.pool);
    return 0;
}
