/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of ext/upstream_transport/proxy_protocol_stats.def. */
#ifndef NU_EXT_UPSTREAM_TRANSPORT_PROXY_PROTOCOL_STATS_H
#define NU_EXT_UPSTREAM_TRANSPORT_PROXY_PROTOCOL_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "ext/upstream_transport/proxy_protocol_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_UPSTREAM_PROXY_PROTOCOL_##field,
#include "stats/rows.h"
    NU_UPSTREAM_PROXY_PROTOCOL_N
};

extern const struct nu_stat_layout nu_upstream_proxy_protocol_layout;

#endif
