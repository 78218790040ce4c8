/* SPDX-License-Identifier: Apache-2.0
 *
 * The balancing policy: load_balancing_policy where it is given, else lb_policy with its older configuration. */
#include "codec/pb/pb.h"
#include "config/cluster_build_priv.h"
#include "envoy/config/endpoint/v3/endpoint.nu.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.nu.h"
#include "google/protobuf/any.nu.h"
#include "upstream/lb.h"

#define CATEGORY "envoy.load_balancing_policies"

static void use(struct nu_factory *f, const struct nu_extension *e, const struct nu_pb_msg *msg,
                struct nu_cluster_info *info)
{
    const struct nu_lb_factory *factory = e->ops;
    info->lb = factory->ops;
    info->lb_conf = factory->create(f, msg);
    const struct nu_lb_conf *conf = info->lb_conf;
    if (conf != NULL && conf->locality_weighted)
        info->locality_weighted = true;
    if (conf != NULL && conf->fail_on_panic)
        info->fail_on_panic = true;
}

/* ---- load_balancing_policy ---- */

/* Envoy takes the first policy that it knows; one that it knows and we do not may not be passed over. */
static void build_typed(struct nu_factory *f, const struct envoy_config_cluster_v3_LoadBalancingPolicy *msg,
                        struct nu_cluster_info *info)
{
    for (size_t i = 0; i < msg->n_policies; i++) {
        const struct envoy_config_core_v3_TypedExtensionConfig *t = msg->policies[i]->typed_extension_config;
        if (t == NULL || t->typed_config == NULL) /* the loader has said so, or the entry is empty */
            continue;
        nu_str type = t->typed_config->type_url;
        const struct nu_extension *e = nu_extension_by_type(CATEGORY, type);
        if (e != NULL && t->typed_config->msg != NULL) {
            use(f, e, t->typed_config->msg, info);
            return;
        }
        if (nu_str_search(type, NU_STR("envoy.extensions.load_balancing_policies.")) >= 0) {
            nu_pb_unsupported(f->diags, msg, "policies", "the policy %.*s is not supported yet", NU_STR_ARG(type));
            return;
        }
    }
    nu_pb_error(f->diags, msg, NULL, "none of the policies is a known load balancing policy");
}

/* ---- lb_policy ---- */

static struct nu_pb_msg *least_request_conf(struct nu_factory *f,
                                            const struct envoy_config_cluster_v3_Cluster_LeastRequestLbConfig *old)
{
    if (old == NULL)
        return NULL;
    struct envoy_extensions_load_balancing_policies_least_request_v3_LeastRequest *m =
        NU_PB_NEW(f->arena, envoy_extensions_load_balancing_policies_least_request_v3_LeastRequest);
    m->choice_count = old->choice_count;
    m->active_request_bias = old->active_request_bias;
    return &m->pb;
}

static void use_named(struct nu_factory *f, const char *name, const struct nu_pb_msg *conf,
                      struct nu_cluster_info *info)
{
    const struct nu_extension *e = nu_extension_by_name(CATEGORY, nu_str_from(name));
    NU_ASSERT(e != NULL);
    use(f, e, conf, info);
}

static void build_enum(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                       struct nu_cluster_info *info)
{
    switch (msg->lb_policy) {
    case envoy_config_cluster_v3_Cluster_LbPolicy_ROUND_ROBIN:
        use_named(f, CATEGORY ".round_robin", NULL, info);
        break;
    case envoy_config_cluster_v3_Cluster_LbPolicy_LEAST_REQUEST:
        use_named(f, CATEGORY ".least_request", least_request_conf(f, msg->least_request_lb_config), info);
        break;
    case envoy_config_cluster_v3_Cluster_LbPolicy_RANDOM:
        use_named(f, CATEGORY ".random", NULL, info);
        break;
    case envoy_config_cluster_v3_Cluster_LbPolicy_RING_HASH:
    case envoy_config_cluster_v3_Cluster_LbPolicy_MAGLEV:
        nu_pb_unsupported(f->diags, msg, "lb_policy", "RING_HASH and MAGLEV are not supported yet");
        break;
    case envoy_config_cluster_v3_Cluster_LbPolicy_CLUSTER_PROVIDED:
        if (msg->cluster_type != NULL || msg->type == envoy_config_cluster_v3_Cluster_DiscoveryType_ORIGINAL_DST)
            break; /* such a type brings one, but is not supported yet: nu_cluster_type_build has said so */
        nu_pb_error(f->diags, msg, "lb_policy",
                    "CLUSTER_PROVIDED needs a cluster type that brings its own load balancer");
        break;
    case envoy_config_cluster_v3_Cluster_LbPolicy_LOAD_BALANCING_POLICY_CONFIG:
        nu_pb_error(f->diags, msg, "lb_policy", "LOAD_BALANCING_POLICY_CONFIG needs load_balancing_policy");
        break;
    default:
        break; /* the loader has said so */
    }
}

static void build_common(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                         struct nu_cluster_info *info)
{
    const struct envoy_config_cluster_v3_Cluster_CommonLbConfig *c = msg->common_lb_config;
    info->panic_threshold = 50;
    if (c == NULL)
        return;
    if (c->healthy_panic_threshold != NULL) /* rounded to whole percents */
        info->panic_threshold = (uint32_t)(c->healthy_panic_threshold->value + 0.5);
    if (msg->load_balancing_policy != NULL && c->locality_config_specifier_case != 0)
        nu_pb_error(f->diags, c, NULL,
                    "load_balancing_policy cannot be combined with zone_aware_lb_config or locality_weighted_lb_config");
    info->locality_weighted = c->locality_weighted_lb_config != NULL;
    info->fail_on_panic = c->zone_aware_lb_config != NULL && c->zone_aware_lb_config->fail_traffic_on_panic;
}

void nu_cluster_lb_build(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                         struct nu_cluster_info *info)
{
    const struct envoy_config_endpoint_v3_ClusterLoadAssignment *la = msg->load_assignment;
    info->overprovisioning = 140;
    if (la != NULL && la->policy != NULL && la->policy->overprovisioning_factor != NULL)
        info->overprovisioning = *la->policy->overprovisioning_factor;
    build_common(f, msg, info);
    if (msg->load_balancing_policy != NULL)
        build_typed(f, msg->load_balancing_policy, info);
    else
        build_enum(f, msg, info);
}
