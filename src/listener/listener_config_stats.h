/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of listener/listener_config_stats.def. */
#ifndef NU_LISTENER_LISTENER_CONFIG_STATS_H
#define NU_LISTENER_LISTENER_CONFIG_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "listener/listener_config_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_LISTENER_CONFIG_##field,
#include "stats/rows.h"
    NU_LISTENER_CONFIG_N
};

extern const struct nu_stat_layout nu_listener_config_layout;

#endif
