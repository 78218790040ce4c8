/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of tls/source_stats.def. */
#ifndef NU_TLS_SOURCE_STATS_H
#define NU_TLS_SOURCE_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "tls/source_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_TLS_SOURCE_##field,
#include "stats/rows.h"
    NU_TLS_SOURCE_N
};

extern const struct nu_stat_layout nu_tls_source_layout;

#endif
