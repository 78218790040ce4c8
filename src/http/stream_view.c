/* SPDX-License-Identifier: Apache-2.0
 *
 * What filters ask of a stream: its parts, its route, their own route-level configuration. */
#include "http/stream_priv.h"

struct nu_arena *nu_http_stream_arena(struct nu_http_stream *s)
{
    return &s->arena;
}

struct nu_worker *nu_http_stream_worker(struct nu_http_stream *s)
{
    return s->info.worker;
}

struct nu_stream_info *nu_http_stream_info(struct nu_http_stream *s)
{
    return &s->info;
}

struct nu_conn *nu_http_stream_conn(struct nu_http_stream *s)
{
    return s->hc->filter.conn;
}

struct nu_server *nu_http_stream_server(struct nu_http_stream *s)
{
    return s->conf->server;
}

struct nu_http_headers *nu_http_stream_request(struct nu_http_stream *s)
{
    return s->dir[DIR_DECODE].headers;
}

struct nu_http_headers *nu_http_stream_response(struct nu_http_stream *s)
{
    return s->dir[DIR_ENCODE].headers;
}

struct nu_http_headers *nu_http_stream_request_trailers(struct nu_http_stream *s)
{
    return s->dir[DIR_DECODE].trailers;
}

bool nu_http_stream_responded(const struct nu_http_stream *s)
{
    return s->response_state != RESPONSE_NONE;
}

bool nu_http_stream_is_upgrade(const struct nu_http_stream *s)
{
    return s->is_upgrade;
}

uint64_t nu_http_stream_buffer_limit(const struct nu_http_stream *s)
{
    return s->buffer_limit;
}

void nu_http_stream_set_buffer_limit(struct nu_http_stream *s, uint64_t bytes)
{
    s->buffer_limit = bytes;
}

struct nu_scope *nu_http_stream_scope(const struct nu_http_stream *s)
{
    return s->conf->scope;
}

bool nu_http_stream_is_internal(const struct nu_http_stream *s)
{
    return s->internal_request;
}

bool nu_http_stream_request_complete(const struct nu_http_stream *s)
{
    return s->remote_done;
}

uint64_t nu_http_stream_random(const struct nu_http_stream *s)
{
    return s->random;
}

const struct nu_route_match *nu_http_stream_route_match(struct nu_http_stream *s)
{
    nu_http_stream_route(s);
    return &s->route;
}

/* ---- the route ---- */

const struct nu_route *nu_http_stream_route(struct nu_http_stream *s)
{
    if (s->route_cached)
        return s->route.route;
    s->route_cached = true;
    s->route = (struct nu_route_match){0};
    if (s->table != NULL && s->dir[DIR_DECODE].headers != NULL)
        nu_route_lookup(s->table, s->dir[DIR_DECODE].headers, &s->info, s->conf->server->runtime, s->random, &s->route);
    const struct nu_route *r = s->route.route;
    s->info.route = r;
    s->info.route_name = r != NULL ? r->name : NU_STR_NONE;
    s->info.virtual_host_name = s->route.vhost != NULL ? s->route.vhost->name : NU_STR_NONE;
    if (r == NULL)
        return NULL;
    if (r->idle_timeout.v >= 0)
        nu_http_stream_set_idle_timeout(s, r->idle_timeout);
    if (r->request_body_buffer_limit >= 0)
        s->buffer_limit = (uint64_t)r->request_body_buffer_limit;
    return r;
}

void nu_http_stream_clear_route_cache(struct nu_http_stream *s)
{
    s->route_cached = false;
}

static const struct nu_filter_conf_entry *conf_in(const struct nu_filter_confs *confs, nu_str name)
{
    for (unsigned i = 0; confs != NULL && i < confs->n; i++)
        if (nu_str_eq(confs->items[i].name, name) && confs->items[i].conf != NULL)
            return &confs->items[i];
    return NULL;
}

unsigned nu_http_filter_route_confs(const struct nu_http_filter *f, const void *out[4])
{
    struct nu_http_stream *s = f->stream;
    unsigned n = 0;
    bool legacy = true;
    nu_http_stream_route(s);
    const struct nu_filter_confs *levels[] = {
        s->table != NULL && s->route.vhost != NULL ? nu_route_table_filter_confs(s->table) : NULL,
        s->route.vhost != NULL ? &s->route.vhost->filter_confs : NULL,
        s->route.route != NULL ? &s->route.route->filter_confs : NULL,
        s->route.weighted != NULL ? nu_weighted_cluster_filter_confs(s->route.weighted) : NULL,
    };
    for (unsigned i = 0; i < NU_ARRAY_LEN(levels); i++) {
        const struct nu_filter_conf_entry *e = conf_in(levels[i], f->entry->name);
        if (e == NULL || (e->legacy && !legacy))
            continue;
        if (!e->legacy && legacy) /* the first of the new kind ends what old fields say */
            n = 0;
        legacy = e->legacy;
        out[n++] = e->conf;
    }
    return n;
}

const void *nu_http_filter_route_conf(const struct nu_http_filter *f)
{
    const void *all[4];
    unsigned n = nu_http_filter_route_confs(f, all);
    return n > 0 ? all[n - 1] : NULL;
}
