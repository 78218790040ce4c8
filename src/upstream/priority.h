/* SPDX-License-Identifier: Apache-2.0
 *
 * How much load each priority level gets, from the health of its hosts, and which levels are in panic. Pure functions:
 * the table is part of the host set, made when the set is made. Rules and rounding are Envoy's. */
#ifndef NU_UPSTREAM_PRIORITY_H
#define NU_UPSTREAM_PRIORITY_H

#include "upstream/cluster.h"

/* Fills healthy_load, degraded_load and panic of a set whose lists are complete. panic_threshold in percent. */
void nu_priority_compute(struct nu_host_set *s, uint32_t panic_threshold);

struct nu_priority_choice {
    uint32_t priority;
    bool degraded;
};
/* The level for a random value; loads are percent and sum up to 100. */
struct nu_priority_choice nu_priority_choose(const uint8_t *healthy, const uint8_t *degraded, uint32_t n,
                                             uint64_t random);

#endif
