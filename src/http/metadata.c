/* SPDX-License-Identifier: Apache-2.0 */
#include "http/metadata.h"

#include "codec/pb/pb.h"
#include "google/protobuf/struct.nu.h"

static struct google_protobuf_Value *copy_value(struct nu_arena *a, const struct google_protobuf_Value *v);

static struct google_protobuf_ListValue *copy_list(struct nu_arena *a, const struct google_protobuf_ListValue *l)
{
    struct google_protobuf_ListValue *out = NU_PB_NEW(a, google_protobuf_ListValue);
    if (l == NULL)
        return out;
    out->values = nu_arena_array(a, struct google_protobuf_Value *, l->n_values);
    out->n_values = l->n_values;
    for (size_t i = 0; i < l->n_values; i++)
        out->values[i] = copy_value(a, l->values[i]);
    return out;
}

/* Depth is bounded by what the loader accepts. */
static struct google_protobuf_Value *copy_value(struct nu_arena *a, const struct google_protobuf_Value *v)
{
    struct google_protobuf_Value *out = NU_PB_NEW(a, google_protobuf_Value);
    if (v == NULL)
        return out;
    out->kind_case = v->kind_case;
    out->null_value = v->null_value;
    out->number_value = v->number_value;
    out->bool_value = v->bool_value;
    out->string_value = nu_arena_str(a, v->string_value);
    if (v->kind_case == google_protobuf_Value_struct_value_case)
        out->struct_value = nu_struct_copy(a, v->struct_value);
    if (v->kind_case == google_protobuf_Value_list_value_case)
        out->list_value = copy_list(a, v->list_value);
    return out;
}

struct google_protobuf_Struct *nu_struct_copy(struct nu_arena *a, const struct google_protobuf_Struct *s)
{
    struct google_protobuf_Struct *out = NU_PB_NEW(a, google_protobuf_Struct);
    if (s == NULL)
        return out;
    out->fields = nu_arena_array(a, struct google_protobuf_Struct_FieldsEntry, s->n_fields);
    out->n_fields = s->n_fields;
    for (size_t i = 0; i < s->n_fields; i++) {
        out->fields[i].key = nu_arena_str(a, s->fields[i].key);
        out->fields[i].value = copy_value(a, s->fields[i].value);
    }
    return out;
}

void nu_dynamic_metadata_set(struct nu_stream_info *si, nu_str filter, const struct google_protobuf_Struct *fields)
{
    struct nu_dynamic_metadata *m = si->metadata;
    while (m != NULL && !nu_str_eq(m->filter, filter))
        m = m->next;
    if (m == NULL) {
        m = nu_arena_new(si->arena, struct nu_dynamic_metadata);
        m->filter = filter;
        m->next = si->metadata;
        si->metadata = m;
    }
    m->fields = fields;
}
