/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of tags: Envoy finds them in names by a list of patterns and prints them in that list's order. */
#include "stats/stats_priv.h"

static const nu_str order[] = {
    NU_STR_INIT("envoy.response_code"),
    NU_STR_INIT("envoy.response_code_class"),
    NU_STR_INIT("envoy.worker_id"),
    NU_STR_INIT("envoy.virtual_cluster"),
    NU_STR_INIT("envoy.fault_downstream_cluster"),
    NU_STR_INIT("envoy.ssl_cipher"),
    NU_STR_INIT("envoy.tcp_prefix"),
    NU_STR_INIT("envoy.udp_prefix"),
    NU_STR_INIT("envoy.rds_route_config"),
    NU_STR_INIT("envoy.cluster_name"),
    NU_STR_INIT("envoy.http_conn_manager_prefix"),
    NU_STR_INIT("envoy.listener_address"),
    NU_STR_INIT("envoy.virtual_host"),
    NU_STR_INIT("envoy.route"),
};

#define N_FIRST 3u /* those that are looked for anywhere in a name */

static unsigned rank(nu_str name)
{
    unsigned i = 0;
    while (i < NU_ARRAY_LEN(order) && !nu_str_eq(order[i], name))
        i++;
    return i;
}

bool nu_stat_tag_is_first(nu_str name)
{
    return rank(name) < N_FIRST;
}

void nu_stat_tags_sort(struct nu_stat_tag *tags, unsigned n)
{
    for (unsigned i = 1; i < n; i++)
        for (unsigned k = i; k > 0 && rank(tags[k].name) < rank(tags[k - 1].name); k--) {
            struct nu_stat_tag t = tags[k];
            tags[k] = tags[k - 1];
            tags[k - 1] = t;
        }
}
