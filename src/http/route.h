/* SPDX-License-Identifier: Apache-2.0
 *
 * Routes as the connection manager and the HTTP filters see them; router/ implements the lookup and knows the rest. A
 * route table is an immutable, reference-counted snapshot; everything a route points to lives in its arena. */
#ifndef NU_HTTP_ROUTE_H
#define NU_HTTP_ROUTE_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/ref.h"
#include "base/str.h"
#include "http/headers.h"
#include "net/stream_info.h"

struct nu_route_table; /* router/table.h */
struct nu_virtual_host;
struct nu_weighted_cluster;
struct nu_random;
struct nu_runtime;
struct nu_route_action;   /* router/: what the router filter runs */
struct nu_header_mutations;

/* Route-level conf of the HTTP filters, by filter name. */
struct nu_filter_confs {
    struct nu_filter_conf_entry {
        nu_str name;
        const void *conf;   /* NULL: only disabled/enabled */
        int8_t disabled;    /* route.v3.FilterConfig: -1 not said, 0 enabled, 1 disabled */
        bool legacy;        /* from an old field: counts only where no level has a conf of the new kind */
    } *items;
    unsigned n;
};

struct nu_route {
    nu_str name;
    const struct nu_virtual_host *vhost;
    const struct nu_route_table *table;
    struct nu_filter_confs filter_confs;
    const struct nu_route_action *action;     /* forward; NULL: redirect or direct response */
    nu_ms idle_timeout;                       /* .v < 0: the connection manager's */
    int64_t request_body_buffer_limit;        /* -1: none given */
    nu_ms max_stream_duration;                /* .v < 0: the connection manager's */
    nu_ms grpc_timeout_max, grpc_timeout_offset; /* of the grpc-timeout header; .v < 0: not given, the header is not read */
    /* upgrade_configs of the route: type (lower case) -> enabled; a CONNECT without connect_config is refused */
    struct nu_route_upgrade {
        nu_str type;
        bool enabled;
        bool connect_config;
    } *upgrades;
    unsigned n_upgrades;
    const struct google_protobuf_Struct *metadata_envoy_lb;
};

struct nu_virtual_host {
    nu_str name;
    const struct nu_route_table *table;
    struct nu_filter_confs filter_confs;
    enum { NU_TLS_NONE, NU_TLS_EXTERNAL_ONLY, NU_TLS_ALL } require_tls;
    const struct nu_virtual_host_more *more; /* router/ */
};

/* What one lookup found. */
struct nu_route_match {
    const struct nu_route *route;               /* NULL: no route */
    const struct nu_virtual_host *vhost;        /* NULL: no virtual host */
    const struct nu_weighted_cluster *weighted; /* chosen entry; NULL: none */
    bool tls_redirect;                          /* the virtual host wants https: answer 301 */
};

/* Looks a request up. Any worker. `info` supplies what matchers read beside headers; random_value is the stream's, so
 * that a repeated lookup decides alike. */
void nu_route_lookup(const struct nu_route_table *t, const struct nu_http_headers *h,
                     const struct nu_stream_info *info, const struct nu_runtime *rt, uint64_t random_value,
                     struct nu_route_match *out);
/* NULL stays NULL. */
struct nu_route_table *nu_route_table_ref(struct nu_route_table *t);
void nu_route_table_unref(struct nu_route_table **t);
/* The cluster that the matched route forwards this request to, as configured (a weighted one, a header's value); empty:
 * none, or it does not forward. */
nu_str nu_route_match_cluster(const struct nu_route_match *m, const struct nu_http_headers *h);
/* Whether the matched route forwards, instead of answering (redirect, direct response). */
static inline bool nu_route_match_forwards(const struct nu_route_match *m)
{
    return m->route != NULL && m->route->action != NULL;
}
/* What a matched route that forwards does to the head of a response which the proxy makes itself; other matches: nothing. */
void nu_route_local_reply_headers(const struct nu_route_match *m, struct nu_http_headers *request,
                                  struct nu_http_headers *response, const struct nu_stream_info *info);
/* How long a stream of this route may last (http/duration.c): the grpc-timeout header where the route says so, the route's
 * limit, or `fallback`; 0: as long as it likes. */
nu_ms nu_route_duration_limit(const struct nu_route *r, const struct nu_http_headers *h, nu_ms fallback);
/* Removes the table's internal_only_headers from a request that is not internal. */
void nu_route_table_remove_internal_headers(const struct nu_route_table *t, struct nu_http_headers *h);
nu_str nu_route_table_name(const struct nu_route_table *t);
const struct nu_filter_confs *nu_route_table_filter_confs(const struct nu_route_table *t);
const struct nu_filter_confs *nu_weighted_cluster_filter_confs(const struct nu_weighted_cluster *w);

/* Builds a table from config (router/table_build.c). http_filters: names and extensions for typed_per_filter_config.
 * NULL: reported. Returns a reference; the table owns its arena. */
struct envoy_config_route_v3_RouteConfiguration;
struct nu_http_filter_entry;
struct nu_factory;
struct nu_route_table *nu_route_table_build(struct nu_factory *f,
                                            const struct envoy_config_route_v3_RouteConfiguration *msg,
                                            const struct nu_http_filter_entry *filters, unsigned n_filters);
/* The location of an https redirect for require_tls (path and host kept), in the arena. */
nu_str nu_route_https_location(const struct nu_http_headers *h, struct nu_arena *a);

#endif
