/* SPDX-License-Identifier: Apache-2.0 */
#include "net/drain.h"

void nu_drain_begin(struct nu_drain *d, uint64_t now_ms)
{
    if (nu_atomic_u32_get(&d->active) != 0)
        return;
    nu_atomic_u64_set(&d->started_ms, now_ms);
    nu_atomic_u32_set(&d->active, 1);
}

/* Envoy's DrainManagerImpl::drainClose: P(close) = time elapsed / drain time. */
static bool chance(const struct nu_server *s, uint64_t started_ms, struct nu_worker *w)
{
    if (s->drain_time_ms == 0 || nu_atomic_u32_get(&s->drain_strategy_immediate) != 0)
        return true;
    uint64_t now = nu_loop_now_ms(w->loop);
    uint64_t elapsed = now > started_ms ? now - started_ms : 0;
    return elapsed >= s->drain_time_ms || nu_random_below(&w->random, s->drain_time_ms) < elapsed;
}

bool nu_drain_close(const struct nu_server *s, const struct nu_conn_info *info, struct nu_worker *w)
{
    const struct nu_drain *d = info->drain;
    bool concerned = d == NULL || !d->modify_only;
    if (concerned && nu_atomic_u32_get(&s->healthcheck_failed) != 0)
        return true;
    if (concerned && nu_atomic_u32_get(&s->draining) != 0)
        return chance(s, s->drain_started_ms, w);
    return d != NULL && nu_atomic_u32_get(&d->active) != 0 && chance(s, nu_atomic_u64_get(&d->started_ms), w);
}
