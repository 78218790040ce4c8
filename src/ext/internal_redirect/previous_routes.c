/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.internal_redirect_predicates.previous_routes: from one route, each other route is redirected to once. The routes
 * seen so far are a list in the stream's arena, found through its filter state. */
#include "envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config.nu.h"
#include "net/extension.h"
#include "router/internal_redirect.h"

#define STATE_NAME "envoy.internal_redirect.previous_routes_predicate_state"

struct seen {
    struct seen *next;
    nu_str from, to;
};

static bool accept_redirect(const struct nu_redirect_predicate *p, struct nu_stream_info *info, const struct nu_route *current,
                   const struct nu_route *target, bool downstream_https, bool target_https)
{
    (void)p;
    (void)downstream_https;
    (void)target_https;
    const struct nu_filter_state *state = nu_filter_state_get(info, NU_STR(STATE_NAME));
    struct seen *first = state != NULL ? state->object : NULL;
    for (const struct seen *s = first; s != NULL; s = s->next)
        if (nu_str_eq(s->from, current->name) && nu_str_eq(s->to, target->name))
            return false;
    struct seen *made = nu_arena_new(info->arena, struct seen);
    *made = (struct seen){.next = first, .from = current->name, .to = target->name};
    nu_filter_state_set(info, NU_STR(STATE_NAME), NU_STR(""), made, NU_LIFE_REQUEST);
    return true;
}

static const struct nu_redirect_predicate previous_routes = {.accept = accept_redirect};

static const struct nu_redirect_predicate *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    (void)f;
    (void)msg;
    return &previous_routes;
}

static const struct nu_redirect_predicate_factory factory = {.create = create};

const struct nu_extension nu_ext_internal_redirect_previous_routes = {
    .category = "envoy.internal_redirect_predicates",
    .name = "envoy.internal_redirect_predicates.previous_routes",
    .config_type = &envoy_extensions_internal_redirect_previous_routes_v3_PreviousRoutesConfig_type,
    .ops = &factory,
};
