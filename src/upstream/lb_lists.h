/* SPDX-License-Identifier: Apache-2.0
 *
 * What weighted policies keep for each host list: a schedule when its weights differ, and a rotation index. */
#ifndef NU_UPSTREAM_LB_LISTS_H
#define NU_UPSTREAM_LB_LISTS_H

#include "upstream/edf.h"
#include "upstream/lb.h"

struct nu_lb_list {
    struct nu_edf *edf; /* NULL: all weights are equal */
    uint64_t next;      /* rotation */
};
struct nu_lb_lists;

/* Lists of a host set. `weight` gets a host list (struct nu_host *const *) as ctx. Rotations go on from `previous` (may be
 * NULL), else from a random start. */
struct nu_lb_lists *nu_lb_lists_new(const struct nu_host_set *s, struct nu_worker *w, nu_edf_weight weight,
                                    const struct nu_lb_lists *previous);
void nu_lb_lists_free(struct nu_lb_lists **l);
/* which: 0 healthy, 1 degraded, 2 all; locality: -1 or its index. */
struct nu_lb_list *nu_lb_lists_get(struct nu_lb_lists *l, uint32_t priority, int which, int locality);

/* The common part of a policy's conf from its locality_lb_config; NULL: nothing is asked for. */
struct envoy_extensions_load_balancing_policies_common_v3_LocalityLbConfig;
const struct nu_lb_conf *
nu_lb_conf_locality(struct nu_factory *f,
                    const struct envoy_extensions_load_balancing_policies_common_v3_LocalityLbConfig *m);

#endif
