/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection: socket, transport, read and write buffers with watermarks, network filters. Both sides of the proxy use
 * it: a downstream connection's filters come from the listener's filter chain; an upstream connection has one filter,
 * its owner's. Everything happens on the connection's worker.
 *
 * Life:  connecting -> open -> closing (flushing, delayed) -> closed -> freed at the end of that turn
 *
 * Flow control is counted. Reading: nu_conn_read_pause/resume nest; while paused nothing is read and the kernel's
 * window fills. Writing: when the write buffer grows over the high watermark, on_high is told once, and on_low once it
 * has fallen to half of it. */
#ifndef NU_NET_CONN_H
#define NU_NET_CONN_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "event/loop.h"
#include "net/address.h"
#include "net/stream_info.h"
#include "net/transport.h"
#include "worker/worker.h"

struct nu_net_filter;
struct nu_splice;

enum nu_conn_event {
    NU_CONN_CONNECTED,    /* the transport is ready (upstream: connected; TLS: handshake done) */
    NU_CONN_REMOTE_CLOSE, /* the peer closed or reset, or I/O failed */
    NU_CONN_LOCAL_CLOSE,  /* we closed */
};

enum nu_close_type {
    NU_CLOSE_NOW,         /* Envoy NoFlush: what is not written yet is dropped */
    NU_CLOSE_ABORT,       /* AbortReset: RST */
    NU_CLOSE_FLUSH,       /* FlushWrite: close when the write buffer is empty */
    NU_CLOSE_FLUSH_DELAY, /* FlushWriteAndDelay: then half-close and wait delayed_close_timeout for the peer */
};

enum nu_conn_state {
    NU_CONN_CONNECTING,
    NU_CONN_OPEN,
    NU_CONN_CLOSING, /* reads nothing more; flushing or waiting */
    NU_CONN_CLOSED,
};

/* Who wants to know about a connection beside its filters: the listener (counts), a pool. First member of the owner. */
struct nu_conn_watcher {
    struct nu_conn_watcher *next;
    void (*on_event)(struct nu_conn_watcher *w, struct nu_conn *c, enum nu_conn_event ev);
    /* The last that is called of a connection, after its filters' on_free and its arena's cleanups; NULL: nothing to do. */
    void (*on_free)(struct nu_conn_watcher *w);
};

/* Visible for inline accessors; change it only through functions. */
struct nu_conn {
    struct nu_watch watch;
    struct nu_worker *worker;
    const struct nu_transport_conf *transport;
    void *transport_state;
    struct nu_net_filter *filters_head, *filters_tail; /* downstream data order; writes go tail to head */
    struct nu_conn_watcher *watchers;
    struct nu_buf in, out;
    struct nu_splice *splice; /* net/splice.h; NULL: never was an end of one */
    uint32_t buffer_limit;      /* per_connection_buffer_limit_bytes; 0: none */
    uint16_t read_pauses;
    uint8_t state;              /* enum nu_conn_state */
    uint8_t close_type;
    unsigned readable : 1, writable : 1; /* edge memory */
    unsigned upstream : 1;      /* we connected */
    unsigned half_close : 1;    /* enable_half_close: a FIN is passed on, not a close */
    unsigned read_end : 1;      /* the peer ended its side and filters were told */
    unsigned write_end : 1;     /* filters ended our side */
    unsigned write_end_sent : 1;
    unsigned above_high : 1;
    unsigned transport_up : 1;
    unsigned peer_fin : 1;      /* RDHUP/HUP seen */
    unsigned urgent : 1;        /* the peer has sent urgent data: a read stops before it */
    unsigned local_closed : 1;
    unsigned read_size : 2;     /* what the next read asks for: transport's business (raw_buffer.c) */
    unsigned redispatch : 1;    /* offer c->in again */
    unsigned offer_due : 1;     /* soon_task offers what this turn has read, and reads no more */
    unsigned read_full : 1;     /* the last read took a whole turn's share: bulk */
    unsigned no_early_close : 1; /* while reading is paused a FIN of the peer is not looked at (Envoy's
                                  * detectEarlyCloseWhenReadDisabled(false)): upstream connections */
    unsigned reset : 1;         /* it ended with an error (error says which errno) */
    unsigned watched : 1;       /* registered with the loop */
    unsigned started : 1;       /* nu_conn_start was called */
    unsigned write_waits : 1;   /* the socket did not take all that was written */
    unsigned transport_holds : 1; /* the transport took bytes that the socket has not taken yet: write when it can */
    int error;                  /* errno of the I/O failure; 0 */
    struct nu_task flush_task, soon_task; /* after the close flush_task gives the memory back */
    struct nu_timer timer;      /* connecting: the timeout; open: its terminal filter's, for what ends an idle connection;
                                 * closing: delayed close */
    nu_ms delayed_close;        /* NU_MS(0): none */
    struct nu_list node;        /* worker->conns */
    struct nu_arena arena;
    struct nu_conn_info *info;
    struct nu_stream_info *stream; /* the connection's own record, for L4 access logs; NULL: none kept */
    uint64_t bytes_in, bytes_out;
    uint32_t counted_in, counted_out; /* what stats' buffered gauges hold of this connection */
    const struct nu_conn_stats *stats; /* borrowed; NULL: bytes are not counted */
};

/* Where a connection counts its bytes (listener filter chain: http.<p>. or tcp.<p>.; cluster: cluster.<c>.). */
struct nu_scope;
struct nu_conn_stats {
    struct nu_scope *scope;
    uint16_t rx_total, rx_buffered, tx_total, tx_buffered; /* indices into the scope's layout */
    int16_t delayed_close_timeout; /* index or -1 */
};

/* A connection from an accepted socket. The arena (and c itself) end with it. Takes the fd. The caller then adds
 * filters and calls nu_conn_start. limit: buffer limit in bytes (0: none). */
struct nu_conn *nu_conn_accepted(struct nu_worker *w, int fd, const struct nu_transport_conf *transport,
                                 uint32_t limit);
/* The same for a socket that listener filters have looked at: takes its arena, record, fd and early bytes. */
struct nu_accepting;
struct nu_conn *nu_conn_from_accepting(struct nu_accepting *a, const struct nu_transport_conf *transport,
                                       uint32_t limit);

struct nu_connect_options {
    const struct nu_address *address;
    const struct nu_address *source; /* upstream_bind_config; NULL: any */
    const struct nu_transport_conf *transport;
    nu_ms timeout; /* connect_timeout; 0: none. Expiry closes: REMOTE_CLOSE with error ETIMEDOUT */
    uint32_t buffer_limit;
    bool keepalive;
    int keepalive_probes, keepalive_time_s, keepalive_interval_s; /* 0: the kernel's */
};
/* Starts connecting; never fails at once: a failure is reported as REMOTE_CLOSE on a later turn. */
struct nu_conn *nu_conn_connect(struct nu_worker *w, const struct nu_connect_options *o);

/* Filters and watchers are complete: on_new_connection of each filter is called and reading begins. */
void nu_conn_start(struct nu_conn *c);

void nu_conn_watch(struct nu_conn *c, struct nu_conn_watcher *w);
void nu_conn_unwatch(struct nu_conn *c, struct nu_conn_watcher *w);

/* Appends a filter (end of the read order). Before nu_conn_start, or from a filter for filters behind it. */
void nu_conn_add_filter(struct nu_conn *c, struct nu_net_filter *f);

/* Takes all bytes of `data` through the write filters into the write buffer; written at the end of the turn. end:
 * half-close after them. */
void nu_conn_write(struct nu_conn *c, struct nu_buf *data, bool end);
/* The buffer that the next flush writes, for codecs that serialise straight into it (no write filter may be
 * installed: nu_conn_has_write_filters). Call nu_conn_written after appending. */
static inline struct nu_buf *nu_conn_out(struct nu_conn *c)
{
    return &c->out;
}
void nu_conn_written(struct nu_conn *c);
bool nu_conn_has_write_filters(const struct nu_conn *c);

/* Closes. on_event(LOCAL_CLOSE) is called before this returns for NOW and ABORT, later for the flushing types. Repeated
 * calls may only make it faster. c stays valid until the end of the turn. */
void nu_conn_close(struct nu_conn *c, enum nu_close_type type);
/* As above, with the reason that %DOWNSTREAM_LOCAL_CLOSE_REASON% tells (a literal or text in the connection's arena;
 * the first one counts). */
void nu_conn_close_why(struct nu_conn *c, enum nu_close_type type, nu_str details);

void nu_conn_read_pause(struct nu_conn *c);
void nu_conn_read_resume(struct nu_conn *c);
static inline bool nu_conn_read_paused(const struct nu_conn *c)
{
    return c->read_pauses > 0;
}

/* Unconsumed input is kept in c->in; a filter that had stopped calls this to have it offered again (this turn, soon). */
void nu_conn_redispatch(struct nu_conn *c);

static inline bool nu_conn_is_open(const struct nu_conn *c)
{
    return c->state == NU_CONN_OPEN || c->state == NU_CONN_CONNECTING;
}
static inline bool nu_conn_above_high(const struct nu_conn *c)
{
    return c->above_high;
}

/* The connection's own record for L4 access logs, made when missing: it begins with the connection. */
struct nu_stream_info *nu_conn_stream_info(struct nu_conn *c);

/* The socket's own address (getsockname(2)). */
void nu_conn_local_sockaddr(const struct nu_conn *c, struct nu_sockaddr *out);
/* %UPSTREAM_DETECTED_CLOSE_TYPE%-like facts: the connection ended by a RST of the peer. */
static inline bool nu_conn_was_reset(const struct nu_conn *c)
{
    return c->reset && c->error == ECONNRESET;
}

/* Asks the filters of every accepted connection of a worker to end in order; on its loop. */
void nu_conn_drain_all(struct nu_worker *w);
/* Closes every connection of a worker (NU_CLOSE_NOW); on its loop, at the end of the process. */
void nu_conn_close_all(struct nu_worker *w);
/* Makes the arena of an accepted socket: its first chunk has just the room that a connection needs. */
void nu_conn_arena_init(struct nu_arena *a);

/* For transports. */
void nu_conn_transport_ready(struct nu_conn *c);
/* For listener filters and transports: the raw socket. */
static inline int nu_conn_fd(const struct nu_conn *c)
{
    return c->watch.fd;
}

#endif
