/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of router/vcluster_stats.def. */
#ifndef NU_ROUTER_VCLUSTER_STATS_H
#define NU_ROUTER_VCLUSTER_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "router/vcluster_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_VCLUSTER_##field,
#include "stats/rows.h"
    NU_VCLUSTER_N
};

extern const struct nu_stat_layout nu_vcluster_layout;

#endif
