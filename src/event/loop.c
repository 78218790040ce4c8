/* SPDX-License-Identifier: Apache-2.0 */
#include "event/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "event/timer.h"

#define EVENTS_PER_WAIT 256
/* The wall clock is taken as monotonic time plus an offset that is read again this often. */
#define WALL_OFFSET_LIFE_NS (250 * NU_NS_PER_MS)
#define TIDY_EVERY_MS 1000u

struct queue {
    struct nu_task *head, **tail;
};

struct nu_loop {
    int epoll_fd;
    uint64_t now_ns, now_ms;
    uint64_t wall_offset_ns, wall_offset_read_ns;
    struct queue soon, flush, deferred;
    bool flush_early;
    struct nu_wheel wheel;
    struct epoll_event *events; /* of the current turn */
    int n_events, at_event;
    _Atomic uint64_t epoch;
    _Atomic bool waiting, stopping;
    void (*on_tidy)(void *arg, bool idle);
    void *on_tidy_arg;
    uint64_t tidy_at_ms; /* 0: nothing has happened since the last time */
    struct nu_watch wake;
    pthread_mutex_t post_lock;
    struct nu_post *posted, **posted_tail;
    _Atomic bool has_posts;
    struct epoll_event event_space[EVENTS_PER_WAIT];
};

NU_NORETURN NU_COLD static void fatal(const char *what)
{
    perror(what);
    abort();
}

static void queue_init(struct queue *q)
{
    q->head = NULL;
    q->tail = &q->head;
}

static void queue_push(struct queue *q, struct nu_task *t, void (*run)(struct nu_task *t))
{
    if (t->run != NULL)
        return;
    t->run = run;
    t->next = NULL;
    *q->tail = t;
    q->tail = &t->next;
}

static void queue_run(struct queue *q)
{
    while (q->head != NULL) {
        struct nu_task *t = q->head;
        q->head = t->next;
        if (q->head == NULL)
            q->tail = &q->head;
        void (*run)(struct nu_task *t) = t->run;
        t->run = NULL;
        run(t);
    }
}

static bool queue_remove(struct queue *q, struct nu_task *t)
{
    for (struct nu_task **at = &q->head; *at != NULL; at = &(*at)->next) {
        if (*at != t)
            continue;
        *at = t->next;
        if (t->next == NULL)
            q->tail = at;
        t->run = NULL;
        return true;
    }
    return false;
}

void nu_loop_soon(struct nu_loop *loop, struct nu_task *t, void (*run)(struct nu_task *t))
{
    queue_push(&loop->soon, t, run);
}

void nu_loop_flush(struct nu_loop *loop, struct nu_task *t, void (*run)(struct nu_task *t))
{
    queue_push(&loop->flush, t, run);
}

void nu_loop_flush_early(struct nu_loop *loop)
{
    loop->flush_early = true;
}

void nu_loop_defer(struct nu_loop *loop, struct nu_task *t, void (*run)(struct nu_task *t))
{
    queue_push(&loop->deferred, t, run);
}

void nu_loop_cancel_task(struct nu_loop *loop, struct nu_task *t)
{
    if (t->run != NULL && !queue_remove(&loop->soon, t))
        queue_remove(&loop->flush, t);
}

/* ---- watches ---- */

#define EDGES ((uint32_t)EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET)

static void watch(struct nu_loop *loop, struct nu_watch *w, int fd, uint32_t events,
                  void (*on_ready)(struct nu_watch *w, uint32_t ready))
{
    struct epoll_event ev = {.events = events, .data.ptr = w};
    w->fd = fd;
    w->on_ready = on_ready;
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
        fatal("epoll_ctl");
}

static void rewatch(struct nu_loop *loop, struct nu_watch *w, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = w};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) != 0)
        fatal("epoll_ctl");
}

void nu_loop_watch(struct nu_loop *loop, struct nu_watch *w, int fd,
                   void (*on_ready)(struct nu_watch *w, uint32_t ready))
{
    watch(loop, w, fd, EDGES, on_ready);
}

void nu_loop_hear_readable(struct nu_loop *loop, struct nu_watch *w, bool hear)
{
    /* EPOLLPRI as well: the kernel wakes whoever asks for either of them, whichever it is. */
    rewatch(loop, w, hear ? EDGES : EDGES & ~(uint32_t)(EPOLLIN | EPOLLPRI));
}

void nu_loop_watch_level(struct nu_loop *loop, struct nu_watch *w, int fd, uint32_t events, bool exclusive,
                         void (*on_ready)(struct nu_watch *w, uint32_t ready))
{
    watch(loop, w, fd, events | (exclusive ? EPOLLEXCLUSIVE : 0u), on_ready);
}

void nu_loop_rewatch_level(struct nu_loop *loop, struct nu_watch *w, uint32_t events)
{
    rewatch(loop, w, events);
}

/* Drops what this turn still holds for w. */
static void forget_events(struct nu_loop *loop, const struct nu_watch *w)
{
    for (int i = loop->at_event; i < loop->n_events; i++)
        if (loop->events[i].data.ptr == w)
            loop->events[i].data.ptr = NULL;
}

void nu_loop_unwatch(struct nu_loop *loop, struct nu_watch *w)
{
    if (w->fd < 0)
        return;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    w->fd = -1;
    forget_events(loop, w);
}

void nu_loop_close(struct nu_loop *loop, struct nu_watch *w)
{
    if (w->fd < 0)
        return;
    close(w->fd);
    w->fd = -1;
    forget_events(loop, w);
}

/* ---- timers ---- */

void nu_timer_init(struct nu_timer *t, void (*on_fire)(struct nu_timer *t))
{
    *t = (struct nu_timer){.on_fire = on_fire};
}

void nu_timer_arm(struct nu_loop *loop, struct nu_timer *t, nu_ms after)
{
    NU_ASSERT_SLOW(t->on_fire != NULL);
    uint64_t wait = after.v > 0 ? (uint64_t)after.v : 0;
    /* +1: the clock is already part of a millisecond further; never fire early. */
    nu_wheel_arm(&loop->wheel, t, loop->now_ms + wait + 1);
}

void nu_timer_cancel(struct nu_loop *loop, struct nu_timer *t)
{
    nu_wheel_cancel(&loop->wheel, t);
}

/* ---- posts ---- */

void nu_loop_post(struct nu_loop *loop, struct nu_post *p, void (*run)(struct nu_post *p))
{
    p->next = NULL;
    p->run = run;
    pthread_mutex_lock(&loop->post_lock);
    *loop->posted_tail = p;
    loop->posted_tail = &p->next;
    bool first = !atomic_exchange(&loop->has_posts, true);
    pthread_mutex_unlock(&loop->post_lock);
    if (first) {
        uint64_t one = 1;
        ssize_t n = write(loop->wake.fd, &one, sizeof(one));
        (void)n; /* full: the loop wakes anyway */
    }
}

static void run_posts(struct nu_loop *loop)
{
    if (!atomic_load_explicit(&loop->has_posts, memory_order_acquire))
        return;
    pthread_mutex_lock(&loop->post_lock);
    struct nu_post *p = loop->posted;
    loop->posted = NULL;
    loop->posted_tail = &loop->posted;
    atomic_store(&loop->has_posts, false);
    pthread_mutex_unlock(&loop->post_lock);
    while (p != NULL) {
        struct nu_post *next = p->next; /* run may free p */
        p->run(p);
        p = next;
    }
}

static void on_wake(struct nu_watch *w, uint32_t ready)
{
    uint64_t n;
    (void)ready;
    ssize_t got = read(w->fd, &n, sizeof(n));
    (void)got;
}

/* ---- clock ---- */

uint64_t nu_loop_now_ns(const struct nu_loop *loop)
{
    return loop->now_ns;
}

uint64_t nu_loop_now_ms(const struct nu_loop *loop)
{
    return loop->now_ms;
}

uint64_t nu_loop_wall_ns(const struct nu_loop *loop)
{
    return loop->now_ns + loop->wall_offset_ns;
}

uint64_t nu_loop_update_clock(struct nu_loop *loop)
{
    loop->now_ns = nu_clock_monotonic_ns();
    loop->now_ms = loop->now_ns / NU_NS_PER_MS;
    if (nu_unlikely(loop->now_ns - loop->wall_offset_read_ns > WALL_OFFSET_LIFE_NS)) {
        loop->wall_offset_ns = nu_clock_wall_ns() - loop->now_ns;
        loop->wall_offset_read_ns = loop->now_ns;
    }
    return loop->now_ns;
}

/* ---- the loop ---- */

struct nu_loop *nu_loop_new(void)
{
    struct nu_loop *loop = nu_new(struct nu_loop);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        fatal("epoll_create1");
    queue_init(&loop->soon);
    queue_init(&loop->flush);
    queue_init(&loop->deferred);
    loop->posted_tail = &loop->posted;
    pthread_mutex_init(&loop->post_lock, NULL);
    loop->events = loop->event_space;
    int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_fd < 0)
        fatal("eventfd");
    nu_loop_watch_level(loop, &loop->wake, wake_fd, EPOLLIN, false, on_wake);
    nu_loop_update_clock(loop);
    nu_wheel_init(&loop->wheel, loop->now_ms);
    return loop;
}

void nu_loop_free(struct nu_loop **loopp)
{
    struct nu_loop *loop = nu_take(loopp);
    if (loop == NULL)
        return;
    run_posts(loop);
    queue_run(&loop->soon);
    queue_run(&loop->flush);
    queue_run(&loop->deferred);
    close(loop->wake.fd);
    close(loop->epoll_fd);
    pthread_mutex_destroy(&loop->post_lock);
    nu_free(loop);
}

static int wait_timeout(struct nu_loop *loop, nu_ms wait)
{
    if (loop->soon.head != NULL || atomic_load_explicit(&loop->has_posts, memory_order_relaxed))
        return 0;
    int64_t until = nu_wheel_wait_ms(&loop->wheel, loop->now_ms);
    if (loop->tidy_at_ms != 0 && (until < 0 || until > (int64_t)TIDY_EVERY_MS))
        until = TIDY_EVERY_MS;
    if (wait.v >= 0 && (until < 0 || wait.v < until))
        until = wait.v;
    return (int)nu_min(until, (int64_t)3600 * 1000);
}

static void wait_for_events(struct nu_loop *loop, nu_ms wait)
{
    int timeout = wait_timeout(loop, wait);
    atomic_store_explicit(&loop->waiting, true, memory_order_release);
    int n = epoll_wait(loop->epoll_fd, loop->event_space, EVENTS_PER_WAIT, timeout);
    atomic_store_explicit(&loop->waiting, false, memory_order_seq_cst);
    if (n < 0 && errno != EINTR)
        fatal("epoll_wait");
    loop->n_events = n > 0 ? n : 0;
}

static void run_events(struct nu_loop *loop)
{
    for (loop->at_event = 0; loop->at_event < loop->n_events;) {
        struct epoll_event *ev = &loop->events[loop->at_event++];
        struct nu_watch *w = ev->data.ptr;
        if (w != NULL)
            w->on_ready(w, ev->events);
        if (loop->flush_early) {
            queue_run(&loop->flush);
            loop->flush_early = false;
        }
    }
    loop->n_events = loop->at_event = 0;
}

static void tidy(struct nu_loop *loop, bool idle)
{
    loop->on_tidy(loop->on_tidy_arg, idle);
    loop->tidy_at_ms = idle ? 0 : loop->now_ms + TIDY_EVERY_MS;
}

void nu_loop_turn(struct nu_loop *loop, nu_ms wait)
{
    wait_for_events(loop, wait);
    nu_loop_update_clock(loop);
    bool idle = loop->n_events == 0;
    if (!idle && loop->tidy_at_ms == 0 && loop->on_tidy != NULL)
        loop->tidy_at_ms = loop->now_ms + TIDY_EVERY_MS;
    run_events(loop);
    queue_run(&loop->soon); /* what came is heard of before a timer says that it has not come */
    nu_wheel_advance(&loop->wheel, loop->now_ms);
    run_posts(loop);
    queue_run(&loop->soon);
    queue_run(&loop->flush);
    queue_run(&loop->deferred);
    if (nu_unlikely(loop->tidy_at_ms != 0 && loop->now_ms >= loop->tidy_at_ms))
        tidy(loop, idle);
    atomic_fetch_add_explicit(&loop->epoch, 1, memory_order_release);
}

void nu_loop_run(struct nu_loop *loop)
{
    while (!atomic_load_explicit(&loop->stopping, memory_order_relaxed))
        nu_loop_turn(loop, NU_MS(-1));
    atomic_store(&loop->stopping, false);
}

static void on_stop(struct nu_post *p)
{
    nu_free(p);
}

void nu_loop_stop(struct nu_loop *loop)
{
    atomic_store(&loop->stopping, true);
    nu_loop_post(loop, nu_new(struct nu_post), on_stop); /* to wake it */
}

uint64_t nu_loop_epoch(const struct nu_loop *loop)
{
    return atomic_load_explicit(&loop->epoch, memory_order_acquire);
}

bool nu_loop_is_waiting(const struct nu_loop *loop)
{
    return atomic_load_explicit(&loop->waiting, memory_order_acquire);
}

void nu_loop_on_tidy(struct nu_loop *loop, void (*fn)(void *arg, bool idle), void *arg)
{
    loop->on_tidy = fn;
    loop->on_tidy_arg = arg;
}
