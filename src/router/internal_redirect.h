/* SPDX-License-Identifier: Apache-2.0
 *
 * Internal redirects: a 3xx of the upstream that the proxy follows itself, when the route's policy allows it. */
#ifndef NU_ROUTER_INTERNAL_REDIRECT_H
#define NU_ROUTER_INTERNAL_REDIRECT_H

#include "router/table.h"

struct envoy_config_route_v3_InternalRedirectPolicy;

/* Decides whether a redirect to `target` may be followed. First member of the extension's own conf. */
struct nu_redirect_predicate {
    bool (*accept)(const struct nu_redirect_predicate *p, struct nu_stream_info *info, const struct nu_route *current,
                   const struct nu_route *target, bool downstream_https, bool target_https);
};

/* ops of an extension of category "envoy.internal_redirect_predicates". */
struct nu_redirect_predicate_factory {
    const struct nu_redirect_predicate *(*create)(struct nu_factory *f, const struct nu_pb_msg *msg);
};

/* In f->arena; NULL: reported. */
const struct nu_internal_redirect *
nu_internal_redirect_build(struct nu_factory *f, const struct envoy_config_route_v3_InternalRedirectPolicy *msg);

#endif
