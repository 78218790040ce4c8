/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of ext/http_filter/csrf_stats.def. */
#ifndef NU_EXT_HTTP_FILTER_CSRF_STATS_H
#define NU_EXT_HTTP_FILTER_CSRF_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "ext/http_filter/csrf_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_CSRF_##field,
#include "stats/rows.h"
    NU_CSRF_N
};

extern const struct nu_stat_layout nu_csrf_layout;

#endif
