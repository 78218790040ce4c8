/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of server/overload_stats.def. */
#ifndef NU_SERVER_OVERLOAD_STATS_H
#define NU_SERVER_OVERLOAD_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "server/overload_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_OVERLOAD_##field,
#include "stats/rows.h"
    NU_OVERLOAD_N
};

extern const struct nu_stat_layout nu_overload_layout;

#endif
