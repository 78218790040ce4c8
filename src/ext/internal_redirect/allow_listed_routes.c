/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.internal_redirect_predicates.allow_listed_routes: only the named routes are redirected to. */
#include "codec/pb/pb.h"
#include "envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config.nu.h"
#include "net/extension.h"
#include "router/internal_redirect.h"

struct allow_list {
    struct nu_redirect_predicate base;
    nu_str *names;
    size_t n;
};

static bool accept_redirect(const struct nu_redirect_predicate *p, struct nu_stream_info *info, const struct nu_route *current,
                   const struct nu_route *target, bool downstream_https, bool target_https)
{
    const struct allow_list *list = (const struct allow_list *)(const void *)p;
    (void)info;
    (void)current;
    (void)downstream_https;
    (void)target_https;
    for (size_t i = 0; i < list->n; i++)
        if (nu_str_eq(list->names[i], target->name))
            return true;
    return false;
}

static const struct nu_redirect_predicate *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const struct envoy_extensions_internal_redirect_allow_listed_routes_v3_AllowListedRoutesConfig *m =
        NU_PB_AS(msg, envoy_extensions_internal_redirect_allow_listed_routes_v3_AllowListedRoutesConfig);
    struct allow_list *list = nu_arena_new(f->arena, struct allow_list);
    list->base.accept = accept_redirect;
    list->n = m->n_allowed_route_names;
    list->names = nu_arena_array(f->arena, nu_str, list->n);
    for (size_t i = 0; i < list->n; i++)
        list->names[i] = nu_arena_str(f->arena, m->allowed_route_names[i]);
    return &list->base;
}

static const struct nu_redirect_predicate_factory factory = {.create = create};

const struct nu_extension nu_ext_internal_redirect_allow_listed_routes = {
    .category = "envoy.internal_redirect_predicates",
    .name = "envoy.internal_redirect_predicates.allow_listed_routes",
    .config_type = &envoy_extensions_internal_redirect_allow_listed_routes_v3_AllowListedRoutesConfig_type,
    .ops = &factory,
};
