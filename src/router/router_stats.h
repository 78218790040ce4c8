/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of router/router_stats.def. */
#ifndef NU_ROUTER_ROUTER_STATS_H
#define NU_ROUTER_ROUTER_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "router/router_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_ROUTER_STAT_##field,
#include "stats/rows.h"
    NU_ROUTER_STAT_N
};

extern const struct nu_stat_layout nu_router_layout;

#endif
