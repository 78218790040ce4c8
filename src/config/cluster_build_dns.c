/* SPDX-License-Identifier: Apache-2.0
 *
 * The cluster's type, and the DNS settings of strict_dns, logical_dns and envoy.clusters.dns. */
#include "base/alloc.h"
#include "codec/pb/pb.h"
#include "config/cluster_build_priv.h"
#include "config/resolver_build.h"
#include "envoy/extensions/clusters/dns/v3/dns_cluster.nu.h"
#include "google/protobuf/any.nu.h"
#include "net/duration.h"

static const nu_str static_name = NU_STR_INIT("envoy.cluster.static");
static const nu_str strict_name = NU_STR_INIT("envoy.cluster.strict_dns");
static const nu_str logical_name = NU_STR_INIT("envoy.cluster.logical_dns");

static void set_failure_rate(struct nu_factory *f, const void *owner, const struct google_protobuf_Duration *base,
                             const struct google_protobuf_Duration *max, struct nu_dns_conf *d)
{
    d->failure_base = nu_duration_or(base, d->refresh);
    d->failure_max = nu_duration_or(max, NU_MS(d->failure_base.v * 10));
    if (d->failure_max.v < d->failure_base.v)
        nu_pb_error(f->diags, owner, "dns_failure_refresh_rate",
                    "max_interval must be greater than or equal to base_interval");
}

static struct nu_dns_conf *dns_of_cluster(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg)
{
    struct nu_dns_conf *d = nu_new(struct nu_dns_conf);
    d->refresh = nu_duration_or(msg->dns_refresh_rate, NU_SECONDS(5));
    d->jitter = nu_duration_or(msg->dns_jitter, NU_MS(0));
    d->respect_ttl = msg->respect_dns_ttl;
    d->family = (enum nu_dns_family)msg->dns_lookup_family; /* same numbers */
    if (msg->dns_failure_refresh_rate != NULL)
        set_failure_rate(f, msg, msg->dns_failure_refresh_rate->base_interval,
                         msg->dns_failure_refresh_rate->max_interval, d);
    d->resolver = nu_resolver_build(f, msg, msg->typed_dns_resolver_config);
    if (d->resolver == NULL)
        d->resolver = nu_resolver_build_servers(f, msg, msg->dns_resolvers, msg->n_dns_resolvers,
                                                msg->use_tcp_for_dns_lookups);
    return d;
}

static struct nu_dns_conf *dns_of_extension(struct nu_factory *f,
                                            const struct envoy_extensions_clusters_dns_v3_DnsCluster *msg)
{
    struct nu_dns_conf *d = nu_new(struct nu_dns_conf);
    d->refresh = nu_duration_or(msg->dns_refresh_rate, NU_SECONDS(5));
    d->jitter = nu_duration_or(msg->dns_jitter, NU_MS(0));
    d->respect_ttl = msg->respect_dns_ttl;
    /* UNSPECIFIED is 0 there, the others are one higher than in the cluster's enum. */
    d->family = msg->dns_lookup_family > 0 ? (enum nu_dns_family)(msg->dns_lookup_family - 1) : NU_DNS_AUTO;
    if (msg->dns_failure_refresh_rate != NULL)
        set_failure_rate(f, msg, msg->dns_failure_refresh_rate->base_interval,
                         msg->dns_failure_refresh_rate->max_interval, d);
    d->resolver = nu_resolver_build(f, msg, msg->typed_dns_resolver_config);
    return d;
}

static enum nu_cluster_type by_name(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg)
{
    nu_str name = msg->cluster_type->name;
    if (nu_str_eq(name, static_name))
        return NU_CLUSTER_STATIC;
    if (nu_str_eq(name, strict_name))
        return NU_CLUSTER_STRICT_DNS;
    if (nu_str_eq(name, logical_name))
        return NU_CLUSTER_LOGICAL_DNS;
    bool envoys = nu_str_starts(name, NU_STR("envoy.cluster")) && !nu_str_eq(name, NU_STR("envoy.clusters.dns"));
    (envoys ? nu_pb_unsupported : nu_pb_error)(f->diags, msg->cluster_type, "name",
                                               "there is no cluster type '%.*s' (without typed_config)",
                                               NU_STR_ARG(name));
    return NU_CLUSTER_STATIC;
}

static enum nu_cluster_type custom_type(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                                        struct nu_dns_conf **dns)
{
    const struct google_protobuf_Any *any = msg->cluster_type->typed_config;
    if (any == NULL || any->type_url.len == 0) {
        enum nu_cluster_type type = by_name(f, msg);
        if (type != NU_CLUSTER_STATIC)
            *dns = dns_of_cluster(f, msg);
        return type;
    }
    const struct envoy_extensions_clusters_dns_v3_DnsCluster *d =
        NU_PB_AS(any->msg, envoy_extensions_clusters_dns_v3_DnsCluster);
    if (d == NULL) {
        if (any->msg != NULL || !nu_diags_failed(f->diags))
            nu_pb_unsupported(f->diags, msg->cluster_type, "typed_config", "the cluster type %.*s is not supported yet",
                              NU_STR_ARG(any->type_url));
        return NU_CLUSTER_STATIC;
    }
    *dns = dns_of_extension(f, d);
    return d->all_addresses_in_single_endpoint ? NU_CLUSTER_LOGICAL_DNS : NU_CLUSTER_STRICT_DNS;
}

enum nu_cluster_type nu_cluster_type_build(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                                           struct nu_dns_conf **dns)
{
    *dns = NULL;
    if (msg->cluster_type != NULL)
        return custom_type(f, msg, dns);
    switch (msg->type) {
    case envoy_config_cluster_v3_Cluster_DiscoveryType_STRICT_DNS:
        *dns = dns_of_cluster(f, msg);
        return NU_CLUSTER_STRICT_DNS;
    case envoy_config_cluster_v3_Cluster_DiscoveryType_LOGICAL_DNS:
        *dns = dns_of_cluster(f, msg);
        return NU_CLUSTER_LOGICAL_DNS;
    case envoy_config_cluster_v3_Cluster_DiscoveryType_EDS:
    case envoy_config_cluster_v3_Cluster_DiscoveryType_ORIGINAL_DST:
        nu_pb_unsupported(f->diags, msg, "type", "EDS and ORIGINAL_DST clusters are not supported yet");
        return NU_CLUSTER_STATIC;
    default:
        return NU_CLUSTER_STATIC;
    }
}
