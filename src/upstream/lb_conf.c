/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pb/pb.h"
#include "net/extension.h"
#include "envoy/extensions/load_balancing_policies/common/v3/common.nu.h"
#include "upstream/lb_lists.h"

const struct nu_lb_conf *
nu_lb_conf_locality(struct nu_factory *f,
                    const struct envoy_extensions_load_balancing_policies_common_v3_LocalityLbConfig *m)
{
    if (m == NULL)
        return NULL;
    /* Zone-aware routing needs a local cluster, which cluster_manager.local_cluster_name would name; without one Envoy does
     * not use it either. */
    struct nu_lb_conf *conf = nu_arena_new(f->arena, struct nu_lb_conf);
    conf->locality_weighted = m->locality_weighted_lb_config != NULL;
    conf->fail_on_panic = m->zone_aware_lb_config != NULL && m->zone_aware_lb_config->fail_traffic_on_panic;
    return conf;
}
