/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers: threads that each run one loop. A connection lives and dies on one worker. The main thread has a struct
 * nu_worker too (index == number of workers), so that code which runs on any loop finds pools, randomness and its
 * statistics slab the same way. */
#ifndef NU_WORKER_WORKER_H
#define NU_WORKER_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/random.h"
#include "base/sb.h"
#include "event/loop.h"
#include "worker/pipes.h"
#include "worker/slot.h"

struct nu_workers;
struct nu_stats;

/* What one loop's thread owns. Visible: the data path reads it everywhere. */
struct nu_worker {
    struct nu_loop *loop;
    struct nu_workers *all;
    unsigned index; /* also the statistics slab; == n_workers for the main thread */
    struct nu_buf_pool bufs;
    struct nu_pipes pipes;
    struct nu_arena_cache arenas;
    struct nu_random random;
    uint64_t next_id; /* of connections and streams: unique in the process (index in the low bits) */
    struct nu_list conns; /* every connection of this worker */
    void **locals; /* per-worker state of modules, see nu_worker_local */
    unsigned n_locals;
    struct nu_sb line; /* scratch for log lines */
    char http_date[32]; /* IMF-fixdate of the second below; see nu_worker_http_date */
    uint64_t http_date_second;
    pthread_t thread;
    bool has_thread;
};

/* Modules with per-worker state, at most. */
#define NU_WORKER_LOCALS 16u

struct nu_workers {
    struct nu_worker *workers; /* n + 1; the last is the main thread's */
    unsigned n;
    struct nu_stats *stats; /* borrowed; set by the server before workers start */
    struct nu_timer grace_timer; /* main loop */
    struct nu_list grace;
    _Atomic unsigned n_local_keys;
    void (*local_free[NU_WORKER_LOCALS])(void *value); /* by key; NULL: nothing to free */
};

/* n worker loops (not started) and the main loop. */
struct nu_workers *nu_workers_new(unsigned n);
/* Starts the threads ("wrk:worker_0"...). */
void nu_workers_start(struct nu_workers *all);
/* Stops the loops and joins the threads. */
void nu_workers_stop(struct nu_workers *all);
/* After stop: frees loops and pools. Takes the pointer. */
void nu_workers_free(struct nu_workers **all);

static inline struct nu_worker *nu_workers_main(struct nu_workers *all)
{
    return &all->workers[all->n];
}

/* Main thread: runs fn(worker, arg) on each worker's thread (not on main), and then done(arg) on the main thread
 * when all have; done may be NULL. */
void nu_workers_each(struct nu_workers *all, void (*fn)(struct nu_worker *w, void *arg), void (*done)(void *arg),
                     void *arg);

/* The next connection or stream id. */
static inline uint64_t nu_worker_next_id(struct nu_worker *w)
{
    return w->next_id += (uint64_t)w->all->n + 1;
}

/* The current second as an HTTP date (RFC 9110 s5.6.7); valid until this turn ends. */
nu_str nu_worker_http_date(struct nu_worker *w);

/* Per-worker state of a module: a key is made once on the main thread before workers start or at any time later;
 * the value is the worker's own, NULL at first. free (may be NULL) ends it when the loops have stopped. */
unsigned nu_worker_local_key(struct nu_workers *all, void (*free)(void *value));
void **nu_worker_local(struct nu_worker *w, unsigned key);

#endif
