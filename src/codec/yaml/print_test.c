/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/yaml/print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "codec/json/json.h"
#include "codec/yaml/yaml.h"

static void assert_same(const struct nu_tree *a, const struct nu_tree *b)
{
    assert_int_equal(a->kind, b->kind);
    switch (a->kind) {
    case NU_TREE_NULL:
        break;
    case NU_TREE_BOOL:
        assert_int_equal(a->u.boolean, b->u.boolean);
        break;
    case NU_TREE_NUMBER:
    case NU_TREE_STRING:
        assert_true(nu_str_eq(a->u.text, b->u.text));
        break;
    case NU_TREE_MAP:
        assert_int_equal(a->u.map.n, b->u.map.n);
        for (size_t i = 0; i < a->u.map.n; i++) {
            assert_true(nu_str_eq(a->u.map.members[i].key, b->u.map.members[i].key));
            assert_same(a->u.map.members[i].value, b->u.map.members[i].value);
        }
        break;
    case NU_TREE_LIST:
        assert_int_equal(a->u.list.n, b->u.list.n);
        for (size_t i = 0; i < a->u.list.n; i++)
            assert_same(a->u.list.items[i], b->u.list.items[i]);
        break;
    }
}

/* Prints a JSON text as YAML, reads it back, compares. */
static void check(const char *json, const char *want)
{
    struct nu_arena a;
    struct nu_diags d;
    struct nu_sb sb = {0};
    nu_arena_init(&a, NULL);
    nu_diags_init(&d);
    const struct nu_tree *t = nu_json_read(&a, &d, NU_STR("x.json"), nu_str_from(json));
    assert_non_null(t);
    nu_yaml_print(&sb, t);
    if (want != NULL)
        assert_string_equal(nu_sb_cstr(&sb), want);
    const struct nu_tree *back = nu_yaml_read(&a, &d, NU_STR("x.yaml"), nu_sb_str(&sb));
    if (back == NULL)
        printf("%s\n%.*s\n", nu_sb_cstr(&sb), NU_STR_ARG(d.items[0].text));
    assert_non_null(back);
    assert_same(t, back);
    nu_sb_free(&sb);
    nu_diags_clear(&d);
    nu_arena_clear(&a);
}

static void prints_blocks(void **state)
{
    (void)state;
    check("{\"a\": {\"b\": [1, {\"c\": true, \"d\": null}, [2, [3, []]]], \"e\": {}}, \"f\": \"x\"}",
          "a:\n"
          "  b:\n"
          "  - 1\n"
          "  - c: true\n"
          "    d: null\n"
          "  - - 2\n"
          "    - - 3\n"
          "      - []\n"
          "  e: {}\n"
          "f: x\n");
    check("{}", "{}\n");
    check("[]", "[]\n");
    check("\"x\"", "x\n");
    check("[-5, 0, 2147483647, false]", "- -5\n- 0\n- 2147483647\n- false\n");
}

static void quotes_what_yaml_reads_otherwise(void **state)
{
    (void)state;
    static const char *const quoted[] = {
        "",      "y",        "No",     "ON",     "off",    "True",  "null", "~",     "1",       "0x1f",  "-1",   "1.5",
        ".5",    "1e3",      "1:30",   "+1",     "a: b",   "a #b",  " a",   "a ",    "- a",     "*",     "&a",   "!x",
        "@x",    "%REQ(X)%", "`x",     "{a}",    "[a]",    "a:",    "? a",  "|",     ">",       "'a'",   ":path", "2001-01-01",
        "a b",   "1.2.3",    "=",      "<<",     "#a",     "---",   "...",  "-",     "1_000",   "0.5.5s", "1.2.3.s", ".inf",
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(quoted); i++) {
        char json[64], want[64];
        snprintf(json, sizeof(json), "[\"%s\"]", quoted[i]);
        snprintf(want, sizeof(want), "- \"%s\"\n", quoted[i]);
        check(json, want);
    }
}

static void leaves_ordinary_words_plain(void **state)
{
    (void)state;
    static const char *const plain[] = {
        "router", "envoy.filters.http.router", "type.googleapis.com/a.B", "/service1", "V4_ONLY", "0.25s", "0s", "15s",
        "127.0.0.1", "x5xx", "connect-failure,5xx", "tcp://a", "yes/no", "_x", "a:b", "x-envoy-retry-on",
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(plain); i++) {
        char json[64], want[64];
        snprintf(json, sizeof(json), "{\"%s\": \"%s\"}", plain[i], plain[i]);
        snprintf(want, sizeof(want), "%s: %s\n", plain[i], plain[i]);
        check(json, want);
    }
}

static void escapes_in_quotes(void **state)
{
    (void)state;
    check("[\"a\\nb\\t\\\"\\\\\\u0000\\u007f\\r\"]", "- \"a\\nb\\t\\\"\\\\\\u0000\\u007f\\u000d\"\n");
    check("[\"\\u00e9\\u2028\\ufeff\\u0085\"]", "- \"\xc3\xa9\\u2028\\ufeff\\u0085\"\n");
    check("[\"\\ud83d\\ude00\"]", "- \"\xf0\x9f\x98\x80\"\n");
    check("{\"a b\": 1, \"no\": 2}", "\"a b\": 1\n\"no\": 2\n");
}

static void replaces_what_is_not_utf8(void **state)
{
    (void)state;
    static const char *const texts[] = {"\xff", "\xc3", "\xe2\x82", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80"};
    for (size_t i = 0; i < NU_ARRAY_LEN(texts); i++) {
        struct nu_sb sb = {0};
        struct nu_tree t = {.kind = NU_TREE_STRING, .u.text = nu_str_from(texts[i])};
        nu_yaml_print(&sb, &t);
        assert_true(nu_str_starts(nu_sb_str(&sb), NU_STR("\"\xef\xbf\xbd")));
        assert_true(nu_str_ends(nu_sb_str(&sb), NU_STR("\xef\xbf\xbd\"\n")));
        nu_sb_free(&sb);
    }
}

static void long_keys_have_a_form_of_their_own(void **state)
{
    (void)state;
    char json[2200], key[2001];
    memset(key, 'k', 2000);
    key[2000] = '\0';
    snprintf(json, sizeof(json), "{\"%s\": [1, {\"a\": 2}], \"b\": 3}", key);
    check(json, NULL);
    snprintf(json, sizeof(json), "[{\"%s\": {\"a\": 2}}]", key);
    check(json, NULL);
    snprintf(json, sizeof(json), "[{\"%s\": 1}, \"%.100s\"]", key, key);
    check(json, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_blocks),
        cmocka_unit_test(quotes_what_yaml_reads_otherwise),
        cmocka_unit_test(leaves_ordinary_words_plain),
        cmocka_unit_test(escapes_in_quotes),
        cmocka_unit_test(replaces_what_is_not_utf8),
        cmocka_unit_test(long_keys_have_a_form_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
