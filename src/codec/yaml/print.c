/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/yaml/print.h"

/* Longer keys need the form "? key" (YAML 1.1 s9.2.3: at most 1024 characters); escapes may make four times the size. */
enum { LONGEST_SIMPLE_KEY = 200 };

static void print_block(struct nu_sb *out, const struct nu_tree *t, size_t indent);

static bool is_plain_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_./-+,@%=*:$()", c) != NULL);
}

/* Words that YAML 1.1 reads as booleans or null, whatever their case: some readers are not strict about it. */
static bool is_word(nu_str s)
{
    static const char *const words[] = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"};
    for (size_t i = 0; i < NU_ARRAY_LEN(words); i++) {
        if (nu_str_eq_nocase(s, nu_str_from(words[i])))
            return true;
    }
    return false;
}

/* "0.25s" and "10.0.0.1" begin like numbers, and are none. */
static bool is_duration_or_ip(nu_str s)
{
    unsigned dots = 0;
    for (size_t i = 0; i < s.len; i++) {
        bool digit = s.ptr[i] >= '0' && s.ptr[i] <= '9';
        dots += s.ptr[i] == '.';
        if (!digit && s.ptr[i] != '.')
            return s.ptr[i] == 's' && i + 1 == s.len && dots <= 1;
    }
    return dots == 3;
}

static bool is_plain(nu_str s)
{
    if (s.len == 0 || is_word(s))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_plain_char(s.ptr[i]))
            return false;
    }
    if (s.ptr[s.len - 1] == ':')
        return false;
    char c = nu_ascii_lower(s.ptr[0]);
    return (c >= 'a' && c <= 'z') || c == '_' || c == '/' || (c >= '0' && c <= '9' && is_duration_or_ip(s));
}

/* Reads one code point; what is not UTF-8 is U+FFFD, a byte at a time. */
static uint32_t next_char(nu_str *s)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint8_t first = (uint8_t)s->ptr[0];
    size_t more = first < 0x80 ? 0 : first < 0xc2 ? 4 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 4;
    uint32_t c = more == 0 ? first : more < 4 ? first & (0x3fu >> more) : 0;
    size_t n = 1;
    if (more < 4 && s->len > more) {
        while (n <= more && ((uint8_t)s->ptr[n] & 0xc0) == 0x80)
            c = c << 6 | ((uint8_t)s->ptr[n++] & 0x3f);
    }
    bool ok = more < 4 && n == more + 1 && c >= least[more] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
    *s = nu_str_skip(*s, ok ? n : 1);
    return ok ? c : 0xfffd;
}

/* Controls, and what YAML 1.1 takes for line ends or does not allow in a text at all. */
static bool needs_escape(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff;
}

static void print_quoted(struct nu_sb *out, nu_str s)
{
    nu_sb_char(out, '"');
    while (s.len > 0) {
        nu_str before = s;
        uint32_t c = next_char(&s);
        if (c == '"' || c == '\\')
            nu_sb_printf(out, "\\%c", (int)c);
        else if (c == '\n')
            nu_sb_lit(out, "\\n");
        else if (c == '\t')
            nu_sb_lit(out, "\\t");
        else if (needs_escape(c))
            nu_sb_printf(out, "\\u%04x", c);
        else if (c == 0xfffd)
            nu_sb_lit(out, "\xef\xbf\xbd");
        else
            nu_sb_add(out, nu_str_first(before, before.len - s.len));
    }
    nu_sb_char(out, '"');
}

static void print_text(struct nu_sb *out, nu_str s)
{
    if (is_plain(s))
        nu_sb_add(out, s);
    else
        print_quoted(out, s);
}

static bool is_block(const struct nu_tree *t)
{
    return (t->kind == NU_TREE_MAP && t->u.map.n > 0) || (t->kind == NU_TREE_LIST && t->u.list.n > 0);
}

static void print_inline(struct nu_sb *out, const struct nu_tree *t)
{
    switch (t->kind) {
    case NU_TREE_NULL:
        nu_sb_lit(out, "null");
        break;
    case NU_TREE_BOOL:
        nu_sb_add(out, t->u.boolean ? NU_STR("true") : NU_STR("false"));
        break;
    case NU_TREE_NUMBER:
        nu_sb_add(out, t->u.text);
        break;
    case NU_TREE_STRING:
        print_text(out, t->u.text);
        break;
    case NU_TREE_MAP:
        nu_sb_lit(out, "{}");
        break;
    case NU_TREE_LIST:
        nu_sb_lit(out, "[]");
        break;
    }
    nu_sb_char(out, '\n');
}

static void print_indent(struct nu_sb *out, size_t indent)
{
    for (size_t i = 0; i < indent; i++)
        nu_sb_char(out, ' ');
}

static void print_member(struct nu_sb *out, const struct nu_tree_member *m, size_t indent)
{
    bool is_long = m->key.len > LONGEST_SIMPLE_KEY;
    if (is_long)
        nu_sb_lit(out, "? ");
    print_text(out, m->key);
    if (is_long) {
        nu_sb_char(out, '\n');
        print_indent(out, indent);
    }
    nu_sb_char(out, ':');
    if (!is_block(m->value)) {
        nu_sb_char(out, ' ');
        print_inline(out, m->value);
        return;
    }
    nu_sb_char(out, '\n');
    /* A list stands at the indentation of its key; its dashes tell. Not after "? key", whose colon stands there. */
    size_t inner = m->value->kind == NU_TREE_LIST && !is_long ? indent : indent + 2;
    print_indent(out, inner);
    print_block(out, m->value, inner);
}

static void print_item(struct nu_sb *out, const struct nu_tree *t, size_t indent)
{
    nu_sb_lit(out, "- ");
    if (is_block(t))
        print_block(out, t, indent + 2);
    else
        print_inline(out, t);
}

/* The first line's indentation is there already: after "- " it is the dash's. */
static void print_block(struct nu_sb *out, const struct nu_tree *t, size_t indent)
{
    size_t n = t->kind == NU_TREE_MAP ? t->u.map.n : t->u.list.n;
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            print_indent(out, indent);
        if (t->kind == NU_TREE_MAP)
            print_member(out, &t->u.map.members[i], indent);
        else
            print_item(out, t->u.list.items[i], indent);
    }
}

void nu_yaml_print(struct nu_sb *out, const struct nu_tree *t)
{
    if (is_block(t))
        print_block(out, t, 0);
    else
        print_inline(out, t);
}
