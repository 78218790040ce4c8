/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files share that build a route table from its messages: table_build.c (tables, virtual hosts), route_build.c
 * (routes), action_build.c (their actions), filter_confs.c, retry_policy.c. */
#ifndef NU_ROUTER_BUILD_H
#define NU_ROUTER_BUILD_H

#include "base/clock.h"
#include "net/extension.h"
#include "router/table.h"

struct google_protobuf_Duration;
struct google_protobuf_Any;
struct nu_http_filter_entry;
struct envoy_config_core_v3_HeaderValueOption;
struct envoy_config_route_v3_Route;
struct envoy_config_route_v3_RouteAction;
struct envoy_config_route_v3_RouteAction_RequestMirrorPolicy;
struct envoy_config_route_v3_CorsPolicy;
struct envoy_type_matcher_v3_RegexMatchAndSubstitute;

struct nu_route_builder {
    struct nu_factory f; /* arena: the table's */
    struct nu_route_table *t;
    bool validate_clusters;
    const struct nu_http_filter_entry *filters;
    unsigned n_filters;
    struct nu_map names; /* that nu_build_name has kept */
};

/* A Duration in ms (whole ones); `none` when absent. A negative one is reported and `none` returned. */
nu_ms nu_build_duration(struct nu_factory *f, const void *owner, const char *field,
                        const struct google_protobuf_Duration *d, nu_ms none);
nu_str nu_build_lower(struct nu_arena *a, nu_str s);
/* A cluster's name, kept once a table: many routes name few clusters, and requests read the name. */
nu_str nu_build_name(struct nu_route_builder *b, nu_str name);
bool nu_build_regex_rewrite(struct nu_factory *f, const struct envoy_type_matcher_v3_RegexMatchAndSubstitute *m,
                            struct nu_regex_rewrite *out);
/* Reports a cluster that the configuration does not have ("unknown <what>cluster 'x'"). */
bool nu_build_check_cluster(struct nu_route_builder *b, const void *owner, const char *field, const char *what,
                            nu_str cluster);
/* The statistics "vhost.<vhost>.<kind>.<name>.", kept as long as the table; NULL: nobody counts here. */
struct nu_scope *nu_build_scope(struct nu_route_builder *b, nu_str vhost, const char *kind, const char *tag, nu_str name);
/* The four header lists of a level; `m` is any message that has them. */
#define nu_build_level_headers(f, m, out)                                                          \
    nu_build_level_headers_of((f), (m), (m)->request_headers_to_add, (m)->n_request_headers_to_add, \
                              (m)->request_headers_to_remove, (m)->n_request_headers_to_remove,    \
                              (m)->response_headers_to_add, (m)->n_response_headers_to_add,        \
                              (m)->response_headers_to_remove, (m)->n_response_headers_to_remove, (out))
bool nu_build_level_headers_of(struct nu_factory *f, const void *owner,
                               struct envoy_config_core_v3_HeaderValueOption **req_add, size_t n_req_add,
                               const nu_str *req_remove, size_t n_req_remove,
                               struct envoy_config_core_v3_HeaderValueOption **resp_add, size_t n_resp_add,
                               const nu_str *resp_remove, size_t n_resp_remove, struct nu_level_headers *out);
/* NULL: reported, or n == 0 and then `inherited` is returned. */
bool nu_build_mirrors(struct nu_route_builder *b, struct envoy_config_route_v3_RouteAction_RequestMirrorPolicy **msgs,
                      size_t n, const struct nu_mirror_policies *inherited, const struct nu_mirror_policies **out);

/* typed_per_filter_config (filter_confs.c). */
struct nu_filter_conf_source {
    nu_str name;
    const struct google_protobuf_Any *any;
};
bool nu_build_filter_confs(struct nu_route_builder *b, const void *owner, const struct nu_filter_conf_source *sources,
                           size_t n, const struct envoy_config_route_v3_CorsPolicy *cors, struct nu_filter_confs *out);
/* The map of any message that has one. */
#define nu_build_filter_confs_of(b, m, cors, out)                                                  \
    __extension__({                                                                                \
        struct nu_filter_conf_source *sources_ =                                                   \
            nu_arena_array((b)->f.arena, struct nu_filter_conf_source, (m)->n_typed_per_filter_config); \
        for (size_t i_ = 0; i_ < (m)->n_typed_per_filter_config; i_++)                             \
            sources_[i_] = (struct nu_filter_conf_source){(m)->typed_per_filter_config[i_].key,    \
                                                          (m)->typed_per_filter_config[i_].value}; \
        nu_build_filter_confs((b), (m), sources_, (m)->n_typed_per_filter_config, (cors), (out));  \
    })

/* One route into *out (route_build.c). v: its virtual host, complete but for its routes. */
bool nu_route_entry_build(struct nu_route_builder *b, const struct envoy_config_route_v3_Route *msg,
                          const struct nu_virtual_host_more *v, struct nu_route_entry *out);
/* RouteAction (action_build.c); e->cond is complete. */
bool nu_route_action_build(struct nu_route_builder *b, const struct envoy_config_route_v3_RouteAction *msg,
                           const struct nu_virtual_host_more *v, struct nu_route_entry *e);

#endif
