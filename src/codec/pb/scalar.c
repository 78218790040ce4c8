/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pb/scalar.h"

#include <inttypes.h>
#include <math.h>

size_t nu_pb_scalar_size(enum nu_pb_kind kind)
{
    switch (kind) {
    case NU_PB_BOOL:
        return sizeof(bool);
    case NU_PB_INT32:
    case NU_PB_UINT32:
    case NU_PB_FLOAT:
    case NU_PB_ENUM:
        return 4;
    case NU_PB_INT64:
    case NU_PB_UINT64:
    case NU_PB_DOUBLE:
        return 8;
    case NU_PB_STRING:
    case NU_PB_BYTES:
        return sizeof(nu_str);
    case NU_PB_MESSAGE:
        return sizeof(void *);
    }
    return 0;
}

bool nu_pb_is_default(enum nu_pb_kind kind, const void *at)
{
    /* Of all fields of a message, so without a call for each. */
    switch (kind) {
    case NU_PB_BOOL:
        return !*(const bool *)at;
    case NU_PB_INT32:
    case NU_PB_UINT32:
    case NU_PB_FLOAT: /* -0 is not the default */
    case NU_PB_ENUM:
        return *(const uint32_t *)at == 0;
    case NU_PB_INT64:
    case NU_PB_UINT64:
    case NU_PB_DOUBLE:
        return *(const uint64_t *)at == 0;
    case NU_PB_STRING:
    case NU_PB_BYTES:
        return ((const nu_str *)at)->len == 0;
    case NU_PB_MESSAGE:
        break;
    }
    return *(const void *const *)at == NULL;
}

/* An integer between lo and hi, as digits or as a number without fraction ("80", "80.0", "8e1"). */
static bool read_signed(nu_str text, int64_t lo, int64_t hi, int64_t *out)
{
    double d;
    if (nu_str_starts(text, NU_STR("+")))
        text = nu_str_skip(text, 1);
    if (nu_str_to_i64(text, out))
        return *out >= lo && *out <= hi;
    if (!nu_str_to_double(text, &d) || !isfinite(d) || d != floor(d) || d < -9.2e18 || d > 9.2e18)
        return false;
    *out = (int64_t)d;
    return *out >= lo && *out <= hi;
}

static bool read_unsigned(nu_str text, uint64_t hi, uint64_t *out)
{
    double d;
    if (nu_str_starts(text, NU_STR("+")))
        text = nu_str_skip(text, 1);
    if (nu_str_to_u64(text, out))
        return *out <= hi;
    if (!nu_str_to_double(text, &d) || !isfinite(d) || d != floor(d) || d < 0 || d > 1.8e19)
        return false;
    *out = (uint64_t)d;
    return *out <= hi;
}

static bool read_double(nu_str text, double *out)
{
    if (nu_str_eq(text, NU_STR("NaN")))
        *out = (double)NAN;
    else if (nu_str_eq(text, NU_STR("Infinity")))
        *out = (double)INFINITY;
    else if (nu_str_eq(text, NU_STR("-Infinity")))
        *out = -(double)INFINITY;
    else
        return nu_str_to_double(text, out) && isfinite(*out);
    return true;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

/* RFC 4648, both alphabets, padding optional. */
static bool read_base64(struct nu_arena *a, nu_str text, nu_str *out)
{
    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    if (text.len % 4 == 1)
        return false;
    char *to = nu_arena_alloc(a, text.len / 4 * 3 + 4);
    size_t n = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.ptr[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 != 0)
            to[n++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    *out = nu_str_make(to, n);
    return true;
}

static const char *enum_choices(struct nu_arena *a, const struct nu_pb_enum *e)
{
    nu_str list = NU_STR("one of");
    if (e->n > 24)
        return "a value of this enum";
    for (size_t i = 0; i < e->n; i++)
        list = nu_arena_printf(a, "%.*s%s %s", NU_STR_ARG(list), i > 0 ? "," : "",
                               nu_pb_names + nu_pb_enum_values[e->first + i].name);
    return nu_arena_cstr(a, list);
}

/* By name (any case, as Envoy), or by number, also one that has no name. */
static const char *read_enum(struct nu_arena *a, const struct nu_tree *t, const struct nu_pb_enum *e, int32_t *out)
{
    int64_t number;
    for (size_t i = 0; t->kind == NU_TREE_STRING && i < e->n; i++) {
        const struct nu_pb_enum_value *v = &nu_pb_enum_values[e->first + i];
        if (nu_str_eq_nocase(nu_pb_name(v->name), t->u.text)) {
            *out = v->number;
            return NULL;
        }
    }
    bool number_like = t->kind == NU_TREE_NUMBER || (t->kind == NU_TREE_STRING && nu_str_to_i64(t->u.text, &number));
    if (!number_like || !read_signed(t->u.text, INT32_MIN, INT32_MAX, &number))
        return enum_choices(a, e);
    *out = (int32_t)number;
    return NULL;
}

static const char *read_integer(nu_str text, enum nu_pb_kind kind, void *at)
{
    int64_t s;
    uint64_t u;
    switch (kind) {
    case NU_PB_INT32:
        if (!read_signed(text, INT32_MIN, INT32_MAX, &s))
            return "an integer from -2147483648 to 2147483647";
        *(int32_t *)at = (int32_t)s;
        return NULL;
    case NU_PB_INT64:
        return read_signed(text, INT64_MIN, INT64_MAX, (int64_t *)at) ? NULL : "an integer of 64 bits";
    case NU_PB_UINT32:
        if (!read_unsigned(text, UINT32_MAX, &u))
            return "an integer from 0 to 4294967295";
        *(uint32_t *)at = (uint32_t)u;
        return NULL;
    default:
        return read_unsigned(text, UINT64_MAX, (uint64_t *)at) ? NULL : "an integer from 0 to 18446744073709551615";
    }
}

/* Texts that Envoy takes for a boolean in whatever case; "on" and "off" are booleans in YAML only. */
static bool is_word(nu_str text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (nu_str_eq_nocase(text, nu_str_from(words[i])))
            return true;
    return false;
}

static const char *const yes_words[] = {"true", "t", "yes", "y", "1"};
static const char *const no_words[] = {"false", "f", "no", "n", "0"};

static const char *read_bool(const struct nu_tree *t, bool *out)
{
    if (t->kind == NU_TREE_BOOL)
        *out = t->u.boolean;
    else if (t->kind == NU_TREE_STRING && is_word(t->u.text, yes_words, NU_ARRAY_LEN(yes_words)))
        *out = true;
    else if (t->kind == NU_TREE_STRING && is_word(t->u.text, no_words, NU_ARRAY_LEN(no_words)))
        *out = false;
    else
        return "true or false";
    return NULL;
}

static const char *read_text(struct nu_arena *a, const struct nu_tree *t, enum nu_pb_kind kind, nu_str *out)
{
    if (t->kind == NU_TREE_BOOL || t->kind == NU_TREE_NUMBER)
        return "a string; put it in quotes";
    if (t->kind != NU_TREE_STRING)
        return "a string";
    if (kind == NU_PB_BYTES)
        return read_base64(a, t->u.text, out) ? NULL : "base64 text";
    *out = t->u.text;
    return nu_tree_is_utf8(t->u.text) ? NULL : "UTF-8";
}

const char *nu_pb_scalar_read(struct nu_arena *a, const struct nu_tree *t, enum nu_pb_kind kind,
                              const struct nu_pb_enum *e, void *at)
{
    bool has_number = t->kind == NU_TREE_NUMBER || t->kind == NU_TREE_STRING;
    double d;
    switch (kind) {
    case NU_PB_BOOL:
        return read_bool(t, (bool *)at);
    case NU_PB_STRING:
    case NU_PB_BYTES:
        return read_text(a, t, kind, (nu_str *)at);
    case NU_PB_ENUM:
        return read_enum(a, t, e, (int32_t *)at);
    case NU_PB_DOUBLE:
        return has_number && read_double(t->u.text, (double *)at) ? NULL : "a number";
    case NU_PB_FLOAT:
        if (!has_number || !read_double(t->u.text, &d))
            return "a number";
        *(float *)at = (float)d;
        return NULL;
    case NU_PB_INT32:
    case NU_PB_INT64:
    case NU_PB_UINT32:
    case NU_PB_UINT64:
        return read_integer(has_number ? t->u.text : NU_STR(""), kind, at);
    case NU_PB_MESSAGE:
        break;
    }
    return "a scalar";
}

bool nu_pb_parse_duration(nu_str text, int64_t *seconds, int32_t *nanos)
{
    bool negative = nu_str_starts(text, NU_STR("-"));
    text = nu_str_skip(text, negative);
    if (!nu_str_ends(text, NU_STR("s")))
        return false;
    text.len--;
    ssize_t dot = nu_str_find(text, '.');
    nu_str fraction = dot >= 0 ? nu_str_skip(text, (size_t)dot + 1) : NU_STR("0");
    uint64_t whole, part;
    if (!nu_str_to_u64(dot >= 0 ? nu_str_first(text, (size_t)dot) : text, &whole) || whole > 315576000000u)
        return false;
    if (fraction.len > 9 || !nu_str_to_u64(fraction, &part))
        return false;
    for (size_t i = fraction.len; i < 9; i++)
        part *= 10;
    *seconds = negative ? -(int64_t)whole : (int64_t)whole;
    *nanos = negative ? -(int32_t)part : (int32_t)part;
    return true;
}
