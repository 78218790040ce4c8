/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/field_mask.h"

#include "codec/pb/pb.h"

struct nu_field_mask nu_field_mask_parse(struct nu_arena *a, nu_str text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == ',';
    struct nu_field_mask m = {.paths = nu_arena_array(a, nu_str, n)};
    while (text.ptr != NULL) {
        nu_str path = nu_str_next(&text, ',');
        if (path.len > 0)
            m.paths[m.n++] = path;
    }
    return m;
}

struct nu_field_mask nu_field_mask_below(struct nu_arena *a, const struct nu_field_mask *m, nu_str first, bool *all)
{
    struct nu_field_mask below = {.paths = nu_arena_array(a, nu_str, m->n + 1)};
    *all = false;
    for (size_t i = 0; i < m->n; i++) {
        nu_str rest = m->paths[i];
        if (!nu_str_eq(nu_str_next(&rest, '.'), first))
            continue;
        if (rest.ptr == NULL)
            *all = true;
        else
            below.paths[below.n++] = rest;
    }
    return below;
}

static const struct nu_pb_field *field_named(const struct nu_pb_type *type, nu_str name)
{
    const struct nu_pb_field *f = nu_pb_find_field(type, name);
    return f != NULL && nu_str_eq(nu_pb_name(f->name), name) ? f : NULL;
}

bool nu_field_mask_path_valid(const struct nu_pb_type *type, nu_str path)
{
    while (path.ptr != NULL) {
        const struct nu_pb_field *f = type != NULL ? field_named(type, nu_str_next(&path, '.')) : NULL;
        if (f == NULL)
            return false;
        type = f->kind == NU_PB_MESSAGE && f->label == NU_PB_SINGLE ? nu_pb_field_type(f) : NULL;
    }
    return true;
}

static void clear(char *msg, const struct nu_pb_field *f)
{
    if ((f->flags & NU_PB_IN_ONEOF) != 0) {
        int *chosen = (int *)(void *)(msg + f->aux);
        if (*chosen != (int)f->number)
            return; /* another one of the oneof is set */
        *chosen = 0;
    } else if (f->label == NU_PB_REPEATED || f->label == NU_PB_MAP) {
        *(size_t *)(void *)(msg + f->aux) = 0;
        return;
    } else if (f->label == NU_PB_OPTIONAL) {
        *(bool *)(void *)(msg + f->aux) = false;
    }
    if (f->label == NU_PB_WRAPPER || f->kind == NU_PB_MESSAGE) {
        *(void **)(void *)(msg + f->offset) = NULL;
        return;
    }
    switch ((enum nu_pb_kind)f->kind) {
    case NU_PB_BOOL:
        *(bool *)(void *)(msg + f->offset) = false;
        break;
    case NU_PB_INT32:
    case NU_PB_UINT32:
    case NU_PB_ENUM:
    case NU_PB_FLOAT:
        memset(msg + f->offset, 0, 4);
        break;
    case NU_PB_INT64:
    case NU_PB_UINT64:
    case NU_PB_DOUBLE:
        memset(msg + f->offset, 0, 8);
        break;
    case NU_PB_STRING:
    case NU_PB_BYTES:
        memset(msg + f->offset, 0, sizeof(nu_str));
        break;
    case NU_PB_MESSAGE:
        break;
    }
}

void nu_field_mask_trim(void *msg, const struct nu_field_mask *m)
{
    const struct nu_pb_type *type = ((const struct nu_pb_msg *)msg)->type;
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct nu_pb_field *f = nu_pb_field_at(type, i);
        bool all;
        struct nu_field_mask below = nu_field_mask_below(&a, m, nu_pb_name(f->name), &all);
        if (all)
            continue;
        if (below.n == 0) {
            clear(msg, f);
            continue;
        }
        void *sub = *(void **)(void *)((char *)msg + f->offset);
        if (sub != NULL)
            nu_field_mask_trim(sub, &below);
    }
    nu_arena_clear(&a);
}
