/* SPDX-License-Identifier: Apache-2.0
 *
 * ClientHellos: grown byte by byte or whole, the same answer; all that is shown lies in the input or the scratch; the
 * texts of fingerprints can be written of whatever was accepted. */
#include "base/alloc.h"
#include "base/assert.h"
#include "codec/tls/client_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool within(nu_str part, const void *begin, size_t n)
{
    const char *from = begin;
    return part.len == 0 || (part.ptr >= from && part.ptr + part.len <= from + n);
}

static void check_views(const struct nu_client_hello *h, const uint8_t *data, size_t size, const char *scratch)
{
    nu_str parts[] = {h->ciphers, h->extensions, h->server_name, h->alpn}, name, rest = h->alpn;
    for (size_t i = 0; i < NU_ARRAY_LEN(parts); i++)
        NU_ASSERT(within(parts[i], data, size) || within(parts[i], scratch, size));
    while (nu_alpn_next(&rest, &name))
        NU_ASSERT(name.len > 0);
    NU_ASSERT(rest.len == 0);
    NU_ASSERT(h->looked_at <= size);
}

static void write_texts(const struct nu_client_hello *h)
{
    struct nu_sb sb = {0};
    nu_ja3_text(h, &sb);
    nu_ja4_head(h, &sb);
    nu_ja4_ciphers(h, &sb);
    nu_ja4_extensions(h, &sb);
    nu_sb_free(&sb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nu_client_hello whole, part;
    char *scratch = nu_alloc(size + 1), *other = nu_alloc(size + 1);
    nu_str in = nu_str_make(data, size);
    enum nu_hello_status want = nu_client_hello_parse(in, scratch, &whole), got = NU_HELLO_MORE;
    for (size_t n = 0; n <= nu_min(size, (size_t)700) && got == NU_HELLO_MORE; n++)
        got = nu_client_hello_parse(nu_str_first(in, n), other, &part);
    if (got == NU_HELLO_MORE)
        got = nu_client_hello_parse(in, other, &part);
    NU_ASSERT(got == want);
    NU_ASSERT((want == NU_HELLO_ERROR) == (whole.error != NULL));
    NU_ASSERT(want == NU_HELLO_MORE || whole.looked_at == part.looked_at);
    if (want == NU_HELLO_DONE) {
        check_views(&whole, data, size, scratch);
        write_texts(&whole);
    }
    nu_free(scratch);
    nu_free(other);
    return 0;
}
