/* SPDX-License-Identifier: Apache-2.0
 *
 * Draining: when a connection should be closed in order (HTTP/1 "connection: close", HTTP/2 GOAWAY). A filter chain
 * drains when its listener is updated or removed, the process when it is told to; /healthcheck/fail counts as well. */
#ifndef NU_NET_DRAIN_H
#define NU_NET_DRAIN_H

#include "base/atomic.h"
#include "net/server.h"
#include "net/stream_info.h"
#include "worker/worker.h"

/* Of a filter chain; written by the main thread. */
struct nu_drain {
    struct nu_atomic_u32 active;
    struct nu_atomic_u64 started_ms; /* loop clock */
    bool modify_only;                /* drain_type MODIFY_ONLY: the process's draining does not concern it */
    bool inbound;                    /* traffic_direction INBOUND: for drain_listeners?inboundonly */
};

/* Main thread: begins; harmless when begun. */
void nu_drain_begin(struct nu_drain *d, uint64_t now_ms);

/* Any worker: whether a response on this connection should also end it. The answer is yes with a probability that
 * grows over drain_time (gradual strategy), at once for the immediate one and after /healthcheck/fail. */
bool nu_drain_close(const struct nu_server *s, const struct nu_conn_info *info, struct nu_worker *w);

#endif
