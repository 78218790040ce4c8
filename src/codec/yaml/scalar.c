/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/yaml/scalar.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static bool is_word(nu_str s, const char *const *words)
{
    for (; *words != NULL; words++) {
        nu_str word = nu_str_from(*words);
        if (s.len != word.len || !nu_str_eq_nocase(s, word))
            continue;
        /* all lower, all upper, or only the first letter upper: "yEs" is a string */
        bool rest_lower = true, rest_upper = true;
        for (size_t i = 1; i < s.len; i++) {
            rest_lower &= s.ptr[i] >= 'a';
            rest_upper &= s.ptr[i] < 'a';
        }
        return rest_lower || (rest_upper && s.ptr[0] < 'a');
    }
    return false;
}

/* Characters of an integer, whatever its base. */
static const bool may_be_digit[256] = {
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['x'] = 1,
    ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,
    ['F'] = 1, ['X'] = 1,
};

/* An integer as C's strtoll reads it with base 0, all of the text. */
static bool to_integer(nu_str s, int64_t *out)
{
    char buf[32];
    char *end;
    if (s.len >= sizeof(buf))
        return false;
    for (size_t i = 1; i < s.len; i++) /* an address, a duration */
        if (!may_be_digit[(uint8_t)s.ptr[i]])
            return false;
    memcpy(buf, s.ptr, s.len);
    buf[s.len] = '\0';
    errno = 0;
    *out = strtoll(buf, &end, 0);
    return errno == 0 && *end == '\0' && (buf[s.len - 1] >= '0');
}

/* An integer from 0 to INT32_MAX that is written as it is printed: what most numbers are. */
static bool is_small_decimal(nu_str s)
{
    uint64_t v = 0;
    if (s.len > 10 || (s.ptr[0] == '0' && s.len > 1))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    return v <= INT32_MAX;
}

/* Whether an integer is written as it is printed: no sign +, no leading 0, decimal. */
static bool is_canonical(nu_str s)
{
    size_t digits = s.ptr[0] == '-' ? 1 : 0;
    if (s.ptr[digits] == '0')
        return s.len == 1;
    for (size_t i = digits; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.ptr[0] != '+';
}

/* Numbers and what only looks like one. */
static struct nu_tree *number_or_string(struct nu_tree_builder *b, nu_str text, struct nu_pos pos)
{
    int64_t number;
    bool small = is_small_decimal(text);
    struct nu_tree *t = nu_tree_new(b, small ? NU_TREE_NUMBER : NU_TREE_STRING, pos);
    if (!small && to_integer(text, &number)) {
        if (number >= INT32_MIN && number <= INT32_MAX)
            t->kind = NU_TREE_NUMBER;
        if (!is_canonical(text)) {
            t->u.text = nu_arena_printf(b->arena, "%" PRId64, number);
            return t;
        }
    }
    t->u.text = nu_arena_str(b->arena, text);
    return t;
}

struct nu_tree *nu_yaml_typed_scalar(struct nu_tree_builder *b, nu_str text, struct nu_pos pos)
{
    static const char *const null_words[] = {"~", "null", NULL};
    static const char *const true_words[] = {"y", "yes", "true", "on", NULL};
    static const char *const false_words[] = {"n", "no", "false", "off", NULL};
    if (text.len == 0)
        return nu_tree_new(b, NU_TREE_NULL, pos);
    if ((text.ptr[0] >= '0' && text.ptr[0] <= '9') || text.ptr[0] == '-' || text.ptr[0] == '+')
        return number_or_string(b, text, pos);
    if (text.len <= 5 && strchr("~nNyYtToOfF", text.ptr[0]) != NULL) {
        if (is_word(text, null_words))
            return nu_tree_new(b, NU_TREE_NULL, pos);
        bool yes = is_word(text, true_words);
        if (yes || is_word(text, false_words)) {
            struct nu_tree *t = nu_tree_new(b, NU_TREE_BOOL, pos);
            t->u.boolean = yes;
            return t;
        }
    }
    struct nu_tree *t = nu_tree_new(b, NU_TREE_STRING, pos);
    t->u.text = nu_arena_str(b->arena, text);
    if (nu_tree_starts_curly(text))
        nu_diag_add(b->diags, NU_DIAG_WARNING, b->doc->file, pos, NU_STR(""),
                    "the value begins with a typographic quote, which becomes part of it; straight quotes are \" and '");
    return t;
}
