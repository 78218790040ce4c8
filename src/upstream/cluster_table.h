/* SPDX-License-Identifier: Apache-2.0
 *
 * Clusters by name: an open-addressing hash table that any worker reads without a lock while the main thread changes it.
 * Adding or removing one name costs O(1); growth publishes a new table. Cluster references belong to the caller. */
#ifndef NU_UPSTREAM_CLUSTER_TABLE_H
#define NU_UPSTREAM_CLUSTER_TABLE_H

#include "upstream/cluster.h"

struct nu_cluster_table {
    struct nu_slot current;
    struct nu_workers *all;
    uint32_t n;      /* clusters */
    uint32_t n_used; /* slots that are or were taken */
};

void nu_cluster_table_init(struct nu_cluster_table *t, struct nu_workers *all);
void nu_cluster_table_clear(struct nu_cluster_table *t);
/* Any worker. NULL: not there. */
struct nu_cluster *nu_cluster_table_find(const struct nu_cluster_table *t, nu_str name);
/* Main thread. Makes room for `more` names at once. */
void nu_cluster_table_reserve(struct nu_cluster_table *t, size_t more);
/* The name must not be there; room must have been reserved. */
void nu_cluster_table_add(struct nu_cluster_table *t, struct nu_cluster *c);
void nu_cluster_table_remove(struct nu_cluster_table *t, struct nu_cluster *c);
/* The i-th slot's cluster or NULL, for i < nu_cluster_table_slots(t). */
uint32_t nu_cluster_table_slots(const struct nu_cluster_table *t);
struct nu_cluster *nu_cluster_table_at(const struct nu_cluster_table *t, uint32_t i);

#endif
