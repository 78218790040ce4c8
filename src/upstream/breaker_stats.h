/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of upstream/breaker_stats.def. */
#ifndef NU_UPSTREAM_BREAKER_STATS_H
#define NU_UPSTREAM_BREAKER_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "upstream/breaker_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_BREAKER_STAT_##field,
#include "stats/rows.h"
    NU_BREAKER_STAT_N
};

extern const struct nu_stat_layout nu_breaker_layout;

#endif
