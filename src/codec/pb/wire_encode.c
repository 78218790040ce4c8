/* SPDX-License-Identifier: Apache-2.0
 *
 * Message -> wire bytes. A length stands before what it counts and is written after it, so a byte is left for it; the few
 * texts that need more bytes are moved. */
#include "codec/pb/scalar.h"
#include "codec/pb/wire.h"
#include "codec/pb/wire_priv.h"
#include "google/protobuf/any.nu.h"

static void put_varint(struct nu_sb *out, uint64_t v)
{
    if (out->cap - out->len < 10)
        nu_sb_reserve(out, 10);
    for (; v >= 0x80; v >>= 7)
        out->ptr[out->len++] = (char)(v | 0x80);
    out->ptr[out->len++] = (char)v;
}

static void put_tag(struct nu_sb *out, uint32_t number, enum wire_type type)
{
    put_varint(out, (uint64_t)number << 3 | type);
}

/* Leaves room for a length; returns where what it counts begins. */
static size_t open_length(struct nu_sb *out)
{
    nu_sb_char(out, '\0');
    return out->len;
}

static void close_length(struct nu_sb *out, size_t from)
{
    size_t n = out->len - from, more = 0;
    if (n < 0x80) {
        out->ptr[from - 1] = (char)n;
        return;
    }
    for (size_t v = n; v >= 0x80; v >>= 7)
        more++;
    nu_sb_reserve(out, more + 10);
    if (more > 0)
        memmove(out->ptr + from + more, out->ptr + from, n);
    out->len = from - 1;
    put_varint(out, n);
    out->len += n;
}

static void put_fixed(struct nu_sb *out, const void *value, size_t size)
{
    uint64_t v = 0;
    memcpy(&v, value, size); /* little-endian, as the wire; asserted in wire_priv.h */
    nu_sb_add(out, nu_str_make(&v, size));
}

static void put_text(struct nu_sb *out, nu_str s)
{
    put_varint(out, s.len);
    nu_sb_add(out, s);
}

static void encode_fields(struct nu_sb *out, const struct nu_pb_type *type, const char *base);

/* The value without its tag. */
static void put_value(struct nu_sb *out, enum nu_pb_kind kind, const struct nu_pb_type *sub, const void *at)
{
    switch (kind) {
    case NU_PB_BOOL:
        put_varint(out, *(const bool *)at);
        return;
    case NU_PB_INT32:
    case NU_PB_ENUM:
        put_varint(out, (uint64_t)(int64_t) * (const int32_t *)at);
        return;
    case NU_PB_UINT32:
        put_varint(out, *(const uint32_t *)at);
        return;
    case NU_PB_INT64:
    case NU_PB_UINT64:
        put_varint(out, *(const uint64_t *)at);
        return;
    case NU_PB_FLOAT:
        put_fixed(out, at, sizeof(float));
        return;
    case NU_PB_DOUBLE:
        put_fixed(out, at, sizeof(double));
        return;
    case NU_PB_STRING:
    case NU_PB_BYTES:
        put_text(out, *(const nu_str *)at);
        return;
    case NU_PB_MESSAGE: {
        const char *m;
        size_t from = open_length(out);
        memcpy(&m, at, sizeof(m));
        if (m != NULL)
            encode_fields(out, sub, m);
        close_length(out, from);
        return;
    }
    }
}

static void put_field(struct nu_sb *out, const struct nu_pb_field *f, const void *at)
{
    put_tag(out, f->number, nu_pb_wire_type(f->kind));
    put_value(out, f->kind, f->kind == NU_PB_MESSAGE ? nu_pb_field_type(f) : NULL, at);
}

static void put_repeated(struct nu_sb *out, const struct nu_pb_field *f, const char *base)
{
    size_t n, size = nu_pb_scalar_size(f->kind), from = 0;
    const char *items;
    bool packed = nu_pb_wire_type(f->kind) != WIRE_LENGTH;
    memcpy(&n, base + f->aux, sizeof(n));
    memcpy(&items, base + f->offset, sizeof(items));
    if (n > 0 && packed) {
        put_tag(out, f->number, WIRE_LENGTH);
        from = open_length(out);
    }
    for (size_t i = 0; i < n; i++) {
        if (packed)
            put_value(out, f->kind, NULL, items + i * size);
        else
            put_field(out, f, items + i * size);
    }
    if (n > 0 && packed)
        close_length(out, from);
}

static void put_map(struct nu_sb *out, const struct nu_pb_field *f, const char *base)
{
    const struct nu_pb_type *entry = nu_pb_field_type(f);
    const struct nu_pb_field *key = nu_pb_field_at(entry, 0), *value = nu_pb_field_at(entry, 1);
    size_t n;
    const char *items;
    memcpy(&n, base + f->aux, sizeof(n));
    memcpy(&items, base + f->offset, sizeof(items));
    for (size_t i = 0; i < n; i++, items += entry->size) {
        put_tag(out, f->number, WIRE_LENGTH);
        size_t from = open_length(out);
        put_field(out, key, items + key->offset);
        put_field(out, value, items + value->offset);
        close_length(out, from);
    }
}

/* A scalar in a message of its own, whose only field has number 1. */
static void put_wrapper(struct nu_sb *out, const struct nu_pb_field *f, const char *at)
{
    const char *scalar;
    memcpy(&scalar, at, sizeof(scalar));
    if (scalar == NULL)
        return;
    put_tag(out, f->number, WIRE_LENGTH);
    size_t from = open_length(out);
    if (!nu_pb_is_default(f->kind, scalar)) {
        put_tag(out, 1, nu_pb_wire_type(f->kind));
        put_value(out, f->kind, NULL, scalar);
    }
    close_length(out, from);
}

static void encode_field(struct nu_sb *out, const struct nu_pb_field *f, const char *base)
{
    bool in_oneof = (f->flags & NU_PB_IN_ONEOF) != 0;
    if (in_oneof && !nu_pb_oneof_has(f, base))
        return;
    switch ((enum nu_pb_label)f->label) {
    case NU_PB_REPEATED:
        put_repeated(out, f, base);
        return;
    case NU_PB_MAP:
        put_map(out, f, base);
        return;
    case NU_PB_WRAPPER:
        put_wrapper(out, f, base + f->offset);
        return;
    case NU_PB_OPTIONAL:
        if (*(const bool *)(const void *)(base + f->aux))
            put_field(out, f, base + f->offset);
        return;
    case NU_PB_SINGLE:
        if (in_oneof || !nu_pb_is_default(f->kind, base + f->offset))
            put_field(out, f, base + f->offset);
        return;
    }
}

static void encode_any(struct nu_sb *out, const struct google_protobuf_Any *any)
{
    if (any->type_url.len > 0) {
        put_tag(out, 1, WIRE_LENGTH);
        put_text(out, any->type_url);
    }
    size_t before = out->len;
    put_tag(out, 2, WIRE_LENGTH);
    size_t from = open_length(out);
    if (any->msg != NULL)
        encode_fields(out, any->msg->type, (const char *)any->msg);
    else
        nu_sb_add(out, any->value);
    if (out->len == from)
        out->len = before;
    else
        close_length(out, from);
}

static void encode_fields(struct nu_sb *out, const struct nu_pb_type *type, const char *base)
{
    if (type->well_known == NU_PB_ANY) {
        encode_any(out, (const struct google_protobuf_Any *)(const void *)base);
        return;
    }
    for (size_t i = 0; i < type->n_fields; i++)
        encode_field(out, nu_pb_field_at(type, i), base);
}

void nu_pb_encode(struct nu_sb *out, const void *msg)
{
    encode_fields(out, ((const struct nu_pb_msg *)msg)->type, msg);
}
