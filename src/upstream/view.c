/* SPDX-License-Identifier: Apache-2.0 */
#include "net/upstream_view.h"

#include "upstream/cluster.h"
#include "upstream/cluster_manager.h"

const struct nu_address *nu_view_host_address(const struct nu_host *h)
{
    return h->address;
}

nu_str nu_view_host_name(const struct nu_host *h)
{
    return h->hostname;
}

const struct google_protobuf_Struct *nu_view_host_lb_metadata(const struct nu_host *h)
{
    return h->metadata_envoy_lb;
}

struct nu_cluster *nu_view_cluster_find(const struct nu_cluster_manager *cm, nu_str name)
{
    return nu_cluster_find(cm, name);
}

nu_str nu_view_cluster_name(const struct nu_cluster *c)
{
    return c->name;
}

nu_str nu_view_cluster_stat_name(const struct nu_cluster *c)
{
    return c->stat_name;
}
