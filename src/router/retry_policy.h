/* SPDX-License-Identifier: Apache-2.0
 *
 * Retry policies: what to retry on, how often, with which pauses. Immutable, part of a route table; retry.c runs them. */
#ifndef NU_ROUTER_RETRY_POLICY_H
#define NU_ROUTER_RETRY_POLICY_H

#include <stdbool.h>

#include "base/clock.h"
#include "http/matchers.h"

struct nu_host;
struct nu_factory;
struct nu_pb_msg;
struct envoy_config_route_v3_RetryPolicy;

/* Conditions: X(name, Envoy's word, from x-envoy-retry-grpc-on). */
#define NU_RETRY_CONDITIONS(X)                                                                     \
    X(5XX, "5xx", 0)                                                                               \
    X(GATEWAY_ERROR, "gateway-error", 0)                                                           \
    X(CONNECT_FAILURE, "connect-failure", 0)                                                       \
    X(ENVOY_RATELIMITED, "envoy-ratelimited", 0)                                                   \
    X(RETRIABLE_4XX, "retriable-4xx", 0)                                                           \
    X(REFUSED_STREAM, "refused-stream", 0)                                                         \
    X(RETRIABLE_STATUS_CODES, "retriable-status-codes", 0)                                         \
    X(RETRIABLE_HEADERS, "retriable-headers", 0)                                                   \
    X(RESET, "reset", 0)                                                                           \
    X(RESET_BEFORE_REQUEST, "reset-before-request", 0)                                             \
    X(HTTP3_POST_CONNECT_FAILURE, "http3-post-connect-failure", 0)                                 \
    X(GRPC_CANCELLED, "cancelled", 1)                                                              \
    X(GRPC_DEADLINE_EXCEEDED, "deadline-exceeded", 1)                                              \
    X(GRPC_RESOURCE_EXHAUSTED, "resource-exhausted", 1)                                            \
    X(GRPC_UNAVAILABLE, "unavailable", 1)                                                          \
    X(GRPC_INTERNAL, "internal", 1)

enum nu_retry_bit {
#define X(name, text, grpc) NU_RETRY_BIT_##name,
    NU_RETRY_CONDITIONS(X)
#undef X
};
#define NU_RETRY(name) (1u << NU_RETRY_BIT_##name)

/* Refuses hosts for another attempt. First member of the extension's own conf. */
struct nu_retry_host_predicate {
    /* `tried`: the hosts of the attempts so far. */
    bool (*refuse)(const struct nu_retry_host_predicate *p, struct nu_host *const *tried, unsigned n_tried,
                   const struct nu_host *candidate);
};

/* ops of an extension of category "envoy.retry_host_predicates". */
struct nu_retry_host_predicate_factory {
    const struct nu_retry_host_predicate *(*create)(struct nu_factory *f, const struct nu_pb_msg *msg);
};

/* A response header that says when to come back. */
struct nu_reset_header {
    nu_str name;
    bool unix_time; /* else seconds from now */
};

struct nu_retry_policy {
    uint32_t on; /* bits NU_RETRY(...) */
    uint32_t num_retries;
    nu_ms per_try_timeout; /* 0: the route's */
    uint32_t *codes;
    size_t n_codes;
    struct nu_header_matchers retriable_headers; /* of the response: any may match */
    struct nu_header_matchers request_headers;   /* of the request: any must match; none: no condition */
    const struct nu_retry_host_predicate **predicates;
    size_t n_predicates;
    uint32_t host_attempts;
    bool has_back_off;
    nu_ms base_interval, max_interval;
    struct nu_reset_header *reset_headers;
    size_t n_reset_headers;
    nu_ms reset_max_interval;
};

/* In f->arena; NULL: reported. */
const struct nu_retry_policy *nu_retry_policy_build(struct nu_factory *f,
                                                    const struct envoy_config_route_v3_RetryPolicy *msg);
/* The conditions named in a comma-separated list; unknown words are ignored, as Envoy does. grpc: the names of
 * x-envoy-retry-grpc-on. */
uint32_t nu_retry_parse_on(nu_str list, bool grpc);

#endif
