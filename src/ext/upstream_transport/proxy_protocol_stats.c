/* SPDX-License-Identifier: Apache-2.0 */
#include "ext/upstream_transport/proxy_protocol_stats.h"

static const struct nu_stat_def defs[] = {
#define NU_STAT_DEF_FILE "ext/upstream_transport/proxy_protocol_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) {(name), (doc), (kind), (unit)},
#include "stats/rows.h"
};

const struct nu_stat_layout nu_upstream_proxy_protocol_layout = {.defs = defs, .n = NU_UPSTREAM_PROXY_PROTOCOL_N};
