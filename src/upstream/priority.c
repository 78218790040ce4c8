/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/priority.h"

#define MAX_LEVELS 129u /* LocalityLbEndpoints.priority is at most 128 */

struct levels {
    uint32_t healthy[MAX_LEVELS], degraded[MAX_LEVELS]; /* availability in percent */
    uint32_t n;
    uint32_t total; /* of both, at most 100 */
};

static uint32_t countable(const struct nu_priority_hosts *p)
{
    return p->n_all - p->n_excluded;
}

static uint32_t availability(uint32_t n, uint32_t of, uint32_t overprovisioning)
{
    return of == 0 ? 0 : (uint32_t)nu_min((uint64_t)100, (uint64_t)overprovisioning * n / of);
}

static void measure(const struct nu_host_set *s, struct levels *l)
{
    uint32_t sum = 0;
    l->n = s->n_priorities;
    for (uint32_t i = 0; i < l->n; i++) {
        const struct nu_priority_hosts *p = &s->priorities[i];
        l->healthy[i] = availability(p->n_healthy, countable(p), p->overprovisioning);
        l->degraded[i] = availability(p->n_degraded, countable(p), p->overprovisioning);
        sum += l->healthy[i] + l->degraded[i];
    }
    l->total = nu_min(sum, 100u);
}

/* Gives the levels, best first, what they can take; returns the first level that can take anything, or -1. */
static int distribute(const uint32_t *available, uint32_t n, uint32_t total, uint32_t *load, uint8_t *out)
{
    int first = -1;
    for (uint32_t i = 0; i < n; i++) {
        if (first < 0 && available[i] > 0)
            first = (int)i;
        uint32_t take = nu_min(*load, available[i] * 100 / total);
        out[i] = (uint8_t)take;
        *load -= take;
    }
    return first;
}

static void spread(struct nu_host_set *s, const struct levels *l)
{
    if (l->total == 0)
        return;
    uint32_t load = 100;
    int healthy = distribute(l->healthy, l->n, l->total, &load, s->healthy_load);
    int degraded = distribute(l->degraded, l->n, l->total, &load, s->degraded_load);
    /* What rounding left goes to the first level that has something. */
    if (healthy >= 0)
        s->healthy_load[healthy] = (uint8_t)(s->healthy_load[healthy] + load);
    else if (degraded >= 0)
        s->degraded_load[degraded] = (uint8_t)(s->degraded_load[degraded] + load);
}

static bool in_panic(const struct nu_priority_hosts *p, uint32_t threshold)
{
    uint32_t n = countable(p);
    double usable = n == 0 ? 0.0 : 100.0 * (p->n_healthy + p->n_degraded) / n;
    return usable < threshold;
}

/* Every level is in panic: load follows the number of hosts, whatever their health. */
static void spread_in_total_panic(struct nu_host_set *s)
{
    if (s->n_all == 0) {
        s->healthy_load[0] = 100;
        return;
    }
    uint32_t left = 100;
    int first = -1;
    for (uint32_t i = 0; i < s->n_priorities; i++) {
        uint32_t n = s->priorities[i].n_all;
        if (first < 0 && n > 0)
            first = (int)i;
        uint32_t take = (uint32_t)(100ull * n / s->n_all);
        s->healthy_load[i] = (uint8_t)take;
        s->degraded_load[i] = 0;
        left -= take;
    }
    s->healthy_load[first] = (uint8_t)(s->healthy_load[first] + left);
}

void nu_priority_compute(struct nu_host_set *s, uint32_t panic_threshold)
{
    NU_ASSERT(s->n_priorities > 0 && s->n_priorities <= MAX_LEVELS);
    struct levels l;
    measure(s, &l);
    for (uint32_t i = 0; i < l.n; i++) {
        s->healthy_load[i] = s->degraded_load[i] = 0;
        s->panic[i] = false;
    }
    spread(s, &l);
    panic_threshold = nu_min(panic_threshold, 100u);
    if (panic_threshold == 0 && l.total == 0) { /* nothing will be found there, but the loads must add up */
        s->healthy_load[0] = 100;
        return;
    }
    bool total_panic = true;
    for (uint32_t i = 0; i < l.n; i++) {
        s->panic[i] = l.total != 100 && in_panic(&s->priorities[i], panic_threshold);
        total_panic = total_panic && s->panic[i];
    }
    if (total_panic)
        spread_in_total_panic(s);
}

struct nu_priority_choice nu_priority_choose(const uint8_t *healthy, const uint8_t *degraded, uint32_t n,
                                             uint64_t random)
{
    uint32_t at = (uint32_t)(random % 100) + 1, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        if (at <= (sum += healthy[i]))
            return (struct nu_priority_choice){.priority = i};
    for (uint32_t i = 0; i < n; i++)
        if (at <= (sum += degraded[i]))
            return (struct nu_priority_choice){.priority = i, .degraded = true};
    return (struct nu_priority_choice){0};
}
