/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layouts of ext/listener_filter/proxy_protocol*_stats.def. */
#ifndef NU_EXT_LISTENER_FILTER_PROXY_PROTOCOL_STATS_H
#define NU_EXT_LISTENER_FILTER_PROXY_PROTOCOL_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "ext/listener_filter/proxy_protocol_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_PROXY_PROTO_##field,
#include "stats/rows.h"
    NU_PROXY_PROTO_N
};

enum {
#define NU_STAT_DEF_FILE "ext/listener_filter/proxy_protocol_version_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_PROXY_PROTO_VERSION_##field,
#include "stats/rows.h"
    NU_PROXY_PROTO_VERSION_N
};

enum {
#define NU_STAT_DEF_FILE "ext/listener_filter/proxy_protocol_root_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_PROXY_PROTO_ROOT_##field,
#include "stats/rows.h"
    NU_PROXY_PROTO_ROOT_N
};

extern const struct nu_stat_layout nu_proxy_proto_layout, nu_proxy_proto_version_layout, nu_proxy_proto_root_layout;

#endif
