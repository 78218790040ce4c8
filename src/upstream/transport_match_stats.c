/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/transport_match_stats.h"

static const struct nu_stat_def defs[] = {
#define NU_STAT_DEF_FILE "upstream/transport_match_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) {(name), (doc), (kind), (unit)},
#include "stats/rows.h"
};

const struct nu_stat_layout nu_transport_match_layout = {.defs = defs, .n = NU_TRANSPORT_MATCH_N};
