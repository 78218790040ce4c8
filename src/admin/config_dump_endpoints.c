/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/config_dump_priv.h"
#include "envoy/config/core/v3/address.nu.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/config/core/v3/health_check.nu.h"
#include "envoy/config/endpoint/v3/endpoint.nu.h"
#include "envoy/config/endpoint/v3/endpoint_components.nu.h"

typedef struct envoy_config_endpoint_v3_LocalityLbEndpoints locality_msg;
typedef struct envoy_config_endpoint_v3_LbEndpoint endpoint_msg;

static const uint32_t *boxed(struct nu_arena *a, uint32_t v)
{
    uint32_t *box = nu_arena_alloc(a, sizeof(*box));
    *box = v;
    return box;
}

static struct envoy_config_core_v3_Address *address(struct nu_arena *a, const struct nu_address *from)
{
    struct envoy_config_core_v3_Address *msg = NU_PB_NEW(a, envoy_config_core_v3_Address);
    if (from->sock.family == AF_UNIX) {
        msg->address_case = envoy_config_core_v3_Address_pipe_case;
        msg->pipe = NU_PB_NEW(a, envoy_config_core_v3_Pipe);
        msg->pipe->path = nu_arena_str(a, from->path);
        return msg;
    }
    char text[NU_SOCKADDR_TEXT];
    msg->address_case = envoy_config_core_v3_Address_socket_address_case;
    msg->socket_address = NU_PB_NEW(a, envoy_config_core_v3_SocketAddress);
    msg->socket_address->address = nu_arena_str(a, nu_sockaddr_text(&from->sock, true, text));
    msg->socket_address->port_specifier_case = envoy_config_core_v3_SocketAddress_port_value_case;
    msg->socket_address->port_value = nu_sockaddr_port(&from->sock);
    return msg;
}

static endpoint_msg *endpoint(struct nu_arena *a, const struct nu_host *h)
{
    static const int32_t health[] = {
        [NU_UNHEALTHY] = envoy_config_core_v3_HealthStatus_UNHEALTHY,
        [NU_DEGRADED] = envoy_config_core_v3_HealthStatus_DEGRADED,
        [NU_HEALTHY] = envoy_config_core_v3_HealthStatus_HEALTHY,
    };
    endpoint_msg *e = NU_PB_NEW(a, envoy_config_endpoint_v3_LbEndpoint);
    e->host_identifier_case = envoy_config_endpoint_v3_LbEndpoint_endpoint_case;
    e->endpoint = NU_PB_NEW(a, envoy_config_endpoint_v3_Endpoint);
    e->endpoint->address = address(a, h->address);
    e->endpoint->hostname = h->hostname;
    e->health_status = health[nu_host_health(h)];
    e->load_balancing_weight = boxed(a, nu_atomic_u32_get(&h->weight));
    return e;
}

static locality_msg *locality(struct nu_arena *a, const struct nu_locality_hosts *from, uint32_t priority)
{
    locality_msg *l = NU_PB_NEW(a, envoy_config_endpoint_v3_LocalityLbEndpoints);
    l->locality = NU_PB_NEW(a, envoy_config_core_v3_Locality);
    l->locality->region = from->region;
    l->locality->zone = from->zone;
    l->locality->sub_zone = from->sub_zone;
    l->lb_endpoints = nu_arena_array(a, endpoint_msg *, from->n_all);
    l->n_lb_endpoints = from->n_all;
    for (uint32_t i = 0; i < from->n_all; i++)
        l->lb_endpoints[i] = endpoint(a, from->all[i]);
    l->load_balancing_weight = boxed(a, from->weight);
    l->priority = priority;
    return l;
}

struct envoy_config_endpoint_v3_ClusterLoadAssignment *nu_dump_endpoints(struct nu_arena *a, const struct nu_cluster *c)
{
    const struct nu_host_set *s = nu_cluster_hosts(c);
    const struct nu_cluster_info *info = nu_cluster_settings(c);
    struct envoy_config_endpoint_v3_ClusterLoadAssignment *msg =
        NU_PB_NEW(a, envoy_config_endpoint_v3_ClusterLoadAssignment);
    size_t n = 0;
    for (uint32_t p = 0; s != NULL && p < s->n_priorities; p++)
        n += s->priorities[p].n_localities;
    msg->cluster_name = c->name;
    msg->endpoints = nu_arena_array(a, locality_msg *, n);
    for (uint32_t p = 0; s != NULL && p < s->n_priorities; p++)
        for (uint32_t i = 0; i < s->priorities[p].n_localities; i++)
            msg->endpoints[msg->n_endpoints++] = locality(a, &s->priorities[p].localities[i], p);
    msg->policy = NU_PB_NEW(a, envoy_config_endpoint_v3_ClusterLoadAssignment_Policy);
    msg->policy->overprovisioning_factor = boxed(a, info != NULL ? info->overprovisioning : 140);
    return msg;
}
