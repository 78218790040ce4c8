/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"

/* Spare arena chunks whose memory a worker keeps however long they are not used. */
#define SPARE_CHUNKS 16
/* Spare small blocks that a worker keeps. */
#define IDLE_BLOCKS 4
/* Spare pipes that it keeps: a bulk transfer makes its worker idle between any two reads. */
#define IDLE_PIPES 2

static void trim_pools(void *arg, bool idle)
{
    struct nu_worker *w = arg;
    nu_arena_cache_trim(&w->arenas, SPARE_CHUNKS, idle);
    nu_buf_pool_trim(&w->bufs, IDLE_BLOCKS);
    nu_pipes_trim(&w->pipes, IDLE_PIPES);
}

static void worker_init(struct nu_workers *all, unsigned index)
{
    struct nu_worker *w = &all->workers[index];
    w->loop = nu_loop_new();
    w->all = all;
    w->index = index;
    w->next_id = index;
    nu_buf_pool_init(&w->bufs);
    nu_random_init(&w->random);
    nu_list_init(&w->conns);
    nu_loop_on_tidy(w->loop, trim_pools, w);
}

struct nu_workers *nu_workers_new(unsigned n)
{
    NU_ASSERT(n > 0);
    struct nu_workers *all = nu_new(struct nu_workers);
    all->n = n;
    all->workers = nu_calloc((size_t)n + 1, sizeof(*all->workers));
    nu_list_init(&all->grace);
    for (unsigned i = 0; i <= n; i++)
        worker_init(all, i);
    return all;
}

static void *worker_main(void *arg)
{
    struct nu_worker *w = arg;
    char name[16];
    snprintf(name, sizeof(name), "wrk:worker_%u", w->index % 1000);
    pthread_setname_np(pthread_self(), name);
    nu_loop_run(w->loop);
    return NULL;
}

void nu_workers_start(struct nu_workers *all)
{
    for (unsigned i = 0; i < all->n; i++) {
        struct nu_worker *w = &all->workers[i];
        int err = pthread_create(&w->thread, NULL, worker_main, w);
        NU_ASSERT(err == 0);
        w->has_thread = true;
    }
}

void nu_workers_stop(struct nu_workers *all)
{
    for (unsigned i = 0; i < all->n; i++)
        if (all->workers[i].has_thread)
            nu_loop_stop(all->workers[i].loop);
    for (unsigned i = 0; i < all->n; i++) {
        if (all->workers[i].has_thread)
            pthread_join(all->workers[i].thread, NULL);
        all->workers[i].has_thread = false;
    }
}

static void free_locals(const struct nu_workers *all, struct nu_worker *w)
{
    for (unsigned i = 0; i < nu_min(w->n_locals, NU_WORKER_LOCALS); i++)
        if (w->locals[i] != NULL && all->local_free[i] != NULL)
            all->local_free[i](w->locals[i]);
    nu_free(w->locals);
}

void nu_workers_free(struct nu_workers **allp)
{
    struct nu_workers *all = nu_take(allp);
    if (all == NULL)
        return;
    for (unsigned i = 0; i <= all->n; i++) {
        struct nu_worker *w = &all->workers[i];
        NU_ASSERT(!w->has_thread);
        nu_loop_free(&w->loop);
        free_locals(all, w);
        nu_arena_cache_clear(&w->arenas);
        nu_buf_pool_clear(&w->bufs);
        nu_pipes_trim(&w->pipes, 0);
        NU_ASSERT_SLOW(w->pipes.n == 0);
        nu_sb_free(&w->line);
    }
    nu_free(all->workers);
    nu_free(all);
}

/* ---- work on every worker ---- */

struct each {
    struct nu_workers *all;
    void (*fn)(struct nu_worker *w, void *arg);
    void (*done)(void *arg);
    void *arg;
    _Atomic unsigned left;
    struct nu_post finished;
    struct each_step {
        struct nu_post post;
        struct each *each;
        struct nu_worker *worker;
    } steps[];
};

static void each_finished(struct nu_post *p)
{
    struct each *e = nu_container_of(p, struct each, finished);
    if (e->done != NULL)
        e->done(e->arg);
    nu_free(e);
}

static void each_step(struct nu_post *p)
{
    struct each_step *s = nu_container_of(p, struct each_step, post);
    struct each *e = s->each;
    e->fn(s->worker, e->arg);
    if (atomic_fetch_sub(&e->left, 1) == 1)
        nu_loop_post(nu_workers_main(e->all)->loop, &e->finished, each_finished);
}

void nu_workers_each(struct nu_workers *all, void (*fn)(struct nu_worker *w, void *arg), void (*done)(void *arg),
                     void *arg)
{
    struct each *e = nu_zalloc(sizeof(*e) + all->n * sizeof(e->steps[0]));
    e->all = all;
    e->fn = fn;
    e->done = done;
    e->arg = arg;
    atomic_init(&e->left, all->n);
    for (unsigned i = 0; i < all->n; i++) {
        e->steps[i].each = e;
        e->steps[i].worker = &all->workers[i];
        nu_loop_post(all->workers[i].loop, &e->steps[i].post, each_step);
    }
}

/* ---- the date header ---- */

nu_str nu_worker_http_date(struct nu_worker *w)
{
    uint64_t second = nu_loop_wall_ns(w->loop) / NU_NS_PER_SEC;
    if (second != w->http_date_second) {
        struct tm tm;
        time_t t = (time_t)second;
        gmtime_r(&t, &tm);
        strftime(w->http_date, sizeof(w->http_date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        w->http_date_second = second;
    }
    return nu_str_make(w->http_date, sizeof("Thu, 01 Jan 1970 00:00:00 GMT") - 1);
}

/* ---- per-worker state of modules ---- */

unsigned nu_worker_local_key(struct nu_workers *all, void (*free)(void *value))
{
    unsigned key = atomic_fetch_add(&all->n_local_keys, 1);
    NU_ASSERT(key < NU_WORKER_LOCALS);
    all->local_free[key] = free;
    return key;
}

void **nu_worker_local(struct nu_worker *w, unsigned key)
{
    if (key >= w->n_locals) {
        unsigned n = nu_max(key + 1, w->n_locals * 2);
        w->locals = nu_realloc(w->locals, n * sizeof(*w->locals));
        memset(w->locals + w->n_locals, 0, (n - w->n_locals) * sizeof(*w->locals));
        w->n_locals = n;
    }
    return &w->locals[key];
}
