/* SPDX-License-Identifier: Apache-2.0
 *
 * The watchdog: a thread that looks at the loops of the main thread and of the workers, and counts those that have not
 * turned for too long (Envoy's guard dog: bootstrap.v3.Watchdogs). A loop that waits in epoll_wait is well, so that
 * nobody has to wake an idle worker to hear that it is there. When asked to, it ends a process that is stuck.
 *
 * Time in which the watchdog itself did not run (the process was stopped, the machine overloaded) is held against
 * nobody. */
#ifndef NU_WORKER_WATCHDOG_H
#define NU_WORKER_WATCHDOG_H

#include "base/clock.h"
#include "worker/worker.h"

struct nu_watchdog;

/* bootstrap.v3.Watchdog: for the main thread, or for each worker. */
struct nu_watchdog_limits {
    nu_ms miss;      /* counts watchdog_miss, once for as long as the loop is stuck */
    nu_ms mega_miss; /* counts watchdog_mega_miss */
    nu_ms kill;      /* the process aborts when one loop is stuck that long; 0: never */
    nu_ms multikill; /* the same for several loops; 0: never */
    double multikill_percent; /* of the group's loops, and two at least */
};

#define NU_WATCHDOG_DEFAULTS {.miss = {200}, .mega_miss = {1000}}

/* Main thread, right before its loop runs: starts watching it. all->stats must be set. */
struct nu_watchdog *nu_watchdog_new(struct nu_workers *all, const struct nu_watchdog_limits *main,
                                    const struct nu_watchdog_limits *workers);
/* Main thread: the workers' threads have been started. */
void nu_watchdog_add_workers(struct nu_watchdog *dog);
/* Main thread, before the workers' threads end: joins the watchdog's. Takes the pointer; NULL is fine. */
void nu_watchdog_free(struct nu_watchdog **dog);

#endif
