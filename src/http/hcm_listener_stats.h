/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of http/hcm_listener_stats.def. */
#ifndef NU_HTTP_HCM_LISTENER_STATS_H
#define NU_HTTP_HCM_LISTENER_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "http/hcm_listener_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_HCM_LISTENER_##field,
#include "stats/rows.h"
    NU_HCM_LISTENER_N
};

extern const struct nu_stat_layout nu_hcm_listener_layout;

#endif
