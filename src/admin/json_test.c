/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/json.h"
#include "admin/json_address.h"

static void lays_out_as_envoy_does(void **state)
{
    (void)state;
    struct nu_sb sb = {0};
    struct nu_json j = {.sb = &sb};
    nu_json_open(&j, '{');
    nu_json_kstr(&j, "name", NU_STR("a\"b"));
    nu_json_kopen(&j, "none", '[');
    nu_json_close(&j, ']');
    nu_json_kopen(&j, "list", '[');
    nu_json_open(&j, '{');
    nu_json_kbool(&j, "yes", true);
    nu_json_ku64_text(&j, "big", 18446744073709551615u);
    nu_json_close(&j, '}');
    nu_json_open(&j, '{');
    nu_json_close(&j, '}');
    nu_json_u64(&j, 7);
    nu_json_close(&j, ']');
    nu_json_ku64(&j, "n", 0);
    nu_json_close(&j, '}');
    assert_string_equal(nu_sb_cstr(&sb), "{\n"
                                         " \"name\": \"a\\\"b\",\n"
                                         " \"none\": [],\n"
                                         " \"list\": [\n"
                                         "  {\n"
                                         "   \"yes\": true,\n"
                                         "   \"big\": \"18446744073709551615\"\n"
                                         "  },\n"
                                         "  {},\n"
                                         "  7\n"
                                         " ],\n"
                                         " \"n\": 0\n"
                                         "}");
    nu_sb_free(&sb);
}

static void goes_on_where_the_last_piece_ended(void **state)
{
    (void)state;
    struct nu_sb one = {0}, two = {0};
    struct nu_json j = {.sb = &one};
    nu_json_open(&j, '[');
    nu_json_u64(&j, 1);
    j.sb = &two;
    nu_json_u64(&j, 2);
    nu_json_close(&j, ']');
    assert_string_equal(nu_sb_cstr(&one), "[\n 1");
    assert_string_equal(nu_sb_cstr(&two), ",\n 2\n]");
    nu_sb_free(&one);
    nu_sb_free(&two);
}

static void durations_and_times_are_protobuf_s(void **state)
{
    (void)state;
    char text[32];
    assert_true(nu_str_eq(nu_json_duration_ms(5000, text), NU_STR("5s")));
    assert_true(nu_str_eq(nu_json_duration_ms(200, text), NU_STR("0.200s")));
    assert_true(nu_str_eq(nu_json_duration_ms(0, text), NU_STR("0s")));
    assert_true(nu_str_eq(nu_json_time(1764041888049000000u, text), NU_STR("2025-11-25T03:38:08.049Z")));
}

static void addresses(void **state)
{
    (void)state;
    struct nu_sb sb = {0};
    struct nu_json j = {.sb = &sb};
    struct nu_sockaddr sock;
    assert_true(nu_sockaddr_parse_ip(NU_STR("::1"), 80, &sock));
    struct nu_address *ip = nu_address_from_sock(&sock), *un = nu_address_unix(NU_STR("@x"), 0);
    nu_json_open(&j, '[');
    nu_json_address(&j, ip);
    nu_json_address(&j, un);
    nu_json_close(&j, ']');
    assert_string_equal(nu_sb_cstr(&sb), "[\n {\n  \"socket_address\": {\n   \"address\": \"::1\",\n   \"port_value\": 80\n"
                                         "  }\n },\n {\n  \"pipe\": {\n   \"path\": \"@x\"\n  }\n }\n]");
    nu_address_unref(&ip);
    nu_address_unref(&un);
    nu_sb_free(&sb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lays_out_as_envoy_does),
        cmocka_unit_test(goes_on_where_the_last_piece_ended),
        cmocka_unit_test(durations_and_times_are_protobuf_s),
        cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
