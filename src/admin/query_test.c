/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/query.h"

static void names_and_values_are_decoded_and_the_first_of_a_name_counts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *want; /* want NULL: absent */
    } rows[] = {
        {"", "a", NULL},
        {"a", "a", ""},
        {"a=", "a", ""},
        {"a=b", "a", "b"},
        {"a=b=c", "a", "b=c"},
        {"a=1&a=2", "a", "1"},
        {"x=1&a=2&y", "a", "2"},
        {"a=%5Ex%24", "a", "^x$"},
        {"%61=b", "a", "b"},
        {"a=b+c", "a", "b+c"},
        {"a=%", "a", "%"},
        {"a=%4", "a", "%4"},
        {"a=%4g%41", "a", "%4gA"},
        {"&&a=1", "a", "1"},
        {"=v", "", "v"},
    };
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        struct nu_params p = nu_params_parse(&a, nu_str_from(rows[i].text));
        nu_str got = nu_param_get(&p, rows[i].name);
        if (rows[i].want == NULL)
            assert_null(got.ptr);
        else
            assert_true(got.ptr != NULL && nu_str_eq(got, nu_str_from(rows[i].want)));
    }
    nu_arena_clear(&a);
}

static void too_many_are_dropped(void **state)
{
    (void)state;
    struct nu_arena a;
    char text[16 * 2000];
    size_t n = 0;
    nu_arena_init(&a, NULL);
    for (unsigned i = 0; i < 2000; i++) {
        text[n++] = (char)('a' + i % 26);
        n += nu_u64_to_text(text + n, i);
        text[n++] = '&';
    }
    assert_int_equal(nu_params_parse(&a, nu_str_make(text, n)).n, NU_PARAMS_MAX);
    nu_arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_values_are_decoded_and_the_first_of_a_name_counts),
        cmocka_unit_test(too_many_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
