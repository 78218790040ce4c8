/* SPDX-License-Identifier: Apache-2.0
 *
 * Network filters: they see new connections and bytes. Read order is the configured order, write order the reverse. The
 * terminal one (tcp_proxy, http_connection_manager, echo, ...) consumes. */
#ifndef NU_NET_FILTER_H
#define NU_NET_FILTER_H

#include <stdbool.h>

#include "net/conn.h"
#include "net/extension.h"

enum nu_filter_status {
    NU_FILTER_CONTINUE,
    NU_FILTER_STOP, /* later filters are not called until nu_net_filter_continue */
};

/* All that the chain sees; first member of a filter's own struct, which lives in the connection's arena. */
struct nu_net_filter {
    const struct nu_net_filter_ops *ops;
    struct nu_conn *conn; /* set by nu_conn_add_filter */
    struct nu_net_filter *next, *prev;
    bool new_connection_done;
};

/* Every operation may be NULL: nothing to do, continue. */
struct nu_net_filter_ops {
    enum nu_filter_status (*on_new_connection)(struct nu_net_filter *f);
    /* Bytes from the peer. A filter drains from `data` (= conn->in) what it used; what it leaves is offered again
     * together with what comes. end: the peer ended its side (only with half_close, else it is a REMOTE_CLOSE). */
    enum nu_filter_status (*on_data)(struct nu_net_filter *f, struct nu_buf *data, bool end);
    /* n bytes of the peer went to another connection by a splice that this filter began (net/splice.h), in place of
     * on_data. */
    void (*on_passed)(struct nu_net_filter *f, size_t n);
    /* Bytes to the peer, before they reach the write buffer; may change them. */
    enum nu_filter_status (*on_write)(struct nu_net_filter *f, struct nu_buf *data, bool end);
    void (*on_event)(struct nu_net_filter *f, enum nu_conn_event ev);
    /* Bytes that had to wait in the write buffer have left, or some of them. */
    void (*on_late_write)(struct nu_net_filter *f);
    /* The write buffer passed its high watermark / fell to the low one. */
    void (*on_high)(struct nu_net_filter *f);
    void (*on_low)(struct nu_net_filter *f);
    /* The process ends soon (nu_conn_drain_all): close when nothing is under way, else as soon as it is done. */
    void (*on_drain)(struct nu_net_filter *f);
    /* The connection's memory is about to go; end of the turn. */
    void (*on_free)(struct nu_net_filter *f);
};

/* A filter that stopped: calls the next ones with what is buffered. */
void nu_net_filter_continue(struct nu_net_filter *f);

/* A configured filter: immutable, part of a filter chain's snapshot. First member of the extension's own conf. */
struct nu_net_filter_conf {
    const struct nu_net_filter_factory *factory;
    /* Makes the filter for a connection (in its arena) and adds it. */
    void (*attach)(const struct nu_net_filter_conf *conf, struct nu_conn *c);
    bool terminal;
};

/* ops of an extension of category "envoy.filters.network". */
struct nu_net_filter_factory {
    bool terminal;
    /* conf in f->arena; NULL: reported to f->diags. */
    struct nu_net_filter_conf *(*create)(struct nu_factory *f, const struct nu_pb_msg *msg);
};

#endif
