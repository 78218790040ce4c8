/* SPDX-License-Identifier: Apache-2.0
 *
 * The grammar of formats, as Envoy reads them:
 *
 * format   = *( literal / "%%" / "%" NAME [ "(" args ")" ] [ ":" 1*DIGIT ] "%" )
 * NAME     = 1*( "A"-"Z" / "0"-"9" / "_" )
 * args     = *( any but newline ), as short as the rest allows
 *
 * so that args may hold ")" and "%" (%START_TIME(%Y)%). What an operator makes of its args is in formatter_ops.c. */

#include <stdarg.h>

#include "http/formatter_priv.h"

static bool fail(struct nu_format_parse *p, bool unsupported, const char *fmt, va_list ap)
{
    p->err->text = nu_arena_vprintf(p->arena, fmt, ap);
    p->err->position = p->position;
    p->err->unsupported = unsupported;
    return false;
}

bool nu_format_fail(struct nu_format_parse *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fail(p, false, fmt, ap);
    va_end(ap);
    return false;
}

bool nu_format_fail_unsupported(struct nu_format_parse *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fail(p, true, fmt, ap);
    va_end(ap);
    return false;
}

static bool is_name(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The end of [":" digits] "%" at s[at]; 0: not there. The length is stored; none leaves it. */
static size_t match_tail(nu_str s, size_t at, size_t *length)
{
    size_t limit = NU_FORMAT_NO_LIMIT;
    if (at < s.len && s.ptr[at] == ':') {
        size_t end = at + 1;
        while (end < s.len && s.ptr[end] >= '0' && s.ptr[end] <= '9')
            end++;
        uint64_t v;
        if (!nu_str_to_u64((nu_str){s.ptr + at + 1, end - at - 1}, &v))
            return 0;
        limit = (size_t)v;
        at = end;
    }
    if (at >= s.len || s.ptr[at] != '%')
        return 0;
    *length = limit;
    return at + 1;
}

struct command {
    nu_str name, args;
    size_t length;
};

/* The operator at the start of s ('%' included); returns its length, 0: none. */
static size_t match_command(nu_str s, struct command *c)
{
    size_t at = 1;
    while (at < s.len && is_name(s.ptr[at]))
        at++;
    if (at == 1)
        return 0;
    *c = (struct command){.name = {s.ptr + 1, at - 1}, .args = NU_STR(""), .length = NU_FORMAT_NO_LIMIT};
    if (at >= s.len || s.ptr[at] != '(')
        return match_tail(s, at, &c->length);
    size_t open = at + 1;
    for (size_t i = open; i < s.len && s.ptr[i] != '\n'; i++) {
        if (s.ptr[i] != ')')
            continue;
        size_t end = match_tail(s, i + 1, &c->length);
        if (end != 0) {
            c->args = (nu_str){s.ptr + open, i - open};
            return end;
        }
    }
    return 0;
}

/* Envoy's rules for what an operator may be given. */
static bool check_syntax(struct nu_format_parse *p, const struct nu_format_operator *o, size_t length)
{
    bool limited = length != NU_FORMAT_NO_LIMIT;
    if ((o->syntax & ~NU_SYNTAX_UNSUPPORTED) == NU_SYNTAX_BARE && (p->args.len > 0 || limited))
        return nu_format_fail(p, "%s does not take any parameters or length", o->name);
    if ((o->syntax & NU_SYNTAX_PARAMS) != 0 && p->args.len == 0)
        return nu_format_fail(p, "%s requires parameters", o->name);
    if ((o->syntax & NU_SYNTAX_LENGTH) == 0 && limited)
        return nu_format_fail(p, "%s does not allow length to be specified.", o->name);
    if ((o->syntax & NU_SYNTAX_UNSUPPORTED) != 0)
        return nu_format_fail_unsupported(p, "the operator %%%s%% is not supported yet", o->name);
    return true;
}

static bool compile(struct nu_format_parse *p, const struct command *c, bool json, struct nu_format_op *op)
{
    const struct nu_format_operator *o = nu_format_operator_find(c->name);
    if (o == NULL)
        return nu_format_fail(p, "Not supported field in StreamInfo: %.*s", NU_STR_ARG(c->name));
    p->name = c->name;
    p->args = c->args;
    if (!check_syntax(p, o, c->length))
        return false;
    *op = (struct nu_format_op){.eval = o->eval, .mode = o->mode, .max_len = c->length, .json = json};
    return o->parse == NULL || o->parse(p, op);
}

struct builder {
    struct nu_format_parse p;
    struct nu_format_program *out;
    size_t cap;
    struct nu_sb literal;
};

static struct nu_format_op *add_op(struct builder *b)
{
    struct nu_format_program *out = b->out;
    if (out->n == b->cap) {
        b->cap = b->cap == 0 ? 8 : b->cap * 2;
        struct nu_format_op *bigger = nu_arena_array(b->p.arena, struct nu_format_op, b->cap);
        if (out->n > 0)
            memcpy(bigger, out->ops, out->n * sizeof(bigger[0]));
        out->ops = bigger;
    }
    return &out->ops[out->n++];
}

static void add_literal(struct builder *b)
{
    if (b->literal.len == 0)
        return;
    *add_op(b) = (struct nu_format_op){.a = nu_arena_str(b->p.arena, nu_sb_str(&b->literal)),
                                       .max_len = NU_FORMAT_NO_LIMIT};
    b->literal.len = 0;
}

static bool parse_all(struct builder *b, nu_str format, bool json)
{
    for (size_t at = 0; at < format.len;) {
        if (format.ptr[at] != '%') {
            nu_sb_char(&b->literal, format.ptr[at++]);
            continue;
        }
        if (at + 1 < format.len && format.ptr[at + 1] == '%') {
            nu_sb_char(&b->literal, '%');
            at += 2;
            continue;
        }
        add_literal(b);
        struct command c;
        b->p.position = at;
        size_t len = match_command(nu_str_skip(format, at), &c);
        if (len == 0)
            return nu_format_fail(&b->p, "Incorrect configuration: %.*s. Couldn't find valid command at position %zu",
                                  NU_STR_ARG(format), at);
        bool lone = json && at == 0 && len == format.len;
        if (!compile(&b->p, &c, lone, add_op(b)))
            return false;
        at += len;
    }
    add_literal(b);
    return true;
}

bool nu_format_program_parse(struct nu_arena *a, nu_str format, bool json, struct nu_format_program *out,
                             struct nu_format_error *err)
{
    *out = (struct nu_format_program){0};
    *err = (struct nu_format_error){0};
    struct builder b = {.p = {.arena = a, .err = err}, .out = out};
    bool ok = parse_all(&b, nu_arena_str(a, format), json);
    nu_sb_free(&b.literal);
    return ok;
}
