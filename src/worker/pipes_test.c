/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/pipes.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define MOST 256

static struct nu_pipes pipes;

static int set_up(void **state)
{
    (void)state;
    pipes = (struct nu_pipes){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nu_pipes_trim(&pipes, 0);
    assert_int_equal(pipes.n_spare, 0);
    assert_int_equal(pipes.n, 0);
    return 0;
}

static unsigned take_all(struct nu_pipe **taken)
{
    unsigned n = 0;
    while (n < MOST && (taken[n] = nu_pipe_take(&pipes)) != NULL)
        n++;
    return n;
}

static void give_all(struct nu_pipe **taken, unsigned n)
{
    while (n-- > 0)
        nu_pipe_give(&pipes, &taken[n], true);
}

static void an_empty_pipe_is_lent_again(void **state)
{
    (void)state;
    struct nu_pipe *p = nu_pipe_take(&pipes), *first = p;
    char c = 0;
    assert_non_null(p);
    assert_int_equal(read(p->out, &c, 1), -1); /* and does not block */
    assert_int_equal(write(p->in, "x", 1), 1);
    assert_int_equal(read(p->out, &c, 1), 1);
    nu_pipe_give(&pipes, &p, true);
    assert_null(p);
    assert_int_equal(pipes.n, 1);
    assert_ptr_equal(p = nu_pipe_take(&pipes), first);
    nu_pipe_give(&pipes, &p, true);
}

static void one_that_holds_bytes_is_closed(void **state)
{
    (void)state;
    struct nu_pipe *p = nu_pipe_take(&pipes);
    int in = p->in;
    assert_int_equal(write(p->in, "x", 1), 1);
    nu_pipe_give(&pipes, &p, false);
    assert_int_equal(fcntl(in, F_GETFD), -1);
    assert_int_equal(pipes.n, 0);
}

static void there_are_not_too_many_and_few_are_kept(void **state)
{
    (void)state;
    struct nu_pipe *taken[MOST];
    struct rlimit old, wide;
    getrlimit(RLIMIT_NOFILE, &old);
    wide = (struct rlimit){old.rlim_max, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &wide);
    unsigned n = take_all(taken);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_in_range(n, 1, 128);
    give_all(taken, n);
    assert_in_range(pipes.n_spare, 1, 16);
    assert_int_equal(pipes.n, pipes.n_spare);
    nu_pipes_trim(&pipes, 1);
    assert_int_equal(pipes.n, 1);
}

static void half_of_the_descriptors_are_left_to_others(void **state)
{
    (void)state;
    struct nu_pipe *taken[MOST];
    struct rlimit old, tight;
    getrlimit(RLIMIT_NOFILE, &old);
    tight = (struct rlimit){64, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &tight);
    unsigned n = take_all(taken);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_in_range(n, 1, 16);
    for (unsigned i = 0; i < n; i++)
        assert_in_range(taken[i]->in, 0, 31);
    give_all(taken, n);
}

static void the_kernel_is_not_asked_again_at_once(void **state)
{
    (void)state;
    struct rlimit old, none;
    getrlimit(RLIMIT_NOFILE, &old);
    none = (struct rlimit){3, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    assert_null(nu_pipe_take(&pipes));
    setrlimit(RLIMIT_NOFILE, &old);
    assert_null(nu_pipe_take(&pipes));
    unsigned n = 1;
    struct nu_pipe *p;
    while ((p = nu_pipe_take(&pipes)) == NULL && n < 1000)
        n++;
    assert_non_null(p);
    assert_int_equal(n, 63);
    nu_pipe_give(&pipes, &p, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_pipe_is_lent_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_holds_bytes_is_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(there_are_not_too_many_and_few_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_of_the_descriptors_are_left_to_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_kernel_is_not_asked_again_at_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
