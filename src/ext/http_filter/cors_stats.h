/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of ext/http_filter/cors_stats.def. */
#ifndef NU_EXT_HTTP_FILTER_CORS_STATS_H
#define NU_EXT_HTTP_FILTER_CORS_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "ext/http_filter/cors_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_CORS_##field,
#include "stats/rows.h"
    NU_CORS_N
};

extern const struct nu_stat_layout nu_cors_layout;

#endif
