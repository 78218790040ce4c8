/* SPDX-License-Identifier: Apache-2.0
 *
 * Membership: makes the immutable host set of a cluster from a list of hosts, and publishes it. Main thread. */
#ifndef NU_UPSTREAM_HOST_SET_H
#define NU_UPSTREAM_HOST_SET_H

#include "upstream/cluster.h"

struct nu_runtime;

/* A locality of a load assignment. Strings are borrowed. */
struct nu_locality_conf {
    nu_str region, zone, sub_zone;
    uint32_t priority;
    uint32_t weight; /* 0: none given */
    struct nu_labels labels; /* for transport_socket_matches; owned */
};

/* One host of a new membership. */
struct nu_member {
    struct nu_host *host; /* reference: moves into the set */
    uint32_t locality;    /* index into the localities */
};

/* Makes a set with one reference. Priorities are those of the localities; there is always priority 0. */
struct nu_host_set *nu_host_set_new(const struct nu_cluster_info *info, const struct nu_runtime *rt,
                                    const struct nu_locality_conf *localities, uint32_t n_localities,
                                    const struct nu_member *members, uint32_t n);

/* Makes `next` (a reference that the cluster takes; NULL: none) the cluster's membership: publishes it, counts, drains the
 * pools of hosts that are gone. */
void nu_cluster_set_hosts(struct nu_cluster *c, struct nu_host_set *next);

/* Finds the host of the current membership that is the same as conf describes (then its weight and health are updated), or
 * makes a new one. Returns a reference. `old`: nu_host_index of the current set. */
struct nu_host_index;
struct nu_host_index *nu_host_index_new(const struct nu_host_set *s);
void nu_host_index_free(struct nu_host_index **x);
struct nu_host *nu_host_index_take(struct nu_host_index *x, struct nu_cluster *c, const struct nu_host_conf *conf);

/* Recomputes health lists after a host's health changed (same hosts, new set). */
void nu_cluster_refresh_hosts(struct nu_cluster *c);

#endif
