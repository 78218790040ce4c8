/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.http.router: the filter that forwards requests. The work is in router/. */
#include "router/router.h"

#include "codec/pb/pb.h"
#include "envoy/extensions/filters/http/router/v3/router.nu.h"
#include "net/server.h"
#include "stats/stats.h"

/* "http.in." -> "in" */
static nu_str name_of(nu_str prefix)
{
    nu_str name = nu_str_skip(prefix, sizeof("http.") - 1);
    return nu_str_first(name, name.len > 0 ? name.len - 1 : 0);
}

static const struct nu_http_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg, nu_str stat_prefix)
{
    const struct envoy_extensions_filters_http_router_v3_Router *m =
        NU_PB_AS(msg, envoy_extensions_filters_http_router_v3_Router);
    struct nu_router_conf *c = nu_arena_new(f->arena, struct nu_router_conf);
    c->base.attach = nu_router_attach;
    c->scope = nu_factory_keep_scope(f, nu_router_scope(f->server->stats, stat_prefix, name_of(stat_prefix)));
    c->dynamic_stats = m == NULL || m->dynamic_stats == NULL || *m->dynamic_stats;
    c->suppress_envoy_headers = m != NULL && m->suppress_envoy_headers;
    if (m != NULL && !nu_access_logs_build(f, m->upstream_log, m->n_upstream_log, &c->upstream_logs))
        return NULL;
    return &c->base;
}

static const struct nu_http_filter_factory factory = {.terminal = true, .create = create};

const struct nu_extension nu_ext_http_filter_router = {
    .category = "envoy.filters.http",
    .name = "envoy.filters.http.router",
    .config_type = &envoy_extensions_filters_http_router_v3_Router_type,
    .ops = &factory,
};
