/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/breaker.h"

#include <stdio.h>

#include "net/server.h"
#include "upstream/breaker_stats.h"
#include "upstream/count.h"
#include "worker/runtime.h"
#include "worker/worker.h"

static uint64_t configured(const struct nu_breaker_limits *l, enum nu_breaker b)
{
    switch (b) {
    case NU_BREAKER_CX:
        return l->max_connections;
    case NU_BREAKER_PENDING:
        return l->max_pending_requests;
    case NU_BREAKER_RQ:
        return l->max_requests;
    case NU_BREAKER_RETRY:
        return l->max_retries;
    case NU_BREAKER_POOL:
        return l->max_connection_pools;
    case NU_N_BREAKERS:
        break;
    }
    NU_UNREACHABLE();
}

static const char *const key_names[NU_N_BREAKERS] = {
    [NU_BREAKER_CX] = "max_connections",  [NU_BREAKER_PENDING] = "max_pending_requests",
    [NU_BREAKER_RQ] = "max_requests",     [NU_BREAKER_RETRY] = "max_retries",
    [NU_BREAKER_POOL] = "max_connection_pools",
};

static NU_COLD uint64_t overridden(const struct nu_cluster *c, enum nu_priority p, enum nu_breaker b, uint64_t limit)
{
    char key[512];
    int n = snprintf(key, sizeof(key), "circuit_breakers.%.*s.%s.%s", NU_STR_ARG(c->name),
                     p == NU_PRIORITY_HIGH ? "high" : "default", key_names[b]);
    if (n < 0 || (size_t)n >= sizeof(key))
        return limit;
    return nu_runtime_u64(c->server->runtime, nu_str_make(key, (size_t)n), limit);
}

/* Envoy's retry budget: a share of what is active and waiting, but at least min_retry_concurrency. */
static uint64_t retry_budget(const struct nu_cluster *c, const struct nu_breaker_limits *l, enum nu_priority p)
{
    uint64_t busy = nu_breaker_used(c, p, NU_BREAKER_RQ) + nu_breaker_used(c, p, NU_BREAKER_PENDING);
    uint64_t share = (uint64_t)(l->budget_percent / 100.0 * (double)busy);
    return nu_max(share, l->min_retry_concurrency);
}

uint64_t nu_breaker_limit(const struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p,
                          enum nu_breaker b)
{
    const struct nu_breaker_limits *l = &i->breakers[p];
    if (b == NU_BREAKER_RETRY && l->has_retry_budget)
        return retry_budget(c, l, p);
    uint64_t limit = configured(l, b);
    if (nu_unlikely(nu_runtime_has_keys(c->server->runtime)))
        return overridden(c, p, b, limit);
    return limit;
}

bool nu_breaker_can(const struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p,
                    enum nu_breaker b)
{
    return nu_breaker_used(c, p, b) < nu_breaker_limit(c, i, p, b);
}

static const uint16_t open_gauges[NU_N_PRIORITIES][NU_N_BREAKERS] = {
#define ROW(prio)                                                                                  \
    {                                                                                              \
        [NU_BREAKER_CX] = NU_CLUSTER_circuit_breakers_##prio##_cx_open,                            \
        [NU_BREAKER_PENDING] = NU_CLUSTER_circuit_breakers_##prio##_rq_pending_open,               \
        [NU_BREAKER_RQ] = NU_CLUSTER_circuit_breakers_##prio##_rq_open,                            \
        [NU_BREAKER_RETRY] = NU_CLUSTER_circuit_breakers_##prio##_rq_retry_open,                   \
        [NU_BREAKER_POOL] = NU_CLUSTER_circuit_breakers_##prio##_cx_pool_open,                     \
    }
    [NU_PRIORITY_DEFAULT] = ROW(default),
    [NU_PRIORITY_HIGH] = ROW(high),
#undef ROW
};

/* The flag makes each change of the gauge happen once, whichever workers cross the limit. */
static void set_open(struct nu_cluster *c, enum nu_priority p, enum nu_breaker b, struct nu_worker *w, bool open)
{
    struct nu_atomic_u32 *flag = &c->breakers[p].open[b];
    if (nu_likely(nu_atomic_u32_get(flag) == open))
        return;
    if (nu_atomic_u32_swap(flag, open) != open)
        nu_gauge_add(c->scope, w->index, open_gauges[p][b], open ? 1 : UINT64_MAX);
}

/* ---- remaining_* gauges ---- */

static uint64_t remaining(uint64_t limit, uint64_t used)
{
    return limit > used ? limit - used : 0;
}

static void move_remaining(const struct nu_cluster *c, enum nu_priority p, enum nu_breaker b, unsigned slab,
                           uint64_t before, uint64_t after)
{
    if (after != before)
        nu_gauge_add(c->remaining[p], slab, b, after - before);
}

void nu_breaker_track(struct nu_cluster *c, const struct nu_cluster_info *old, const struct nu_cluster_info *next)
{
    static const char *const names[NU_N_PRIORITIES] = {"default", "high"};
    for (unsigned p = 0; p < NU_N_PRIORITIES; p++) {
        if (!next->breakers[p].track_remaining)
            continue;
        bool tracked = c->remaining[p] != NULL;
        if (!tracked) {
            char prefix[600], plain[64];
            int n = snprintf(prefix, sizeof(prefix), "cluster.%.*s.circuit_breakers.%s.", NU_STR_ARG(c->stat_name), names[p]);
            int k = snprintf(plain, sizeof(plain), "cluster.circuit_breakers.%s.", names[p]);
            if (n < 0 || (size_t)n >= sizeof(prefix) || k < 0)
                continue;
            struct nu_stat_tag tag = {NU_STR("envoy.cluster_name"), c->stat_name};
            c->remaining[p] = nu_scope_get(c->server->stats, &nu_breaker_layout, nu_str_make(prefix, (size_t)n),
                                           nu_str_make(plain, (size_t)k), &tag, 1);
        }
        for (unsigned b = 0; b < NU_N_BREAKERS; b++) {
            uint64_t used = nu_breaker_used(c, (enum nu_priority)p, (enum nu_breaker)b);
            uint64_t before = tracked && old != NULL ? remaining(configured(&old->breakers[p], (enum nu_breaker)b), used) : 0;
            move_remaining(c, (enum nu_priority)p, (enum nu_breaker)b, c->server->workers->n, before,
                           remaining(configured(&next->breakers[p], (enum nu_breaker)b), used));
        }
    }
}

static void changed(struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p, enum nu_breaker b,
                    struct nu_worker *w, uint64_t before, uint64_t used)
{
    if (nu_unlikely(i->breakers[p].track_remaining && c->remaining[p] != NULL)) {
        uint64_t limit = configured(&i->breakers[p], b);
        move_remaining(c, p, b, w->index, remaining(limit, before), remaining(limit, used));
    }
    set_open(c, p, b, w, used >= nu_breaker_limit(c, i, p, b));
}

void nu_breaker_force(struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p, enum nu_breaker b,
                      struct nu_worker *w)
{
    uint64_t used = nu_atomic_u64_add(&c->breakers[p].n[b], 1);
    changed(c, i, p, b, w, used - 1, used);
}

bool nu_breaker_take(struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p, enum nu_breaker b,
                     struct nu_worker *w)
{
    /* Look, then take: as in Envoy, workers that do so at once may go a little over the limit. */
    if (!nu_breaker_can(c, i, p, b))
        return false;
    nu_breaker_force(c, i, p, b, w);
    return true;
}

void nu_breaker_give(struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p, enum nu_breaker b,
                     struct nu_worker *w)
{
    uint64_t used = nu_atomic_u64_sub(&c->breakers[p].n[b], 1);
    NU_ASSERT_SLOW(used != UINT64_MAX);
    changed(c, i, p, b, w, used + 1, used);
}
