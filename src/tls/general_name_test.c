/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/general_name.h"
#include "tls/test_pki.h"

static void dns_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *in_certificate;
        bool want;
    } cases[] = {
        {"a.example.com", "a.example.com", true},
        {"A.Example.com", "a.example.COM", true},
        {"a.example.com", "*.example.com", true},
        {"a.example.com", "*.EXAMPLE.com", true},
        {"a.b.example.com", "*.example.com", false},
        {"example.com", "*.example.com", false},
        {"example.com", "*.com", true}, /* as in Envoy */
        {"com", "*", false},
        {"foobar.example.com", "foo*.example.com", true},
        {"foo.example.com", "foo*.example.com", true},
        {"foobar.example.com", "*bar.example.com", true},
        {"foobar.example.com", "f*r.example.com", true},
        {"fr.example.com", "f*r.example.com", true},
        {"f.example.com", "f*r.example.com", false},
        {"f.example.com", "f*f.example.com", false},
        {"foobar.example.com", "f*b*r.example.com", false},
        {"foobar.example.com", "*.*.com", false},
        {"a.example.com", "a.*.com", false},
        {"xn--abc.example.com", "xn--*.example.com", false},
        {"xn--abc.example.com", "*.example.com", true},
        {"*.example.com", "*.example.com", true},
        {"a.example.com", "", false},
        {"", "a.example.com", false},
        {"a.", "*.", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (nu_dns_name_match(nu_str_from(cases[i].name), nu_str_from(cases[i].in_certificate)) != cases[i].want)
            fail_msg("%s, %s", cases[i].name, cases[i].in_certificate);
}

static void texts(void **state)
{
    (void)state;
    static const struct {
        const char *san, *want;
    } cases[] = {
        {"DNS:a.example.com", "a.example.com"},
        {"URI:spiffe://a/b", "spiffe://a/b"},
        {"email:a@example.com", "a@example.com"},
        {"IP:192.0.2.1", "192.0.2.1"},
        {"IP:2001:db8::1", "2001:db8::1"},
        {"RID:1.2.3.4", ""},
        {"otherName:1.2.3.4;UTF8:server", "server"},
        {"otherName:1.2.3.4;IA5STRING:server", "server"},
        {"otherName:1.2.3.4;OCTETSTRING:server", "server"},
        {"otherName:1.2.3.4;BMP:server", "server"},
        {"otherName:1.2.3.4;UNIV:server", "server"},
        {"otherName:1.2.3.4;INTEGER:-464", "-464"},
        {"otherName:1.2.3.4;ENUM:300", "300"},
        {"otherName:1.2.3.4;BOOL:TRUE", "true"},
        {"otherName:1.2.3.4;OID:1.3.6.1.4.1.311", "1.3.6.1.4.1.311"},
        {"otherName:1.2.3.4;NULL", ""},
        {"otherName:1.2.3.4;UTCTIME:230616120000Z", "230616120000Z"},
    };
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct test_cert c = test_cert(&a, (struct test_spec){.cn = "x", .san = cases[i].san});
        GENERAL_NAMES *names = nu_general_names(c.x);
        assert_non_null(names);
        nu_str text = nu_general_name_text(sk_GENERAL_NAME_value(names, 0), &a);
        if (!nu_str_eq(text, nu_str_from(cases[i].want)))
            fail_msg("%s: %.*s", cases[i].san, NU_STR_ARG(text));
        GENERAL_NAMES_free(names);
    }
    nu_arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dns_names),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
