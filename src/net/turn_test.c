/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of things within one turn of the loop, for connections that are ready together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "event/timer.h"
#include "net/conn.h"
#include "net/filter.h"

/* One end of a socket pair is a connection whose filter sends back what comes, the other is ours. */
struct end {
    struct nu_net_filter filter;
    struct nu_conn *c;
    int peer;
    unsigned heard;
};

static struct nu_workers *all;
static struct nu_worker *w;
static struct end ends[2];
static struct nu_timer timer;
static unsigned fired;
/* When the second of both was told of its bytes: */
static size_t unread;      /* what had not been read from the sockets */
static bool first_is_sent; /* whether the first's answer was there */

static bool has_answer(const struct end *e)
{
    struct pollfd p = {.fd = e->peer, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static size_t in_socket(const struct nu_conn *c)
{
    int n = 0;
    assert_int_equal(ioctl(c->watch.fd, FIONREAD, &n), 0);
    return (size_t)n;
}

static enum nu_filter_status on_data(struct nu_net_filter *f, struct nu_buf *data, bool fin)
{
    struct end *e = nu_container_of(f, struct end, filter), *other = &ends[e == &ends[0]];
    (void)fin;
    e->heard++;
    if (timer.on_fire != NULL)
        nu_timer_cancel(w->loop, &timer);
    if (other->heard == 0)
        unread = in_socket(ends[0].c) + in_socket(ends[1].c);
    else
        first_is_sent = has_answer(other);
    nu_conn_write(e->c, data, false);
    return NU_FILTER_STOP;
}

static const struct nu_net_filter_ops echo = {.on_data = on_data};

static int set_up(void **state)
{
    (void)state;
    all = nu_workers_new(1);
    w = &all->workers[0];
    timer = (struct nu_timer){.on_fire = NULL};
    fired = 0;
    for (unsigned i = 0; i < 2; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        ends[i] = (struct end){.filter.ops = &echo, .peer = fds[1]};
        ends[i].c = nu_conn_accepted(w, fds[0], &nu_raw_buffer, 0);
        nu_conn_add_filter(ends[i].c, &ends[i].filter);
        nu_conn_start(ends[i].c);
    }
    nu_loop_turn(w->loop, NU_MS(0));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nu_conn_close_all(w);
    for (unsigned i = 0; i < 2; i++)
        close(ends[i].peer);
    nu_workers_free(&all);
    return 0;
}

/* Both peers say n bytes; one turn. */
static void both_say(size_t n)
{
    static const char bytes[65536];
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(write(ends[i].peer, bytes, n), (ssize_t)n);
    nu_loop_turn(w->loop, NU_MS(0));
    assert_true(ends[0].heard > 0 && ends[1].heard > 0);
    assert_true(has_answer(&ends[0]) && has_answer(&ends[1]));
}

static void what_is_ready_is_read_before_any_of_it_is_offered(void **state)
{
    (void)state;
    both_say(1000);
    assert_int_equal(unread, 0);
    assert_false(first_is_sent);
}

static void much_is_sent_before_the_next_is_read(void **state)
{
    (void)state;
    both_say(65536);
    assert_int_equal(unread, 65536);
    assert_true(first_is_sent);
}

static void on_fire(struct nu_timer *t)
{
    (void)t;
    fired++;
}

static void what_came_is_heard_before_a_timer_says_that_it_did_not(void **state)
{
    (void)state;
    nu_timer_init(&timer, on_fire);
    nu_timer_arm(w->loop, &timer, NU_MS(1));
    (void)poll(NULL, 0, 5); /* it is due */
    both_say(10);
    nu_loop_turn(w->loop, NU_MS(0));
    assert_int_equal(fired, 0);
    nu_timer_arm(w->loop, &timer, NU_MS(1));
    (void)poll(NULL, 0, 5);
    nu_loop_turn(w->loop, NU_MS(0));
    assert_int_equal(fired, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_ready_is_read_before_any_of_it_is_offered),
        T(much_is_sent_before_the_next_is_read),
        T(what_came_is_heard_before_a_timer_says_that_it_did_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
