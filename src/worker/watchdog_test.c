/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/watchdog.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/watchdog_stats.h"

#define PATIENCE_MS 20000

static const struct nu_watchdog_limits patient = {.miss = {3600000}, .mega_miss = {3600000}};

/* A worker that stands still until it is let go. */
struct hold {
    struct nu_post post;
    sem_t entered, let_go;
};

static void on_hold(struct nu_post *p)
{
    struct hold *h = nu_container_of(p, struct hold, post);
    sem_post(&h->entered);
    sem_wait(&h->let_go);
}

static void hold(struct hold *h, struct nu_worker *w)
{
    sem_init(&h->entered, 0, 0);
    sem_init(&h->let_go, 0, 0);
    nu_loop_post(w->loop, &h->post, on_hold);
    sem_wait(&h->entered);
}

struct rig {
    struct nu_workers *all;
    struct nu_stats *stats;
};

/* A thread that has not had its first turn is not well yet. */
static void wait_until_idle(const struct nu_worker *w)
{
    for (int i = 0; i < PATIENCE_MS && !nu_loop_is_waiting(w->loop); i++)
        usleep(1000);
    assert_true(nu_loop_is_waiting(w->loop));
}

static struct rig rig_new(unsigned n)
{
    struct rig r = {.all = nu_workers_new(n), .stats = nu_stats_new(n + 2)};
    r.all->stats = r.stats;
    nu_workers_start(r.all);
    for (unsigned i = 0; i < n; i++)
        wait_until_idle(&r.all->workers[i]);
    return r;
}

static void rig_free(struct rig *r)
{
    nu_workers_stop(r->all);
    nu_workers_free(&r->all);
    nu_stats_free(&r->stats);
}

static uint64_t read_stat(const struct rig *r, const char *prefix, unsigned stat)
{
    struct nu_scope *s = nu_scope_get(r->stats, &nu_watchdog_layout, nu_str_from(prefix), nu_str_from(prefix), NULL, 0);
    uint64_t v = nu_stat_read(s, stat, NULL);
    nu_scope_unref(&s);
    return v;
}

static void wait_stat(const struct rig *r, const char *prefix, unsigned stat, uint64_t want)
{
    for (int i = 0; i < PATIENCE_MS && read_stat(r, prefix, stat) < want; i++)
        usleep(1000);
    assert_int_equal(read_stat(r, prefix, stat), want);
}

static void counts_a_loop_that_stands_still_once(void **state)
{
    struct rig r = rig_new(2);
    struct nu_watchdog_limits limits = {.miss = {10}, .mega_miss = {40}};
    struct nu_watchdog *dog = nu_watchdog_new(r.all, &patient, &limits);
    struct hold h, again;
    (void)state;
    nu_watchdog_add_workers(dog);
    hold(&h, &r.all->workers[1]);
    wait_stat(&r, "workers.", NU_WATCHDOG_watchdog_mega_miss, 1);
    assert_int_equal(read_stat(&r, "workers.", NU_WATCHDOG_watchdog_miss), 1);
    assert_int_equal(read_stat(&r, "server.worker_1.", NU_WATCHDOG_watchdog_miss), 1);
    assert_int_equal(read_stat(&r, "server.worker_1.", NU_WATCHDOG_watchdog_mega_miss), 1);
    assert_int_equal(read_stat(&r, "server.worker_0.", NU_WATCHDOG_watchdog_miss), 0); /* it waits: it is well */
    sem_post(&h.let_go); /* which the worker may see any time from now on */
    hold(&again, &r.all->workers[1]);
    wait_stat(&r, "server.worker_1.", NU_WATCHDOG_watchdog_miss, 2);
    sem_post(&again.let_go);
    assert_int_equal(read_stat(&r, "main_thread.", NU_WATCHDOG_watchdog_miss), 0);
    nu_watchdog_free(&dog);
    rig_free(&r);
}

static void counts_the_main_thread_apart(void **state)
{
    struct rig r = rig_new(1);
    struct nu_watchdog_limits limits = {.miss = {10}, .mega_miss = {3600000}};
    struct nu_watchdog *dog = nu_watchdog_new(r.all, &limits, &patient); /* this thread's loop does not run */
    (void)state;
    nu_watchdog_add_workers(dog);
    wait_stat(&r, "main_thread.", NU_WATCHDOG_watchdog_miss, 1);
    assert_int_equal(read_stat(&r, "server.main_thread.", NU_WATCHDOG_watchdog_miss), 1);
    assert_int_equal(read_stat(&r, "main_thread.", NU_WATCHDOG_watchdog_mega_miss), 0);
    assert_int_equal(read_stat(&r, "workers.", NU_WATCHDOG_watchdog_miss), 0);
    nu_watchdog_free(&dog);
    rig_free(&r);
}

static void one_loop_is_not_several(void **state)
{
    struct rig r = rig_new(2);
    struct nu_watchdog_limits limits = {.miss = {5}, .mega_miss = {40}, .multikill = {10}, .multikill_percent = 1};
    struct nu_watchdog *dog = nu_watchdog_new(r.all, &patient, &limits);
    struct hold h;
    (void)state;
    nu_watchdog_add_workers(dog);
    hold(&h, &r.all->workers[0]);
    wait_stat(&r, "workers.", NU_WATCHDOG_watchdog_mega_miss, 1); /* and we are still here */
    sem_post(&h.let_go);
    nu_watchdog_free(&dog);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_a_loop_that_stands_still_once),
        cmocka_unit_test(counts_the_main_thread_apart),
        cmocka_unit_test(one_loop_is_not_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
