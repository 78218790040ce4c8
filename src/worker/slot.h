/* SPDX-License-Identifier: Apache-2.0
 *
 * Slots publish an immutable snapshot from the main thread to every loop without a lock: one atomic pointer that
 * readers load, and a grace period before the old snapshot's publisher reference is dropped (a snapshot that a
 * reader got from nu_slot_get is valid until that loop's turn ends; to keep it longer, take a reference). A loop that
 * sleeps in epoll_wait, or has begun another turn since, holds nothing. */
#ifndef NU_WORKER_SLOT_H
#define NU_WORKER_SLOT_H

#include <stdatomic.h>

struct nu_workers;

struct nu_slot {
    _Atomic(void *) current;
};

/* Any loop; the value, valid until this turn ends. */
static inline void *nu_slot_get(const struct nu_slot *s)
{
    return atomic_load_explicit(&s->current, memory_order_acquire);
}

/* Main thread: stores `next` (the slot takes over the caller's reference) and, when no loop can still be reading
 * the old value, calls drop(old) on the main thread. `next` may be NULL. */
void nu_slot_publish(struct nu_workers *all, struct nu_slot *s, void *next, void (*drop)(void *old));

/* Main thread: calls fn(arg) on the main thread once every loop has passed the end of its current turn. */
void nu_workers_after_grace(struct nu_workers *all, void (*fn)(void *arg), void *arg);

/* After nu_workers_stop: no loop reads any more, all that waits is called now. */
void nu_workers_end_grace(struct nu_workers *all);

#endif
