/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of upstream/ share about clusters: making one, and where its hosts come from. */
#ifndef NU_UPSTREAM_CLUSTER_PRIV_H
#define NU_UPSTREAM_CLUSTER_PRIV_H

#include "upstream/cluster.h"
#include "upstream/cluster_build.h"

/* A cluster without settings and hosts, with one reference. Main thread. */
struct nu_cluster *nu_cluster_new(struct nu_server *server, nu_str name, nu_str stat_name);
/* Its statistics (upstream/cluster_scope.c). */
void nu_cluster_scope_make(struct nu_cluster *c);
void nu_cluster_scope_free(struct nu_cluster *c);

/* What the i-th endpoint says of a host; address still unset for a name. */
struct nu_host_conf nu_endpoint_host_conf(const struct nu_assignment *a, const struct nu_endpoint_conf *e);

/* Hosts from DNS: lives from apply until the cluster changes or goes. Main thread. */
struct nu_cluster_source;
struct nu_cluster_source *nu_dns_source_start(struct nu_cluster *c, struct nu_assignment *a /* taken */,
                                              struct nu_dns_conf *conf /* taken */, bool logical,
                                              void (*warm)(struct nu_cluster *c));
void nu_dns_source_stop(struct nu_cluster_source **s);

#endif
