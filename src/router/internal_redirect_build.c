/* SPDX-License-Identifier: Apache-2.0
 *
 * InternalRedirectPolicy from its message. */
#include "codec/pb/pb.h"
#include "envoy/config/core/v3/extension.nu.h"
#include "envoy/config/route/v3/route_components.nu.h"
#include "router/build.h"
#include "router/internal_redirect.h"

/* Codes other than 301, 302, 303, 307 and 308 are ignored, as Envoy does. */
static uint16_t code_bits(const struct envoy_config_route_v3_InternalRedirectPolicy *msg)
{
    uint16_t bits = 0;
    for (size_t i = 0; i < msg->n_redirect_response_codes; i++) {
        uint32_t code = msg->redirect_response_codes[i];
        if ((code >= 301 && code <= 303) || code == 307 || code == 308)
            bits |= (uint16_t)(1u << (code - 300));
    }
    return bits != 0 ? bits : (uint16_t)(1u << 2);
}

static bool build_predicates(struct nu_factory *f, const struct envoy_config_route_v3_InternalRedirectPolicy *msg,
                             struct nu_internal_redirect *r)
{
    bool ok = true;
    r->predicates = nu_arena_array(f->arena, const struct nu_redirect_predicate *, msg->n_predicates);
    for (size_t i = 0; i < msg->n_predicates; i++) {
        const struct envoy_config_core_v3_TypedExtensionConfig *m = msg->predicates[i];
        const struct nu_extension *ext =
            nu_extension_resolve(f, "envoy.internal_redirect_predicates", m, "typed_config", m->typed_config);
        const struct nu_redirect_predicate_factory *factory = ext != NULL ? ext->ops : NULL;
        const struct nu_redirect_predicate *made =
            factory != NULL ? factory->create(f, m->typed_config->msg) : NULL;
        ok = ok && made != NULL;
        if (nu_extension_made(f, ext, m, made))
            r->predicates[r->n_predicates++] = made;
    }
    return ok;
}

static bool build_copied(struct nu_factory *f, const struct envoy_config_route_v3_InternalRedirectPolicy *msg,
                         struct nu_internal_redirect *r)
{
    r->n_copy_headers = msg->n_response_headers_to_copy;
    r->copy_headers = nu_arena_array(f->arena, nu_str, r->n_copy_headers);
    for (size_t i = 0; i < r->n_copy_headers; i++) {
        r->copy_headers[i] = nu_build_lower(f->arena, msg->response_headers_to_copy[i]);
        if (r->copy_headers[i].len > 0 && r->copy_headers[i].ptr[0] != ':' &&
            !nu_str_eq(r->copy_headers[i], NU_STR("host")))
            continue;
        nu_pb_error(f->diags, msg, "response_headers_to_copy", "\"%.*s\" cannot be copied",
                    NU_STR_ARG(r->copy_headers[i]));
        return false;
    }
    return true;
}

const struct nu_internal_redirect *
nu_internal_redirect_build(struct nu_factory *f, const struct envoy_config_route_v3_InternalRedirectPolicy *msg)
{
    struct nu_internal_redirect *r = nu_arena_new(f->arena, struct nu_internal_redirect);
    r->max = msg->max_internal_redirects != NULL ? *msg->max_internal_redirects : 1;
    r->codes = code_bits(msg);
    r->cross_scheme = msg->allow_cross_scheme_redirect;
    bool ok = build_copied(f, msg, r);
    return build_predicates(f, msg, r) && ok ? r : NULL;
}
