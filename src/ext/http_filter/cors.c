/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.http.cors: answers preflight requests and adds the response headers of the CORS protocol
 * (fetch.spec.whatwg.org, 3.2). The policy is the route-level conf; each of its fields comes from the most specific level
 * that gives it, but whether it is on at all is said by the most specific level alone. */
#include "codec/pb/pb.h"
#include "envoy/extensions/filters/http/cors/v3/cors.nu.h"
#include "ext/http_filter/cors_stats.h"
#include "http/filter.h"
#include "http/filter_scope.h"
#include "http/fraction.h"
#include "http/matchers.h"
#include "http/route.h"
#include "net/server.h"
#include "worker/worker.h"

struct cors_conf {
    struct nu_http_filter_conf base;
    struct nu_scope *scope;
};

enum said { NOT_SAID, SAID_NO, SAID_YES };

/* One level's policy. */
struct policy {
    struct nu_string_matcher *origins;
    size_t n_origins;
    nu_str allow_methods, allow_headers, expose_headers, max_age;
    uint8_t credentials, private_network, forward_preflights; /* enum said */
    struct nu_fraction enabled, shadow;
};

struct cors {
    struct nu_http_filter base;
    const struct cors_conf *conf;
    const void *policies[4]; /* least specific first */
    unsigned n;
    bool active;   /* the response gets headers, if the origin is allowed */
    bool answered; /* a preflight: the rest of the request has no reader */
    nu_str origin; /* an allowed one; ptr == NULL: none */
};

static struct cors *of(struct nu_http_filter *f)
{
    return nu_container_of(f, struct cors, base);
}

static void count(struct cors *c, unsigned index)
{
    nu_stat_inc(c->conf->scope, nu_http_stream_worker(c->base.stream)->index, index);
}

/* ---- the merged policy ---- */

static const struct policy *level(const struct cors *c, unsigned i)
{
    return c->policies[c->n - 1 - i];
}

#define FIRST_TEXT(c, field) first_text((c), offsetof(struct policy, field))

static nu_str first_text(const struct cors *c, size_t offset)
{
    for (unsigned i = 0; i < c->n; i++) {
        const nu_str *s = (const nu_str *)(const void *)((const char *)level(c, i) + offset);
        if (s->len > 0)
            return *s;
    }
    return NU_STR("");
}

#define FIRST_SAID(c, field, fallback) first_said((c), offsetof(struct policy, field), (fallback))

static bool first_said(const struct cors *c, size_t offset, bool fallback)
{
    for (unsigned i = 0; i < c->n; i++) {
        uint8_t said = *((const uint8_t *)level(c, i) + offset);
        if (said != NOT_SAID)
            return said == SAID_YES;
    }
    return fallback;
}

static bool matches_one(const struct policy *p, nu_str origin)
{
    for (size_t i = 0; i < p->n_origins; i++)
        if (nu_string_matcher_match(&p->origins[i], NU_STR("*")) || nu_string_matcher_match(&p->origins[i], origin))
            return true;
    return false;
}

static bool origin_allowed(const struct cors *c, nu_str origin)
{
    for (unsigned i = 0; i < c->n; i++)
        if (level(c, i)->n_origins > 0)
            return matches_one(level(c, i), origin);
    return false;
}

static bool hit(struct cors *c, const struct nu_fraction *f)
{
    return nu_fraction_hit(f, nu_http_stream_server(c->base.stream)->runtime,
                           nu_random_u64(&nu_http_stream_worker(c->base.stream)->random));
}

/* ---- requests ---- */

static nu_str or_requested(nu_str configured, const struct nu_http_headers *request, enum nu_hdr requested)
{
    if (!nu_str_eq(configured, NU_STR("*")))
        return configured;
    nu_str r = nu_headers_get_id(request, requested);
    return r.ptr != NULL ? r : NU_STR("");
}

static void answer_preflight(struct cors *c, const struct nu_http_headers *request)
{
    struct nu_http_stream *s = c->base.stream;
    struct nu_http_headers *h = nu_headers_new(nu_http_stream_arena(s), true);
    nu_str methods = FIRST_TEXT(c, allow_methods), headers = FIRST_TEXT(c, allow_headers);
    nu_str max_age = FIRST_TEXT(c, max_age);
    h->status = 200;
    if (c->origin.ptr != NULL)
        nu_headers_set_id(h, NU_HDR_ACCESS_CONTROL_ALLOW_ORIGIN, c->origin);
    if (FIRST_SAID(c, credentials, false))
        nu_headers_set_id(h, NU_HDR_ACCESS_CONTROL_ALLOW_CREDENTIALS, NU_STR("true"));
    if (methods.len > 0)
        nu_headers_set_id(h, NU_HDR_ACCESS_CONTROL_ALLOW_METHODS,
                          or_requested(methods, request, NU_HDR_ACCESS_CONTROL_REQUEST_METHOD));
    if (headers.len > 0)
        nu_headers_set_id(h, NU_HDR_ACCESS_CONTROL_ALLOW_HEADERS,
                          or_requested(headers, request, NU_HDR_ACCESS_CONTROL_REQUEST_HEADERS));
    if (max_age.len > 0)
        nu_headers_set_id(h, NU_HDR_ACCESS_CONTROL_MAX_AGE, max_age);
    if (FIRST_SAID(c, private_network, false) &&
        nu_str_eq(nu_headers_get_id(request, NU_HDR_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK), NU_STR("true")))
        nu_headers_set_id(h, NU_HDR_ACCESS_CONTROL_ALLOW_PRIVATE_NETWORK, NU_STR("true"));
    nu_http_stream_respond_headers(s, h, true, NU_STR("cors_response"));
}

static bool is_preflight(const struct nu_http_headers *h)
{
    return nu_str_eq(h->method, NU_STR("OPTIONS")) &&
           nu_headers_get_id(h, NU_HDR_ACCESS_CONTROL_REQUEST_METHOD).len > 0;
}

static enum nu_headers_status decode_headers(struct nu_http_filter *f, struct nu_http_headers *h, bool end)
{
    struct cors *c = of(f);
    (void)end;
    if (!nu_route_match_forwards(nu_http_stream_route_match(f->stream)))
        return NU_HEADERS_CONTINUE;
    c->n = nu_http_filter_route_confs(f, c->policies);
    bool enabled = c->n > 0 && hit(c, &level(c, 0)->enabled);
    if (c->n == 0 || (!enabled && !hit(c, &level(c, 0)->shadow)))
        return NU_HEADERS_CONTINUE;
    nu_str origin = nu_headers_get_id(h, NU_HDR_ORIGIN);
    if (origin.len == 0)
        return NU_HEADERS_CONTINUE;
    bool allowed = origin_allowed(c, origin);
    count(c, allowed ? NU_CORS_origin_valid : NU_CORS_origin_invalid);
    if (allowed)
        c->origin = origin;
    if (!enabled)
        return NU_HEADERS_CONTINUE;
    c->active = true;
    if (!is_preflight(h) || (!allowed && FIRST_SAID(c, forward_preflights, true)))
        return NU_HEADERS_CONTINUE;
    c->answered = true;
    answer_preflight(c, h);
    return NU_HEADERS_STOP;
}

static enum nu_data_status decode_data(struct nu_http_filter *f, struct nu_buf *data, bool end)
{
    (void)end;
    if (!of(f)->answered)
        return NU_DATA_CONTINUE;
    nu_buf_clear(data, &nu_http_stream_worker(f->stream)->bufs);
    return NU_DATA_STOP_NO_BUFFER;
}

static enum nu_trailers_status decode_trailers(struct nu_http_filter *f, struct nu_http_headers *t)
{
    (void)t;
    return of(f)->answered ? NU_TRAILERS_STOP : NU_TRAILERS_CONTINUE;
}

/* ---- responses ---- */

static enum nu_headers_status encode_headers(struct nu_http_filter *f, struct nu_http_headers *h, bool end)
{
    struct cors *c = of(f);
    (void)end;
    if (!c->active || c->origin.ptr == NULL)
        return NU_HEADERS_CONTINUE;
    nu_str expose = FIRST_TEXT(c, expose_headers);
    nu_headers_set_id(h, NU_HDR_ACCESS_CONTROL_ALLOW_ORIGIN, c->origin);
    if (FIRST_SAID(c, credentials, false))
        nu_headers_set_id(h, NU_HDR_ACCESS_CONTROL_ALLOW_CREDENTIALS, NU_STR("true"));
    if (expose.len > 0)
        nu_headers_set_id(h, NU_HDR_ACCESS_CONTROL_EXPOSE_HEADERS, expose);
    return NU_HEADERS_CONTINUE;
}

static const struct nu_http_filter_ops filter_ops = {
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
    .encode_headers = encode_headers,
};

static void attach(const struct nu_http_filter_conf *conf, struct nu_http_stream *s)
{
    struct cors *c = nu_arena_new(nu_http_stream_arena(s), struct cors);
    c->base.ops = &filter_ops;
    c->conf = (const struct cors_conf *)(const void *)conf;
    nu_http_stream_add_filter(s, &c->base);
}

/* ---- configuration ---- */

static const struct nu_http_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg, nu_str stat_prefix)
{
    struct cors_conf *c = nu_arena_new(f->arena, struct cors_conf);
    (void)msg;
    c->base.attach = attach;
    c->scope = nu_http_filter_scope(f, &nu_cors_layout, stat_prefix, "cors");
    return &c->base;
}

static uint8_t said(const bool *b)
{
    if (b == NULL)
        return NOT_SAID;
    return *b ? SAID_YES : SAID_NO;
}

static const void *create_route(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const struct envoy_extensions_filters_http_cors_v3_CorsPolicy *m =
        NU_PB_AS(msg, envoy_extensions_filters_http_cors_v3_CorsPolicy);
    bool ok = m != NULL;
    if (!ok)
        return NULL;
    struct policy *p = nu_arena_new(f->arena, struct policy);
    p->n_origins = m->n_allow_origin_string_match;
    p->origins = nu_arena_array(f->arena, struct nu_string_matcher, p->n_origins);
    for (size_t i = 0; i < p->n_origins; i++)
        ok = nu_string_matcher_build(f, m->allow_origin_string_match[i], &p->origins[i]) && ok;
    p->allow_methods = nu_arena_str(f->arena, m->allow_methods);
    p->allow_headers = nu_arena_str(f->arena, m->allow_headers);
    p->expose_headers = nu_arena_str(f->arena, m->expose_headers);
    p->max_age = nu_arena_str(f->arena, m->max_age);
    p->credentials = said(m->allow_credentials);
    p->private_network = said(m->allow_private_network_access);
    p->forward_preflights = said(m->forward_not_matching_preflights);
    p->enabled = nu_fraction_build(f->arena, m->filter_enabled, 100);
    p->shadow = nu_fraction_build(f->arena, m->shadow_enabled, 0);
    return ok ? p : NULL;
}

static const struct nu_http_filter_factory factory = {.create = create, .create_route = create_route};

const struct nu_extension nu_ext_http_filter_cors = {
    .category = "envoy.filters.http",
    .name = "envoy.filters.http.cors",
    .config_type = &envoy_extensions_filters_http_cors_v3_Cors_type,
    .route_config_type = &envoy_extensions_filters_http_cors_v3_CorsPolicy_type,
    .ops = &factory,
};
