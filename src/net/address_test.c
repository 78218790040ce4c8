/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void prints_addresses_as_envoy_does(void **state)
{
    (void)state;
    char buf[NU_SOCKADDR_TEXT];
    struct nu_sockaddr a;
    assert_true(nu_sockaddr_parse_ip(NU_STR("127.0.0.1"), 80, &a));
    assert_string_equal(nu_sockaddr_text(&a, false, buf).ptr, "127.0.0.1:80");
    assert_string_equal(nu_sockaddr_text(&a, true, buf).ptr, "127.0.0.1");
    assert_true(nu_sockaddr_parse_ip(NU_STR("::1"), 65535, &a));
    assert_string_equal(nu_sockaddr_text(&a, false, buf).ptr, "[::1]:65535");
    assert_string_equal(nu_sockaddr_text(&a, true, buf).ptr, "::1");
    assert_false(nu_sockaddr_parse_ip(NU_STR("localhost"), 80, &a));
    assert_false(nu_sockaddr_parse_ip(NU_STR("1.2.3.4.5"), 80, &a));
}

static void cidr_ranges_hold_what_their_bits_say(void **state)
{
    (void)state;
    static const struct {
        const char *net;
        uint32_t bits;
        const char *ip;
        bool want;
    } cases[] = {
        {"10.0.0.0", 8, "10.255.1.2", true},    {"10.0.0.0", 8, "11.0.0.1", false},
        {"10.1.2.3", 12, "10.15.0.1", true},    {"10.1.2.3", 12, "10.16.0.1", false},
        {"1.2.3.4", 32, "1.2.3.4", true},       {"1.2.3.4", 32, "1.2.3.5", false},
        {"0.0.0.0", 0, "200.1.1.1", true},      {"0.0.0.0", 0, "::1", false},
        {"2001:db8::", 33, "2001:db8:7fff::", true}, {"2001:db8::", 33, "2001:db8:8000::", false},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        struct nu_cidr c;
        struct nu_sockaddr a;
        assert_true(nu_cidr_make(nu_str_from(cases[i].net), cases[i].bits, &c));
        assert_true(nu_sockaddr_parse_ip(nu_str_from(cases[i].ip), 0, &a));
        assert_int_equal(nu_cidr_contains(&c, &a), cases[i].want);
    }
}

static void loopback_is_known_in_both_families(void **state)
{
    (void)state;
    struct nu_sockaddr a;
    assert_true(nu_sockaddr_parse_ip(NU_STR("127.9.9.9"), 0, &a) && nu_sockaddr_is_loopback(&a));
    assert_true(nu_sockaddr_parse_ip(NU_STR("::1"), 0, &a) && nu_sockaddr_is_loopback(&a));
    assert_true(nu_sockaddr_parse_ip(NU_STR("::ffff:127.0.0.1"), 0, &a) && nu_sockaddr_is_loopback(&a));
    assert_true(nu_sockaddr_parse_ip(NU_STR("128.0.0.1"), 0, &a) && !nu_sockaddr_is_loopback(&a));
}

static void unix_addresses_have_paths_and_abstract_names(void **state)
{
    (void)state;
    struct sockaddr_storage ss;
    struct nu_address *a = nu_address_unix(NU_STR("/tmp/x"), 0), *b = nu_address_unix(NU_STR("@name"), 0);
    assert_int_equal(nu_address_sockaddr(a, &ss), offsetof(struct sockaddr_un, sun_path) + 7);
    assert_int_equal(nu_address_sockaddr(b, &ss), offsetof(struct sockaddr_un, sun_path) + 5);
    assert_int_equal(((struct sockaddr_un *)&ss)->sun_path[0], 0);
    assert_false(nu_address_eq(a, b));
    nu_address_unref(&a);
    nu_address_unref(&b);
    assert_null(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_addresses_as_envoy_does),
        cmocka_unit_test(cidr_ranges_hold_what_their_bits_say),
        cmocka_unit_test(loopback_is_known_in_both_families),
        cmocka_unit_test(unix_addresses_have_paths_and_abstract_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
