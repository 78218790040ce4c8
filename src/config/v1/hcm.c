/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP connection manager of v1. Written out, because v3's defaults are others: no idle timeouts, absolute URLs off,
 * private addresses are internal. HTTP/2's defaults (v1: windows of 256 MiB, no limit of streams) come with HTTP/2. */
#include "config/v1/v1_priv.h"

enum {
    H_CODEC,
    H_STAT_PREFIX,
    H_RDS,
    H_ROUTES,
    H_FILTERS,
    H_USER_AGENT,
    H_TRACING,
    H_TRACING_ENABLED,
    H_HTTP1,
    H_HTTP2,
    H_CODEC_OPTIONS,
    H_SERVER_NAME,
    H_IDLE,
    H_DRAIN,
    H_ACCESS_LOG,
    H_REMOTE_ADDRESS,
    H_CLIENT_CERT,
    H_CERT_DETAILS,
    H_REQUEST_ID,
};
static const struct v1_key hcm_keys[] = {
    [H_CODEC] = {"codec_type", V1_STRING, V1_REQUIRED},
    [H_STAT_PREFIX] = {"stat_prefix", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [H_RDS] = {"rds", V1_MAP, V1_UNSUPPORTED},
    [H_ROUTES] = {"route_config", V1_MAP, 0},
    [H_FILTERS] = {"filters", V1_LIST, V1_REQUIRED | V1_NONEMPTY},
    [H_USER_AGENT] = {"add_user_agent", V1_BOOL, 0},
    [H_TRACING] = {"tracing", V1_MAP, V1_UNSUPPORTED},
    [H_TRACING_ENABLED] = {"tracing_enabled", V1_BOOL, V1_UNSUPPORTED},
    [H_HTTP1] = {"http1_settings", V1_MAP, 0},
    [H_HTTP2] = {"http2_settings", V1_MAP, V1_UNSUPPORTED},
    [H_CODEC_OPTIONS] = {"http_codec_options", V1_STRING, V1_UNSUPPORTED},
    [H_SERVER_NAME] = {"server_name", V1_STRING, 0},
    [H_IDLE] = {"idle_timeout_s", V1_INT, 0},
    [H_DRAIN] = {"drain_timeout_ms", V1_INT, 0},
    [H_ACCESS_LOG] = {"access_log", V1_LIST, 0},
    [H_REMOTE_ADDRESS] = {"use_remote_address", V1_BOOL, 0},
    [H_CLIENT_CERT] = {"forward_client_cert", V1_STRING, 0},
    [H_CERT_DETAILS] = {"set_current_client_cert_details", V1_LIST, V1_STRINGS},
    [H_REQUEST_ID] = {"generate_request_id", V1_BOOL, 0},
};
static const struct v1_schema hcm_schema = V1_SCHEMA("the config of the v1 filter http_connection_manager", hcm_keys);

enum { O_ABSOLUTE_URL, O_CONNECT };
static const struct v1_key http1_keys[] = {
    [O_ABSOLUTE_URL] = {"allow_absolute_url", V1_BOOL, 0},
    [O_CONNECT] = {"allow_connect", V1_BOOL, V1_UNSUPPORTED},
};
static const struct v1_schema http1_schema = V1_SCHEMA("v1 http1_settings", http1_keys);

static const struct v1_word codecs[] = {{"http1", "HTTP1"}, {"http2", NULL}, {"auto", "AUTO"}, {NULL, NULL}};
static const struct v1_word client_cert_modes[] = {
    {"sanitize", "SANITIZE"},
    {"forward_only", "FORWARD_ONLY"},
    {"always_forward_only", "ALWAYS_FORWARD_ONLY"},
    {"append_forward", "APPEND_FORWARD"},
    {"sanitize_set", "SANITIZE_SET"},
    {NULL, NULL},
};

/* What v1 took for internal: RFC 1918, the loopback addresses, and locally assigned RFC 4193. */
static const struct {
    const char *prefix;
    unsigned bits;
} internal_ranges[] = {{"10.0.0.0", 8}, {"172.16.0.0", 12}, {"192.168.0.0", 16}, {"127.0.0.1", 32}, {"fd00::", 8}, {"::1", 128}};

static void internal_addresses(struct v1 *c, struct nu_tree *out, struct nu_pos pos)
{
    struct nu_tree *list = v1_put_list(c, v1_put_map(c, out, "internal_address_config", pos), "cidr_ranges", pos);
    for (size_t i = 0; i < NU_ARRAY_LEN(internal_ranges); i++) {
        struct nu_tree *range = v1_add_map(c, list, pos);
        v1_put_lit(c, range, "address_prefix", pos, internal_ranges[i].prefix);
        v1_put(c, range, "prefix_len", v1_num(c, pos, internal_ranges[i].bits));
    }
}

static void http1(struct v1 *c, struct nu_tree *out, const struct v1_obj *hcm, struct nu_pos pos)
{
    struct v1_obj o = {0};
    if (hcm->m[H_HTTP1] != NULL) {
        size_t mark = v1_enter(c, "http1_settings", -1);
        pos = hcm->m[H_HTTP1]->value->pos;
        (void)!v1_open(c, &o, hcm->m[H_HTTP1]->value, &http1_schema); /* a map, says hcm_keys */
        v1_leave(c, mark);
    }
    struct nu_tree *options = v1_put_map(c, out, "http_protocol_options", pos);
    v1_put(c, options, "allow_absolute_url", v1_bool(c, pos, v1_bool_or(o.m[O_ABSOLUTE_URL], false)));
}

static void idle_timeouts(struct v1 *c, struct nu_tree *out, const struct nu_tree_member *idle, struct nu_pos pos)
{
    struct nu_tree *common = v1_put_map(c, out, "common_http_protocol_options", pos);
    if (idle == NULL) {
        v1_put_lit(c, common, "idle_timeout", pos, "0s");
    } else {
        struct nu_tree *value = idle->value;
        v1_put(c, common, "idle_timeout",
               v1_str(c, value->pos, nu_arena_printf(c->arena, "%llds", (long long)v1_int_or(idle, 0))));
    }
    v1_put_lit(c, out, "stream_idle_timeout", pos, "0s");
}

static void cert_details(struct v1 *c, struct nu_tree *out, const struct nu_tree_member *m)
{
    if (m == NULL)
        return;
    struct nu_tree *details = v1_put_map(c, out, "set_current_client_cert_details", m->value->pos);
    for (size_t i = 0; i < v1_count(m); i++) {
        const struct nu_tree *t = m->value->u.list.items[i];
        if (nu_str_eq(t->u.text, NU_STR("Subject")))
            v1_put(c, details, "subject", v1_bool(c, t->pos, true));
        else if (nu_str_eq(t->u.text, NU_STR("SAN")))
            v1_put(c, details, "uri", v1_bool(c, t->pos, true));
        else
            v1_error(c, t->pos, "set_current_client_cert_details takes \"Subject\" and \"SAN\", not \"%.*s\"",
                     NU_STR_ARG(nu_str_first(t->u.text, 80)));
    }
}

static void routes(struct v1 *c, struct nu_tree *out, const struct v1_obj *o)
{
    bool has_rds = nu_tree_find(o->tree, NU_STR("rds")) != NULL;
    bool has_routes = nu_tree_find(o->tree, NU_STR("route_config")) != NULL;
    if (has_rds == has_routes)
        v1_error(c, o->tree->pos, "%s needs exactly one of \"route_config\" and \"rds\"", hcm_schema.what);
    if (o->m[H_ROUTES] == NULL)
        return;
    size_t mark = v1_enter(c, "route_config", -1);
    v1_route_config(c, out, o->m[H_ROUTES]->value);
    v1_leave(c, mark);
}

void v1_hcm(struct v1 *c, struct nu_tree *filters, const struct v1_filter *f)
{
    struct v1_obj o;
    struct nu_pos pos = f->config->pos;
    if (!v1_open(c, &o, f->config, &hcm_schema))
        return;
    struct nu_tree *out =
        v1_add_ext(c, filters, f->tree->pos, "envoy.filters.network.http_connection_manager",
                   "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager");
    v1_copy_word(c, out, "codec_type", o.m[H_CODEC], codecs);
    v1_copy(c, out, "stat_prefix", o.m[H_STAT_PREFIX]);
    routes(c, out, &o);
    v1_http_filters(c, out, o.m[H_FILTERS]);
    v1_copy(c, out, "add_user_agent", o.m[H_USER_AGENT]);
    idle_timeouts(c, out, o.m[H_IDLE], pos);
    http1(c, out, &o, pos);
    v1_copy(c, out, "server_name", o.m[H_SERVER_NAME]);
    v1_copy_ms(c, out, "drain_timeout", o.m[H_DRAIN]);
    v1_access_logs(c, out, o.m[H_ACCESS_LOG]);
    v1_copy(c, out, "use_remote_address", o.m[H_REMOTE_ADDRESS]);
    internal_addresses(c, out, pos);
    v1_copy(c, out, "generate_request_id", o.m[H_REQUEST_ID]);
    v1_copy_word(c, out, "forward_client_cert_details", o.m[H_CLIENT_CERT], client_cert_modes);
    cert_details(c, out, o.m[H_CERT_DETAILS]);
}
