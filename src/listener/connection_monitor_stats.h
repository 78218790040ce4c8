/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of listener/connection_monitor_stats.def. */
#ifndef NU_LISTENER_CONNECTION_MONITOR_STATS_H
#define NU_LISTENER_CONNECTION_MONITOR_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "listener/connection_monitor_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_CX_MONITOR_##field,
#include "stats/rows.h"
    NU_CX_MONITOR_N
};

extern const struct nu_stat_layout nu_cx_monitor_layout;

#endif
