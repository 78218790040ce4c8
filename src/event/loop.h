/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop: one per worker and one for the main thread. A turn is
 *
 *     wait -> ready watches -> soon tasks -> timers -> posted work -> soon tasks -> flush tasks -> deferred tasks
 *
 * "soon" runs later in the same turn; "flush" is for the writes a turn produced (one writev a connection);
 * "deferred" is for giving memory back, when no callback can be on the stack any more. The clock is read once a
 * turn. Everything but nu_loop_post and nu_loop_stop belongs to the loop's own thread. */
#ifndef NU_EVENT_LOOP_H
#define NU_EVENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/list.h"

struct nu_loop;

/* ---- file descriptors ---- */

enum nu_ready {
    NU_READABLE = EPOLLIN,
    NU_WRITABLE = EPOLLOUT,
    NU_URGENT = EPOLLPRI, /* there is urgent data (MSG_OOB), which ends a read early */
    NU_PEER_CLOSED = EPOLLRDHUP, /* the peer will send no more */
    NU_HANGUP = EPOLLHUP,
    NU_FD_ERROR = EPOLLERR,
};

/* Embed in the owner; on_ready finds it with nu_container_of. */
struct nu_watch {
    int fd; /* -1: not watched */
    void (*on_ready)(struct nu_watch *w, uint32_t ready);
};

/* Registers once, edge-triggered, for reading, writing and peer close: the owner remembers what is ready and reads
 * or writes until EAGAIN (or a short count). w stays where it is until nu_loop_unwatch and the end of that turn. */
void nu_loop_watch(struct nu_loop *loop, struct nu_watch *w, int fd,
                   void (*on_ready)(struct nu_watch *w, uint32_t ready));
/* Edge-triggered watches: stops telling NU_READABLE, for an owner that knows and will not read for a while (else each
 * packet wakes the loop), or tells it again, at once when there is something. */
void nu_loop_hear_readable(struct nu_loop *loop, struct nu_watch *w, bool hear);
/* Level-triggered and only for what is asked (NU_READABLE, NU_WRITABLE); `exclusive`: EPOLLEXCLUSIVE, for accept
 * sockets that several loops share. */
void nu_loop_watch_level(struct nu_loop *loop, struct nu_watch *w, int fd, uint32_t events, bool exclusive,
                         void (*on_ready)(struct nu_watch *w, uint32_t ready));
/* Changes what a level-triggered watch asks for. */
void nu_loop_rewatch_level(struct nu_loop *loop, struct nu_watch *w, uint32_t events);
/* No callback of w fires after this returns. Does not close the fd; sets w->fd to -1. Memory of w must live until
 * the end of the turn (free it in a deferred task). */
void nu_loop_unwatch(struct nu_loop *loop, struct nu_watch *w);
/* nu_loop_unwatch and close(2) in one: cheaper, since closing the only descriptor of a socket unregisters it. */
void nu_loop_close(struct nu_loop *loop, struct nu_watch *w);

/* ---- tasks ---- */

struct nu_task {
    struct nu_task *next;
    void (*run)(struct nu_task *t); /* NULL: not queued */
};

static inline bool nu_task_queued(const struct nu_task *t)
{
    return t->run != NULL;
}

/* Each queues t once (no effect when it is already queued). */
void nu_loop_soon(struct nu_loop *loop, struct nu_task *t, void (*run)(struct nu_task *t));
void nu_loop_flush(struct nu_loop *loop, struct nu_task *t, void (*run)(struct nu_task *t));
/* Runs the flush tasks that there are once the watch whose turn it is has returned, and does not wait for the other
 * watches: for writes so large that they would not be in the cache any more. */
void nu_loop_flush_early(struct nu_loop *loop);
void nu_loop_defer(struct nu_loop *loop, struct nu_task *t, void (*run)(struct nu_task *t));
/* Takes a queued soon or flush task out; harmless when it is not queued. O(queue). */
void nu_loop_cancel_task(struct nu_loop *loop, struct nu_task *t);

/* ---- timers ---- */

struct nu_timer {
    struct nu_list node;
    uint64_t deadline_ms; /* loop time, may lie after the slot's time: re-armed lazily; 0: not armed */
    void (*on_fire)(struct nu_timer *t);
};

void nu_timer_init(struct nu_timer *t, void (*on_fire)(struct nu_timer *t));
/* Fires once, after at least `after`; O(1). Re-arming an armed timer with a later deadline is one store. */
void nu_timer_arm(struct nu_loop *loop, struct nu_timer *t, nu_ms after);
void nu_timer_cancel(struct nu_loop *loop, struct nu_timer *t);
static inline bool nu_timer_armed(const struct nu_timer *t)
{
    return t->deadline_ms != 0;
}

/* ---- work from other threads ---- */

struct nu_post {
    struct nu_post *next;
    void (*run)(struct nu_post *p);
};

/* Any thread: runs p on the loop's thread, in order of posting. p is borrowed until run is called. */
void nu_loop_post(struct nu_loop *loop, struct nu_post *p, void (*run)(struct nu_post *p));

/* ---- the loop ---- */

struct nu_loop *nu_loop_new(void);
/* The loop must not be running; queued deferred tasks are run. Takes the pointer. */
void nu_loop_free(struct nu_loop **loop);
/* Runs turns until nu_loop_stop. */
void nu_loop_run(struct nu_loop *loop);
/* One turn that waits at most `wait` (negative: until something happens). For tests and for start-up. */
void nu_loop_turn(struct nu_loop *loop, nu_ms wait);
/* Any thread: nu_loop_run returns after the current turn. */
void nu_loop_stop(struct nu_loop *loop);

/* The turn's clock: monotonic nanoseconds, the same in milliseconds, and wall-clock nanoseconds. */
uint64_t nu_loop_now_ns(const struct nu_loop *loop);
uint64_t nu_loop_now_ms(const struct nu_loop *loop);
uint64_t nu_loop_wall_ns(const struct nu_loop *loop);
/* For code that needs a finer clock within a turn; updates the turn's clock. */
uint64_t nu_loop_update_clock(struct nu_loop *loop);

/* Quiescence, for reclaiming what workers read without locks (worker/slot.c). The epoch grows by one a turn; a loop
 * that sleeps in epoll_wait holds nothing. Any thread may read. */
uint64_t nu_loop_epoch(const struct nu_loop *loop);
bool nu_loop_is_waiting(const struct nu_loop *loop);

/* To give spare memory back: called about once a second while something happens, and (idle) once after a second in which
 * nothing did. */
void nu_loop_on_tidy(struct nu_loop *loop, void (*fn)(void *arg, bool idle), void *arg);

#endif
