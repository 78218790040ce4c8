/* SPDX-License-Identifier: Apache-2.0
 *
 * A route table inside: what table_build.c and its kin make of a RouteConfiguration, what match.c searches and the router
 * filter runs. Everything lives in the table's arena and is immutable once built. The public face is http/route.h. */
#ifndef NU_ROUTER_TABLE_H
#define NU_ROUTER_TABLE_H

#include "base/arena.h"
#include "http/fraction.h"
#include "http/header_mutation.h"
#include "http/matchers.h"
#include "http/route.h"
#include "router/domains.h"

struct nu_scope;
struct nu_retry_policy;
struct nu_redirect;
struct nu_path_template;
struct nu_redirect_predicate;

/* Header changes of one level. */
struct nu_level_headers {
    const struct nu_header_mutations *request, *response; /* NULL: none */
};

/* Pattern and text of a RegexMatchAndSubstitute. */
struct nu_regex_rewrite {
    struct nu_regex *regex; /* NULL: none */
    nu_str substitution;
};

struct nu_mirror_policy {
    nu_str cluster;
    struct nu_fraction fraction;
    bool keep_host; /* disable_shadow_host_suffix_append */
};
struct nu_mirror_policies {
    struct nu_mirror_policy *items;
    size_t n;
};

enum nu_path_kind { NU_PATH_PREFIX, NU_PATH_EXACT, NU_PATH_SEGMENTS, NU_PATH_REGEX, NU_PATH_TEMPLATE, NU_PATH_CONNECT };

struct nu_cookie_matcher {
    nu_str name;
    struct nu_string_matcher value;
    bool invert;
};

/* RouteMatch. */
struct nu_route_cond {
    enum nu_path_kind kind;
    bool ignore_case;
    bool grpc;
    bool has_fraction;
    int8_t tls_presented, tls_validated; /* of the client's certificate: 1 must be, -1 must not be, 0 either */
    nu_str path; /* prefix, exact path, or the template's text */
    struct nu_regex *regex;
    const struct nu_path_template *template;
    struct nu_fraction fraction;
    struct nu_header_matchers headers;
    struct nu_query_matcher *queries;
    size_t n_queries;
    struct nu_cookie_matcher *cookies;
    size_t n_cookies;
};

/* What of a condition a lookup reads first, so that the routes which a request passes on its way down the list cost a few
 * instructions and no line of memory of their own: the path has to have these bytes at this place. */
struct nu_route_key {
    uint64_t end;   /* the last 8 bytes of the prefix or path, as memory has them; a shorter one has zeros behind */
    uint32_t len;   /* of the prefix or path; 0: any path may match */
    bool exact;     /* the path is not longer */
    bool is_all;    /* a path with this key meets the whole condition */
};

/* One element of weighted_clusters. */
struct nu_weighted_cluster {
    nu_str name;
    uint32_t weight;
    nu_str runtime_key; /* "<prefix>.<cluster>"; empty: none */
    struct nu_level_headers headers;
    struct nu_filter_confs filter_confs;
    nu_str host_rewrite; /* empty: the route's */
};

struct nu_internal_redirect {
    uint32_t max;
    uint16_t codes; /* bit (code - 300) */
    bool cross_scheme;
    nu_str *copy_headers; /* response headers that the next request gets */
    size_t n_copy_headers;
    const struct nu_redirect_predicate **predicates;
    size_t n_predicates;
};

enum nu_cluster_choice { NU_CLUSTER_NAMED, NU_CLUSTER_HEADER, NU_CLUSTER_WEIGHTED };

/* What a route makes of path and host: one of each kind at most. */
struct nu_route_rewrites {
    nu_str prefix;
    struct nu_regex_rewrite regex;
    const struct nu_path_template *template;
    nu_str host, host_header;
    struct nu_regex_rewrite host_path;
};

/* RouteAction. What every request reads is in front, in one line of memory. */
struct nu_route_action {
    enum nu_cluster_choice choice : 8;
    uint8_t priority; /* enum nu_priority */
    uint16_t not_found_code;
    bool auto_host_rewrite : 1, append_xfh : 1;
    bool weights_from_runtime : 1;
    bool has_max_stream_duration : 1;
    bool connect_config : 1, connect_allow_post : 1;
    nu_str cluster; /* name, or the header's name (lower case) */
    nu_ms timeout;  /* 0: none */
    const struct nu_retry_policy *retry; /* the route's or its virtual host's; NULL: none */
    const struct nu_mirror_policies *mirrors; /* NULL: none */
    const struct nu_internal_redirect *internal_redirect; /* NULL: redirects pass */
    const struct nu_route_rewrites *rewrites; /* NULL: none */
    struct nu_weighted_cluster *weighted;
    size_t n_weighted;
    uint64_t total_weight;
};

/* redirect or direct_response. */
struct nu_direct_action {
    uint16_t code;
    nu_str body;
    const struct nu_redirect *redirect; /* NULL: direct_response */
};

struct nu_route_entry {
    struct nu_route route; /* first: what the rest of the program sees */
    struct nu_direct_action *direct; /* NULL: forward (route.action) */
    struct nu_level_headers headers;
    int64_t legacy_body_limit; /* per_request_buffer_limit_bytes; -1: none */
    struct nu_scope *scope; /* vhost.<v>.route.<p>.; NULL: none */
    struct nu_route_cond cond; /* last: what most requests do not read */
};

struct nu_virtual_cluster {
    nu_str name;
    struct nu_header_matchers headers;
    struct nu_scope *scope; /* vhost.<v>.vcluster.<n>. */
};

struct nu_virtual_host_more {
    struct nu_virtual_host vhost;
    struct nu_route_key *keys; /* of each route */
    struct nu_route_entry *routes;
    size_t n_routes;
    struct nu_level_headers headers;
    struct nu_virtual_cluster *clusters;
    size_t n_clusters;
    bool attempt_count_in_request, attempt_count_in_response;
    int64_t body_limit;        /* request_body_buffer_limit; -1: none */
    int64_t legacy_body_limit; /* per_request_buffer_limit_bytes; -1: none */
    const struct nu_retry_policy *retry;
    const struct nu_mirror_policies *mirrors;
    struct nu_virtual_cluster other; /* what no virtual cluster matches; name "other" */
};

struct nu_route_table {
    struct nu_ref refs;
    struct nu_arena arena;
    nu_str name;
    struct nu_domains domains; /* values: struct nu_virtual_host_more */
    struct nu_virtual_host_more *vhosts;
    size_t n_vhosts;
    bool ignore_port, most_specific_wins;
    uint32_t max_direct_body;
    struct nu_level_headers headers;
    struct nu_filter_confs filter_confs;
    nu_str *internal_only;
    size_t n_internal_only;
    const struct nu_mirror_policies *mirrors;
};

static inline const struct nu_route_entry *nu_route_entry_of(const struct nu_route *r)
{
    return (const struct nu_route_entry *)(const void *)r;
}

/* The path without query and fragment. */
nu_str nu_path_only(nu_str path);
/* The key of a condition. */
struct nu_route_key nu_route_key_of(const struct nu_route_cond *c);
/* Whether a request meets the conditions of a route. */
bool nu_route_cond_match(const struct nu_route_cond *c, const struct nu_http_headers *h, const struct nu_runtime *rt,
                         uint64_t random_value);
/* The virtual cluster of a request; NULL: the virtual host has none. */
const struct nu_virtual_cluster *nu_virtual_cluster_find(const struct nu_virtual_host_more *v,
                                                         const struct nu_http_headers *h);

#endif
