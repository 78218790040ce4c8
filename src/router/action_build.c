/* SPDX-License-Identifier: Apache-2.0
 *
 * RouteAction from its message. */
#include "codec/pb/pb.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/config/core/v3/extension.nu.h"
#include "envoy/config/route/v3/route_components.nu.h"
#include "router/build.h"
#include "router/internal_redirect.h"
#include "router/path_template.h"
#include "router/retry_policy.h"
#include "upstream/cluster.h"

#define ROUTE_TIMEOUT_DEFAULT NU_SECONDS(15)

typedef struct envoy_config_route_v3_RouteAction route_action_msg;

static bool build_weight(struct nu_route_builder *b, const struct envoy_config_route_v3_WeightedCluster *all,
                         const struct envoy_config_route_v3_WeightedCluster_ClusterWeight *m,
                         struct nu_weighted_cluster *w)
{
    struct nu_arena *a = b->f.arena;
    w->name = nu_build_name(b, m->name);
    w->weight = m->weight != NULL ? *m->weight : 0;
    w->host_rewrite = nu_arena_str(a, m->host_rewrite_literal);
    if (all->runtime_key_prefix.len > 0)
        w->runtime_key = nu_arena_printf(a, "%.*s.%.*s", NU_STR_ARG(all->runtime_key_prefix), NU_STR_ARG(m->name));
    bool ok = nu_build_check_cluster(b, m, "name", "weighted ", w->name);
    if (w->name.len == 0) {
        nu_pb_error(b->f.diags, m, "name", "exactly one of name or cluster_header must be specified");
        ok = false;
    }
    ok = nu_build_level_headers(&b->f, m, &w->headers) && ok;
    return nu_build_filter_confs_of(b, m, NULL, &w->filter_confs) && ok;
}

static bool build_weights(struct nu_route_builder *b, const struct envoy_config_route_v3_WeightedCluster *m,
                          struct nu_route_action *r)
{
    bool ok = true;
    r->n_weighted = m->n_clusters;
    r->weighted = nu_arena_array(b->f.arena, struct nu_weighted_cluster, r->n_weighted);
    r->weights_from_runtime = m->runtime_key_prefix.len > 0;
    for (size_t i = 0; i < r->n_weighted; i++) {
        ok = build_weight(b, m, m->clusters[i], &r->weighted[i]) && ok;
        r->total_weight += r->weighted[i].weight;
    }
    if (r->total_weight == 0)
        nu_pb_error(b->f.diags, m, NULL, "sum of weights in the weighted_cluster must be greater than 0");
    if (r->total_weight > UINT32_MAX)
        nu_pb_error(b->f.diags, m, NULL, "the sum of weights of all weighted clusters exceeds %u", UINT32_MAX);
    return ok && r->total_weight > 0 && r->total_weight <= UINT32_MAX;
}

static bool build_cluster(struct nu_route_builder *b, const route_action_msg *m, struct nu_route_action *r)
{
    static const uint16_t codes[] = {503, 404, 500};
    size_t code = (size_t)m->cluster_not_found_response_code;
    r->not_found_code = codes[code < NU_ARRAY_LEN(codes) ? code : 0];
    if (m->weighted_clusters != NULL) {
        r->choice = NU_CLUSTER_WEIGHTED;
        return build_weights(b, m->weighted_clusters, r);
    }
    if (m->cluster_header.len > 0) {
        r->choice = NU_CLUSTER_HEADER;
        r->cluster = nu_build_lower(b->f.arena, m->cluster_header);
        return true;
    }
    r->choice = NU_CLUSTER_NAMED;
    r->cluster = nu_build_name(b, m->cluster);
    return nu_build_check_cluster(b, m, "cluster", "", r->cluster);
}

static bool build_template_rewrite(struct nu_factory *f, const route_action_msg *m, const struct nu_route_cond *c,
                                   struct nu_route_rewrites *r)
{
    const struct envoy_config_core_v3_TypedExtensionConfig *p = m->path_rewrite_policy;
    const struct nu_extension *ext = nu_extension_resolve(f, "envoy.path.rewrite", p, "typed_config", p->typed_config);
    if (ext == NULL)
        return false;
    const struct nu_path_template_factory *factory = ext->ops;
    r->template = factory->create(f, p->typed_config->msg);
    if (!nu_extension_made(f, ext, p, r->template))
        return false;
    nu_str missing = NU_STR_NONE;
    if (c->kind != NU_PATH_TEMPLATE)
        nu_pb_error(f->diags, m, "path_rewrite_policy",
                    "unable to use a URI template rewrite without a URI template path_match_policy");
    else if (c->template != NULL && !nu_path_rewrite_fits(r->template, c->template, &missing))
        nu_pb_error(f->diags, m, "path_rewrite_policy", "the match template has no variable {%.*s}",
                    NU_STR_ARG(missing));
    else
        return c->template != NULL;
    return false;
}

static bool build_path_rewrite(struct nu_factory *f, const route_action_msg *m, const struct nu_route_cond *c,
                               struct nu_route_rewrites *r)
{
    r->prefix = nu_arena_str(f->arena, m->prefix_rewrite);
    int n = (r->prefix.len > 0) + (m->regex_rewrite != NULL) + (m->path_rewrite_policy != NULL);
    if (n > 1) {
        nu_pb_error(f->diags, m, NULL, "specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy");
        return false;
    }
    if (r->prefix.len > 0 && c->kind == NU_PATH_TEMPLATE) {
        nu_pb_error(f->diags, m, "prefix_rewrite", "cannot use prefix_rewrite with matcher extension");
        return false;
    }
    if (m->path_rewrite_policy != NULL)
        return build_template_rewrite(f, m, c, r);
    return nu_build_regex_rewrite(f, m->regex_rewrite, &r->regex);
}

static bool build_host_rewrite(struct nu_factory *f, const route_action_msg *m, struct nu_route_rewrites *r)
{
    r->host = nu_arena_str(f->arena, m->host_rewrite_literal);
    r->host_header = nu_build_lower(f->arena, m->host_rewrite_header);
    return nu_build_regex_rewrite(f, m->host_rewrite_path_regex, &r->host_path);
}

static bool build_rewrites(struct nu_factory *f, const route_action_msg *m, const struct nu_route_cond *c,
                           struct nu_route_action *r)
{
    r->auto_host_rewrite = m->auto_host_rewrite != NULL && *m->auto_host_rewrite;
    r->append_xfh = m->append_x_forwarded_host;
    struct nu_route_rewrites made = {.regex.regex = NULL};
    bool ok = build_path_rewrite(f, m, c, &made);
    ok = build_host_rewrite(f, m, &made) && ok;
    if (made.prefix.len == 0 && made.regex.regex == NULL && made.template == NULL && made.host.len == 0 &&
        made.host_header.len == 0 && made.host_path.regex == NULL)
        return ok;
    struct nu_route_rewrites *kept = nu_arena_new(f->arena, struct nu_route_rewrites);
    *kept = made;
    r->rewrites = kept;
    return ok;
}

static bool is_connect_type(nu_str type)
{
    return nu_str_eq_nocase(type, NU_STR("connect")) || nu_str_eq_nocase(type, NU_STR("connect-udp"));
}

static bool build_upgrade(struct nu_factory *f, const struct envoy_config_route_v3_RouteAction_UpgradeConfig *m,
                          struct nu_route *route, struct nu_route_action *r)
{
    nu_str type = nu_build_lower(f->arena, m->upgrade_type);
    for (unsigned k = 0; k < route->n_upgrades; k++) {
        if (!nu_str_eq(route->upgrades[k].type, type))
            continue;
        nu_pb_error(f->diags, m, "upgrade_type", "duplicate upgrade %.*s", NU_STR_ARG(m->upgrade_type));
        return false;
    }
    struct nu_route_upgrade *u = &route->upgrades[route->n_upgrades++];
    u->type = type;
    u->enabled = m->enabled == NULL || *m->enabled;
    u->connect_config = m->connect_config != NULL;
    if (m->connect_config == NULL)
        return true;
    if (!is_connect_type(type)) {
        nu_pb_error(f->diags, m, "connect_config", "non-CONNECT upgrade type %.*s has ConnectConfig",
                    NU_STR_ARG(m->upgrade_type));
        return false;
    }
    r->connect_config = true;
    r->connect_allow_post = m->connect_config->allow_post;
    return true;
}

static bool build_upgrades(struct nu_factory *f, const route_action_msg *m, struct nu_route *route,
                           struct nu_route_action *r)
{
    bool ok = true;
    route->upgrades = nu_arena_array(f->arena, struct nu_route_upgrade, m->n_upgrade_configs);
    for (size_t i = 0; i < m->n_upgrade_configs; i++)
        ok = build_upgrade(f, m->upgrade_configs[i], route, r) && ok;
    return ok;
}

static void build_timeouts(struct nu_factory *f, const route_action_msg *m, struct nu_route *route,
                           struct nu_route_action *r)
{
    r->timeout = nu_build_duration(f, m, "timeout", m->timeout, ROUTE_TIMEOUT_DEFAULT);
    route->idle_timeout = nu_build_duration(f, m, "idle_timeout", m->idle_timeout, NU_MS(-1));
    const struct envoy_config_route_v3_RouteAction_MaxStreamDuration *d = m->max_stream_duration;
    r->has_max_stream_duration = d != NULL;
    if (d == NULL)
        return;
    route->max_stream_duration =
        nu_build_duration(f, d, "max_stream_duration", d->max_stream_duration, NU_MS(-1));
    route->grpc_timeout_max =
        nu_build_duration(f, d, "grpc_timeout_header_max", d->grpc_timeout_header_max, NU_MS(-1));
    route->grpc_timeout_offset =
        nu_build_duration(f, d, "grpc_timeout_header_offset", d->grpc_timeout_header_offset, NU_MS(-1));
}

static bool build_policies(struct nu_route_builder *b, const route_action_msg *m, const struct nu_virtual_host_more *v,
                           struct nu_route_action *r)
{
    bool ok = true;
    r->retry = v->retry;
    if (m->retry_policy != NULL) {
        r->retry = nu_retry_policy_build(&b->f, m->retry_policy);
        ok = r->retry != NULL;
    }
    if (m->internal_redirect_policy != NULL) {
        r->internal_redirect = nu_internal_redirect_build(&b->f, m->internal_redirect_policy);
        ok = r->internal_redirect != NULL && ok;
    }
    return nu_build_mirrors(b, m->request_mirror_policies, m->n_request_mirror_policies, v->mirrors, &r->mirrors) &&
           ok;
}

bool nu_route_action_build(struct nu_route_builder *b, const route_action_msg *msg,
                           const struct nu_virtual_host_more *v, struct nu_route_entry *e)
{
    struct nu_route_action *r = nu_arena_new(b->f.arena, struct nu_route_action);
    e->route.action = r;
    r->priority = msg->priority == envoy_config_core_v3_RoutingPriority_HIGH ? NU_PRIORITY_HIGH : NU_PRIORITY_DEFAULT;
    size_t errors = b->f.diags->n_errors;
    build_timeouts(&b->f, msg, &e->route, r);
    bool ok = b->f.diags->n_errors == errors;
    ok = build_cluster(b, msg, r) && ok;
    ok = build_rewrites(&b->f, msg, &e->cond, r) && ok;
    ok = build_upgrades(&b->f, msg, &e->route, r) && ok;
    return build_policies(b, msg, v, r) && ok;
}
