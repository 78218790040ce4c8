/* SPDX-License-Identifier: Apache-2.0
 *
 * Circuit breakers: shared use counters against the limits of the cluster's current settings, with the *_open gauges
 * (cluster.<c>.circuit_breakers.<prio>.*) kept. Runtime keys circuit_breakers.<cluster>.<prio>.* override limits. */
#ifndef NU_UPSTREAM_BREAKER_H
#define NU_UPSTREAM_BREAKER_H

#include "upstream/cluster.h"

/* Takes one when the limit allows; false: over the limit (the caller counts its own overflow statistic). */
bool nu_breaker_take(struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p, enum nu_breaker b,
                     struct nu_worker *w);
/* Takes one regardless of the limit (the first connection of a pool always may be made). */
void nu_breaker_force(struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p, enum nu_breaker b,
                      struct nu_worker *w);
void nu_breaker_give(struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p, enum nu_breaker b,
                     struct nu_worker *w);
bool nu_breaker_can(const struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p,
                    enum nu_breaker b);
/* Main thread, before `next` is published: makes the remaining_* gauges of breakers with track_remaining and moves them from
 * the old limits (NULL: none) to the next. They follow the configured limits, not runtime's. */
void nu_breaker_track(struct nu_cluster *c, const struct nu_cluster_info *old, const struct nu_cluster_info *next);
/* The limit in force, and the use now (any thread). */
uint64_t nu_breaker_limit(const struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p,
                          enum nu_breaker b);
static inline uint64_t nu_breaker_used(const struct nu_cluster *c, enum nu_priority p, enum nu_breaker b)
{
    return nu_atomic_u64_get(&c->breakers[p].n[b]);
}

#endif
