/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/sb.h"
#include "codec/yaml/yaml.h"

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

/* A text anew: what was reported before is forgotten. */
static const struct nu_tree *read(struct fixture *f, const char *text)
{
    nu_diags_clear(&f->diags);
    nu_diags_init(&f->diags);
    return nu_yaml_read(&f->arena, &f->diags, NU_STR("x.yaml"), nu_str_from(text));
}

/* One value under the key "k". */
static const struct nu_tree *value(struct fixture *f, const char *text)
{
    char doc[256];
    snprintf(doc, sizeof(doc), "k: %s\n", text);
    const struct nu_tree *t = read(f, doc);
    assert_non_null(t);
    const struct nu_tree *v = nu_tree_get(t, NU_STR("k"));
    assert_non_null(v);
    return v;
}

static void expect_text(const struct nu_tree *t, enum nu_tree_kind kind, const char *text)
{
    assert_non_null(t);
    assert_int_equal(t->kind, kind);
    assert_int_equal(t->u.text.len, strlen(text));
    assert_memory_equal(t->u.text.ptr, text, strlen(text));
}

static void expect_error(struct fixture *f, const char *text, unsigned line, unsigned column, const char *part)
{
    assert_null(read(f, text));
    assert_int_equal(f->diags.n_errors, 1);
    const struct nu_diag *d = &f->diags.items[f->diags.n - 1];
    if (nu_str_search(d->text, nu_str_from(part)) < 0)
        fail_msg("%s: \"%.*s\" lacks \"%s\"", text, NU_STR_ARG(d->text), part);
    assert_int_equal(d->pos.line, line);
    assert_int_equal(d->pos.column, column);
}

/* yaml-cpp's words, in the three spellings it knows. */
static void booleans_and_null(void **state)
{
    static const char *const yes[] = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};
    static const char *const no[] = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"};
    static const char *const null[] = {"", "~", "null", "Null", "NULL"};
    static const char *const neither[] = {"yEs", "tRUE", "oN", "nUll", "nULL", "truee", "Yess", "\"true\"", "'no'", "! yes"};
    for (size_t i = 0; i < NU_ARRAY_LEN(yes); i++) {
        assert_int_equal(value(*state, yes[i])->kind, NU_TREE_BOOL);
        assert_true(value(*state, yes[i])->u.boolean);
        assert_int_equal(value(*state, no[i])->kind, NU_TREE_BOOL);
        assert_false(value(*state, no[i])->u.boolean);
    }
    for (size_t i = 0; i < NU_ARRAY_LEN(null); i++)
        assert_int_equal(value(*state, null[i])->kind, NU_TREE_NULL);
    for (size_t i = 0; i < NU_ARRAY_LEN(neither); i++)
        assert_int_equal(value(*state, neither[i])->kind, NU_TREE_STRING);
}

static void integers(void **state)
{
    static const char *const numbers[][2] = {
        {"0", "0"},        {"80", "80"},           {"-5", "-5"},    {"+5", "5"},           {"0x1F", "31"},
        {"-0x10", "-16"},  {"017", "15"},          {"-0", "0"},     {"2147483647", "2147483647"},
        {"-2147483648", "-2147483648"},
    };
    static const char *const strings[][2] = {
        {"1.5", "1.5"},   {"5.0", "5.0"},   {"1e3", "1e3"},   {".5", ".5"},       {"08", "08"},       {"0x", "0x"},
        {"1_000", "1_000"}, {"0b11", "0b11"}, {"0o17", "0o17"}, {"1:30", "1:30"},   {".inf", ".inf"},
        {"2147483648", "2147483648"},       {"0xffffffff", "4294967295"},          {"\"80\"", "80"},  {"'80'", "80"},
        {"9223372036854775808", "9223372036854775808"}, {"2001-01-01", "2001-01-01"}, {"! 5", "5"},   {"10000000000", "10000000000"},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(numbers); i++)
        expect_text(value(*state, numbers[i][0]), NU_TREE_NUMBER, numbers[i][1]);
    for (size_t i = 0; i < NU_ARRAY_LEN(strings); i++)
        expect_text(value(*state, strings[i][0]), NU_TREE_STRING, strings[i][1]);
    /* A tag makes Envoy look at the text as if it were plain. */
    expect_text(value(*state, "!!str 5"), NU_TREE_NUMBER, "5");
    expect_text(value(*state, "!!int \"5\""), NU_TREE_NUMBER, "5");
}

static void strings(void **state)
{
    expect_text(value(*state, "\"a\\u00e9\\x41\\n\""), NU_TREE_STRING, "a\xc3\xa9"
                                                                     "A\n");
    expect_text(value(*state, "'it''s'"), NU_TREE_STRING, "it's");
    expect_text(value(*state, "|\n  a\n   b\n"), NU_TREE_STRING, "a\n b\n");
    expect_text(value(*state, ">-\n  a\n  b\n"), NU_TREE_STRING, "a b");
    expect_text(value(*state, "a#b # c"), NU_TREE_STRING, "a#b");
}

static void places(void **state)
{
    const struct nu_tree *t = read(*state, "a: 1\n\xc3\xa9: {b: [x,\n  y]}\n");
    const struct nu_tree_member *m = nu_tree_find(t, NU_STR("\xc3\xa9"));
    assert_int_equal(m->key_pos.line, 2);
    assert_int_equal(m->key_pos.column, 1);
    assert_int_equal(m->value->pos.column, 4); /* columns are characters */
    const struct nu_tree *list = nu_tree_get(m->value, NU_STR("b"));
    assert_int_equal(list->u.list.items[1]->pos.line, 3);
    assert_int_equal(list->u.list.items[1]->pos.column, 3);
    assert_true(nu_str_eq(t->doc->file, NU_STR("x.yaml")));
}

static void aliases(void **state)
{
    struct fixture *f = *state;
    const struct nu_tree *t = read(f, "a: &x {p: 1}\nb: *x\nc: [*x, &y z, *y]\n&k key: 1\nd: *k\n*k : 2\n");
    assert_non_null(t);
    assert_ptr_equal(nu_tree_get(t, NU_STR("a")), nu_tree_get(t, NU_STR("b")));
    const struct nu_tree *c = nu_tree_get(t, NU_STR("c"));
    assert_ptr_equal(c->u.list.items[0], nu_tree_get(t, NU_STR("a")));
    expect_text(c->u.list.items[2], NU_TREE_STRING, "z");
    expect_text(nu_tree_get(t, NU_STR("d")), NU_TREE_STRING, "key");
    expect_text(nu_tree_get(t, NU_STR("key")), NU_TREE_NUMBER, "2"); /* the last one holds */
    /* An anchor that is used again means what it meant last. */
    t = read(f, "a: &x 1\nb: &x 2\nc: *x\n");
    expect_text(nu_tree_get(t, NU_STR("c")), NU_TREE_NUMBER, "2");
    expect_error(f, "a: *x\n", 1, 4, "no anchor \"&x\"");
    /* Envoy dies of this one. */
    expect_error(f, "a: &x {b: *x}\n", 1, 11, "no anchor \"&x\"");
    /* Merge keys are not in Envoy's YAML. */
    t = read(f, "a: &x {p: 1}\nb:\n  <<: *x\n");
    assert_non_null(nu_tree_get(nu_tree_get(t, NU_STR("b")), NU_STR("<<")));
}

/* Nine levels of nine aliases are 400 million values; the memory is that of 90. */
static void alias_bomb(void **state)
{
    struct nu_sb text = {0};
    nu_sb_lit(&text, "a: &a [1,1,1,1,1,1,1,1,1]\n");
    for (char c = 'b'; c < 'j'; c++) {
        nu_sb_printf(&text, "%c: &%c [", c, c);
        for (int i = 0; i < 9; i++)
            nu_sb_printf(&text, "%s*%c", i > 0 ? "," : "", c - 1);
        nu_sb_lit(&text, "]\n");
    }
    struct fixture *f = *state;
    assert_null(read(f, nu_sb_cstr(&text)));
    assert_true(nu_str_starts(f->diags.items[f->diags.n - 1].text, NU_STR("aliases expand to more than")));
    nu_sb_free(&text);
}

static void depth(void **state)
{
    struct nu_sb text = {0};
    struct fixture *f = *state;
    for (int levels = 100; levels <= 101; levels++) {
        text.len = 0;
        for (int i = 0; i < levels; i++)
            nu_sb_char(&text, '[');
        for (int i = 0; i < levels; i++)
            nu_sb_char(&text, ']');
        if (levels == 100)
            assert_non_null(read(f, nu_sb_cstr(&text)));
        else
            expect_error(f, nu_sb_cstr(&text), 1, 101, "nested deeper than 100 levels");
    }
    nu_sb_free(&text);
}

static void duplicates(void **state)
{
    struct fixture *f = *state;
    struct nu_sb text = {0};
    const struct nu_tree *t = read(f, "a: 1\nb: 2\na: 3\n");
    assert_int_equal(t->u.map.n, 2);
    expect_text(nu_tree_get(t, NU_STR("a")), NU_TREE_NUMBER, "3");
    assert_int_equal(f->diags.n, 1);
    assert_int_equal(f->diags.items[0].kind, NU_DIAG_WARNING);
    assert_int_equal(f->diags.items[0].pos.line, 3);
    /* Large maps are searched by another way. */
    for (int i = 0; i < 40; i++)
        nu_sb_printf(&text, "k%d: %d\n", i % 20, i);
    t = read(f, nu_sb_cstr(&text));
    assert_int_equal(t->u.map.n, 20);
    for (int i = 0; i < 20; i++) {
        char key[8], number[8];
        snprintf(key, sizeof(key), "k%d", i);
        snprintf(number, sizeof(number), "%d", i + 20);
        expect_text(nu_tree_get(t, nu_str_from(key)), NU_TREE_NUMBER, number);
    }
    nu_sb_free(&text);
}

static void documents(void **state)
{
    struct fixture *f = *state;
    expect_text(nu_tree_get(read(f, "%YAML 1.1\n---\na: x\n...\n---\n[unclosed"), NU_STR("a")), NU_TREE_STRING, "x");
    expect_text(nu_tree_get(read(f, "\xef\xbb\xbf" "a: x\n"), NU_STR("a")), NU_TREE_STRING, "x");
    expect_error(f, "", 1, 1, "empty");
    expect_error(f, "# nothing\n", 1, 1, "empty");
}

static void malformed(void **state)
{
    struct fixture *f = *state;
    expect_error(f, "a:\n\tb: 1\n", 2, 1, "not YAML");
    expect_error(f, "a: [1,\nb: 2\n", 3, 1, "not YAML");
    expect_error(f, "a: \"x\n", 2, 1, "not YAML");
    expect_error(f, "{a: b} : c\n", 1, 1, "key of a map must be a string");
    expect_error(f, "a: @x\n", 1, 4, "needs quotes");
    expect_error(f, "a: [*]\n", 1, 6, "needs quotes");
    expect_error(f, "a: b: c\n", 1, 5, "needs quotes");
    expect_error(f, "a: 1\n\tb: 1\n", 2, 1, "not tabs");
    expect_error(f, "- a: 1\n  b: 1\n c: 1\n", 3, 2, "the same indentation");
    expect_error(f, "a: \xed\xa0\x80\n", 1, 1, "not YAML"); /* libyaml gives no place for bytes */
}

static void not_utf8(void **state)
{
    struct fixture *f = *state;
    expect_text(nu_tree_get(read(f, "b: 1\na: \"x\xff\xfey\xc3\"\n"), NU_STR("a")), NU_TREE_STRING, "x  y ");
    assert_int_equal(f->diags.n, 1);
    assert_int_equal(f->diags.items[0].kind, NU_DIAG_WARNING);
    assert_int_equal(f->diags.items[0].pos.line, 2);
    assert_int_equal(f->diags.items[0].pos.column, 6);
}

static void typographic_quotes(void **state)
{
    struct fixture *f = *state;
    expect_text(nu_tree_get(read(f, "a: \xe2\x80\x9cx\xe2\x80\x9d\n"), NU_STR("a")), NU_TREE_STRING,
                "\xe2\x80\x9cx\xe2\x80\x9d");
    assert_int_equal(f->diags.n, 1);
    assert_true(nu_str_search(f->diags.items[0].text, NU_STR("typographic quote")) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(booleans_and_null, set_up, tear_down),
        cmocka_unit_test_setup_teardown(integers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(aliases, set_up, tear_down),
        cmocka_unit_test_setup_teardown(alias_bomb, set_up, tear_down),
        cmocka_unit_test_setup_teardown(depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(duplicates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(documents, set_up, tear_down),
        cmocka_unit_test_setup_teardown(malformed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_utf8, set_up, tear_down),
        cmocka_unit_test_setup_teardown(typographic_quotes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
