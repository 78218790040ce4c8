/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP filters of v1, each with the table of its config. */
#include "config/v1/v1_priv.h"

enum { B_BYTES, B_TIME };
static const struct v1_key buffer_keys[] = {
    [B_BYTES] = {"max_request_bytes", V1_INT, V1_REQUIRED | V1_NONEMPTY},
    [B_TIME] = {"max_request_time_s", V1_INT, V1_REQUIRED},
};
static const struct v1_schema buffer_schema = V1_SCHEMA("the config of the v1 filter buffer", buffer_keys);

enum { F_ABORT, F_DELAY, F_CLUSTER, F_HEADERS, F_NODES };
static const struct v1_key fault_keys[] = {
    [F_ABORT] = {"abort", V1_MAP, 0},
    [F_DELAY] = {"delay", V1_MAP, 0},
    [F_CLUSTER] = {"upstream_cluster", V1_STRING, 0},
    [F_HEADERS] = {"headers", V1_LIST, 0},
    [F_NODES] = {"downstream_nodes", V1_LIST, V1_STRINGS},
};
static const struct v1_schema fault_schema = V1_SCHEMA("the config of the v1 filter fault", fault_keys);

enum { A_PERCENT, A_STATUS };
static const struct v1_key abort_keys[] = {
    [A_PERCENT] = {"abort_percent", V1_INT, V1_REQUIRED | V1_PERCENT},
    [A_STATUS] = {"http_status", V1_INT, V1_REQUIRED},
};
static const struct v1_schema abort_schema = V1_SCHEMA("abort of the v1 filter fault", abort_keys);

enum { D_TYPE, D_PERCENT, D_DURATION };
static const struct v1_key delay_keys[] = {
    [D_TYPE] = {"type", V1_STRING, V1_REQUIRED},
    [D_PERCENT] = {"fixed_delay_percent", V1_INT, V1_REQUIRED | V1_PERCENT},
    [D_DURATION] = {"fixed_duration_ms", V1_INT, V1_REQUIRED | V1_NONEMPTY},
};
static const struct v1_schema delay_schema = V1_SCHEMA("delay of the v1 filter fault", delay_keys);
static const struct v1_word delay_types[] = {{"fixed", ""}, {NULL, NULL}};

enum { P_PASS, P_ENDPOINT, P_CACHE };
static const struct v1_key health_keys[] = {
    [P_PASS] = {"pass_through_mode", V1_BOOL, V1_REQUIRED},
    [P_ENDPOINT] = {"endpoint", V1_STRING, V1_REQUIRED},
    [P_CACHE] = {"cache_time_ms", V1_INT, 0},
};
static const struct v1_schema health_schema = V1_SCHEMA("the config of the v1 filter health_check", health_keys);

enum { R_DYNAMIC, R_CHILD };
static const struct v1_key router_keys[] = {
    [R_DYNAMIC] = {"dynamic_stats", V1_BOOL, 0},
    [R_CHILD] = {"start_child_span", V1_BOOL, V1_UNSUPPORTED},
};
static const struct v1_schema router_schema = V1_SCHEMA("the config of the v1 filter router", router_keys);
static const struct v1_schema cors_schema = {.what = "the config of the v1 filter cors"};

static void buffer(struct v1 *c, struct nu_tree *hcm, struct nu_tree *out, const struct v1_obj *o)
{
    v1_copy(c, out, "max_request_bytes", o->m[B_BYTES]);
    /* The time that a request may take to arrive (408 after it) is the connection manager's today. */
    if (v1_int_or(o->m[B_TIME], 0) > 0 && nu_tree_find(hcm, NU_STR("request_timeout")) == NULL)
        v1_put(c, hcm, "request_timeout",
               v1_str(c, o->m[B_TIME]->value->pos,
                      nu_arena_printf(c->arena, "%.*ss", NU_STR_ARG(o->m[B_TIME]->value->u.text))));
}

static void fault_abort(struct v1 *c, struct nu_tree *out, const struct nu_tree_member *m)
{
    struct v1_obj o;
    size_t mark = v1_enter(c, "abort", -1);
    if (v1_open(c, &o, m->value, &abort_schema)) {
        struct nu_tree *t = v1_put_map(c, out, "abort", m->value->pos);
        v1_copy(c, t, "http_status", o.m[A_STATUS]);
        v1_put_percent(c, t, "percentage", m->value->pos, (uint64_t)v1_int_or(o.m[A_PERCENT], 0));
    }
    v1_leave(c, mark);
}

static void fault_delay(struct v1 *c, struct nu_tree *out, const struct nu_tree_member *m)
{
    struct v1_obj o;
    size_t mark = v1_enter(c, "delay", -1);
    if (v1_open(c, &o, m->value, &delay_schema)) {
        struct nu_tree *t = v1_put_map(c, out, "delay", m->value->pos);
        (void)v1_word(c, o.m[D_TYPE], delay_types);
        v1_copy_ms(c, t, "fixed_delay", o.m[D_DURATION]);
        v1_put_percent(c, t, "percentage", m->value->pos, (uint64_t)v1_int_or(o.m[D_PERCENT], 0));
    }
    v1_leave(c, mark);
}

static void fault(struct v1 *c, struct nu_tree *hcm, struct nu_tree *out, const struct v1_obj *o)
{
    (void)hcm;
    if (o->m[F_ABORT] == NULL && o->m[F_DELAY] == NULL)
        v1_error(c, o->tree->pos, "%s needs \"abort\" or \"delay\"", fault_schema.what);
    if (o->m[F_ABORT] != NULL)
        fault_abort(c, out, o->m[F_ABORT]);
    if (o->m[F_DELAY] != NULL)
        fault_delay(c, out, o->m[F_DELAY]);
    v1_copy(c, out, "upstream_cluster", o->m[F_CLUSTER]);
    v1_headers(c, out, o->m[F_HEADERS]);
    v1_copy(c, out, "downstream_nodes", o->m[F_NODES]);
}

static void health_check(struct v1 *c, struct nu_tree *hcm, struct nu_tree *out, const struct v1_obj *o)
{
    (void)hcm;
    v1_copy(c, out, "pass_through_mode", o->m[P_PASS]);
    if (o->m[P_ENDPOINT] != NULL) {
        struct nu_tree *endpoint = o->m[P_ENDPOINT]->value;
        v1_add_header(c, v1_put_list(c, out, "headers", endpoint->pos), endpoint->pos, ":path", endpoint, false);
    }
    v1_copy_ms(c, out, "cache_time", o->m[P_CACHE]);
}

static void router(struct v1 *c, struct nu_tree *hcm, struct nu_tree *out, const struct v1_obj *o)
{
    (void)hcm;
    v1_copy(c, out, "dynamic_stats", o->m[R_DYNAMIC]);
}

static void cors(struct v1 *c, struct nu_tree *hcm, struct nu_tree *out, const struct v1_obj *o)
{
    (void)c, (void)hcm, (void)out, (void)o;
}

static const struct {
    const char *v1, *v3, *type;
    const struct v1_schema *schema;
    void (*translate)(struct v1 *c, struct nu_tree *hcm, struct nu_tree *out, const struct v1_obj *o);
} filters[] = {
    {"router", "envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", &router_schema, router},
    {"buffer", "envoy.filters.http.buffer", "envoy.extensions.filters.http.buffer.v3.Buffer", &buffer_schema, buffer},
    {"fault", "envoy.filters.http.fault", "envoy.extensions.filters.http.fault.v3.HTTPFault", &fault_schema, fault},
    {"cors", "envoy.filters.http.cors", "envoy.extensions.filters.http.cors.v3.Cors", &cors_schema, cors},
    {"health_check", "envoy.filters.http.health_check", "envoy.extensions.filters.http.health_check.v3.HealthCheck",
     &health_schema, health_check},
};
static const char *const known_filters[] = {"router", "buffer", "fault", "cors", "health_check", NULL};
static const char *const later_filters[] = {
    "http_dynamo_filter", "grpc_http1_bridge", "grpc_json_transcoder", "grpc_web", "ip_tagging", "lua", "rate_limit",
    "squash",             NULL,
};

static void one_filter(struct v1 *c, struct nu_tree *hcm, struct nu_tree *list, const struct nu_tree *t)
{
    struct v1_filter f;
    struct v1_obj o;
    if (!v1_open_filter(c, &f, t))
        return;
    size_t i = 0;
    while (i < NU_ARRAY_LEN(filters) && !nu_str_eq(f.name, nu_str_from(filters[i].v1)))
        i++;
    if (i == NU_ARRAY_LEN(filters)) {
        v1_unknown_filter(c, &f, "HTTP", known_filters, later_filters);
        return;
    }
    size_t mark = v1_enter(c, "config", -1);
    if (v1_open(c, &o, f.config, filters[i].schema))
        filters[i].translate(c, hcm, v1_add_ext(c, list, t->pos, filters[i].v3, filters[i].type), &o);
    v1_leave(c, mark);
}

void v1_http_filters(struct v1 *c, struct nu_tree *hcm, const struct nu_tree_member *list)
{
    if (list == NULL)
        return;
    struct nu_tree *out = v1_put_list(c, hcm, "http_filters", list->value->pos);
    for (size_t i = 0; i < v1_count(list); i++) {
        size_t mark = v1_enter(c, "filters", (ssize_t)i);
        one_filter(c, hcm, out, list->value->u.list.items[i]);
        v1_leave(c, mark);
    }
}
