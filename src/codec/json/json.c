/* SPDX-License-Identifier: Apache-2.0
 *
 * Recursive descent, one character of look-ahead; depth and size are bounded as for YAML. */
#include "codec/json/json.h"

#include "base/sb.h"

struct reader {
    struct nu_tree_builder b;
    const char *p, *end, *line_start;
    const char *counted; /* up to here, on the same line, columns were counted */
    uint32_t line, column;
    unsigned depth;
};

static struct nu_tree *read_value(struct reader *r);

/* Columns are characters. Counting goes on from the last place asked for: one long line stays linear. */
static struct nu_pos here(struct reader *r)
{
    if (r->counted < r->line_start || r->counted > r->p) {
        r->counted = r->line_start;
        r->column = 1;
    }
    for (; r->counted < r->p; r->counted++)
        r->column += ((uint8_t)*r->counted & 0xc0) != 0x80;
    return (struct nu_pos){.line = r->line, .column = r->column};
}

static void skip_space(struct reader *r)
{
    for (; r->p < r->end; r->p++) {
        if (*r->p == '\n') {
            r->line++;
            r->line_start = r->p + 1;
        } else if (*r->p != ' ' && *r->p != '\t' && *r->p != '\r') {
            return;
        }
    }
}

/* The next character that is not space; 0 at the end. */
static char peek(struct reader *r)
{
    skip_space(r);
    return r->p < r->end ? *r->p : '\0';
}

static void fail_expected(struct reader *r, const char *what)
{
    struct nu_pos pos = here(r);
    nu_str rest = nu_str_make(r->p, (size_t)(r->end - r->p));
    if (rest.len == 0)
        nu_tree_fail(&r->b, pos, "not JSON: the text ends where %s is expected", what);
    else if (nu_tree_starts_curly(rest))
        nu_tree_fail(&r->b, pos,
                     "not JSON: typographic quote \"%.3s\" (from a copied article?); straight quotes (\") are needed",
                     rest.ptr);
    else if ((uint8_t)*rest.ptr < 0x20 || (uint8_t)*rest.ptr >= 0x7f)
        nu_tree_fail(&r->b, pos, "not JSON: byte 0x%02x where %s is expected", (uint8_t)*rest.ptr, what);
    else
        nu_tree_fail(&r->b, pos, "not JSON: '%c' where %s is expected", *rest.ptr, what);
}

static int hex4(struct reader *r)
{
    uint64_t v;
    if (r->end - r->p < 4 || !nu_str_hex_to_u64(nu_str_make(r->p, 4), &v))
        return -1;
    r->p += 4;
    return (int)v;
}

static void add_utf8(struct nu_sb *sb, uint32_t c)
{
    if (c < 0x80) {
        nu_sb_char(sb, (char)c);
    } else if (c < 0x800) {
        nu_sb_char(sb, (char)(0xc0 | c >> 6));
        nu_sb_char(sb, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        nu_sb_char(sb, (char)(0xe0 | c >> 12));
        nu_sb_char(sb, (char)(0x80 | (c >> 6 & 0x3f)));
        nu_sb_char(sb, (char)(0x80 | (c & 0x3f)));
    } else {
        nu_sb_char(sb, (char)(0xf0 | c >> 18));
        nu_sb_char(sb, (char)(0x80 | (c >> 12 & 0x3f)));
        nu_sb_char(sb, (char)(0x80 | (c >> 6 & 0x3f)));
        nu_sb_char(sb, (char)(0x80 | (c & 0x3f)));
    }
}

/* After "\u": one code point, which may need a second \u (RFC 8259 s7). */
static bool read_unicode(struct reader *r, struct nu_sb *sb)
{
    int c = hex4(r);
    if (c < 0)
        return false;
    if (c >= 0xd800 && c < 0xdc00) {
        if (r->end - r->p < 2 || r->p[0] != '\\' || r->p[1] != 'u')
            return false;
        r->p += 2;
        int low = hex4(r);
        if (low < 0xdc00 || low > 0xdfff)
            return false;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c <= 0xdfff) {
        return false;
    }
    add_utf8(sb, (uint32_t)c);
    return true;
}

static bool read_escape(struct reader *r, struct nu_sb *sb)
{
    static const char from[] = "\"\\/bfnrt'";
    static const char to[] = "\"\\/\b\f\n\r\t'";
    if (r->p == r->end)
        return false;
    char c = *r->p++;
    if (c == 'u')
        return read_unicode(r, sb);
    const char *at = c != '\0' ? strchr(from, c) : NULL;
    if (at == NULL)
        return false;
    nu_sb_char(sb, to[at - from]);
    return true;
}

/* At the opening quote. */
static bool read_string(struct reader *r, nu_str *out)
{
    struct nu_sb sb = {0};
    struct nu_pos start = here(r);
    char quote = *r->p++;
    bool ok = true;
    while (ok && r->p < r->end && *r->p != quote) {
        char c = *r->p++;
        if (c == '\n') {
            r->line++;
            r->line_start = r->p;
        }
        if (c != '\\') {
            nu_sb_char(&sb, c);
        } else if (!read_escape(r, &sb)) {
            nu_tree_fail(&r->b, here(r), "not JSON: unknown escape in a string");
            ok = false;
        }
    }
    if (ok && r->p == r->end) {
        nu_tree_fail(&r->b, start, "not JSON: this string has no closing quote");
        ok = false;
    }
    r->p += ok;
    if (ok && !nu_tree_is_utf8(nu_sb_str(&sb))) {
        nu_tree_fail(&r->b, start, "not JSON: this string is not UTF-8");
        ok = false;
    }
    *out = nu_arena_str(r->b.arena, nu_sb_str(&sb));
    nu_sb_free(&sb);
    return ok;
}

static nu_str take_word(struct reader *r)
{
    const char *start = r->p;
    while (r->p < r->end && ((*r->p >= 'a' && *r->p <= 'z') || (*r->p >= 'A' && *r->p <= 'Z') || *r->p == '_' ||
                             *r->p == '$' || (*r->p >= '0' && *r->p <= '9')))
        r->p++;
    return nu_str_make(start, (size_t)(r->p - start));
}

static size_t take_digits(struct reader *r)
{
    const char *start = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
        r->p++;
    return (size_t)(r->p - start);
}

/* number = [ minus ] int [ frac ] [ exp ]  (RFC 8259 s6) */
static struct nu_tree *read_number(struct reader *r)
{
    struct nu_pos pos = here(r);
    const char *start = r->p;
    bool ok = true;
    r->p += *r->p == '-';
    const char *digits = r->p;
    size_t n = take_digits(r);
    ok = n == 1 || (n > 1 && *digits != '0');
    if (r->p < r->end && *r->p == '.') {
        r->p++;
        ok &= take_digits(r) > 0;
    }
    if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        ok &= take_digits(r) > 0;
    }
    if (!ok) {
        nu_tree_fail(&r->b, pos, "not JSON: malformed number");
        return NULL;
    }
    struct nu_tree *t = nu_tree_new(&r->b, NU_TREE_NUMBER, pos);
    t->u.text = nu_arena_str(r->b.arena, nu_str_make(start, (size_t)(r->p - start)));
    return t;
}

static struct nu_tree *read_word(struct reader *r)
{
    struct nu_pos pos = here(r);
    const char *start = r->p;
    nu_str word = take_word(r);
    if (nu_str_eq(word, NU_STR("null")))
        return nu_tree_new(&r->b, NU_TREE_NULL, pos);
    if (nu_str_eq(word, NU_STR("true")) || nu_str_eq(word, NU_STR("false"))) {
        struct nu_tree *t = nu_tree_new(&r->b, NU_TREE_BOOL, pos);
        t->u.boolean = word.len == 4;
        return t;
    }
    r->p = start;
    fail_expected(r, "a value");
    return NULL;
}

static bool read_key(struct reader *r, nu_str *key)
{
    char c = peek(r);
    if (c == '"' || c == '\'')
        return read_string(r, key);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$') {
        *key = nu_arena_str(r->b.arena, take_word(r));
        return true;
    }
    fail_expected(r, "a key in quotes");
    return false;
}

static bool read_member(struct reader *r)
{
    nu_str key;
    skip_space(r);
    struct nu_pos key_pos = here(r);
    if (!read_key(r, &key))
        return false;
    if (peek(r) != ':') {
        fail_expected(r, "':'");
        return false;
    }
    r->p++;
    struct nu_tree *value = read_value(r);
    if (value != NULL)
        nu_tree_push(&r->b, key, key_pos, value);
    return value != NULL;
}

static bool read_item(struct reader *r)
{
    struct nu_tree *value = read_value(r);
    if (value != NULL)
        nu_tree_push(&r->b, NU_STR(""), (struct nu_pos){0}, value);
    return value != NULL;
}

static struct nu_tree *read_container(struct reader *r, enum nu_tree_kind kind)
{
    struct nu_tree *t = nu_tree_new(&r->b, kind, here(r));
    char close = kind == NU_TREE_MAP ? '}' : ']';
    size_t from = r->b.n;
    r->p++;
    while (peek(r) != close) {
        if (!(kind == NU_TREE_MAP ? read_member(r) : read_item(r)))
            return NULL;
        char c = peek(r);
        if (c == ',') {
            r->p++;
        } else if (c != close) {
            fail_expected(r, kind == NU_TREE_MAP ? "',' or '}'" : "',' or ']'");
            return NULL;
        }
    }
    r->p++;
    nu_tree_close(&r->b, t, from);
    return t;
}

static struct nu_tree *read_value(struct reader *r)
{
    char c = peek(r);
    struct nu_tree *t;
    if (r->depth >= NU_TREE_MAX_DEPTH) {
        nu_tree_fail(&r->b, here(r), "nested deeper than %u levels", NU_TREE_MAX_DEPTH);
        return NULL;
    }
    r->depth++;
    if (c == '{') {
        t = read_container(r, NU_TREE_MAP);
    } else if (c == '[') {
        t = read_container(r, NU_TREE_LIST);
    } else if (c == '"' || c == '\'') {
        nu_str text;
        struct nu_pos pos = here(r);
        t = NULL;
        if (read_string(r, &text)) {
            t = nu_tree_new(&r->b, NU_TREE_STRING, pos);
            t->u.text = text;
        }
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        t = read_number(r);
    } else {
        t = read_word(r);
    }
    r->depth--;
    return r->b.failed ? NULL : t;
}

struct nu_tree *nu_json_read(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str text)
{
    struct reader r = {.line = 1};
    struct nu_tree *t = NULL;
    nu_tree_builder_init(&r.b, a, d, file);
    r.b.json = true;
    if (nu_str_starts(text, NU_STR("\xef\xbb\xbf")))
        text = nu_str_skip(text, 3);
    r.p = r.line_start = r.counted = text.ptr;
    r.column = 1;
    r.end = text.ptr + text.len;
    if (text.len > NU_TREE_MAX_BYTES)
        nu_tree_fail(&r.b, (struct nu_pos){0}, "larger than %u bytes", NU_TREE_MAX_BYTES);
    else if (text.len == 0)
        nu_tree_fail(&r.b, (struct nu_pos){1, 1}, "the configuration is empty");
    else
        t = read_value(&r);
    if (t != NULL && peek(&r) != '\0')
        fail_expected(&r, "the end of the text");
    nu_tree_builder_free(&r.b);
    return r.b.failed ? NULL : t;
}
