/* SPDX-License-Identifier: Apache-2.0
 *
 * The API's validation rules (protoc-gen-validate's semantics), checked over a whole message. Rules are rows of
 * nu_pb_rules; nothing here knows a message by name. */
#include <inttypes.h>
#include <stdio.h>

#include "base/regex.h"
#include "base/sb.h"
#include "codec/pb/load_priv.h"
#include "codec/pb/scalar.h"

struct checker {
    struct nu_diags *diags;
    struct nu_arena *arena;
};

/* The value being checked: its message and the name that reports use, for an item with its index. */
struct subject {
    const struct nu_pb_msg *msg;
    const struct nu_pb_field *field;
    const char *label;
    size_t index;
    bool is_item;
};

static void check_message(struct checker *c, const struct nu_pb_msg *m);

NU_PRINTF(3, 4) static void fail(struct checker *c, const struct subject *s, const char *fmt, ...)
{
    char text[512], label[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (s->is_item)
        snprintf(label, sizeof(label), "%s[%zu]", s->label, s->index);
    nu_pb_error(c->diags, s->msg, s->is_item ? label : s->label, "%s", text);
}

/* ---- texts ---- */

static size_t code_points(nu_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((uint8_t)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

/* PGV's well-known HTTP_HEADER_NAME and VALUE; loose: anything but NUL, CR and LF. */
static bool header_text_ok(nu_str s, uint32_t flags)
{
    bool loose = (flags & NU_PB_RULE_LOOSE) != 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t ch = (uint8_t)s.ptr[i];
        if (ch == 0 || ch == '\r' || ch == '\n')
            return false;
        if (loose)
            continue;
        if ((flags & NU_PB_RULE_HEADER_VALUE) != 0 && ((ch < 0x20 && ch != '\t') || ch == 0x7f))
            return false;
        bool token = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                     strchr("!#$%&'*+-.^_|~`", ch) != NULL || (ch == ':' && i == 0);
        if ((flags & NU_PB_RULE_HEADER_NAME) != 0 && !token)
            return false;
    }
    return true;
}

/* Whether `value` is one of n texts that stand one after another. */
static bool listed(uint32_t first, unsigned n, nu_str value)
{
    const char *at = nu_pb_names + first;
    for (unsigned i = 0; i < n; i++, at += strlen(at) + 1)
        if (nu_str_eq(nu_str_from(at), value))
            return true;
    return false;
}

static nu_str list_text(struct checker *c, uint32_t first, unsigned n)
{
    struct nu_sb sb = {0};
    const char *at = nu_pb_names + first;
    for (unsigned i = 0; i < n; i++, at += strlen(at) + 1)
        nu_sb_printf(&sb, "%s\"%s\"", i > 0 ? ", " : "", at);
    nu_str text = nu_arena_str(c->arena, nu_sb_str(&sb));
    nu_sb_free(&sb);
    return text;
}

static void check_pattern(struct checker *c, const struct subject *s, uint32_t pattern, nu_str value)
{
    char error[128];
    struct nu_regex *re = nu_regex_new(nu_pb_name(pattern), error, sizeof(error));
    if (re != NULL && !nu_regex_partial_match(re, value))
        fail(c, s, "must match the regular expression %s", nu_pb_names + pattern);
    nu_regex_free(re);
}

static void check_lengths(struct checker *c, const struct subject *s, const struct nu_pb_rule *r, enum nu_pb_kind kind,
                          nu_str value)
{
    size_t n = kind == NU_PB_BYTES ? value.len : code_points(value);
    const char *unit = kind == NU_PB_BYTES ? "bytes" : "characters";
    if (n < r->min_len && r->min_len == 1)
        fail(c, s, "must not be empty");
    else if (n < r->min_len)
        fail(c, s, "must have at least %u %s", r->min_len, unit);
    if (r->max_len > 0 && n > r->max_len)
        fail(c, s, "must have at most %u %s, not %zu", r->max_len, unit, n);
    if (value.len < r->min_bytes)
        fail(c, s, "must have at least %u bytes", r->min_bytes);
    if (r->max_bytes > 0 && value.len > r->max_bytes)
        fail(c, s, "must have at most %u bytes, not %zu", r->max_bytes, value.len);
}

static void check_text(struct checker *c, const struct subject *s, const struct nu_pb_rule *r, enum nu_pb_kind kind,
                       nu_str value)
{
    if (value.len == 0 && (r->flags & NU_PB_RULE_IGNORE_EMPTY) != 0)
        return;
    check_lengths(c, s, r, kind, value);
    if ((r->flags & (NU_PB_RULE_HEADER_NAME | NU_PB_RULE_HEADER_VALUE)) != 0 && !header_text_ok(value, r->flags))
        fail(c, s, "is no valid HTTP header %s", (r->flags & NU_PB_RULE_HEADER_NAME) != 0 ? "name" : "value");
    if (r->n_in > 0 && !listed(r->in, r->n_in, value))
        fail(c, s, "must be one of %s", list_text(c, r->in, r->n_in).ptr);
    if (r->n_not_in > 0 && listed(r->not_in, r->n_not_in, value))
        fail(c, s, "must not be \"%.*s\"", NU_STR_ARG(value));
    if (r->pattern != 0)
        check_pattern(c, s, r->pattern, value);
    if (r->prefix != 0 && !nu_str_starts(value, nu_pb_name(r->prefix)))
        fail(c, s, "must begin with \"%s\"", nu_pb_names + r->prefix);
    if (r->suffix != 0 && !nu_str_ends(value, nu_pb_name(r->suffix)))
        fail(c, s, "must end with \"%s\"", nu_pb_names + r->suffix);
}

/* ---- numbers ---- */

static void check_bounds(struct checker *c, const struct subject *s, const struct nu_pb_rule *r, double v,
                         const char *unit)
{
    if ((r->flags & NU_PB_RULE_GT) != 0 && !(v > r->lo))
        fail(c, s, "must be greater than %g%s", r->lo, unit);
    if ((r->flags & NU_PB_RULE_GTE) != 0 && !(v >= r->lo))
        fail(c, s, "must be at least %g%s", r->lo, unit);
    if ((r->flags & NU_PB_RULE_LT) != 0 && !(v < r->hi))
        fail(c, s, "must be less than %g%s", r->hi, unit);
    if ((r->flags & NU_PB_RULE_LTE) != 0 && !(v <= r->hi))
        fail(c, s, "must be at most %g%s", r->hi, unit);
}

static void check_number(struct checker *c, const struct subject *s, const struct nu_pb_rule *r, double v)
{
    char text[32];
    if (v == 0 && (r->flags & NU_PB_RULE_IGNORE_EMPTY) != 0)
        return;
    check_bounds(c, s, r, v, "");
    if (r->n_in == 0 && r->n_not_in == 0)
        return;
    snprintf(text, sizeof(text), "%.0f", v);
    if (r->n_in > 0 && !listed(r->in, r->n_in, nu_str_from(text)))
        fail(c, s, "must be one of %s", list_text(c, r->in, r->n_in).ptr);
    if (r->n_not_in > 0 && listed(r->not_in, r->n_not_in, nu_str_from(text)))
        fail(c, s, "must not be %s", text);
}

static void check_enum(struct checker *c, const struct subject *s, const struct nu_pb_rule *r, int32_t v)
{
    if ((r->flags & NU_PB_RULE_DEFINED) != 0 && nu_pb_enum_name(&nu_pb_enums[s->field->sub], v).ptr == NULL)
        fail(c, s, "%" PRId32 " is no value of %s", v, nu_pb_names + nu_pb_enums[s->field->sub].name);
    check_number(c, s, r, v);
}

static double number_at(enum nu_pb_kind kind, const void *at)
{
    switch (kind) {
    case NU_PB_INT32:
        return *(const int32_t *)at;
    case NU_PB_INT64:
        return (double)*(const int64_t *)at;
    case NU_PB_UINT32:
        return *(const uint32_t *)at;
    case NU_PB_UINT64:
        return (double)*(const uint64_t *)at;
    case NU_PB_FLOAT:
        return (double)*(const float *)at;
    default:
        return *(const double *)at;
    }
}

/* ---- one value ---- */

static void check_scalar(struct checker *c, const struct subject *s, enum nu_pb_kind kind, uint16_t rule, const void *at)
{
    const struct nu_pb_rule *r = &nu_pb_rules[rule];
    if (rule == 0)
        return;
    switch (kind) {
    case NU_PB_STRING:
    case NU_PB_BYTES:
        check_text(c, s, r, kind, *(const nu_str *)at);
        return;
    case NU_PB_BOOL:
        if ((r->flags & NU_PB_RULE_TRUE) != 0 && !*(const bool *)at)
            fail(c, s, "must be true");
        return;
    case NU_PB_ENUM:
        check_enum(c, s, r, *(const int32_t *)at);
        return;
    default:
        check_number(c, s, r, number_at(kind, at));
    }
}

static void check_duration(struct checker *c, const struct subject *s, const struct nu_pb_rule *r,
                           const struct nu_pb_msg *m)
{
    const struct google_protobuf_Duration *d = (const struct google_protobuf_Duration *)(const void *)m;
    check_bounds(c, s, r, (double)d->seconds + d->nanos / 1e9, "s");
}

static void check_submessage(struct checker *c, const struct subject *s, uint16_t rule, const struct nu_pb_msg *m)
{
    const struct nu_pb_rule *r = &nu_pb_rules[rule];
    if (m == NULL) {
        if (rule != 0 && (r->flags & NU_PB_RULE_REQUIRED) != 0 && !s->msg->incomplete)
            fail(c, s, "is required");
        return;
    }
    if (rule != 0 && m->type->well_known == NU_PB_DURATION)
        check_duration(c, s, r, m);
    if (rule == 0 || (r->flags & NU_PB_RULE_SKIP) == 0)
        check_message(c, m);
}

/* ---- fields ---- */

static const void *field_at(const struct nu_pb_msg *m, const struct nu_pb_field *f)
{
    return (const char *)m + f->offset;
}

static size_t count_at(const struct nu_pb_msg *m, const struct nu_pb_field *f)
{
    size_t n;
    memcpy(&n, (const char *)m + f->aux, sizeof(n));
    return n;
}

static void check_unique(struct checker *c, const struct subject *s, const char *array, size_t n)
{
    size_t size = nu_pb_scalar_size(s->field->kind);
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            bool same = s->field->kind == NU_PB_STRING
                            ? nu_str_eq(((const nu_str *)(const void *)array)[i], ((const nu_str *)(const void *)array)[k])
                            : memcmp(array + i * size, array + k * size, size) == 0;
            if (same) {
                fail(c, s, "its items must be unique: %zu and %zu are equal", k, i);
                return;
            }
        }
}

static void check_repeated(struct checker *c, const struct nu_pb_msg *m, const struct nu_pb_field *f)
{
    const struct nu_pb_rule *r = &nu_pb_rules[f->rule];
    size_t n = count_at(m, f), size = nu_pb_scalar_size(f->kind);
    const char *array = *(const char *const *)field_at(m, f);
    struct subject all = {.msg = m, .field = f, .label = nu_pb_names + f->name};
    if (f->rule != 0 && n < r->min_items && !m->incomplete)
        fail(c, &all, r->min_items == 1 ? "must have at least one item" : "must have at least %u items", r->min_items);
    if (f->rule != 0 && r->max_items > 0 && n > r->max_items)
        fail(c, &all, "must have at most %u items, not %zu", r->max_items, n);
    if (f->rule != 0 && (r->flags & NU_PB_RULE_UNIQUE) != 0)
        check_unique(c, &all, array, n);
    if (f->kind != NU_PB_MESSAGE && (f->rule == 0 || r->items == 0))
        return;
    for (size_t i = 0; i < n; i++) {
        struct subject one = {.msg = m, .field = f, .label = nu_pb_names + f->name, .index = i, .is_item = true};
        if (f->kind == NU_PB_MESSAGE)
            check_submessage(c, &one, f->rule != 0 ? r->items : 0, ((const struct nu_pb_msg *const *)(const void *)array)[i]);
        else
            check_scalar(c, &one, (enum nu_pb_kind)f->kind, r->items, array + i * size);
    }
}

static void check_map(struct checker *c, const struct nu_pb_msg *m, const struct nu_pb_field *f)
{
    const struct nu_pb_rule *r = &nu_pb_rules[f->rule];
    const struct nu_pb_type *entry = nu_pb_field_type(f);
    const struct nu_pb_field *key = nu_pb_field_at(entry, 0), *value = nu_pb_field_at(entry, 1);
    size_t n = count_at(m, f);
    const char *array = *(const char *const *)field_at(m, f);
    struct subject s = {.msg = m, .field = f, .label = nu_pb_names + f->name};
    if (f->rule != 0 && n < r->min_pairs)
        fail(c, &s, "must have at least %u entries", r->min_pairs);
    for (size_t i = 0; i < n; i++) {
        const char *at = array + i * entry->size;
        if (f->rule != 0 && r->keys != 0)
            check_scalar(c, &s, NU_PB_STRING, r->keys, at + key->offset);
        if (value->kind == NU_PB_MESSAGE)
            check_submessage(c, &s, f->rule != 0 ? r->values : 0, *(const struct nu_pb_msg *const *)(const void *)(at + value->offset));
        else if (f->rule != 0 && r->values != 0)
            check_scalar(c, &s, (enum nu_pb_kind)value->kind, r->values, at + value->offset);
    }
}

static bool oneof_unset(const struct nu_pb_msg *m, const struct nu_pb_field *f)
{
    int set;
    if ((f->flags & NU_PB_IN_ONEOF) == 0)
        return false;
    memcpy(&set, (const char *)m + f->aux, sizeof(set));
    return set != (int)f->number;
}

static void check_wrapper(struct checker *c, const struct subject *s, const void *value)
{
    const struct nu_pb_rule *r = &nu_pb_rules[s->field->rule];
    if (s->field->rule == 0)
        return;
    if (value != NULL)
        check_scalar(c, s, (enum nu_pb_kind)s->field->kind, s->field->rule, value);
    else if ((r->flags & NU_PB_RULE_REQUIRED) != 0 && !s->msg->incomplete)
        fail(c, s, "is required");
}

static void check_field(struct checker *c, const struct nu_pb_msg *m, const struct nu_pb_field *f)
{
    struct subject s = {.msg = m, .field = f, .label = nu_pb_names + f->name};
    bool present = true;
    if (oneof_unset(m, f))
        return;
    switch ((enum nu_pb_label)f->label) {
    case NU_PB_REPEATED:
        check_repeated(c, m, f);
        return;
    case NU_PB_MAP:
        check_map(c, m, f);
        return;
    case NU_PB_WRAPPER:
        check_wrapper(c, &s, *(const void *const *)field_at(m, f));
        return;
    case NU_PB_OPTIONAL:
        memcpy(&present, (const char *)m + f->aux, sizeof(present));
        break;
    case NU_PB_SINGLE:
        break;
    }
    if (f->kind == NU_PB_MESSAGE)
        check_submessage(c, &s, f->rule, *(const struct nu_pb_msg *const *)field_at(m, f));
    else if (present && !m->incomplete)
        check_scalar(c, &s, (enum nu_pb_kind)f->kind, f->rule, field_at(m, f));
    else if (present && !nu_pb_is_default(f->kind, field_at(m, f)))
        check_scalar(c, &s, (enum nu_pb_kind)f->kind, f->rule, field_at(m, f));
}

static void check_oneofs(struct checker *c, const struct nu_pb_msg *m)
{
    const struct nu_pb_type *type = m->type;
    for (unsigned i = 0; i < type->n_oneofs; i++) {
        const struct nu_pb_oneof *o = &nu_pb_oneofs[type->first_oneof + i];
        int set;
        memcpy(&set, (const char *)m + o->case_offset, sizeof(set));
        if (!o->required || set != 0 || m->incomplete || m->partial)
            continue;
        struct nu_sb names = {0};
        for (unsigned k = 0; k < type->n_fields; k++) {
            const struct nu_pb_field *f = nu_pb_field_at(type, k);
            if ((f->flags & NU_PB_IN_ONEOF) != 0 && f->oneof == i)
                nu_sb_printf(&names, "%s\"%s\"", names.len > 0 ? ", " : "", nu_pb_names + f->name);
        }
        nu_pb_error(c->diags, m, NULL, "one of %s is required", nu_sb_cstr(&names));
        nu_sb_free(&names);
    }
}

/* Most fields are scalars without a rule, or messages that are not there. */
static bool may_be_anything(const struct nu_pb_msg *m, const struct nu_pb_field *f)
{
    uint64_t there; /* the pointer or the number of items */
    if (f->rule != 0)
        return false;
    if (f->kind != NU_PB_MESSAGE && f->label != NU_PB_MAP)
        return true;
    memcpy(&there, (const char *)m + (f->label == NU_PB_SINGLE ? f->offset : f->aux), sizeof(there));
    return there == 0;
}

static void check_message(struct checker *c, const struct nu_pb_msg *m)
{
    const struct nu_pb_type *type = m->type;
    if (type->well_known == NU_PB_ANY) {
        const struct google_protobuf_Any *any = (const struct google_protobuf_Any *)(const void *)m;
        if (any->msg != NULL)
            check_message(c, any->msg);
        return;
    }
    if (type->well_known != NU_PB_ORDINARY && type->well_known != NU_PB_TYPED_STRUCT)
        return;
    check_oneofs(c, m);
    for (unsigned i = 0; i < type->n_fields; i++) {
        const struct nu_pb_field *f = nu_pb_field_at(type, i);
        if (!may_be_anything(m, f))
            check_field(c, m, f);
    }
}

void nu_pb_validate(struct nu_arena *a, struct nu_diags *d, struct nu_pb_msg *m)
{
    struct checker c = {.diags = d, .arena = a};
    check_message(&c, m);
}
