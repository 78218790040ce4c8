/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/ocsp.h"
#include "tls/test_ocsp.h"

static void reads_a_response(void **state)
{
    (void)state;
    uint8_t buf[1024];
    struct nu_ocsp o;
    assert_null(nu_ocsp_read(test_ocsp(buf, (struct test_ocsp){.singles = 1}), &o));
    assert_int_equal(o.serial.len, 3);
    assert_memory_equal(o.serial.ptr, "\x00\x12\x34", 3);
    assert_int_equal(o.this_update, 1767323045);
    assert_int_equal(o.next_update, 1767323045 + 86400);
    assert_null(nu_ocsp_read(test_ocsp(buf, (struct test_ocsp){.singles = 1, .no_next = true}), &o));
    assert_int_equal(o.next_update, 0);
}

static void refuses_others(void **state)
{
    (void)state;
    static const struct {
        struct test_ocsp in;
        const char *want;
    } cases[] = {
        {{.singles = 1, .status = 3}, "OCSP response was unsuccessful"},
        {{.singles = 1, .no_bytes = true}, "OCSP response has no body"},
        {{.singles = 0}, "OCSP Response must be for one certificate only"},
        {{.singles = 2}, "OCSP Response must be for one certificate only"},
        {{.singles = 1, .when = "20261302030405Z"}, "OCSP thisUpdate is not a well-formed GENERALIZEDTIME"},
        {{.singles = 1, .when = "202601020304Z"}, "OCSP thisUpdate is not a well-formed GENERALIZEDTIME"},
        {{.singles = 1, .when = "2026010203040xZ"}, "OCSP thisUpdate is not a well-formed GENERALIZEDTIME"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t buf[1024];
        struct nu_ocsp o;
        assert_string_equal(nu_ocsp_read(test_ocsp(buf, cases[i].in), &o), cases[i].want);
    }
}

static void refuses_every_shorter_one(void **state)
{
    (void)state;
    uint8_t buf[1024];
    struct nu_ocsp o;
    nu_str all = test_ocsp(buf, (struct test_ocsp){.singles = 1});
    for (size_t n = 0; n < all.len; n++)
        assert_non_null(nu_ocsp_read(nu_str_first(all, n), &o));
    assert_string_equal(nu_ocsp_read(nu_str_make(buf, all.len + 1), &o), "Data contained more than a single OCSP response");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_response),
        cmocka_unit_test(refuses_others),
        cmocka_unit_test(refuses_every_shorter_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
