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

void nu_filter_state_set(struct nu_stream_info *si, nu_str name, nu_str text, void *object, enum nu_life_span life)
{
    bool of_conn = life == NU_LIFE_CONNECTION && si->conn != NULL;
    struct nu_filter_state **list = of_conn ? &nu_conn_details_edit(si->conn)->filter_state : &si->filter_state;
    struct nu_filter_state *s = find(*list, name);
    if (s == NULL) {
        s = nu_arena_new(of_conn ? si->conn->arena : si->arena, struct nu_filter_state);
        s->next = *list;
        *list = s;
    }
    s->name = name;
    s->text = text;
    s->object = object;
    s->life = life;
}

const struct nu_filter_state *nu_filter_state_get(const struct nu_stream_info *si, nu_str name)
{
    const struct nu_filter_state *s = find(si->filter_state, name);
    if (s == NULL && si->conn != NULL)
        s = find(nu_conn_details(si->conn)->filter_state, name);
    return s;
}
