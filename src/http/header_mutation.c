/* SPDX-License-Identifier: Apache-2.0 */
#include "http/header_mutation.h"

#include <stdio.h>

#include "codec/pb/pb.h"
#include "envoy/config/common/mutation_rules/v3/mutation_rules.nu.h"
#include "envoy/config/core/v3/base.nu.h"
#include "http/matchers.h"

/* core.v3.HeaderValueOption.HeaderAppendAction. */
enum action { APPEND_OR_ADD, ADD_IF_ABSENT, OVERWRITE_OR_ADD, OVERWRITE_IF_EXISTS, REMOVE, REMOVE_MATCHING };

struct mutation {
    uint8_t action; /* enum action */
    bool keep_empty;
    nu_str name;
    const struct nu_formatter *value;
    struct nu_string_matcher match; /* REMOVE_MATCHING: of names */
};

struct nu_header_mutations {
    struct mutation *items; /* in the order of application */
    size_t n;
};

static nu_str lower(struct nu_arena *a, nu_str s)
{
    char *p = nu_arena_cstr(a, s);
    for (size_t i = 0; i < s.len; i++)
        p[i] = nu_ascii_lower(p[i]);
    return nu_str_make(p, s.len);
}

/* Envoy's HeaderUtility::isModifiableHeader / isRemovableHeader: pseudo-headers and host are not. */
static bool may_change(nu_str lower_name)
{
    return !nu_str_starts(lower_name, NU_STR(":")) && !nu_str_eq(lower_name, NU_STR("host"));
}

static bool build_removal(struct nu_factory *f, const void *owner, const char *field, size_t index, nu_str name,
                          struct mutation *m)
{
    char label[96];
    *m = (struct mutation){.action = REMOVE, .name = lower(f->arena, name)};
    if (may_change(m->name))
        return true;
    snprintf(label, sizeof(label), "%s[%zu]", field, index);
    nu_pb_error(f->diags, owner, label, ":-prefixed or host headers may not be removed");
    return false;
}

/* append (a deprecated wrapper) and append_action say the same thing. */
static bool build_action(struct nu_factory *f, const struct envoy_config_core_v3_HeaderValueOption *o,
                         struct mutation *m)
{
    m->action = (uint8_t)o->append_action;
    if (o->append == NULL)
        return true;
    if (o->append_action != 0) {
        nu_pb_error(f->diags, o, "append", "Both append and append_action are set and it's not allowed");
        return false;
    }
    m->action = *o->append ? APPEND_OR_ADD : OVERWRITE_OR_ADD;
    return true;
}

static bool build_option(struct nu_factory *f, const struct envoy_config_core_v3_HeaderValueOption *o, struct mutation *m)
{
    const struct envoy_config_core_v3_HeaderValue *h = o->header;
    *m = (struct mutation){.keep_empty = o->keep_empty_value};
    if (h == NULL)
        return false; /* the API's rules have said so */
    m->name = lower(f->arena, h->key);
    if (!build_action(f, o, m))
        return false;
    if (!may_change(m->name)) {
        nu_pb_error(f->diags, h, "key", ":-prefixed or host headers may not be modified");
        return false;
    }
    bool raw = h->raw_value.len > 0;
    if (raw && h->value.len > 0) {
        nu_pb_error(f->diags, h, "value", "Only one of value or raw_value can be set");
        return false;
    }
    m->value = nu_formatter_build_text(f, h, raw ? "raw_value" : "value", raw ? h->raw_value : h->value, true);
    return m->value != NULL;
}

const struct nu_header_mutations *nu_header_mutations_build(struct nu_factory *f, const void *owner,
                                                            const char *add_field,
                                                            struct envoy_config_core_v3_HeaderValueOption **add,
                                                            size_t n_add, const char *remove_field,
                                                            const nu_str *remove, size_t n_remove)
{
    struct nu_header_mutations *m = nu_arena_new(f->arena, struct nu_header_mutations);
    bool ok = true;
    (void)add_field;
    m->items = nu_arena_array(f->arena, struct mutation, n_add + n_remove);
    for (size_t i = 0; i < n_remove; i++)
        ok = build_removal(f, owner, remove_field, i, remove[i], &m->items[m->n++]) && ok;
    for (size_t i = 0; i < n_add; i++)
        ok = build_option(f, add[i], &m->items[m->n++]) && ok;
    return ok ? m : NULL;
}

/* Unlike the lists of routes, this one may remove anything: a message that lacks what it must have is refused later. */
static bool build_one(struct nu_factory *f, const struct envoy_config_common_mutation_rules_v3_HeaderMutation *msg,
                      struct mutation *m)
{
    if (msg->append != NULL)
        return build_option(f, msg->append, m);
    if (msg->remove_on_match != NULL) {
        *m = (struct mutation){.action = REMOVE_MATCHING};
        return nu_string_matcher_build(f, msg->remove_on_match->key_matcher, &m->match);
    }
    *m = (struct mutation){.action = REMOVE, .name = lower(f->arena, msg->remove)};
    return true;
}

const struct nu_header_mutations *
nu_header_mutations_build_list(struct nu_factory *f, const void *owner, const char *field,
                               struct envoy_config_common_mutation_rules_v3_HeaderMutation **list, size_t n)
{
    struct nu_header_mutations *m = nu_arena_new(f->arena, struct nu_header_mutations);
    bool ok = true;
    (void)owner;
    (void)field;
    m->items = nu_arena_array(f->arena, struct mutation, n);
    for (size_t i = 0; i < n; i++)
        ok = build_one(f, list[i], &m->items[m->n++]) && ok;
    return ok ? m : NULL;
}

bool nu_header_mutations_empty(const struct nu_header_mutations *m)
{
    return m == NULL || m->n == 0;
}

/* Pseudo-headers and host are fields of the map, not entries. */
static const nu_str pseudo_names[] = {NU_STR_INIT(":path"),   NU_STR_INIT(":authority"), NU_STR_INIT(":method"),
                                      NU_STR_INIT(":scheme"), NU_STR_INIT(":status"),    NU_STR_INIT("host")};

static void remove_pseudo(struct nu_http_headers *h, nu_str name)
{
    if (nu_str_eq(name, NU_STR(":status")))
        h->status = 0;
    else if (nu_str_eq(name, NU_STR(":path")))
        h->path = NU_STR_NONE;
    else if (nu_str_eq(name, NU_STR(":method")))
        h->method = NU_STR_NONE;
    else if (nu_str_eq(name, NU_STR(":scheme")))
        h->scheme = NU_STR_NONE;
    else if (nu_str_eq(name, NU_STR(":authority")) || nu_str_eq(name, NU_STR("host")))
        h->authority = NU_STR_NONE;
}

static void remove_matching(const struct nu_string_matcher *m, struct nu_http_headers *h)
{
    for (size_t i = 0; i + 1 < NU_ARRAY_LEN(pseudo_names); i++) /* host is known as :authority */
        if (nu_string_matcher_match(m, pseudo_names[i]))
            remove_pseudo(h, pseudo_names[i]);
    nu_headers_foreach(e, h) {
        nu_str name = e->name;
        if (nu_string_matcher_match(m, name))
            nu_headers_remove(h, name);
    }
}

static void apply_one(const struct mutation *m, struct nu_http_headers *h, const struct nu_log_entry *e)
{
    if (m->action == REMOVE_MATCHING) {
        remove_matching(&m->match, h);
        return;
    }
    if (m->action == REMOVE) {
        if (may_change(m->name))
            nu_headers_remove(h, m->name);
        else
            remove_pseudo(h, m->name);
        return;
    }
    bool exists = nu_headers_get(h, m->name).ptr != NULL;
    if ((m->action == ADD_IF_ABSENT && exists) || (m->action == OVERWRITE_IF_EXISTS && !exists))
        return;
    nu_str value = nu_header_value_clean(nu_formatter_run_arena(m->value, e, h->arena), h->arena);
    if (value.len == 0 && !m->keep_empty)
        return;
    if (m->action == APPEND_OR_ADD || m->action == ADD_IF_ABSENT)
        nu_headers_add(h, m->name, value);
    else
        nu_headers_set(h, m->name, value);
}

void nu_header_mutations_apply(const struct nu_header_mutations *m, struct nu_http_headers *h,
                               const struct nu_log_entry *e)
{
    for (size_t i = 0; m != NULL && i < m->n; i++)
        apply_one(&m->items[i], h, e);
}
