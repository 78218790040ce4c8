/* SPDX-License-Identifier: Apache-2.0
 *
 * RouteConfiguration -> struct nu_route_table: the table, its virtual hosts and their domains. All mistakes are reported,
 * not only the first. */
#include <stdio.h>

#include "codec/pb/pb.h"
#include "envoy/config/route/v3/route.nu.h"
#include "envoy/config/route/v3/route_components.nu.h"
#include "envoy/type/matcher/v3/regex.nu.h"
#include "google/protobuf/duration.nu.h"
#include "net/server.h"
#include "router/build.h"
#include "router/retry_policy.h"
#include "router/vcluster_stats.h"

#define DIRECT_BODY_DEFAULT 4096u

nu_ms nu_build_duration(struct nu_factory *f, const void *owner, const char *field,
                        const struct google_protobuf_Duration *d, nu_ms none)
{
    if (d == NULL)
        return none;
    if (d->seconds >= 0 && d->nanos >= 0)
        return NU_MS(d->seconds * 1000 + d->nanos / 1000000);
    nu_pb_error(f->diags, owner, field, "must not be negative");
    return none;
}

nu_str nu_build_lower(struct nu_arena *a, nu_str s)
{
    char *p = nu_arena_alloc(a, s.len + 1);
    for (size_t i = 0; i < s.len; i++)
        p[i] = nu_ascii_lower(s.ptr[i]);
    p[s.len] = '\0';
    return nu_str_make(p, s.len);
}

nu_str nu_build_name(struct nu_route_builder *b, nu_str name)
{
    char *kept = nu_map_get(&b->names, name);
    if (kept == NULL) {
        kept = nu_arena_cstr(b->f.arena, name);
        (void)nu_map_put(&b->names, nu_str_make(kept, name.len), kept);
    }
    return nu_str_make(kept, name.len);
}

bool nu_build_regex_rewrite(struct nu_factory *f, const struct envoy_type_matcher_v3_RegexMatchAndSubstitute *m,
                            struct nu_regex_rewrite *out)
{
    if (m == NULL)
        return true;
    out->substitution = nu_arena_str(f->arena, m->substitution);
    out->regex = m->pattern != NULL ? nu_regex_matcher_build(f, m->pattern) : NULL;
    if (m->pattern == NULL)
        nu_pb_error(f->diags, m, "pattern", "is required");
    return out->regex != NULL;
}

bool nu_build_check_cluster(struct nu_route_builder *b, const void *owner, const char *field, const char *what,
                            nu_str cluster)
{
    if (!b->validate_clusters || b->f.has_cluster == NULL || cluster.len == 0 || b->f.has_cluster(&b->f, cluster))
        return true;
    nu_pb_error(b->f.diags, owner, field, "unknown %scluster '%.*s'", what, NU_STR_ARG(cluster));
    return false;
}

bool nu_build_level_headers_of(struct nu_factory *f, const void *owner,
                               struct envoy_config_core_v3_HeaderValueOption **req_add, size_t n_req_add,
                               const nu_str *req_remove, size_t n_req_remove,
                               struct envoy_config_core_v3_HeaderValueOption **resp_add, size_t n_resp_add,
                               const nu_str *resp_remove, size_t n_resp_remove, struct nu_level_headers *out)
{
    bool ok = true;
    if (n_req_add + n_req_remove > 0) {
        out->request = nu_header_mutations_build(f, owner, "request_headers_to_add", req_add, n_req_add,
                                                 "request_headers_to_remove", req_remove, n_req_remove);
        ok = out->request != NULL;
    }
    if (n_resp_add + n_resp_remove > 0) {
        out->response = nu_header_mutations_build(f, owner, "response_headers_to_add", resp_add, n_resp_add,
                                                  "response_headers_to_remove", resp_remove, n_resp_remove);
        ok = ok && out->response != NULL;
    }
    return ok;
}

bool nu_build_mirrors(struct nu_route_builder *b, struct envoy_config_route_v3_RouteAction_RequestMirrorPolicy **msgs,
                      size_t n, const struct nu_mirror_policies *inherited, const struct nu_mirror_policies **out)
{
    *out = inherited;
    if (n == 0)
        return true;
    bool ok = true;
    struct nu_mirror_policies *made = nu_arena_new(b->f.arena, struct nu_mirror_policies);
    made->items = nu_arena_array(b->f.arena, struct nu_mirror_policy, n);
    made->n = n;
    for (size_t i = 0; i < n; i++) {
        struct nu_mirror_policy *p = &made->items[i];
        if (msgs[i]->cluster.len == 0) {
            nu_pb_error(b->f.diags, msgs[i], "cluster",
                        "exactly one of cluster or cluster_header in request mirror policy need to be specified");
            ok = false;
        }
        p->cluster = nu_arena_str(b->f.arena, msgs[i]->cluster);
        p->keep_host = msgs[i]->disable_shadow_host_suffix_append;
        p->fraction = nu_fraction_build(b->f.arena, msgs[i]->runtime_fraction, 100);
        ok = nu_build_check_cluster(b, msgs[i], "cluster", "shadow ", p->cluster) && ok;
    }
    *out = made;
    return ok;
}

struct nu_scope *nu_build_scope(struct nu_route_builder *b, nu_str vhost, const char *kind, const char *tag, nu_str name)
{
    struct nu_server *server = b->f.server;
    if (server == NULL || server->stats == NULL || b->f.validate_only)
        return NULL;
    struct nu_arena *a = b->f.arena;
    const struct nu_stat_tag tags[] = {{NU_STR("envoy.virtual_host"), vhost}, {nu_str_from(tag), name}};
    nu_str prefix = nu_arena_printf(a, "vhost.%.*s.%s.%.*s.", NU_STR_ARG(vhost), kind, NU_STR_ARG(name));
    return nu_factory_keep_scope(&b->f, nu_scope_get(server->stats, &nu_vcluster_layout, prefix,
                                                     nu_arena_printf(a, "vhost.%s.", kind), tags, NU_ARRAY_LEN(tags)));
}

static struct nu_scope *vcluster_scope(struct nu_route_builder *b, const struct nu_virtual_host_more *v, nu_str name)
{
    return nu_build_scope(b, v->vhost.name, "vcluster", "envoy.virtual_cluster", name);
}

static bool build_virtual_clusters(struct nu_route_builder *b, const struct envoy_config_route_v3_VirtualHost *msg,
                                   struct nu_virtual_host_more *v)
{
    bool ok = true;
    v->n_clusters = msg->n_virtual_clusters;
    v->clusters = nu_arena_array(b->f.arena, struct nu_virtual_cluster, v->n_clusters);
    v->other.name = NU_STR("other");
    if (v->n_clusters > 0)
        v->other.scope = vcluster_scope(b, v, v->other.name);
    for (size_t i = 0; i < v->n_clusters; i++) {
        const struct envoy_config_route_v3_VirtualCluster *m = msg->virtual_clusters[i];
        v->clusters[i].name = nu_arena_str(b->f.arena, m->name);
        v->clusters[i].scope = vcluster_scope(b, v, v->clusters[i].name);
        if (m->n_headers == 0) {
            nu_pb_error(b->f.diags, m, "headers", "virtual clusters must define 'headers'");
            ok = false;
        }
        ok = nu_header_matchers_build(&b->f, m->headers, m->n_headers, &v->clusters[i].headers) && ok;
    }
    return ok;
}

static bool build_routes(struct nu_route_builder *b, const struct envoy_config_route_v3_VirtualHost *msg,
                         struct nu_virtual_host_more *v)
{
    bool ok = true;
    v->n_routes = msg->n_routes;
    v->keys = nu_arena_array(b->f.arena, struct nu_route_key, v->n_routes);
    v->routes = nu_arena_array(b->f.arena, struct nu_route_entry, v->n_routes);
    for (size_t i = 0; i < v->n_routes; i++) {
        ok = nu_route_entry_build(b, msg->routes[i], v, &v->routes[i]) && ok;
        v->keys[i] = nu_route_key_of(&v->routes[i].cond);
    }
    return ok;
}

static int64_t body_limit(const uint64_t *limit)
{
    return limit == NULL ? -1 : (int64_t)nu_min(*limit, (uint64_t)INT64_MAX);
}

static bool build_vhost(struct nu_route_builder *b, const struct envoy_config_route_v3_VirtualHost *msg,
                        struct nu_virtual_host_more *v)
{
    v->vhost.name = nu_arena_str(b->f.arena, msg->name);
    v->vhost.table = b->t;
    v->vhost.more = v;
    v->vhost.require_tls = msg->require_tls == envoy_config_route_v3_VirtualHost_TlsRequirementType_ALL ? NU_TLS_ALL
                           : msg->require_tls ==
                                   envoy_config_route_v3_VirtualHost_TlsRequirementType_EXTERNAL_ONLY
                               ? NU_TLS_EXTERNAL_ONLY
                               : NU_TLS_NONE;
    v->attempt_count_in_request = msg->include_request_attempt_count;
    v->attempt_count_in_response = msg->include_attempt_count_in_response;
    v->body_limit = body_limit(msg->request_body_buffer_limit);
    v->legacy_body_limit = msg->per_request_buffer_limit_bytes != NULL ? (int64_t)*msg->per_request_buffer_limit_bytes : -1;
    bool ok = nu_build_level_headers(&b->f, msg, &v->headers);
    ok = nu_build_filter_confs_of(b, msg, msg->cors, &v->vhost.filter_confs) && ok;
    if (msg->retry_policy != NULL) {
        v->retry = nu_retry_policy_build(&b->f, msg->retry_policy);
        ok = v->retry != NULL && ok;
    }
    ok = nu_build_mirrors(b, msg->request_mirror_policies, msg->n_request_mirror_policies, b->t->mirrors,
                          &v->mirrors) && ok;
    ok = build_virtual_clusters(b, msg, v) && ok;
    return build_routes(b, msg, v) && ok;
}

static bool add_domains(struct nu_route_builder *b, const struct envoy_config_route_v3_VirtualHost *msg,
                        struct nu_virtual_host_more *v)
{
    bool ok = true;
    for (size_t i = 0; i < msg->n_domains; i++) {
        char field[32];
        (void)snprintf(field, sizeof field, "domains[%zu]", i);
        switch (nu_domains_add(&b->t->domains, b->f.arena, msg->domains[i], v)) {
        case NU_DOMAIN_ADDED:
            continue;
        case NU_DOMAIN_SECOND_ANY:
            nu_pb_error(b->f.diags, msg, field, "only a single wildcard domain is permitted in route %.*s",
                        NU_STR_ARG(b->t->name));
            break;
        case NU_DOMAIN_DUPLICATE:
            nu_pb_error(b->f.diags, msg, field,
                        "only unique values for domains are permitted; duplicate entry of domain %.*s in route %.*s",
                        NU_STR_ARG(msg->domains[i]), NU_STR_ARG(b->t->name));
            break;
        }
        ok = false;
    }
    return ok;
}

static bool build_table(struct nu_route_builder *b, const struct envoy_config_route_v3_RouteConfiguration *msg)
{
    struct nu_route_table *t = b->t;
    t->name = nu_arena_str(&t->arena, msg->name);
    t->ignore_port = msg->ignore_port_in_host_matching;
    t->most_specific_wins = msg->most_specific_header_mutations_wins;
    t->max_direct_body = msg->max_direct_response_body_size_bytes != NULL ? *msg->max_direct_response_body_size_bytes
                                                                          : DIRECT_BODY_DEFAULT;
    t->n_internal_only = msg->n_internal_only_headers;
    t->internal_only = nu_arena_array(&t->arena, nu_str, t->n_internal_only);
    for (size_t i = 0; i < t->n_internal_only; i++)
        t->internal_only[i] = nu_build_lower(&t->arena, msg->internal_only_headers[i]);
    bool ok = nu_build_level_headers(&b->f, msg, &t->headers);
    ok = nu_build_filter_confs_of(b, msg, NULL, &t->filter_confs) && ok;
    ok = nu_build_mirrors(b, msg->request_mirror_policies, msg->n_request_mirror_policies, NULL, &t->mirrors) && ok;
    t->n_vhosts = msg->n_virtual_hosts;
    t->vhosts = nu_arena_array(&t->arena, struct nu_virtual_host_more, t->n_vhosts);
    for (size_t i = 0; i < t->n_vhosts; i++) {
        ok = build_vhost(b, msg->virtual_hosts[i], &t->vhosts[i]) && ok;
        ok = add_domains(b, msg->virtual_hosts[i], &t->vhosts[i]) && ok;
    }
    return ok;
}

struct nu_route_table *nu_route_table_build(struct nu_factory *f,
                                            const struct envoy_config_route_v3_RouteConfiguration *msg,
                                            const struct nu_http_filter_entry *filters, unsigned n_filters)
{
    struct nu_arena arena;
    nu_arena_init(&arena, NULL);
    struct nu_route_table *t = nu_arena_new(&arena, struct nu_route_table);
    t->arena = arena; /* from here on the arena lives in the table that lives in it */
    nu_ref_init(&t->refs);
    struct nu_route_builder b = {.f = *f,
                                 .t = t,
                                 .validate_clusters = msg->validate_clusters == NULL || *msg->validate_clusters,
                                 .filters = filters,
                                 .n_filters = n_filters};
    b.f.arena = &t->arena;
    if (!build_table(&b, msg))
        nu_route_table_unref(&t);
    nu_map_free(&b.names);
    return t;
}
