/* SPDX-License-Identifier: Apache-2.0
 *
 * The query of a path as a list of parameters that can be changed, Envoy's QueryParamsMulti: names and values are decoded
 * when read; written, parameters are sorted by name and those of one name keep their order. Values that are added are
 * percent-encoded. Where Envoy writes decoded bytes as they are, a byte that cannot stand in a request line (controls,
 * space) stays encoded here. */
#ifndef NU_HTTP_QUERY_H
#define NU_HTTP_QUERY_H

#include "base/arena.h"

struct nu_query {
    struct nu_arena *arena;
    struct nu_query_item {
        nu_str key, value; /* key.ptr == NULL: removed */
        size_t order;
    } *items;
    size_t n, cap;
};

/* core.v3.KeyValueAppend.KeyValueAppendAction, and removal. */
enum nu_query_action {
    NU_QUERY_APPEND,
    NU_QUERY_ADD_IF_ABSENT,
    NU_QUERY_OVERWRITE_OR_ADD,
    NU_QUERY_OVERWRITE_IF_EXISTS,
    NU_QUERY_REMOVE,
};

/* Reads the query of a path (without one: empty). Everything is made in the arena; path must live as long. */
void nu_query_parse(struct nu_query *q, struct nu_arena *a, nu_str path);
/* key: as in the decoded query, borrowed; value: plain, it is encoded here; not used for removal. */
void nu_query_change(struct nu_query *q, enum nu_query_action action, nu_str key, nu_str value);
/* The path with this query instead of its own, in the arena. */
nu_str nu_query_path(struct nu_query *q, nu_str path);

#endif
