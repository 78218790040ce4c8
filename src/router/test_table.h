/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of router/: a route table out of YAML. */
#ifndef NU_ROUTER_TEST_TABLE_H
#define NU_ROUTER_TEST_TABLE_H

#include <stdio.h>

#include "codec/pb/load.h"
#include "envoy/config/route/v3/route.nu.h"
#include "router/table.h"

static NU_UNUSED bool test_has_cluster(const struct nu_factory *f, nu_str name)
{
    (void)f;
    return nu_str_eq(name, NU_STR("a")) || nu_str_eq(name, NU_STR("b"));
}

/* The table; NULL: refused, and *error is the first reason. */
static inline struct nu_route_table *test_table(const char *yaml, struct nu_arena *arena, nu_str *error)
{
    struct nu_diags d;
    nu_diags_init(&d);
    *error = NU_STR_NONE;
    struct nu_pb_msg *msg = nu_pb_load_text(arena, &d, NU_STR("t.yaml"), nu_str_from(yaml), NU_TEXT_YAML,
                                            &envoy_config_route_v3_RouteConfiguration_type);
    struct nu_route_table *t = NULL;
    if (msg != NULL && !nu_diags_failed(&d)) {
        struct nu_factory f = {.arena = arena, .diags = &d, .validate_only = true, .has_cluster = test_has_cluster};
        t = nu_route_table_build(&f, (const struct envoy_config_route_v3_RouteConfiguration *)(const void *)msg, NULL, 0);
    }
    if (d.n > 0)
        *error = nu_arena_printf(arena, "%.*s: %.*s", NU_STR_ARG(d.items[0].path), NU_STR_ARG(d.items[0].text));
    nu_diags_clear(&d);
    return t;
}

#endif
