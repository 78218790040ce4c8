/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of upstream/cluster_manager_stats.def. */
#ifndef NU_UPSTREAM_CLUSTER_MANAGER_STATS_H
#define NU_UPSTREAM_CLUSTER_MANAGER_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "upstream/cluster_manager_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_CM_##field,
#include "stats/rows.h"
    NU_CM_N
};

extern const struct nu_stat_layout nu_cluster_manager_layout;

#endif
