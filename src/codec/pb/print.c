/* SPDX-License-Identifier: Apache-2.0
 *
 * Message -> text by the descriptor tables. */
#include "codec/pb/print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/pb/print_out.h"
#include "codec/pb/scalar.h"
#include "google/protobuf/any.nu.h"
#include "google/protobuf/duration.nu.h"
#include "google/protobuf/struct.nu.h"

struct printer {
    struct nu_pb_out out;
    bool primitives;
};

static void print_message(struct printer *p, const struct nu_pb_type *type, const void *msg);

/* ---- scalars ---- */

static void print_double(struct printer *p, double v, bool narrow)
{
    char text[40];
    if (isnan(v) || isinf(v)) {
        nu_pb_out_string(&p->out, isnan(v) ? NU_STR("NaN") : v > 0 ? NU_STR("Infinity") : NU_STR("-Infinity"));
        return;
    }
    /* The digits that every value of the type has, and more only where they do not suffice. */
    snprintf(text, sizeof(text), "%.*g", narrow ? 6 : 15, v);
    if (narrow ? strtof(text, NULL) < (float)v || strtof(text, NULL) > (float)v : strtod(text, NULL) < v || strtod(text, NULL) > v)
        snprintf(text, sizeof(text), "%.*g", narrow ? 9 : 17, v);
    bool minus_zero = v == 0 && text[0] == '-'; /* "-0" is an integer to some readers, and positive */
    nu_pb_out_raw(&p->out, minus_zero ? NU_STR("-0.0") : nu_str_from(text));
}

static void print_integer(struct printer *p, enum nu_pb_kind kind, const void *at)
{
    char text[24];
    switch (kind) {
    case NU_PB_INT64:
        snprintf(text, sizeof(text), "%" PRId64, *(const int64_t *)at);
        break;
    case NU_PB_UINT64:
        snprintf(text, sizeof(text), "%" PRIu64, *(const uint64_t *)at);
        break;
    case NU_PB_UINT32:
        snprintf(text, sizeof(text), "%" PRIu32, *(const uint32_t *)at);
        break;
    default:
        snprintf(text, sizeof(text), "%" PRId32, *(const int32_t *)at);
        break;
    }
    if (kind == NU_PB_INT64 || kind == NU_PB_UINT64)
        nu_pb_out_string(&p->out, nu_str_from(text));
    else
        nu_pb_out_raw(&p->out, nu_str_from(text));
}

static void print_enum(struct printer *p, const struct nu_pb_enum *e, int32_t number)
{
    nu_str name = nu_pb_enum_name(e, number);
    if (name.ptr != NULL)
        nu_pb_out_string(&p->out, name);
    else
        print_integer(p, NU_PB_INT32, &number);
}

static void print_bytes(struct printer *p, nu_str s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct nu_sb text = {0};
    for (size_t i = 0; i < s.len; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < s.len ? (uint8_t)s.ptr[i + k] : 0u);
        for (unsigned k = 0; k < 4; k++)
            nu_sb_char(&text, i + k <= s.len ? digits[bits >> (18 - 6 * k) & 63] : '=');
    }
    nu_pb_out_string(&p->out, nu_sb_str(&text));
    nu_sb_free(&text);
}

static void print_value(struct printer *p, const struct nu_pb_field *f, const void *at)
{
    const void *m;
    switch ((enum nu_pb_kind)f->kind) {
    case NU_PB_BOOL:
        nu_pb_out_raw(&p->out, *(const bool *)at ? NU_STR("true") : NU_STR("false"));
        return;
    case NU_PB_FLOAT:
        print_double(p, (double)*(const float *)at, true);
        return;
    case NU_PB_DOUBLE:
        print_double(p, *(const double *)at, false);
        return;
    case NU_PB_ENUM:
        print_enum(p, &nu_pb_enums[f->sub], *(const int32_t *)at);
        return;
    case NU_PB_STRING:
        nu_pb_out_string(&p->out, *(const nu_str *)at);
        return;
    case NU_PB_BYTES:
        print_bytes(p, *(const nu_str *)at);
        return;
    case NU_PB_MESSAGE:
        memcpy(&m, at, sizeof(m));
        print_message(p, nu_pb_field_type(f), m);
        return;
    case NU_PB_INT32:
    case NU_PB_INT64:
    case NU_PB_UINT32:
    case NU_PB_UINT64:
        print_integer(p, f->kind, at);
        return;
    }
}

/* ---- fields ---- */

static bool is_printed(const struct printer *p, const struct nu_pb_field *f, const char *base)
{
    size_t n;
    const void *pointer;
    if ((f->flags & NU_PB_IN_ONEOF) != 0 && !nu_pb_oneof_has(f, base))
        return false;
    switch ((enum nu_pb_label)f->label) {
    case NU_PB_REPEATED:
    case NU_PB_MAP:
        memcpy(&n, base + f->aux, sizeof(n));
        return n > 0 || p->primitives;
    case NU_PB_WRAPPER:
        memcpy(&pointer, base + f->offset, sizeof(pointer));
        return pointer != NULL;
    case NU_PB_OPTIONAL:
        return *(const bool *)(const void *)(base + f->aux);
    case NU_PB_SINGLE:
        break;
    }
    return (f->flags & NU_PB_IN_ONEOF) != 0 || !nu_pb_is_default(f->kind, base + f->offset) ||
           (p->primitives && f->kind != NU_PB_MESSAGE);
}

static void print_repeated(struct printer *p, const struct nu_pb_field *f, const char *base)
{
    struct nu_pb_out_level level;
    size_t n, size = nu_pb_scalar_size(f->kind);
    const char *items;
    memcpy(&n, base + f->aux, sizeof(n));
    memcpy(&items, base + f->offset, sizeof(items));
    nu_pb_out_open(&p->out, &level, true);
    for (size_t i = 0; i < n; i++) {
        nu_pb_out_item(&p->out, &level);
        print_value(p, f, items + i * size);
    }
    nu_pb_out_close(&p->out, &level);
}

static void print_map(struct printer *p, const struct nu_pb_field *f, const char *base)
{
    const struct nu_pb_type *entry = nu_pb_field_type(f);
    const struct nu_pb_field *key = nu_pb_field_at(entry, 0), *value = nu_pb_field_at(entry, 1);
    struct nu_pb_out_level level;
    size_t n;
    const char *items;
    memcpy(&n, base + f->aux, sizeof(n));
    memcpy(&items, base + f->offset, sizeof(items));
    nu_pb_out_open(&p->out, &level, false);
    for (size_t i = 0; i < n; i++, items += entry->size) {
        nu_pb_out_key(&p->out, &level, *(const nu_str *)(const void *)(items + key->offset));
        print_value(p, value, items + value->offset);
    }
    nu_pb_out_close(&p->out, &level);
}

static void print_fields(struct printer *p, struct nu_pb_out_level *level, const struct nu_pb_type *type, const char *base)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct nu_pb_field *f = nu_pb_field_at(type, i);
        const char *at = base + f->offset;
        if (!is_printed(p, f, base))
            continue;
        nu_pb_out_key(&p->out, level, nu_pb_name(f->name));
        if (f->label == NU_PB_REPEATED)
            print_repeated(p, f, base);
        else if (f->label == NU_PB_MAP)
            print_map(p, f, base);
        else if (f->label == NU_PB_WRAPPER)
            print_value(p, f, *(const void *const *)(const void *)at);
        else
            print_value(p, f, at);
    }
}

/* ---- types with a form of their own ---- */

static void print_duration(struct printer *p, const struct google_protobuf_Duration *d)
{
    char text[48];
    bool negative = d->seconds < 0 || d->nanos < 0;
    uint64_t seconds = negative ? 0 - (uint64_t)d->seconds : (uint64_t)d->seconds;
    uint32_t nanos = negative ? 0 - (uint32_t)d->nanos : (uint32_t)d->nanos;
    int n = snprintf(text, sizeof(text), "%s%" PRIu64, negative ? "-" : "", seconds);
    if (nanos % 1000000 == 0 && nanos > 0)
        n += snprintf(text + n, sizeof(text) - (size_t)n, ".%03" PRIu32, nanos / 1000000);
    else if (nanos % 1000 == 0 && nanos > 0)
        n += snprintf(text + n, sizeof(text) - (size_t)n, ".%06" PRIu32, nanos / 1000);
    else if (nanos > 0)
        n += snprintf(text + n, sizeof(text) - (size_t)n, ".%09" PRIu32, nanos);
    text[n++] = 's';
    nu_pb_out_string(&p->out, nu_str_make(text, (size_t)n));
}

static void print_json_value(struct printer *p, const struct google_protobuf_Value *v)
{
    switch (v->kind_case) {
    case google_protobuf_Value_number_value_case:
        print_double(p, v->number_value, false);
        return;
    case google_protobuf_Value_string_value_case:
        nu_pb_out_string(&p->out, v->string_value);
        return;
    case google_protobuf_Value_bool_value_case:
        nu_pb_out_raw(&p->out, v->bool_value ? NU_STR("true") : NU_STR("false"));
        return;
    case google_protobuf_Value_struct_value_case:
        print_message(p, &google_protobuf_Struct_type, v->struct_value);
        return;
    case google_protobuf_Value_list_value_case:
        print_message(p, &google_protobuf_ListValue_type, v->list_value);
        return;
    default:
        nu_pb_out_raw(&p->out, NU_STR("null"));
        return;
    }
}

/* The types whose JSON is not a map of their fields. */
static bool has_value_form(const struct nu_pb_type *type)
{
    return type->well_known != NU_PB_ORDINARY && type->well_known != NU_PB_TYPED_STRUCT;
}

static void print_held(struct printer *p, nu_str type_url, const struct nu_pb_msg *m)
{
    struct nu_pb_out_level level;
    nu_pb_out_open(&p->out, &level, false);
    nu_pb_out_key(&p->out, &level, NU_STR("@type"));
    nu_pb_out_string(&p->out, type_url);
    if (has_value_form(m->type)) {
        nu_pb_out_key(&p->out, &level, NU_STR("value"));
        print_message(p, m->type, m);
    } else {
        print_fields(p, &level, m->type, (const char *)m);
    }
    nu_pb_out_close(&p->out, &level);
}

/* One that was not decoded shows its bytes. */
static void print_any(struct printer *p, const struct google_protobuf_Any *any)
{
    struct nu_pb_out_level level;
    if (any->msg != NULL) {
        print_held(p, any->type_url, any->msg);
        return;
    }
    nu_pb_out_open(&p->out, &level, false);
    if (any->type_url.len > 0) {
        nu_pb_out_key(&p->out, &level, NU_STR("@type"));
        nu_pb_out_string(&p->out, any->type_url);
    }
    if (any->value.len > 0) {
        nu_pb_out_key(&p->out, &level, NU_STR("value"));
        print_bytes(p, any->value);
    }
    nu_pb_out_close(&p->out, &level);
}

static void print_message(struct printer *p, const struct nu_pb_type *type, const void *msg)
{
    struct nu_pb_out_level level;
    if (msg == NULL) { /* only in what was read with errors */
        nu_pb_out_raw(&p->out, NU_STR("null"));
        return;
    }
    switch ((enum nu_pb_well_known)type->well_known) {
    case NU_PB_ANY:
        print_any(p, msg);
        return;
    case NU_PB_DURATION:
        print_duration(p, msg);
        return;
    case NU_PB_VALUE:
        print_json_value(p, msg);
        return;
    case NU_PB_STRUCT:
        print_map(p, nu_pb_field_at(type, 0), msg);
        return;
    case NU_PB_LIST_VALUE:
        print_repeated(p, nu_pb_field_at(type, 0), msg);
        return;
    case NU_PB_SCALAR_WRAPPER:
        print_value(p, nu_pb_field_at(type, 0), (const char *)msg + nu_pb_field_at(type, 0)->offset);
        return;
    case NU_PB_TIMESTAMP:
    case NU_PB_MAP_ENTRY:
    case NU_PB_TYPED_STRUCT:
    case NU_PB_ORDINARY:
        break;
    }
    nu_pb_out_open(&p->out, &level, false);
    print_fields(p, &level, type, msg);
    nu_pb_out_close(&p->out, &level);
}

void nu_pb_print_json(struct nu_sb *out, const void *msg, const struct nu_pb_print_options *options)
{
    static const struct nu_pb_print_options none;
    const struct nu_pb_msg *m = msg;
    const struct nu_pb_print_options *opt = options != NULL ? options : &none;
    struct printer p = {.primitives = opt->primitives,
                        .out = {.sb = out, .compact = opt->compact, .indent = opt->indent}};
    if (!opt->as_any) {
        print_message(&p, m->type, m);
        return;
    }
    struct nu_sb url = {0};
    nu_sb_lit(&url, "type.googleapis.com/");
    nu_sb_add(&url, nu_pb_name(m->type->name));
    print_held(&p, nu_sb_str(&url), m);
    nu_sb_free(&url);
}
