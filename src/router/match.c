/* SPDX-License-Identifier: Apache-2.0
 *
 * Route lookup: host name -> virtual host -> first route whose conditions hold -> weighted cluster. No allocation but what
 * a regular expression keeps for itself. Path conditions see the path without query and fragment, as Envoy's do. */
#include "base/regex.h"
#include "router/path_template.h"
#include "router/table.h"
#include "tls/info.h"
#include "worker/runtime.h"

nu_str nu_path_only(nu_str path)
{
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] == '?' || path.ptr[i] == '#')
            return nu_str_first(path, i);
    return path;
}

static bool path_equal(const struct nu_route_cond *c, nu_str path)
{
    return c->ignore_case ? nu_str_eq_nocase(path, c->path) : nu_str_eq(path, c->path);
}

static bool path_starts(const struct nu_route_cond *c, nu_str path)
{
    return c->ignore_case ? nu_str_starts_nocase(path, c->path) : nu_str_starts(path, c->path);
}

/* path: without query. */
static bool match_path(const struct nu_route_cond *c, const struct nu_http_headers *h, nu_str path)
{
    if (c->kind == NU_PATH_CONNECT)
        return nu_str_eq(h->method, NU_STR("CONNECT"));
    if (path.ptr == NULL)
        return false; /* CONNECT: only a connect_matcher looks at it */
    switch (c->kind) {
    case NU_PATH_PREFIX:
        return path_starts(c, path);
    case NU_PATH_EXACT:
        return path_equal(c, path);
    case NU_PATH_SEGMENTS:
        return path_starts(c, path) && (path.len == c->path.len || path.ptr[c->path.len] == '/');
    case NU_PATH_REGEX:
        return nu_regex_full_match(c->regex, path);
    case NU_PATH_TEMPLATE:
        return nu_path_template_match(c->template, path);
    case NU_PATH_CONNECT:
        break;
    }
    return false;
}

static bool match_cookies(const struct nu_route_cond *c, const struct nu_http_headers *h)
{
    for (size_t i = 0; i < c->n_cookies; i++) {
        const struct nu_cookie_matcher *m = &c->cookies[i];
        nu_str value = nu_cookie_value(h, m->name);
        bool hit = value.ptr != NULL && nu_string_matcher_match(&m->value, value);
        if (hit == m->invert)
            return false;
    }
    return true;
}

static bool match_queries(const struct nu_route_cond *c, const struct nu_http_headers *h)
{
    for (size_t i = 0; i < c->n_queries; i++)
        if (!nu_query_matcher_match(&c->queries[i], h->path))
            return false;
    return true;
}

/* The cheap conditions first: all must hold, so the order is ours. */
static bool match_cond(const struct nu_route_cond *c, const struct nu_http_headers *h, nu_str path,
                       const struct nu_runtime *rt, uint64_t random_value)
{
    if (!match_path(c, h, path))
        return false;
    if (c->has_fraction && !nu_fraction_hit(&c->fraction, rt, random_value))
        return false;
    if (c->grpc && !nu_headers_is_grpc(h))
        return false;
    return nu_header_matchers_match(&c->headers, h) && match_queries(c, h) && match_cookies(c, h);
}

bool nu_route_cond_match(const struct nu_route_cond *c, const struct nu_http_headers *h, const struct nu_runtime *rt,
                         uint64_t random_value)
{
    return match_cond(c, h, nu_path_only(h->path), rt, random_value);
}

static bool match_tls(const struct nu_route_cond *c, const struct nu_stream_info *info)
{
    if (c->tls_presented == 0 && c->tls_validated == 0)
        return true;
    const struct nu_tls_info *tls = info != NULL && info->conn != NULL ? nu_conn_tls(info->conn) : NULL;
    if (c->tls_presented != 0 && (tls != NULL && nu_tls_info_has_peer(tls)) != (c->tls_presented > 0))
        return false;
    return c->tls_validated == 0 || (tls != NULL && tls->validated) == (c->tls_validated > 0);
}

static uint64_t weight_of(const struct nu_weighted_cluster *w, const struct nu_runtime *rt)
{
    return w->runtime_key.len > 0 ? nu_runtime_u64(rt, w->runtime_key, w->weight) : w->weight;
}

/* The element in whose part of [0, total) the stream's random value falls; NULL: all weights are 0. */
static const struct nu_weighted_cluster *pick_weighted(const struct nu_route_action *a, const struct nu_runtime *rt,
                                                       uint64_t random_value)
{
    bool runtime = a->weights_from_runtime && nu_runtime_has_keys(rt);
    uint64_t total = a->total_weight;
    if (runtime) {
        total = 0;
        for (size_t i = 0; i < a->n_weighted; i++)
            total += weight_of(&a->weighted[i], rt);
    }
    if (total == 0)
        return NULL;
    uint64_t at = random_value % total, end = 0;
    for (size_t i = 0; i < a->n_weighted; i++) {
        end += runtime ? weight_of(&a->weighted[i], rt) : a->weighted[i].weight;
        if (at < end)
            return &a->weighted[i];
    }
    return NULL;
}

static bool wants_tls(const struct nu_virtual_host *v, const struct nu_http_headers *h)
{
    if (v->require_tls == NU_TLS_NONE)
        return false;
    if (nu_str_eq(nu_headers_get_id(h, NU_HDR_X_FORWARDED_PROTO), NU_STR("https")))
        return false;
    return v->require_tls == NU_TLS_ALL ||
           !nu_str_eq(nu_headers_get_id(h, NU_HDR_ENVOY_INTERNAL), NU_STR("true"));
}

/* ---- keys ---- */

#define KEY_BYTES sizeof(uint64_t)

struct nu_route_key nu_route_key_of(const struct nu_route_cond *c)
{
    struct nu_route_key k = {.exact = c->kind == NU_PATH_EXACT};
    if (c->ignore_case || (c->kind != NU_PATH_PREFIX && c->kind != NU_PATH_SEGMENTS && !k.exact) || c->path.len > UINT32_MAX)
        return (struct nu_route_key){.len = 0};
    k.len = (uint32_t)c->path.len;
    nu_str end = nu_str_skip(c->path, k.len > KEY_BYTES ? k.len - KEY_BYTES : 0);
    if (k.len > 0)
        memcpy(&k.end, end.ptr, end.len);
    k.is_all = k.len > 0 && k.len <= KEY_BYTES && c->kind != NU_PATH_SEGMENTS && !c->grpc && !c->has_fraction &&
               c->tls_presented == 0 && c->tls_validated == 0 && c->headers.n + c->n_queries + c->n_cookies == 0;
    return k;
}

/* A path that keys are compared with. */
struct key_path {
    nu_str path;
    const char *bytes;     /* of the path, and at least KEY_BYTES */
    char room[KEY_BYTES]; /* those of a shorter one, with zeros behind */
};

static void key_path_init(struct key_path *p, nu_str path)
{
    p->path = path;
    p->bytes = path.ptr;
    if (nu_likely(path.len >= KEY_BYTES))
        return;
    memset(p->room, 0, sizeof p->room);
    if (path.len > 0)
        memcpy(p->room, path.ptr, path.len);
    p->bytes = p->room;
}

static inline bool key_hit(const struct nu_route_key *k, const struct key_path *p)
{
    static const uint8_t ones_then_zeros[2 * KEY_BYTES] = {255, 255, 255, 255, 255, 255, 255, 255};
    if (p->path.len < k->len || (k->exact && p->path.len > k->len))
        return false;
    size_t n = nu_min((size_t)k->len, KEY_BYTES);
    uint64_t there, mask;
    memcpy(&there, p->bytes + (k->len - n), sizeof there);
    memcpy(&mask, ones_then_zeros + (KEY_BYTES - n), sizeof mask);
    return ((there ^ k->end) & mask) == 0;
}

/* ---- lookup ---- */

static const struct nu_virtual_host_more *find_vhost(const struct nu_route_table *t, const struct nu_http_headers *h)
{
    nu_str host = h->authority;
    if (t->ignore_port && host.ptr != NULL)
        host = nu_str_first(host, nu_host_port_start(host));
    return nu_domains_find(&t->domains, host);
}

void nu_route_lookup(const struct nu_route_table *t, const struct nu_http_headers *h, const struct nu_stream_info *info,
                     const struct nu_runtime *rt, uint64_t random_value, struct nu_route_match *out)
{
    *out = (struct nu_route_match){.route = NULL};
    const struct nu_virtual_host_more *v = find_vhost(t, h);
    if (v == NULL)
        return;
    out->vhost = &v->vhost;
    if (wants_tls(&v->vhost, h)) {
        out->tls_redirect = true;
        return;
    }
    struct key_path path;
    key_path_init(&path, nu_path_only(h->path));
    for (size_t i = 0; i < v->n_routes; i++) {
        const struct nu_route_key *k = &v->keys[i];
        if (!key_hit(k, &path))
            continue;
        const struct nu_route_entry *e = &v->routes[i];
        if (!k->is_all && !(match_cond(&e->cond, h, path.path, rt, random_value) && match_tls(&e->cond, info)))
            continue;
        out->route = &e->route;
        if (e->route.action != NULL && e->route.action->choice == NU_CLUSTER_WEIGHTED)
            out->weighted = pick_weighted(e->route.action, rt, random_value);
        return;
    }
}

const struct nu_virtual_cluster *nu_virtual_cluster_find(const struct nu_virtual_host_more *v,
                                                         const struct nu_http_headers *h)
{
    if (v->n_clusters == 0)
        return NULL;
    for (size_t i = 0; i < v->n_clusters; i++)
        if (nu_header_matchers_match(&v->clusters[i].headers, h))
            return &v->clusters[i];
    return &v->other;
}

struct nu_route_table *nu_route_table_ref(struct nu_route_table *t)
{
    if (t != NULL) /* the admin interface has none */
        nu_ref_take(&t->refs);
    return t;
}

void nu_route_table_unref(struct nu_route_table **tp)
{
    struct nu_route_table *t = nu_take(tp);
    if (t == NULL || !nu_ref_drop(&t->refs))
        return;
    struct nu_arena arena = t->arena; /* the table lives in its own arena */
    nu_domains_free(&t->domains);
    nu_arena_clear(&arena);
}

nu_str nu_route_table_name(const struct nu_route_table *t)
{
    return t->name;
}

const struct nu_filter_confs *nu_route_table_filter_confs(const struct nu_route_table *t)
{
    return &t->filter_confs;
}

const struct nu_filter_confs *nu_weighted_cluster_filter_confs(const struct nu_weighted_cluster *w)
{
    return &w->filter_confs;
}

void nu_route_table_remove_internal_headers(const struct nu_route_table *t, struct nu_http_headers *h)
{
    for (size_t i = 0; i < t->n_internal_only; i++)
        (void)nu_headers_remove(h, t->internal_only[i]);
}

nu_str nu_route_match_cluster(const struct nu_route_match *m, const struct nu_http_headers *h)
{
    if (!nu_route_match_forwards(m))
        return NU_STR("");
    const struct nu_route_action *a = m->route->action;
    switch (a->choice) {
    case NU_CLUSTER_NAMED:
        return a->cluster;
    case NU_CLUSTER_HEADER:
        return nu_headers_get(h, a->cluster);
    case NU_CLUSTER_WEIGHTED:
        return m->weighted != NULL ? m->weighted->name : NU_STR("");
    }
    NU_UNREACHABLE();
}
