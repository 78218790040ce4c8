/* SPDX-License-Identifier: Apache-2.0
 *
 * All clusters at one moment, for answers that are written in pieces, and what /clusters and /config_dump say of one. */
#ifndef NU_ADMIN_CLUSTER_LIST_H
#define NU_ADMIN_CLUSTER_LIST_H

#include "admin/json.h"
#include "upstream/cluster_manager.h"

struct nu_regex;

/* Sorted by name; references. Zero-initialise. */
struct nu_cluster_list {
    struct nu_cluster **items;
    size_t n, cap;
    const struct nu_regex *filter; /* found in the name; NULL: all */
    const struct nu_regex *exact;  /* matches the whole name; NULL: all */
};

void nu_cluster_list_fill(struct nu_cluster_list *l, struct nu_cluster_manager *cm);
void nu_cluster_list_clear(struct nu_cluster_list *l);

/* One cluster as lines of /clusters, and as an admin.v3.ClusterStatus. */
void nu_cluster_text(struct nu_sb *sb, const struct nu_cluster *c);
void nu_cluster_json(struct nu_json *j, const struct nu_cluster *c);

#endif
