/* SPDX-License-Identifier: Apache-2.0
 *
 * typed_per_filter_config of any level. The type picks the extension, the key the configured filter it is for; a
 * route.v3.FilterConfig wraps it to switch the filter on or off. */
#include <stdio.h>

#include "codec/pb/pb.h"
#include "envoy/config/route/v3/route_components.nu.h"
#include "envoy/extensions/filters/http/cors/v3/cors.nu.h"
#include "google/protobuf/any.nu.h"
#include "http/filter.h"
#include "router/build.h"

#define CATEGORY "envoy.filters.http"

/* The filter's own conf from its message. */
static bool build_own(struct nu_route_builder *b, const void *owner, const char *field,
                      const struct nu_filter_conf_source *src, const struct google_protobuf_Any *any,
                      struct nu_filter_conf_entry *out)
{
    (void)src;
    if (any->msg == NULL)
        return false; /* reported when it was decoded */
    nu_str type = nu_pb_name(any->msg->type->name);
    const struct nu_extension *ext = nu_extension_by_route_type(CATEGORY, type);
    const struct nu_http_filter_factory *factory = ext != NULL ? ext->ops : NULL;
    if (factory != NULL && factory->create_route != NULL) {
        out->conf = factory->create_route(&b->f, any->msg);
        return nu_extension_made(&b->f, ext, owner, out->conf);
    }
    if (nu_extension_by_type(CATEGORY, type) != NULL)
        nu_pb_error(b->f.diags, owner, field, "%.*s is not a route-level configuration", NU_STR_ARG(type));
    else
        nu_pb_unsupported(b->f.diags, owner, field, "%.*s is not supported yet", NU_STR_ARG(type));
    return false;
}

static bool build_wrapped(struct nu_route_builder *b, const void *owner, const char *field,
                          const struct nu_filter_conf_source *src, const struct envoy_config_route_v3_FilterConfig *m,
                          struct nu_filter_conf_entry *out)
{
    out->disabled = m->disabled ? 1 : 0;
    if (m->disabled)
        return true;
    if (m->config == NULL) {
        nu_pb_error(b->f.diags, owner, field, "empty route/virtual host per filter configuration for %.*s filter",
                    NU_STR_ARG(src->name));
        return false;
    }
    if (m->config->type_url.len == 0)
        return true; /* only: this filter is on */
    if (m->is_optional && nu_extension_by_route_type(CATEGORY, m->config->type_url) == NULL) {
        nu_pb_warn(b->f.diags, owner, field, "is optional and left out: there is no %.*s here",
                   NU_STR_ARG(m->config->type_url));
        return true;
    }
    return build_own(b, owner, field, src, m->config, out);
}

static bool build_one(struct nu_route_builder *b, const void *owner, const struct nu_filter_conf_source *src,
                      struct nu_filter_conf_entry *out)
{
    char field[128];
    (void)snprintf(field, sizeof field, "typed_per_filter_config[\"%.*s\"]", NU_STR_ARG(nu_str_first(src->name, 90)));
    out->name = nu_arena_str(b->f.arena, src->name);
    out->disabled = 0; /* a filter that has a conf is on */
    if (src->any == NULL || src->any->type_url.len == 0) {
        nu_pb_error(b->f.diags, owner, field, "has no type");
        return false;
    }
    const struct envoy_config_route_v3_FilterConfig *wrapped =
        NU_PB_AS(src->any->msg, envoy_config_route_v3_FilterConfig);
    if (wrapped != NULL)
        return build_wrapped(b, owner, field, src, wrapped, out);
    return build_own(b, owner, field, src, src->any, out);
}

/* ---- the old field cors ---- */

typedef struct envoy_extensions_filters_http_cors_v3_CorsPolicy cors_msg;

static const cors_msg *new_cors(struct nu_route_builder *b, const struct envoy_config_route_v3_CorsPolicy *old)
{
    cors_msg *m = NU_PB_NEW(b->f.arena, envoy_extensions_filters_http_cors_v3_CorsPolicy);
    m->pb.parent = old->pb.parent; /* mistakes are told where the old one stands */
    m->pb.tree = old->pb.tree;
    m->pb.parent_field = old->pb.parent_field;
    m->pb.parent_index = old->pb.parent_index;
    m->n_allow_origin_string_match = old->n_allow_origin_string_match;
    m->allow_origin_string_match = old->allow_origin_string_match;
    m->allow_methods = old->allow_methods;
    m->allow_headers = old->allow_headers;
    m->expose_headers = old->expose_headers;
    m->max_age = old->max_age;
    m->allow_credentials = old->allow_credentials;
    m->filter_enabled = old->filter_enabled;
    m->shadow_enabled = old->shadow_enabled;
    m->allow_private_network_access = old->allow_private_network_access;
    m->forward_not_matching_preflights = old->forward_not_matching_preflights;
    return m;
}

static bool has_conf(const struct nu_filter_confs *c, nu_str name)
{
    for (unsigned i = 0; i < c->n; i++)
        if (nu_str_eq(c->items[i].name, name))
            return true;
    return false;
}

/* The deprecated `cors` of routes and virtual hosts is the route-level conf of each configured cors filter that has none
 * here. Without such a filter it does nothing. */
static bool build_old_cors(struct nu_route_builder *b, const struct envoy_config_route_v3_CorsPolicy *old,
                           struct nu_filter_confs *out)
{
    const struct nu_extension *ext = nu_extension_by_route_type(
        CATEGORY, nu_pb_name(envoy_extensions_filters_http_cors_v3_CorsPolicy_type.name));
    const struct nu_http_filter_factory *factory = ext != NULL ? ext->ops : NULL;
    const void *conf = NULL;
    for (unsigned i = 0; factory != NULL && i < b->n_filters; i++) {
        if (b->filters[i].ext != ext || has_conf(out, b->filters[i].name))
            continue;
        if (conf == NULL)
            conf = factory->create_route(&b->f, &new_cors(b, old)->pb);
        if (conf == NULL)
            return false;
        out->items[out->n++] = (struct nu_filter_conf_entry){
            .name = nu_arena_str(b->f.arena, b->filters[i].name), .conf = conf, .disabled = -1, .legacy = true};
    }
    return true;
}

bool nu_build_filter_confs(struct nu_route_builder *b, const void *owner, const struct nu_filter_conf_source *sources,
                           size_t n, const struct envoy_config_route_v3_CorsPolicy *cors, struct nu_filter_confs *out)
{
    bool ok = true;
    out->items = nu_arena_array(b->f.arena, struct nu_filter_conf_entry, n + (cors != NULL ? b->n_filters : 0));
    for (size_t i = 0; i < n; i++)
        ok = build_one(b, owner, &sources[i], &out->items[out->n++]) && ok;
    if (cors != NULL)
        ok = build_old_cors(b, cors, out) && ok;
    return ok;
}
