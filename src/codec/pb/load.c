/* SPDX-License-Identifier: Apache-2.0
 *
 * Tree -> message, driven by the descriptor tables. An error leaves its field unset and marks the message incomplete,
 * so that the rules do not complain a second time. */
#include "codec/pb/load.h"

#include <stdio.h>

#include "codec/json/json.h"
#include "codec/pb/load_priv.h"
#include "codec/pb/scalar.h"
#include "codec/yaml/yaml.h"

static struct nu_pb_msg *new_child(struct loader *l, const struct nu_tree *t, const struct nu_pb_type *type,
                                   const struct place *at)
{
    struct nu_pb_msg *m = nu_pb_new(l->arena, type);
    m->tree = t;
    if (at != NULL) {
        m->parent = at->msg;
        m->parent_field = at->field;
        m->parent_index = at->index;
    }
    return m;
}

/* The name of a field as reports show it, with the index of an element: "domains[2]". */
static const char *field_label(const struct place *at, char *buf, size_t size)
{
    const struct nu_pb_field *f = nu_pb_field_at(at->msg->type, at->field);
    if (f->label == NU_PB_REPEATED)
        snprintf(buf, size, "%s[%u]", nu_pb_names + f->name, at->index);
    else
        snprintf(buf, size, "%s", nu_pb_names + f->name);
    return buf;
}

/* The nearest name of the field's enum, in any case; NULL: not an enum, or none is near. */
static const char *nearest_value(const struct nu_pb_field *f, nu_str text)
{
    char upper[64];
    if (f->kind != NU_PB_ENUM || text.len > sizeof(upper))
        return NULL;
    for (size_t i = 0; i < text.len; i++)
        upper[i] = text.ptr[i] >= 'a' && text.ptr[i] <= 'z' ? (char)(text.ptr[i] - 'a' + 'A') : text.ptr[i];
    const struct nu_pb_enum *e = &nu_pb_enums[f->sub];
    unsigned best = text.len < 4 ? 2 : text.len < 8 ? 3 : 4; /* one more than is near */
    const char *found = NULL;
    for (size_t i = 0; i < e->n; i++) {
        uint32_t name = nu_pb_enum_values[e->first + i].name;
        unsigned distance = nu_str_distance(nu_str_make(upper, text.len), nu_pb_name(name), best - 1);
        if (distance < best) {
            best = distance;
            found = nu_pb_names + name;
        }
    }
    return found;
}

void nu_pb_fail_expected(struct loader *l, const struct place *at, const struct nu_tree *t, const char *what)
{
    char name[160];
    at->msg->incomplete = true;
    bool curly = t != NULL && t->kind == NU_TREE_STRING && nu_tree_has_curly_quote(t->u.text);
    const char *near = t != NULL && t->kind == NU_TREE_STRING && !curly
                           ? nearest_value(nu_pb_field_at(at->msg->type, at->field), t->u.text)
                           : NULL;
    if (t == NULL)
        nu_pb_report(l->diags, NU_DIAG_ERROR, at->msg, field_label(at, name, sizeof(name)), (struct nu_pos){0}, "must be %s",
                     what);
    else if (t->kind == NU_TREE_STRING || t->kind == NU_TREE_NUMBER)
        nu_pb_report(l->diags, NU_DIAG_ERROR, at->msg, field_label(at, name, sizeof(name)), t->pos,
                     "must be %s, not \"%.*s\"%s%s%s%s", what, (int)nu_min(t->u.text.len, (size_t)80), t->u.text.ptr,
                     curly ? "; straight quotes are \" and '" : "", near != NULL ? "; did you mean \"" : "",
                     near != NULL ? near : "", near != NULL ? "\"?" : "");
    else
        nu_pb_report(l->diags, NU_DIAG_ERROR, at->msg, field_label(at, name, sizeof(name)), t->pos, "must be %s, not %s",
                     what, nu_tree_kind_name(t->kind));
}

static const struct nu_pb_enum *enum_of(const struct nu_pb_field *f)
{
    return f->kind == NU_PB_ENUM ? &nu_pb_enums[f->sub] : NULL;
}

static bool read_scalar(struct loader *l, const struct place *at, const struct nu_tree *t, void *to)
{
    const struct nu_pb_field *f = nu_pb_field_at(at->msg->type, at->field);
    const char *expected = nu_pb_scalar_read(l->arena, t, f->kind, enum_of(f), to);
    if (expected != NULL)
        nu_pb_fail_expected(l, at, t, expected);
    return expected == NULL;
}

/* Keys of a map are unique in JSON. */
static void check_key(struct loader *l, struct nu_pb_msg *m, const struct nu_pb_field *f, const struct nu_tree_member *member)
{
    if (!member->twice)
        return;
    m->incomplete = true;
    nu_pb_report(l->diags, NU_DIAG_ERROR, m, nu_pb_names + f->name, member->key_pos, "\"%.*s\" is written twice",
                 NU_STR_ARG(member->key));
}

/* google.protobuf.Struct and its parts take any tree. */
static void load_struct(struct loader *l, struct google_protobuf_Struct *s, const struct nu_tree *t)
{
    size_t n = t->u.map.n;
    s->fields = nu_arena_array(l->arena, struct google_protobuf_Struct_FieldsEntry, n);
    s->n_fields = n;
    for (size_t i = 0; i < n; i++) {
        struct place at = {.msg = &s->pb, .field = 0, .index = (uint32_t)i};
        check_key(l, &s->pb, nu_pb_field_at(&google_protobuf_Struct_type, 0), &t->u.map.members[i]);
        s->fields[i].key = t->u.map.members[i].key;
        s->fields[i].value = (struct google_protobuf_Value *)(void *)nu_pb_load_message(
            l, t->u.map.members[i].value, &google_protobuf_Value_type, &at);
    }
}

static void load_list_value(struct loader *l, struct google_protobuf_ListValue *list, const struct nu_tree *t)
{
    size_t n = t->u.list.n;
    list->values = nu_arena_array(l->arena, struct google_protobuf_Value *, n);
    list->n_values = n;
    for (size_t i = 0; i < n; i++) {
        struct place at = {.msg = &list->pb, .field = 0, .index = (uint32_t)i};
        list->values[i] = (struct google_protobuf_Value *)(void *)nu_pb_load_message(
            l, t->u.list.items[i], &google_protobuf_Value_type, &at);
    }
}

static void load_value(struct loader *l, struct google_protobuf_Value *v, const struct nu_tree *t)
{
    struct place at = {.msg = &v->pb};
    switch (t->kind) {
    case NU_TREE_NULL:
        v->kind_case = google_protobuf_Value_null_value_case;
        return;
    case NU_TREE_BOOL:
        v->kind_case = google_protobuf_Value_bool_value_case;
        v->bool_value = t->u.boolean;
        return;
    case NU_TREE_NUMBER:
        v->kind_case = google_protobuf_Value_number_value_case;
        if (!nu_str_to_double(t->u.text, &v->number_value))
            v->number_value = 0;
        return;
    case NU_TREE_STRING:
        v->kind_case = google_protobuf_Value_string_value_case;
        v->string_value = t->u.text;
        return;
    case NU_TREE_MAP:
        v->kind_case = google_protobuf_Value_struct_value_case;
        at.field = 4;
        v->struct_value = (struct google_protobuf_Struct *)(void *)nu_pb_load_message(l, t, &google_protobuf_Struct_type, &at);
        return;
    case NU_TREE_LIST:
        v->kind_case = google_protobuf_Value_list_value_case;
        at.field = 5;
        v->list_value =
            (struct google_protobuf_ListValue *)(void *)nu_pb_load_message(l, t, &google_protobuf_ListValue_type, &at);
        return;
    }
}

void nu_pb_check_duration(struct loader *l, const struct place *at, const struct google_protobuf_Duration *d,
                          struct nu_pos pos)
{
    char name[160];
    const char *problem = NULL;
    if (d->seconds < 0 || d->nanos < 0)
        problem = "must not be negative";
    else if (d->seconds > 9223372035 || d->nanos > 999999999)
        problem = "is out of range";
    if (problem != NULL && at != NULL) {
        at->msg->incomplete = true;
        nu_pb_report(l->diags, NU_DIAG_ERROR, at->msg, field_label(at, name, sizeof(name)), pos, "%s", problem);
    }
}

static struct nu_pb_msg *load_duration(struct loader *l, const struct nu_tree *t, const struct place *at)
{
    struct google_protobuf_Duration *d =
        (struct google_protobuf_Duration *)(void *)new_child(l, t, &google_protobuf_Duration_type, at);
    if (t->kind != NU_TREE_STRING || !nu_pb_parse_duration(t->u.text, &d->seconds, &d->nanos)) {
        if (at != NULL)
            nu_pb_fail_expected(l, at, t, "a duration such as \"1.5s\" (seconds, at most nine decimals)");
        return NULL;
    }
    nu_pb_check_duration(l, at, d, t->pos);
    return &d->pb;
}

static struct nu_pb_msg *load_special(struct loader *l, const struct nu_tree *t, const struct nu_pb_type *type,
                                      const struct place *at)
{
    struct nu_pb_msg *m = new_child(l, t, type, at);
    switch (type->well_known) {
    case NU_PB_VALUE:
        load_value(l, (struct google_protobuf_Value *)(void *)m, t);
        return m;
    case NU_PB_STRUCT:
        if (t->kind != NU_TREE_MAP)
            break;
        load_struct(l, (struct google_protobuf_Struct *)(void *)m, t);
        return m;
    case NU_PB_LIST_VALUE:
        if (t->kind != NU_TREE_LIST)
            break;
        load_list_value(l, (struct google_protobuf_ListValue *)(void *)m, t);
        return m;
    default:
        if (t->kind != NU_TREE_MAP)
            break;
        nu_pb_load_any(l, (struct google_protobuf_Any *)(void *)m, t);
        return m;
    }
    if (at != NULL)
        nu_pb_fail_expected(l, at, t, type->well_known == NU_PB_LIST_VALUE ? "a list" : "a map");
    return NULL;
}

struct nu_pb_msg *nu_pb_load_message(struct loader *l, const struct nu_tree *t, const struct nu_pb_type *type,
                                     const struct place *at)
{
    if (type->well_known == NU_PB_DURATION && t->kind != NU_TREE_MAP)
        return load_duration(l, t, at);
    if (type->well_known == NU_PB_ANY || type->well_known == NU_PB_STRUCT || type->well_known == NU_PB_VALUE ||
        type->well_known == NU_PB_LIST_VALUE)
        return load_special(l, t, type, at);
    if (t->kind != NU_TREE_MAP) {
        if (at != NULL)
            nu_pb_fail_expected(l, at, t, "a map");
        else
            nu_diag_add(l->diags, NU_DIAG_ERROR, t->doc->file, t->pos, NU_STR(""), "a configuration is a map, not %s",
                        nu_tree_kind_name(t->kind));
        return NULL;
    }
    struct nu_pb_msg *m = new_child(l, t, type, at);
    nu_pb_load_members(l, m, t);
    if (type->well_known == NU_PB_DURATION)
        nu_pb_check_duration(l, at, (const struct google_protobuf_Duration *)(const void *)m, t->pos);
    return m;
}

/* A scalar in a message of its own: its value, or {value: ...} as Envoy's reader takes it. */
static void load_wrapper(struct loader *l, const struct place *at, const struct nu_tree *t, void *to)
{
    const struct nu_pb_field *f = nu_pb_field_at(at->msg->type, at->field);
    void *value = nu_arena_zalloc(l->arena, nu_pb_scalar_size(f->kind));
    const struct nu_tree *inner = t->kind == NU_TREE_MAP ? nu_tree_get(t, NU_STR("value")) : t;
    if (inner == NULL || read_scalar(l, at, inner, value))
        memcpy(to, &value, sizeof(value));
}

static void load_list(struct loader *l, struct place *at, const struct nu_tree *t, char *base)
{
    const struct nu_pb_field *f = nu_pb_field_at(at->msg->type, at->field);
    struct nu_tree *one[1];
    struct nu_tree *const *items = t->u.list.items;
    size_t n = t->kind == NU_TREE_LIST ? t->u.list.n : 1;
    if (t->kind != NU_TREE_LIST) {
        /* A single value stands for a list of one: protobuf's reader has always allowed it. */
        memcpy(one, &t, sizeof(t));
        items = one;
    }
    size_t size = nu_pb_scalar_size(f->kind);
    char *array = nu_arena_calloc(l->arena, n, size);
    memcpy(base + f->aux, &n, sizeof(n));
    memcpy(base + f->offset, &array, sizeof(array));
    for (size_t i = 0; i < n; i++) {
        at->index = (uint32_t)i;
        if (f->kind != NU_PB_MESSAGE) {
            if (items[i]->kind != NU_TREE_NULL)
                (void)read_scalar(l, at, items[i], array + i * size);
            continue;
        }
        const struct nu_pb_type *sub = nu_pb_field_type(f);
        bool null = items[i]->kind == NU_TREE_NULL && sub->well_known != NU_PB_VALUE;
        struct nu_pb_msg *m = null ? NULL : nu_pb_load_message(l, items[i], sub, at);
        /* Elements are never NULL, not even those in error. */
        if (m == NULL) {
            m = new_child(l, items[i], sub, at);
            m->incomplete = !null;
        }
        memcpy(array + i * size, &m, sizeof(m));
    }
}

static void load_map(struct loader *l, struct place *at, const struct nu_tree *t, char *base)
{
    const struct nu_pb_field *f = nu_pb_field_at(at->msg->type, at->field);
    const struct nu_pb_type *entry = nu_pb_field_type(f);
    const struct nu_pb_field *key = nu_pb_field_at(entry, 0), *value = nu_pb_field_at(entry, 1);
    if (t->kind != NU_TREE_MAP) {
        nu_pb_fail_expected(l, at, t, "a map");
        return;
    }
    size_t n = t->u.map.n;
    char *array = nu_arena_calloc(l->arena, n, entry->size);
    memcpy(base + f->aux, &n, sizeof(n));
    memcpy(base + f->offset, &array, sizeof(array));
    for (size_t i = 0; i < n; i++) {
        const struct nu_tree_member *member = &t->u.map.members[i];
        char *to = array + i * entry->size;
        at->index = (uint32_t)i;
        check_key(l, at->msg, f, member);
        memcpy(to + key->offset, &member->key, sizeof(member->key));
        if (value->kind == NU_PB_MESSAGE) {
            struct nu_pb_msg *m = member->value->kind != NU_TREE_NULL
                                      ? nu_pb_load_message(l, member->value, nu_pb_field_type(value), at)
                                      : NULL;
            if (m == NULL)
                m = new_child(l, member->value, nu_pb_field_type(value), at);
            memcpy(to + value->offset, &m, sizeof(m));
            continue;
        }
        const char *expected = nu_pb_scalar_read(l->arena, member->value, value->kind, enum_of(value), to + value->offset);
        if (expected != NULL)
            nu_pb_fail_expected(l, at, member->value, expected);
    }
}

/* Whether a field has a value already: its key was written in both spellings. */
static bool is_set(const struct nu_pb_field *f, const char *base)
{
    size_t n = 0;
    if (f->label == NU_PB_REPEATED || f->label == NU_PB_MAP)
        memcpy(&n, base + f->aux, sizeof(n));
    else if (f->kind == NU_PB_MESSAGE)
        return !nu_pb_is_default(f->kind, base + f->offset);
    return n > 0;
}

/* A plain scalar that is written twice has its last value. Of anything else, Google's reader makes a union or an error:
 * here it is an error. */
static bool check_once(struct loader *l, const struct place *at, const struct nu_pb_field *f,
                       const struct nu_tree_member *member)
{
    bool plain = f->kind != NU_PB_MESSAGE && f->label != NU_PB_REPEATED && (f->flags & NU_PB_IN_ONEOF) == 0;
    if (!is_set(f, (const char *)at->msg) && (!member->twice || plain))
        return true;
    at->msg->incomplete = true;
    nu_pb_report(l->diags, NU_DIAG_ERROR, at->msg, nu_pb_names + f->name, member->key_pos, "is written twice");
    return false;
}

/* One member of a oneof at a time. */
static bool claim_oneof(struct loader *l, const struct place *at, const struct nu_pb_field *f, struct nu_pos pos)
{
    int set;
    char *slot = (char *)at->msg + f->aux;
    memcpy(&set, slot, sizeof(set));
    if (set != 0) {
        const struct nu_pb_field *other = nu_pb_find_number(at->msg->type, (uint32_t)set);
        at->msg->incomplete = true;
        nu_pb_report(l->diags, NU_DIAG_ERROR, at->msg, NULL, pos,
                     other == f ? "\"%s\" and its other spelling \"%s\" exclude each other"
                                : "\"%s\" and \"%s\" exclude each other: only one may be set",
                     nu_pb_names + other->name, nu_pb_names + (other == f ? f->json_name : f->name));
        return false;
    }
    set = (int)f->number;
    memcpy(slot, &set, sizeof(set));
    return true;
}

void nu_pb_warn_of_field(struct nu_diags *d, const struct nu_pb_msg *m, const struct nu_pb_field *f, struct nu_pos pos)
{
    if ((f->flags & NU_PB_DEPRECATED) != 0)
        nu_pb_report(d, NU_DIAG_WARNING, m, nu_pb_names + f->name, pos, "is deprecated");
    if ((f->flags & NU_PB_WIP) != 0)
        nu_pb_report(d, NU_DIAG_WARNING, m, nu_pb_names + f->name, pos, "is work in progress in the API and may change");
}

static void load_field(struct loader *l, struct place *at, const struct nu_tree_member *member)
{
    const struct nu_pb_field *f = nu_pb_field_at(at->msg->type, at->field);
    const struct nu_tree *t = member->value;
    char *base = (char *)at->msg;
    bool is_value = f->kind == NU_PB_MESSAGE && f->label == NU_PB_SINGLE && nu_pb_field_type(f)->well_known == NU_PB_VALUE;
    if (t->kind == NU_TREE_NULL && !is_value)
        return;
    if (!check_once(l, at, f, member))
        return;
    if ((f->flags & NU_PB_IN_ONEOF) != 0 && !claim_oneof(l, at, f, member->key_pos))
        return;
    nu_pb_warn_of_field(l->diags, at->msg, f, member->key_pos);
    switch (f->label) {
    case NU_PB_REPEATED:
        load_list(l, at, t, base);
        return;
    case NU_PB_MAP:
        load_map(l, at, t, base);
        return;
    case NU_PB_WRAPPER:
        load_wrapper(l, at, t, base + f->offset);
        return;
    default:
        break;
    }
    if (f->kind == NU_PB_MESSAGE) {
        struct nu_pb_msg *m = nu_pb_load_message(l, t, nu_pb_field_type(f), at);
        memcpy(base + f->offset, &m, sizeof(m));
        return;
    }
    bool present = read_scalar(l, at, t, base + f->offset);
    if (f->label == NU_PB_OPTIONAL)
        memcpy(base + f->aux, &present, sizeof(present));
}

/* The nearest of the type's names, Envoy's absent ones included; NULL: none is near. */
static const char *nearest_field(const struct nu_pb_type *type, nu_str name)
{
    unsigned best = name.len < 4 ? 2 : name.len < 8 ? 3 : 4; /* one more than is near */
    const char *found = NULL;
    for (size_t i = 0; i < (size_t)type->n_fields + type->n_absent; i++) {
        uint32_t at = i < type->n_fields ? nu_pb_field_at(type, i)->name
                                         : nu_pb_absent_fields[type->first_absent + i - type->n_fields].name;
        unsigned distance = nu_str_distance(name, nu_pb_name(at), best - 1);
        if (distance < best) {
            best = distance;
            found = nu_pb_names + at;
        }
    }
    return found;
}

/* lowerCamelCase -> snake_case, for names that only the table of absent fields has. */
static nu_str to_snake(nu_str name, char *buf, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < name.len && n + 2 < size; i++) {
        char c = name.ptr[i];
        if (c >= 'A' && c <= 'Z')
            buf[n++] = '_';
        buf[n++] = nu_ascii_lower(c);
    }
    return nu_str_make(buf, n);
}

static const struct nu_pb_absent_field *find_absent(const struct nu_pb_type *type, nu_str name)
{
    char buf[160];
    nu_str snake = to_snake(name, buf, sizeof(buf));
    for (size_t i = 0; i < type->n_absent; i++) {
        const struct nu_pb_absent_field *f = &nu_pb_absent_fields[type->first_absent + i];
        if (nu_str_eq(nu_pb_name(f->name), name) || nu_str_eq(nu_pb_name(f->name), snake))
            return f;
    }
    return NULL;
}

void nu_pb_report_absent(struct nu_diags *d, struct nu_pb_msg *m, const struct nu_pb_type *type,
                         const struct nu_pb_absent_field *absent, struct nu_pos pos)
{
    m->partial = true;
    nu_pb_report(d, absent->refused ? NU_DIAG_ERROR : NU_DIAG_UNSUPPORTED, m, NULL, pos, "field \"%s\" of %s is %s",
                 nu_pb_names + absent->name, nu_pb_names + type->name,
                 absent->refused ? "no longer allowed" : "not supported yet");
}

static void unknown_field(struct loader *l, struct nu_pb_msg *m, const struct nu_tree_member *member)
{
    const struct nu_pb_absent_field *absent = find_absent(m->type, member->key);
    const char *type = nu_pb_names + m->type->name;
    if (absent != NULL && member->value->kind == NU_TREE_NULL)
        return;
    if (absent == NULL && l->diags->allow_unknown) {
        l->diags->n_unknown++;
        nu_pb_report(l->diags, NU_DIAG_WARNING, m, NULL, member->key_pos, "unknown field \"%.*s\" in %s",
                     NU_STR_ARG(member->key), type);
        return;
    }
    if (absent != NULL) {
        nu_pb_report_absent(l->diags, m, m->type, absent, member->key_pos);
        return;
    }
    m->incomplete = true;
    if (nu_tree_has_curly_quote(member->key)) {
        nu_pb_report(l->diags, NU_DIAG_ERROR, m, NULL, member->key_pos,
                     "the key %.*s is in typographic quotes (from a copied article?); straight quotes are \" and '",
                     NU_STR_ARG(member->key));
    } else {
        const char *near = nearest_field(m->type, member->key);
        nu_pb_report(l->diags, NU_DIAG_ERROR, m, NULL, member->key_pos, "unknown field \"%.*s\" in %s%s%s%s",
                     NU_STR_ARG(member->key), type, near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                     near != NULL ? "\"?" : "");
    }
}

void nu_pb_load_members(struct loader *l, struct nu_pb_msg *m, const struct nu_tree *t)
{
    for (size_t i = 0; i < t->u.map.n; i++) {
        const struct nu_tree_member *member = &t->u.map.members[i];
        const struct nu_pb_field *f = nu_pb_find_field(m->type, member->key);
        if (f == NULL) {
            if (!(m->parent != NULL && m->parent->type->well_known == NU_PB_ANY && nu_str_eq(member->key, NU_STR("@type"))))
                unknown_field(l, m, member);
            continue;
        }
        struct place at = {.msg = m, .field = (uint16_t)(f - &nu_pb_fields[m->type->first_field])};
        load_field(l, &at, member);
    }
}

struct nu_tree *nu_config_parse(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str text,
                                enum nu_text_format format)
{
    nu_str low_end = nu_str_skip(file, file.len > 5 ? file.len - 5 : 0);
    bool yaml_name = nu_str_eq_nocase(low_end, NU_STR(".yaml")) ||
                     nu_str_eq_nocase(nu_str_skip(low_end, low_end.len > 4 ? low_end.len - 4 : 0), NU_STR(".yml"));
    if (format == NU_TEXT_YAML || (format == NU_TEXT_BY_NAME && yaml_name))
        return nu_yaml_read(a, d, file, text);
    return nu_json_read(a, d, file, text);
}

struct nu_pb_msg *nu_pb_load(struct nu_arena *a, struct nu_diags *d, const struct nu_tree *tree,
                             const struct nu_pb_type *type)
{
    struct loader l = {.arena = a, .diags = d};
    struct nu_pb_msg *m = nu_pb_load_message(&l, tree, type, NULL);
    if (m == NULL) {
        m = nu_pb_new(a, type);
        m->tree = tree;
        return m;
    }
    nu_pb_validate(a, d, m);
    return m;
}

struct nu_pb_msg *nu_pb_load_text(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str text,
                                  enum nu_text_format format, const struct nu_pb_type *type)
{
    struct nu_tree *t = nu_config_parse(a, d, file, text, format);
    return t != NULL ? nu_pb_load(a, d, t, type) : NULL;
}
