/* SPDX-License-Identifier: Apache-2.0
 *
 * Transports: what turns a socket into a stream of plain bytes. raw_buffer is the trivial one; TLS, the PROXY-header
 * writer and later others implement the same operations. Nothing above a transport sees an fd. */
#ifndef NU_NET_TRANSPORT_H
#define NU_NET_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/str.h"

struct nu_conn;
struct nu_conn_info;
struct nu_sb;
struct nu_worker;
struct nu_transport_conf;
struct nu_factory;
struct nu_pb_msg;

enum nu_io_status {
    NU_IO_OK,     /* made progress; the socket may have more / take more */
    NU_IO_AGAIN,  /* would block: wait for readiness */
    NU_IO_END,    /* read: the peer ended its side in order */
    NU_IO_ERROR,  /* reset or transport failure: nu_conn_details.transport_failure / conn->error says why */
    NU_IO_REFUSED, /* splices only: not in this way, read or write the bytes instead */
};

struct nu_io_result {
    enum nu_io_status status;
    size_t n; /* bytes moved */
};

/* What somebody wants of an upstream connection. Borrowed, for the call. */
struct nu_transport_options {
    const struct nu_conn_info *downstream; /* whom it is for; NULL: nobody that the upstream should hear of */
    nu_str host_name;                      /* of the host; may be empty */
    nu_str sni;                            /* overrides the configured one (auto_sni); NULL ptr: does not */
    const nu_str *sans;                    /* names of which the server's certificate must have one (auto_san_validation) */
    size_t n_sans;
    nu_str alpn; /* the protocol to offer where the configuration names none: the pool's; empty: none */
};

/* Per-connection state lives at conn->transport_state (made by on_attach in the connection's arena). */
struct nu_transport_ops {
    const char *name; /* "raw_buffer" */
    /* The connection has this transport from now on; before any I/O. NULL: nothing to do. */
    void (*on_attach)(struct nu_conn *c, const struct nu_transport_conf *conf);
    /* The socket is connected (accepted, or connect finished). A transport without handshake calls
     * nu_conn_transport_ready(c) at once; TLS calls it when its handshake is done. */
    void (*on_connected)(struct nu_conn *c);
    /* Reads at most about `limit` bytes to the end of `to`. */
    struct nu_io_result (*read)(struct nu_conn *c, struct nu_buf *to, size_t limit);
    /* Writes from the front of `from`, draining what was taken. end: half-close after the last byte. */
    struct nu_io_result (*write)(struct nu_conn *c, struct nu_buf *from, bool end);
    /* Both, or none: a transport whose stream is just what the socket carries. Moves at most `limit` bytes from the socket
     * into a pipe; AGAIN: the socket is empty, or begins with urgent data, or the pipe is full. The peer's end is REFUSED: only
     * a read can tell it. */
    struct nu_io_result (*splice_in)(struct nu_conn *c, int pipe, size_t limit);
    /* Moves at most n of the bytes that a pipe holds into the socket. */
    struct nu_io_result (*splice_out)(struct nu_conn *c, int pipe, size_t n);
    /* Before the fd is closed; NULL: nothing to do. abrupt: no close_notify. */
    void (*on_close)(struct nu_conn *c, bool abrupt);

    /* The following three, or none: a transport whose connections are not all alike: it tells an upstream whose connection it
     * carries, or asks for a name that a request has. */
    /* Appends what tells options apart: pools share an upstream connection only among equal ones. Nothing: for everybody. */
    void (*pool_key)(const struct nu_transport_conf *conf, const struct nu_transport_options *o, struct nu_sb *key);
    /* Appends what connections with these options say first, in whatever form the transport wants it. */
    void (*preamble)(const struct nu_transport_conf *conf, const struct nu_transport_options *o, struct nu_worker *w,
                     struct nu_sb *bytes);
    /* Gives an upstream connection its preamble (copied), before any I/O. Without it the transport speaks for itself. */
    void (*set_preamble)(struct nu_conn *c, nu_str bytes);
};

/* A configured transport: part of a filter chain's or a cluster's snapshot, immutable, in the snapshot's arena. */
struct nu_transport_conf {
    const struct nu_transport_ops *ops;
    bool secure; /* TLS-like: scheme https */
};

extern const struct nu_transport_conf nu_raw_buffer;

/* ops of an extension of category "envoy.transport_sockets.downstream" / "...upstream". */
struct nu_transport_factory {
    /* conf in f->arena; NULL: reported to f->diags. msg: the decoded typed_config. */
    const struct nu_transport_conf *(*create)(struct nu_factory *f, const struct nu_pb_msg *msg);
};

#endif
