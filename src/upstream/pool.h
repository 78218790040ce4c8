/* SPDX-License-Identifier: Apache-2.0
 *
 * Connection pools, per worker and host and priority. An HTTP request or a TCP session asks for a connection with an
 * embedded request object and hears on_ready or on_failure once, perhaps before the call returns (an idle connection is
 * there). Circuit breakers are checked here: max_connections, max_pending_requests, max_requests. */
#ifndef NU_UPSTREAM_POOL_H
#define NU_UPSTREAM_POOL_H

#include "http/session.h"
#include "upstream/cluster.h"

enum nu_pool_failure {
    NU_POOL_OVERFLOW,               /* circuit breaker: UO */
    NU_POOL_LOCAL_CONNECT_FAILURE,
    NU_POOL_REMOTE_CONNECT_FAILURE, /* refused, reset, handshake */
    NU_POOL_CONNECT_TIMEOUT,
};

/* ---- HTTP ---- */

/* Embed in the caller; zero-initialise. */
struct nu_http_pool_request {
    /* A stream on a connection: `stream` is the codec's half with user == req->user. conn is the upstream connection. */
    void (*on_ready)(struct nu_http_pool_request *req, struct nu_codec_stream *stream, struct nu_conn *conn,
                     const struct nu_session *session);
    void (*on_failure)(struct nu_http_pool_request *req, enum nu_pool_failure why, nu_str transport_failure);
    struct nu_stream_user *user; /* the caller's half of the stream */
    const struct nu_transport_options *options; /* of its connection, during nu_http_pool_start; NULL: none */
    struct nu_list node;         /* the pool's */
    void *pool;                  /* NULL: not waiting */
    uint64_t started_ns;
};

/* Starts. host must not be removed; the pool keeps its own references. */
void nu_http_pool_start(struct nu_host *host, struct nu_cluster_info *info, enum nu_priority priority,
                        struct nu_worker *w, struct nu_http_pool_request *req);
/* Stops waiting; no callback comes after it. Harmless when nothing waits. */
void nu_http_pool_cancel(struct nu_http_pool_request *req);

/* ---- TCP ---- */

struct nu_tcp_pool_request {
    /* A connected connection that the caller now owns: it adds its filter (nu_conn_add_filter) and calls nu_conn_start.
     * Counters and breakers are released when the connection closes. */
    void (*on_ready)(struct nu_tcp_pool_request *req, struct nu_conn *conn);
    void (*on_failure)(struct nu_tcp_pool_request *req, enum nu_pool_failure why, nu_str transport_failure);
    struct nu_list node;
    void *pool;
    uint64_t started_ns;
};
/* options: of its connection, during the call; NULL: none. */
void nu_tcp_pool_start(struct nu_host *host, struct nu_cluster_info *info, enum nu_priority priority, struct nu_worker *w,
                       const struct nu_transport_options *options, struct nu_tcp_pool_request *req);
void nu_tcp_pool_cancel(struct nu_tcp_pool_request *req);

#endif
