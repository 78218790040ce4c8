/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.http.router: the filter that forwards requests. The work is in router/. */
#include "router/router.h"

#include "codec/pb/pb.h"
#include "envoy/extensions/filters/http/router/v3/router.nu.h"

static const struct nu_http_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg, nu_str stat_prefix)
{
    const struct envoy_extensions_filters_http_router_v3_Router *m =
        NU_PB_AS(msg, envoy_extensions_filters_http_router_v3_Router);
    struct nu_router_conf *c = nu_arena_new(f->arena, struct nu_router_conf);
    (void)stat_prefix;
    c->base.attach = nu_router_attach;
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
