/* SPDX-License-Identifier: Apache-2.0
 *
 * What a record's readers (access logs, formatters) may ask about its host and cluster without knowing upstream/, which
 * implements it (upstream/view.c). */
#ifndef NU_NET_UPSTREAM_VIEW_H
#define NU_NET_UPSTREAM_VIEW_H

#include "net/address.h"

struct nu_cluster;
struct nu_cluster_manager;
struct nu_host;
struct google_protobuf_Struct;

const struct nu_address *nu_view_host_address(const struct nu_host *h);
nu_str nu_view_host_name(const struct nu_host *h);
/* The envoy.lb namespace of the host's metadata; NULL: none. */
const struct google_protobuf_Struct *nu_view_host_lb_metadata(const struct nu_host *h);
/* NULL: there is none. Borrowed: until the end of the turn. */
struct nu_cluster *nu_view_cluster_find(const struct nu_cluster_manager *cm, nu_str name);
/* The name, and the one statistics go by (alt_stat_name). */
nu_str nu_view_cluster_name(const struct nu_cluster *c);
nu_str nu_view_cluster_stat_name(const struct nu_cluster *c);

#endif
