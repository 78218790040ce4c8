/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/lb_lists.h"

#include "base/alloc.h"
#include "worker/worker.h"

#define WHOLE 3u /* healthy, degraded, all */
#define PER_LOCALITY 2u

struct nu_lb_lists {
    uint64_t seed;
    uint32_t n_priorities;
    uint32_t *first; /* [priority + 1]: index of its first list */
    struct nu_lb_list lists[];
};

static uint32_t n_lists(const struct nu_priority_hosts *p)
{
    return WHOLE + (p->locality_weighted ? p->n_localities * PER_LOCALITY : 0);
}

static bool equal(struct nu_host *const *list, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        if (nu_atomic_u32_get(&list[i]->weight) != nu_atomic_u32_get(&list[0]->weight))
            return false;
    return true;
}

static void fill(struct nu_lb_list *l, struct nu_host *const *list, uint32_t n, nu_edf_weight weight, uint64_t seed)
{
    if (n > 1 && !equal(list, n))
        l->edf = nu_edf_new(n, weight, list, seed);
}

static void fill_priority(struct nu_lb_list *l, const struct nu_priority_hosts *p, nu_edf_weight weight, uint64_t seed)
{
    fill(&l[0], p->healthy, p->n_healthy, weight, seed);
    fill(&l[1], p->degraded, p->n_degraded, weight, seed);
    fill(&l[2], p->all, p->n_all, weight, seed);
    for (uint32_t i = 0; p->locality_weighted && i < p->n_localities; i++) {
        const struct nu_locality_hosts *lh = &p->localities[i];
        fill(&l[WHOLE + i * PER_LOCALITY], lh->healthy, lh->n_healthy, weight, seed);
        fill(&l[WHOLE + i * PER_LOCALITY + 1], lh->degraded, lh->n_degraded, weight, seed);
    }
}

static void go_on(struct nu_lb_lists *l, const struct nu_lb_lists *previous)
{
    for (uint32_t p = 0; p < nu_min(l->n_priorities, previous->n_priorities); p++) {
        uint32_t n = nu_min(l->first[p + 1] - l->first[p], previous->first[p + 1] - previous->first[p]);
        for (uint32_t i = 0; i < n; i++)
            l->lists[l->first[p] + i].next = previous->lists[previous->first[p] + i].next;
    }
}

struct nu_lb_lists *nu_lb_lists_new(const struct nu_host_set *s, struct nu_worker *w, nu_edf_weight weight,
                                    const struct nu_lb_lists *previous)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < s->n_priorities; p++)
        n += n_lists(&s->priorities[p]);
    size_t lists = sizeof(struct nu_lb_lists) + n * sizeof(struct nu_lb_list);
    struct nu_lb_lists *l = nu_zalloc(lists + (s->n_priorities + 1) * sizeof(l->first[0]));
    l->first = (void *)((char *)l + lists);
    l->n_priorities = s->n_priorities;
    l->seed = previous != NULL ? previous->seed : nu_random_u64(&w->random) >> 32;
    for (uint32_t i = 0; i < n; i++)
        l->lists[i].next = l->seed;
    for (uint32_t p = 0; p < s->n_priorities; p++) {
        fill_priority(&l->lists[l->first[p]], &s->priorities[p], weight, l->seed);
        l->first[p + 1] = l->first[p] + n_lists(&s->priorities[p]);
    }
    if (previous != NULL)
        go_on(l, previous);
    return l;
}

void nu_lb_lists_free(struct nu_lb_lists **lp)
{
    struct nu_lb_lists *l = nu_take(lp);
    if (l == NULL)
        return;
    for (uint32_t i = 0; i < l->first[l->n_priorities]; i++)
        nu_edf_free(&l->lists[i].edf);
    nu_free(l);
}

struct nu_lb_list *nu_lb_lists_get(struct nu_lb_lists *l, uint32_t priority, int which, int locality)
{
    uint32_t at = l->first[priority] + (uint32_t)which;
    if (locality >= 0)
        at = l->first[priority] + WHOLE + (uint32_t)locality * PER_LOCALITY + (uint32_t)which;
    return &l->lists[at];
}
