/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of a connection share: conn.c (life), conn_io.c (bytes), filter.c (the filter chain). */
#ifndef NU_NET_CONN_PRIV_H
#define NU_NET_CONN_PRIV_H

#include "net/conn.h"
#include "net/splice.h"

/* conn.c */
/* Ends a connection now: socket closed, watchers and filters told, memory given back at the end of the turn. */
void nu_conn_end(struct nu_conn *c, enum nu_conn_event ev, bool reset);
/* Starts or stops the delayed close timer. */
void nu_conn_arm_delayed_close(struct nu_conn *c);
/* A connect(2) that was under way is decided. */
void nu_conn_finish_connect(struct nu_conn *c, uint32_t ready);

/* conn_io.c */
void nu_conn_on_ready(struct nu_watch *w, uint32_t ready);
/* Queues the write of what is buffered for the end of the turn. */
void nu_conn_queue_flush(struct nu_conn *c);
/* Queues reading, or the offering of what is buffered, for later in this turn. */
void nu_conn_queue_read(struct nu_conn *c);
/* Statistics: bytes that moved; what the buffers hold. */
void nu_conn_count_read(struct nu_conn *c, size_t n);
void nu_conn_count_written(struct nu_conn *c, size_t n);
void nu_conn_count_buffers(struct nu_conn *c, size_t in, size_t out);
/* Writes what waits and the socket takes; end: then half-closes. Counts nothing. */
struct nu_io_result nu_conn_put(struct nu_conn *c, bool end);
/* One attempt to write, now. */
void nu_conn_write_now(struct nu_conn *c);
bool nu_conn_can_read(const struct nu_conn *c);

/* filter.c */
void nu_filters_on_data(struct nu_conn *c, bool end);
void nu_filters_on_passed(struct nu_conn *c, size_t n);
void nu_filters_start(struct nu_conn *c);
void nu_filters_on_event(struct nu_conn *c, enum nu_conn_event ev);
void nu_filters_on_high(struct nu_conn *c);
void nu_filters_on_low(struct nu_conn *c);
void nu_filters_on_late_write(struct nu_conn *c);
void nu_filters_free(struct nu_conn *c);
/* false: a filter stopped the write. */
bool nu_filters_on_write(struct nu_conn *c, struct nu_buf *data, bool end);

#endif
