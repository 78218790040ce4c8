/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "router/path_template.h"

static struct nu_arena arena;

static void templates_match_whole_paths(void **state)
{
    (void)state;
    static const struct {
        const char *template, *path;
        bool want;
    } rows[] = {
        {"/", "/", true}, {"/", "/a", false}, {"/a", "/a", true}, {"/a", "/a/", false}, {"/a/", "/a/", true},
        {"/a/", "/a", false}, {"/*", "/x", true}, {"/*", "/", false}, {"/*", "/x/y", false}, {"/**", "/", true},
        {"/**", "/x/y/z", true}, {"/a/*/c", "/a/b/c", true}, {"/a/*/c", "/a//c", false}, {"/a/*/c", "/a/b/c/d", false},
        {"/a/**/z", "/a/b/c/z", true}, {"/a/**/z", "/a/z", false}, {"/a/**/z", "/a//z", true},
        {"/v/*.m4s", "/v/x.m4s", true}, {"/v/*.m4s", "/v/.m4s", false}, {"/v/*.m4s", "/v/x.m4", false},
        {"/{a}/{b}", "/x/y", true}, {"/{a}/{b}", "/x", false}, {"/{p=**}.m3u8", "/a/b/c.m3u8", true},
        {"/{p=**}.m3u8", "/a/b/c.m3u", false}, {"/{p=x/*}/e", "/x/1/e", true}, {"/{p=x/*}/e", "/y/1/e", false},
        {"/*", "/a=b", false}, {"/*", "/a*b", false}, {"/*", "/%20", true},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        const char *why;
        const struct nu_path_template *t = nu_path_template_parse(&arena, nu_str_from(rows[i].template), &why);
        if (t == NULL || nu_path_template_match(t, nu_str_from(rows[i].path)) != rows[i].want)
            fail_msg("%s on %s (%s)", rows[i].template, rows[i].path, why != NULL ? why : "");
    }
}

static void bad_templates_are_refused(void **state)
{
    (void)state;
    static const char *const match[] = {"", "a", "/a b", "/**/*", "/{a}/{a}", "/{a", "/{1a}", "/{a=}", "/{a=/}",
                                        "/{a=b/}", "/**/{x}", "/*x/y", "/a=b", "//", "/{abcdefghijklmnopq}",
                                        "/{a}/{b}/{c}/{d}/{e}/{f}", "/{a}{b}"};
    static const char *const rewrite[] = {"", "a", "/a//b", "/{a", "/{}", "/*", "/{a b}"};
    const char *why;
    for (size_t i = 0; i < NU_ARRAY_LEN(match); i++)
        if (nu_path_template_parse(&arena, nu_str_from(match[i]), &why) != NULL)
            fail_msg("match %s", match[i]);
    for (size_t i = 0; i < NU_ARRAY_LEN(rewrite); i++)
        if (nu_path_rewrite_parse(&arena, nu_str_from(rewrite[i]), &why) != NULL)
            fail_msg("rewrite %s", rewrite[i]);
}

static void variables_move_into_the_rewritten_path(void **state)
{
    (void)state;
    static const struct {
        const char *match, *rewrite, *path, *want;
    } rows[] = {
        {"/{a}/{b}", "/{b}/{a}", "/x/y", "/y/x"},
        {"/api/{rest=**}", "/v2/{rest}", "/api/u/1", "/v2/u/1"},
        {"/{p=**}.m3u8", "/m/{p}.txt", "/a/b.m3u8", "/m/a/b.txt"},
        {"/{p=x/*}/e", "/{p}-{p}", "/x/1/e", "/x/1-x/1"},
        {"/{a}", "/fixed", "/q", "/fixed"},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        const char *why;
        const struct nu_path_template *m = nu_path_template_parse(&arena, nu_str_from(rows[i].match), &why);
        const struct nu_path_template *r = nu_path_rewrite_parse(&arena, nu_str_from(rows[i].rewrite), &why);
        assert_non_null(m);
        assert_non_null(r);
        nu_str missing = NU_STR_NONE;
        assert_true(nu_path_rewrite_fits(r, m, &missing));
        nu_str got = nu_path_rewrite_run(r, m, nu_str_from(rows[i].path), &arena);
        if (!nu_str_eq(got, nu_str_from(rows[i].want)))
            fail_msg("%s: %.*s", rows[i].rewrite, NU_STR_ARG(got));
    }
    const char *why;
    nu_str missing = NU_STR_NONE;
    assert_false(nu_path_rewrite_fits(nu_path_rewrite_parse(&arena, NU_STR("/{z}"), &why),
                                      nu_path_template_parse(&arena, NU_STR("/{a}"), &why), &missing));
    assert_true(nu_str_eq(missing, NU_STR("z")));
}

static int setup(void **state)
{
    (void)state;
    nu_arena_init(&arena, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nu_arena_clear(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_match_whole_paths),
        cmocka_unit_test(bad_templates_are_refused),
        cmocka_unit_test(variables_move_into_the_rewritten_path),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
