/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/tls_process.h"

#include "base/alloc.h"
#include "net/server.h"

static void free_io(void *io)
{
    nu_tls_io_free(io);
}

struct nu_tls *nu_tls_process(struct nu_server *server)
{
    if (server->tls != NULL)
        return server->tls;
    struct nu_tls *tls = nu_new(struct nu_tls);
    tls->server = server;
    nu_list_init(&tls->sources);
    tls->io_key = nu_worker_local_key(server->workers, free_io);
    nu_ticket_ring_init(&tls->tickets, server->workers);
    server->tls = tls;
    return tls;
}

void nu_tls_process_free(struct nu_tls **tlsp)
{
    struct nu_tls *tls = nu_take(tlsp);
    if (tls == NULL)
        return;
    nu_ticket_ring_clear(&tls->tickets);
    nu_free(tls);
}

struct nu_tls_io *nu_tls_process_io(const struct nu_tls *tls, struct nu_worker *w)
{
    void **io = nu_worker_local(w, tls->io_key);
    if (nu_unlikely(*io == NULL))
        *io = nu_tls_io_new(w);
    return *io;
}
