/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of ext/network_filter/tcp_proxy_stats.def. */
#ifndef NU_EXT_NETWORK_FILTER_TCP_PROXY_STATS_H
#define NU_EXT_NETWORK_FILTER_TCP_PROXY_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "ext/network_filter/tcp_proxy_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_TCP_##field,
#include "stats/rows.h"
    NU_TCP_N
};

extern const struct nu_stat_layout nu_tcp_proxy_layout;

#endif
