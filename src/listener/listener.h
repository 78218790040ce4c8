/* SPDX-License-Identifier: Apache-2.0
 *
 * All listeners by name. Changes happen on the main thread and come as batches: new and changed snapshots, names to
 * remove. Each worker accepts on its own sockets (or on a shared one) and runs listener filters, the choice of a filter
 * chain and the limits.
 *
 * An update that changes filter chains only keeps the connections of chains that stay; those of the others drain for
 * drain_time and are closed then. Any other update drains all old connections, removal too, and stops listening at
 * once. */
#ifndef NU_LISTENER_LISTENER_H
#define NU_LISTENER_LISTENER_H

#include "listener/listener_conf.h"
#include "net/server.h"

struct nu_listener_manager;

struct nu_listener_manager *nu_listener_manager_new(struct nu_server *s);
/* The workers must have stopped. Closes sockets and connections. */
void nu_listener_manager_free(struct nu_listener_manager **lm);

/* Applies a batch: all of it, or nothing (false; reported to d): duplicate addresses and sockets that cannot be bound.
 * Takes the snapshots in either case. A snapshot that equals the current one is dropped. */
NU_NODISCARD bool nu_listener_manager_apply(struct nu_listener_manager *lm, struct nu_listener_conf **confs, size_t n,
                                            const nu_str *remove, size_t n_remove, struct nu_diags *d);
/* The same in two steps. First everything that can fail: sockets are bound. NULL: reported. `remove` must stay until the
 * batch has gone; no other batch may be applied before. */
struct nu_listener_batch;
struct nu_listener_batch *nu_listener_manager_prepare(struct nu_listener_manager *lm, struct nu_listener_conf **confs,
                                                      size_t n, const nu_str *remove, size_t n_remove,
                                                      struct nu_diags *d);
/* Puts it into effect, or gives it up (NULL is allowed). */
void nu_listener_manager_commit(struct nu_listener_manager *lm, struct nu_listener_batch **b);
void nu_listener_batch_drop(struct nu_listener_batch **b);
/* Workers accept from now on; before, sockets are bound but do not listen. false: listen(2) failed (reported). */
NU_NODISCARD bool nu_listener_manager_start(struct nu_listener_manager *lm, struct nu_diags *d);

/* A chain of the current snapshot of a listener whose other settings are the same (rest_hash): to be shared by the next
 * one. Borrowed; NULL: none. */
struct nu_filter_chain *nu_listener_manager_chain(struct nu_listener_manager *lm, nu_str listener, uint64_t rest_hash,
                                                  uint64_t chain_hash);

/* /listeners: each active listener with the addresses it is bound to. */
struct nu_listener_status {
    nu_str name;
    const struct nu_address *const *addresses;
    size_t n_addresses;
    const struct nu_listener_conf *conf;
};
void nu_listener_manager_each(struct nu_listener_manager *lm,
                              void (*fn)(const struct nu_listener_status *status, void *arg), void *arg);
/* What the main thread's own listener (on_main: admin) is bound to; NULL: there is none. Such a listener answers from the
 * moment it is applied, is in no list and no count, and names no other listener. Borrowed. */
const struct nu_address *nu_listener_manager_main_address(struct nu_listener_manager *lm);

/* Stops accepting (listener_stopped); connections stay. */
void nu_listener_manager_stop_listening(struct nu_listener_manager *lm, bool inbound_only);
/* POST /drain_listeners: at once, or graceful: connections are asked to end for drain_time first. The process's drain
 * state (nu_server.draining) is set by the caller. */
void nu_listener_manager_drain(struct nu_listener_manager *lm, bool graceful, bool inbound_only);
/* Whether connections of removed listeners or replaced filter chains are left. */
bool nu_listener_manager_is_draining(const struct nu_listener_manager *lm);
/* Downstream connections of all workers that count for the global limit. */
uint64_t nu_listener_manager_n_connections(const struct nu_listener_manager *lm);
/* Limit of downstream connections of the process; the runtime key overload.global_downstream_max_connections comes
 * before it. UINT64_MAX: none. */
void nu_listener_manager_set_global_limit(struct nu_listener_manager *lm, uint64_t limit);

#endif
