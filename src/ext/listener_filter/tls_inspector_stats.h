/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of ext/listener_filter/tls_inspector_stats.def. */
#ifndef NU_EXT_LISTENER_FILTER_TLS_INSPECTOR_STATS_H
#define NU_EXT_LISTENER_FILTER_TLS_INSPECTOR_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "ext/listener_filter/tls_inspector_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_TLS_INSPECTOR_##field,
#include "stats/rows.h"
    NU_TLS_INSPECTOR_N
};

extern const struct nu_stat_layout nu_tls_inspector_layout;

#endif
