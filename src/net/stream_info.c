/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stream_info.h"

const struct nu_conn_details nu_conn_no_details;

struct nu_conn_details *nu_conn_details_edit(struct nu_conn_info *c)
{
    if (c->details == NULL)
        c->details = nu_arena_new(c->arena, struct nu_conn_details);
    return c->details;
}

struct nu_upstream_info *nu_stream_info_upstream(struct nu_stream_info *si)
{
    if (si->upstream == NULL)
        si->upstream = nu_arena_new(si->arena, struct nu_upstream_info);
    return si->upstream;
}

static struct nu_filter_state *find(struct nu_filter_state *list, nu_str name)
{
    for (; list != NULL; list = list->next)
        if (nu_str_eq(list->name, name))
            return list;
    return NULL;
}

static void set(struct nu_filter_state **list, struct nu_arena *a, const struct nu_filter_state *value)
{
    struct nu_filter_state *s = find(*list, value->name), *next = s != NULL ? s->next : *list;
    if (s == NULL)
        s = *list = nu_arena_new(a, struct nu_filter_state);
    *s = *value;
    s->next = next;
}

void nu_filter_state_set(struct nu_stream_info *si, nu_str name, nu_str text, void *object, enum nu_life_span life)
{
    bool of_conn = life == NU_LIFE_CONNECTION && si->conn != NULL;
    set(of_conn ? &nu_conn_details_edit(si->conn)->filter_state : &si->filter_state, of_conn ? si->conn->arena : si->arena,
        &(struct nu_filter_state){.name = name, .text = text, .object = object, .life = life});
}

void nu_conn_info_set_state(struct nu_conn_info *c, nu_str name, nu_str text)
{
    set(&nu_conn_details_edit(c)->filter_state, c->arena,
        &(struct nu_filter_state){.name = name, .text = text, .life = NU_LIFE_CONNECTION});
}

nu_str nu_conn_info_state(const struct nu_conn_info *c, nu_str name)
{
    const struct nu_filter_state *s = find(nu_conn_details(c)->filter_state, name);
    return s != NULL ? s->text : NU_STR_NONE;
}

const struct nu_filter_state *nu_filter_state_get(const struct nu_stream_info *si, nu_str name)
{
    const struct nu_filter_state *s = find(si->filter_state, name);
    if (s == NULL && si->conn != NULL)
        s = find(nu_conn_details(si->conn)->filter_state, name);
    return s;
}
