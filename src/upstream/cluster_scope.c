/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/sb.h"
#include "net/server.h"
#include "upstream/cluster_priv.h"
#include "upstream/cluster_stats.h"
#include "upstream/membership_stats.h"

void nu_cluster_scope_make(struct nu_cluster *c)
{
    struct nu_sb prefix = {0};
    nu_sb_lit(&prefix, "cluster.");
    nu_sb_add(&prefix, c->stat_name);
    nu_sb_char(&prefix, '.');
    struct nu_stat_tag tag = {.name = NU_STR("envoy.cluster_name"), .value = c->stat_name};
    c->scope = nu_scope_get(c->server->stats, &nu_cluster_layout, nu_sb_str(&prefix), NU_STR("cluster."), &tag, 1);
    c->membership = nu_scope_get(c->server->stats, &nu_membership_layout, nu_sb_str(&prefix), NU_STR("cluster."), &tag, 1);
    nu_sb_free(&prefix);
    c->conn_stats = (struct nu_conn_stats){.scope = c->scope,
                                           .rx_total = NU_CLUSTER_upstream_cx_rx_bytes_total,
                                           .rx_buffered = NU_CLUSTER_upstream_cx_rx_bytes_buffered,
                                           .tx_total = NU_CLUSTER_upstream_cx_tx_bytes_total,
                                           .tx_buffered = NU_CLUSTER_upstream_cx_tx_bytes_buffered,
                                           .delayed_close_timeout = -1};
}

void nu_cluster_scope_free(struct nu_cluster *c)
{
    nu_scope_unref(&c->scope);
    nu_scope_unref(&c->membership);
    for (unsigned p = 0; p < NU_N_PRIORITIES; p++)
        nu_scope_unref(&c->remaining[p]);
}
