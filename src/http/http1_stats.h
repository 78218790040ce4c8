/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of http/http1_stats.def. */
#ifndef NU_HTTP_HTTP1_STATS_H
#define NU_HTTP_HTTP1_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "http/http1_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_HTTP1_##field,
#include "stats/rows.h"
    NU_HTTP1_N
};

extern const struct nu_stat_layout nu_http1_layout;

#endif
