/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the library and the socket. All connections of a worker share one BIO: it reads from and writes to whatever
 * connection's call into the library is running, through blocks that are borrowed for the call. A connection owns ciphertext
 * only when the socket took less than there was to send, or when a handshake was suspended in the middle of what had been read
 * (struct nu_tls_spill): idle, it has none. */
#ifndef NU_TLS_IO_H
#define NU_TLS_IO_H

#include <openssl/ssl.h>

#include "base/buffer.h"
#include "base/list.h"
#include "event/loop.h"

struct nu_tls_conn;
struct nu_worker;

/* Ciphertext that a connection keeps. */
struct nu_tls_spill {
    struct nu_buf in, out;
};

/* One per worker. */
struct nu_tls_io {
    struct nu_worker *worker;
    BIO_METHOD *method;
    BIO *bio;
    /* While a call into the library runs: */
    struct nu_tls_conn *conn;
    const uint8_t *in;    /* ciphertext that was read from the socket and not taken yet */
    size_t n_in;
    struct nu_block *out; /* ciphertext to send, gathered; NULL: none yet */
    size_t n_out;
    bool straight;        /* at most one record will be written: it goes to the socket without being gathered */
    int error;            /* errno of a send that failed; 0 */
    /* Handshakes whose next step waits for its turn (handshake.c), oldest first. */
    struct nu_list waiting;
    struct nu_task arm_task, step_task;
    uint64_t step_epoch;  /* the turn in which the last step was made */
};

struct nu_tls_io *nu_tls_io_new(struct nu_worker *w);
void nu_tls_io_free(struct nu_tls_io *io);

/* Around every call into the library that may read or write for a connection. `in` stays valid until nu_tls_io_end, which
 * sends what was written and keeps what was not taken from `in` or by the socket in the connection's spill. */
void nu_tls_io_begin(struct nu_tls_io *io, struct nu_tls_conn *t, const uint8_t *in, size_t n);
void nu_tls_io_end(struct nu_tls_io *io);

/* Sends what is gathered, between begin and end; what the socket does not take goes to the spill. false: it took not all,
 * nothing more may be written. */
bool nu_tls_io_flush(struct nu_tls_io *io);
/* Sends the spill of a connection. false: some of it is left, or io->error is set. */
bool nu_tls_io_unspill(struct nu_tls_io *io, struct nu_tls_conn *t);
void nu_tls_spill_clear(struct nu_tls_io *io, struct nu_tls_conn *t);

static inline struct nu_tls_io *nu_tls_io_of(const SSL *ssl)
{
    return (struct nu_tls_io *)BIO_get_data(SSL_get_rbio(ssl));
}

#endif
