/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices and layout of net/dns_stats.def. */
#ifndef NU_NET_DNS_STATS_H
#define NU_NET_DNS_STATS_H

#include "stats/stats.h"

enum {
#define NU_STAT_DEF_FILE "net/dns_stats.def"
#define NU_STAT_ROW(field, name, kind, unit, doc) NU_DNS_CARES_##field,
#include "stats/rows.h"
    NU_DNS_CARES_N
};

extern const struct nu_stat_layout nu_dns_cares_layout;

#endif
