/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "codec/h1/target.h"

static void paths_are_normalised(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
    } rows[] = {
        {"/a%2%64", "/a%252d"}, {"/a%%36%34", "/a%2564"}, {"/a%2", "/a%2"}, {"/%%2e", "/%."},
        {"/a/%2e%2%65/b", "/a/.%252e/b"},
        {"/", "/"}, {"/a/b", "/a/b"}, {"/a/./b", "/a/b"}, {"/a/../b", "/b"}, {"/a/..", "/"}, {"/a/.", "/a/"},
        {"/..", "/"}, {"/../a", "/a"}, {"/a/b/../../c", "/c"}, {"/a/%2e%2E/b", "/b"}, {"/a/.%2e/b", "/b"},
        {"/a\\b", "/a/b"}, {"/a/..;/b", "/a/..;/b"}, {"/a/.../b", "/a/.../b"}, {"/a/../b?x=/../y", "/b?x=/../y"},
        {"/a//b", "/a//b"}, {"/.a/..b", "/.a/..b"}, {"*", NULL}, {"", NULL},
    };
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        nu_str got = nu_path_normalize(nu_str_from(rows[i].in), &a);
        if ((got.ptr == NULL) != (rows[i].want == NULL) || (got.ptr && !nu_str_eq(got, nu_str_from(rows[i].want))))
            fail_msg("%s: %.*s", rows[i].in, NU_STR_ARG(got));
    }
    assert_true(nu_str_eq(nu_path_merge_slashes(NU_STR("//a///b?c//d"), &a), NU_STR("/a/b?c//d")));
    assert_true(nu_path_has_escaped_slash(NU_STR("/a%2fb")) && nu_path_has_escaped_slash(NU_STR("/a%5Cb")));
    assert_false(nu_path_has_escaped_slash(NU_STR("/a?b=%2f")));
    assert_true(nu_str_eq(nu_path_unescape_slashes(NU_STR("/a%2Fb%5cc?%2f"), &a), NU_STR("/a/b\\c?%2f")));
    nu_arena_clear(&a);
}

static void targets_have_forms(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        bool connect;
        enum nu_target_form want;
        const char *authority, *path;
    } rows[] = {
        {"/a?b", false, NU_TARGET_ORIGIN, "", "/a?b"}, {"*", false, NU_TARGET_ASTERISK, "", "*"},
        {"http://h:1/p?q", false, NU_TARGET_ABSOLUTE, "h:1", "/p?q"}, {"HTTPS://h", false, NU_TARGET_ABSOLUTE, "h", "/"},
        {"ftp://h/", false, NU_TARGET_BAD, NULL, NULL}, {"http:///p", false, NU_TARGET_BAD, NULL, NULL},
        {"http://a b/", false, NU_TARGET_BAD, NULL, NULL}, {"h:443", true, NU_TARGET_AUTHORITY, "", "h:443"},
        {"", true, NU_TARGET_BAD, NULL, NULL}, {"a", false, NU_TARGET_BAD, NULL, NULL},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        nu_str scheme, authority, path;
        assert_int_equal(nu_h1_target_split(nu_str_from(rows[i].in), rows[i].connect, &scheme, &authority, &path),
                         rows[i].want);
        if (rows[i].authority != NULL)
            assert_true(nu_str_eq(authority, nu_str_from(rows[i].authority)) && nu_str_eq(path, nu_str_from(rows[i].path)));
    }
}

static void authorities_have_ports(void **state)
{
    (void)state;
    static const struct {
        const char *in, *host;
        unsigned port;
    } rows[] = {{"h:80", "h", 80}, {"h", "h", 0}, {"[::1]:8", "[::1]", 8}, {"[::1]", "[::1]", 0}, {"::1", "::1", 0},
                {"h:0", "h:0", 0}, {"h:65536", "h:65536", 0}, {"h:x", "h:x", 0}, {"", "", 0}};
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        nu_str host;
        assert_int_equal(nu_authority_port(nu_str_from(rows[i].in), &host), rows[i].port);
        assert_true(nu_str_eq(host, nu_str_from(rows[i].host)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths_are_normalised), cmocka_unit_test(targets_have_forms),
                                       cmocka_unit_test(authorities_have_ports)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
