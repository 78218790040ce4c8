/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pb/hash.h"

#include "base/map.h"
#include "codec/pb/scalar.h"
#include "google/protobuf/any.nu.h"

static uint64_t mix(uint64_t h, uint64_t v)
{
    uint64_t both[2] = {h, v};
    return nu_hash64(nu_str_make(both, sizeof(both)));
}

static uint64_t hash_message(const struct nu_pb_type *type, const void *msg, const char *const *without);

/* The bytes of one value of a field; `p` points at the value (messages: at the pointer). */
static uint64_t hash_value(const struct nu_pb_field *f, const char *p)
{
    switch ((enum nu_pb_kind)f->kind) {
    case NU_PB_BOOL:
        return *(const bool *)(const void *)p;
    case NU_PB_INT32:
    case NU_PB_UINT32:
    case NU_PB_FLOAT:
    case NU_PB_ENUM: {
        uint32_t v;
        memcpy(&v, p, sizeof(v));
        return v;
    }
    case NU_PB_INT64:
    case NU_PB_UINT64:
    case NU_PB_DOUBLE: {
        uint64_t v;
        memcpy(&v, p, sizeof(v));
        return v;
    }
    case NU_PB_STRING:
    case NU_PB_BYTES: {
        nu_str s;
        memcpy(&s, p, sizeof(s));
        return mix(s.len, s.len > 0 ? nu_hash64(s) : 0);
    }
    case NU_PB_MESSAGE: {
        const void *m;
        memcpy(&m, p, sizeof(m));
        return m != NULL ? hash_message(nu_pb_field_type(f), m, NULL) : 0;
    }
    }
    return 0;
}

static uint64_t hash_repeated(const struct nu_pb_field *f, const char *msg)
{
    size_t n;
    const char *items;
    memcpy(&n, msg + f->aux, sizeof(n));
    memcpy(&items, msg + f->offset, sizeof(items));
    uint64_t h = n;
    for (size_t i = 0; i < n; i++)
        h = mix(h, hash_value(f, items + i * nu_pb_scalar_size(f->kind)));
    return h;
}

/* Entries are summed, so that their order does not count. */
static uint64_t hash_map(const struct nu_pb_field *f, const char *msg)
{
    const struct nu_pb_type *entry = nu_pb_field_type(f);
    size_t n;
    const char *items;
    memcpy(&n, msg + f->aux, sizeof(n));
    memcpy(&items, msg + f->offset, sizeof(items));
    uint64_t h = n;
    for (size_t i = 0; i < n; i++)
        h += hash_message(entry, items + i * entry->size, NULL);
    return h;
}

static uint64_t hash_field(const struct nu_pb_field *f, const char *msg)
{
    const char *p = msg + f->offset;
    switch ((enum nu_pb_label)f->label) {
    case NU_PB_SINGLE:
        return hash_value(f, p);
    case NU_PB_OPTIONAL:
        return mix(*(const bool *)(const void *)(msg + f->aux), hash_value(f, p));
    case NU_PB_WRAPPER: {
        const char *scalar;
        memcpy(&scalar, p, sizeof(scalar));
        return scalar != NULL ? mix(1, hash_value(f, scalar)) : 0;
    }
    case NU_PB_REPEATED:
        return hash_repeated(f, msg);
    case NU_PB_MAP:
        return hash_map(f, msg);
    }
    return 0;
}

static bool skipped(const struct nu_pb_field *f, const char *const *without)
{
    for (; without != NULL && *without != NULL; without++)
        if (strcmp(nu_pb_names + f->name, *without) == 0)
            return true;
    return false;
}

static uint64_t hash_message(const struct nu_pb_type *type, const void *msg, const char *const *without)
{
    uint64_t h = type->name;
    if (type->well_known == NU_PB_ANY) {
        const struct google_protobuf_Any *any = msg;
        h = mix(h, nu_hash64(any->type_url.len > 0 ? any->type_url : NU_STR("-")));
        if (any->msg != NULL)
            return mix(h, hash_message(any->msg->type, any->msg, NULL));
    }
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct nu_pb_field *f = nu_pb_field_at(type, i);
        if (skipped(f, without))
            continue;
        if (f->flags & NU_PB_IN_ONEOF) {
            int which;
            memcpy(&which, (const char *)msg + f->aux, sizeof(which));
            if (which != (int)f->number)
                continue;
            h = mix(h, f->number);
        }
        h = mix(h, hash_field(f, msg));
    }
    return h;
}

uint64_t nu_pb_hash_without(const void *msg, const char *const *fields)
{
    const struct nu_pb_msg *m = msg;
    return m != NULL ? hash_message(m->type, m, fields) : 0;
}

uint64_t nu_pb_hash(const void *msg)
{
    return nu_pb_hash_without(msg, NULL);
}
