/* SPDX-License-Identifier: Apache-2.0 */
#include "ext/listener_filter/proxy_protocol_stats.h"

static const struct nu_stat_def defs[] = {
#define NU_STAT_DEF_FILE "ext/listener_filter/proxy_protocol_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) {(name), (doc), (kind), (unit)},
#include "stats/rows.h"
};

static const struct nu_stat_def version_defs[] = {
#define NU_STAT_DEF_FILE "ext/listener_filter/proxy_protocol_version_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) {(name), (doc), (kind), (unit)},
#include "stats/rows.h"
};

static const struct nu_stat_def root_defs[] = {
#define NU_STAT_DEF_FILE "ext/listener_filter/proxy_protocol_root_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) {(name), (doc), (kind), (unit)},
#include "stats/rows.h"
};

const struct nu_stat_layout nu_proxy_proto_layout = {.defs = defs, .n = NU_PROXY_PROTO_N};
const struct nu_stat_layout nu_proxy_proto_version_layout = {.defs = version_defs, .n = NU_PROXY_PROTO_VERSION_N};
const struct nu_stat_layout nu_proxy_proto_root_layout = {.defs = root_defs, .n = NU_PROXY_PROTO_ROOT_N};
