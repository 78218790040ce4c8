/* SPDX-License-Identifier: Apache-2.0
 *
 * Header maps: an ordered list of name-value pairs in a stream's arena, with O(1) access to the first of each known
 * name. Names are lower case. Values are borrowed views: bytes of the received head (which the stream keeps), of the
 * arena, or literals. Pseudo-headers are fields of the map, whatever protocol they came from. Repeated headers stay
 * separate; Envoy's "inline" ones are joined with a comma when they are added by the codec (nu_headers_add_wire). */
#ifndef NU_HTTP_HEADERS_H
#define NU_HTTP_HEADERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/* X(id, name, inline in requests, inline in responses): Envoy's O(1) headers and others that we look up. Inline ones
 * are joined with "," when they repeat (cookie: "; "). */
#define NU_KNOWN_HEADERS(X)                                                                        \
    X(ACCEPT, "accept", 1, 0)                                                                      \
    X(ACCEPT_ENCODING, "accept-encoding", 1, 0)                                                    \
    X(ACCESS_CONTROL_ALLOW_CREDENTIALS, "access-control-allow-credentials", 0, 1)                  \
    X(ACCESS_CONTROL_ALLOW_HEADERS, "access-control-allow-headers", 0, 1)                          \
    X(ACCESS_CONTROL_ALLOW_METHODS, "access-control-allow-methods", 0, 1)                          \
    X(ACCESS_CONTROL_ALLOW_ORIGIN, "access-control-allow-origin", 0, 1)                            \
    X(ACCESS_CONTROL_ALLOW_PRIVATE_NETWORK, "access-control-allow-private-network", 0, 1)          \
    X(ACCESS_CONTROL_EXPOSE_HEADERS, "access-control-expose-headers", 0, 1)                        \
    X(ACCESS_CONTROL_MAX_AGE, "access-control-max-age", 0, 1)                                      \
    X(ACCESS_CONTROL_REQUEST_HEADERS, "access-control-request-headers", 1, 0)                      \
    X(ACCESS_CONTROL_REQUEST_METHOD, "access-control-request-method", 1, 0)                        \
    X(ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK, "access-control-request-private-network", 1, 0)      \
    X(AGE, "age", 0, 1)                                                                            \
    X(AUTHORIZATION, "authorization", 1, 0)                                                        \
    X(CACHE_CONTROL, "cache-control", 1, 1)                                                        \
    X(CONNECTION, "connection", 1, 1)                                                              \
    X(CONTENT_ENCODING, "content-encoding", 1, 1)                                                  \
    X(CONTENT_LENGTH, "content-length", 1, 1)                                                      \
    X(CONTENT_TYPE, "content-type", 1, 1)                                                          \
    X(COOKIE, "cookie", 0, 0)                                                                      \
    X(DATE, "date", 0, 1)                                                                          \
    X(ETAG, "etag", 0, 1)                                                                          \
    X(EXPECT, "expect", 1, 0)                                                                      \
    X(EXPIRES, "expires", 0, 1)                                                                    \
    X(GRPC_ACCEPT_ENCODING, "grpc-accept-encoding", 1, 0)                                          \
    X(GRPC_MESSAGE, "grpc-message", 0, 1)                                                          \
    X(GRPC_STATUS, "grpc-status", 0, 1)                                                            \
    X(GRPC_TIMEOUT, "grpc-timeout", 1, 0)                                                          \
    X(HOST, "host", 1, 0)                                                                          \
    X(IF_MATCH, "if-match", 1, 0)                                                                  \
    X(IF_MODIFIED_SINCE, "if-modified-since", 1, 0)                                                \
    X(IF_NONE_MATCH, "if-none-match", 1, 0)                                                        \
    X(IF_RANGE, "if-range", 1, 0)                                                                  \
    X(IF_UNMODIFIED_SINCE, "if-unmodified-since", 1, 0)                                            \
    X(KEEP_ALIVE, "keep-alive", 1, 1)                                                              \
    X(LAST_MODIFIED, "last-modified", 0, 1)                                                        \
    X(LOCATION, "location", 0, 1)                                                                  \
    X(ORIGIN, "origin", 1, 0)                                                                      \
    X(PRAGMA, "pragma", 1, 0)                                                                      \
    X(PROXY_CONNECTION, "proxy-connection", 1, 1)                                                  \
    X(PROXY_STATUS, "proxy-status", 1, 1)                                                          \
    X(REFERER, "referer", 1, 0)                                                                    \
    X(SERVER, "server", 0, 1)                                                                      \
    X(SET_COOKIE, "set-cookie", 0, 0)                                                              \
    X(TE, "te", 1, 0)                                                                              \
    X(TRACEPARENT, "traceparent", 0, 0)                                                            \
    X(TRANSFER_ENCODING, "transfer-encoding", 1, 1)                                                \
    X(UPGRADE, "upgrade", 1, 1)                                                                    \
    X(USER_AGENT, "user-agent", 1, 0)                                                              \
    X(VARY, "vary", 0, 1)                                                                          \
    X(VIA, "via", 1, 1)                                                                            \
    X(X_CLIENT_TRACE_ID, "x-client-trace-id", 1, 0)                                                \
    X(X_FORWARDED_CLIENT_CERT, "x-forwarded-client-cert", 1, 0)                                    \
    X(X_FORWARDED_FOR, "x-forwarded-for", 1, 0)                                                    \
    X(X_FORWARDED_HOST, "x-forwarded-host", 1, 0)                                                  \
    X(X_FORWARDED_PORT, "x-forwarded-port", 1, 0)                                                  \
    X(X_FORWARDED_PROTO, "x-forwarded-proto", 1, 0)                                                \
    X(X_REQUEST_ID, "x-request-id", 1, 1)                                                          \
    X(ENVOY_ATTEMPT_COUNT, "x-envoy-attempt-count", 1, 1)                                          \
    X(ENVOY_DECORATOR_OPERATION, "x-envoy-decorator-operation", 1, 1)                              \
    X(ENVOY_DEGRADED, "x-envoy-degraded", 0, 1)                                                    \
    X(ENVOY_DOWNSTREAM_SERVICE_CLUSTER, "x-envoy-downstream-service-cluster", 1, 0)                \
    X(ENVOY_DOWNSTREAM_SERVICE_NODE, "x-envoy-downstream-service-node", 1, 0)                      \
    X(ENVOY_EXPECTED_RQ_TIMEOUT_MS, "x-envoy-expected-rq-timeout-ms", 1, 0)                        \
    X(ENVOY_EXTERNAL_ADDRESS, "x-envoy-external-address", 1, 0)                                    \
    X(ENVOY_FORCE_TRACE, "x-envoy-force-trace", 1, 0)                                              \
    X(ENVOY_HEDGE_ON_PER_TRY_TIMEOUT, "x-envoy-hedge-on-per-try-timeout", 1, 0)                    \
    X(ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL, "x-envoy-immediate-health-check-fail", 0, 1)              \
    X(ENVOY_INTERNAL, "x-envoy-internal", 1, 0)                                                    \
    X(ENVOY_IP_TAGS, "x-envoy-ip-tags", 1, 0)                                                      \
    X(ENVOY_IS_TIMEOUT_RETRY, "x-envoy-is-timeout-retry", 1, 0)                                    \
    X(ENVOY_LOCAL_OVERLOADED, "x-envoy-local-overloaded", 0, 0)                                    \
    X(ENVOY_MAX_RETRIES, "x-envoy-max-retries", 1, 0)                                              \
    X(ENVOY_ORIGINAL_HOST, "x-envoy-original-host", 1, 0)                                          \
    X(ENVOY_ORIGINAL_PATH, "x-envoy-original-path", 1, 0)                                          \
    X(ENVOY_OVERLOADED, "x-envoy-overloaded", 0, 0)                                                \
    X(ENVOY_RATELIMITED, "x-envoy-ratelimited", 0, 1)                                              \
    X(ENVOY_RETRIABLE_HEADER_NAMES, "x-envoy-retriable-header-names", 1, 0)                        \
    X(ENVOY_RETRIABLE_STATUS_CODES, "x-envoy-retriable-status-codes", 1, 0)                        \
    X(ENVOY_RETRY_GRPC_ON, "x-envoy-retry-grpc-on", 1, 0)                                          \
    X(ENVOY_RETRY_ON, "x-envoy-retry-on", 1, 0)                                                    \
    X(ENVOY_UPSTREAM_ALT_STAT_NAME, "x-envoy-upstream-alt-stat-name", 1, 0)                        \
    X(ENVOY_UPSTREAM_CANARY, "x-envoy-upstream-canary", 0, 1)                                      \
    X(ENVOY_UPSTREAM_HEALTHCHECKED_CLUSTER, "x-envoy-upstream-healthchecked-cluster", 0, 1)        \
    X(ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS, "x-envoy-upstream-rq-per-try-timeout-ms", 1, 0)        \
    X(ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE, "x-envoy-upstream-rq-timeout-alt-response", 1, 0)    \
    X(ENVOY_UPSTREAM_RQ_TIMEOUT_MS, "x-envoy-upstream-rq-timeout-ms", 1, 0)                        \
    X(ENVOY_UPSTREAM_SERVICE_TIME, "x-envoy-upstream-service-time", 0, 1)

enum nu_hdr {
    NU_HDR_OTHER = 0,
#define X(id, name, in_req, in_resp) NU_HDR_##id,
    NU_KNOWN_HEADERS(X)
#undef X
    NU_N_HDR
};

/* The lower-case name of a known header. */
extern const nu_str nu_hdr_names[NU_N_HDR];
/* The id of a lower-case name; NU_HDR_OTHER when it is not a known one. O(1). */
enum nu_hdr nu_hdr_lookup(nu_str name);

struct nu_header {
    nu_str name;  /* ptr == NULL: removed, skip it */
    nu_str value;
    nu_str original_name; /* ptr == NULL: same as name. Only kept under preserve_case */
    uint16_t id;  /* enum nu_hdr */
    bool in_head; /* came with an HTTP/1 head: name and value lie in it, as in "name: value\r\n" */
};

struct nu_http_headers {
    struct nu_arena *arena;
    struct nu_header *items;
    uint32_t n, cap;     /* entries used, removed ones included; room */
    uint32_t n_live;     /* without removed ones */
    uint16_t status;     /* responses; 0: none */
    bool response;
    bool http10;         /* an HTTP/1.0 message */
    nu_str method, path, authority, scheme; /* requests; ptr == NULL: absent */
    nu_str host_name;    /* "Host" as the client wrote it; ptr == NULL: as usual. Only kept under preserve_case */
    nu_str protocol;     /* extended CONNECT */
    uint16_t first[NU_N_HDR]; /* index + 1 of the first live entry; 0: none */
};

void nu_headers_init(struct nu_http_headers *h, struct nu_arena *a, bool response);
/* A new one in the arena. */
struct nu_http_headers *nu_headers_new(struct nu_arena *a, bool response);
/* Makes room for n entries. */
void nu_headers_reserve(struct nu_http_headers *h, uint32_t n);

/* Appends. The name is lower case and borrowed, as is the value. */
void nu_headers_add(struct nu_http_headers *h, nu_str name, nu_str value);
void nu_headers_add_id(struct nu_http_headers *h, enum nu_hdr id, nu_str value);
/* Appends as a codec does: inline headers that repeat are joined. */
struct nu_header *nu_headers_add_wire(struct nu_http_headers *h, nu_str name, nu_str value);
/* Replaces all of that name by one. */
void nu_headers_set(struct nu_http_headers *h, nu_str name, nu_str value);
void nu_headers_set_id(struct nu_http_headers *h, enum nu_hdr id, nu_str value);
/* Appends ",value" to the first of that name (in the arena), or adds it. */
void nu_headers_append_id(struct nu_http_headers *h, enum nu_hdr id, nu_str value, nu_str separator);
/* Removes all of that name; returns how many. */
unsigned nu_headers_remove(struct nu_http_headers *h, nu_str name);
unsigned nu_headers_remove_id(struct nu_http_headers *h, enum nu_hdr id);
void nu_headers_remove_prefix(struct nu_http_headers *h, nu_str prefix);

/* First value; ptr == NULL when absent. Accepts ":path", ":method", ":authority", ":scheme", ":status" and "host" (the
 * authority of a request). The text of :status lives in static memory or the arena. */
nu_str nu_headers_get(const struct nu_http_headers *h, nu_str name);
static inline struct nu_header *nu_headers_entry(const struct nu_http_headers *h, enum nu_hdr id)
{
    return h->first[id] != 0 ? &h->items[h->first[id] - 1] : NULL;
}
static inline nu_str nu_headers_get_id(const struct nu_http_headers *h, enum nu_hdr id)
{
    return h->first[id] != 0 ? h->items[h->first[id] - 1].value : NU_STR_NONE;
}
static inline bool nu_headers_has_id(const struct nu_http_headers *h, enum nu_hdr id)
{
    return h->first[id] != 0;
}
/* All values of a name joined with ", " or the one value (Envoy's getAllOfHeaderAsString). ptr == NULL: absent. */
nu_str nu_headers_get_all(const struct nu_http_headers *h, nu_str name, struct nu_arena *a);

/* Deep copy into another arena. */
struct nu_http_headers *nu_headers_copy(const struct nu_http_headers *h, struct nu_arena *a);

/* Envoy's byteSize(): names and values, pseudo-headers included. */
size_t nu_headers_bytes(const struct nu_http_headers *h);

#define nu_headers_foreach(it, h)                                                                  \
    for (struct nu_header *it = (h)->items; it < (h)->items + (h)->n; it++)                        \
        if (it->name.ptr != NULL)

/* application/grpc or application/grpc+...: Envoy's Grpc::Common::isGrpcRequestHeaders. */
bool nu_headers_is_grpc(const struct nu_http_headers *h);
/* Upgrade request: Connection has "upgrade" and there is an Upgrade header. */
bool nu_headers_is_upgrade(const struct nu_http_headers *h);

/* A value made of what a peer says of itself (its certificate, SNI) as a header may have it: '_' for each CR, LF and NUL. The same
 * string when there is none, else a copy in `a`. */
nu_str nu_header_value_clean(nu_str value, struct nu_arena *a);

#endif
