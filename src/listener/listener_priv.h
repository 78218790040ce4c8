/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of listeners share: manager.c (main thread), accept.c (workers). */
#ifndef NU_LISTENER_LISTENER_PRIV_H
#define NU_LISTENER_LISTENER_PRIV_H

#include "base/atomic.h"
#include "listener/listener.h"
#include "listener/socket.h"
#include "worker/worker.h"

struct nu_listener;

/* Connections that one worker has, on a cache line of its own. */
struct nu_cx_count {
    _Alignas(64) struct nu_atomic_u32 n;
};

struct nu_listener_manager {
    struct nu_server *server;
    struct nu_scope *scope;      /* listener_manager. */
    struct nu_list listeners;    /* active, in order of addition */
    struct nu_list draining;     /* removed, connections left */
    struct nu_list sockets;
    struct nu_list drains;
    struct nu_atomic_u64 global_limit;
    struct nu_scope *monitor_scope; /* of the monitor that sets global_limit; NULL: none */
    bool started;
    struct nu_timer stop_timer;  /* graceful /drain_listeners */
    bool stop_inbound_only;
    struct nu_cx_count *counts;  /* [n_workers + 1] */
};

/* A listening socket as one worker sees it. */
struct nu_acceptor {
    struct nu_watch watch;
    struct nu_listener_worker *lw;
    struct nu_address *address; /* borrowed: the listener's socket holds it */
    int fd;                     /* the listener's: watch.fd is -1 while accepting pauses */
    unsigned batch;             /* connections to accept before the loop is asked again */
    bool wildcard;              /* the local address must be asked for */
    bool shared;                /* EPOLLEXCLUSIVE */
};

/* One listener on one worker; touched by that worker only, but for n_active. */
struct nu_listener_worker {
    struct nu_worker *w;
    struct nu_listener *listener;
    struct nu_listener_conf *conf; /* a reference */
    struct nu_acceptor *acceptors;
    size_t n_acceptors;
    struct nu_list accepting;      /* sockets in listener filters */
    struct nu_timer retry;         /* after EMFILE */
    struct nu_address *locals[8];  /* local addresses seen on a wildcard socket */
    unsigned n_locals;
    struct nu_atomic_u32 n_active;
};

/* A listener: identity by name. Main thread, but for what is constant. */
struct nu_listener {
    struct nu_list node;
    struct nu_listener_manager *lm;
    nu_str name, limit_key; /* own memory */
    struct nu_listener_conf *conf; /* a reference */
    struct nu_listen_socket **sockets;
    size_t n_sockets;
    bool listening;
    bool stopped;
    bool ended;        /* removed, and every worker has let go of it */
    unsigned n_drains; /* struct drain that name it */
    struct nu_listener_worker workers[]; /* [n_workers + 1] */
};

/* accept.c: on the worker's loop. */
/* Takes the snapshot and accepts on these sockets (n 0: on none any more). They must stay until it is told to stop or
 * to accept on others. */
void nu_listener_worker_update(struct nu_listener_worker *lw, struct nu_listener_conf *conf,
                               struct nu_listen_socket *const *sockets, size_t n);
void nu_listener_worker_stop_accepting(struct nu_listener_worker *lw);
/* Closes connections of draining chains that `which` names (all when n is 0), and what is in listener filters. */
void nu_listener_worker_close(struct nu_listener_worker *lw, struct nu_filter_chain *const *which, size_t n);
/* Drops everything it holds. No connection may be left. */
void nu_listener_worker_clear(struct nu_listener_worker *lw);

#endif
