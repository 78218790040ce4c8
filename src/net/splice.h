/* SPDX-License-Identifier: Apache-2.0
 *
 * Bulk without copies: what one connection reads goes through a kernel pipe into another's socket.
 *
 *     from's socket --splice--> to's pipe --splice--> to's socket
 *
 * The pipe is the rear end of `to`'s write buffer: to->out is written before it, and nothing is added to to->out while it
 * holds bytes. So all that concerns a write buffer (watermarks, half-close, flushing closes, statistics) holds for both. */
#ifndef NU_NET_SPLICE_H
#define NU_NET_SPLICE_H

#include "net/conn.h"

struct nu_pipe;

/* In the connection's arena, once it has been one end of a splice. */
struct nu_splice {
    /* As the reader: */
    struct nu_conn *to; /* NULL: reads are offered to the filters */
    uint8_t n_few;      /* reads in a row that brought little */
    bool stalled;       /* nothing is read before the pipe is empty */
    bool muted;         /* the loop does not tell that it is readable: known, and nothing is read now */
    bool refused;       /* the kernel cannot: never again */
    /* As the writer: */
    struct nu_conn *from; /* who fills the pipe; NULL: nobody any more */
    struct nu_pipe *pipe; /* borrowed from the worker while it holds bytes, else NULL */
    size_t piped;         /* bytes in it */
};

/* What `from` reads from now on is written to `to` without being offered to from's filters; they hear of it by on_passed.
 * For the filter that would hand it on unchanged anyway, when from->read_full says that a lot is on its way. It ends by
 * itself (reads that bring little, the peer's end, an end that closes): then on_data is called again. Does nothing when it
 * is not possible: a transport that changes bytes, another filter that wants to see them. */
void nu_conn_splice(struct nu_conn *from, struct nu_conn *to);

/* Bytes that wait to be written. */
static inline size_t nu_conn_pending(const struct nu_conn *c)
{
    return c->out.len + (c->splice != NULL ? c->splice->piped : 0);
}

/* ---- for conn.c and conn_io.c ---- */

/* The next read is a splice. */
bool nu_splice_is_on(const struct nu_conn *c);
static inline bool nu_splice_stalled(const struct nu_conn *c)
{
    return c->splice != NULL && c->splice->stalled;
}
/* One read of c into the pipe of where it goes. AGAIN: nothing to splice. REFUSED: no longer on, read instead. */
struct nu_io_result nu_splice_read(struct nu_conn *c);
/* Writes c's pipe, c->out being empty. REFUSED: its bytes are in c->out now. */
struct nu_io_result nu_splice_write(struct nu_conn *c);
/* Moves c's pipe to the end of c->out, so that more can be added there. */
void nu_splice_unload(struct nu_conn *c);
/* A paused or stalled reader heard that it is readable, which it knows: it need not be told for each packet. */
void nu_splice_mute(struct nu_conn *c);
/* It reads again. */
void nu_splice_unmute(struct nu_conn *c);
/* c's reads are offered to its filters from now on, whatever the pipe still holds. */
void nu_splice_stop(struct nu_conn *c);
/* The connection ends: what its pipe holds is dropped, the other ends forget it. */
void nu_splice_end(struct nu_conn *c);

#endif
