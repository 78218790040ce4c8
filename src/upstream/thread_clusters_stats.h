/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of upstream/thread_clusters_stats.def. */
#ifndef NU_UPSTREAM_THREAD_CLUSTERS_STATS_H
#define NU_UPSTREAM_THREAD_CLUSTERS_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "upstream/thread_clusters_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_THREAD_CLUSTERS_##field,
#include "stats/rows.h"
    NU_THREAD_CLUSTERS_N
};

extern const struct nu_stat_layout nu_thread_clusters_layout;

#endif
