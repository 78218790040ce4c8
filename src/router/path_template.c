/* SPDX-License-Identifier: Apache-2.0
 *
 * URI templates, see path_template.h. A match template is kept as a flat list of tokens that are joined by "/"; variables
 * are ranges of tokens. */
#include "router/path_template.h"

#define NAME_MAX_LEN 16u

enum token_kind { TOKEN_LITERAL, TOKEN_SEGMENT, TOKEN_REST, TOKEN_VARIABLE };

struct token {
    enum token_kind kind;
    nu_str text;           /* literal; name of a variable (rewrite templates only) */
    int8_t begins, ends;   /* variable that begins or ends with this token; -1: none */
};

struct nu_path_template {
    struct token *tokens;
    size_t n, cap;
    nu_str suffix;
    nu_str vars[NU_PATH_TEMPLATE_VARS];
    unsigned n_vars;
    bool seen_rest;
};

struct span {
    size_t from, to;
};

/* pchar of RFC 3986 without "*" and "=" (Envoy's literals). */
static bool is_literal_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~%!$&'()+,;:@", c) != NULL);
}

static bool all_literal(nu_str s, bool slash)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_literal_char(s.ptr[i]) && !(slash && s.ptr[i] == '/'))
            return false;
    return s.len > 0;
}

static bool is_name(nu_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alpha && (i == 0 || !((c >= '0' && c <= '9') || c == '_')))
            return false;
    }
    return s.len > 0;
}

static struct token *add_token(struct nu_path_template *t, struct nu_arena *a, enum token_kind kind, nu_str text)
{
    if (t->n == t->cap) {
        size_t cap = t->cap == 0 ? 8 : t->cap * 2;
        struct token *grown = nu_arena_array(a, struct token, cap);
        if (t->n > 0)
            memcpy(grown, t->tokens, t->n * sizeof *grown);
        t->tokens = grown;
        t->cap = cap;
    }
    t->tokens[t->n] = (struct token){.kind = kind, .text = text, .begins = -1, .ends = -1};
    return &t->tokens[t->n++];
}

/* "*" or "**" at the front of *rest. */
static const char *take_operator(struct nu_path_template *t, struct nu_arena *a, nu_str *rest)
{
    bool all = nu_str_starts(*rest, NU_STR("**"));
    if (t->seen_rest)
        return "an operator after \"**\"";
    t->seen_rest = all;
    (void)add_token(t, a, all ? TOKEN_REST : TOKEN_SEGMENT, NU_STR(""));
    *rest = nu_str_skip(*rest, all ? 2 : 1);
    return NULL;
}

/* The literal up to the next "/". */
static const char *take_literal(struct nu_path_template *t, struct nu_arena *a, nu_str *rest)
{
    ssize_t slash = nu_str_find(*rest, '/');
    nu_str lit = slash < 0 ? *rest : nu_str_first(*rest, (size_t)slash);
    if (!all_literal(lit, false))
        return "a character that is not allowed in a literal";
    (void)add_token(t, a, TOKEN_LITERAL, lit);
    *rest = nu_str_skip(*rest, lit.len);
    return NULL;
}

static const char *take_inner(struct nu_path_template *t, struct nu_arena *a, nu_str inner)
{
    if (inner.len == 0)
        return "an empty variable match";
    while (inner.len > 0) {
        const char *why = inner.ptr[0] == '*' ? take_operator(t, a, &inner) : take_literal(t, a, &inner);
        if (why != NULL)
            return why;
        if (inner.len == 0)
            break;
        if (inner.ptr[0] != '/' || inner.len == 1)
            return "an invalid variable match";
        inner = nu_str_skip(inner, 1);
    }
    return NULL;
}

static const char *add_variable_name(struct nu_path_template *t, nu_str name)
{
    if (!is_name(name))
        return "an invalid variable name";
    if (t->n_vars == NU_PATH_TEMPLATE_VARS)
        return "more than 5 variables";
    if (name.len > NAME_MAX_LEN)
        return "a variable name longer than 16 characters";
    for (unsigned i = 0; i < t->n_vars; i++)
        if (nu_str_eq(t->vars[i], name))
            return "a repeated variable name";
    t->vars[t->n_vars++] = name;
    return NULL;
}

/* "{name}" or "{name=pattern}" at the front of *rest. */
static const char *take_variable(struct nu_path_template *t, struct nu_arena *a, nu_str *rest)
{
    ssize_t close = nu_str_find(*rest, '}');
    if (close < 0)
        return "a bracket that is not closed";
    nu_str body = nu_str_skip(nu_str_first(*rest, (size_t)close), 1);
    *rest = nu_str_skip(*rest, (size_t)close + 1);
    nu_str inner = body, name = nu_str_next(&inner, '=');
    const char *why = add_variable_name(t, name);
    if (why != NULL)
        return why;
    size_t first = t->n;
    nu_str one = NU_STR("*");
    why = inner.ptr == NULL ? take_operator(t, a, &one) : take_inner(t, a, inner);
    if (why != NULL)
        return why;
    t->tokens[first].begins = (int8_t)(t->n_vars - 1);
    t->tokens[t->n - 1].ends = (int8_t)(t->n_vars - 1);
    return NULL;
}

static const char *take_suffix(struct nu_path_template *t, nu_str rest)
{
    if (nu_str_find(rest, '/') >= 0)
        return "text after an operator within a segment that is not the last";
    if (!all_literal(rest, false))
        return "a character that is not allowed in a literal";
    t->suffix = rest;
    return NULL;
}

static const char *parse_match(struct nu_path_template *t, struct nu_arena *a, nu_str text)
{
    if (text.len == 0 || text.ptr[0] != '/')
        return "it must begin with \"/\"";
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return "a character that is not printable";
    nu_str rest = nu_str_skip(text, 1);
    while (rest.len > 0) {
        const char *why = rest.ptr[0] == '*'   ? take_operator(t, a, &rest)
                          : rest.ptr[0] == '{' ? take_variable(t, a, &rest)
                                               : take_literal(t, a, &rest);
        if (why != NULL)
            return why;
        if (rest.len == 0)
            break;
        if (rest.ptr[0] != '/')
            return take_suffix(t, rest);
        rest = nu_str_skip(rest, 1);
        if (rest.len == 0)
            (void)add_token(t, a, TOKEN_LITERAL, NU_STR(""));
    }
    return NULL;
}

const struct nu_path_template *nu_path_template_parse(struct nu_arena *a, nu_str text, const char **why)
{
    struct nu_path_template *t = nu_arena_new(a, struct nu_path_template);
    *why = parse_match(t, a, nu_arena_str(a, text));
    return *why == NULL ? t : NULL;
}

/* Bytes that everything behind token i takes; all of it is literal. */
static size_t tail_len(const struct nu_path_template *t, size_t i)
{
    size_t len = t->suffix.len;
    for (size_t k = i + 1; k < t->n; k++)
        len += 1 + t->tokens[k].text.len;
    return len;
}

/* Where a token that begins at `at` ends; false: it does not match. */
static bool token_end(const struct nu_path_template *t, size_t i, nu_str path, size_t at, size_t *end)
{
    const struct token *k = &t->tokens[i];
    if (k->kind == TOKEN_LITERAL) {
        *end = at + k->text.len;
        return nu_str_starts(nu_str_skip(path, at), k->text);
    }
    size_t to = at;
    if (k->kind == TOKEN_REST) {
        size_t tail = tail_len(t, i);
        if (path.len < at + tail)
            return false;
        to = path.len - tail;
        *end = to;
        return to == at || all_literal(nu_str_skip(nu_str_first(path, to), at), true);
    }
    while (to < path.len && path.ptr[to] != '/')
        to++;
    if (i + 1 == t->n) {
        if (to < at + t->suffix.len)
            return false;
        to -= t->suffix.len;
    }
    *end = to;
    return to > at && all_literal(nu_str_skip(nu_str_first(path, to), at), false);
}

static bool match_spans(const struct nu_path_template *t, nu_str path, struct span spans[NU_PATH_TEMPLATE_VARS])
{
    size_t at = 0;
    if (t->n == 0)
        return nu_str_eq(path, NU_STR("/"));
    for (size_t i = 0; i < t->n; i++) {
        if (at >= path.len || path.ptr[at] != '/')
            return false;
        at++;
        if (t->tokens[i].begins >= 0)
            spans[t->tokens[i].begins].from = at;
        if (!token_end(t, i, path, at, &at))
            return false;
        if (t->tokens[i].ends >= 0)
            spans[t->tokens[i].ends].to = at;
    }
    return nu_str_eq(nu_str_skip(path, at), t->suffix);
}

bool nu_path_template_match(const struct nu_path_template *t, nu_str path)
{
    struct span spans[NU_PATH_TEMPLATE_VARS];
    return match_spans(t, path, spans);
}

static const char *parse_rewrite(struct nu_path_template *t, struct nu_arena *a, nu_str rest)
{
    if (rest.len == 0 || rest.ptr[0] != '/')
        return "it must begin with \"/\"";
    if (nu_str_search(rest, NU_STR("//")) >= 0)
        return "two slashes in a row";
    while (rest.ptr != NULL && rest.len > 0) {
        nu_str after = rest, lit = nu_str_next(&after, '{');
        if (lit.len > 0) {
            if (!all_literal(lit, true))
                return "a character that is not allowed in a literal";
            (void)add_token(t, a, TOKEN_LITERAL, lit);
        }
        if (after.ptr == NULL)
            return NULL;
        rest = after;
        nu_str name = nu_str_next(&rest, '}');
        if (!is_name(name))
            return "an invalid variable name";
        if (rest.ptr == NULL)
            return "a bracket that is not closed";
        (void)add_token(t, a, TOKEN_VARIABLE, name);
    }
    return NULL;
}

const struct nu_path_template *nu_path_rewrite_parse(struct nu_arena *a, nu_str text, const char **why)
{
    struct nu_path_template *t = nu_arena_new(a, struct nu_path_template);
    *why = parse_rewrite(t, a, nu_arena_str(a, text));
    return *why == NULL ? t : NULL;
}

static int var_index(const struct nu_path_template *match, nu_str name)
{
    for (unsigned i = 0; i < match->n_vars; i++)
        if (nu_str_eq(match->vars[i], name))
            return (int)i;
    return -1;
}

bool nu_path_rewrite_fits(const struct nu_path_template *rewrite, const struct nu_path_template *match,
                          nu_str *missing)
{
    for (size_t i = 0; i < rewrite->n; i++) {
        if (rewrite->tokens[i].kind != TOKEN_VARIABLE || var_index(match, rewrite->tokens[i].text) >= 0)
            continue;
        *missing = rewrite->tokens[i].text;
        return false;
    }
    return true;
}

nu_str nu_path_rewrite_run(const struct nu_path_template *rewrite, const struct nu_path_template *match, nu_str path,
                           struct nu_arena *a)
{
    struct span spans[NU_PATH_TEMPLATE_VARS] = {{0, 0}};
    if (!match_spans(match, path, spans))
        return NU_STR_NONE;
    nu_str *parts = nu_arena_array(a, nu_str, rewrite->n);
    for (size_t i = 0; i < rewrite->n; i++) {
        const struct token *k = &rewrite->tokens[i];
        parts[i] = k->text;
        if (k->kind == TOKEN_VARIABLE) {
            const struct span *s = &spans[var_index(match, k->text)];
            parts[i] = nu_str_skip(nu_str_first(path, s->to), s->from);
        }
    }
    return nu_arena_concat(a, parts, rewrite->n);
}
