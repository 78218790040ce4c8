/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/regex.h"

static void matches_whole_or_part(void **state)
{
    char error[128];
    (void)state;
    struct nu_regex *re = nu_regex_new(NU_STR("/b[io]t"), error, sizeof(error));
    assert_non_null(re);
    assert_true(nu_regex_full_match(re, NU_STR("/bit")));
    assert_false(nu_regex_full_match(re, NU_STR("/bite")));
    assert_true(nu_regex_partial_match(re, NU_STR("x/bite")));
    nu_regex_free(re);
}

static void refuses_with_a_reason(void **state)
{
    char error[128] = "";
    (void)state;
    assert_null(nu_regex_new(NU_STR("(+invalid)"), error, sizeof(error)));
    assert_string_equal(error, "no argument for repetition operator: +");
}

static void rewrites_with_groups(void **state)
{
    struct nu_arena a;
    char error[128];
    (void)state;
    nu_arena_init(&a, NULL);
    struct nu_regex *re = nu_regex_new(NU_STR("^/service/([^/]+)(/.*)$"), error, sizeof(error));
    assert_true(nu_regex_check_rewrite(re, NU_STR("\\2/instance/\\1"), error, sizeof(error)));
    assert_false(nu_regex_check_rewrite(re, NU_STR("\\3"), error, sizeof(error)));
    nu_str out = nu_regex_replace_all(re, NU_STR("/service/foo/v1/api"), NU_STR("\\2/instance/\\1"), &a);
    assert_true(nu_str_eq(out, NU_STR("/v1/api/instance/foo")));
    nu_str groups[3];
    assert_int_equal(nu_regex_captures(re, NU_STR("/service/foo/v1"), groups, 3), 3);
    assert_true(nu_str_eq(groups[1], NU_STR("foo")));
    nu_regex_free(re);
    nu_arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_whole_or_part),
        cmocka_unit_test(refuses_with_a_reason),
        cmocka_unit_test(rewrites_with_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
