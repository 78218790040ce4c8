/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of worker/runtime_stats.def. */
#ifndef NU_WORKER_RUNTIME_STATS_H
#define NU_WORKER_RUNTIME_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "worker/runtime_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_RUNTIME_##field,
#include "stats/rows.h"
    NU_RUNTIME_N
};

extern const struct nu_stat_layout nu_runtime_layout;

#endif
