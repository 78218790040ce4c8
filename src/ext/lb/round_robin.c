/* SPDX-License-Identifier: Apache-2.0
 *
 * Round robin: plain rotation from a random start when all weights are equal, earliest deadline first when not. Each worker
 * rotates for itself. */
#include "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.nu.h"
#include "net/extension.h"
#include "upstream/lb_lists.h"

static double weight(const void *ctx, uint32_t item)
{
    struct nu_host *const *list = ctx;
    return nu_atomic_u32_get(&list[item]->weight);
}

static void *make(const struct nu_cluster_info *info, const struct nu_host_set *hosts, struct nu_worker *w,
                  void *previous)
{
    (void)info;
    return nu_lb_lists_new(hosts, w, weight, previous);
}

static void drop(void *state)
{
    struct nu_lb_lists *l = state;
    nu_lb_lists_free(&l);
}

static struct nu_host *pick(void *state, const struct nu_cluster_info *info, struct nu_host *const *list, uint32_t n,
                            uint32_t priority, int which, int locality, struct nu_worker *w,
                            const struct nu_lb_context *ctx)
{
    (void)info, (void)w, (void)ctx;
    struct nu_lb_list *l = nu_lb_lists_get(state, priority, which, locality);
    if (l->edf != NULL)
        return list[nu_edf_pick(l->edf, weight, list)];
    return list[l->next++ % n];
}

static const struct nu_lb_ops ops = {.name = "round_robin", .make = make, .free = drop, .pick = pick};

static const void *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const struct envoy_extensions_load_balancing_policies_round_robin_v3_RoundRobin *m =
        NU_PB_AS(msg, envoy_extensions_load_balancing_policies_round_robin_v3_RoundRobin);
    return m != NULL ? nu_lb_conf_locality(f, m->locality_lb_config) : NULL;
}

static const struct nu_lb_factory factory = {.ops = &ops, .create = create};

const struct nu_extension nu_ext_lb_round_robin = {
    .category = "envoy.load_balancing_policies",
    .name = "envoy.load_balancing_policies.round_robin",
    .config_type = &envoy_extensions_load_balancing_policies_round_robin_v3_RoundRobin_type,
    .ops = &factory,
};
