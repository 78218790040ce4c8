/* SPDX-License-Identifier: Apache-2.0 */
#include "ext/network_filter/tcp_proxy_stats.h"

static const struct nu_stat_def defs[] = {
#define NU_STAT_DEF_FILE "ext/network_filter/tcp_proxy_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) {(name), (doc), (kind), (unit)},
#include "stats/rows.h"
};

const struct nu_stat_layout nu_tcp_proxy_layout = {.defs = defs, .n = NU_TCP_N};
