/* SPDX-License-Identifier: Apache-2.0
 *
 * PROXY headers: byte by byte or whole, the same answer; what was read can be written and read again. */
#include "base/assert.h"
#include "codec/proxy_protocol/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct nu_pp_header *a, const struct nu_pp_header *b)
{
    const struct nu_pp_addresses *x = &a->addresses, *y = &b->addresses;
    return a->local == b->local && x->family == y->family && x->source_port == y->source_port &&
           x->destination_port == y->destination_port && memcmp(x->source, y->source, 16) == 0 &&
           memcmp(x->destination, y->destination, 16) == 0;
}

static void check_again(const struct nu_pp_header *h, const struct nu_pp_tlv *tlvs, size_t n)
{
    struct nu_sb sb = {0};
    struct nu_pp_header again;
    if (h->version == NU_PP_V1)
        nu_pp_write_v1(&sb, &h->addresses);
    else
        NU_ASSERT(nu_pp_write_v2(&sb, &h->addresses, tlvs, n) == 0);
    NU_ASSERT(nu_pp_parse(nu_sb_str(&sb), &again) == NU_PP_DONE);
    NU_ASSERT(again.len == sb.len);
    if (h->local == (h->addresses.family == NU_PP_UNSPEC) && h->addresses.family != NU_PP_UNIX)
        NU_ASSERT(same(h, &again));
    nu_sb_free(&sb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nu_pp_header whole, part;
    nu_str in = nu_str_make(data, size);
    enum nu_pp_status want = nu_pp_parse(in, &whole), got = NU_PP_MORE;
    /* Parsing is stateless: growing the input step by step must come to the same end. */
    for (size_t n = 0; n <= nu_min(size, (size_t)400) && got == NU_PP_MORE; n++)
        got = nu_pp_parse(nu_str_first(in, n), &part);
    if (got == NU_PP_MORE)
        got = nu_pp_parse(in, &part);
    NU_ASSERT(got == want);
    if (want != NU_PP_DONE)
        return 0;
    NU_ASSERT(whole.len <= size);
    struct nu_pp_tlv tlvs[64];
    size_t n = 0;
    nu_str rest = whole.tlvs;
    while (n < NU_ARRAY_LEN(tlvs) && nu_pp_tlv_next(&rest, &tlvs[n]) == NU_PP_TLV)
        n++;
    check_again(&whole, tlvs, n);
    return 0;
}
