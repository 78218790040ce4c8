/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of net/filesystem_stats.def. */
#ifndef NU_NET_FILESYSTEM_STATS_H
#define NU_NET_FILESYSTEM_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "net/filesystem_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_FS_##field,
#include "stats/rows.h"
    NU_FS_N
};

extern const struct nu_stat_layout nu_filesystem_layout;

#endif
