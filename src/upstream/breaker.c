/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/breaker.h"

#include <stdio.h>

#include "net/server.h"
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

static void count_open(struct nu_cluster *c, enum nu_priority p, enum nu_breaker b, struct nu_worker *w, int delta)
{
    bool high = p == NU_PRIORITY_HIGH;
    switch (b) {
#define GAUGE(which, name)                                                                         \
    case which:                                                                                    \
        if (high)                                                                                  \
            NU_CLUSTER_GAUGE(c, w, circuit_breakers_high_##name, delta);                           \
        else                                                                                       \
            NU_CLUSTER_GAUGE(c, w, circuit_breakers_default_##name, delta);                        \
        break;
        GAUGE(NU_BREAKER_CX, cx_open)
        GAUGE(NU_BREAKER_PENDING, rq_pending_open)
        GAUGE(NU_BREAKER_RQ, rq_open)
        GAUGE(NU_BREAKER_RETRY, rq_retry_open)
        GAUGE(NU_BREAKER_POOL, cx_pool_open)
#undef GAUGE
    case NU_N_BREAKERS:
        break;
    }
}

/* The flag makes each change of the gauge happen once, whichever workers cross the limit. */
static void set_open(struct nu_cluster *c, enum nu_priority p, enum nu_breaker b, struct nu_worker *w, bool open)
{
    struct nu_atomic_u32 *flag = &c->breakers[p].open[b];
    if (nu_likely(nu_atomic_u32_get(flag) == open))
        return;
    if (nu_atomic_u32_swap(flag, open) != open)
        count_open(c, p, b, w, open ? 1 : -1);
}

static void count_remaining(struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p,
                            enum nu_breaker b)
{
    uint64_t limit = nu_breaker_limit(c, i, p, b), used = nu_breaker_used(c, p, b);
    uint64_t left = limit > used ? limit - used : 0;
    bool high = p == NU_PRIORITY_HIGH;
    switch (b) {
#define GAUGE(which, name)                                                                         \
    case which:                                                                                    \
        if (high)                                                                                  \
            NU_CLUSTER_GAUGE_SET(c, circuit_breakers_high_##name, left);                           \
        else                                                                                       \
            NU_CLUSTER_GAUGE_SET(c, circuit_breakers_default_##name, left);                        \
        break;
        GAUGE(NU_BREAKER_CX, remaining_cx)
        GAUGE(NU_BREAKER_PENDING, remaining_pending)
        GAUGE(NU_BREAKER_RQ, remaining_rq)
        GAUGE(NU_BREAKER_RETRY, remaining_retries)
        GAUGE(NU_BREAKER_POOL, remaining_cx_pools)
#undef GAUGE
    case NU_N_BREAKERS:
        break;
    }
}

static void changed(struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p, enum nu_breaker b,
                    struct nu_worker *w, uint64_t used)
{
    set_open(c, p, b, w, used >= nu_breaker_limit(c, i, p, b));
    if (nu_unlikely(i->breakers[p].track_remaining))
        count_remaining(c, i, p, b);
}

void nu_breaker_force(struct nu_cluster *c, const struct nu_cluster_info *i, enum nu_priority p, enum nu_breaker b,
                      struct nu_worker *w)
{
    changed(c, i, p, b, w, nu_atomic_u64_add(&c->breakers[p].n[b], 1));
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
    changed(c, i, p, b, w, used);
}
