/* SPDX-License-Identifier: Apache-2.0
 *
 * Listener filters run on an accepted socket before a filter chain is chosen. They peek (MSG_PEEK) or consume bytes and
 * fill the connection's record: addresses (proxy_protocol), SNI and ALPN (tls_inspector). */
#ifndef NU_NET_LISTENER_FILTER_H
#define NU_NET_LISTENER_FILTER_H

#include "net/conn.h"
#include "net/extension.h"

enum nu_lf_status {
    NU_LF_CONTINUE, /* done with this connection */
    NU_LF_WAIT,     /* call again when more bytes are there */
    NU_LF_REFUSE,   /* the filter does not want this connection, and has counted why: close the socket */
    NU_LF_CLOSE,    /* reading failed: close the socket (downstream_listener_filter_error) */
    NU_LF_REMOTE_CLOSE, /* the peer closed first (downstream_listener_filter_remote_close) */
};

/* One accepted socket on its way through the listener filters. */
struct nu_accepting {
    struct nu_worker *worker;
    int fd;
    struct nu_arena arena;     /* becomes the connection's arena */
    struct nu_conn_info *info; /* becomes the connection's record */
    struct nu_buf early;       /* bytes read from the socket past what a filter consumed: the connection sees them first */
    struct nu_scope *listener_scope;
    void *state;               /* the current filter's; NULL when it begins */
};

struct nu_listener_filter_conf {
    /* Called at first with nothing known to be readable and then on every readiness. Non-blocking. */
    enum nu_lf_status (*run)(const struct nu_listener_filter_conf *conf, struct nu_accepting *a);
};

/* Runs a filter. One that waits, though its peer has ended its side, gets REMOTE_CLOSE: nothing more will come. */
enum nu_lf_status nu_accepting_run(const struct nu_listener_filter_conf *conf, struct nu_accepting *a);

/* What the record says of few connections, to write. */
struct nu_conn_details *nu_accepting_details(struct nu_accepting *a);
/* For filters that peek: `look` is given the bytes in the socket, at least one and at most `first`; while it waits and there
 * may be more, twice as many, up to `most`. It never waits for bytes that are there already. */
enum nu_lf_status nu_accepting_peek(const struct nu_listener_filter_conf *conf, struct nu_accepting *a, size_t first,
                                    size_t most,
                                    enum nu_lf_status (*look)(const struct nu_listener_filter_conf *conf,
                                                              struct nu_accepting *a, nu_str seen));
/* What a recv(2) that returned n <= 0 means (errno as it left it). */
enum nu_lf_status nu_accepting_failed_read(ssize_t n);
/* Adds a text to the connection's dynamic metadata; the first value of a key stays. The value is copied, the names must
 * live as long as the listener's snapshot. */
void nu_accepting_add_metadata(struct nu_accepting *a, nu_str name_space, nu_str key, nu_str value);

/* ops of an extension of category "envoy.filters.listener". */
struct nu_listener_filter_factory {
    struct nu_listener_filter_conf *(*create)(struct nu_factory *f, const struct nu_pb_msg *msg);
};

#endif
