/* SPDX-License-Identifier: Apache-2.0
 *
 * Response codes and times, per cluster (and its internal., external., canary., zone. copies), virtual cluster and route. */
#include <stdio.h>

#include "http/hcm_stats.h"
#include "router/router_priv.h"
#include "router/vcluster_stats.h"
#include "upstream/cluster_stats.h"
#include "upstream/host.h"
#include "worker/worker.h"

void router_count(struct router *r, unsigned index)
{
    nu_stat_inc(r->conf->scope, r->worker->index, index);
}

void router_count_cluster(struct router *r, unsigned index)
{
    nu_stat_inc(r->cluster->scope, r->worker->index, index);
}

void router_count_scopes(struct router *r, unsigned vcluster_index)
{
    if (r->vcluster != NULL && r->vcluster->scope != NULL)
        nu_stat_inc(r->vcluster->scope, r->worker->index, vcluster_index);
    if (r->entry->scope != NULL)
        nu_stat_inc(r->entry->scope, r->worker->index, vcluster_index);
}

/* "<prefix>upstream_rq_200", "..._2xx", "..._completed" for prefixes that are only known now. */
static void charge_named(struct router *r, nu_str prefix, unsigned code)
{
    char name[256];
    for (unsigned i = 0; i < 3; i++) {
        int n = i == 0   ? snprintf(name, sizeof name, "%.*s.upstream_rq_%u", NU_STR_ARG(prefix), code)
                : i == 1 ? snprintf(name, sizeof name, "%.*s.upstream_rq_%uxx", NU_STR_ARG(prefix), code / 100)
                         : snprintf(name, sizeof name, "%.*s.upstream_rq_completed", NU_STR_ARG(prefix));
        if (n > 0 && (size_t)n < sizeof name)
            nu_stat_dyn_add(r->cluster->scope, r->worker->index, nu_str_make(name, (size_t)n), 1);
    }
}

static void charge_zone(struct router *r, unsigned code)
{
    nu_str from = nu_http_stream_server(r->base.stream)->node_zone;
    nu_str to = r->up.host != NULL ? r->up.host->zone : NU_STR("");
    char prefix[200];
    if (from.len == 0 || to.len == 0)
        return;
    int n = snprintf(prefix, sizeof prefix, "zone.%.*s.%.*s", NU_STR_ARG(from), NU_STR_ARG(to));
    if (n > 0 && (size_t)n < sizeof prefix)
        charge_named(r, nu_str_make(prefix, (size_t)n), code);
}

static void charge_zone_time(struct router *r, uint64_t ms)
{
    nu_str from = nu_http_stream_server(r->base.stream)->node_zone;
    nu_str to = r->up.host != NULL ? r->up.host->zone : NU_STR("");
    char name[240];
    if (from.len == 0 || to.len == 0)
        return;
    int n = snprintf(name, sizeof name, "zone.%.*s.%.*s.upstream_rq_time", NU_STR_ARG(from), NU_STR_ARG(to));
    if (n > 0 && (size_t)n < sizeof name)
        nu_hist_dyn_record(r->cluster->scope, r->worker->index, nu_str_make(name, (size_t)n), ms);
}

/* x-envoy-upstream-alt-stat-name: all copies again under the caller's name. */
static void charge_alt(struct router *r, unsigned code)
{
    struct nu_arena *a = nu_http_stream_arena(r->base.stream);
    charge_named(r, r->alt_stat_name, code);
    charge_named(r, nu_arena_printf(a, "%.*s.%s", NU_STR_ARG(r->alt_stat_name), r->internal ? "internal" : "external"),
                 code);
    if (r->canary)
        charge_named(r, nu_arena_printf(a, "%.*s.canary", NU_STR_ARG(r->alt_stat_name)), code);
}

void router_charge_code(struct router *r, unsigned code, bool dropped)
{
    struct nu_scope *s = r->cluster->scope;
    unsigned slab = r->worker->index;
    (void)dropped;
    if (!r->conf->dynamic_stats || r->info->health_check)
        return;
    nu_stat_code(s, slab, NU_CLUSTER_upstream_rq, code);
    if (r->canary)
        nu_stat_code(s, slab, NU_CLUSTER_canary_upstream_rq, code);
    nu_stat_code(s, slab, r->internal ? NU_CLUSTER_internal_upstream_rq : NU_CLUSTER_external_upstream_rq, code);
    if (r->vcluster != NULL && r->vcluster->scope != NULL)
        nu_stat_code(r->vcluster->scope, slab, NU_VCLUSTER_upstream_rq, code);
    if (r->entry->scope != NULL)
        nu_stat_code(r->entry->scope, slab, NU_VCLUSTER_upstream_rq, code);
    charge_zone(r, code);
    if (r->alt_stat_name.len > 0)
        charge_alt(r, code);
    if (r->up.host != NULL && code >= 500 && code <= 599)
        (void)nu_atomic_u64_add(&r->up.host->stats.rq_error, 1);
}

void router_charge_time(struct router *r)
{
    struct nu_scope *s = r->cluster->scope;
    unsigned slab = r->worker->index;
    if (!r->conf->dynamic_stats || r->info->health_check || r->request_done_ns == 0)
        return;
    uint64_t ms = (nu_loop_now_ns(r->worker->loop) - r->request_done_ns) / NU_NS_PER_MS;
    nu_hist_record(s, slab, NU_CLUSTER_upstream_rq_time, ms);
    if (r->canary)
        nu_hist_record(s, slab, NU_CLUSTER_canary_upstream_rq_time, ms);
    nu_hist_record(s, slab, r->internal ? NU_CLUSTER_internal_upstream_rq_time : NU_CLUSTER_external_upstream_rq_time,
                   ms);
    if (r->vcluster != NULL && r->vcluster->scope != NULL)
        nu_hist_record(r->vcluster->scope, slab, NU_VCLUSTER_upstream_rq_time, ms);
    if (r->entry->scope != NULL)
        nu_hist_record(r->entry->scope, slab, NU_VCLUSTER_upstream_rq_time, ms);
    charge_zone_time(r, ms);
}
