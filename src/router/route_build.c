/* SPDX-License-Identifier: Apache-2.0
 *
 * One route from its message: conditions, redirect and direct response. RouteAction is in action_build.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/pb/pb.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/config/core/v3/extension.nu.h"
#include "envoy/config/route/v3/route_components.nu.h"
#include "router/build.h"
#include "router/path_template.h"
#include "router/redirect.h"

static const struct nu_path_template *build_template(struct nu_factory *f, const struct nu_pb_msg *owner,
                                                     const struct envoy_config_core_v3_TypedExtensionConfig *m)
{
    (void)owner;
    const struct nu_extension *ext = nu_extension_resolve(f, "envoy.path.match", m, "typed_config", m->typed_config);
    const struct nu_path_template_factory *factory = ext != NULL ? ext->ops : NULL;
    const struct nu_path_template *made = factory != NULL ? factory->create(f, m->typed_config->msg) : NULL;
    return nu_extension_made(f, ext, m, made) ? made : NULL;
}

static bool build_path(struct nu_route_builder *b, const struct envoy_config_route_v3_RouteMatch *m,
                       struct nu_route_cond *c)
{
    struct nu_arena *a = b->f.arena;
    switch ((enum envoy_config_route_v3_RouteMatch_case)m->path_specifier_case) {
    case envoy_config_route_v3_RouteMatch_prefix_case:
        c->kind = NU_PATH_PREFIX;
        c->path = nu_arena_str(a, m->prefix);
        return true;
    case envoy_config_route_v3_RouteMatch_path_case:
        c->kind = NU_PATH_EXACT;
        c->path = nu_arena_str(a, m->path);
        return true;
    case envoy_config_route_v3_RouteMatch_path_separated_prefix_case:
        c->kind = NU_PATH_SEGMENTS;
        c->path = nu_arena_str(a, m->path_separated_prefix);
        return true;
    case envoy_config_route_v3_RouteMatch_safe_regex_case:
        c->kind = NU_PATH_REGEX;
        c->regex = nu_regex_matcher_build(&b->f, m->safe_regex);
        return c->regex != NULL;
    case envoy_config_route_v3_RouteMatch_connect_matcher_case:
        c->kind = NU_PATH_CONNECT;
        return true;
    case envoy_config_route_v3_RouteMatch_path_match_policy_case:
        c->kind = NU_PATH_TEMPLATE;
        c->template = build_template(&b->f, &m->pb, m->path_match_policy);
        return c->template != NULL;
    }
    nu_pb_error(b->f.diags, m, NULL, "one of prefix, path, safe_regex, ... is required");
    return false;
}

static bool build_cookies(struct nu_factory *f, const struct envoy_config_route_v3_RouteMatch *m,
                          struct nu_route_cond *c)
{
    bool ok = true;
    c->n_cookies = m->n_cookies;
    c->cookies = nu_arena_array(f->arena, struct nu_cookie_matcher, c->n_cookies);
    for (size_t i = 0; i < c->n_cookies; i++) {
        c->cookies[i].name = nu_arena_str(f->arena, m->cookies[i]->name);
        c->cookies[i].invert = m->cookies[i]->invert_match;
        ok = m->cookies[i]->string_match != NULL &&
             nu_string_matcher_build(f, m->cookies[i]->string_match, &c->cookies[i].value) && ok;
    }
    return ok;
}

/* TlsContextMatchOptions: unset, true, false. */
static int8_t wanted(const bool *b)
{
    return b == NULL ? 0 : *b ? 1 : -1;
}

static bool build_cond(struct nu_route_builder *b, const struct envoy_config_route_v3_RouteMatch *m,
                       struct nu_route_cond *c)
{
    c->ignore_case = m->case_sensitive != NULL && !*m->case_sensitive;
    c->grpc = m->grpc != NULL;
    if (m->tls_context != NULL) {
        c->tls_presented = wanted(m->tls_context->presented);
        c->tls_validated = wanted(m->tls_context->validated);
    }
    if (m->runtime_fraction != NULL) {
        c->has_fraction = true;
        c->fraction = nu_fraction_build(b->f.arena, m->runtime_fraction, 0);
    }
    bool ok = build_path(b, m, c);
    ok = nu_header_matchers_build(&b->f, m->headers, m->n_headers, &c->headers) && ok;
    c->n_queries = m->n_query_parameters;
    c->queries = nu_arena_array(b->f.arena, struct nu_query_matcher, c->n_queries);
    for (size_t i = 0; i < c->n_queries; i++)
        ok = nu_query_matcher_build(&b->f, m->query_parameters[i], &c->queries[i]) && ok;
    return build_cookies(&b->f, m, c) && ok;
}

static bool build_redirect(struct nu_factory *f, const struct envoy_config_route_v3_RedirectAction *m,
                           struct nu_direct_action *d)
{
    static const uint16_t codes[] = {301, 302, 303, 307, 308};
    struct nu_redirect *r = nu_arena_new(f->arena, struct nu_redirect);
    if (m->https_redirect)
        r->scheme = NU_STR("https");
    else
        r->scheme = nu_arena_str(f->arena, m->scheme_redirect);
    r->host = nu_arena_str(f->arena, m->host_redirect);
    if (m->port_redirect != 0)
        r->port = nu_arena_printf(f->arena, ":%u", m->port_redirect);
    r->path = nu_arena_str(f->arena, m->path_redirect);
    r->path_has_query = nu_str_find(r->path, '?') >= 0;
    r->prefix_rewrite = nu_arena_str(f->arena, m->prefix_rewrite);
    r->strip_query = m->strip_query;
    d->redirect = r;
    d->code = codes[(size_t)m->response_code < NU_ARRAY_LEN(codes) ? m->response_code : 0];
    return nu_build_regex_rewrite(f, m->regex_rewrite, &r->regex);
}

static bool read_body_file(struct nu_route_builder *b, const struct envoy_config_core_v3_DataSource *m, nu_str *out)
{
    char *name = nu_arena_cstr(b->f.arena, m->filename);
    FILE *file = fopen(name, "rbe");
    if (file == NULL) {
        nu_pb_error(b->f.diags, m, "filename", "cannot read %s: %s", name, strerror(errno));
        return false;
    }
    size_t max = (size_t)b->t->max_direct_body + 1;
    char *bytes = nu_arena_alloc(b->f.arena, max);
    size_t n = fread(bytes, 1, max, file);
    bool failed = ferror(file) != 0;
    (void)fclose(file);
    if (failed)
        nu_pb_error(b->f.diags, m, "filename", "cannot read %s", name);
    *out = nu_str_make(bytes, n);
    return !failed;
}

static bool build_body(struct nu_route_builder *b, const struct envoy_config_core_v3_DataSource *m, nu_str *out)
{
    switch ((enum envoy_config_core_v3_DataSource_case)m->specifier_case) {
    case envoy_config_core_v3_DataSource_filename_case:
        if (!read_body_file(b, m, out))
            return false;
        break;
    case envoy_config_core_v3_DataSource_inline_bytes_case:
        *out = nu_arena_str(b->f.arena, m->inline_bytes);
        break;
    case envoy_config_core_v3_DataSource_inline_string_case:
        *out = nu_arena_str(b->f.arena, m->inline_string);
        break;
    case envoy_config_core_v3_DataSource_environment_variable_case: {
        const char *value = getenv(nu_arena_cstr(b->f.arena, m->environment_variable));
        if (value == NULL) {
            nu_pb_error(b->f.diags, m, "environment_variable", "the environment variable %.*s is not set",
                        NU_STR_ARG(m->environment_variable));
            return false;
        }
        *out = nu_arena_str(b->f.arena, nu_str_from(value));
        break;
    }
    }
    if (out->len <= b->t->max_direct_body)
        return true;
    nu_pb_error(b->f.diags, m, NULL, "response body is larger than %u bytes", b->t->max_direct_body);
    return false;
}

static bool build_direct(struct nu_route_builder *b, const struct envoy_config_route_v3_DirectResponseAction *m,
                         struct nu_direct_action *d)
{
    d->code = (uint16_t)m->status;
    return m->body == NULL || build_body(b, m->body, &d->body);
}

static bool build_action(struct nu_route_builder *b, const struct envoy_config_route_v3_Route *msg,
                         const struct nu_virtual_host_more *v, struct nu_route_entry *e)
{
    if (msg->route != NULL)
        return nu_route_action_build(b, msg->route, v, e);
    e->direct = nu_arena_new(b->f.arena, struct nu_direct_action);
    if (msg->redirect != NULL)
        return build_redirect(&b->f, msg->redirect, e->direct);
    if (msg->direct_response != NULL)
        return build_direct(b, msg->direct_response, e->direct);
    nu_pb_error(b->f.diags, msg, NULL, "one of route, redirect, direct_response is required");
    return false;
}

static int64_t route_body_limit(const struct envoy_config_route_v3_Route *msg, const struct nu_virtual_host_more *v)
{
    if (msg->request_body_buffer_limit != NULL)
        return (int64_t)nu_min(*msg->request_body_buffer_limit, (uint64_t)INT64_MAX);
    return msg->per_request_buffer_limit_bytes != NULL ? -1 : v->body_limit;
}

bool nu_route_entry_build(struct nu_route_builder *b, const struct envoy_config_route_v3_Route *msg,
                          const struct nu_virtual_host_more *v, struct nu_route_entry *e)
{
    struct nu_route *r = &e->route;
    r->name = nu_arena_str(b->f.arena, msg->name);
    r->vhost = &v->vhost;
    r->table = b->t;
    r->idle_timeout = r->max_stream_duration = NU_MS(-1);
    r->grpc_timeout_max = r->grpc_timeout_offset = NU_MS(-1);
    r->request_body_buffer_limit = route_body_limit(msg, v);
    e->legacy_body_limit = msg->per_request_buffer_limit_bytes != NULL ? (int64_t)*msg->per_request_buffer_limit_bytes
                                                                       : v->legacy_body_limit;
    if (msg->stat_prefix.len > 0)
        e->scope = nu_build_scope(b, v->vhost.name, "route", "envoy.route", msg->stat_prefix);
    bool ok = msg->match != NULL && build_cond(b, msg->match, &e->cond);
    ok = nu_build_level_headers(&b->f, msg, &e->headers) && ok;
    ok = nu_build_filter_confs_of(b, msg, msg->route != NULL ? msg->route->cors : NULL, &r->filter_confs) && ok;
    return build_action(b, msg, v, e) && ok;
}
