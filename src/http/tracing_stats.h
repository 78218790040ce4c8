/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of http/tracing_stats.def. */
#ifndef NU_HTTP_TRACING_STATS_H
#define NU_HTTP_TRACING_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "http/tracing_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_TRACING_##field,
#include "stats/rows.h"
    NU_TRACING_N
};

extern const struct nu_stat_layout nu_tracing_layout;

#endif
