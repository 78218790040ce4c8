/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sb.h"
#include "codec/json/json.h"

struct fixture {
    struct nu_arena arena;
    struct nu_diags diags;
};

static int set_up(void **state)
{
    static struct fixture f;
    nu_arena_init(&f.arena, NULL);
    nu_diags_init(&f.diags);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    nu_diags_clear(&f->diags);
    nu_arena_clear(&f->arena);
    return 0;
}

static const struct nu_tree *read_str(struct fixture *f, nu_str text)
{
    nu_diags_clear(&f->diags);
    nu_diags_init(&f->diags);
    return nu_json_read(&f->arena, &f->diags, NU_STR("x.json"), text);
}

static const struct nu_tree *read(struct fixture *f, const char *text)
{
    return read_str(f, nu_str_from(text));
}

static void expect_text(const struct nu_tree *t, enum nu_tree_kind kind, nu_str text)
{
    assert_non_null(t);
    assert_int_equal(t->kind, kind);
    assert_int_equal(t->u.text.len, text.len);
    assert_memory_equal(t->u.text.ptr, text.ptr, text.len);
}

static void expect_error(struct fixture *f, const char *text, unsigned line, unsigned column, const char *part)
{
    assert_null(read(f, text));
    assert_int_equal(f->diags.n_errors, 1);
    const struct nu_diag *d = &f->diags.items[f->diags.n - 1];
    if (nu_str_search(d->text, nu_str_from(part)) < 0)
        fail_msg("%s: \"%.*s\" lacks \"%s\"", text, NU_STR_ARG(d->text), part);
    if (d->pos.line != line || d->pos.column != column)
        fail_msg("%s: %u:%u", text, d->pos.line, d->pos.column);
}

static void values(void **state)
{
    const struct nu_tree *t = read(*state, " {\"a\": [1, -2.50e+3, true, false, null, \"x\", {}, []]} ");
    const struct nu_tree *a = nu_tree_get(t, NU_STR("a"));
    assert_int_equal(a->u.list.n, 8);
    expect_text(a->u.list.items[0], NU_TREE_NUMBER, NU_STR("1"));
    expect_text(a->u.list.items[1], NU_TREE_NUMBER, NU_STR("-2.50e+3"));
    assert_true(a->u.list.items[2]->kind == NU_TREE_BOOL && a->u.list.items[2]->u.boolean);
    assert_true(a->u.list.items[3]->kind == NU_TREE_BOOL && !a->u.list.items[3]->u.boolean);
    assert_int_equal(a->u.list.items[4]->kind, NU_TREE_NULL);
    expect_text(a->u.list.items[5], NU_TREE_STRING, NU_STR("x"));
    assert_int_equal(a->u.list.items[6]->kind, NU_TREE_MAP);
    assert_int_equal(a->u.list.items[7]->kind, NU_TREE_LIST);
}

static void escapes(void **state)
{
    expect_text(read(*state, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\'\""), NU_TREE_STRING, NU_STR("\"\\/\b\f\n\r\t'"));
    expect_text(read(*state, "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\u0000\""), NU_TREE_STRING,
                NU_STR("A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\0"));
    expect_error(*state, "\"\\ud83d\"", 1, 8, "unknown escape");
    expect_error(*state, "\"\\ud83d\\u0041\"", 1, 14, "unknown escape");
    expect_error(*state, "\"\\ude00\"", 1, 8, "unknown escape");
    expect_error(*state, "\"\\u12g4\"", 1, 4, "unknown escape");
    expect_error(*state, "\"\\q\"", 1, 4, "unknown escape");
    expect_error(*state, "\"\\", 1, 3, "unknown escape");
}

/* What Envoy's reader takes beyond the standard. */
static void lenient(void **state)
{
    const struct nu_tree *t = read(*state, "{a: 'it\"s', $b_1: [1,], \"c\": \"\n\x01\",}");
    assert_int_equal(t->u.map.n, 3);
    expect_text(nu_tree_get(t, NU_STR("a")), NU_TREE_STRING, NU_STR("it\"s"));
    assert_int_equal(nu_tree_get(t, NU_STR("$b_1"))->u.list.n, 1);
    expect_text(nu_tree_get(t, NU_STR("c")), NU_TREE_STRING, NU_STR("\n\x01"));
    assert_non_null(read(*state, "\xef\xbb\xbf{}"));
}

static void malformed(void **state)
{
    struct fixture *f = *state;
    expect_error(f, "", 1, 1, "empty");
    expect_error(f, " \n ", 2, 2, "the text ends where a value is expected");
    expect_error(f, "{\"a\": 1", 1, 8, "the text ends where ',' or '}' is expected");
    expect_error(f, "[1 2]", 1, 4, "'2' where ',' or ']' is expected");
    expect_error(f, "{\"a\" 1}", 1, 6, "'1' where ':' is expected");
    expect_error(f, "{1: 2}", 1, 2, "'1' where a key in quotes is expected");
    expect_error(f, "{,}", 1, 2, "',' where a key in quotes is expected");
    expect_error(f, "[,]", 1, 2, "',' where a value is expected");
    expect_error(f, "{} x", 1, 4, "'x' where the end of the text is expected");
    expect_error(f, "{} // x", 1, 4, "'/' where the end of the text is expected");
    expect_error(f, "\"abc", 1, 1, "this string has no closing quote");
    expect_error(f, "[tru]", 1, 2, "'t' where a value is expected");
    expect_error(f, "[truee]", 1, 2, "'t' where a value is expected");
    expect_error(f, "[\x01]", 1, 2, "byte 0x01");
    expect_error(f, "{\n  \"\xc3\xa9\": ?}", 2, 8, "'?' where a value is expected"); /* columns are characters */
    expect_error(f, "\"\xff\"", 1, 1, "this string is not UTF-8");
}

static void numbers(void **state)
{
    static const char *const bad[] = {"00", "01", "1.", ".5", "-", "1e", "1e+", "-.5", "-01"};
    for (size_t i = 0; i < NU_ARRAY_LEN(bad); i++)
        if (bad[i][0] != '.')
            expect_error(*state, bad[i], 1, 1, "malformed number");
    expect_error(*state, ".5", 1, 1, "'.' where a value is expected");
    expect_error(*state, "+5", 1, 1, "'+' where a value is expected");
    expect_error(*state, "0x10", 1, 2, "'x' where the end of the text is expected");
    expect_text(read(*state, "-0"), NU_TREE_NUMBER, NU_STR("-0"));
}

static void typographic_quotes(void **state)
{
    expect_error(*state, "{\xe2\x80\x9c" "a\xe2\x80\x9d: 1}", 1, 2, "typographic quote");
    expect_error(*state, "{\"a\": \xe2\x80\x98" "b\xe2\x80\x99}", 1, 7, "straight quotes (\") are needed");
}

static void duplicates(void **state)
{
    struct fixture *f = *state;
    const struct nu_tree *t = read(f, "{\"a\": 1, \"b\": 2, \"a\": 3}");
    assert_int_equal(t->u.map.n, 2);
    expect_text(nu_tree_get(t, NU_STR("a")), NU_TREE_NUMBER, NU_STR("3"));
    assert_true(nu_tree_find(t, NU_STR("a"))->twice);
    assert_false(nu_tree_find(t, NU_STR("b"))->twice);
    assert_int_equal(f->diags.n, 1);
    assert_int_equal(f->diags.items[0].pos.column, 18);
}

static void depth(void **state)
{
    struct nu_sb text = {0};
    for (int levels = 100; levels <= 101; levels++) {
        text.len = 0;
        for (int i = 0; i < levels; i++)
            nu_sb_char(&text, '[');
        for (int i = 0; i < levels; i++)
            nu_sb_char(&text, ']');
        if (levels == 100)
            assert_non_null(read(*state, nu_sb_cstr(&text)));
        else
            expect_error(*state, nu_sb_cstr(&text), 1, 101, "nested deeper than 100 levels");
    }
    nu_sb_free(&text);
}

/* One line of a megabyte: places are counted on, not from its start each time. */
static void long_line(void **state)
{
    struct nu_sb text = {0};
    nu_sb_char(&text, '[');
    for (int i = 0; i < 250000; i++)
        nu_sb_lit(&text, "\"\xc3\xa9\",");
    nu_sb_lit(&text, "1]");
    const struct nu_tree *t = read_str(*state, nu_sb_str(&text));
    assert_non_null(t);
    assert_int_equal(t->u.list.n, 250001);
    assert_int_equal(t->u.list.items[250000]->pos.column, 2 + 4 * 250000);
    nu_sb_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lenient, set_up, tear_down),
        cmocka_unit_test_setup_teardown(malformed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(typographic_quotes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(duplicates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_line, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
