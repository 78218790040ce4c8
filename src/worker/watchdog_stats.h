/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of worker/watchdog_stats.def. */
#ifndef NU_WORKER_WATCHDOG_STATS_H
#define NU_WORKER_WATCHDOG_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "worker/watchdog_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_WATCHDOG_##field,
#include "stats/rows.h"
    NU_WATCHDOG_N
};

extern const struct nu_stat_layout nu_watchdog_layout;

#endif
