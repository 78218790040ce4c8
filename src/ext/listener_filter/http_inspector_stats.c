/* SPDX-License-Identifier: Apache-2.0 */
#include "ext/listener_filter/http_inspector_stats.h"

static const struct nu_stat_def defs[] = {
#define NU_STAT_DEF_FILE "ext/listener_filter/http_inspector_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) {(name), (doc), (kind), (unit)},
#include "stats/rows.h"
};

const struct nu_stat_layout nu_http_inspector_layout = {.defs = defs, .n = NU_HTTP_INSPECTOR_N};
