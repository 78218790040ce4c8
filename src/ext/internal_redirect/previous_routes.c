/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.internal_redirect_predicates.previous_routes: from one route, each other route is redirected to once. The routes
 * seen so far are text in the stream's filter state, which a redirected request takes along. */
#include "envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config.nu.h"
#include "net/extension.h"
#include "router/internal_redirect.h"

#define STATE_NAME "envoy.internal_redirect.previous_routes_predicate_state"

/* A line per redirect seen: "from\tto\n". */
static bool was_seen(nu_str lines, nu_str line)
{
    while (lines.ptr != NULL && lines.len > 0)
        if (nu_str_eq(nu_str_next(&lines, '\n'), line))
            return true;
    return false;
}

static bool accept_redirect(const struct nu_redirect_predicate *p, struct nu_stream_info *info,
                            const struct nu_route *current, const struct nu_route *target, bool downstream_https,
                            bool target_https)
{
    (void)p;
    (void)downstream_https;
    (void)target_https;
    const struct nu_filter_state *state = nu_filter_state_get(info, NU_STR(STATE_NAME));
    nu_str lines = state != NULL ? state->text : NU_STR("");
    nu_str line = nu_arena_printf(info->arena, "%.*s\t%.*s", NU_STR_ARG(current->name), NU_STR_ARG(target->name));
    if (was_seen(lines, line))
        return false;
    const nu_str parts[] = {lines, line, NU_STR("\n")};
    nu_filter_state_set(info, NU_STR(STATE_NAME), nu_arena_concat(info->arena, parts, NU_ARRAY_LEN(parts)), NULL,
                        NU_LIFE_REQUEST);
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
