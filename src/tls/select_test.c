/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NAMES(...) .names = (const nu_str[]){__VA_ARGS__}, .n_names = sizeof((nu_str[]){__VA_ARGS__}) / sizeof(nu_str)

enum { RSA_A, EC_A, WILD, RSA_OTHER, P384_A };

static const struct nu_tls_candidate certs[] = {
    [RSA_A] = {NAMES(NU_STR_INIT("a.example")), .rsa = true},
    [EC_A] = {NAMES(NU_STR_INIT("a.example")), .curve = NU_CURVE_P256},
    [WILD] = {NAMES(NU_STR_INIT("*.example"), NU_STR_INIT("other.test")), .curve = NU_CURVE_P256},
    [RSA_OTHER] = {NAMES(NU_STR_INIT("b.example"), NU_STR_INIT("a.example")), .rsa = true},
    [P384_A] = {NAMES(NU_STR_INIT("p384.example")), .curve = NU_CURVE_P384},
};

static void chooses_by_name_then_by_key(void **state)
{
    static const struct {
        const char *what, *sni;
        uint8_t curves;
        bool full_scan;
        size_t want;
    } cases[] = {
        {"ECDSA for who can", "a.example", NU_CURVE_P256, false, EC_A},
        {"RSA for who cannot", "a.example", 0, false, RSA_A},
        {"the curve must fit", "a.example", NU_CURVE_P384, false, RSA_A},
        {"RSA when there is no other of that name", "b.example", NU_CURVE_P256, false, RSA_OTHER},
        {"a wildcard", "x.example", NU_CURVE_P256, false, WILD},
        {"a wildcard covers one label", "x.y.example", NU_CURVE_P256, false, RSA_A},
        {"an exact name before a wildcard", "p384.example", NU_CURVE_P384, false, P384_A},
        {"an exact name that does not fit leaves it to the wildcard", "p384.example", NU_CURVE_P256, false, WILD},
        {"the first one when no name is known", "nobody.test", NU_CURVE_P256, false, RSA_A},
        {"a scan on request", "nobody.test", NU_CURVE_P256, true, EC_A},
        {"a scan without a name", "", NU_CURVE_P256, false, EC_A},
        {"no name, no ECDSA", "", 0, false, RSA_A},
        {"a dot alone", ".", NU_CURVE_P256, false, RSA_A},
        {"a dot at the end", "a.", NU_CURVE_P256, false, RSA_A},
        {"a dot in front", ".example", NU_CURVE_P256, false, WILD},
    };
    (void)state;
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    const struct nu_tls_names *names = nu_tls_names_new(&a, certs, NU_ARRAY_LEN(certs));
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        struct nu_tls_client client = {.sni = nu_str_from(cases[i].sni), .curves = cases[i].curves};
        struct nu_tls_choice c = nu_tls_choose(names, &client, NU_OCSP_LENIENT, cases[i].full_scan, 0);
        if (c.cert != cases[i].want)
            fail_msg("%s: certificate %zu, not %zu", cases[i].what, c.cert, cases[i].want);
        assert_int_equal(c.staple, NU_STAPLE_NOT_ASKED);
    }
    nu_arena_clear(&a);
}

static void staples_by_policy(void **state)
{
    static const struct {
        enum nu_ocsp_policy policy;
        bool response, must;
        int64_t expires;
        enum nu_staple want;
    } cases[] = {
        {NU_OCSP_LENIENT, false, false, 0, NU_STAPLE_OMIT}, {NU_OCSP_LENIENT, true, false, 200, NU_STAPLE_SEND},
        {NU_OCSP_LENIENT, true, false, 50, NU_STAPLE_OMIT}, {NU_OCSP_STRICT, false, false, 0, NU_STAPLE_OMIT},
        {NU_OCSP_STRICT, true, false, 200, NU_STAPLE_SEND}, {NU_OCSP_STRICT, true, false, 50, NU_STAPLE_FAIL},
        {NU_OCSP_MUST, true, false, 200, NU_STAPLE_SEND},   {NU_OCSP_MUST, true, false, 50, NU_STAPLE_FAIL},
        {NU_OCSP_LENIENT, true, true, 50, NU_STAPLE_FAIL},  {NU_OCSP_LENIENT, true, true, 0, NU_STAPLE_SEND},
    };
    (void)state;
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        struct nu_arena a;
        nu_arena_init(&a, NULL);
        struct nu_tls_candidate c = {.rsa = true, .has_response = cases[i].response, .must_staple = cases[i].must,
                                     .response_expires = cases[i].expires};
        struct nu_tls_client client = {.sni = NU_STR(""), .asks_ocsp = true};
        const struct nu_tls_names *names = nu_tls_names_new(&a, &c, 1);
        if (nu_tls_choose(names, &client, cases[i].policy, false, 100).staple != cases[i].want)
            fail_msg("case %zu", i);
        nu_arena_clear(&a);
    }
}

static const struct nu_tls_candidate two[] = {
    {NAMES(NU_STR_INIT("a.test")), .curve = NU_CURVE_P256, .must_staple = true, .has_response = true, .response_expires = 1},
    {NAMES(NU_STR_INIT("a.test")), .rsa = true},
};

static void a_certificate_that_may_not_be_sent_is_passed_over(void **state)
{
    (void)state;
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    const struct nu_tls_names *names = nu_tls_names_new(&a, two, 2);
    struct nu_tls_client client = {.sni = NU_STR("a.test"), .curves = NU_CURVE_P256, .asks_ocsp = true};
    assert_int_equal(nu_tls_choose(names, &client, NU_OCSP_LENIENT, false, 100).cert, 1);
    client.asks_ocsp = false;
    assert_int_equal(nu_tls_choose(names, &client, NU_OCSP_LENIENT, false, 100).cert, 0);
    nu_arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_by_name_then_by_key),
        cmocka_unit_test(staples_by_policy),
        cmocka_unit_test(a_certificate_that_may_not_be_sent_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
