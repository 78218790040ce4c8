/* SPDX-License-Identifier: Apache-2.0
 *
 * Wire bytes -> message, by the rules of proto3: the last scalar wins, messages that occur twice are merged, numbers come
 * packed or not. What breaks the framing ends the reading; all else is reported and the reading goes on. */
#include <stdarg.h>
#include <stdio.h>

#include "base/map.h"
#include "codec/pb/load_priv.h"
#include "codec/pb/scalar.h"
#include "codec/pb/wire.h"
#include "codec/pb/wire_priv.h"
#include "codec/tree.h"

struct decoder {
    struct loader l;
    struct nu_pb_wire_options limit;
    const uint8_t *start; /* of all the bytes, for reports */
    size_t values;
    bool failed;
};

/* What is left of a message. */
struct input {
    const uint8_t *p, *end;
};

struct tag {
    uint32_t number;
    enum wire_type type;
};

static void decode_message(struct decoder *d, struct nu_pb_msg *m, struct input in, unsigned depth);

NU_PRINTF(4, 5)
static bool fail(struct decoder *d, const struct nu_pb_msg *m, const struct input *in, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    if (d->failed)
        return false;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    d->failed = true;
    nu_pb_report(d->l.diags, NU_DIAG_ERROR, m, NULL, (struct nu_pos){0}, "not protobuf: %s at byte %zu", text,
                 (size_t)(in->p - d->start));
    return false;
}

static bool count_value(struct decoder *d, const struct nu_pb_msg *m)
{
    if (++d->values <= d->limit.max_values || d->failed)
        return !d->failed;
    d->failed = true;
    nu_pb_report(d->l.diags, NU_DIAG_ERROR, m, NULL, (struct nu_pos){0}, "more than %zu values", d->limit.max_values);
    return false;
}

/* ---- framing ---- */

static bool take_varint(struct input *in, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; in->p < in->end && shift < 70; shift += 7) {
        uint8_t byte = *in->p++;
        if (shift == 63 && byte > 1)
            return false;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = v;
            return true;
        }
    }
    return false;
}

static bool take_tag(struct input *in, struct tag *t)
{
    uint64_t v;
    if (!take_varint(in, &v) || v > UINT32_MAX || v >> 3 == 0 || (v & 7) > WIRE_32)
        return false;
    *t = (struct tag){.number = (uint32_t)v >> 3, .type = (enum wire_type)(v & 7)};
    return true;
}

static bool take_bytes(struct input *in, size_t n, struct input *out)
{
    if ((size_t)(in->end - in->p) < n)
        return false;
    *out = (struct input){in->p, in->p + n};
    in->p += n;
    return true;
}

static bool take_length(struct input *in, struct input *out)
{
    uint64_t n;
    return take_varint(in, &n) && n <= SIZE_MAX && take_bytes(in, (size_t)n, out);
}

/* Past a value of which only the wire type is known. Groups nest without recursion: what counts is that each end has the
 * number of its start, and a fixed stack remembers those. */
static bool skip_value(struct input *in, struct tag t)
{
    uint32_t open[NU_PB_WIRE_MAX_DEPTH];
    size_t n = 0;
    struct input part;
    uint64_t v;
    for (;;) {
        bool ok = true;
        switch (t.type) {
        case WIRE_VARINT:
            ok = take_varint(in, &v);
            break;
        case WIRE_64:
            ok = take_bytes(in, 8, &part);
            break;
        case WIRE_32:
            ok = take_bytes(in, 4, &part);
            break;
        case WIRE_LENGTH:
            ok = take_length(in, &part);
            break;
        case WIRE_GROUP:
            ok = n < NU_ARRAY_LEN(open);
            if (ok)
                open[n++] = t.number;
            break;
        case WIRE_GROUP_END:
            ok = n > 0 && open[--n] == t.number;
            break;
        }
        if (!ok)
            return false;
        if (n == 0)
            return true;
        if (!take_tag(in, &t))
            return false;
    }
}

/* ---- scalars ---- */

static nu_str text_of(const struct input *part)
{
    return nu_str_make(part->p, (size_t)(part->end - part->p));
}

/* One value that is a varint or has a fixed size. */
static bool take_number(struct input *in, enum nu_pb_kind kind, void *to)
{
    enum wire_type type = nu_pb_wire_type(kind);
    struct input part;
    uint64_t v;
    if (type == WIRE_32 || type == WIRE_64) {
        size_t size = nu_pb_scalar_size(kind);
        if (!take_bytes(in, size, &part))
            return false;
        memcpy(to, part.p, size);
        return true;
    }
    if (!take_varint(in, &v))
        return false;
    if (kind == NU_PB_BOOL)
        *(bool *)to = v != 0;
    else
        memcpy(to, &v, nu_pb_scalar_size(kind)); /* 32-bit kinds keep the low half */
    return true;
}

static bool take_text(struct decoder *d, const struct place *at, struct input *in, enum nu_pb_kind kind, nu_str *to)
{
    struct input part;
    if (!take_length(in, &part))
        return false;
    /* What an Any holds is decoded as soon as the Any is complete: until then a view will do. */
    bool passing = kind == NU_PB_BYTES && at->msg->type->well_known == NU_PB_ANY;
    *to = passing ? text_of(&part) : nu_arena_str(d->l.arena, text_of(&part));
    if (kind == NU_PB_STRING && !nu_tree_is_utf8(*to))
        nu_pb_fail_expected(&d->l, at, NULL, "UTF-8");
    return true;
}

static bool take_scalar(struct decoder *d, const struct place *at, struct input *in, enum nu_pb_kind kind, void *to)
{
    bool ok = nu_pb_wire_type(kind) == WIRE_LENGTH ? take_text(d, at, in, kind, (nu_str *)to) : take_number(in, kind, to);
    return ok || fail(d, at->msg, in, "a value is cut off");
}

/* ---- what api/ does not have ---- */

static const struct nu_pb_absent_field *find_absent(const struct nu_pb_type *type, uint32_t number)
{
    for (size_t i = 0; i < type->n_absent; i++)
        if (nu_pb_absent_fields[type->first_absent + i].number == number)
            return &nu_pb_absent_fields[type->first_absent + i];
    return NULL;
}

static void report_unknown(struct decoder *d, struct nu_pb_msg *m, const struct nu_pb_type *type, struct tag t)
{
    const struct nu_pb_absent_field *absent = find_absent(type, t.number);
    if (absent != NULL) {
        nu_pb_report_absent(d->l.diags, m, type, absent, (struct nu_pos){0});
        return;
    }
    if (d->limit.unknown == NU_PB_UNKNOWN_IGNORE)
        return;
    bool error = d->limit.unknown == NU_PB_UNKNOWN_ERROR;
    m->incomplete |= error;
    nu_pb_report(d->l.diags, error ? NU_DIAG_ERROR : NU_DIAG_WARNING, m, NULL, (struct nu_pos){0},
                 nu_pb_find_number(type, t.number) != NULL ? "field %u of %s has another type on the wire"
                                                           : "unknown field number %u in %s",
                 t.number, nu_pb_names + type->name);
}

static bool skip_unknown(struct decoder *d, struct nu_pb_msg *m, const struct nu_pb_type *type, struct input *in, struct tag t)
{
    if (!skip_value(in, t))
        return fail(d, m, in, "a value is cut off");
    report_unknown(d, m, type, t);
    return true;
}

/* ---- fields ---- */

/* The slot for one more element of an array that grows by doubling; n is its length before. */
static char *grow(struct nu_arena *a, char **array, size_t n, size_t size)
{
    if (n == 0) {
        *array = nu_arena_calloc(a, 1, size);
    } else if ((n & (n - 1)) == 0) {
        char *more = nu_arena_calloc(a, n * 2, size);
        memcpy(more, *array, n * size);
        *array = more;
    }
    return *array + n * size;
}

static char *append(struct decoder *d, const struct nu_pb_field *f, char *base, size_t size)
{
    size_t n;
    char *array;
    memcpy(&n, base + f->aux, sizeof(n));
    memcpy(&array, base + f->offset, sizeof(array));
    char *slot = grow(d->l.arena, &array, n, size);
    n++;
    memcpy(base + f->aux, &n, sizeof(n));
    memcpy(base + f->offset, &array, sizeof(array));
    return slot;
}

/* The message of the pointer at `to`: the one that is there already, or a new one. */
static struct nu_pb_msg *child(struct decoder *d, const struct place *at, const struct nu_pb_type *type, char *to)
{
    struct nu_pb_msg *m;
    memcpy(&m, to, sizeof(m));
    if (m == NULL) {
        m = nu_pb_new(d->l.arena, type);
        m->parent = at->msg;
        m->parent_field = at->field;
        m->parent_index = at->index;
        memcpy(to, &m, sizeof(m));
    }
    return m;
}

static bool take_message(struct decoder *d, const struct place *at, struct input *in, const struct nu_pb_type *type,
                         char *to, unsigned depth)
{
    struct input part;
    if (!take_length(in, &part))
        return fail(d, at->msg, in, "a message is cut off");
    if (!count_value(d, at->msg))
        return false;
    struct nu_pb_msg *m = child(d, at, type, to);
    decode_message(d, m, part, depth + 1);
    if (type->well_known == NU_PB_DURATION && !d->failed)
        nu_pb_check_duration(&d->l, at, (const struct google_protobuf_Duration *)(const void *)m, (struct nu_pos){0});
    return !d->failed;
}

static bool take_wrapper(struct decoder *d, const struct place *at, struct input *in, const struct nu_pb_field *f, char *to)
{
    struct input part;
    struct tag t;
    void *value;
    if (!take_length(in, &part))
        return fail(d, at->msg, in, "a message is cut off");
    memcpy(&value, to, sizeof(value));
    if (value == NULL) {
        value = nu_arena_zalloc(d->l.arena, nu_pb_scalar_size(f->kind));
        memcpy(to, &value, sizeof(value));
    }
    while (part.p < part.end) {
        if (!take_tag(&part, &t))
            return fail(d, at->msg, &part, "a malformed tag");
        bool known = t.number == 1 && t.type == nu_pb_wire_type(f->kind);
        if (!(known ? take_scalar(d, at, &part, f->kind, value)
                    : skip_unknown(d, at->msg, nu_pb_field_type(f), &part, t)))
            return false;
    }
    return true;
}

static bool take_element(struct decoder *d, struct place *at, struct input *in, const struct nu_pb_field *f, char *base,
                         unsigned depth)
{
    size_t n;
    memcpy(&n, base + f->aux, sizeof(n));
    at->index = (uint32_t)n;
    char *slot = append(d, f, base, nu_pb_scalar_size(f->kind));
    if (f->kind == NU_PB_MESSAGE)
        return take_message(d, at, in, nu_pb_field_type(f), slot, depth);
    return count_value(d, at->msg) && take_scalar(d, at, in, f->kind, slot);
}

static bool take_packed(struct decoder *d, struct place *at, struct input *in, const struct nu_pb_field *f, char *base)
{
    struct input part;
    if (!take_length(in, &part))
        return fail(d, at->msg, in, "a list is cut off");
    while (part.p < part.end)
        if (!take_element(d, at, &part, f, base, 0))
            return false;
    return true;
}

static bool take_entry_field(struct decoder *d, const struct place *at, struct input *in, const struct nu_pb_field *f,
                             char *entry, unsigned depth)
{
    char *to = entry + f->offset;
    if (f->kind == NU_PB_MESSAGE)
        return take_message(d, at, in, nu_pb_field_type(f), to, depth);
    return take_scalar(d, at, in, f->kind, to);
}

static bool take_entry(struct decoder *d, struct place *at, struct input *in, const struct nu_pb_field *f, char *base,
                       unsigned depth)
{
    const struct nu_pb_type *type = nu_pb_field_type(f);
    const struct nu_pb_field *value = nu_pb_field_at(type, 1);
    struct input part;
    struct tag t;
    size_t n;
    if (!take_length(in, &part))
        return fail(d, at->msg, in, "a map entry is cut off");
    if (!count_value(d, at->msg))
        return false;
    memcpy(&n, base + f->aux, sizeof(n));
    at->index = (uint32_t)n;
    char *entry = append(d, f, base, type->size);
    *(nu_str *)(void *)(entry + nu_pb_field_at(type, 0)->offset) = NU_STR(""); /* all keys of the API are strings */
    while (part.p < part.end) {
        if (!take_tag(&part, &t))
            return fail(d, at->msg, &part, "a malformed tag");
        const struct nu_pb_field *known = nu_pb_find_number(type, t.number);
        if (known != NULL && t.type != nu_pb_wire_type(known->kind))
            known = NULL;
        if (!(known != NULL ? take_entry_field(d, at, &part, known, entry, depth)
                            : skip_unknown(d, at->msg, type, &part, t)))
            return false;
    }
    if (value->kind == NU_PB_MESSAGE) /* one that is left out is an empty one */
        (void)child(d, at, nu_pb_field_type(value), entry + value->offset);
    return true;
}

/* Makes a member the one of its oneof that is set, and forgets the one before. */
static void claim_oneof(const struct nu_pb_type *type, const struct nu_pb_field *f, char *base)
{
    int set;
    memcpy(&set, base + f->aux, sizeof(set));
    if (set == (int)f->number)
        return;
    if (set != 0) {
        const struct nu_pb_field *other = nu_pb_find_number(type, (uint32_t)set);
        memset(base + other->offset, 0, other->label == NU_PB_WRAPPER ? sizeof(void *) : nu_pb_scalar_size(other->kind));
    }
    set = (int)f->number;
    memcpy(base + f->aux, &set, sizeof(set));
}

/* Whether a repeated field of numbers comes as one run of them. */
static bool is_packed(const struct nu_pb_field *f, enum wire_type type)
{
    return f->label == NU_PB_REPEATED && type == WIRE_LENGTH && nu_pb_wire_type(f->kind) != WIRE_LENGTH;
}

static bool decode_field(struct decoder *d, struct place *at, struct input *in, struct tag t, unsigned depth)
{
    const struct nu_pb_field *f = nu_pb_field_at(at->msg->type, at->field);
    char *base = (char *)at->msg, *to = base + f->offset;
    if ((f->flags & NU_PB_IN_ONEOF) != 0)
        claim_oneof(at->msg->type, f, base);
    switch ((enum nu_pb_label)f->label) {
    case NU_PB_REPEATED:
        return is_packed(f, t.type) ? take_packed(d, at, in, f, base) : take_element(d, at, in, f, base, depth);
    case NU_PB_MAP:
        return take_entry(d, at, in, f, base, depth);
    case NU_PB_WRAPPER:
        return take_wrapper(d, at, in, f, to);
    case NU_PB_OPTIONAL:
        *(bool *)(void *)(base + f->aux) = true;
        return take_scalar(d, at, in, f->kind, to);
    case NU_PB_SINGLE:
        break;
    }
    if (f->kind == NU_PB_MESSAGE)
        return take_message(d, at, in, nu_pb_field_type(f), to, depth);
    return take_scalar(d, at, in, f->kind, to);
}

/* ---- messages ---- */

/* Of entries with the same key the last one holds, in the place of the first. */
static void unite_entries(const struct nu_pb_field *f, char *base)
{
    const struct nu_pb_type *type = nu_pb_field_type(f);
    const struct nu_pb_field *key = nu_pb_field_at(type, 0), *value = nu_pb_field_at(type, 1);
    struct nu_map seen = {0};
    size_t n, kept = 0;
    char *entries;
    memcpy(&n, base + f->aux, sizeof(n));
    memcpy(&entries, base + f->offset, sizeof(entries));
    if (n < 2)
        return;
    nu_map_reserve(&seen, n);
    for (size_t i = 0; i < n; i++) {
        char *from = entries + i * type->size;
        nu_str name = *(const nu_str *)(const void *)(from + key->offset);
        char *to = nu_map_get(&seen, name);
        if (to == NULL) {
            to = entries + kept++ * type->size;
            nu_map_put(&seen, name, to);
        }
        if (to == from)
            continue;
        memcpy(to, from, type->size);
        if (value->kind == NU_PB_MESSAGE)
            (*(struct nu_pb_msg **)(void *)(to + value->offset))->parent_index = (uint32_t)((size_t)(to - entries) / type->size);
    }
    nu_map_free(&seen);
    memcpy(base + f->aux, &kept, sizeof(kept));
}

static void decode_fields(struct decoder *d, struct nu_pb_msg *m, struct input in, unsigned depth)
{
    const struct nu_pb_type *type = m->type;
    struct tag t;
    while (in.p < in.end) {
        if (!take_tag(&in, &t)) {
            fail(d, m, &in, "a malformed tag");
            return;
        }
        const struct nu_pb_field *f = nu_pb_find_number(type, t.number);
        enum wire_type expected = f == NULL                    ? WIRE_GROUP_END
                                  : f->label == NU_PB_WRAPPER ? WIRE_LENGTH
                                                               : nu_pb_wire_type(f->kind);
        if (f == NULL || (t.type != expected && !is_packed(f, t.type))) {
            if (!skip_unknown(d, m, type, &in, t))
                return;
            continue;
        }
        struct place at = {.msg = m, .field = (uint16_t)(f - &nu_pb_fields[type->first_field])};
        nu_pb_warn_of_field(d->l.diags, m, f, (struct nu_pos){0});
        if (!decode_field(d, &at, &in, t, depth))
            return;
    }
    for (size_t i = 0; i < type->n_fields; i++)
        if (nu_pb_field_at(type, i)->label == NU_PB_MAP)
            unite_entries(nu_pb_field_at(type, i), (char *)m);
}

/* What an Any holds, from the bytes in its value. */
static void decode_any(struct decoder *d, struct google_protobuf_Any *any, unsigned depth)
{
    nu_str bytes = any->value;
    any->msg = NULL;
    any->value = NU_STR_NONE;
    if (any->type_url.len == 0 && bytes.len == 0)
        return;
    const struct nu_pb_type *type = NULL;
    if (nu_pb_check_type_url(d->l.diags, any, "type_url", any->type_url, (struct nu_pos){0}))
        type = nu_pb_any_type(d->l.diags, any, any->type_url, (struct nu_pos){0}, true);
    if (type == NULL) {
        any->value = nu_arena_str(d->l.arena, bytes);
        return;
    }
    struct nu_pb_msg *m = nu_pb_new(d->l.arena, type);
    m->parent = &any->pb;
    decode_message(d, m, (struct input){(const uint8_t *)bytes.ptr, (const uint8_t *)bytes.ptr + bytes.len}, depth + 1);
    any->msg = m;
    if (type->well_known == NU_PB_TYPED_STRUCT && !d->failed)
        nu_pb_resolve_typed_struct(&d->l, any, m);
}

/* is_optional stands behind the Any that it speaks of, which wants to know. */
static void look_ahead(struct nu_pb_msg *m, struct input in)
{
    const struct nu_pb_field *f = nu_pb_find_field(m->type, NU_STR("is_optional"));
    struct tag t;
    uint64_t v;
    while (f != NULL && f->kind == NU_PB_BOOL && in.p < in.end && take_tag(&in, &t)) {
        bool found = t.number == f->number && t.type == WIRE_VARINT;
        if (!(found ? take_varint(&in, &v) : skip_value(&in, t)))
            return;
        if (found)
            *((bool *)(void *)((char *)m + f->offset)) = v != 0;
    }
}

static void decode_message(struct decoder *d, struct nu_pb_msg *m, struct input in, unsigned depth)
{
    look_ahead(m, in);
    if (depth >= d->limit.max_depth) {
        fail(d, m, &in, "messages nested deeper than %u levels", d->limit.max_depth);
        return;
    }
    decode_fields(d, m, in, depth);
    if (m->type->well_known == NU_PB_ANY && !d->failed)
        decode_any(d, (struct google_protobuf_Any *)(void *)m, depth);
}

/* A node without place or content: it carries the file's name for reports. */
static const struct nu_tree *source_node(struct nu_arena *a, nu_str file)
{
    struct nu_tree_doc *doc = nu_arena_new(a, struct nu_tree_doc);
    struct nu_tree *t = nu_arena_new(a, struct nu_tree);
    doc->file = nu_arena_str(a, file);
    t->doc = doc;
    return t;
}

struct nu_pb_msg *nu_pb_decode(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str bytes,
                               const struct nu_pb_type *type, const struct nu_pb_wire_options *options)
{
    struct decoder dec = {.l = {.arena = a, .diags = d}, .start = (const uint8_t *)bytes.ptr};
    if (options != NULL)
        dec.limit = *options;
    if (dec.limit.max_depth == 0)
        dec.limit.max_depth = NU_PB_WIRE_MAX_DEPTH;
    if (dec.limit.max_bytes == 0)
        dec.limit.max_bytes = NU_TREE_MAX_BYTES;
    if (dec.limit.max_values == 0)
        dec.limit.max_values = NU_TREE_MAX_NODES;
    struct nu_pb_msg *m = nu_pb_new(a, type);
    m->tree = source_node(a, file);
    if (bytes.len > dec.limit.max_bytes) {
        nu_pb_report(d, NU_DIAG_ERROR, m, NULL, (struct nu_pos){0}, "larger than %zu bytes", dec.limit.max_bytes);
        return NULL;
    }
    decode_message(&dec, m, (struct input){dec.start, dec.start + bytes.len}, 0);
    return dec.failed ? NULL : m;
}

struct nu_pb_msg *nu_pb_load_wire(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str bytes,
                                  const struct nu_pb_type *type)
{
    struct nu_pb_msg *m = nu_pb_decode(a, d, file, bytes, type, NULL);
    if (m != NULL)
        nu_pb_validate(a, d, m);
    return m;
}
