/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.network.sni_cluster: the server name that the client asked for is the cluster that a tcp_proxy behind this
 * filter uses, by the filter state that it reads. Without a name tcp_proxy does what it is configured to. */
#include "codec/pb/pb.h"
#include "envoy/extensions/filters/network/sni_cluster/v3/sni_cluster.nu.h"
#include "net/filter.h"

static enum nu_filter_status on_new_connection(struct nu_net_filter *f)
{
    nu_str name = nu_conn_details(f->conn->info)->requested_server_name;
    if (name.len > 0)
        nu_conn_info_set_state(f->conn->info, NU_STR(NU_STATE_TCP_PROXY_CLUSTER), name);
    return NU_FILTER_CONTINUE;
}

static const struct nu_net_filter_ops ops = {.on_new_connection = on_new_connection};

static void attach(const struct nu_net_filter_conf *conf, struct nu_conn *c)
{
    struct nu_net_filter *f = nu_arena_new(&c->arena, struct nu_net_filter);
    (void)conf;
    f->ops = &ops;
    nu_conn_add_filter(c, f);
}

static const struct nu_net_filter_factory factory;

static struct nu_net_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    struct nu_net_filter_conf *c = nu_arena_new(f->arena, struct nu_net_filter_conf);
    (void)msg;
    c->factory = &factory;
    c->attach = attach;
    return c;
}

static const struct nu_net_filter_factory factory = {.create = create};

const struct nu_extension nu_ext_network_filter_sni_cluster = {
    .category = "envoy.filters.network",
    .name = "envoy.filters.network.sni_cluster",
    .config_type = &envoy_extensions_filters_network_sni_cluster_v3_SniCluster_type,
    .ops = &factory,
};
