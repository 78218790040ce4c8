/* SPDX-License-Identifier: Apache-2.0
 *
 * Short forms for counting in a cluster's scope (upstream/cluster_stats.def): c is a struct nu_cluster, w the calling
 * loop's struct nu_worker. */
#ifndef NU_UPSTREAM_COUNT_H
#define NU_UPSTREAM_COUNT_H

#include "upstream/cluster.h"
#include "upstream/cluster_stats.h"
#include "upstream/membership_stats.h"

#define NU_CLUSTER_INC(c, w, name) nu_stat_inc((c)->scope, (w)->index, NU_CLUSTER_##name)
#define NU_CLUSTER_ADD(c, w, name, v) nu_stat_add((c)->scope, (w)->index, NU_CLUSTER_##name, (v))
#define NU_CLUSTER_GAUGE_INC(c, w, name) nu_gauge_add((c)->scope, (w)->index, NU_CLUSTER_##name, 1)
#define NU_CLUSTER_GAUGE_DEC(c, w, name) nu_gauge_sub((c)->scope, (w)->index, NU_CLUSTER_##name, 1)
/* Gauges that the main thread alone writes. */
#define NU_CLUSTER_GAUGE_SET(c, name, v)                                                           \
    nu_gauge_set((c)->scope, (c)->server->workers->n, NU_CLUSTER_##name, (v))
#define NU_CLUSTER_RECORD(c, w, name, v) nu_hist_record((c)->scope, (w)->index, NU_CLUSTER_##name, (v))

/* upstream/membership_stats.def, main thread. */
#define NU_MEMBERSHIP_SET(c, name, v)                                                              \
    nu_gauge_set((c)->membership, (c)->server->workers->n, NU_MEMBERSHIP_##name, (v))
#define NU_MEMBERSHIP_ADD(c, name, v)                                                              \
    nu_stat_add((c)->membership, (c)->server->workers->n, NU_MEMBERSHIP_##name, (v))
#define NU_MEMBERSHIP_INC(c, name) NU_MEMBERSHIP_ADD(c, name, 1)

#endif
