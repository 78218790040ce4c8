/* SPDX-License-Identifier: Apache-2.0
 *
 * Route configurations and virtual hosts of v1. */
#include "config/v1/v1_priv.h"

enum { R_VALIDATE, R_HOSTS, R_INTERNAL, R_RESP_ADD, R_RESP_REMOVE, R_REQ_ADD };
static const struct v1_key config_keys[] = {
    [R_VALIDATE] = {"validate_clusters", V1_BOOL, 0},
    [R_HOSTS] = {"virtual_hosts", V1_LIST, V1_REQUIRED},
    [R_INTERNAL] = {"internal_only_headers", V1_LIST, V1_STRINGS},
    [R_RESP_ADD] = {"response_headers_to_add", V1_LIST, 0},
    [R_RESP_REMOVE] = {"response_headers_to_remove", V1_LIST, V1_STRINGS},
    [R_REQ_ADD] = {"request_headers_to_add", V1_LIST, 0},
};
static const struct v1_schema config_schema = V1_SCHEMA("a v1 route_config", config_keys);

enum { H_NAME, H_DOMAINS, H_ROUTES, H_SSL, H_VCLUSTERS, H_RATE_LIMITS, H_REQ_ADD, H_CORS };
static const struct v1_key host_keys[] = {
    [H_NAME] = {"name", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [H_DOMAINS] = {"domains", V1_LIST, V1_REQUIRED | V1_NONEMPTY | V1_STRINGS},
    [H_ROUTES] = {"routes", V1_LIST, V1_REQUIRED},
    [H_SSL] = {"require_ssl", V1_STRING, 0},
    [H_VCLUSTERS] = {"virtual_clusters", V1_LIST, V1_NONEMPTY},
    [H_RATE_LIMITS] = {"rate_limits", V1_LIST, V1_UNSUPPORTED},
    [H_REQ_ADD] = {"request_headers_to_add", V1_LIST, 0},
    [H_CORS] = {"cors", V1_MAP, 0},
};
static const struct v1_schema host_schema = V1_SCHEMA("a v1 virtual host", host_keys);

enum { V_PATTERN, V_NAME, V_METHOD };
static const struct v1_key vcluster_keys[] = {
    [V_PATTERN] = {"pattern", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [V_NAME] = {"name", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [V_METHOD] = {"method", V1_STRING, 0},
};
static const struct v1_schema vcluster_schema = V1_SCHEMA("a v1 virtual cluster", vcluster_keys);

enum { C_ORIGIN, C_METHODS, C_HEADERS, C_EXPOSE, C_MAX_AGE, C_CREDENTIALS, C_ENABLED };
static const struct v1_key cors_keys[] = {
    [C_ORIGIN] = {"allow_origin", V1_LIST, V1_STRINGS},
    [C_METHODS] = {"allow_methods", V1_STRING, 0},
    [C_HEADERS] = {"allow_headers", V1_STRING, 0},
    [C_EXPOSE] = {"expose_headers", V1_STRING, 0},
    [C_MAX_AGE] = {"max_age", V1_STRING, 0},
    [C_CREDENTIALS] = {"allow_credentials", V1_BOOL, 0},
    [C_ENABLED] = {"enabled", V1_BOOL, 0}, /* of routes only: the last */
};
static const struct v1_schema route_cors_schema = V1_SCHEMA("v1 cors of a route", cors_keys);
static const struct v1_schema host_cors_schema = {
    .what = "v1 cors of a virtual host", .keys = cors_keys, .n = NU_ARRAY_LEN(cors_keys) - 1};

static const struct v1_word tls_kinds[] = {{"all", "ALL"}, {"external_only", "EXTERNAL_ONLY"}, {NULL, NULL}};

void v1_cors(struct v1 *c, struct nu_tree *map, const struct nu_tree_member *cors, bool of_route)
{
    struct v1_obj o;
    if (cors == NULL)
        return;
    struct nu_pos pos = cors->value->pos;
    size_t mark = v1_enter(c, "cors", -1);
    bool ok = v1_open(c, &o, cors->value, of_route ? &route_cors_schema : &host_cors_schema);
    v1_leave(c, mark);
    if (!ok)
        return;
    struct nu_tree *policy = v1_put_any(c, v1_put_map(c, map, "typed_per_filter_config", pos), "envoy.filters.http.cors",
                                        pos, "envoy.extensions.filters.http.cors.v3.CorsPolicy");
    if (v1_count(o.m[C_ORIGIN]) > 0) {
        struct nu_tree *origins = v1_put_list(c, policy, "allow_origin_string_match", o.m[C_ORIGIN]->value->pos);
        for (size_t i = 0; i < v1_count(o.m[C_ORIGIN]); i++) {
            struct nu_tree *origin = o.m[C_ORIGIN]->value->u.list.items[i];
            v1_put(c, v1_add_map(c, origins, origin->pos), "exact", origin);
        }
    }
    for (size_t i = C_METHODS; i <= C_CREDENTIALS; i++)
        v1_copy(c, policy, cors_keys[i].name, o.m[i]);
    if (!v1_bool_or(o.m[C_ENABLED], true))
        v1_put_percent(c, v1_put_map(c, policy, "filter_enabled", o.m[C_ENABLED]->value->pos), "default_value",
                       o.m[C_ENABLED]->value->pos, 0);
}

/* pattern: a regular expression for all of the path, its query included. */
static void virtual_clusters(struct v1 *c, struct nu_tree *out, const struct nu_tree_member *list)
{
    struct v1_obj o;
    struct nu_tree *vclusters = v1_put_list(c, out, "virtual_clusters", list->value->pos);
    for (size_t i = 0; i < v1_count(list); i++) {
        const struct nu_tree *t = list->value->u.list.items[i];
        size_t mark = v1_enter(c, "virtual_clusters", (ssize_t)i);
        if (v1_open(c, &o, t, &vcluster_schema)) {
            struct nu_tree *vcluster = v1_add_map(c, vclusters, t->pos);
            v1_copy(c, vcluster, "name", o.m[V_NAME]);
            struct nu_tree *headers = v1_put_list(c, vcluster, "headers", t->pos);
            if (o.m[V_PATTERN] != NULL)
                v1_add_header(c, headers, t->pos, ":path", o.m[V_PATTERN]->value, true);
            if (v1_text(o.m[V_METHOD]).len > 0)
                v1_add_header(c, headers, t->pos, ":method", o.m[V_METHOD]->value, false);
        }
        v1_leave(c, mark);
    }
}

static void virtual_host(struct v1 *c, struct nu_tree *hosts, const struct nu_tree *t)
{
    struct v1_obj o;
    if (!v1_open(c, &o, t, &host_schema))
        return;
    struct nu_tree *out = v1_add_map(c, hosts, t->pos);
    v1_copy(c, out, "name", o.m[H_NAME]);
    v1_copy(c, out, "domains", o.m[H_DOMAINS]);
    v1_copy_word(c, out, "require_tls", o.m[H_SSL], tls_kinds);
    if (o.m[H_ROUTES] != NULL) {
        struct nu_tree *routes = v1_put_list(c, out, "routes", o.m[H_ROUTES]->value->pos);
        for (size_t i = 0; i < v1_count(o.m[H_ROUTES]); i++) {
            size_t mark = v1_enter(c, "routes", (ssize_t)i);
            v1_route(c, routes, o.m[H_ROUTES]->value->u.list.items[i]);
            v1_leave(c, mark);
        }
    }
    if (o.m[H_VCLUSTERS] != NULL)
        virtual_clusters(c, out, o.m[H_VCLUSTERS]);
    v1_headers_to_add(c, out, "request_headers_to_add", o.m[H_REQ_ADD]);
    v1_cors(c, out, o.m[H_CORS], false);
}

void v1_route_config(struct v1 *c, struct nu_tree *hcm, const struct nu_tree *t)
{
    struct v1_obj o;
    if (!v1_open(c, &o, t, &config_schema))
        return;
    struct nu_tree *out = v1_put_map(c, hcm, "route_config", t->pos);
    v1_copy(c, out, "validate_clusters", o.m[R_VALIDATE]);
    if (o.m[R_HOSTS] != NULL) {
        struct nu_tree *hosts = v1_put_list(c, out, "virtual_hosts", o.m[R_HOSTS]->value->pos);
        for (size_t i = 0; i < v1_count(o.m[R_HOSTS]); i++) {
            size_t mark = v1_enter(c, "virtual_hosts", (ssize_t)i);
            virtual_host(c, hosts, o.m[R_HOSTS]->value->u.list.items[i]);
            v1_leave(c, mark);
        }
    }
    v1_copy(c, out, "internal_only_headers", o.m[R_INTERNAL]);
    v1_headers_to_add(c, out, "response_headers_to_add", o.m[R_RESP_ADD]);
    v1_copy(c, out, "response_headers_to_remove", o.m[R_RESP_REMOVE]);
    v1_headers_to_add(c, out, "request_headers_to_add", o.m[R_REQ_ADD]);
}
