/* SPDX-License-Identifier: Apache-2.0
 *
 * The grace period is quiescent-state based: every loop counts its turns, and is known to hold nothing while it
 * waits in epoll_wait. What was retired is released when each loop has waited or turned once since. */
#include "worker/slot.h"

#include "base/alloc.h"
#include "worker/worker.h"

/* How often the main thread looks whether grace periods have ended. */
#define GRACE_CHECK NU_MS(5)

struct retired {
    struct nu_list node;
    void (*fn)(void *arg);
    void *arg;
    uint64_t epochs[]; /* of each worker when it was retired */
};

static bool passed(const struct nu_workers *all, const struct retired *r)
{
    for (unsigned i = 0; i < all->n; i++) {
        const struct nu_worker *w = &all->workers[i];
        if (w->has_thread && nu_loop_epoch(w->loop) == r->epochs[i] && !nu_loop_is_waiting(w->loop))
            return false;
    }
    return true;
}

static void check(struct nu_timer *t)
{
    struct nu_workers *all = nu_container_of(t, struct nu_workers, grace_timer);
    struct nu_list ready;
    nu_list_init(&ready);
    nu_list_foreach(node, &all->grace) { /* in order of retirement: later ones cannot be ready before */
        if (!passed(all, nu_list_entry(node, struct retired, node)))
            break;
        nu_list_remove(node);
        nu_list_push_back(&ready, node);
    }
    struct nu_list *node;
    while ((node = nu_list_pop_front(&ready)) != NULL) {
        struct retired *r = nu_list_entry(node, struct retired, node);
        r->fn(r->arg);
        nu_free(r);
    }
    if (!nu_list_empty(&all->grace))
        nu_timer_arm(nu_workers_main(all)->loop, t, GRACE_CHECK);
}

void nu_workers_after_grace(struct nu_workers *all, void (*fn)(void *arg), void *arg)
{
    struct retired *r = nu_alloc(sizeof(*r) + all->n * sizeof(r->epochs[0]));
    *r = (struct retired){.fn = fn, .arg = arg};
    for (unsigned i = 0; i < all->n; i++)
        r->epochs[i] = nu_loop_epoch(all->workers[i].loop);
    nu_list_push_back(&all->grace, &r->node);
    if (!nu_timer_armed(&all->grace_timer)) {
        nu_timer_init(&all->grace_timer, check);
        nu_timer_arm(nu_workers_main(all)->loop, &all->grace_timer, NU_MS(0));
    }
}

void nu_workers_end_grace(struct nu_workers *all)
{
    struct nu_list *node;
    while ((node = nu_list_pop_front(&all->grace)) != NULL) {
        struct retired *r = nu_list_entry(node, struct retired, node);
        r->fn(r->arg);
        nu_free(r);
    }
    nu_timer_cancel(nu_workers_main(all)->loop, &all->grace_timer);
}

void nu_slot_publish(struct nu_workers *all, struct nu_slot *s, void *next, void (*drop)(void *old))
{
    void *old = atomic_exchange_explicit(&s->current, next, memory_order_acq_rel);
    if (old != NULL && drop != NULL)
        nu_workers_after_grace(all, drop, old);
}
