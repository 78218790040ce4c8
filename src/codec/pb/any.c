/* SPDX-License-Identifier: Apache-2.0
 *
 * google.protobuf.Any in a text: the type by its URL, then the fields beside "@type". A TypedStruct inside stands for the
 * message that it describes, as in Envoy. */
#include "codec/pb/load_priv.h"
#include "codec/pb/scalar.h"

static nu_str type_of_url(nu_str url)
{
    ssize_t slash = nu_str_rfind(url, '/');
    return slash >= 0 ? nu_str_skip(url, (size_t)slash + 1) : url;
}

/* The nearest type name of api/ and of Envoy; NULL: none is near. */
static const char *nearest_type(nu_str name)
{
    unsigned best = 6;
    const char *found = NULL;
    for (size_t i = 0; i < (size_t)nu_pb_n_types + nu_pb_n_absent_types; i++) {
        uint32_t at = i < nu_pb_n_types ? nu_pb_types[i].name : nu_pb_absent_types[i - nu_pb_n_types];
        size_t len = strlen(nu_pb_names + at);
        if (len > 128 || name.len > 128 || len + 5 < name.len || name.len + 5 < len)
            continue;
        unsigned distance = nu_str_distance(name, nu_pb_name(at), best - 1);
        if (distance < best) {
            best = distance;
            found = nu_pb_names + at;
        }
    }
    return found;
}

bool nu_pb_check_type_url(struct nu_diags *d, struct google_protobuf_Any *any, const char *field, nu_str url,
                          struct nu_pos pos)
{
    if (nu_str_find(url, '/') >= 1)
        return true;
    any->pb.incomplete = true;
    nu_pb_report(d, NU_DIAG_ERROR, any, field, pos,
                 "must be a type URL such as \"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router\"");
    return false;
}

/* Whether who holds the Any says that it may be of a type that is not there: an HTTP filter that is_optional, and
 * route.v3.FilterConfig. Builders leave it out then, with a warning. */
static bool may_be_unknown(const struct google_protobuf_Any *any)
{
    const struct nu_pb_msg *owner = any->pb.parent;
    const struct nu_pb_field *f = owner != NULL ? nu_pb_find_field(owner->type, NU_STR("is_optional")) : NULL;
    bool set;
    if (f == NULL || f->kind != NU_PB_BOOL)
        return false;
    if (owner->tree != NULL && owner->tree->kind == NU_TREE_MAP) { /* it may stand behind the Any */
        const struct nu_tree *t = nu_tree_get(owner->tree, NU_STR("is_optional"));
        if (t == NULL)
            t = nu_tree_get(owner->tree, NU_STR("isOptional"));
        return t != NULL && nu_pb_scalar_read(NULL, t, NU_PB_BOOL, NULL, &set) == NULL && set;
    }
    memcpy(&set, (const char *)owner + f->offset, sizeof(set));
    return set;
}

const struct nu_pb_type *nu_pb_any_type(struct nu_diags *d, struct google_protobuf_Any *any, nu_str url,
                                        struct nu_pos pos, bool unknown_ok)
{
    nu_str name = type_of_url(url);
    const struct nu_pb_type *type = nu_pb_find_type(name);
    if (type != NULL && type->well_known != NU_PB_MAP_ENTRY)
        return type;
    /* In a text Envoy must know the type in any case, to read it. */
    if (may_be_unknown(any) && (unknown_ok || nu_pb_is_absent_type(name)))
        return NULL;
    any->pb.incomplete = true;
    if (nu_pb_is_absent_type(name)) {
        nu_pb_report(d, NU_DIAG_UNSUPPORTED, any, NULL, pos, "extension type %.*s is not supported yet", NU_STR_ARG(name));
        return NULL;
    }
    const char *near = nearest_type(name);
    nu_pb_report(d, NU_DIAG_ERROR, any, NULL, pos, "no such type: \"%.*s\"%s%s%s", NU_STR_ARG(url),
                 near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
    return NULL;
}

/* The text of a string member, or NU_STR_NONE. */
static nu_str string_member(const struct nu_tree *t, nu_str key)
{
    const struct nu_tree *v = nu_tree_get(t, key);
    return v != NULL && v->kind == NU_TREE_STRING ? v->u.text : NU_STR_NONE;
}

/* The types whose JSON is not a map of fields stand in an Any as {"@type": ..., "value": ...}. */
static bool has_value_form(const struct nu_pb_type *type)
{
    return type->well_known != NU_PB_ORDINARY && type->well_known != NU_PB_TYPED_STRUCT;
}

static void hold(struct loader *l, struct google_protobuf_Any *any, const struct nu_pb_type *type, const struct nu_tree *t)
{
    struct place at = {.msg = &any->pb};
    any->msg = nu_pb_load_message(l, t, type, &at);
}

/* Wrappers as the content of an Any are messages of one field. */
static void hold_wrapper(struct loader *l, struct google_protobuf_Any *any, const struct nu_pb_type *type,
                         const struct nu_tree *t)
{
    any->msg = nu_pb_new(l->arena, type);
    any->msg->parent = &any->pb;
    any->msg->tree = t;
    nu_pb_load_members(l, any->msg, t);
}

static void hold_typed_struct(struct loader *l, struct google_protobuf_Any *any, const struct nu_tree *t)
{
    const struct nu_tree *value = nu_tree_get(t, NU_STR("value"));
    nu_str url = string_member(t, NU_STR("type_url"));
    if (url.ptr == NULL)
        url = string_member(t, NU_STR("typeUrl"));
    for (size_t i = 0; i < t->u.map.n; i++) {
        nu_str key = t->u.map.members[i].key;
        if (!nu_str_eq(key, NU_STR("@type")) && !nu_str_eq(key, NU_STR("type_url")) && !nu_str_eq(key, NU_STR("typeUrl")) &&
            !nu_str_eq(key, NU_STR("value")))
            nu_pb_report(l->diags, NU_DIAG_ERROR, any, NULL, t->u.map.members[i].key_pos,
                         "unknown field \"%.*s\" in a TypedStruct, which has \"type_url\" and \"value\"", NU_STR_ARG(key));
    }
    const struct nu_pb_type *type = nu_pb_any_type(l->diags, any, url.ptr != NULL ? url : NU_STR(""), t->pos, true);
    any->type_url = nu_str_find(url, '/') >= 1 ? url : nu_arena_printf(l->arena, "type.googleapis.com/%.*s", NU_STR_ARG(url));
    if (type == NULL)
        return;
    if (value != NULL && value->kind == NU_TREE_MAP) {
        hold(l, any, type, value);
    } else if (value == NULL || value->kind == NU_TREE_NULL) {
        any->msg = nu_pb_new(l->arena, type);
        any->msg->parent = &any->pb;
    } else {
        nu_pb_report(l->diags, NU_DIAG_ERROR, any, "value", value->pos, "must be a map, not %s",
                     nu_tree_kind_name(value->kind));
    }
}

void nu_pb_resolve_typed_struct(struct loader *l, struct google_protobuf_Any *any, const struct nu_pb_msg *typed_struct)
{
    const struct nu_pb_field *url = nu_pb_find_field(typed_struct->type, NU_STR("type_url"));
    const struct nu_pb_field *value = nu_pb_find_field(typed_struct->type, NU_STR("value"));
    const struct google_protobuf_Struct *content;
    struct nu_tree_member members[2] = {{.key = NU_STR("type_url")}, {.key = NU_STR("value")}};
    struct nu_tree t = {.kind = NU_TREE_MAP, .doc = nu_pb_doc(any), .u.map = {.members = members}};
    struct nu_tree text = {.kind = NU_TREE_STRING, .doc = t.doc};
    memcpy(&text.u.text, (const char *)typed_struct + url->offset, sizeof(text.u.text));
    memcpy(&content, (const char *)typed_struct + value->offset, sizeof(content));
    members[t.u.map.n++].value = &text;
    if (content != NULL)
        members[t.u.map.n++].value = nu_pb_struct_tree(l->arena, t.doc, content);
    any->msg = NULL;
    hold_typed_struct(l, any, &t);
}

void nu_pb_load_any(struct loader *l, struct google_protobuf_Any *any, const struct nu_tree *t)
{
    const struct nu_tree *at_type = nu_tree_get(t, NU_STR("@type"));
    if (at_type == NULL) {
        if (t->u.map.n == 0)
            return;
        any->pb.incomplete = true;
        nu_pb_report(l->diags, NU_DIAG_ERROR, any, NULL, t->pos,
                     "\"@type\" is missing: it says which extension this configures (\"type.googleapis.com/...\")");
        return;
    }
    if (!nu_pb_check_type_url(l->diags, any, "@type", at_type->kind == NU_TREE_STRING ? at_type->u.text : NU_STR(""),
                              at_type->pos))
        return;
    any->type_url = at_type->u.text;
    const struct nu_pb_type *type = nu_pb_any_type(l->diags, any, any->type_url, at_type->pos, false);
    if (type == NULL)
        return;
    if (type->well_known == NU_PB_TYPED_STRUCT) {
        hold_typed_struct(l, any, t);
        return;
    }
    if (!has_value_form(type)) {
        hold(l, any, type, t);
        return;
    }
    const struct nu_tree *value = nu_tree_get(t, NU_STR("value"));
    for (size_t i = 0; i < t->u.map.n; i++) {
        const struct nu_tree_member *m = &t->u.map.members[i];
        if (m->value != value && m->value != at_type)
            nu_pb_report(l->diags, NU_DIAG_ERROR, any, NULL, m->key_pos,
                         "unknown field \"%.*s\": what this type holds stands under \"value\"", NU_STR_ARG(m->key));
    }
    if (type->well_known == NU_PB_SCALAR_WRAPPER)
        hold_wrapper(l, any, type, t);
    else if (value != NULL)
        hold(l, any, type, value);
    else
        any->msg = nu_pb_new(l->arena, type);
}
