/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets. They belong to the process, keyed by address and options, and are handed from one snapshot of a
 * listener to the next, or from a removed listener to a new one on the same address. Main thread. */
#ifndef NU_LISTENER_SOCKET_H
#define NU_LISTENER_SOCKET_H

#include "base/list.h"
#include "base/sb.h"
#include "listener/listener_conf.h"

struct nu_listen_socket {
    struct nu_list node;          /* the table's */
    unsigned refs;                /* main thread only */
    struct nu_address *wanted;    /* as configured; port 0 stays 0 */
    struct nu_address *address;   /* as bound */
    uint64_t options_hash;
    uint64_t owner;               /* port 0: whose it is; else 0 */
    unsigned n_fds;               /* 1 (shared), or one per worker */
    bool listening;
    int backlog;
    int fds[];
};

/* The socket for an address: from the table, or bound now (not yet listening). NULL: *why says what failed. n: workers
 * when options->reuse_port and the family has ports, else ignored. owner: tells apart who asks for port 0, which means
 * another port for each. */
struct nu_listen_socket *nu_listen_socket_get(struct nu_list *table, const struct nu_address *address,
                                              const struct nu_listen_options *options, unsigned n, uint64_t owner,
                                              struct nu_sb *why);
/* listen(2) on all of it; false: errno says why. Harmless when it listens. */
bool nu_listen_socket_listen(struct nu_listen_socket *s);
/* Drops a reference; the last one closes. */
void nu_listen_socket_unref(struct nu_listen_socket **s);

#endif
