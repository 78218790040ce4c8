/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections over socket pairs: one end is a struct nu_conn, the other a plain blocking descriptor. */
#include "net/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/filter.h"

/* A filter that notes what it sees. */
struct probe {
    struct nu_net_filter base;
    char seen[4096];
    size_t n_seen, total;
    unsigned n_data, n_end, n_high, n_low, n_free, n_new;
    int last_event;
    bool consume, stop, echo;
};

static struct nu_workers *all;
static struct nu_worker *w;

static enum nu_filter_status on_new(struct nu_net_filter *f)
{
    struct probe *p = nu_container_of(f, struct probe, base);
    p->n_new++;
    return NU_FILTER_CONTINUE;
}

static enum nu_filter_status on_data(struct nu_net_filter *f, struct nu_buf *data, bool end)
{
    struct probe *p = nu_container_of(f, struct probe, base);
    p->n_data++;
    p->n_end += end;
    if (p->echo) {
        nu_conn_write(f->conn, data, end);
        return NU_FILTER_STOP;
    }
    if (p->consume) {
        size_t n = nu_min(data->len, sizeof(p->seen) - p->n_seen);
        nu_buf_copy_out(data, 0, p->seen + p->n_seen, n);
        p->n_seen += n;
        p->total += data->len;
        nu_buf_clear(data, &f->conn->worker->bufs);
    }
    return p->stop ? NU_FILTER_STOP : NU_FILTER_CONTINUE;
}

static void on_event(struct nu_net_filter *f, enum nu_conn_event ev)
{
    nu_container_of(f, struct probe, base)->last_event = (int)ev;
}

static void on_high(struct nu_net_filter *f)
{
    nu_container_of(f, struct probe, base)->n_high++;
}

static void on_low(struct nu_net_filter *f)
{
    nu_container_of(f, struct probe, base)->n_low++;
}

static void on_free(struct nu_net_filter *f)
{
    nu_container_of(f, struct probe, base)->n_free++;
}

static const struct nu_net_filter_ops probe_ops = {
    .on_new_connection = on_new,
    .on_data = on_data,
    .on_event = on_event,
    .on_high = on_high,
    .on_low = on_low,
    .on_free = on_free,
};

static struct probe a, b;

static int set_up(void **state)
{
    (void)state;
    all = nu_workers_new(1);
    w = &all->workers[0];
    a = b = (struct probe){.base.ops = &probe_ops, .consume = true, .last_event = -1};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nu_conn_close_all(w);
    nu_workers_free(&all);
    return 0;
}

static void turns(unsigned n)
{
    while (n-- > 0)
        nu_loop_turn(w->loop, NU_MS(0));
}

/* A connection with the probe `a` (and `b` behind it); its peer in *peer. */
static struct nu_conn *pair_limit(int *peer, bool two, uint32_t limit)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct nu_conn *c = nu_conn_accepted(w, fds[0], &nu_raw_buffer, limit);
    nu_conn_add_filter(c, &a.base);
    if (two)
        nu_conn_add_filter(c, &b.base);
    *peer = fds[1];
    return c;
}

static struct nu_conn *pair(int *peer)
{
    struct nu_conn *c = pair_limit(peer, false, 0);
    nu_conn_start(c);
    return c;
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void write_text(struct nu_conn *c, const char *text, bool end)
{
    struct nu_buf data = {0};
    nu_buf_add_str(&data, &w->bufs, nu_str_from(text));
    nu_conn_write(c, &data, end);
}

#define assert_seen(p, text)                                                                       \
    do {                                                                                           \
        assert_int_equal((p).n_seen, strlen(text));                                                \
        assert_memory_equal((p).seen, text, strlen(text));                                         \
    } while (0)

static void hears(int fd, const char *text)
{
    char buf[256];
    ssize_t n = read(fd, buf, sizeof(buf));
    assert_int_equal(n, (ssize_t)strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static void delivers_bytes_and_answers_at_the_end_of_the_turn(void **state)
{
    (void)state;
    int peer;
    struct nu_conn *c = pair(&peer);
    assert_int_equal(a.n_new, 1);
    say(peer, "hello");
    turns(1);
    assert_seen(a, "hello");
    assert_int_equal(c->bytes_in, 5);
    write_text(c, "wor", false);
    write_text(c, "ld", false);
    turns(1);
    hears(peer, "world");
    assert_int_equal(c->bytes_out, 5);
    assert_null(c->in.head);
    assert_null(c->out.head);
    close(peer);
}

static void an_idle_connection_is_small(void **state)
{
    (void)state;
    printf("sizeof(struct nu_conn) %zu, nu_conn_info %zu\n", sizeof(struct nu_conn), sizeof(struct nu_conn_info));
    assert_true(sizeof(struct nu_conn) + sizeof(struct nu_conn_info) <= 400);
}

static void the_peers_fin_closes_after_its_data_was_seen(void **state)
{
    (void)state;
    int peer;
    pair(&peer);
    say(peer, "bye");
    close(peer);
    turns(2);
    assert_seen(a, "bye");
    assert_int_equal(a.n_end, 0);
    assert_int_equal(a.last_event, NU_CONN_REMOTE_CLOSE);
    assert_int_equal(a.n_free, 1);
    assert_true(nu_list_empty(&w->conns));
}

static void with_half_close_the_fin_is_an_end_and_writing_goes_on(void **state)
{
    (void)state;
    int peer;
    struct nu_conn *c = pair(&peer);
    c->half_close = 1;
    say(peer, "q");
    shutdown(peer, SHUT_WR);
    turns(2);
    assert_int_equal(a.n_end, 1);
    assert_int_equal(a.last_event, NU_CONN_CONNECTED);
    write_text(c, "answer", true);
    turns(2);
    hears(peer, "answer");
    hears(peer, "");
    assert_int_equal(a.last_event, NU_CONN_LOCAL_CLOSE);
    close(peer);
}

static void our_end_first_then_the_peers(void **state)
{
    (void)state;
    int peer;
    struct nu_conn *c = pair(&peer);
    c->half_close = 1;
    write_text(c, "x", true);
    turns(1);
    hears(peer, "x");
    hears(peer, "");
    say(peer, "late");
    turns(1);
    assert_seen(a, "late");
    close(peer);
    turns(2);
    assert_int_equal(a.n_end, 1);
    assert_int_equal(a.last_event, NU_CONN_REMOTE_CLOSE);
}

static void a_paused_connection_reads_nothing_until_it_is_resumed(void **state)
{
    (void)state;
    int peer;
    struct nu_conn *c = pair(&peer);
    nu_conn_read_pause(c);
    nu_conn_read_pause(c);
    say(peer, "data");
    turns(2);
    assert_int_equal(a.n_data, 0);
    nu_conn_read_resume(c);
    turns(1);
    assert_int_equal(a.n_data, 0);
    nu_conn_read_resume(c);
    turns(1);
    assert_seen(a, "data");
    close(peer);
}

static void a_fin_while_paused_closes_unless_told_otherwise(void **state)
{
    (void)state;
    int peer;
    struct nu_conn *c = pair(&peer);
    nu_conn_read_pause(c);
    say(peer, "unread");
    close(peer);
    turns(2);
    assert_int_equal(a.last_event, NU_CONN_REMOTE_CLOSE);
    assert_int_equal(a.n_data, 0);

    c = pair(&peer);
    c->no_early_close = 1;
    nu_conn_read_pause(c);
    say(peer, "unread");
    close(peer);
    turns(2);
    assert_int_equal(c->state, NU_CONN_OPEN);
    nu_conn_read_resume(c);
    turns(2);
    assert_seen(a, "unread");
}

static void the_high_watermark_is_told_once_and_the_low_one_after_it(void **state)
{
    (void)state;
    int peer;
    struct nu_conn *c = pair_limit(&peer, false, 1000);
    nu_conn_start(c);
    char *big = malloc(1 << 20);
    memset(big, 'x', 1 << 20);
    struct nu_buf data = {0};
    nu_buf_add(&data, &w->bufs, big, 1 << 20);
    nu_conn_write(c, &data, false);
    write_text(c, "more", false);
    assert_int_equal(a.n_high, 1);
    assert_true(nu_conn_above_high(c));
    turns(1);
    assert_int_equal(a.n_low, 0);
    size_t total = 0;
    for (unsigned i = 0; i < 1000 && total < (1 << 20) + 4; i++) {
        ssize_t n = read(peer, big, 1 << 20);
        total += n > 0 ? (size_t)n : 0;
        turns(1);
    }
    assert_int_equal(total, (1 << 20) + 4);
    assert_int_equal(a.n_high, 1);
    assert_int_equal(a.n_low, 1);
    free(big);
    close(peer);
}

static void close_flush_writes_everything_first(void **state)
{
    (void)state;
    int peer;
    struct nu_conn *c = pair(&peer);
    write_text(c, "last words", false);
    nu_conn_close_why(c, NU_CLOSE_FLUSH, NU_STR("reason"));
    assert_int_equal(a.last_event, NU_CONN_CONNECTED);
    assert_true(nu_str_eq(nu_conn_details(c->info)->local_close_reason, NU_STR("reason")));
    turns(1);
    assert_int_equal(a.last_event, NU_CONN_LOCAL_CLOSE);
    hears(peer, "last words");
    hears(peer, "");
    close(peer);
}

static void close_flush_delay_waits_for_the_peer(void **state)
{
    (void)state;
    int peer;
    struct nu_conn *c = pair(&peer);
    c->delayed_close = NU_MS(60000);
    write_text(c, "bye", false);
    nu_conn_close(c, NU_CLOSE_FLUSH_DELAY);
    turns(2);
    hears(peer, "bye");
    hears(peer, "");
    assert_int_equal(c->state, NU_CONN_CLOSING);
    close(peer);
    turns(2);
    assert_int_equal(a.last_event, NU_CONN_REMOTE_CLOSE);
}

static void close_flush_delay_ends_at_its_timeout(void **state)
{
    (void)state;
    int peer;
    struct nu_conn *c = pair(&peer);
    c->delayed_close = NU_MS(1);
    nu_conn_close(c, NU_CLOSE_FLUSH_DELAY);
    turns(1); /* on a machine that is busy the time may be over already, and c with it */
    usleep(5000);
    turns(1);
    assert_int_equal(a.last_event, NU_CONN_LOCAL_CLOSE);
    close(peer);
}

static void close_now_tells_at_once_and_frees_later(void **state)
{
    (void)state;
    int peer;
    struct nu_conn *c = pair(&peer);
    nu_conn_close(c, NU_CLOSE_NOW);
    assert_int_equal(a.last_event, NU_CONN_LOCAL_CLOSE);
    assert_int_equal(a.n_free, 0);
    nu_conn_close(c, NU_CLOSE_NOW);
    turns(1);
    assert_int_equal(a.n_free, 1);
    hears(peer, "");
    close(peer);
}

static void a_filter_that_stops_keeps_bytes_from_the_next(void **state)
{
    (void)state;
    int peer;
    struct nu_conn *c = pair_limit(&peer, true, 0);
    a.consume = false;
    a.stop = true;
    nu_conn_start(c);
    say(peer, "one");
    turns(1);
    say(peer, "two");
    turns(1);
    assert_int_equal(b.n_data, 0);
    assert_int_equal(a.n_data, 2);
    nu_net_filter_continue(&a.base);
    assert_seen(b, "onetwo");
    close(peer);
}

static void a_full_read_buffer_stops_reading(void **state)
{
    (void)state;
    int peer;
    struct nu_conn *c = pair_limit(&peer, false, 8192);
    a.consume = false;
    nu_conn_start(c);
    char block[4096] = {0};
    for (unsigned i = 0; i < 100; i++) {
        ssize_t n = write(peer, block, sizeof(block));
        (void)n;
        turns(1);
    }
    assert_true(c->in.len >= 8192 && c->in.len < 8192 + NU_BLOCK_LARGE);
    a.consume = true;
    nu_conn_redispatch(c);
    turns(50);
    assert_int_equal(c->in.len, 0);
    assert_true(a.total > 8192);
    close(peer);
}

static void many_bytes_come_through_an_echo(void **state)
{
    (void)state;
    int peer;
    struct nu_conn *c = pair_limit(&peer, false, 65536);
    a.echo = true;
    nu_conn_start(c);
    char out[5000], in[65536];
    size_t sent = 0, got = 0;
    memset(out, 'e', sizeof(out));
    while (got < 4000000) {
        ssize_t n = sent < 4000000 ? write(peer, out, sizeof(out)) : 0;
        sent += n > 0 ? (size_t)n : 0;
        turns(1);
        n = read(peer, in, sizeof(in));
        got += n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(got, sent);
    assert_int_equal(c->bytes_out, sent);
    close(peer);
}

static void connecting_to_nobody_is_told_later(void **state)
{
    (void)state;
    struct nu_sockaddr to;
    assert_true(nu_sockaddr_parse_ip(NU_STR("127.0.0.1"), 1, &to));
    struct nu_address *addr = nu_address_from_sock(&to);
    struct nu_conn *c = nu_conn_connect(
        w, &(struct nu_connect_options){.address = addr, .transport = &nu_raw_buffer, .timeout = NU_MS(1000)});
    nu_conn_add_filter(c, &a.base);
    assert_int_equal(a.last_event, -1);
    for (unsigned i = 0; i < 100 && a.last_event == -1; i++)
        nu_loop_turn(w->loop, NU_MS(10));
    assert_int_equal(a.last_event, NU_CONN_REMOTE_CLOSE);
    nu_address_unref(&addr);
}

static void connecting_tells_when_it_is_up(void **state)
{
    (void)state;
    int l = socket(AF_INET, SOCK_STREAM, 0);
    struct nu_sockaddr to;
    assert_true(nu_sockaddr_parse_ip(NU_STR("127.0.0.1"), 0, &to));
    assert_int_equal(bind(l, &to.any, nu_sockaddr_len(&to)), 0);
    assert_int_equal(listen(l, 5), 0);
    socklen_t len = sizeof(to);
    getsockname(l, &to.any, &len);
    struct nu_address *addr = nu_address_from_sock(&to);
    struct nu_conn *c = nu_conn_connect(w, &(struct nu_connect_options){.address = addr, .transport = &nu_raw_buffer});
    nu_conn_add_filter(c, &a.base);
    nu_conn_start(c);
    write_text(c, "early", false);
    for (unsigned i = 0; i < 100 && a.last_event == -1; i++)
        nu_loop_turn(w->loop, NU_MS(10));
    assert_int_equal(a.last_event, NU_CONN_CONNECTED);
    int s = accept(l, NULL, NULL);
    hears(s, "early");
    struct linger now = {.l_onoff = 1};
    setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(s);
    for (unsigned i = 0; i < 100 && a.last_event == NU_CONN_CONNECTED; i++)
        nu_loop_turn(w->loop, NU_MS(10));
    assert_int_equal(a.last_event, NU_CONN_REMOTE_CLOSE);
    close(l);
    nu_address_unref(&addr);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(delivers_bytes_and_answers_at_the_end_of_the_turn),
        T(an_idle_connection_is_small),
        T(the_peers_fin_closes_after_its_data_was_seen),
        T(with_half_close_the_fin_is_an_end_and_writing_goes_on),
        T(our_end_first_then_the_peers),
        T(a_paused_connection_reads_nothing_until_it_is_resumed),
        T(a_fin_while_paused_closes_unless_told_otherwise),
        T(the_high_watermark_is_told_once_and_the_low_one_after_it),
        T(close_flush_writes_everything_first),
        T(close_flush_delay_waits_for_the_peer),
        T(close_flush_delay_ends_at_its_timeout),
        T(close_now_tells_at_once_and_frees_later),
        T(a_filter_that_stops_keeps_bytes_from_the_next),
        T(a_full_read_buffer_stops_reading),
        T(many_bytes_come_through_an_echo),
        T(connecting_to_nobody_is_told_later),
        T(connecting_tells_when_it_is_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
