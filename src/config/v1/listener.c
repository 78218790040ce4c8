/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners of v1: one list of filters, which becomes one filter chain; or, where a tcp_proxy has conditions on
 * addresses and ports, several chains (tcp_proxy.c). */
#include "config/v1/v1_priv.h"

enum {
    L_NAME,
    L_ADDRESS,
    L_PORT,
    L_FILTERS,
    L_SSL,
    L_BIND,
    L_PROXY_PROTO,
    L_ORIGINAL_DST,
    L_TRANSPARENT,
    L_BUFFER_LIMIT,
    L_DRAIN_TYPE,
};
static const struct v1_key listener_keys[] = {
    [L_NAME] = {"name", V1_STRING, 0},
    [L_ADDRESS] = {"address", V1_STRING, 0},
    [L_PORT] = {"port", V1_INT, 0},
    [L_FILTERS] = {"filters", V1_LIST, V1_REQUIRED},
    [L_SSL] = {"ssl_context", V1_MAP, 0},
    [L_BIND] = {"bind_to_port", V1_BOOL, 0},
    [L_PROXY_PROTO] = {"use_proxy_proto", V1_BOOL, 0},
    [L_ORIGINAL_DST] = {"use_original_dst", V1_BOOL, V1_UNSUPPORTED},
    [L_TRANSPARENT] = {"transparent", V1_BOOL, 0},
    [L_BUFFER_LIMIT] = {"per_connection_buffer_limit_bytes", V1_INT, V1_NONEMPTY},
    [L_DRAIN_TYPE] = {"drain_type", V1_STRING, 0},
};
static const struct v1_schema listener_schema = V1_SCHEMA("a v1 listener", listener_keys);

enum { F_NAME, F_CONFIG, F_TYPE };
static const struct v1_key filter_keys[] = {
    [F_NAME] = {"name", V1_STRING, V1_REQUIRED},
    [F_CONFIG] = {"config", V1_MAP, 0},
    [F_TYPE] = {"type", V1_STRING, 0}, /* 1.0 to 1.2; the name says it */
};
static const struct v1_schema filter_schema = V1_SCHEMA("a v1 filter", filter_keys);

static const struct v1_word drain_types[] = {{"default", "DEFAULT"}, {"modify_only", "MODIFY_ONLY"}, {NULL, NULL}};
static const struct v1_word directions[] = {{"read", ""},    {"write", ""},   {"both", ""},
                                            {"decoder", ""}, {"encoder", ""}, {NULL, NULL}};

bool v1_open_filter(struct v1 *c, struct v1_filter *f, const struct nu_tree *t)
{
    struct v1_obj o;
    if (!v1_open(c, &o, t, &filter_schema) || o.m[F_NAME] == NULL)
        return false;
    (void)v1_word(c, o.m[F_TYPE], directions);
    *f = (struct v1_filter){.tree = t, .name = v1_text(o.m[F_NAME]), .name_pos = o.m[F_NAME]->value->pos};
    f->config = o.m[F_CONFIG] != NULL ? o.m[F_CONFIG]->value : v1_map(c, t->pos);
    return true;
}

static bool is_one_of(nu_str name, const char *const *names, size_t *n)
{
    for (*n = 0; names[*n] != NULL; ++*n) {
        if (nu_str_eq(name, nu_str_from(names[*n])))
            return true;
    }
    return false;
}

void v1_unknown_filter(struct v1 *c, const struct v1_filter *f, const char *kind, const char *const *known,
                       const char *const *later)
{
    size_t n;
    if (is_one_of(f->name, later, &n)) {
        v1_unsupported(c, f->name_pos, "the %s filter \"%s\" is not supported yet", kind, later[n]);
        return;
    }
    (void)is_one_of(NU_STR_NONE, known, &n);
    const char *near = v1_nearest(f->name, known, n);
    v1_error(c, f->name_pos, "unknown %s filter \"%.*s\"%s%s%s", kind, NU_STR_ARG(nu_str_first(f->name, 80)),
             near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
}

static void echo(struct v1 *c, struct nu_tree *filters, const struct v1_filter *f)
{
    static const struct v1_schema echo_schema = {.what = "the config of the v1 filter echo"};
    struct v1_obj o;
    if (v1_open(c, &o, f->config, &echo_schema))
        v1_add_ext(c, filters, f->tree->pos, "envoy.filters.network.echo",
                   "envoy.extensions.filters.network.echo.v3.Echo");
}

static const char *const known_filters[] = {"echo", "http_connection_manager", "tcp_proxy", NULL};
static const char *const later_filters[] = {"client_ssl_auth", "mongo_proxy", "ratelimit", "redis_proxy", NULL};

/* The filters into one chain, or into those that the routes of a tcp_proxy ask for. */
static void listener_filters(struct v1 *c, struct nu_tree *chains, const struct nu_tree_member *list)
{
    struct nu_tree *filters = v1_list(c, list->value->pos);
    bool has_chains = false;
    for (size_t i = 0; i < v1_count(list); i++) {
        struct v1_filter f;
        size_t mark = v1_enter(c, "filters", (ssize_t)i);
        bool ok = v1_open_filter(c, &f, list->value->u.list.items[i]);
        size_t in_config = v1_enter(c, "config", -1);
        if (has_chains) {
            /* Envoy ran what followed a tcp_proxy on the same bytes; nothing sensible can be after it. */
            v1_error(c, list->value->u.list.items[i]->pos, "a tcp_proxy must be the last filter of a listener");
        } else if (ok && nu_str_eq(f.name, NU_STR("tcp_proxy"))) {
            v1_tcp_chains(c, chains, filters, &f);
            has_chains = true;
        } else if (ok && nu_str_eq(f.name, NU_STR("http_connection_manager"))) {
            v1_hcm(c, filters, &f);
        } else if (ok && nu_str_eq(f.name, NU_STR("echo"))) {
            echo(c, filters, &f);
        } else if (ok) {
            v1_leave(c, in_config);
            v1_unknown_filter(c, &f, "network", known_filters, later_filters);
        }
        v1_leave(c, mark);
    }
    /* Without filters a connection is closed at once, then and now. */
    if (!has_chains)
        v1_put(c, v1_add_map(c, chains, list->value->pos), "filters", filters);
}

/* PROXY headers were those of version 1. */
static void proxy_proto(struct v1 *c, struct nu_tree *out, struct nu_pos pos)
{
    struct nu_tree *filter =
        v1_add_ext(c, v1_put_list(c, out, "listener_filters", pos), pos, "envoy.filters.listener.proxy_protocol",
                   "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol");
    v1_add(c, v1_put_list(c, filter, "disallowed_versions", pos), v1_str(c, pos, NU_STR("V2")));
}

static void listen_address(struct v1 *c, struct nu_tree *out, const struct v1_obj *o)
{
    bool has_address = nu_tree_find(o->tree, NU_STR("address")) != NULL;
    if (has_address && o->m[L_PORT] != NULL) {
        v1_error(c, o->m[L_PORT]->key_pos, "\"address\" and \"port\" exclude each other");
    } else if (o->m[L_ADDRESS] != NULL) {
        size_t mark = v1_enter(c, "address", -1);
        (void)v1_put_address(c, out, o->m[L_ADDRESS]->value, V1_IP);
        v1_leave(c, mark);
    } else if (o->m[L_PORT] != NULL) {
        v1_put_any_address(c, out, o->m[L_PORT]);
    } else if (!has_address && nu_tree_find(o->tree, NU_STR("port")) == NULL) {
        v1_error(c, o->tree->pos, "a v1 listener needs \"address\"");
    }
}

void v1_listener(struct v1 *c, struct nu_tree *listeners, const struct nu_tree *t)
{
    struct v1_obj o;
    if (!v1_open(c, &o, t, &listener_schema))
        return;
    struct nu_tree *out = v1_add_map(c, listeners, t->pos);
    if (v1_text(o.m[L_NAME]).len > 0)
        v1_copy(c, out, "name", o.m[L_NAME]);
    listen_address(c, out, &o);
    v1_copy(c, out, "per_connection_buffer_limit_bytes", o.m[L_BUFFER_LIMIT]);
    v1_copy_word(c, out, "drain_type", o.m[L_DRAIN_TYPE], drain_types);
    v1_copy(c, out, "bind_to_port", o.m[L_BIND]);
    v1_copy(c, out, "transparent", o.m[L_TRANSPARENT]);
    if (v1_bool_or(o.m[L_PROXY_PROTO], false))
        proxy_proto(c, out, o.m[L_PROXY_PROTO]->value->pos);
    struct nu_tree *ssl = o.m[L_SSL] != NULL ? v1_listener_ssl(c, o.m[L_SSL]) : NULL;
    if (o.m[L_FILTERS] == NULL)
        return;
    struct nu_tree *chains = v1_put_list(c, out, "filter_chains", o.m[L_FILTERS]->value->pos);
    listener_filters(c, chains, o.m[L_FILTERS]);
    for (size_t i = 0; ssl != NULL && i < chains->u.list.n; i++)
        v1_put(c, chains->u.list.items[i], "transport_socket", ssl);
}
