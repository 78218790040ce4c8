/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of upstream/membership_stats.def. */
#ifndef NU_UPSTREAM_MEMBERSHIP_STATS_H
#define NU_UPSTREAM_MEMBERSHIP_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "upstream/membership_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_MEMBERSHIP_##field,
#include "stats/rows.h"
    NU_MEMBERSHIP_N
};

extern const struct nu_stat_layout nu_membership_layout;

#endif
