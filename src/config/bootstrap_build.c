/* SPDX-License-Identifier: Apache-2.0
 *
 * What the bootstrap says about the process as a whole: node, statistics, limits, DNS. */
#include <stdlib.h>

#include "base/random.h"
#include "base/regex.h"
#include "codec/pb/pb.h"
#include "config/bootstrap.h"
#include "config/overload_build.h"
#include "config/resolver_build.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/config/metrics/v3/stats.nu.h"
#include "envoy/type/v3/percent.nu.h"
#include "google/protobuf/any.nu.h"
#include "http/matchers.h"
#include "net/duration.h"

/* ---- node ---- */

static void build_node(struct nu_factory *f, const struct envoy_config_core_v3_Node *n, struct nu_process_conf *out)
{
    if (n == NULL)
        return;
    out->node_id = nu_arena_str(f->arena, n->id);
    out->node_cluster = nu_arena_str(f->arena, n->cluster);
    if (n->locality == NULL)
        return;
    out->region = nu_arena_str(f->arena, n->locality->region);
    out->zone = nu_arena_str(f->arena, n->locality->zone);
    out->sub_zone = nu_arena_str(f->arena, n->locality->sub_zone);
}

/* ---- stats_config ---- */

static void drop_regex(void *re)
{
    nu_regex_free(re);
}

static struct nu_regex *build_regex(struct nu_factory *f, const void *owner, const char *field, nu_str pattern)
{
    char why[256];
    struct nu_regex *re = nu_regex_new_ecma(pattern, why, sizeof(why));
    if (re == NULL)
        nu_pb_error(f->diags, owner, field, "invalid regex: %s", why);
    else
        nu_arena_on_clear(f->arena, drop_regex, re);
    return re;
}

/* Envoy 1.40's default tags, those of things that are not here included. */
static bool is_default_tag(nu_str name)
{
    static const char *const names[] = {
        "clientssl_prefix", "cluster_name", "connection_limit_prefix", "dns_filter_prefix", "dynamo_operation",
        "dynamo_partition_id", "dynamo_table", "ext_authz_prefix", "fault_downstream_cluster", "google_grpc_client_prefix",
        "grpc_bridge_method", "grpc_bridge_service", "http_conn_manager_prefix", "http_user_agent", "listener_address",
        "local_http_ratelimit_prefix", "local_listener_ratelimit_prefix", "local_network_ratelimit_prefix",
        "mongo_callsite", "mongo_cmd", "mongo_collection", "mongo_prefix", "proxy_protocol_prefix",
        "proxy_protocol_version", "ratelimit_prefix", "rbac_http_prefix", "rbac_policy_name", "rbac_prefix",
        "rds_route_config", "redis_prefix", "response_code", "response_code_class", "route", "scoped_rds_config",
        "ssl_cipher", "ssl_curve", "ssl_sigalg", "ssl_version", "tcp_prefix", "thrift_prefix", "tls_certificate",
        "udp_prefix", "virtual_cluster", "virtual_host", "worker_id", "xds_resource_name",
    };
    if (!nu_str_starts(name, NU_STR("envoy.")))
        return false;
    for (size_t i = 0; i < NU_ARRAY_LEN(names); i++)
        if (nu_str_eq(nu_str_skip(name, 6), nu_str_from(names[i])))
            return true;
    return false;
}

/* A tag that is only named is a default tag, which is there anyway unless all are off. */
static void check_default_tag(struct nu_factory *f, const struct envoy_config_metrics_v3_TagSpecifier *m, bool all_off)
{
    if (!is_default_tag(m->tag_name))
        nu_pb_error(f->diags, m, "tag_name", "\"%.*s\" has no regex and is no default tag", NU_STR_ARG(m->tag_name));
    else if (all_off)
        nu_pb_unsupported(f->diags, m, "tag_name", "single default tags (use_all_default_tags: false) are not supported yet");
}

/* false: there is no rule. */
static bool build_tag(struct nu_factory *f, const struct envoy_config_metrics_v3_TagSpecifier *m, bool all_off,
                      struct nu_tag_rule *out)
{
    *out = (struct nu_tag_rule){.name = nu_arena_str(f->arena, m->tag_name)};
    if (m->tag_value_case == envoy_config_metrics_v3_TagSpecifier_fixed_value_case) {
        out->fixed = nu_arena_str(f->arena, m->fixed_value);
        return true;
    }
    if (m->tag_value_case != envoy_config_metrics_v3_TagSpecifier_regex_case || m->regex.len == 0) {
        check_default_tag(f, m, all_off);
        return false;
    }
    out->regex = build_regex(f, m, "regex", m->regex);
    /* Envoy tries a pattern on a name only when the name begins with its literal prefix. */
    out->anywhere = !nu_str_starts(m->regex, NU_STR("^"));
    return true;
}

static bool list_matches(const struct nu_string_matcher *items, size_t n, nu_str name)
{
    for (size_t i = 0; i < n; i++)
        if (nu_string_matcher_match(&items[i], name))
            return true;
    return false;
}

struct list_matcher {
    struct nu_stats_matcher base;
    struct nu_string_matcher *items;
    size_t n;
    bool included; /* what the list finds is shown, else hidden */
};

static bool list_shows(const struct nu_stats_matcher *m, nu_str name)
{
    const struct list_matcher *l = (const struct list_matcher *)(const void *)m; /* base is first */
    return list_matches(l->items, l->n, name) == l->included;
}

static void build_matcher(struct nu_factory *f, const struct envoy_config_metrics_v3_StatsMatcher *m,
                          struct nu_process_conf *out)
{
    if (m == NULL)
        return;
    struct list_matcher *l = nu_arena_new(f->arena, struct list_matcher);
    const struct envoy_type_matcher_v3_ListStringMatcher *list = NULL;
    l->base.shows = list_shows;
    if (m->stats_matcher_case == envoy_config_metrics_v3_StatsMatcher_reject_all_case) {
        if (!m->reject_all)
            return;
        l->included = true; /* nothing is in the list */
    } else if (m->stats_matcher_case == envoy_config_metrics_v3_StatsMatcher_inclusion_list_case) {
        list = m->inclusion_list;
        l->included = true;
    } else {
        list = m->exclusion_list;
    }
    l->n = list != NULL ? list->n_patterns : 0;
    l->items = nu_arena_array(f->arena, struct nu_string_matcher, l->n);
    for (size_t i = 0; i < l->n; i++)
        (void)nu_string_matcher_build(f, list->patterns[i], &l->items[i]); /* reports */
    out->stats.matcher = &l->base;
}

static bool bucket_match(const void *arg, nu_str name)
{
    return nu_string_matcher_match(arg, name);
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void build_buckets(struct nu_factory *f, const struct envoy_config_metrics_v3_HistogramBucketSettings *m,
                          struct nu_bucket_rule *out)
{
    struct nu_string_matcher *matcher = nu_arena_new(f->arena, struct nu_string_matcher);
    if (m->match == NULL || !nu_string_matcher_build(f, m->match, matcher))
        return;
    double *bounds = nu_arena_array(f->arena, double, m->n_buckets);
    if (m->n_buckets > 0)
        memcpy(bounds, m->buckets, m->n_buckets * sizeof(bounds[0]));
    qsort(bounds, m->n_buckets, sizeof(bounds[0]), by_value);
    *out = (struct nu_bucket_rule){{bucket_match, matcher}, bounds, m->n_buckets};
}

static void build_stats(struct nu_factory *f, const struct envoy_config_metrics_v3_StatsConfig *m,
                        struct nu_process_conf *out)
{
    if (m == NULL)
        return;
    struct nu_tag_rule *tags = nu_arena_array(f->arena, struct nu_tag_rule, m->n_stats_tags);
    out->stats.no_default_tags = m->use_all_default_tags != NULL && !*m->use_all_default_tags;
    size_t n_tags = 0;
    for (size_t i = 0; i < m->n_stats_tags; i++)
        n_tags += build_tag(f, m->stats_tags[i], out->stats.no_default_tags, &tags[n_tags]);
    struct nu_bucket_rule *buckets = nu_arena_array(f->arena, struct nu_bucket_rule, m->n_histogram_bucket_settings);
    for (size_t i = 0; i < m->n_histogram_bucket_settings; i++)
        build_buckets(f, m->histogram_bucket_settings[i], &buckets[i]);
    out->stats.tags = tags;
    out->stats.n_tags = n_tags;
    out->stats.buckets = buckets;
    out->stats.n_buckets = m->n_histogram_bucket_settings;
    build_matcher(f, m->stats_matcher, out);
}

/* ---- watchdogs ---- */

/* Of [kill, kill + jitter), so that not all processes of a fleet end at once. */
static nu_ms kill_timeout(nu_ms kill, nu_ms jitter)
{
    struct nu_random r;
    if (kill.v == 0 || jitter.v == 0)
        return kill;
    nu_random_init(&r);
    return NU_MS(kill.v + (int64_t)(nu_random_below(&r, (uint64_t)jitter.v)));
}

static void build_watchdog(const struct envoy_config_bootstrap_v3_Watchdog *m, struct nu_watchdog_limits *out)
{
    if (m == NULL)
        return;
    out->miss = nu_duration_or(m->miss_timeout, out->miss);
    out->mega_miss = nu_duration_or(m->megamiss_timeout, out->mega_miss);
    out->kill = kill_timeout(nu_duration_or(m->kill_timeout, NU_MS(0)), nu_duration_or(m->max_kill_timeout_jitter, NU_MS(0)));
    out->multikill = nu_duration_or(m->multikill_timeout, NU_MS(0));
    out->multikill_percent = m->multikill_threshold != NULL ? m->multikill_threshold->value : 0;
}

static void build_watchdogs(struct nu_factory *f, const struct envoy_config_bootstrap_v3_Bootstrap *msg,
                            struct nu_process_conf *out)
{
    const struct nu_watchdog_limits defaults = NU_WATCHDOG_DEFAULTS;
    out->main_watchdog = out->worker_watchdog = defaults;
    if (msg->watchdog != NULL && msg->watchdogs != NULL)
        nu_pb_error(f->diags, msg, "watchdog", "only one of watchdog and watchdogs may be set");
    build_watchdog(msg->watchdog, &out->main_watchdog);
    build_watchdog(msg->watchdog, &out->worker_watchdog);
    if (msg->watchdogs == NULL)
        return;
    build_watchdog(msg->watchdogs->main_thread_watchdog, &out->main_watchdog);
    build_watchdog(msg->watchdogs->worker_watchdog, &out->worker_watchdog);
}

/* ---- the whole ---- */

/* The regex engine is RE2 in any case; naming it is allowed. */
static void check_regex_engine(struct nu_factory *f, const struct envoy_config_core_v3_TypedExtensionConfig *m)
{
    if (m != NULL && m->typed_config != NULL &&
        !nu_str_ends(m->typed_config->type_url, NU_STR("envoy.extensions.regex_engines.v3.GoogleRE2")))
        nu_pb_unsupported(f->diags, m, "typed_config", "the regex engine is RE2; others are not supported yet");
}

bool nu_process_conf_build(struct nu_factory *f, const struct envoy_config_bootstrap_v3_Bootstrap *msg,
                           struct nu_process_conf *out)
{
    size_t errors = f->diags->n_errors;
    *out = (struct nu_process_conf){.max_connections = UINT64_MAX};
    build_node(f, msg->node, out);
    build_stats(f, msg->stats_config, out);
    out->stats_flush_interval = nu_duration_or(msg->stats_flush_interval, NU_SECONDS(5));
    out->stats_flush_on_admin = msg->stats_flush_on_admin;
    build_watchdogs(f, msg, out);
    check_regex_engine(f, msg->default_regex_engine);
    if (msg->overload_manager != NULL)
        (void)nu_overload_build(f, msg->overload_manager, &out->max_connections); /* reports */
    out->resolver = nu_resolver_build(f, msg, msg->typed_dns_resolver_config);
    out->version_override = msg->stats_server_version_override != NULL ? *msg->stats_server_version_override : 0;
    return f->diags->n_errors == errors;
}
