/* SPDX-License-Identifier: Apache-2.0
 *
 * Follows a redirect of the upstream: the request gets the location's URL and runs again from the first filter. What cannot
 * be followed passes on to the client, and is counted. */
#include <stdio.h>

#include "router/router_stats.h"
#include "net/conn.h"
#include "router/internal_redirect.h"
#include "router/router_priv.h"
#include "upstream/cluster_stats.h"
#include "worker/worker.h"

#define COUNT_STATE "envoy.internal_redirect.num_internal_redirects"

struct location {
    nu_str scheme, host, path;
};

/* An absolute http or https URL; the fragment is dropped. */
static bool parse_location(nu_str url, struct location *out)
{
    if (nu_str_starts_nocase(url, NU_STR("http://")))
        out->scheme = NU_STR("http");
    else if (nu_str_starts_nocase(url, NU_STR("https://")))
        out->scheme = NU_STR("https");
    else
        return false;
    nu_str rest = nu_str_skip(url, out->scheme.len + 3);
    size_t i = 0;
    while (i < rest.len && rest.ptr[i] != '/' && rest.ptr[i] != '?' && rest.ptr[i] != '#')
        i++;
    out->host = nu_str_first(rest, i);
    out->path = nu_str_skip(rest, i);
    ssize_t fragment = nu_str_find(out->path, '#');
    if (fragment >= 0)
        out->path = nu_str_first(out->path, (size_t)fragment);
    return out->host.len > 0 && nu_str_find(out->host, ' ') < 0;
}

static uint64_t redirects_so_far(const struct router *r)
{
    uint64_t n = 0;
    const struct nu_filter_state *s = nu_filter_state_get(r->info, NU_STR(COUNT_STATE));
    return s != NULL && nu_str_to_u64(s->text, &n) ? n : 0;
}

static void copy_headers(struct router *r, const struct nu_http_headers *response)
{
    const struct nu_internal_redirect *p = r->action->internal_redirect;
    struct nu_arena *a = r->request->arena;
    for (size_t i = 0; i < p->n_copy_headers; i++) {
        (void)nu_headers_remove(r->request, p->copy_headers[i]);
        nu_headers_foreach(it, response)
            if (nu_str_eq(it->name, p->copy_headers[i]))
                nu_headers_add(r->request, p->copy_headers[i], nu_arena_str(a, it->value));
    }
}

static bool scheme_is_http(const struct router *r)
{
    return !nu_str_eq(r->request->scheme, NU_STR("https"));
}

/* Checks that need no change of the request. */
static bool may_follow(struct router *r, nu_str url, struct location *to)
{
    const struct nu_internal_redirect *p = r->action->internal_redirect;
    if (r->request->path.ptr == NULL)
        return false;
    if (!parse_location(url, to)) {
        router_count(r, NU_ROUTER_STAT_passthrough_internal_redirect_bad_location);
        return false;
    }
    if (!p->cross_scheme && scheme_is_http(r) != nu_str_eq(to->scheme, NU_STR("http"))) {
        router_count(r, NU_ROUTER_STAT_passthrough_internal_redirect_unsafe_scheme);
        return false;
    }
    if (redirects_so_far(r) >= p->max) {
        router_count(r, NU_ROUTER_STAT_passthrough_internal_redirect_too_many_redirects);
        return false;
    }
    return true;
}

/* Whether the new URL has a route that the predicates like. The route cache was cleared. */
static bool target_is_fine(struct router *r, bool was_http, const struct location *to)
{
    const struct nu_internal_redirect *p = r->action->internal_redirect;
    const struct nu_route *current = &r->entry->route, *target = nu_http_stream_route(r->base.stream);
    if (target == NULL) {
        router_count(r, NU_ROUTER_STAT_passthrough_internal_redirect_no_route);
        return false;
    }
    for (size_t i = 0; i < p->n_predicates; i++) {
        if (p->predicates[i]->accept(p->predicates[i], r->info, current, target, !was_http,
                                     nu_str_eq(to->scheme, NU_STR("https"))))
            continue;
        router_count(r, NU_ROUTER_STAT_passthrough_internal_redirect_predicate);
        return false;
    }
    return true;
}

/* RFC 9110 s15.4.4: a 303 is fetched with GET. */
static void see_other(struct router *r, unsigned status)
{
    struct nu_http_headers *h = r->request;
    if (status != 303 || nu_str_eq(h->method, NU_STR("GET")) || nu_str_eq(h->method, NU_STR("HEAD")))
        return;
    h->method = NU_STR("GET");
    (void)nu_headers_remove_id(h, NU_HDR_CONTENT_LENGTH);
    nu_buf_clear(&r->saved, &r->worker->bufs);
}

static void set_original_url(struct router *r, const struct nu_http_headers *before, bool was_http)
{
    const nu_str parts[] = {was_http ? NU_STR("http") : NU_STR("https"), NU_STR("://"), before->authority, before->path};
    nu_headers_set(r->request, NU_STR("x-envoy-original-url"),
                   nu_arena_concat(r->request->arena, parts, NU_ARRAY_LEN(parts)));
}

/* Changes the request; false: it is as it was. */
static bool convert(struct router *r, const struct nu_http_headers *response, const struct location *to)
{
    struct nu_http_headers before = *nu_headers_copy(r->request, r->request->arena);
    bool was_http = scheme_is_http(r);
    copy_headers(r, response);
    r->request->scheme = to->scheme;
    r->request->authority = nu_arena_str(r->request->arena, to->host);
    r->request->path = to->path.len > 0 && to->path.ptr[0] == '/'
                           ? nu_arena_str(r->request->arena, to->path)
                           : nu_arena_printf(r->request->arena, "/%.*s", NU_STR_ARG(to->path));
    nu_http_stream_clear_route_cache(r->base.stream);
    if (!target_is_fine(r, was_http, to)) {
        *r->request = before;
        nu_http_stream_clear_route_cache(r->base.stream);
        (void)nu_http_stream_route(r->base.stream);
        return false;
    }
    see_other(r, response->status);
    set_original_url(r, &before, was_http);
    nu_str count = nu_arena_printf(r->info->arena, "%llu", (unsigned long long)redirects_so_far(r) + 1);
    nu_filter_state_set(r->info, NU_STR(COUNT_STATE), count, NULL, NU_LIFE_REQUEST);
    return true;
}

static bool follow(struct router *r, const struct nu_http_headers *h)
{
    struct location to;
    nu_str url = nu_headers_get_id(h, NU_HDR_LOCATION);
    if (!r->request_complete || r->overflowed || url.ptr == NULL)
        return false;
    if (!may_follow(r, url, &to) || !convert(r, h, &to))
        return false;
    struct nu_buf body = {0};
    nu_buf_share(&body, &r->saved, &r->worker->bufs);
    router_count_cluster(r, NU_CLUSTER_upstream_internal_redirect_succeeded_total);
    r->info->response_code = h->status;
    r->info->response_code_details = NU_STR("internal_redirect");
    bool ok = nu_http_stream_recreate(r->base.stream, &body);
    nu_buf_clear(&body, &r->worker->bufs);
    NU_ASSERT(ok); /* the request is complete and nothing was sent */
    return true;
}

bool router_follow_redirect(struct router *r, const struct nu_http_headers *h)
{
    unsigned code = h->status;
    if (code < 300 || code > 308 || (r->action->internal_redirect->codes & (1u << (code - 300))) == 0)
        return false;
    if (follow(r, h))
        return true;
    router_count_cluster(r, NU_CLUSTER_upstream_internal_redirect_failed_total);
    return false;
}
