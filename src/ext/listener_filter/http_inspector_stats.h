/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of ext/listener_filter/http_inspector_stats.def. */
#ifndef NU_EXT_LISTENER_FILTER_HTTP_INSPECTOR_STATS_H
#define NU_EXT_LISTENER_FILTER_HTTP_INSPECTOR_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "ext/listener_filter/http_inspector_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_HTTP_INSPECTOR_##field,
#include "stats/rows.h"
    NU_HTTP_INSPECTOR_N
};

extern const struct nu_stat_layout nu_http_inspector_layout;

#endif
