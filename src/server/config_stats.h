/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of server/config_stats.def. */
#ifndef NU_SERVER_CONFIG_STATS_H
#define NU_SERVER_CONFIG_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "server/config_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_CONFIG_##field,
#include "stats/rows.h"
    NU_CONFIG_N
};

extern const struct nu_stat_layout nu_config_layout;

#endif
