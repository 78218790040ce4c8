/* SPDX-License-Identifier: Apache-2.0
 *
 * The YAML of configuration files, read line by line by recursive descent: maps and lists in block form, in flow form
 * ([a, {b: c}]), scalars in quotes, those of one line without, block scalars, comments, one document.
 *
 * What is taken here must mean to libyaml exactly what it means here. So there are no error messages: whatever is not
 * plainly right (wrong indentation, tabs, a scalar without quotes that goes on in the next line) or needs more (anchors,
 * tags, "? ", directives, several documents, line breaks other than LF) makes the reader give up, and libyaml reads the
 * text again and has the last word.
 *
 * Rules of indentation: a value that begins on a line of its own is deeper than the map or list it belongs to, but for a
 * list under a key, which may begin in the column of the key. A line that is deeper than the one before and begins no value
 * would continue a scalar: given up. */
#include <endian.h>

#include "base/sb.h"
#include "codec/yaml/readers.h"
#include "codec/yaml/scalar.h"

enum {
    MAX_DEPTH = 90,       /* less than NU_TREE_MAX_DEPTH, so that libyaml's reader finds what is too deep */
    MAX_KEY_BYTES = 1000, /* a key ends within 1,024 characters */
    N_KEYS = 128,         /* keys that are remembered; a power of two */
};

struct reader {
    struct nu_tree_builder b;
    /* The current line without its LF, and the next character in it. */
    const char *line, *p, *end;
    const char *rest, *text_end; /* what follows the line */
    const char *counted;         /* up to here the bytes of the line that begin no character are in n_inner */
    uint32_t number;             /* of the line, from 1 */
    uint32_t n_inner;
    int indent; /* the column (from 0) where the next token stands, at the beginning of a line; -1: no token is left */
    bool ascii; /* all characters of the line are bytes */
    unsigned depth;
    struct nu_sb sb;
    nu_str keys[N_KEYS]; /* most keys were seen before: they share one copy */
};

struct scalar {
    nu_str text; /* of the input, or of the arena */
    struct nu_pos pos;
    const char *start;
    bool quoted;
};

static struct nu_tree *read_value(struct reader *r, int parent, bool first);
static struct nu_tree *read_flow(struct reader *r);

/* What a byte of a scalar without quotes may be. */
enum {
    CANNOT_BEGIN = 1, /* or only with care */
    BLOCK_STOP = 2,   /* to be looked at outside of [] and {} */
    FLOW_STOP = 4,    /* to be looked at within */
    FLOW_END = 8,     /* ends it within [] and {} */
};

static const uint8_t classes[256] = {
    ['\t'] = CANNOT_BEGIN | BLOCK_STOP | FLOW_STOP,
    [' '] = CANNOT_BEGIN,
    ['!'] = CANNOT_BEGIN,
    ['"'] = CANNOT_BEGIN,
    ['#'] = CANNOT_BEGIN | BLOCK_STOP | FLOW_STOP,
    ['%'] = CANNOT_BEGIN,
    ['&'] = CANNOT_BEGIN,
    ['\''] = CANNOT_BEGIN,
    ['*'] = CANNOT_BEGIN,
    [','] = CANNOT_BEGIN | FLOW_STOP | FLOW_END,
    ['-'] = CANNOT_BEGIN,
    [':'] = CANNOT_BEGIN | BLOCK_STOP | FLOW_STOP,
    ['>'] = CANNOT_BEGIN,
    ['?'] = CANNOT_BEGIN | FLOW_STOP,
    ['@'] = CANNOT_BEGIN,
    ['['] = CANNOT_BEGIN | FLOW_STOP | FLOW_END,
    [']'] = CANNOT_BEGIN | FLOW_STOP | FLOW_END,
    ['`'] = CANNOT_BEGIN,
    ['{'] = CANNOT_BEGIN | FLOW_STOP | FLOW_END,
    ['|'] = CANNOT_BEGIN,
    ['}'] = CANNOT_BEGIN | FLOW_STOP | FLOW_END,
};

static bool has_class(char c, unsigned class)
{
    return (classes[(uint8_t)c] & class) != 0;
}

/* Whether all characters may stand in YAML and break no line. Called for the lines that are not all printable ASCII. */
static NU_COLD bool is_text(const char *from, const char *to, bool *ascii)
{
    const uint8_t *p = (const uint8_t *)from, *end = (const uint8_t *)to;
    while (p < end) {
        size_t n = nu_tree_utf8_len(p, end);
        if (n == 0 || (n == 1 && (*p < 0x20 || *p == 0x7f) && *p != '\t'))
            return false;
        if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0) /* the control characters U+0080 to U+009F */
            return false;
        if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9)) /* U+2028 and U+2029 break lines */
            return false;
        if (n == 3 && p[0] == 0xef && p[2] >= 0xbe && (p[1] == 0xbf || (p[1] == 0xbb && p[2] == 0xbf)))
            return false; /* U+FFFE, U+FFFF and U+FEFF */
        if (n > 1)
            *ascii = false;
        p += n;
    }
    return true;
}

/* Whether a byte of the eight is not printable ASCII. */
static bool has_odd(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t below = (word - ones * 0x20) & ~word;       /* < 0x20, in the top bits */
    uint64_t del = ((word ^ ones * 0x7f) - ones) & ~word; /* = 0x7f */
    return ((below | del | word) & ones * 0x80) != 0;
}

static bool check_line(struct reader *r)
{
    const char *p = r->line;
    uint64_t word;
    bool odd = false;
    for (; r->end - p >= 8 && !odd; p += 8) {
        memcpy(&word, p, 8);
        odd = has_odd(word);
    }
    if (!odd && p < r->end) {
        word = 0x2020202020202020u;
        memcpy(&word, p, (size_t)(r->end - p));
        odd = has_odd(word);
    }
    r->ascii = true;
    return !odd || is_text(r->line, r->end, &r->ascii);
}

/* The line after this one becomes the current one. At the end of the text it is an empty line, and `more` is false. False:
 * there is something in it that is not for this reader. */
static bool next_line(struct reader *r, bool *more)
{
    r->line = r->p = r->end = r->counted = r->rest;
    r->n_inner = 0;
    *more = r->rest < r->text_end;
    if (!*more)
        return true;
    const char *lf = memchr(r->rest, '\n', (size_t)(r->text_end - r->rest));
    r->end = lf != NULL ? lf : r->text_end;
    r->rest = lf != NULL ? lf + 1 : r->text_end;
    r->number++;
    return check_line(r);
}

static void skip_spaces(struct reader *r)
{
    while (r->p < r->end && *r->p == ' ')
        r->p++;
}

static bool is_blank_or_end(const struct reader *r, const char *p)
{
    return p >= r->end || *p == ' ';
}

/* At a line that begins or ends a document. */
static bool is_marker(const struct reader *r)
{
    return r->end - r->line >= 3 && (memcmp(r->line, "---", 3) == 0 || memcmp(r->line, "...", 3) == 0);
}

/* At "- ". */
static bool is_item(const struct reader *r)
{
    return r->p < r->end && *r->p == '-' && is_blank_or_end(r, r->p + 1);
}

/* From the beginning of a line on, over blank lines and comments, to the next token: sets indent. */
static bool find_token(struct reader *r)
{
    for (bool more = true;;) {
        skip_spaces(r);
        if (r->p < r->end && *r->p != '#')
            break;
        if (!next_line(r, &more))
            return false;
        if (!more) {
            r->indent = -1;
            return true;
        }
    }
    r->indent = (int)(r->p - r->line);
    return true;
}

/* The same where the document has begun and may not end. */
static bool settle(struct reader *r)
{
    return find_token(r) && (r->indent != 0 || !is_marker(r));
}

/* Nothing but a comment may be left in this line; on to the next token. */
static bool finish_line(struct reader *r)
{
    bool more;
    skip_spaces(r);
    if (r->p < r->end && (*r->p != '#' || r->p == r->line || r->p[-1] != ' '))
        return false;
    return next_line(r, &more) && settle(r);
}

/* The place of a character of the current line; columns count characters. */
static struct nu_pos place(struct reader *r, const char *p)
{
    if (!r->ascii) {
        if (p < r->counted) {
            r->counted = r->line;
            r->n_inner = 0;
        }
        for (; r->counted < p; r->counted++)
            r->n_inner += ((uint8_t)*r->counted & 0xc0) == 0x80;
    }
    return (struct nu_pos){.line = r->number, .column = (uint32_t)(p - r->line) - r->n_inner + 1};
}

/* --- Scalars with and without quotes. */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A scalar in quotes goes on in the next line. What this line has from `from` on goes to r->sb without the blanks at its end,
 * and then what the line breaks mean: one is a space, more are all but the first. Stops at the first character. */
static bool fold_quoted(struct reader *r, const char *from)
{
    const char *to = r->end;
    bool more;
    while (to > from && is_blank(to[-1]))
        to--;
    nu_sb_add(&r->sb, nu_str_make(from, (size_t)(to - from)));
    for (bool first = true;; first = false) {
        if (!next_line(r, &more) || !more || is_marker(r))
            return false;
        while (r->p < r->end && is_blank(*r->p))
            r->p++;
        if (r->p < r->end) {
            if (first)
                nu_sb_char(&r->sb, ' ');
            return true;
        }
        nu_sb_char(&r->sb, '\n');
    }
}

/* Single quotes: ' is written ''. The text goes to s->text or, when it is not in one piece, to r->sb. */
static bool scan_single(struct reader *r, struct scalar *s)
{
    const char *from = r->p;
    for (;;) {
        const char *quote = memchr(r->p, '\'', (size_t)(r->end - r->p));
        if (quote == NULL) {
            if (!fold_quoted(r, from))
                return false;
            from = r->p;
            continue;
        }
        r->p = quote + 1;
        if (r->p == r->end || *r->p != '\'') {
            s->text = nu_str_make(from, (size_t)(quote - from));
            return true;
        }
        nu_sb_add(&r->sb, nu_str_make(from, (size_t)(r->p - from)));
        from = ++r->p;
    }
}

/* Double quotes, with the escapes that are one character. */
static bool scan_double(struct reader *r, struct scalar *s)
{
    static const char written[] = "\"\\/ntr", meant[] = "\"\\/\n\t\r";
    const char *from = r->p;
    for (;;) {
        if (r->p == r->end) {
            if (!fold_quoted(r, from))
                return false;
            from = r->p;
        } else if (*r->p == '"') {
            s->text = nu_str_make(from, (size_t)(r->p++ - from));
            return true;
        } else if (*r->p == '\\') {
            nu_sb_add(&r->sb, nu_str_make(from, (size_t)(r->p - from)));
            const char *found = ++r->p < r->end ? memchr(written, *r->p, sizeof(written) - 1) : NULL;
            if (found == NULL)
                return false;
            nu_sb_char(&r->sb, meant[found - written]);
            from = ++r->p;
        } else {
            r->p++;
        }
    }
}

/* Behind the opening quote. */
static bool scan_quoted(struct reader *r, struct scalar *s, char quote)
{
    r->sb.len = 0;
    if (!(quote == '"' ? scan_double(r, s) : scan_single(r, s)))
        return false;
    if (r->sb.len > 0) {
        nu_sb_add(&r->sb, s->text);
        s->text = nu_arena_str(r->b.arena, nu_sb_str(&r->sb));
    }
    return true;
}

/* Whether a scalar without quotes may begin here. */
static bool begins_plain(const struct reader *r, bool flow)
{
    if (!has_class(*r->p, CANNOT_BEGIN))
        return true;
    if (*r->p != '-' && (*r->p != ':' || flow))
        return false;
    return !is_blank_or_end(r, r->p + 1) && !(flow && has_class(r->p[1], FLOW_END));
}

/* The first of the eight bytes (the lowest comes first) that is BLOCK_STOP; 8: none. */
static unsigned first_block_stop(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t colon = word ^ ones * ':', hash = word ^ ones * '#', tab = word ^ ones * '\t';
    /* The lowest of the bits set in each is right; those above may come from a borrow. */
    uint64_t found = (((colon - ones) & ~colon) | ((hash - ones) & ~hash) | ((tab - ones) & ~tab)) & ones * 0x80;
    return found != 0 ? (unsigned)__builtin_ctzll(found) / 8 : 8;
}

/* The first byte from p on that ends a scalar without quotes, or may; r->end: there is none. */
static const char *find_stop(const struct reader *r, const char *p, bool flow)
{
    uint64_t word;
    if (flow) {
        while (p < r->end && !has_class(*p, FLOW_STOP))
            p++;
        return p;
    }
    for (; p < r->end && r->text_end - p >= 8; p += 8) {
        memcpy(&word, p, 8); /* maybe of the line after it, too */
        unsigned at = first_block_stop(le64toh(word));
        if (at < 8)
            return nu_min(p + at, r->end);
    }
    while (p < r->end && !has_class(*p, BLOCK_STOP))
        p++;
    return nu_min(p, r->end);
}

/* No quotes: up to ": ", " #" or the end of the line, within [] and {} also up to one of their characters. */
static bool scan_plain(struct reader *r, struct scalar *s, bool flow)
{
    const char *p = r->p;
    if (!begins_plain(r, flow))
        return false;
    for (;; p++) {
        p = find_stop(r, p, flow);
        if (p == r->end)
            break;
        if (*p == '\t' || *p == '?')
            return false;
        if (*p == ':') {
            if (is_blank_or_end(r, p + 1))
                break;
            if (flow && (has_class(p[1], FLOW_END) || p[1] == '?'))
                return false;
        } else if (*p != '#' || p[-1] == ' ') {
            break;
        }
    }
    r->p = p;
    while (p[-1] == ' ')
        p--;
    s->text = nu_str_make(s->start, (size_t)(p - s->start));
    return true;
}

/* A scalar; stops behind it (without quotes: behind the spaces after it). */
static bool scan_scalar(struct reader *r, struct scalar *s, bool flow)
{
    if (r->p == r->end)
        return false;
    s->start = r->p;
    s->pos = place(r, r->p);
    s->quoted = *r->p == '"' || *r->p == '\'';
    return s->quoted ? scan_quoted(r, s, *r->p++) : scan_plain(r, s, flow);
}

static struct nu_tree *scalar_node(struct reader *r, const struct scalar *s)
{
    if (!s->quoted)
        return nu_yaml_typed_scalar(&r->b, s->text, s->pos);
    struct nu_tree *t = nu_tree_new(&r->b, NU_TREE_STRING, s->pos);
    t->u.text = nu_arena_str(r->b.arena, s->text);
    return t;
}

static nu_str key_text(struct reader *r, nu_str text)
{
    if (text.len == 0)
        return NU_STR("");
    size_t hash = text.len * 7 + (uint8_t)text.ptr[0] + (size_t)(uint8_t)text.ptr[text.len - 1] * 3 +
                  (size_t)(uint8_t)text.ptr[text.len / 2] * 5;
    nu_str *known = &r->keys[hash % N_KEYS];
    if (!nu_str_eq(*known, text))
        *known = nu_arena_str(r->b.arena, text);
    return *known;
}

/* Behind a scalar: at the ':' that makes it a key? A key is of one line. */
static bool at_colon(struct reader *r, const struct scalar *s, bool flow)
{
    skip_spaces(r);
    return r->p < r->end && *r->p == ':' && (is_blank_or_end(r, r->p + 1) || (flow && s->quoted)) &&
           s->start >= r->line && r->p - s->start <= MAX_KEY_BYTES;
}

/* --- Block scalars. */

/* Behind a line of the text: whether it had an LF. */
static bool has_break(const struct reader *r)
{
    return r->rest > r->end;
}

/* The lines of a block scalar go to r->sb; stops at the beginning of the line after it. */
static bool scan_block_lines(struct reader *r, int parent, bool folded, char chomping)
{
    ptrdiff_t indent = -1, widest_blank = 0;
    size_t n_blank = 0;
    bool more = true, broken = false;
    r->sb.len = 0;
    for (;;) {
        if (!next_line(r, &more))
            return false;
        if (!more)
            break;
        skip_spaces(r);
        ptrdiff_t column = r->p - r->line;
        if (r->p == r->end && (indent < 0 || column <= indent)) {
            widest_blank = nu_max(widest_blank, column);
            n_blank += has_break(r);
            continue;
        }
        if (indent < 0) {
            /* The first line sets the indentation, unless a blank one before it is wider. */
            if (column <= parent || column == 0 || column < widest_blank || *r->p == '\t')
                return false;
            indent = column;
        } else if (column < indent) {
            break;
        } else {
            if (folded && (column > indent || *r->p == '\t'))
                return false;
            if (broken && (!folded || n_blank == 0))
                nu_sb_char(&r->sb, folded ? ' ' : '\n');
        }
        for (; n_blank > 0; n_blank--)
            nu_sb_char(&r->sb, '\n');
        nu_sb_add(&r->sb, nu_str_make(r->line + indent, (size_t)(r->end - r->line - indent)));
        broken = has_break(r);
    }
    if (indent < 0)
        return false;
    if (chomping != '-' && broken)
        nu_sb_char(&r->sb, '\n');
    for (; chomping == '+' && n_blank > 0; n_blank--)
        nu_sb_char(&r->sb, '\n');
    r->p = r->line;
    return true;
}

/* At "|" or ">". */
static struct nu_tree *read_block_scalar(struct reader *r, int parent)
{
    struct nu_tree *t = nu_tree_new(&r->b, NU_TREE_STRING, place(r, r->p));
    bool folded = *r->p++ == '>';
    char chomping = 0;
    if (r->p < r->end && (*r->p == '-' || *r->p == '+'))
        chomping = *r->p++;
    skip_spaces(r);
    if (r->p < r->end && (*r->p != '#' || r->p[-1] != ' '))
        return NULL;
    if (!scan_block_lines(r, parent, folded, chomping) || !settle(r))
        return NULL;
    t->u.text = nu_arena_str(r->b.arena, nu_sb_str(&r->sb));
    return t;
}

/* --- Flow form. */

/* To the next token within [] or {}, which is not the end of the text. */
static bool flow_token(struct reader *r)
{
    for (bool more = true;;) {
        skip_spaces(r);
        if (r->p < r->end) {
            if (*r->p != '#')
                return true;
            if (r->p > r->line && r->p[-1] != ' ')
                return false;
        }
        if (!next_line(r, &more) || !more || is_marker(r))
            return false;
    }
}

/* Behind an item: over the comma, if there is one, which may be the last. */
static bool flow_comma(struct reader *r, char close)
{
    if (!flow_token(r))
        return false;
    if (*r->p == close)
        return true;
    if (*r->p != ',')
        return false;
    r->p++;
    return flow_token(r);
}

static struct nu_tree *read_flow_list(struct reader *r)
{
    struct nu_tree *t = nu_tree_new(&r->b, NU_TREE_LIST, place(r, r->p));
    size_t from = r->b.n;
    r->p++;
    if (!flow_token(r))
        return NULL;
    while (*r->p != ']') {
        struct nu_tree *item = read_flow(r);
        if (item == NULL || !flow_comma(r, ']'))
            return NULL;
        nu_tree_push(&r->b, NU_STR(""), (struct nu_pos){0}, item);
    }
    r->p++;
    nu_tree_close(&r->b, t, from);
    return t;
}

static struct nu_tree *read_flow_map(struct reader *r)
{
    struct nu_tree *t = nu_tree_new(&r->b, NU_TREE_MAP, place(r, r->p));
    size_t from = r->b.n;
    r->p++;
    if (!flow_token(r))
        return NULL;
    while (*r->p != '}') {
        struct scalar key;
        if (!scan_scalar(r, &key, true) || !at_colon(r, &key, true))
            return NULL;
        r->p++;
        if (!flow_token(r))
            return NULL;
        nu_str text = key_text(r, key.text);
        struct nu_tree *value = read_flow(r);
        if (value == NULL || !flow_comma(r, '}'))
            return NULL;
        nu_tree_push(&r->b, text, key.pos, value);
    }
    r->p++;
    nu_tree_close(&r->b, t, from);
    return t;
}

/* A value within [] or {}, or one of them itself. */
static struct nu_tree *read_flow(struct reader *r)
{
    struct nu_tree *t = NULL;
    struct scalar s;
    if (r->depth >= MAX_DEPTH)
        return NULL;
    r->depth++;
    if (*r->p == '[')
        t = read_flow_list(r);
    else if (*r->p == '{')
        t = read_flow_map(r);
    else if (scan_scalar(r, &s, true))
        t = scalar_node(r, &s);
    r->depth--;
    return t;
}

/* --- Block form. */

/* What follows "key:" or "- " of the map or list in column `parent`. */
static struct nu_tree *read_after(struct reader *r, int parent, bool in_list)
{
    struct nu_pos null_pos = place(r, r->p);
    skip_spaces(r);
    if (r->p < r->end && *r->p != '#')
        return read_value(r, parent, in_list);
    if (!finish_line(r))
        return NULL;
    if (r->indent > parent || (!in_list && r->indent == parent && is_item(r)))
        return read_value(r, parent, true);
    return nu_tree_new(&r->b, NU_TREE_NULL, null_pos);
}

/* At the first "- ". */
static struct nu_tree *read_list(struct reader *r, int column, bool indentless)
{
    struct nu_tree *t = nu_tree_new(&r->b, NU_TREE_LIST, place(r, r->p));
    size_t from = r->b.n;
    do {
        r->p++;
        struct nu_tree *item = read_after(r, column, true);
        if (item == NULL)
            return NULL;
        nu_tree_push(&r->b, NU_STR(""), (struct nu_pos){0}, item);
    } while (r->indent == column && is_item(r));
    /* In the column of the list only the key after the one that it belongs to may follow. */
    if (r->indent > column || (r->indent == column && !indentless))
        return NULL;
    nu_tree_close(&r->b, t, from);
    return t;
}

/* At the ':' behind the first key. */
static struct nu_tree *read_map(struct reader *r, int column, struct scalar *key)
{
    struct nu_tree *t = nu_tree_new(&r->b, NU_TREE_MAP, key->pos);
    size_t from = r->b.n;
    for (;;) {
        nu_str text = key_text(r, key->text);
        r->p++;
        struct nu_tree *value = read_after(r, column, false);
        if (value == NULL)
            return NULL;
        nu_tree_push(&r->b, text, key->pos, value);
        if (r->indent != column)
            break;
        if (!scan_scalar(r, key, false) || !at_colon(r, key, false))
            return NULL;
    }
    if (r->indent > column)
        return NULL;
    nu_tree_close(&r->b, t, from);
    return t;
}

/* The value at r->p, which belongs to the map or list in column `parent`; then at the first token of a later line. `first`:
 * it is the first in its line, or "- " is before it, so it may be a map or list in block form. */
static struct nu_tree *read_value(struct reader *r, int parent, bool first)
{
    struct nu_tree *t = NULL;
    struct scalar s;
    int column = (int)(r->p - r->line);
    if (r->depth >= MAX_DEPTH)
        return NULL;
    r->depth++;
    if (is_item(r)) {
        t = first ? read_list(r, column, column == parent) : NULL;
    } else if (*r->p == '[' || *r->p == '{') {
        t = read_flow(r);
        if (t != NULL && !finish_line(r))
            t = NULL;
    } else if (*r->p == '|' || *r->p == '>') {
        t = read_block_scalar(r, parent);
    } else if (scan_scalar(r, &s, false)) {
        if (at_colon(r, &s, false)) {
            t = first ? read_map(r, column, &s) : NULL;
        } else {
            t = scalar_node(r, &s);
            if (!finish_line(r))
                t = NULL;
        }
    }
    r->depth--;
    return t;
}

static struct nu_tree *read_document(struct reader *r)
{
    bool more;
    if (r->text_end - r->rest >= 3 && memcmp(r->rest, "\xef\xbb\xbf", 3) == 0)
        r->rest += 3; /* the mark of UTF-8 */
    if (!next_line(r, &more) || !find_token(r))
        return NULL;
    if (r->indent == 0 && is_marker(r)) {
        r->p += 3;
        if (*r->line != '-' || !is_blank_or_end(r, r->p) || !finish_line(r))
            return NULL;
    }
    if (r->indent < 0)
        return NULL;
    struct nu_tree *t = read_value(r, -1, true);
    return r->indent < 0 ? t : NULL;
}

struct nu_tree *nu_yaml_read_plain(struct nu_arena *a, nu_str file, nu_str text)
{
    struct reader r = {.rest = text.ptr, .text_end = text.ptr + text.len};
    struct nu_diags d;
    struct nu_tree *t = NULL;
    if (text.len == 0 || text.len > NU_TREE_MAX_BYTES)
        return NULL;
    nu_diags_init(&d);
    nu_tree_builder_init(&r.b, a, &d, file);
    t = read_document(&r);
    if (r.b.failed || d.n > 0)
        t = NULL;
    nu_tree_builder_free(&r.b);
    nu_sb_free(&r.sb);
    nu_diags_clear(&d);
    return t;
}
