/* SPDX-License-Identifier: Apache-2.0
 *
 * Random: any host of the list, weights do not count (as in Envoy). */
#include "envoy/extensions/load_balancing_policies/random/v3/random.nu.h"
#include "net/extension.h"
#include "upstream/lb_lists.h"
#include "worker/worker.h"

static struct nu_host *pick(void *state, const struct nu_cluster_info *info, struct nu_host *const *list, uint32_t n,
                            uint32_t priority, int which, int locality, struct nu_worker *w,
                            const struct nu_lb_context *ctx)
{
    (void)state, (void)info, (void)priority, (void)which, (void)locality, (void)ctx;
    return list[nu_random_below(&w->random, n)];
}

static const struct nu_lb_ops ops = {.name = "random", .pick = pick};

static const void *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const struct envoy_extensions_load_balancing_policies_random_v3_Random *m =
        NU_PB_AS(msg, envoy_extensions_load_balancing_policies_random_v3_Random);
    return m != NULL ? nu_lb_conf_locality(f, m->locality_lb_config) : NULL;
}

static const struct nu_lb_factory factory = {.ops = &ops, .create = create};

const struct nu_extension nu_ext_lb_random = {
    .category = "envoy.load_balancing_policies",
    .name = "envoy.load_balancing_policies.random",
    .config_type = &envoy_extensions_load_balancing_policies_random_v3_Random_type,
    .ops = &factory,
};
