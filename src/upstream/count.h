/* SPDX-License-Identifier: Apache-2.0
 *
 * Short forms for counting in a cluster's scope (upstream/cluster_stats.def). */
#ifndef NU_UPSTREAM_COUNT_H
#define NU_UPSTREAM_COUNT_H

#include "upstream/cluster.h"

#define NU_CLUSTER_INC(c, w, name) ((void)(c), (void)(w))
#define NU_CLUSTER_ADD(c, w, name, v) ((void)(c), (void)(w), (void)(v))
#define NU_CLUSTER_GAUGE(c, w, name, delta) ((void)(c), (void)(w), (void)(delta))
#define NU_CLUSTER_GAUGE_SET(c, name, v) ((void)(c), (void)(v))
#define NU_CLUSTER_RECORD(c, w, name, v) ((void)(c), (void)(w), (void)(v))

#endif
