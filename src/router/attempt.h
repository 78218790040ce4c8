/* SPDX-License-Identifier: Apache-2.0
 *
 * One attempt at an upstream: from the chosen host through the pool to the end of the response. The router filter runs one
 * at a time (again for each retry), a mirrored request runs its own. It owns the codec's half of the upstream stream, keeps
 * what cannot be sent yet, and does flow control both ways.
 *
 *     IDLE --start--> WAITING --pool--> OPEN --both ends, or reset--> OVER
 *                        \--failure---------------------------------> OVER
 *
 * After OVER no callback comes and a new start is allowed. */
#ifndef NU_ROUTER_ATTEMPT_H
#define NU_ROUTER_ATTEMPT_H

#include "net/stream_info.h"
#include "upstream/pool.h"

struct nu_attempt;

struct nu_attempt_ops {
    /* A connection is there; headers go out when this returns. */
    void (*on_ready)(struct nu_attempt *a);
    void (*on_headers)(struct nu_attempt *a, struct nu_http_headers *h, bool end);
    void (*on_informational)(struct nu_attempt *a, struct nu_http_headers *h);
    void (*on_data)(struct nu_attempt *a, struct nu_buf *data, bool end);
    void (*on_trailers)(struct nu_attempt *a, struct nu_http_headers *t);
    /* Over abnormally. transport: why a connection failed; may be empty. */
    void (*on_reset)(struct nu_attempt *a, enum nu_reset_reason r, nu_str transport, nu_str details);
    /* The upstream takes no more request bytes for now / does again; alternating. */
    void (*on_blocked)(struct nu_attempt *a);
    void (*on_unblocked)(struct nu_attempt *a);
};

enum nu_attempt_state { NU_ATTEMPT_IDLE, NU_ATTEMPT_WAITING, NU_ATTEMPT_OPEN, NU_ATTEMPT_OVER };

/* Embed; zero-initialise and call nu_attempt_init. Fields are read by the owner, written here. */
struct nu_attempt {
    struct nu_stream_user user;
    struct nu_http_pool_request pool;
    struct nu_tcp_pool_request tcp; /* instead, for a tunnel */
    const struct nu_attempt_ops *ops;
    struct nu_worker *worker;
    struct nu_stream_info *info; /* its upstream part is filled; NULL: nobody reads it */
    struct nu_host *host;        /* reference; stays after OVER until the next start or nu_attempt_clear */
    struct nu_cluster_info *cluster; /* borrowed */
    nu_str san;                 /* of the connection's server, for auto_san_validation */
    struct nu_codec_stream *stream;
    const struct nu_http_headers *headers, *trailers;
    struct nu_buf pending;      /* body that waits for the pool or for an upgrade to be accepted */
    uint8_t state;              /* enum nu_attempt_state */
    bool end_given;             /* the request's end was given to us */
    bool end_sent;              /* and sent */
    bool end_received;
    bool got_headers;           /* final response headers arrived */
    bool hold_body;             /* the body waits for 101 or 2xx: upgrades, CONNECT */
    bool tunnel;                /* CONNECT ends here: the body is the bytes of a TCP connection (tunnel.c) */
    bool pending_full, stream_high; /* why we are blocked */
    uint16_t read_pauses;       /* how often the owner paused the response */
};

void nu_attempt_init(struct nu_attempt *a, const struct nu_attempt_ops *ops, struct nu_worker *w,
                     struct nu_arena *arena, struct nu_stream_info *info);
/* Begins: takes a reference of host; headers stay valid until OVER. end: no body follows. Callbacks may come before this
 * returns. */
void nu_attempt_start(struct nu_attempt *a, struct nu_host *host, struct nu_cluster_info *cluster,
                      enum nu_priority priority, const struct nu_http_headers *headers, bool end);
/* The request's body (moved) and end. */
void nu_attempt_data(struct nu_attempt *a, struct nu_buf *data, bool end);
void nu_attempt_trailers(struct nu_attempt *a, const struct nu_http_headers *t);
/* Brings the byte counts of the record (UPSTREAM_WIRE_BYTES_SENT ...) up to date; the end of the attempt does so, too. */
void nu_attempt_note_bytes(struct nu_attempt *a);
/* Ends the attempt from our side, in any state; no callback comes after it. */
void nu_attempt_reset(struct nu_attempt *a);
/* The response comes too fast / may come again. Counted; kept for a response that has not begun. */
void nu_attempt_pause(struct nu_attempt *a);
void nu_attempt_resume(struct nu_attempt *a);
/* Resets, and lets go of the host. */
void nu_attempt_clear(struct nu_attempt *a);

/* A stream of which the body, both ways, is all that a connected connection carries; sent headers are dropped, and the
 * answer is a 200 that comes with nu_tunnel_answer. Takes the connection (tunnel.c). */
struct nu_codec_stream *nu_tunnel_new(struct nu_conn *c, struct nu_stream_user *user);
void nu_tunnel_answer(struct nu_codec_stream *s);

/* Adds the bytes of `from` to `to` without copying them; both keep references. */
void nu_buf_share(struct nu_buf *to, const struct nu_buf *from, struct nu_buf_pool *p);

#endif
