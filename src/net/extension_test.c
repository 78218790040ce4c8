/* SPDX-License-Identifier: Apache-2.0
 *
 * The scope that a factory's conf counts in ends on the main thread, wherever the conf ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <semaphore.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/extension.h"
#include "net/server.h"
#include "stats/stats.h"
#include "worker/worker.h"

static const struct nu_stat_def defs[] = {{"n", "counted", NU_STAT_COUNTER, NU_UNIT_NONE}};
static const struct nu_stat_layout layout = {.defs = defs, .n = 1};

static void count_scope(struct nu_scope *s, void *arg)
{
    unsigned *n = arg;
    (void)s;
    ++*n;
}

static unsigned n_scopes(struct nu_stats *st)
{
    unsigned n = 0;
    nu_stats_each_scope(st, count_scope, &n);
    return n;
}

struct ending {
    struct nu_post post;
    struct nu_arena *arena;
    sem_t done;
};

static void end_on_worker(struct nu_post *p)
{
    struct ending *e = nu_container_of(p, struct ending, post);
    nu_arena_clear(e->arena);
    sem_post(&e->done);
}

static void the_scope_goes_on_the_main_thread(void **state)
{
    struct nu_workers *all = nu_workers_new(1);
    struct nu_server server = {.workers = all, .stats = nu_stats_new(3)};
    struct nu_arena arena;
    (void)state;
    all->stats = server.stats;
    nu_arena_init(&arena, NULL);
    struct nu_factory f = {.arena = &arena, .server = &server};
    struct nu_scope *s = nu_factory_keep_scope(&f, nu_scope_get(server.stats, &layout, NU_STR("a."), NU_STR("a."), NULL, 0));
    nu_workers_start(all);
    nu_stat_inc(s, 0, 0);
    struct ending end = {.arena = &arena};
    sem_init(&end.done, 0, 0);
    nu_loop_post(all->workers[0].loop, &end.post, end_on_worker);
    sem_wait(&end.done);
    nu_workers_stop(all);
    assert_int_equal(n_scopes(server.stats), 1);
    nu_loop_turn(nu_workers_main(all)->loop, NU_MS(0));
    assert_int_equal(n_scopes(server.stats), 0);
    sem_destroy(&end.done);
    nu_workers_free(&all);
    nu_stats_free(&server.stats);
}

static void with_one_thread_it_goes_at_once(void **state)
{
    struct nu_server server = {.stats = nu_stats_new(2)};
    struct nu_arena arena;
    (void)state;
    nu_arena_init(&arena, NULL);
    struct nu_factory f = {.arena = &arena, .server = &server};
    nu_factory_keep_scope(&f, nu_scope_get(server.stats, &layout, NU_STR("a."), NU_STR("a."), NULL, 0));
    assert_int_equal(n_scopes(server.stats), 1);
    nu_arena_clear(&arena);
    assert_int_equal(n_scopes(server.stats), 0);
    nu_stats_free(&server.stats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scope_goes_on_the_main_thread),
        cmocka_unit_test(with_one_thread_it_goes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
