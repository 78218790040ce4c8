/* SPDX-License-Identifier: Apache-2.0
 *
 * Clusters of v1. What v1 left unsaid and v3 means otherwise is written out: names resolve to IPv4 only, and idle
 * connections to a host have no time limit. */
#include "config/v1/v1_priv.h"

enum {
    C_NAME,
    C_TYPE,
    C_CONNECT_TIMEOUT,
    C_BUFFER_LIMIT,
    C_LB_TYPE,
    C_RING_HASH,
    C_HOSTS,
    C_SERVICE_NAME,
    C_HEALTH_CHECK,
    C_MAX_REQUESTS,
    C_BREAKERS,
    C_SSL,
    C_FEATURES,
    C_HTTP2,
    C_CODEC_OPTIONS,
    C_CLEANUP,
    C_DNS_REFRESH,
    C_DNS_FAMILY,
    C_DNS_RESOLVERS,
    C_OUTLIER,
    C_ALT_STAT_NAME,
};
static const struct v1_key cluster_keys[] = {
    [C_NAME] = {"name", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [C_TYPE] = {"type", V1_STRING, V1_REQUIRED},
    [C_CONNECT_TIMEOUT] = {"connect_timeout_ms", V1_INT, V1_REQUIRED | V1_NONEMPTY},
    [C_BUFFER_LIMIT] = {"per_connection_buffer_limit_bytes", V1_INT, V1_NONEMPTY},
    [C_LB_TYPE] = {"lb_type", V1_STRING, V1_REQUIRED},
    [C_RING_HASH] = {"ring_hash_lb_config", V1_MAP, V1_UNSUPPORTED},
    [C_HOSTS] = {"hosts", V1_LIST, V1_NONEMPTY},
    [C_SERVICE_NAME] = {"service_name", V1_STRING, V1_UNSUPPORTED},
    [C_HEALTH_CHECK] = {"health_check", V1_MAP, V1_UNSUPPORTED},
    [C_MAX_REQUESTS] = {"max_requests_per_connection", V1_INT, V1_NONEMPTY},
    [C_BREAKERS] = {"circuit_breakers", V1_MAP, 0},
    [C_SSL] = {"ssl_context", V1_MAP, 0},
    [C_FEATURES] = {"features", V1_STRING, V1_UNSUPPORTED},
    [C_HTTP2] = {"http2_settings", V1_MAP, V1_UNSUPPORTED},
    [C_CODEC_OPTIONS] = {"http_codec_options", V1_STRING, V1_UNSUPPORTED},
    [C_CLEANUP] = {"cleanup_interval_ms", V1_INT, V1_UNSUPPORTED},
    [C_DNS_REFRESH] = {"dns_refresh_rate_ms", V1_INT, V1_NONEMPTY},
    [C_DNS_FAMILY] = {"dns_lookup_family", V1_STRING, 0},
    [C_DNS_RESOLVERS] = {"dns_resolvers", V1_LIST, V1_STRINGS},
    [C_OUTLIER] = {"outlier_detection", V1_MAP, V1_UNSUPPORTED},
    [C_ALT_STAT_NAME] = {"alt_stat_name", V1_STRING, 0},
};
static const struct v1_schema cluster_schema = V1_SCHEMA("a v1 cluster", cluster_keys);

enum { B_DEFAULT, B_HIGH };
static const struct v1_key breaker_keys[] = {
    [B_DEFAULT] = {"default", V1_MAP, 0},
    [B_HIGH] = {"high", V1_MAP, 0},
};
static const struct v1_schema breakers_schema = V1_SCHEMA("v1 circuit breakers", breaker_keys);

/* The same keys and defaults as Thresholds of v3. */
static const struct v1_key threshold_keys[] = {
    {"max_connections", V1_INT, 0},
    {"max_pending_requests", V1_INT, 0},
    {"max_requests", V1_INT, 0},
    {"max_retries", V1_INT, 0},
};
static const struct v1_schema threshold_schema = V1_SCHEMA("the thresholds of a v1 circuit breaker", threshold_keys);

static const struct v1_key host_keys[] = {{"url", V1_STRING, V1_REQUIRED}};
static const struct v1_schema host_schema = V1_SCHEMA("a v1 host", host_keys);

static const struct v1_word types[] = {
    {"static", "STATIC"}, {"strict_dns", "STRICT_DNS"}, {"logical_dns", "LOGICAL_DNS"},
    {"sds", NULL},        {"original_dst", NULL},       {NULL, NULL},
};
/* 1.0 spelled out that its least_request went by weight. */
static const struct v1_word lb_types[] = {
    {"round_robin", "ROUND_ROBIN"},
    {"least_request", "LEAST_REQUEST"},
    {"weighted_least_request", "LEAST_REQUEST"},
    {"random", "RANDOM"},
    {"ring_hash", NULL},
    {"original_dst_lb", NULL},
    {"maglev", NULL},
    {NULL, NULL},
};
static const struct v1_word families[] = {{"v4_only", "V4_ONLY"}, {"v6_only", "V6_ONLY"}, {"auto", "AUTO"}, {NULL, NULL}};

static void add_thresholds(struct v1 *c, struct nu_tree *list, const char *priority, const struct nu_tree_member *m)
{
    struct v1_obj o;
    if (m == NULL)
        return;
    size_t mark = v1_enter(c, priority[0] == 'D' ? "circuit_breakers.default" : "circuit_breakers.high", -1);
    if (v1_open(c, &o, m->value, &threshold_schema)) {
        struct nu_tree *t = v1_add_map(c, list, m->value->pos);
        v1_put_lit(c, t, "priority", m->value->pos, priority);
        for (size_t i = 0; i < NU_ARRAY_LEN(threshold_keys); i++)
            v1_copy(c, t, threshold_keys[i].name, o.m[i]);
    }
    v1_leave(c, mark);
}

static void breakers(struct v1 *c, struct nu_tree *out, const struct nu_tree_member *m)
{
    struct v1_obj o;
    size_t mark = v1_enter(c, "circuit_breakers", -1);
    bool ok = v1_open(c, &o, m->value, &breakers_schema);
    v1_leave(c, mark);
    if (!ok)
        return;
    struct nu_tree *list =
        v1_put_list(c, v1_put_map(c, out, "circuit_breakers", m->value->pos), "thresholds", m->value->pos);
    add_thresholds(c, list, "DEFAULT", o.m[B_DEFAULT]);
    add_thresholds(c, list, "HIGH", o.m[B_HIGH]);
}

static void hosts(struct v1 *c, struct nu_tree *out, const struct v1_obj *cluster, bool is_dns)
{
    struct v1_obj o;
    const struct nu_tree_member *m = cluster->m[C_HOSTS];
    struct nu_pos pos = m->value->pos;
    struct nu_tree *assignment = v1_put_map(c, out, "load_assignment", pos);
    v1_copy(c, assignment, "cluster_name", cluster->m[C_NAME]);
    struct nu_tree *locality = v1_add_map(c, v1_put_list(c, assignment, "endpoints", pos), pos);
    struct nu_tree *list = v1_put_list(c, locality, "lb_endpoints", pos);
    for (size_t i = 0; i < v1_count(m); i++) {
        const struct nu_tree *t = m->value->u.list.items[i];
        size_t mark = v1_enter(c, "hosts", (ssize_t)i);
        if (v1_open(c, &o, t, &host_schema) && o.m[0] != NULL) {
            struct nu_tree *endpoint = v1_put_map(c, v1_add_map(c, list, t->pos), "endpoint", t->pos);
            (void)v1_put_address(c, endpoint, o.m[0]->value, is_dns ? V1_NAME : V1_IP);
        }
        v1_leave(c, mark);
    }
}

static void resolvers(struct v1 *c, struct nu_tree *out, const struct nu_tree_member *m)
{
    struct nu_pos pos = m->value->pos;
    struct nu_tree *ext = v1_put_map(c, out, "typed_dns_resolver_config", pos);
    v1_put_lit(c, ext, "name", pos, "envoy.network.dns_resolver.cares");
    struct nu_tree *cares = v1_put_any(c, ext, "typed_config", pos,
                                       "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig");
    struct nu_tree *list = v1_put_list(c, cares, "resolvers", pos);
    for (size_t i = 0; i < v1_count(m); i++) {
        size_t mark = v1_enter(c, "dns_resolvers", (ssize_t)i);
        struct nu_tree *holder = v1_map(c, pos);
        if (v1_put_address(c, holder, m->value->u.list.items[i], V1_IP_BARE))
            v1_add(c, list, holder->u.map.members[0].value);
        v1_leave(c, mark);
    }
}

static void put_family(struct v1 *c, struct nu_tree *out, const struct v1_obj *o)
{
    if (o->m[C_DNS_FAMILY] != NULL)
        v1_copy_word(c, out, "dns_lookup_family", o->m[C_DNS_FAMILY], families);
    else
        v1_put_lit(c, out, "dns_lookup_family", o->tree->pos, "V4_ONLY");
}

/* The form of today has room for all that v1 says; the plain form is shorter and does for most. */
static void dns_type(struct v1 *c, struct nu_tree *out, const struct v1_obj *o, const char *type)
{
    struct nu_tree *dns = out;
    if (o->m[C_DNS_REFRESH] == NULL) {
        v1_put_lit(c, out, "type", o->m[C_TYPE]->value->pos, type);
    } else {
        struct nu_pos pos = o->m[C_TYPE]->value->pos;
        struct nu_tree *ext = v1_put_map(c, out, "cluster_type", pos);
        v1_put_lit(c, ext, "name", pos, "envoy.clusters.dns");
        dns = v1_put_any(c, ext, "typed_config", pos, "envoy.extensions.clusters.dns.v3.DnsCluster");
        v1_copy_ms(c, dns, "dns_refresh_rate", o->m[C_DNS_REFRESH]);
        if (type[0] == 'L')
            v1_put(c, dns, "all_addresses_in_single_endpoint", v1_bool(c, pos, true));
    }
    put_family(c, dns, o);
    if (v1_count(o->m[C_DNS_RESOLVERS]) > 0)
        resolvers(c, dns, o->m[C_DNS_RESOLVERS]);
}

static void http_options(struct v1 *c, struct nu_tree *out, const struct v1_obj *o)
{
    struct nu_pos pos = o->tree->pos;
    struct nu_tree *map = v1_put_map(c, out, "typed_extension_protocol_options", pos);
    struct nu_tree *options = v1_put_any(c, map, "envoy.extensions.upstreams.http.v3.HttpProtocolOptions", pos,
                                         "envoy.extensions.upstreams.http.v3.HttpProtocolOptions");
    struct nu_tree *common = v1_put_map(c, options, "common_http_protocol_options", pos);
    v1_put_lit(c, common, "idle_timeout", pos, "0s");
    v1_copy(c, common, "max_requests_per_connection", o->m[C_MAX_REQUESTS]);
    v1_put_map(c, v1_put_map(c, options, "explicit_http_config", pos), "http_protocol_options", pos);
}

/* v1 took these in static clusters, too, where they say nothing. */
static void warn_dns_keys(struct v1 *c, const struct v1_obj *o)
{
    static const int dns_keys[] = {C_DNS_REFRESH, C_DNS_FAMILY, C_DNS_RESOLVERS};
    for (size_t i = 0; i < NU_ARRAY_LEN(dns_keys); i++) {
        if (o->m[dns_keys[i]] != NULL)
            v1_warn(c, o->m[dns_keys[i]]->key_pos, "\"%s\" has no effect on a static cluster",
                    cluster_keys[dns_keys[i]].name);
    }
}

void v1_cluster(struct v1 *c, struct nu_tree *clusters, const struct nu_tree *t)
{
    struct v1_obj o;
    if (!v1_open(c, &o, t, &cluster_schema))
        return;
    struct nu_tree *out = v1_add_map(c, clusters, t->pos);
    const char *type = v1_word(c, o.m[C_TYPE], types);
    bool is_dns = type != NULL && strcmp(type, "STATIC") != 0;
    if (type != NULL && !is_dns)
        warn_dns_keys(c, &o);
    v1_copy(c, out, "name", o.m[C_NAME]);
    v1_copy(c, out, "alt_stat_name", o.m[C_ALT_STAT_NAME]);
    if (is_dns)
        dns_type(c, out, &o, type);
    else if (type != NULL)
        v1_put_lit(c, out, "type", o.m[C_TYPE]->value->pos, type);
    v1_copy_ms(c, out, "connect_timeout", o.m[C_CONNECT_TIMEOUT]);
    v1_copy(c, out, "per_connection_buffer_limit_bytes", o.m[C_BUFFER_LIMIT]);
    v1_copy_word(c, out, "lb_policy", o.m[C_LB_TYPE], lb_types);
    if (type != NULL && nu_tree_find(t, NU_STR("hosts")) == NULL)
        v1_error(c, t->pos, "a cluster of type %.*s needs \"hosts\"", NU_STR_ARG(v1_text(o.m[C_TYPE])));
    else if (o.m[C_HOSTS] != NULL && type != NULL)
        hosts(c, out, &o, is_dns);
    if (o.m[C_BREAKERS] != NULL)
        breakers(c, out, o.m[C_BREAKERS]);
    if (o.m[C_SSL] != NULL)
        v1_put(c, out, "transport_socket", v1_cluster_ssl(c, o.m[C_SSL]));
    http_options(c, out, &o);
}
