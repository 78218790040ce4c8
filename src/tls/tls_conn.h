/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection's TLS: what transport.c (bytes), handshake.c and error.c share. Small, since there are many idle ones; what only
 * a handshake needs is in a struct of its own that ends with it. */
#ifndef NU_TLS_TLS_CONN_H
#define NU_TLS_TLS_CONN_H

#include "net/conn.h"
#include "tls/context.h"
#include "tls/handshake.h"
#include "tls/info.h"
#include "tls/io.h"

/* conn->transport_state. */
struct nu_tls_conn {
    struct nu_tls_info info;     /* its SSL: NULL when there is no context (secrets that did not arrive) */
    struct nu_conn *conn;
    struct nu_tls_context *ctx;  /* a reference */
    struct nu_tls_handshake *hs; /* NULL: done */
    struct nu_tls_spill *spill;  /* NULL: none */
    nu_str *names;               /* client: what the pool asked for, see client_names.c; NULL: nothing */
    unsigned read_closed : 1;    /* the peer's close_notify came */
    unsigned write_closed : 1;   /* ours is sent */
    unsigned failed : 1;         /* nothing works any more */
};

/* Of a handshake that is under way. */
struct nu_tls_handshake {
    struct nu_list node;           /* nu_tls_io.waiting */
    struct nu_tls_conn *conn;
    const char *suspended;         /* what it waits for; NULL: for the peer, or its turn */
    enum nu_tls_answer choice, verdict, key; /* of what was suspended and is decided now */
    bool waiting;                  /* in the list */
    bool turn;                     /* its turn has come */
    bool push;                     /* a step is due though nothing was read: a client's first, or after an answer */
    bool flight_sent;              /* server: its own part of the work is done, what is left is cheap */
    uint8_t alert;                 /* when verdict says NO */
    nu_str verify_error;           /* text in the connection's arena */
    const struct nu_tls_certificate *cert; /* server: chosen */
    const nu_str *sans;            /* client: names of which the server's certificate must have one; NULL: as configured */
    size_t n_sans;
    uint8_t *signature;            /* of a suspended private-key operation; heap */
    size_t n_signature;
};

static inline struct nu_tls_conn *nu_tls_conn_of(const struct nu_conn *c)
{
    return c->transport_state;
}

enum nu_tls_step {
    NU_TLS_STEP_WAIT, /* for the peer, for a turn, for an answer */
    NU_TLS_STEP_DONE,
    NU_TLS_STEP_FAILED,
};

/* One step of the handshake, between nu_tls_io_begin and nu_tls_io_end. DONE: nu_tls_finish is the caller's to call. */
enum nu_tls_step nu_tls_step(struct nu_tls_io *io, struct nu_tls_conn *t);
/* Whether the next step may be made now; if not, the connection is read again when its turn comes. */
bool nu_tls_may_step(struct nu_tls_io *io, struct nu_tls_conn *t);
/* The handshake is done: counts, frees its state, tells the connection. Outside of begin and end: it may close. */
void nu_tls_finish(struct nu_tls_io *io, struct nu_tls_conn *t);
/* Gives up the handshake's state. */
void nu_tls_handshake_free(struct nu_tls_conn *t);

/* Takes what the library says went wrong into the connection's record (Envoy's text) and the counters. */
void nu_tls_drain_errors(struct nu_tls_conn *t);
/* The same for an errno of the socket. */
void nu_tls_system_error(struct nu_tls_conn *t, int error);

#endif
