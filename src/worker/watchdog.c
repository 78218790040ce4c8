/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread never logs: whoever holds the log's lock may be what is stuck. */
#include "worker/watchdog.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "worker/watchdog_stats.h"

/* A thread that was sent SIGABRT has this long to leave its stack in a core file. */
#define ABORT_WAIT_S 5u

struct watched {
    struct nu_loop *loop;
    pthread_t thread;
    struct nu_scope *scope; /* server.worker_0. */
    char name[24];
    uint64_t epoch;         /* as last seen */
    uint64_t stuck_ms;
    bool missed, mega_missed;
};

struct group {
    struct nu_watchdog_limits limits;
    struct nu_scope *scope; /* workers. */
    struct watched *all;
    unsigned n;
};

struct nu_watchdog {
    struct nu_workers *workers;
    struct group main_group, worker_group;
    uint64_t interval_ms;
    unsigned slab;
    pthread_t thread;
    pthread_mutex_t lock; /* stop, and the groups' n */
    pthread_cond_t wake;
    bool stop;
};

/* ---- the end ---- */

/* Never waits, though stderr may be a pipe that nobody reads. */
static void say(const char *text, size_t len)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0)
        return;
    ssize_t n = write(STDERR_FILENO, text, len);
    (void)n;
}

/* SIGABRT to the thread that is stuck, so that the core file shows where. */
NU_NORETURN static void kill_process(const struct watched *w, const char *what)
{
    char text[128];
    int n = snprintf(text, sizeof(text), "[critical][assert] watchdog: %s is stuck for %llu ms (%s): aborting\n", w->name,
                     (unsigned long long)w->stuck_ms, what);
    say(text, nu_min((size_t)n, sizeof(text) - 1));
    pthread_kill(w->thread, SIGABRT);
    sleep(ABORT_WAIT_S);
    abort();
}

/* ---- looking ---- */

static void count(const struct nu_watchdog *dog, const struct group *g, const struct watched *w, unsigned stat)
{
    nu_stat_inc(g->scope, dog->slab, stat);
    nu_stat_inc(w->scope, dog->slab, stat);
}

static bool is_over(const struct watched *w, nu_ms limit)
{
    return w->stuck_ms > (uint64_t)limit.v;
}

/* elapsed_ms: since the last look. */
static void look_at(const struct nu_watchdog *dog, const struct group *g, struct watched *w, uint64_t elapsed_ms)
{
    uint64_t epoch = nu_loop_epoch(w->loop);
    if (epoch != w->epoch || nu_loop_is_waiting(w->loop)) {
        w->epoch = epoch;
        w->stuck_ms = 0;
        w->missed = w->mega_missed = false;
        return;
    }
    w->stuck_ms += elapsed_ms;
    if (!w->missed && is_over(w, g->limits.miss)) {
        w->missed = true;
        count(dog, g, w, NU_WATCHDOG_watchdog_miss);
    }
    if (!w->mega_missed && is_over(w, g->limits.mega_miss)) {
        w->mega_missed = true;
        count(dog, g, w, NU_WATCHDOG_watchdog_mega_miss);
    }
    if (g->limits.kill.v > 0 && is_over(w, g->limits.kill))
        kill_process(w, "kill_timeout");
}

static void look_at_group(const struct nu_watchdog *dog, const struct group *g, uint64_t elapsed_ms)
{
    unsigned n_stuck = 0;
    const struct watched *last = NULL;
    for (unsigned i = 0; i < g->n; i++) {
        struct watched *w = &g->all[i];
        look_at(dog, g, w, elapsed_ms);
        if (g->limits.multikill.v > 0 && is_over(w, g->limits.multikill)) {
            n_stuck++;
            last = w;
        }
    }
    double needed = nu_max(2.0, ceil(g->limits.multikill_percent * g->n / 100));
    if (last != NULL && n_stuck >= needed)
        kill_process(last, "multikill_timeout");
}

/* Holds the lock, but while it waits. */
static void wait_a_while(struct nu_watchdog *dog)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + dog->interval_ms * NU_NS_PER_MS;
    until.tv_sec += (time_t)(ns / NU_NS_PER_SEC);
    until.tv_nsec = (long)(ns % NU_NS_PER_SEC);
    while (!dog->stop && pthread_cond_timedwait(&dog->wake, &dog->lock, &until) != ETIMEDOUT)
        continue;
}

static void *dog_main(void *arg)
{
    struct nu_watchdog *dog = arg;
    pthread_setname_np(pthread_self(), "watchdog");
    uint64_t last_ms = nu_clock_monotonic_ns() / NU_NS_PER_MS;
    pthread_mutex_lock(&dog->lock);
    while (!dog->stop) {
        wait_a_while(dog);
        uint64_t now_ms = nu_clock_monotonic_ns() / NU_NS_PER_MS;
        uint64_t elapsed_ms = nu_min(now_ms - last_ms, 2 * dog->interval_ms);
        last_ms = now_ms;
        if (dog->stop)
            break;
        look_at_group(dog, &dog->main_group, elapsed_ms);
        look_at_group(dog, &dog->worker_group, elapsed_ms);
    }
    pthread_mutex_unlock(&dog->lock);
    return NULL;
}

/* ---- main thread ---- */

static void shorten(uint64_t *ms, nu_ms limit)
{
    *ms = nu_min(*ms, (uint64_t)nu_max(limit.v, (int64_t)1));
}

/* As often as the shortest of the limits, like Envoy. */
static uint64_t interval(const struct nu_watchdog_limits *l)
{
    uint64_t ms = UINT32_MAX;
    shorten(&ms, l->miss);
    shorten(&ms, l->mega_miss);
    if (l->kill.v > 0)
        shorten(&ms, l->kill);
    if (l->multikill.v > 0)
        shorten(&ms, l->multikill);
    return ms;
}

static void watched_init(const struct nu_watchdog *dog, struct watched *w, unsigned index)
{
    const struct nu_worker *worker = &dog->workers->workers[index];
    bool is_main = index == dog->workers->n;
    char prefix[48], number[16];
    struct nu_stat_tag tag = {NU_STR("envoy.worker_id"), {0}};
    int n = snprintf(number, sizeof(number), "%u", index);
    tag.value = nu_str_make(number, (size_t)n);
    snprintf(w->name, sizeof(w->name), is_main ? "main_thread" : "worker_%u", index);
    n = snprintf(prefix, sizeof(prefix), "server.%s.", w->name);
    w->loop = worker->loop;
    w->thread = is_main ? pthread_self() : worker->thread;
    w->epoch = nu_loop_epoch(worker->loop);
    w->scope = nu_scope_get(dog->workers->stats, &nu_watchdog_layout, nu_str_make(prefix, (size_t)n),
                            is_main ? NU_STR("server.main_thread.") : NU_STR("server.worker."), &tag, is_main ? 0 : 1);
}

static void group_init(const struct nu_watchdog *dog, struct group *g, const struct nu_watchdog_limits *limits,
                       nu_str prefix, unsigned n)
{
    g->limits = *limits;
    g->scope = nu_scope_get(dog->workers->stats, &nu_watchdog_layout, prefix, prefix, NULL, 0);
    g->all = nu_calloc(n, sizeof(g->all[0]));
}

static void group_clear(struct group *g)
{
    for (unsigned i = 0; i < g->n; i++)
        nu_scope_unref(&g->all[i].scope);
    nu_scope_unref(&g->scope);
    nu_free(g->all);
}

struct nu_watchdog *nu_watchdog_new(struct nu_workers *all, const struct nu_watchdog_limits *main,
                                    const struct nu_watchdog_limits *workers)
{
    struct nu_watchdog *dog = nu_new(struct nu_watchdog);
    pthread_condattr_t attr;
    dog->workers = all;
    dog->slab = all->n + 1; /* shared with the writer of log files, which counts in other scopes */
    dog->interval_ms = nu_min(interval(main), interval(workers));
    group_init(dog, &dog->main_group, main, NU_STR("main_thread."), 1);
    group_init(dog, &dog->worker_group, workers, NU_STR("workers."), all->n);
    watched_init(dog, &dog->main_group.all[0], all->n);
    dog->main_group.n = 1;
    pthread_mutex_init(&dog->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&dog->wake, &attr);
    pthread_condattr_destroy(&attr);
    int err = pthread_create(&dog->thread, NULL, dog_main, dog);
    NU_ASSERT(err == 0);
    return dog;
}

void nu_watchdog_add_workers(struct nu_watchdog *dog)
{
    struct group *g = &dog->worker_group;
    NU_ASSERT(g->n == 0);
    for (unsigned i = 0; i < dog->workers->n; i++)
        watched_init(dog, &g->all[i], i);
    pthread_mutex_lock(&dog->lock);
    g->n = dog->workers->n;
    pthread_mutex_unlock(&dog->lock);
}

void nu_watchdog_free(struct nu_watchdog **dogp)
{
    struct nu_watchdog *dog = nu_take(dogp);
    if (dog == NULL)
        return;
    pthread_mutex_lock(&dog->lock);
    dog->stop = true;
    pthread_cond_signal(&dog->wake);
    pthread_mutex_unlock(&dog->lock);
    pthread_join(dog->thread, NULL);
    group_clear(&dog->main_group);
    group_clear(&dog->worker_group);
    pthread_cond_destroy(&dog->wake);
    pthread_mutex_destroy(&dog->lock);
    nu_free(dog);
}
