/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.internal_redirect_predicates.safe_cross_scheme: a plain-text request is not redirected to https. */
#include "envoy/extensions/internal_redirect/safe_cross_scheme/v3/safe_cross_scheme_config.nu.h"
#include "net/extension.h"
#include "router/internal_redirect.h"

static bool accept_redirect(const struct nu_redirect_predicate *p, struct nu_stream_info *info, const struct nu_route *current,
                   const struct nu_route *target, bool downstream_https, bool target_https)
{
    (void)p;
    (void)info;
    (void)current;
    (void)target;
    return downstream_https || !target_https;
}

static const struct nu_redirect_predicate safe_cross_scheme = {.accept = accept_redirect};

static const struct nu_redirect_predicate *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    (void)f;
    (void)msg;
    return &safe_cross_scheme;
}

static const struct nu_redirect_predicate_factory factory = {.create = create};

const struct nu_extension nu_ext_internal_redirect_safe_cross_scheme = {
    .category = "envoy.internal_redirect_predicates",
    .name = "envoy.internal_redirect_predicates.safe_cross_scheme",
    .config_type = &envoy_extensions_internal_redirect_safe_cross_scheme_v3_SafeCrossSchemeConfig_type,
    .ops = &factory,
};
