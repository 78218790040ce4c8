/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of /config_dump share. */
#ifndef NU_ADMIN_CONFIG_DUMP_PRIV_H
#define NU_ADMIN_CONFIG_DUMP_PRIV_H

#include "codec/pb/pb.h"
#include "upstream/cluster.h"

struct envoy_config_endpoint_v3_ClusterLoadAssignment;

/* The hosts that a cluster has now, as a load assignment in the arena (include_eds). */
struct envoy_config_endpoint_v3_ClusterLoadAssignment *nu_dump_endpoints(struct nu_arena *a, const struct nu_cluster *c);

#endif
