/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of server/server_stats.def. */
#ifndef NU_SERVER_SERVER_STATS_H
#define NU_SERVER_SERVER_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "server/server_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_SERVER_##field,
#include "stats/rows.h"
    NU_SERVER_N
};

extern const struct nu_stat_layout nu_server_layout;

#endif
