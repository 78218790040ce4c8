/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of tls/sds_stats.def. */
#ifndef NU_TLS_SDS_STATS_H
#define NU_TLS_SDS_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "tls/sds_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_SDS_##field,
#include "stats/rows.h"
    NU_SDS_N
};

extern const struct nu_stat_layout nu_sds_layout;

#endif
