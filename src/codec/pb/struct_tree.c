/* SPDX-License-Identifier: Apache-2.0
 *
 * google.protobuf.Struct -> tree: what a TypedStruct from the wire describes goes through the loader like a text. */
#include "codec/pb/load_priv.h"

static struct nu_tree *value_tree(struct nu_arena *a, const struct nu_tree_doc *doc, const struct google_protobuf_Value *v);

static struct nu_tree *new_node(struct nu_arena *a, const struct nu_tree_doc *doc, enum nu_tree_kind kind)
{
    struct nu_tree *t = nu_arena_new(a, struct nu_tree);
    t->kind = kind;
    t->doc = doc;
    return t;
}

static struct nu_tree *list_tree(struct nu_arena *a, const struct nu_tree_doc *doc,
                                 const struct google_protobuf_ListValue *list)
{
    struct nu_tree *t = new_node(a, doc, NU_TREE_LIST);
    t->u.list.n = list->n_values;
    t->u.list.items = nu_arena_array(a, struct nu_tree *, list->n_values);
    for (size_t i = 0; i < list->n_values; i++)
        t->u.list.items[i] = value_tree(a, doc, list->values[i]);
    return t;
}

static struct nu_tree *value_tree(struct nu_arena *a, const struct nu_tree_doc *doc, const struct google_protobuf_Value *v)
{
    struct nu_tree *t;
    switch (v->kind_case) {
    case google_protobuf_Value_bool_value_case:
        t = new_node(a, doc, NU_TREE_BOOL);
        t->u.boolean = v->bool_value;
        return t;
    case google_protobuf_Value_number_value_case:
        t = new_node(a, doc, NU_TREE_NUMBER);
        t->u.text = nu_arena_printf(a, "%.17g", v->number_value);
        return t;
    case google_protobuf_Value_string_value_case:
        t = new_node(a, doc, NU_TREE_STRING);
        t->u.text = v->string_value;
        return t;
    case google_protobuf_Value_struct_value_case:
        return nu_pb_struct_tree(a, doc, v->struct_value);
    case google_protobuf_Value_list_value_case:
        return list_tree(a, doc, v->list_value);
    default:
        return new_node(a, doc, NU_TREE_NULL);
    }
}

struct nu_tree *nu_pb_struct_tree(struct nu_arena *a, const struct nu_tree_doc *doc, const struct google_protobuf_Struct *s)
{
    struct nu_tree *t = new_node(a, doc, NU_TREE_MAP);
    t->u.map.n = s->n_fields;
    t->u.map.members = nu_arena_array(a, struct nu_tree_member, s->n_fields);
    for (size_t i = 0; i < s->n_fields; i++) {
        t->u.map.members[i].key = s->fields[i].key;
        t->u.map.members[i].value = value_tree(a, doc, s->fields[i].value);
    }
    return t;
}
