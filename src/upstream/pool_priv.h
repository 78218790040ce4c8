/* SPDX-License-Identifier: Apache-2.0
 *
 * What HTTP and TCP pools share: clients (one connection each), waiting requests, and the rules when a connection is made,
 * given out, drained. A pool belongs to one worker.
 *
 * States of a client; `one` means that it serves one request at a time:
 *
 *     CONNECTING --connected--> IDLE <--request / end--> BUSY --no more requests allowed--> DRAINING
 *         |                      |                        |                                   | end
 *         +---- failed ----------+------ closed ----------+-----------------------------------+--> CLOSED */
#ifndef NU_UPSTREAM_POOL_PRIV_H
#define NU_UPSTREAM_POOL_PRIV_H

#include "base/map.h"
#include "net/conn.h"
#include "net/filter.h"
#include "upstream/pool.h"

enum nu_client_state { NU_CLIENT_CONNECTING, NU_CLIENT_IDLE, NU_CLIENT_BUSY, NU_CLIENT_DRAINING, NU_CLIENT_CLOSED };

struct nu_pool;
struct nu_pool_client;

/* How the two kinds differ. */
struct nu_pool_ops {
    /* A connection begins: the kind adds its filter. */
    void (*on_open)(struct nu_pool_client *c);
    /* The request `node` gets the client (already counted and BUSY or DRAINING). */
    void (*on_ready)(struct nu_pool_client *c, struct nu_list *node);
    void (*on_failure)(struct nu_list *node, enum nu_pool_failure why, nu_str reason);
    /* The waiting request's pool pointer. */
    void (*set_pool)(struct nu_list *node, struct nu_pool *pool);
    /* The connection closed while it served: tells the stream. NULL: nothing to do. */
    void (*on_closed)(struct nu_pool_client *c);
    bool http;
};

struct nu_pool {
    const struct nu_pool_ops *ops;
    struct nu_host *host;         /* reference */
    struct nu_cluster_info *info; /* reference: what new connections are made with */
    const struct nu_transport_conf *transport; /* of info, for this host */
    struct nu_cluster *cluster;   /* of host */
    struct nu_worker *worker;
    enum nu_priority priority;
    bool draining;                /* the host is gone: no new connections, existing ones end with their request */
    struct nu_list idle, connecting, busy; /* clients; idle: last used first. busy has the draining ones too */
    struct nu_list pending;       /* requests, oldest first */
    struct nu_list victims;       /* requests that are just being failed */
    uint32_t n_connecting, n_pending, n_clients, n_active;
    struct nu_task ready_task, free_task;
    nu_str key;                   /* own memory; ptr == NULL: for everybody, else for those with some options */
    nu_str preamble;              /* own memory: what its connections say first */
    struct nu_list node;          /* nu_host_pools.some */
};

/* One connection. HTTP's lives in its arena as a network filter. */
struct nu_pool_client {
    struct nu_net_filter filter; /* HTTP: the session's; TCP: keeps an unused connection */
    struct nu_conn_watcher watcher;
    struct nu_pool *pool;
    struct nu_conn *conn;
    struct nu_list node;
    struct nu_timer timer;       /* connect timeout, then idle timeout */
    struct nu_timer duration;    /* max_connection_duration */
    struct nu_cluster_info *info; /* reference, until the connection's memory goes */
    struct nu_host *host;         /* the same */
    uint64_t started_ns;
    uint64_t requests_left;
    uint64_t n_requests;
    enum nu_client_state state;
    bool serving;                /* a request is on it */
    bool timed_out, connected, protocol_error;
    struct nu_session_owner owner; /* HTTP */
    struct nu_session *session;
};

/* A host's pools on one worker. Most connections are for everybody; a transport that tells the upstream who the client
 * is, or a name that comes with the request, wants pools of its own for each, which end with their last connection. */
struct nu_host_pools {
    struct nu_pool *http[NU_N_PRIORITIES], *tcp[NU_N_PRIORITIES];
    struct nu_map keyed;
    struct nu_list some; /* the same pools */
};

/* The pool of a host on this worker, made when missing and brought up to `info` when that is newer. options: of the
 * connection; NULL: none. */
struct nu_pool *nu_pool_get(struct nu_host *host, struct nu_cluster_info *info, enum nu_priority priority, struct nu_worker *w,
                            const struct nu_pool_ops *ops, const struct nu_transport_options *options);
/* A request wants a connection: an idle one at once, else it waits (or fails by a circuit breaker). */
void nu_pool_request(struct nu_pool *p, struct nu_list *node);
/* A waiting request goes away. close_excess: a connection that is no longer needed for it is closed. */
void nu_pool_cancel(struct nu_pool *p, struct nu_list *node, bool close_excess);
/* The request on a client ended; reusable: the connection may serve another. */
void nu_pool_client_done(struct nu_pool_client *c, bool reusable);
void nu_pool_client_close(struct nu_pool_client *c);
/* Drains the pools of hosts on all loops; takes the array and its references. Main thread. */
void nu_host_pools_drain_all(struct nu_workers *all, struct nu_host **hosts, uint32_t n);
/* Closes every connection of a host's pools on one loop (that loop's thread, or when the loops have stopped). */
void nu_host_pools_close(struct nu_host *h, struct nu_worker *w);

#endif
