/* SPDX-License-Identifier: Apache-2.0
 *
 * What TLS has of the process: the workers' I/O state, the keys of session tickets, and the list of all configured transports,
 * for /certs and the like. Made when the first TLS transport is. */
#ifndef NU_TLS_TLS_PROCESS_H
#define NU_TLS_TLS_PROCESS_H

#include "base/list.h"
#include "tls/io.h"
#include "tls/ticket_keys.h"
#include "worker/worker.h"

struct nu_server;

struct nu_tls {
    struct nu_server *server;
    struct nu_list sources; /* struct nu_tls_source.node; main thread */
    unsigned io_key;
    struct nu_ticket_ring tickets;
};

/* Main thread: the process's, made when missing. */
struct nu_tls *nu_tls_process(struct nu_server *server);
/* When the loops have stopped and no configuration is left. */
void nu_tls_process_free(struct nu_tls **tls);

/* The I/O state of a loop; its thread. */
struct nu_tls_io *nu_tls_process_io(const struct nu_tls *tls, struct nu_worker *w);

#endif
