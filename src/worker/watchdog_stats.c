/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/watchdog_stats.h"

static const struct nu_stat_def defs[] = {
#define NU_STAT_DEF_FILE "worker/watchdog_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) {(name), (doc), (kind), (unit)},
#include "stats/rows.h"
};

const struct nu_stat_layout nu_watchdog_layout = {.defs = defs, .n = NU_WATCHDOG_N};
