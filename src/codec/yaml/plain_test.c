/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sb.h"
#include "codec/yaml/compare_priv.h"

static void expect(const char *text, bool taken)
{
    const char *wrong;
    if (nu_yaml_compare(nu_str_from(text), &wrong) != taken)
        fail_msg("%s:\n%s", taken ? "not taken" : "taken", text);
    if (wrong != NULL)
        fail_msg("%s:\n%s", wrong, text);
}

/* What configuration files are written in is not left to libyaml, and is what libyaml makes of it. */
static void taken(void **state)
{
    static const char *const texts[] = {
        "a: 1\n",
        "a: 1",
        "a\n",
        "\n# c\n---\n# c\na: 1 # c\n\n  # c\nb: 2\n",
        "--- # c\na: b\n",
        "\xef\xbb\xbf" "a: b\n",
        "a:\n  b:\n    c: x\n  d: y\ne: z\n",
        "  a: b\n  c: d\n",
        "a:\nb:\n\n  # c\nc:   # c\nd: e\n",
        "a:\n- b\n- c: d\n  e:\n  - f\n  g: h\n-\n- \ni: j\n",
        "a:\n  - b\n  -   c: d\n      e: f\n  - - g\n    - h\n    -\n  -\n    i: j\nk: l\n",
        "- a\n- - - b\n    - c\n- d:\n  - e\n",
        "-\n  - a\n-\n  b: c\n",
        "a:\n  b\nc:\n  \"d\"\ne:\n  {f: g}\n",
        "a b : c d e\n\"f\" : g\n",
        "a: [b, c d, 'e', \"f\", {g: h}, [], {}, ]\nb: {c: d, \"e\":f, \"g\": {h: i}, }\nj: k\n",
        "{\"a\": [1, 2,\n3\n], # c\n\"b\":true,\n  \"c\":{\"d\":null}}\n",
        "a: http://x:80/y#z?a=b\nb: :path\nc: -5\nd: --x\ne: <<\n<<: f\ng: a'b\"c\nh: =[]{},&*!|>%@`\n",
        "a: [http://x:80, a#b, -5, b]\n",
        "a: 'it''s'\nb: ''\nc: \"\"\nd: \"q\\\"\\\\\\/\\n\\r\\t\"\n'e': ''''\n",
        "a: 'b\n  c  \n\n  d'\ne: \" f\n\n\n  g \\n \n h \"\ni: '\n'\n",
        "a: {b: 'c\n  d', e: f}\n",
        "a: |\n  b\n   c\n\n  d\n\n\ne: |-\n\n   f\n   # g\n # c\nh: |+\n i\n\n\n",
        "a:\n- |\n b\n- >-\n  c\n  d\n\n  e\n- f\n",
        "a: |\n  b\n    \n  c",
        "a: >\n  b\n  c\n\n\n  d\n",
        "a: 0x10\nb: 017\nc: yes\nd: ~\ne: No\nf: 1.5\ng: 2147483648\nh: +1\ni: on fire\nj: \"5\"\nk: 'yes'\n",
        "\xc3\xa9: \xe4\xb8\xad # \xf0\x9f\x98\x80\n\xc3\xa9\xc3\xa9:\nb: {\xc3\xa9: [\xc3\xa9, x, \"\xc3\xa9\"], y: z}\n",
        "a: \"b\tc\" # \td\n",
    };
    (void)state;
    for (size_t i = 0; i < NU_ARRAY_LEN(texts); i++)
        expect(texts[i], true);
}

/* What libyaml has to look at: because there is more in it, because it is wrong, or because something is to be told. */
static void left(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "# c\n",
        "---\n",
        "%YAML 1.1\n---\na: b\n",
        "a: b\n---\nc: d\n",
        "a: b\n...\n",
        "--- a\n",
        "a: &x b\n",
        "a: *x\n",
        "a: !!str b\n",
        "? a\n: b\n",
        "a: |2\n  b\n",
        "a: |\nb: c\n",
        "a: |\n\n    \n  b\n",
        "a: >\n  b\n    c\n  d\n",
        "a: b\n  c\n",
        "a: b\n  c: d\n",
        "a: b: c\n",
        "a: 'b' c\n",
        "a: 'b'#c\n",
        "a: - b\n",
        "a:\tb\n",
        "a: b\tc\n",
        "a:\n\tb: c\n",
        "a: b\n c: d\n",
        "  a: b\n c: d\n",
        "a:\n    b: c\n  d: e\n",
        "- a\nb: c\n",
        "a: b\n- c\n",
        "a:\n  - b\n  c: d\n",
        "a\nb\n",
        "a: @b\n",
        "a: [b\n",
        "a: [b]c\n",
        "a: [b: c]\n",
        "a: {b, c: d}\n",
        "a: {b: , c: d}\n",
        "a: [b\n  c]\n",
        "[a]: b\n",
        "'a\n b': c\n",
        "a: 'b\n---\nc'\n",
        "a: \"\\x41\"\n",
        "a: \"b\n",
        "a: 1\r\nb: 2\r\n",
        "a: \x01\n",
        "a: \x7f\n",
        "a: \xc2\x85\n",
        "a: \xe2\x80\xa8\n",
        "a: \xef\xbf\xbe\n",
        "a: \xff\n",
        "a: \xe2\x80\x9cx\xe2\x80\x9d\n",
        "a: 1\na: 2\n",
    };
    (void)state;
    for (size_t i = 0; i < NU_ARRAY_LEN(texts); i++)
        expect(texts[i], false);
}

/* What is too deep, and keys that are too long, get libyaml's error message. */
static void limits(void **state)
{
    struct nu_sb text = {0};
    (void)state;
    for (int levels = 80; levels <= 100; levels += 20) {
        text.len = 0;
        for (int i = 0; i < levels; i++)
            nu_sb_lit(&text, "- ");
        nu_sb_lit(&text, "a\n");
        expect(nu_sb_cstr(&text), levels == 80);
    }
    for (int bytes = 900; bytes <= 1100; bytes += 200) {
        text.len = 0;
        for (int i = 0; i < bytes; i++)
            nu_sb_char(&text, 'k');
        nu_sb_lit(&text, ": v\n");
        expect(nu_sb_cstr(&text), bytes == 900);
    }
    nu_sb_free(&text);
}

/* A text of 300 keys that occur twice or more in maps: keys share their copies. */
static void many_keys(void **state)
{
    struct nu_sb text = {0};
    (void)state;
    for (int i = 0; i < 600; i++)
        nu_sb_printf(&text, "- key%d: v\n  other%d: {x: %d}\n", i % 300, i % 7, i);
    expect(nu_sb_cstr(&text), true);
    nu_sb_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken),
        cmocka_unit_test(left),
        cmocka_unit_test(limits),
        cmocka_unit_test(many_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
