/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates of peers: whatever names they have become text, and matching them ends. A certificate in DER. */
#include <openssl/err.h>

#include "base/assert.h"
#include "tls/general_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *p = data;
    X509 *x = d2i_X509(NULL, &p, (long)size);
    GENERAL_NAMES *names = x != NULL ? nu_general_names(x) : NULL;
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        nu_str text = nu_general_name_text(sk_GENERAL_NAME_value(names, i), &a);
        NU_ASSERT(text.ptr != NULL);
        NU_ASSERT(nu_dns_name_match(text, text));
        (void)nu_dns_name_match(NU_STR("www.example.com"), text);
        if (nu_str_find(text, '*') < 0) /* without a wildcard it is the same name, or another */
            NU_ASSERT(nu_dns_name_match(NU_STR("a.b.example.com"), text) == nu_str_eq_nocase(NU_STR("a.b.example.com"), text));
    }
    nu_arena_clear(&a);
    GENERAL_NAMES_free(names);
    X509_free(x);
    ERR_clear_error(); /* what it holds would look like a leak, which costs a search for it each time */
    return 0;
}
