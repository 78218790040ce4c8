/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of listener/listener_worker_stats.def. */
#ifndef NU_LISTENER_LISTENER_WORKER_STATS_H
#define NU_LISTENER_LISTENER_WORKER_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "listener/listener_worker_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_LISTENER_WORKER_##field,
#include "stats/rows.h"
    NU_LISTENER_WORKER_N
};

extern const struct nu_stat_layout nu_listener_worker_layout;

#endif
