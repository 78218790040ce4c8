/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.http.csrf: a request that changes something (POST, PUT, DELETE, PATCH) must come from its own host, as
 * its Origin or Referer says, or from an additional origin. */
#include "codec/h1/target.h"
#include "codec/pb/pb.h"
#include "envoy/extensions/filters/http/csrf/v3/csrf.nu.h"
#include "ext/http_filter/csrf_stats.h"
#include "http/filter.h"
#include "http/filter_scope.h"
#include "http/fraction.h"
#include "http/matchers.h"
#include "net/server.h"
#include "worker/worker.h"

struct policy {
    struct nu_fraction enabled, shadow;
    struct nu_string_matcher *origins; /* additional ones */
    size_t n_origins;
};

struct csrf_conf {
    struct nu_http_filter_conf base;
    struct nu_scope *scope;
    struct policy policy;
};

struct csrf {
    struct nu_http_filter base;
    const struct csrf_conf *conf;
};

static struct csrf *of(struct nu_http_filter *f)
{
    return nu_container_of(f, struct csrf, base);
}

/* ---- origins ---- */

static bool is_port(nu_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

static bool is_host_port(nu_str s)
{
    bool literal = nu_str_starts(s, NU_STR("["));
    ssize_t colon = nu_str_rfind(s, ':'), bracket = nu_str_rfind(s, ']');
    nu_str host = s;
    if (colon > bracket) {
        host = nu_str_first(s, (size_t)colon);
        if (!is_port(nu_str_skip(s, (size_t)colon + 1)))
            return false;
    }
    if (literal)
        return nu_str_ends(host, NU_STR("]"));
    for (size_t i = 0; i < host.len; i++)
        if (!nu_ascii_alnum(host.ptr[i]) && memchr("-._%", host.ptr[i], 4) == NULL)
            return false;
    return host.len > 0;
}

/* Host and port of an absolute URL; what is none is taken as it is. */
static nu_str host_and_port(nu_str value)
{
    ssize_t scheme = nu_str_search(value, NU_STR("://"));
    if (scheme < 0 || !nu_scheme_ok(nu_str_first(value, (size_t)scheme)))
        return value;
    nu_str rest = nu_str_skip(value, (size_t)scheme + 3);
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?')
        n++;
    rest = nu_str_first(rest, n);
    ssize_t user = nu_str_rfind(rest, '@');
    if (user >= 0)
        rest = nu_str_skip(rest, (size_t)user + 1);
    return is_host_port(rest) ? rest : value;
}

/* An opaque origin ("null") hides itself on purpose: the referer does not replace it. */
static nu_str source_origin(const struct nu_http_headers *h)
{
    nu_str origin = nu_headers_get_id(h, NU_HDR_ORIGIN);
    if (nu_str_eq(origin, NU_STR("null")))
        return NU_STR("");
    if (origin.len > 0)
        return host_and_port(origin);
    return host_and_port(nu_headers_get_id(h, NU_HDR_REFERER));
}

static bool is_valid(const struct policy *p, const struct nu_http_headers *h, nu_str source)
{
    if (nu_str_eq(source, host_and_port(h->authority)))
        return true;
    for (size_t i = 0; i < p->n_origins; i++)
        if (nu_string_matcher_match(&p->origins[i], source))
            return true;
    return false;
}

/* ---- the filter ---- */

static bool modifies(nu_str method)
{
    static const nu_str methods[] = {NU_STR_INIT("POST"), NU_STR_INIT("PUT"), NU_STR_INIT("DELETE"),
                                     NU_STR_INIT("PATCH")};
    for (size_t i = 0; i < NU_ARRAY_LEN(methods); i++)
        if (nu_str_eq(method, methods[i]))
            return true;
    return false;
}

static bool hit(struct csrf *c, const struct nu_fraction *f)
{
    return nu_fraction_hit(f, nu_http_stream_server(c->base.stream)->runtime,
                           nu_random_u64(&nu_http_stream_worker(c->base.stream)->random));
}

static void count(struct csrf *c, unsigned index)
{
    nu_stat_inc(c->conf->scope, nu_http_stream_worker(c->base.stream)->index, index);
}

/* Counts, too. */
static bool judge(struct csrf *c, const struct policy *p, const struct nu_http_headers *h)
{
    nu_str source = source_origin(h);
    if (source.len == 0) {
        count(c, NU_CSRF_missing_source_origin);
        return false;
    }
    bool valid = is_valid(p, h, source);
    count(c, valid ? NU_CSRF_request_valid : NU_CSRF_request_invalid);
    return valid;
}

static enum nu_headers_status decode_headers(struct nu_http_filter *f, struct nu_http_headers *h, bool end)
{
    static const struct nu_local_reply refused = {
        .status = 403,
        .body = NU_STR_INIT("Invalid origin"),
        .details = NU_STR_INIT("csrf_origin_mismatch"),
        .grpc_status = -1,
    };
    struct csrf *c = of(f);
    (void)end;
    const struct policy *route = nu_http_filter_route_conf(f);
    const struct policy *p = route != NULL ? route : &c->conf->policy;
    bool enabled = hit(c, &p->enabled);
    if ((!enabled && !hit(c, &p->shadow)) || !modifies(h->method) || judge(c, p, h) || !enabled)
        return NU_HEADERS_CONTINUE;
    nu_http_stream_local_reply(f->stream, &refused);
    return NU_HEADERS_STOP;
}

static const struct nu_http_filter_ops filter_ops = {.decode_headers = decode_headers};

static void attach(const struct nu_http_filter_conf *conf, struct nu_http_stream *s)
{
    struct csrf *c = nu_arena_new(nu_http_stream_arena(s), struct csrf);
    c->base.ops = &filter_ops;
    c->conf = (const struct csrf_conf *)(const void *)conf;
    nu_http_stream_add_filter(s, &c->base);
}

/* ---- configuration ---- */

static bool build_policy(struct nu_factory *f, const struct nu_pb_msg *msg, struct policy *p)
{
    const struct envoy_extensions_filters_http_csrf_v3_CsrfPolicy *m =
        NU_PB_AS(msg, envoy_extensions_filters_http_csrf_v3_CsrfPolicy);
    bool ok = m != NULL;
    if (!ok)
        return false;
    p->enabled = nu_fraction_build(f->arena, m->filter_enabled, 0);
    p->shadow = nu_fraction_build(f->arena, m->shadow_enabled, 0);
    p->n_origins = m->n_additional_origins;
    p->origins = nu_arena_array(f->arena, struct nu_string_matcher, p->n_origins);
    for (size_t i = 0; i < p->n_origins; i++)
        ok = nu_string_matcher_build(f, m->additional_origins[i], &p->origins[i]) && ok;
    return ok;
}

static const struct nu_http_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg, nu_str stat_prefix)
{
    struct csrf_conf *c = nu_arena_new(f->arena, struct csrf_conf);
    c->base.attach = attach;
    c->scope = nu_http_filter_scope(f, &nu_csrf_layout, stat_prefix, "csrf");
    return build_policy(f, msg, &c->policy) ? &c->base : NULL;
}

static const void *create_route(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    struct policy *p = nu_arena_new(f->arena, struct policy);
    return build_policy(f, msg, p) ? p : NULL;
}

static const struct nu_http_filter_factory factory = {.create = create, .create_route = create_route};

const struct nu_extension nu_ext_http_filter_csrf = {
    .category = "envoy.filters.http",
    .name = "envoy.filters.http.csrf",
    .config_type = &envoy_extensions_filters_http_csrf_v3_CsrfPolicy_type,
    .route_config_type = &envoy_extensions_filters_http_csrf_v3_CsrfPolicy_type,
    .ops = &factory,
};
