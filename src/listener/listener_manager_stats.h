/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of listener/listener_manager_stats.def. */
#ifndef NU_LISTENER_LISTENER_MANAGER_STATS_H
#define NU_LISTENER_LISTENER_MANAGER_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "listener/listener_manager_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_LM_##field,
#include "stats/rows.h"
    NU_LM_N
};

extern const struct nu_stat_layout nu_listener_manager_layout;

#endif
