/* SPDX-License-Identifier: Apache-2.0
 *
 * RetryPolicy from its message. */
#include "router/retry_policy.h"

#include "codec/pb/pb.h"
#include "envoy/config/route/v3/route_components.nu.h"
#include "router/build.h"

static const struct {
    nu_str text;
    uint32_t bit;
    bool grpc;
} words[] = {
#define X(name, text, grpc) {NU_STR_INIT(text), NU_RETRY(name), grpc},
    NU_RETRY_CONDITIONS(X)
#undef X
};

uint32_t nu_retry_parse_on(nu_str list, bool grpc)
{
    uint32_t on = 0;
    while (list.ptr != NULL && list.len > 0) {
        nu_str word = nu_str_trim(nu_str_next(&list, ','));
        for (size_t i = 0; i < NU_ARRAY_LEN(words); i++)
            if (words[i].grpc == grpc && nu_str_eq(words[i].text, word))
                on |= words[i].bit;
    }
    return on;
}

static bool build_back_off(struct nu_factory *f, const struct envoy_config_route_v3_RetryPolicy *msg,
                           struct nu_retry_policy *p)
{
    p->base_interval = NU_MS(25);
    p->max_interval = NU_MS(250);
    const struct envoy_config_route_v3_RetryPolicy_RetryBackOff *b = msg->retry_back_off;
    if (b == NULL)
        return true;
    p->has_back_off = true;
    p->base_interval = nu_build_duration(f, b, "base_interval", b->base_interval, NU_MS(25));
    if (p->base_interval.v < 1)
        p->base_interval = NU_MS(1); /* Envoy rounds what is below a millisecond up */
    p->max_interval = nu_build_duration(f, b, "max_interval", b->max_interval, NU_MS(p->base_interval.v * 10));
    if (b->max_interval != NULL && p->max_interval.v < 1)
        p->max_interval = NU_MS(1);
    if (p->max_interval.v >= p->base_interval.v)
        return true;
    nu_pb_error(f->diags, b, "max_interval", "must be greater than or equal to base_interval");
    return false;
}

static void build_rate_limited(struct nu_factory *f, const struct envoy_config_route_v3_RetryPolicy *msg,
                               struct nu_retry_policy *p)
{
    p->reset_max_interval = NU_SECONDS(300);
    const struct envoy_config_route_v3_RetryPolicy_RateLimitedRetryBackOff *r = msg->rate_limited_retry_back_off;
    if (r == NULL)
        return;
    p->reset_max_interval = nu_build_duration(f, r, "max_interval", r->max_interval, NU_SECONDS(300));
    p->reset_headers = nu_arena_array(f->arena, struct nu_reset_header, r->n_reset_headers);
    p->n_reset_headers = r->n_reset_headers;
    for (size_t i = 0; i < r->n_reset_headers; i++) {
        p->reset_headers[i].name = nu_build_lower(f->arena, r->reset_headers[i]->name);
        p->reset_headers[i].unix_time =
            r->reset_headers[i]->format == envoy_config_route_v3_RetryPolicy_ResetHeaderFormat_UNIX_TIMESTAMP;
    }
}

static bool build_predicates(struct nu_factory *f, const struct envoy_config_route_v3_RetryPolicy *msg,
                             struct nu_retry_policy *p)
{
    bool ok = true;
    p->predicates = nu_arena_array(f->arena, const struct nu_retry_host_predicate *, msg->n_retry_host_predicate);
    for (size_t i = 0; i < msg->n_retry_host_predicate; i++) {
        const struct envoy_config_route_v3_RetryPolicy_RetryHostPredicate *m = msg->retry_host_predicate[i];
        const struct nu_extension *ext =
            nu_extension_resolve(f, "envoy.retry_host_predicates", m, "typed_config", m->typed_config);
        const struct nu_retry_host_predicate_factory *factory = ext != NULL ? ext->ops : NULL;
        const struct nu_retry_host_predicate *made =
            factory != NULL ? factory->create(f, m->typed_config->msg) : NULL;
        ok = ok && made != NULL;
        if (nu_extension_made(f, ext, m, made))
            p->predicates[p->n_predicates++] = made;
    }
    return ok;
}

const struct nu_retry_policy *nu_retry_policy_build(struct nu_factory *f,
                                                    const struct envoy_config_route_v3_RetryPolicy *msg)
{
    struct nu_retry_policy *p = nu_arena_new(f->arena, struct nu_retry_policy);
    p->on = nu_retry_parse_on(msg->retry_on, false) | nu_retry_parse_on(msg->retry_on, true);
    p->num_retries = msg->num_retries != NULL ? *msg->num_retries : 1;
    p->per_try_timeout = nu_build_duration(f, msg, "per_try_timeout", msg->per_try_timeout, NU_MS(0));
    p->n_codes = msg->n_retriable_status_codes;
    p->codes = nu_arena_array(f->arena, uint32_t, p->n_codes);
    if (p->n_codes > 0)
        memcpy(p->codes, msg->retriable_status_codes, p->n_codes * sizeof *p->codes);
    p->host_attempts = msg->host_selection_retry_max_attempts > 0
                           ? (uint32_t)nu_min(msg->host_selection_retry_max_attempts, (int64_t)UINT32_MAX)
                           : 1;
    build_rate_limited(f, msg, p);
    bool ok = build_back_off(f, msg, p);
    ok = nu_header_matchers_build(f, msg->retriable_headers, msg->n_retriable_headers, &p->retriable_headers) && ok;
    ok = nu_header_matchers_build(f, msg->retriable_request_headers, msg->n_retriable_request_headers,
                                  &p->request_headers) && ok;
    ok = build_predicates(f, msg, p) && ok;
    return ok ? p : NULL;
}
