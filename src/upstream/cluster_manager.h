/* SPDX-License-Identifier: Apache-2.0
 *
 * All clusters by name. Changes happen on the main thread, as adds, updates and removals of one cluster; every worker
 * looks names up without a lock. */
#ifndef NU_UPSTREAM_CLUSTER_MANAGER_H
#define NU_UPSTREAM_CLUSTER_MANAGER_H

#include "net/extension.h"
#include "net/server.h"
#include "upstream/cluster.h"

struct envoy_config_cluster_v3_Cluster;
struct nu_cluster_manager;

struct nu_cluster_manager *nu_cluster_manager_new(struct nu_server *s);
void nu_cluster_manager_free(struct nu_cluster_manager **cm);

/* Any worker: the cluster, valid until the end of the turn (take a reference to keep it); NULL: unknown. */
struct nu_cluster *nu_cluster_find(const struct nu_cluster_manager *cm, nu_str name);

/* Main thread. Builds a cluster's conf from its message, reporting to f->diags; does not apply it. The opaque result is
 * given to apply or dropped. */
struct nu_cluster_build;
struct nu_cluster_build *nu_cluster_build(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg);
void nu_cluster_build_drop(struct nu_cluster_build **b);
nu_str nu_cluster_build_name(const struct nu_cluster_build *b);
/* Applies a batch: adds new names, updates changed ones (same message bytes: untouched), removes `n_remove` names. Takes
 * the builds. */
void nu_cluster_manager_apply(struct nu_cluster_manager *cm, struct nu_cluster_build **builds, size_t n,
                              const nu_str *remove, size_t n_remove);
/* Takes names out of what `each` shows and the gauges count, while routes of connections that drain still find them. */
void nu_cluster_manager_hide(struct nu_cluster_manager *cm, const nu_str *names, size_t n);
/* Removes what is hidden. */
void nu_cluster_manager_remove_hidden(struct nu_cluster_manager *cm);
/* Calls done(arg) on the main thread when every cluster had its first resolution (or failed it). */
void nu_cluster_manager_when_warm(struct nu_cluster_manager *cm, void (*done)(void *arg), void *arg);
/* Main thread: calls fn for each cluster, sorted by name. */
void nu_cluster_manager_each(struct nu_cluster_manager *cm, void (*fn)(struct nu_cluster *c, void *arg), void *arg);

#endif
