/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of building a cluster's conf. Each reports to f->diags; callers look there. */
#ifndef NU_CONFIG_CLUSTER_BUILD_PRIV_H
#define NU_CONFIG_CLUSTER_BUILD_PRIV_H

#include "envoy/config/cluster/v3/cluster.nu.h"
#include "net/extension.h"
#include "upstream/cluster_build.h"

/* The endpoints; NULL: reported. */
struct nu_assignment *nu_assignment_build(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                                          enum nu_cluster_type type);
/* HTTP and TCP protocol options. */
void nu_cluster_protocol_build(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                               struct nu_cluster_info *info);
/* The balancing policy and common_lb_config. */
void nu_cluster_lb_build(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                         struct nu_cluster_info *info);
/* The type and, for the DNS ones, how names are resolved (else NULL). */
enum nu_cluster_type nu_cluster_type_build(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                                           struct nu_dns_conf **dns);

/* The fields of a Struct as labels, in the arena. NULL: none. */
struct google_protobuf_Struct;
struct nu_labels nu_labels_build(struct nu_arena *a, const struct google_protobuf_Struct *s);

#endif
