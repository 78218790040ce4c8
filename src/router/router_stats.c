/* SPDX-License-Identifier: Apache-2.0 */
#include "router/router_stats.h"

#include "router/router.h"

static const struct nu_stat_def defs[] = {
#define NU_STAT_DEF_FILE "router/router_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) {(name), (doc), (kind), (unit)},
#include "stats/rows.h"
};

const struct nu_stat_layout nu_router_layout = {.defs = defs, .n = NU_ROUTER_STAT_N};

struct nu_scope *nu_router_scope(struct nu_stats *st, nu_str prefix, nu_str name)
{
    struct nu_stat_tag tag = {NU_STR("envoy.http_conn_manager_prefix"), name};
    return nu_scope_get(st, &nu_router_layout, prefix, NU_STR("http."), &tag, 1);
}
