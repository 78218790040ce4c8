/* SPDX-License-Identifier: Apache-2.0
 *
 * Index and layout of upstream/transport_match_stats.def. */
#ifndef NU_UPSTREAM_TRANSPORT_MATCH_STATS_H
#define NU_UPSTREAM_TRANSPORT_MATCH_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "upstream/transport_match_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_TRANSPORT_MATCH_##field,
#include "stats/rows.h"
    NU_TRANSPORT_MATCH_N
};

extern const struct nu_stat_layout nu_transport_match_layout;

#endif
