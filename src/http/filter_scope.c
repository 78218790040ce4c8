/* SPDX-License-Identifier: Apache-2.0 */
#include "http/filter_scope.h"

#include "net/server.h"

struct nu_scope *nu_http_filter_scope(struct nu_factory *f, const struct nu_stat_layout *layout, nu_str stat_prefix,
                                      const char *kind)
{
    nu_str manager = nu_str_skip(stat_prefix, sizeof("http.") - 1);
    if (nu_str_ends(manager, NU_STR(".")))
        manager = nu_str_first(manager, manager.len - 1);
    const struct nu_stat_tag tag = {NU_STR("envoy.http_conn_manager_prefix"), manager};
    nu_str prefix = nu_arena_printf(f->arena, "%.*s%s.", NU_STR_ARG(stat_prefix), kind);
    nu_str tag_prefix = nu_arena_printf(f->arena, "http.%s.", kind);
    return nu_factory_keep_scope(f, nu_scope_get(f->server->stats, layout, prefix, tag_prefix, &tag, 1));
}
