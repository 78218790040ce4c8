/* SPDX-License-Identifier: Apache-2.0
 *
 * What a listener is configured with: an immutable snapshot that config/ fills. Filter chains are shared by the snapshots
 * of one listener, so that an update that leaves a chain as it was leaves its connections alone. */
#ifndef NU_LISTENER_LISTENER_CONF_H
#define NU_LISTENER_LISTENER_CONF_H

#include "base/diag.h"
#include "base/ref.h"
#include "listener/match.h"
#include "net/access_log.h"
#include "net/address.h"
#include "net/drain.h"
#include "net/filter.h"
#include "net/listener_filter.h"
#include "net/transport.h"

struct nu_filter_chain {
    struct nu_ref refs;
    struct nu_arena arena; /* the confs of its filters and its transport live here */
    nu_str name;
    uint64_t hash;         /* of its message: same hash, same chain */
    struct nu_drain drain;
    const struct nu_transport_conf *transport;
    nu_ms transport_connect_timeout; /* 0: none */
    const struct nu_net_filter_conf **filters;
    size_t n_filters; /* 0: connections are closed at once */
};

enum nu_socket_state { NU_SOCKET_PREBIND, NU_SOCKET_BOUND, NU_SOCKET_LISTENING };

struct nu_socket_option { /* core.SocketOption */
    int level, name;
    enum nu_socket_state state;
    int number;  /* when bytes.ptr is NULL */
    nu_str bytes;
};

/* How listening sockets are made; two listeners share a socket only if these agree. */
struct nu_listen_options {
    bool reuse_port;   /* one socket per worker, else one that all share */
    bool transparent, freebind, ipv4_compat;
    int backlog;       /* 0: the system's */
    const struct nu_socket_option *options;
    size_t n_options;
    bool keepalive;
    int keepalive_probes, keepalive_time_s, keepalive_interval_s;
    uint64_t hash; /* of all of these */
};

struct nu_listener_conf {
    struct nu_ref refs;
    struct nu_arena arena;
    nu_str name;
    nu_str stat_name;      /* of the scope: stat_prefix, or the address with ':' as '_' */
    uint64_t hash;         /* of the whole message */
    uint64_t rest_hash;    /* of all but filter chains, default chain and match */
    struct nu_address **addresses; /* references */
    size_t n_addresses;
    struct nu_listen_options socket;
    bool bind_to_port;
    bool on_main;          /* served by the main thread: the admin listener */
    struct nu_filter_chain **chains; /* references */
    size_t n_chains;
    struct nu_filter_chain *default_chain; /* NULL: none */
    struct nu_filter_chain *catch_all; /* borrowed: the only chain, and it has no criteria; else NULL */
    const struct nu_chain_matcher *matcher;
    uint32_t buffer_limit; /* bytes; 0: none */
    const struct nu_listener_filter_conf **listener_filters;
    size_t n_listener_filters;
    nu_ms listener_filters_timeout; /* 0: none */
    bool continue_on_listener_filters_timeout;
    uint32_t max_accepts; /* per turn and socket; 0: the default */
    bool ignore_global_conn_limit;
    bool inbound, drain_on_modify_only;
    struct nu_access_logs access_logs;
    /* Where it was written, for errors that show when it is applied. */
    nu_str file, path;
    struct nu_pos pos;
    /* Set when it is applied. */
    struct nu_scope *scope;                       /* listener.<stat_name>. */
    struct nu_scope *config_scope;                /* the same; NULL: the admin listener */
    struct nu_scope **worker_scopes;              /* ... worker_<n>.; [n_workers] main_thread. */
    struct nu_address **bound;                    /* references: what the sockets are bound to, as addresses[] */
    uint64_t updated_wall_ns;
    struct nu_workers *workers;
    struct nu_post dispose;                       /* the last reference may go on any thread; memory goes on main */
};

/* A snapshot with one reference and an empty arena; the caller fills it. */
struct nu_listener_conf *nu_listener_conf_new(void);
/* Any thread, once it was applied. */
struct nu_listener_conf *nu_listener_conf_ref(struct nu_listener_conf *c);
void nu_listener_conf_unref(struct nu_listener_conf **c);

struct nu_filter_chain *nu_filter_chain_new(void);
struct nu_filter_chain *nu_filter_chain_ref(struct nu_filter_chain *c);
void nu_filter_chain_unref(struct nu_filter_chain **c);

#endif
