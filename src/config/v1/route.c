/* SPDX-License-Identifier: Apache-2.0
 *
 * Routes of v1. Written out, because v3's defaults are others: an unknown cluster gives 404, and path_redirect drops the
 * request's query. */
#include "config/v1/v1_priv.h"

enum {
    R_PREFIX,
    R_PATH,
    R_REGEX,
    R_CLUSTER,
    R_CLUSTER_HEADER,
    R_WEIGHTED,
    R_HOST_REDIRECT,
    R_PATH_REDIRECT,
    R_PREFIX_REWRITE,
    R_HOST_REWRITE,
    R_AUTO_HOST,
    R_CASE,
    R_WEBSOCKET,
    R_TIMEOUT,
    R_RUNTIME,
    R_RETRY,
    R_SHADOW,
    R_PRIORITY,
    R_HEADERS,
    R_QUERY,
    R_RATE_LIMITS,
    R_VH_RATE_LIMITS,
    R_HASH_POLICY,
    R_REQ_ADD,
    R_OPAQUE,
    R_CORS,
    R_DECORATOR,
    R_RATE_LIMIT,
    R_CONTENT_TYPE,
};
static const struct v1_key route_keys[] = {
    [R_PREFIX] = {"prefix", V1_STRING, 0},
    [R_PATH] = {"path", V1_STRING, 0},
    [R_REGEX] = {"regex", V1_STRING, 0},
    [R_CLUSTER] = {"cluster", V1_STRING, V1_NONEMPTY},
    [R_CLUSTER_HEADER] = {"cluster_header", V1_STRING, V1_NONEMPTY},
    [R_WEIGHTED] = {"weighted_clusters", V1_MAP, 0},
    [R_HOST_REDIRECT] = {"host_redirect", V1_STRING, 0},
    [R_PATH_REDIRECT] = {"path_redirect", V1_STRING, 0},
    [R_PREFIX_REWRITE] = {"prefix_rewrite", V1_STRING, 0},
    [R_HOST_REWRITE] = {"host_rewrite", V1_STRING, 0},
    [R_AUTO_HOST] = {"auto_host_rewrite", V1_BOOL, 0},
    [R_CASE] = {"case_sensitive", V1_BOOL, 0},
    [R_WEBSOCKET] = {"use_websocket", V1_BOOL, 0},
    [R_TIMEOUT] = {"timeout_ms", V1_INT, 0},
    [R_RUNTIME] = {"runtime", V1_MAP, 0},
    [R_RETRY] = {"retry_policy", V1_MAP, 0},
    [R_SHADOW] = {"shadow", V1_MAP, 0},
    [R_PRIORITY] = {"priority", V1_STRING, 0},
    [R_HEADERS] = {"headers", V1_LIST, 0},
    [R_QUERY] = {"query_parameters", V1_LIST, 0},
    [R_RATE_LIMITS] = {"rate_limits", V1_LIST, V1_UNSUPPORTED},
    [R_VH_RATE_LIMITS] = {"include_vh_rate_limits", V1_BOOL, V1_UNSUPPORTED},
    [R_HASH_POLICY] = {"hash_policy", V1_MAP, V1_UNSUPPORTED},
    [R_REQ_ADD] = {"request_headers_to_add", V1_LIST, 0},
    [R_OPAQUE] = {"opaque_config", V1_MAP, 0},
    [R_CORS] = {"cors", V1_MAP, 0},
    [R_DECORATOR] = {"decorator", V1_MAP, 0},
    [R_RATE_LIMIT] = {"rate_limit", V1_MAP, V1_UNSUPPORTED},
    [R_CONTENT_TYPE] = {"content_type", V1_STRING, 0},
};
static const struct v1_schema route_schema = V1_SCHEMA("a v1 route", route_keys);

enum { W_CLUSTERS, W_PREFIX };
static const struct v1_key weighted_keys[] = {
    [W_CLUSTERS] = {"clusters", V1_LIST, V1_REQUIRED | V1_NONEMPTY},
    [W_PREFIX] = {"runtime_key_prefix", V1_STRING, 0},
};
static const struct v1_schema weighted_schema = V1_SCHEMA("v1 weighted_clusters", weighted_keys);

enum { WC_NAME, WC_WEIGHT };
static const struct v1_key weight_keys[] = {
    [WC_NAME] = {"name", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [WC_WEIGHT] = {"weight", V1_INT, V1_REQUIRED | V1_PERCENT},
};
static const struct v1_schema weight_schema = V1_SCHEMA("a cluster of v1 weighted_clusters", weight_keys);

enum { RT_KEY, RT_DEFAULT };
static const struct v1_key runtime_keys[] = {
    [RT_KEY] = {"key", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [RT_DEFAULT] = {"default", V1_INT, V1_REQUIRED | V1_PERCENT},
};
static const struct v1_schema runtime_schema = V1_SCHEMA("runtime of a v1 route", runtime_keys);

enum { RP_ON, RP_NUM, RP_PER_TRY };
static const struct v1_key retry_keys[] = {
    [RP_ON] = {"retry_on", V1_STRING, V1_REQUIRED},
    [RP_NUM] = {"num_retries", V1_INT, 0},
    [RP_PER_TRY] = {"per_try_timeout_ms", V1_INT, V1_NONEMPTY},
};
static const struct v1_schema retry_schema = V1_SCHEMA("a v1 retry_policy", retry_keys);

enum { S_CLUSTER, S_RUNTIME };
static const struct v1_key shadow_keys[] = {
    [S_CLUSTER] = {"cluster", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [S_RUNTIME] = {"runtime_key", V1_STRING, 0},
};
static const struct v1_schema shadow_schema = V1_SCHEMA("v1 shadow", shadow_keys);

enum { Q_NAME, Q_VALUE, Q_REGEX };
static const struct v1_key query_keys[] = {
    [Q_NAME] = {"name", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [Q_VALUE] = {"value", V1_STRING, 0},
    [Q_REGEX] = {"regex", V1_BOOL, 0},
};
static const struct v1_schema query_schema = V1_SCHEMA("a v1 query parameter matcher", query_keys);

static const struct v1_key decorator_keys[] = {{"operation", V1_STRING, V1_REQUIRED | V1_NONEMPTY}};
static const struct v1_schema decorator_schema = V1_SCHEMA("v1 decorator", decorator_keys);

static const struct v1_word priorities[] = {{"default", "DEFAULT"}, {"high", "HIGH"}, {NULL, NULL}};

/* What is wrong in a member counts as present: absence is not what should be told. */
static bool is_written(const struct v1_obj *o, int key)
{
    return nu_tree_find(o->tree, nu_str_from(route_keys[key].name)) != NULL;
}

static bool open_part(struct v1 *c, struct v1_obj *o, const struct nu_tree_member *m, const char *name,
                      const struct v1_schema *schema)
{
    size_t mark = v1_enter(c, name, -1);
    bool ok = v1_open(c, o, m->value, schema);
    v1_leave(c, mark);
    return ok;
}

/* {default_value: {numerator, denominator}, runtime_key} */
static void put_fraction(struct v1 *c, struct nu_tree *map, const struct nu_tree_member *key, uint64_t percent)
{
    struct nu_pos pos = key->value->pos;
    struct nu_tree *fraction = v1_put_map(c, map, "runtime_fraction", pos);
    v1_put_percent(c, fraction, "default_value", pos, percent);
    v1_copy(c, fraction, "runtime_key", key);
}

static void query_parameters(struct v1 *c, struct nu_tree *match, const struct nu_tree_member *list)
{
    struct v1_obj o;
    struct nu_tree *out = v1_put_list(c, match, "query_parameters", list->value->pos);
    for (size_t i = 0; i < v1_count(list); i++) {
        const struct nu_tree *t = list->value->u.list.items[i];
        size_t mark = v1_enter(c, "query_parameters", (ssize_t)i);
        if (v1_open(c, &o, t, &query_schema)) {
            struct nu_tree *parameter = v1_add_map(c, out, t->pos);
            v1_copy(c, parameter, "name", o.m[Q_NAME]);
            v1_put_matcher(c, parameter, o.m[Q_VALUE], v1_bool_or(o.m[Q_REGEX], false), t->pos);
        }
        v1_leave(c, mark);
    }
}

static void put_match(struct v1 *c, struct nu_tree *out, const struct v1_obj *o)
{
    struct v1_obj runtime;
    struct nu_tree *match = v1_put_map(c, out, "match", o->tree->pos);
    if (is_written(o, R_PREFIX) + is_written(o, R_PATH) + is_written(o, R_REGEX) != 1)
        v1_error(c, o->tree->pos, "a v1 route needs exactly one of \"prefix\", \"path\" and \"regex\"");
    v1_copy(c, match, "prefix", o->m[R_PREFIX]);
    v1_copy(c, match, "path", o->m[R_PATH]);
    if (o->m[R_REGEX] != NULL)
        v1_put(c, v1_put_map(c, match, "safe_regex", o->m[R_REGEX]->value->pos), "regex", o->m[R_REGEX]->value);
    v1_copy(c, match, "case_sensitive", o->m[R_CASE]);
    if (o->m[R_RUNTIME] != NULL && open_part(c, &runtime, o->m[R_RUNTIME], "runtime", &runtime_schema) &&
        runtime.m[RT_KEY] != NULL)
        put_fraction(c, match, runtime.m[RT_KEY], (uint64_t)v1_int_or(runtime.m[RT_DEFAULT], 0));
    if (v1_text(o->m[R_CONTENT_TYPE]).len > 0) {
        struct nu_tree *type = o->m[R_CONTENT_TYPE]->value;
        v1_add_header(c, v1_put_list(c, match, "headers", type->pos), type->pos, "content-type", type, false);
    }
    v1_headers(c, match, o->m[R_HEADERS]);
    if (o->m[R_QUERY] != NULL)
        query_parameters(c, match, o->m[R_QUERY]);
}

static void weighted_clusters(struct v1 *c, struct nu_tree *action, const struct nu_tree_member *m)
{
    struct v1_obj o, item;
    int64_t sum = 0;
    if (!open_part(c, &o, m, "weighted_clusters", &weighted_schema) || o.m[W_CLUSTERS] == NULL)
        return;
    struct nu_tree *out = v1_put_map(c, action, "weighted_clusters", m->value->pos);
    struct nu_tree *list = v1_put_list(c, out, "clusters", o.m[W_CLUSTERS]->value->pos);
    for (size_t i = 0; i < v1_count(o.m[W_CLUSTERS]); i++) {
        const struct nu_tree *t = o.m[W_CLUSTERS]->value->u.list.items[i];
        size_t mark = v1_enter(c, "weighted_clusters.clusters", (ssize_t)i);
        if (v1_open(c, &item, t, &weight_schema)) {
            struct nu_tree *cluster = v1_add_map(c, list, t->pos);
            v1_copy(c, cluster, "name", item.m[WC_NAME]);
            v1_copy(c, cluster, "weight", item.m[WC_WEIGHT]);
            sum += v1_int_or(item.m[WC_WEIGHT], 0);
        }
        v1_leave(c, mark);
    }
    if (sum != 100)
        v1_error(c, o.m[W_CLUSTERS]->value->pos, "the weights of weighted_clusters must add up to 100, not %lld",
                 (long long)sum);
    v1_copy(c, out, "runtime_key_prefix", o.m[W_PREFIX]);
}

static void retry_policy(struct v1 *c, struct nu_tree *action, const struct nu_tree_member *m)
{
    struct v1_obj o;
    if (!open_part(c, &o, m, "retry_policy", &retry_schema))
        return;
    struct nu_tree *out = v1_put_map(c, action, "retry_policy", m->value->pos);
    v1_copy(c, out, "retry_on", o.m[RP_ON]);
    v1_copy(c, out, "num_retries", o.m[RP_NUM]);
    v1_copy_ms(c, out, "per_try_timeout", o.m[RP_PER_TRY]);
}

static void shadow(struct v1 *c, struct nu_tree *action, const struct nu_tree_member *m)
{
    struct v1_obj o;
    if (!open_part(c, &o, m, "shadow", &shadow_schema))
        return;
    struct nu_tree *policy = v1_add_map(c, v1_put_list(c, action, "request_mirror_policies", m->value->pos), m->value->pos);
    v1_copy(c, policy, "cluster", o.m[S_CLUSTER]);
    if (v1_text(o.m[S_RUNTIME]).len == 0)
        return;
    put_fraction(c, policy, o.m[S_RUNTIME], 0);
    v1_warn(c, o.m[S_RUNTIME]->value->pos,
            "a number in the runtime key \"%.*s\" is now a percentage; v1 counted in 10,000ths. For those set the key to "
            "{numerator: n, denominator: TEN_THOUSAND}",
            NU_STR_ARG(nu_str_first(v1_text(o.m[S_RUNTIME]), 80)));
}

static void put_cluster(struct v1 *c, struct nu_tree *action, const struct v1_obj *o)
{
    v1_copy(c, action, "cluster", o->m[R_CLUSTER]);
    v1_copy(c, action, "cluster_header", o->m[R_CLUSTER_HEADER]);
    if (o->m[R_WEIGHTED] != NULL)
        weighted_clusters(c, action, o->m[R_WEIGHTED]);
    v1_put_lit(c, action, "cluster_not_found_response_code", o->tree->pos, "NOT_FOUND");
}

static void put_action(struct v1 *c, struct nu_tree *out, const struct v1_obj *o)
{
    struct nu_tree *action = v1_put_map(c, out, "route", o->tree->pos);
    put_cluster(c, action, o);
    v1_copy(c, action, "prefix_rewrite", o->m[R_PREFIX_REWRITE]);
    bool is_auto = v1_bool_or(o->m[R_AUTO_HOST], false);
    if (o->m[R_HOST_REWRITE] != NULL && is_auto)
        v1_error(c, o->m[R_AUTO_HOST]->key_pos, "\"host_rewrite\" and \"auto_host_rewrite\" exclude each other");
    else if (is_auto)
        v1_copy(c, action, "auto_host_rewrite", o->m[R_AUTO_HOST]);
    else if (v1_text(o->m[R_HOST_REWRITE]).len > 0)
        v1_copy(c, action, "host_rewrite_literal", o->m[R_HOST_REWRITE]);
    v1_copy_ms(c, action, "timeout", o->m[R_TIMEOUT]);
    if (o->m[R_RETRY] != NULL)
        retry_policy(c, action, o->m[R_RETRY]);
    if (o->m[R_SHADOW] != NULL)
        shadow(c, action, o->m[R_SHADOW]);
    v1_copy_word(c, action, "priority", o->m[R_PRIORITY], priorities);
    if (v1_bool_or(o->m[R_WEBSOCKET], false)) {
        struct nu_pos pos = o->m[R_WEBSOCKET]->value->pos;
        v1_put_lit(c, v1_add_map(c, v1_put_list(c, action, "upgrade_configs", pos), pos), "upgrade_type", pos, "websocket");
    }
}

static void put_redirect(struct v1 *c, struct nu_tree *out, const struct v1_obj *o)
{
    struct nu_tree *redirect = v1_put_map(c, out, "redirect", o->tree->pos);
    if (v1_text(o->m[R_HOST_REDIRECT]).len > 0)
        v1_copy(c, redirect, "host_redirect", o->m[R_HOST_REDIRECT]);
    if (v1_text(o->m[R_PATH_REDIRECT]).len > 0) {
        v1_copy(c, redirect, "path_redirect", o->m[R_PATH_REDIRECT]);
        v1_put(c, redirect, "strip_query", v1_bool(c, o->m[R_PATH_REDIRECT]->value->pos, true));
    }
}

static void opaque_config(struct v1 *c, struct nu_tree *out, const struct nu_tree_member *m)
{
    struct nu_tree *filters = v1_put_map(c, v1_put_map(c, out, "metadata", m->value->pos), "filter_metadata", m->value->pos);
    v1_copy(c, filters, "envoy.filters.http.router", m);
    for (size_t i = 0; i < m->value->u.map.n; i++) {
        const struct nu_tree_member *entry = &m->value->u.map.members[i];
        if (entry->value->kind != NU_TREE_STRING)
            v1_error(c, entry->value->pos, "opaque_config takes strings, not %s", nu_tree_kind_name(entry->value->kind));
    }
}

void v1_route(struct v1 *c, struct nu_tree *routes, const struct nu_tree *t)
{
    struct v1_obj o, decorator;
    if (!v1_open(c, &o, t, &route_schema))
        return;
    struct nu_tree *out = v1_add_map(c, routes, t->pos);
    bool is_redirect = is_written(&o, R_HOST_REDIRECT) || is_written(&o, R_PATH_REDIRECT);
    int n_targets = is_written(&o, R_CLUSTER) + is_written(&o, R_CLUSTER_HEADER) + is_written(&o, R_WEIGHTED);
    put_match(c, out, &o);
    if (n_targets != !is_redirect)
        v1_error(c, t->pos, is_redirect ? "a v1 route has a redirect or a cluster, not both"
                                        : "a v1 route needs exactly one of \"cluster\", \"cluster_header\", "
                                          "\"weighted_clusters\", or a redirect");
    else if (is_redirect)
        put_redirect(c, out, &o);
    else
        put_action(c, out, &o);
    v1_headers_to_add(c, out, "request_headers_to_add", o.m[R_REQ_ADD]);
    if (o.m[R_OPAQUE] != NULL)
        opaque_config(c, out, o.m[R_OPAQUE]);
    v1_cors(c, out, o.m[R_CORS], true);
    if (o.m[R_DECORATOR] != NULL && open_part(c, &decorator, o.m[R_DECORATOR], "decorator", &decorator_schema))
        v1_copy(c, out, "decorator", o.m[R_DECORATOR]);
}
