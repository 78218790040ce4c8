/* SPDX-License-Identifier: Apache-2.0
 *
 * What a route does to heads: header changes of all levels in Envoy's order (weighted cluster, route, virtual host, table; or
 * the other way round), host and path rewrites. */
#include "router/rewrite.h"

#include "base/regex.h"
#include "router/path_template.h"
#include "router/redirect.h"

/* ---- header changes ---- */

typedef const struct nu_header_mutations *(*side_fn)(const struct nu_level_headers *l);

static const struct nu_header_mutations *request_side(const struct nu_level_headers *l)
{
    return l->request;
}

static const struct nu_header_mutations *response_side(const struct nu_level_headers *l)
{
    return l->response;
}

static void apply_levels(const struct nu_route_entry *e, const struct nu_weighted_cluster *w, side_fn side,
                         struct nu_http_headers *h, const struct nu_log_entry *entry)
{
    const struct nu_route_table *t = e->route.table;
    const struct nu_level_headers *levels[] = {&e->headers, &e->route.vhost->more->headers, &t->headers};
    if (w != NULL && side(&w->headers) != NULL)
        nu_header_mutations_apply(side(&w->headers), h, entry);
    for (unsigned i = 0; i < NU_ARRAY_LEN(levels); i++) {
        const struct nu_header_mutations *m = side(levels[t->most_specific_wins ? NU_ARRAY_LEN(levels) - 1 - i : i]);
        if (m != NULL)
            nu_header_mutations_apply(m, h, entry);
    }
}

void nu_route_response_headers(const struct nu_route_entry *e, const struct nu_weighted_cluster *w,
                               struct nu_http_headers *request, struct nu_http_headers *h,
                               const struct nu_stream_info *info)
{
    const struct nu_log_entry entry = {.info = info, .request = request, .response = h};
    apply_levels(e, w, response_side, h, &entry);
}

void nu_route_local_reply_headers(const struct nu_route_match *m, struct nu_http_headers *request,
                                  struct nu_http_headers *response, const struct nu_stream_info *info)
{
    if (m->route != NULL && m->route->action != NULL)
        nu_route_response_headers(nu_route_entry_of(m->route), m->weighted, request, response, info);
}

/* ---- host ---- */

static nu_str last_element(nu_str list)
{
    ssize_t comma = nu_str_rfind(list, ',');
    return nu_str_trim(comma < 0 ? list : nu_str_skip(list, (size_t)comma + 1));
}

void nu_rewrite_authority(struct nu_http_headers *h, nu_str host, bool append_xfh, bool keep_original)
{
    nu_str old = h->authority;
    if (keep_original && old.len > 0)
        nu_headers_set_id(h, NU_HDR_ENVOY_ORIGINAL_HOST, old);
    if (append_xfh && old.len > 0) {
        nu_str xfh = nu_headers_get_id(h, NU_HDR_X_FORWARDED_HOST);
        if (xfh.len == 0 || !nu_str_eq(last_element(xfh), old))
            nu_headers_append_id(h, NU_HDR_X_FORWARDED_HOST, old, NU_STR(","));
    }
    h->authority = host;
}

static nu_str new_host(const struct nu_route_rewrites *r, const struct nu_http_headers *h)
{
    if (r->host.len > 0)
        return r->host;
    if (r->host_header.len > 0)
        return nu_headers_get(h, r->host_header);
    if (r->host_path.regex != NULL && h->path.ptr != NULL)
        return nu_regex_replace_all(r->host_path.regex, nu_path_only(h->path), r->host_path.substitution, h->arena);
    return NU_STR_NONE;
}

/* ---- path ---- */

static nu_str join3(struct nu_arena *a, nu_str x, nu_str y)
{
    const nu_str parts[] = {x, y};
    return nu_arena_concat(a, parts, 2);
}

/* The part of the path that a prefix rewrite replaces. */
static size_t matched_len(const struct nu_route_cond *c, nu_str path)
{
    nu_str only = nu_path_only(path);
    if (c->kind == NU_PATH_REGEX || c->kind == NU_PATH_CONNECT)
        return only.len;
    bool still = c->ignore_case ? nu_str_starts_nocase(only, c->path) : nu_str_starts(only, c->path);
    return still ? c->path.len : SIZE_MAX; /* a filter changed the path and kept the route */
}

static nu_str prefix_rewritten(const struct nu_route_cond *c, struct nu_arena *a, nu_str path, nu_str prefix)
{
    size_t n = matched_len(c, path);
    return n == SIZE_MAX ? NU_STR_NONE : join3(a, prefix, nu_str_skip(path, n));
}

static nu_str regex_rewritten(const struct nu_regex_rewrite *r, struct nu_arena *a, nu_str path)
{
    nu_str only = nu_path_only(path);
    return join3(a, nu_regex_replace_all(r->regex, only, r->substitution, a), nu_str_skip(path, only.len));
}

static nu_str template_rewritten(const struct nu_route_rewrites *r, const struct nu_route_cond *c, struct nu_arena *a,
                                 nu_str path)
{
    nu_str only = nu_path_only(path), made = nu_path_rewrite_run(r->template, c->template, only, a);
    return made.ptr == NULL ? NU_STR_NONE : join3(a, made, nu_str_skip(path, only.len));
}

/* The path after the route's rewrite; ptr == NULL: no rewrite. */
static nu_str new_path(const struct nu_route_entry *e, struct nu_http_headers *h)
{
    const struct nu_route_rewrites *r = e->route.action != NULL ? e->route.action->rewrites : NULL;
    const struct nu_redirect *d = e->direct != NULL ? e->direct->redirect : NULL;
    if (d != NULL && d->prefix_rewrite.len > 0)
        return prefix_rewritten(&e->cond, h->arena, h->path, d->prefix_rewrite);
    if (d != NULL && d->regex.regex != NULL)
        return regex_rewritten(&d->regex, h->arena, h->path);
    if (r == NULL)
        return NU_STR_NONE;
    if (r->prefix.len > 0)
        return prefix_rewritten(&e->cond, h->arena, h->path, r->prefix);
    if (r->regex.regex != NULL)
        return regex_rewritten(&r->regex, h->arena, h->path);
    if (r->template != NULL)
        return template_rewritten(r, &e->cond, h->arena, h->path);
    return NU_STR_NONE;
}

void nu_route_rewrite_path(const struct nu_route_entry *e, struct nu_http_headers *h, bool keep_original)
{
    if (h->path.ptr == NULL)
        return;
    nu_str path = new_path(e, h);
    if (path.ptr == NULL)
        return;
    if (keep_original)
        nu_headers_set_id(h, NU_HDR_ENVOY_ORIGINAL_PATH, h->path);
    h->path = path;
}

void nu_route_request_headers(const struct nu_route_entry *e, const struct nu_weighted_cluster *w,
                              struct nu_http_headers *h, const struct nu_stream_info *info, bool keep_original)
{
    const struct nu_route_action *a = e->route.action;
    const struct nu_log_entry entry = {.info = info, .request = h};
    apply_levels(e, w, request_side, h, &entry);
    nu_str host = w != NULL && w->host_rewrite.len > 0 ? w->host_rewrite
                  : a->rewrites != NULL                ? new_host(a->rewrites, h)
                                                       : NU_STR_NONE;
    if (host.len > 0)
        nu_rewrite_authority(h, host, a->append_xfh, keep_original);
    nu_route_rewrite_path(e, h, keep_original);
}
