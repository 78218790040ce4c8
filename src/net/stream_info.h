/* SPDX-License-Identifier: Apache-2.0
 *
 * The record of a connection and of a stream: what access logs, header formatters, matchers and filters read. One
 * struct for both, as Envoy's StreamInfo: a TCP proxy session logs a connection's record, an HTTP stream its own,
 * which points to its connection's. Times are monotonic nanoseconds of the loop's clock; 0: did not happen. */
#ifndef NU_NET_STREAM_INFO_H
#define NU_NET_STREAM_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "net/address.h"

struct nu_host;
struct nu_cluster;
struct nu_route;
struct nu_worker;
struct nu_listener_conf;
struct nu_http_headers;

/* Response flags with Envoy's short and long names, in Envoy's order. */
#define NU_RESPONSE_FLAGS(X)                                                                       \
    X(FAILED_LOCAL_HEALTH_CHECK, "LH", "FailedLocalHealthCheck")                                   \
    X(NO_HEALTHY_UPSTREAM, "UH", "NoHealthyUpstream")                                              \
    X(UPSTREAM_REQUEST_TIMEOUT, "UT", "UpstreamRequestTimeout")                                    \
    X(LOCAL_RESET, "LR", "LocalReset")                                                             \
    X(UPSTREAM_REMOTE_RESET, "UR", "UpstreamRemoteReset")                                          \
    X(UPSTREAM_CONNECTION_FAILURE, "UF", "UpstreamConnectionFailure")                              \
    X(UPSTREAM_CONNECTION_TERMINATION, "UC", "UpstreamConnectionTermination")                      \
    X(UPSTREAM_OVERFLOW, "UO", "UpstreamOverflow")                                                 \
    X(NO_ROUTE_FOUND, "NR", "NoRouteFound")                                                        \
    X(DELAY_INJECTED, "DI", "DelayInjected")                                                       \
    X(FAULT_INJECTED, "FI", "FaultInjected")                                                       \
    X(RATE_LIMITED, "RL", "RateLimited")                                                           \
    X(UNAUTHORIZED_EXTERNAL_SERVICE, "UAEX", "UnauthorizedExternalService")                        \
    X(RATE_LIMIT_SERVICE_ERROR, "RLSE", "RateLimitServiceError")                                   \
    X(DOWNSTREAM_CONNECTION_TERMINATION, "DC", "DownstreamConnectionTermination")                  \
    X(UPSTREAM_RETRY_LIMIT_EXCEEDED, "URX", "UpstreamRetryLimitExceeded")                          \
    X(STREAM_IDLE_TIMEOUT, "SI", "StreamIdleTimeout")                                              \
    X(INVALID_ENVOY_REQUEST_HEADERS, "IH", "InvalidEnvoyRequestHeaders")                           \
    X(DOWNSTREAM_PROTOCOL_ERROR, "DPE", "DownstreamProtocolError")                                 \
    X(UPSTREAM_MAX_STREAM_DURATION_REACHED, "UMSDR", "UpstreamMaxStreamDurationReached")           \
    X(RESPONSE_FROM_CACHE_FILTER, "RFCF", "ResponseFromCacheFilter")                               \
    X(NO_FILTER_CONFIG_FOUND, "NFCF", "NoFilterConfigFound")                                       \
    X(DURATION_TIMEOUT, "DT", "DurationTimeout")                                                   \
    X(UPSTREAM_PROTOCOL_ERROR, "UPE", "UpstreamProtocolError")                                     \
    X(NO_CLUSTER_FOUND, "NC", "NoClusterFound")                                                    \
    X(OVERLOAD_MANAGER_TERMINATED, "OM", "OverloadManagerTerminated")                              \
    X(DNS_RESOLUTION_FAILED, "DF", "DnsResolutionFailed")                                          \
    X(DROP_OVERLOAD, "DO", "DropOverLoad")                                                         \
    X(DOWNSTREAM_REMOTE_RESET, "DR", "DownstreamRemoteReset")                                      \
    X(UNCONDITIONAL_DROP_OVERLOAD, "UDO", "UnconditionalDropOverload")

enum nu_response_flag {
#define X(name, short_name, long_name) NU_FLAG_##name,
    NU_RESPONSE_FLAGS(X)
#undef X
    NU_N_RESPONSE_FLAGS
};

enum nu_protocol {
    NU_PROTO_NONE, /* plain TCP */
    NU_PROTO_HTTP10,
    NU_PROTO_HTTP11,
    NU_PROTO_HTTP2,
    NU_PROTO_HTTP3,
};

/* What is known about the upstream side; of the last attempt. Lives in the stream's arena; NULL until needed. */
struct nu_upstream_info {
    struct nu_host *host; /* holds a reference; NULL: none chosen */
    struct nu_sockaddr local_address;
    uint64_t connection_id; /* 0: none */
    enum nu_protocol protocol;
    uint64_t first_tx_ns, last_tx_ns, first_rx_ns, last_rx_ns;
    uint64_t connect_start_ns, connect_done_ns; /* of the connection, when this stream opened it */
    uint64_t pool_ready_ns;
    nu_str transport_failure; /* %UPSTREAM_TRANSPORT_FAILURE_REASON% */
    const struct nu_tls_info *tls; /* NULL: plain text; in the record's arena (nu_tls_info_keep) */
    nu_str detected_close; /* %UPSTREAM_DETECTED_CLOSE_TYPE% when known */
    uint32_t n_streams_on_conn; /* %UPSTREAM_REQUEST_COUNT%-like */
    uint64_t wire_sent, wire_received, header_sent, header_received; /* bytes on this attempt */
    uint64_t decompressed_sent, decompressed_received;
};

/* A key of dynamic metadata: filter namespace -> struct; kept as a short list of decoded google.protobuf.Struct. */
struct nu_dynamic_metadata {
    struct nu_dynamic_metadata *next;
    nu_str filter;
    const struct google_protobuf_Struct *fields;
};

enum nu_life_span { NU_LIFE_FILTER_CHAIN, NU_LIFE_REQUEST, NU_LIFE_CONNECTION };

/* Filter state: named objects with a life span; `text` is what %FILTER_STATE(name:PLAIN)% prints. */
struct nu_filter_state {
    struct nu_filter_state *next;
    nu_str name;
    nu_str text;
    void *object;
    enum nu_life_span life;
};

/* What a ClientHello says of the client's program (tls_inspector); empty: not asked for. */
struct nu_tls_fingerprints {
    nu_str ja3, ja4;
};

/* What few connections have: made when the first of it is set. All zero means what the connection itself says. */
struct nu_conn_details {
    struct nu_sockaddr direct_remote; /* before PROXY protocol; AF_UNSPEC: same as remote */
    struct nu_sockaddr direct_local;  /* AF_UNSPEC: same as local. Of an upstream connection: the socket's own, once asked for */
    nu_str requested_server_name;     /* SNI, in lower case */
    nu_str transport_protocol;        /* "tls"; empty: "raw_buffer" */
    const nu_str *application_protocols;
    unsigned n_application_protocols;
    nu_str termination_details;       /* %CONNECTION_TERMINATION_DETAILS% */
    nu_str local_close_reason;        /* %DOWNSTREAM_LOCAL_CLOSE_REASON%: why we closed */
    nu_str transport_failure;         /* %DOWNSTREAM_TRANSPORT_FAILURE_REASON% */
    struct nu_filter_state *filter_state;
    struct nu_dynamic_metadata *metadata;
    const struct nu_tls_fingerprints *fingerprints; /* NULL: none */
};

/* Of a connection; made on accept, in the connection's arena. Small, because most connections are idle. */
struct nu_drain;
struct nu_conn_info {
    struct nu_arena *arena;       /* the connection's */
    const struct nu_drain *drain; /* net/drain.h: of its filter chain; NULL: upstream */
    uint64_t id;
    struct nu_address *local;     /* borrowed from the listener, or held by the arena */
    const struct nu_listener_conf *listener; /* borrowed: the filter chain holds its snapshot */
    struct nu_conn_details *details; /* NULL: none */
    struct nu_sockaddr remote;    /* after PROXY protocol; a unix peer prints as the listener's path */
    bool has_tls;                 /* a TLS handshake is done: see nu_conn_tls */
};

extern const struct nu_conn_details nu_conn_no_details;
/* To read; never NULL. */
static inline const struct nu_conn_details *nu_conn_details(const struct nu_conn_info *c)
{
    return c->details != NULL ? c->details : &nu_conn_no_details;
}
/* Its TLS; NULL: plain text, or no handshake yet. */
const struct nu_tls_info *nu_conn_tls(const struct nu_conn_info *c);
/* To write: made when missing, in c->arena. */
struct nu_conn_details *nu_conn_details_edit(struct nu_conn_info *c);
/* The peer of the socket itself. */
static inline const struct nu_sockaddr *nu_conn_direct_remote(const struct nu_conn_info *c)
{
    return c->details != NULL && c->details->direct_remote.family != AF_UNSPEC ? &c->details->direct_remote : &c->remote;
}

struct nu_stream_info {
    struct nu_worker *worker;
    struct nu_arena *arena; /* lives as long as the record */
    struct nu_conn_info *conn;
    uint64_t id; /* stream id: %STREAM_ID% when there is no request id */
    uint64_t start_ns, start_wall_ns;
    uint64_t last_rx_byte_ns;    /* end of the request as received from downstream */
    uint64_t first_tx_ns, last_tx_ns; /* response to downstream */
    uint64_t end_ns;             /* set just before it is logged */
    uint64_t bytes_received, bytes_sent; /* body bytes (HTTP), all bytes (TCP) */
    uint64_t wire_received, wire_sent, header_received, header_sent;
    uint64_t flags;              /* bit per enum nu_response_flag */
    uint8_t flag_order[8];       /* the first of them in the order they were set, as %RESPONSE_FLAGS% prints */
    uint16_t response_code;      /* 0: none */
    enum nu_protocol protocol;
    nu_str response_code_details;
    nu_str route_name, virtual_host_name, virtual_cluster_name;
    struct nu_cluster *cluster;  /* of the route; borrowed from the stream's reference */
    const struct nu_route *route; /* http/route.h; NULL: none, or TCP */
    struct nu_upstream_info *upstream; /* NULL: none yet */
    struct nu_sockaddr remote;   /* downstream address after XFF detection (HTTP); family AF_UNSPEC: the connection's */
    uint32_t attempt_count;      /* upstream attempts; 0: none */
    struct nu_filter_state *filter_state;
    struct nu_dynamic_metadata *metadata;
    nu_str request_id;           /* for %STREAM_ID% and sampling */
    bool health_check;           /* marked by the health_check filter */
    bool shadow;
    uint32_t upstream_retries_cx; /* tcp_proxy connect attempts */
};

static inline void nu_stream_info_flag(struct nu_stream_info *si, enum nu_response_flag f)
{
    unsigned n = (unsigned)__builtin_popcountll(si->flags);
    if ((si->flags >> f & 1) != 0)
        return;
    if (n < sizeof(si->flag_order))
        si->flag_order[n] = (uint8_t)f;
    si->flags |= 1ull << f;
}

static inline bool nu_stream_info_has_flag(const struct nu_stream_info *si, enum nu_response_flag f)
{
    return (si->flags >> f & 1) != 0;
}

/* The names of the listener and of the filter chain; implemented by listener/. */
nu_str nu_conn_info_listener_name(const struct nu_conn_info *c);
nu_str nu_conn_info_filter_chain_name(const struct nu_conn_info *c);

/* The upstream part, made when missing. */
struct nu_upstream_info *nu_stream_info_upstream(struct nu_stream_info *si);

/* Filter state: sets (replacing one of the same name) in the stream's or, for NU_LIFE_CONNECTION, the connection's
 * list; looks in both. Strings are borrowed and must live as long. */
void nu_filter_state_set(struct nu_stream_info *si, nu_str name, nu_str text, void *object, enum nu_life_span life);
const struct nu_filter_state *nu_filter_state_get(const struct nu_stream_info *si, nu_str name);
/* The same for a text of a connection, with no stream's record at hand; NULL ptr: not set. */
void nu_conn_info_set_state(struct nu_conn_info *c, nu_str name, nu_str text);
nu_str nu_conn_info_state(const struct nu_conn_info *c, nu_str name);

/* Filter state that tcp_proxy reads: the cluster to use instead of the configured one. */
#define NU_STATE_TCP_PROXY_CLUSTER "envoy.tcp_proxy.cluster"

#endif
