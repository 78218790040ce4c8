/* SPDX-License-Identifier: Apache-2.0
 *
 * Two connections over socket pairs, relayed by a filter on each that asks for a splice as soon as bulk comes. */
#include "net/splice.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/filter.h"

#define MIB ((size_t)1 << 20)

struct end {
    struct nu_net_filter base;
    struct nu_conn *c, *other; /* NULL: it ended */
    int peer;
    unsigned n_data, n_end, n_high, n_low;
    size_t passed;
};

static struct nu_workers *all;
static struct nu_worker *w;
static struct end a, b;
static uint8_t *sent, *got;
static size_t n_sent, n_got;

/* ---- the relay ---- */

static struct end *end_of(struct nu_net_filter *f)
{
    return nu_container_of(f, struct end, base);
}

static enum nu_filter_status on_data(struct nu_net_filter *f, struct nu_buf *data, bool end)
{
    struct end *e = end_of(f);
    e->n_data++;
    e->n_end += end;
    if (e->other == NULL) {
        nu_buf_clear(data, &w->bufs);
        return NU_FILTER_STOP;
    }
    nu_conn_write(e->other, data, end);
    if (f->conn->read_full)
        nu_conn_splice(f->conn, e->other);
    return NU_FILTER_STOP;
}

static void on_passed(struct nu_net_filter *f, size_t n)
{
    end_of(f)->passed += n;
}

static void on_event(struct nu_net_filter *f, enum nu_conn_event ev)
{
    if (ev == NU_CONN_CONNECTED)
        return;
    struct end *e = end_of(f), *far = e == &a ? &b : &a;
    e->c = NULL;
    far->other = NULL;
}

static void on_high(struct nu_net_filter *f)
{
    struct end *e = end_of(f);
    e->n_high++;
    if (e->other != NULL)
        nu_conn_read_pause(e->other);
}

static void on_low(struct nu_net_filter *f)
{
    struct end *e = end_of(f);
    e->n_low++;
    if (e->other != NULL)
        nu_conn_read_resume(e->other);
}

static const struct nu_net_filter_ops relay_ops = {
    .on_data = on_data, .on_passed = on_passed, .on_event = on_event, .on_high = on_high, .on_low = on_low};

static void make(struct end *e, const struct nu_transport_conf *transport, uint32_t limit)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    *e = (struct end){.base.ops = &relay_ops, .peer = fds[1]};
    e->c = nu_conn_accepted(w, fds[0], transport, limit);
    e->c->half_close = 1;
    nu_conn_add_filter(e->c, &e->base);
}

static void start_them(void)
{
    a.other = b.c;
    b.other = a.c;
    nu_conn_start(a.c);
    nu_conn_start(b.c);
}

static void connect_them(uint32_t limit)
{
    make(&a, &nu_raw_buffer, limit);
    make(&b, &nu_raw_buffer, limit);
    start_them();
}

static int set_up(void **state)
{
    (void)state;
    all = nu_workers_new(1);
    w = &all->workers[0];
    sent = malloc(16 * MIB);
    got = malloc(16 * MIB);
    for (size_t i = 0; i < 16 * MIB; i++)
        sent[i] = (uint8_t)(i * 2654435761u >> 13);
    n_sent = n_got = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nu_conn_close_all(w);
    nu_workers_free(&all);
    close(a.peer);
    close(b.peer);
    free(sent);
    free(got);
    return 0;
}

static void turns(unsigned n)
{
    while (n-- > 0)
        nu_loop_turn(w->loop, NU_MS(0));
}

/* ---- the peers: a's peer sends what b's peer gets ---- */

static size_t send_up_to(size_t n)
{
    ssize_t done = send(a.peer, sent + n_sent, n, MSG_NOSIGNAL);
    n_sent += done > 0 ? (size_t)done : 0;
    return done > 0 ? (size_t)done : 0;
}

static size_t get_some(void)
{
    ssize_t n = read(b.peer, got + n_got, 16 * MIB - n_got);
    n_got += n > 0 ? (size_t)n : 0;
    return n > 0 ? (size_t)n : 0;
}

static void send_all(size_t n)
{
    size_t until = n_sent + n;
    for (unsigned i = 0; i < 100000 && n_sent < until; i++) {
        send_up_to(until - n_sent);
        turns(1);
        get_some();
    }
    assert_int_equal(n_sent, until);
}

/* Sends until nothing moves any more. */
static void fill_up(void)
{
    for (unsigned still = 0; still < 20;) {
        still = send_up_to(256 << 10) > 0 ? 0 : still + 1;
        turns(1);
    }
}

static void get_all(void)
{
    for (unsigned i = 0; i < 100000 && n_got < n_sent; i++) {
        turns(1);
        get_some();
    }
    assert_int_equal(n_got, n_sent);
    assert_memory_equal(got, sent, n_sent);
}

static void expect_end(void)
{
    char c;
    turns(3);
    assert_int_equal(read(b.peer, &c, 1), 0);
}

static void expect_no_lent_pipes(void)
{
    assert_int_equal(w->pipes.n, w->pipes.n_spare);
}

/* ---- tests ---- */

static void bulk_goes_past_the_filters_and_is_counted(void **state)
{
    (void)state;
    connect_them((uint32_t)MIB);
    send_all(8 * MIB);
    get_all();
    turns(2);
    assert_true(a.passed > 4 * MIB);
    assert_int_equal(a.c->bytes_in, n_sent);
    assert_int_equal(b.c->bytes_out, n_sent);
    assert_int_equal(nu_conn_pending(b.c), 0);
    assert_null(a.c->in.head);
    assert_null(b.c->out.head);
    expect_no_lent_pipes();
}

static void small_reads_are_never_spliced(void **state)
{
    (void)state;
    connect_them((uint32_t)MIB);
    for (unsigned i = 0; i < 50; i++)
        send_all(1000);
    get_all();
    assert_int_equal(a.n_data, 50);
    assert_null(a.c->splice);
    assert_int_equal(w->pipes.n, 0);
}

static void small_reads_end_a_splice_and_bulk_begins_another(void **state)
{
    (void)state;
    connect_them((uint32_t)MIB);
    for (unsigned i = 0; i < 3; i++) {
        send_all(4 * MIB);
        get_all();
        size_t passed = a.passed;
        assert_true(passed > (i + 1) * 2 * MIB);
        for (unsigned k = 0; k < 10; k++) {
            send_all(500);
            get_all();
        }
        assert_in_range(a.passed, passed, passed + 4 * 500);
        assert_null(a.c->splice->to);
        assert_null(b.c->splice->from);
    }
}

static void what_is_written_meanwhile_comes_behind_the_pipe(void **state)
{
    (void)state;
    connect_them((uint32_t)MIB);
    send_all(MIB);
    fill_up();
    assert_true(b.c->splice->piped > 0);
    size_t pending = nu_conn_pending(b.c);
    struct nu_buf tail = {0};
    nu_buf_add_str(&tail, &w->bufs, NU_STR("tail"));
    nu_conn_write(b.c, &tail, false);
    assert_int_equal(b.c->splice->piped, 0);
    assert_int_equal(nu_conn_pending(b.c), pending + 4);
    size_t before_tail = b.c->bytes_out + pending;
    for (unsigned i = 0; i < 100000 && n_got < n_sent + 4; i++) {
        turns(1);
        get_some();
    }
    assert_int_equal(n_got, n_sent + 4);
    assert_memory_equal(got, sent, before_tail);
    assert_memory_equal(got + before_tail, "tail", 4);
    assert_memory_equal(got + before_tail + 4, sent + before_tail, n_sent - before_tail);
    expect_no_lent_pipes();
}

static void the_end_waits_behind_the_pipe(void **state)
{
    (void)state;
    connect_them((uint32_t)MIB);
    send_all(MIB);
    fill_up();
    assert_true(nu_conn_pending(b.c) > 0);
    shutdown(a.peer, SHUT_WR);
    turns(3);
    get_all();
    expect_end();
    assert_int_equal(a.n_end, 1);
    assert_non_null(a.c); /* the other direction goes on */
    assert_int_equal(write(b.peer, "answer", 6), 6);
    turns(2);
    char text[8];
    assert_int_equal(read(a.peer, text, sizeof(text)), 6);
    shutdown(b.peer, SHUT_WR);
    turns(3);
    assert_null(a.c);
    assert_null(b.c);
    expect_no_lent_pipes();
}

static void a_full_pipe_is_not_added_to(void **state)
{
    (void)state;
    uint32_t limit = 256 << 10;
    connect_them(limit);
    send_all(2 * MIB);
    get_all();
    fill_up();
    assert_true(a.c->splice->stalled || nu_conn_read_paused(a.c));
    assert_in_range(nu_conn_pending(b.c), 1, limit + 2 * NU_BLOCK_LARGE);
    size_t pending = nu_conn_pending(b.c);
    send_up_to(1000);
    turns(3);
    assert_int_equal(nu_conn_pending(b.c), pending);
    get_all();
    turns(2);
    assert_false(a.c->splice->stalled || nu_conn_read_paused(a.c));
    assert_int_equal(b.n_low, b.n_high);
    send_all(2 * MIB);
    get_all();
}

static void a_full_pipe_crosses_the_watermarks(void **state)
{
    (void)state;
    connect_them(100 << 10);
    send_all(2 * MIB);
    get_all();
    unsigned high = b.n_high;
    for (unsigned i = 0; i < 1000 && b.n_high == high; i++) {
        send_up_to(256 << 10);
        turns(1);
        if (a.c->splice->stalled) /* the socket was empty for a moment: once more from the beginning */
            get_all();
    }
    assert_true(b.n_high > high);
    get_all();
    turns(2);
    assert_int_equal(b.n_low, b.n_high);
    assert_false(nu_conn_read_paused(a.c));
}

static unsigned n_ready, n_reads;
static void (*on_ready)(struct nu_watch *watch, uint32_t ready);

static void count_ready(struct nu_watch *watch, uint32_t ready)
{
    n_ready++;
    on_ready(watch, ready);
}

static void a_reader_that_waits_is_not_woken_by_each_packet(void **state)
{
    (void)state;
    connect_them(256 << 10);
    send_all(2 * MIB);
    get_all();
    for (unsigned i = 0; i < 1000 && !a.c->splice->stalled && !nu_conn_read_paused(a.c); i++) {
        send_up_to(32 << 10);
        turns(2);
    }
    on_ready = a.c->watch.on_ready;
    a.c->watch.on_ready = count_ready;
    n_ready = 0;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(send_up_to(1000), 1000);
        turns(1);
    }
    assert_in_range(n_ready, 0, 2); /* the first may tell, and asking not to be told tells what else there is */
    get_all();
}

static struct nu_io_result counting_in(struct nu_conn *c, int pipe, size_t limit)
{
    n_reads++;
    return nu_raw_buffer.ops->splice_in(c, pipe, limit);
}

static void one_read_a_turn(void **state)
{
    (void)state;
    struct nu_transport_ops ops = *nu_raw_buffer.ops;
    ops.splice_in = counting_in;
    struct nu_transport_conf counting = {.ops = &ops};
    unsigned all_reads = 0;
    make(&a, &counting, (uint32_t)MIB);
    make(&b, &nu_raw_buffer, (uint32_t)MIB);
    start_them();
    while (n_sent < 8 * MIB) {
        send_up_to(8 * MIB - n_sent);
        n_reads = 0;
        turns(1);
        assert_in_range(n_reads, 0, 1);
        all_reads += n_reads;
        get_some();
    }
    assert_true(all_reads > 10);
    get_all();
    nu_conn_close_all(w); /* while there is its transport */
    turns(1);
}

static void a_reader_that_ends_leaves_its_bytes(void **state)
{
    (void)state;
    connect_them((uint32_t)MIB);
    send_all(MIB);
    fill_up();
    size_t left = nu_conn_pending(b.c);
    assert_true(left > 0);
    size_t taken = b.c->bytes_out + left;
    nu_conn_close(a.c, NU_CLOSE_NOW);
    assert_int_equal(nu_conn_pending(b.c), left);
    nu_conn_close(b.c, NU_CLOSE_FLUSH);
    for (unsigned i = 0; i < 100000 && n_got < taken; i++) {
        turns(1);
        get_some();
    }
    assert_int_equal(n_got, taken);
    assert_memory_equal(got, sent, taken);
    expect_end();
    assert_null(b.c);
    expect_no_lent_pipes();
}

static void a_writer_that_ends_drops_them_and_frees_the_reader(void **state)
{
    (void)state;
    connect_them((uint32_t)MIB);
    send_all(MIB);
    fill_up();
    assert_true(a.c->splice->stalled || nu_conn_read_paused(a.c));
    nu_conn_close(b.c, NU_CLOSE_NOW);
    assert_null(a.c->splice->to);
    assert_false(a.c->splice->stalled);
    while (nu_conn_read_paused(a.c))
        nu_conn_read_resume(a.c);
    unsigned n = a.n_data;
    turns(2);
    assert_true(a.n_data > n);
    expect_no_lent_pipes();
}

/* ---- when it is not done ---- */

static enum nu_filter_status look(struct nu_net_filter *f, struct nu_buf *data, bool end)
{
    (void)f;
    (void)data;
    (void)end;
    return NU_FILTER_CONTINUE;
}

static void expect_never(void)
{
    a.other = b.c;
    b.other = a.c;
    nu_conn_start(a.c);
    nu_conn_start(b.c);
    send_all(4 * MIB);
    get_all();
    assert_int_equal(a.passed, 0);
    assert_int_equal(w->pipes.n, 0);
}

static void not_past_a_filter_that_reads(void **state)
{
    (void)state;
    static const struct nu_net_filter_ops reads = {.on_data = look};
    static struct nu_net_filter f = {.ops = &reads};
    make(&a, &nu_raw_buffer, 0);
    nu_conn_add_filter(a.c, &f);
    make(&b, &nu_raw_buffer, 0);
    expect_never();
}

static void not_past_a_filter_that_sees_writes(void **state)
{
    (void)state;
    static const struct nu_net_filter_ops writes = {.on_write = look};
    static struct nu_net_filter f = {.ops = &writes};
    make(&a, &nu_raw_buffer, 0);
    make(&b, &nu_raw_buffer, 0);
    nu_conn_add_filter(b.c, &f);
    expect_never();
}

static void not_with_a_transport_that_does_not_offer_it(void **state)
{
    (void)state;
    for (unsigned reader = 0; reader < 2; reader++) {
        struct nu_transport_ops plain = *nu_raw_buffer.ops;
        plain.splice_in = NULL;
        plain.splice_out = NULL;
        struct nu_transport_conf other = {.ops = &plain};
        make(&a, reader ? &other : &nu_raw_buffer, 0);
        make(&b, reader ? &nu_raw_buffer : &other, 0);
        expect_never();
        nu_conn_close_all(w);
        turns(1);
        if (reader == 0) {
            close(a.peer);
            close(b.peer);
            n_sent = n_got = 0;
        }
    }
}

/* splice(2) gives up in the middle. */
static unsigned calls_until_refused;

static struct nu_io_result refusing_out(struct nu_conn *c, int pipe, size_t n)
{
    if (calls_until_refused == 0)
        return (struct nu_io_result){.status = NU_IO_REFUSED};
    calls_until_refused--;
    return nu_raw_buffer.ops->splice_out(c, pipe, n);
}

static struct nu_io_result refusing_in(struct nu_conn *c, int pipe, size_t limit)
{
    if (calls_until_refused == 0)
        return (struct nu_io_result){.status = NU_IO_REFUSED};
    calls_until_refused--;
    return nu_raw_buffer.ops->splice_in(c, pipe, limit);
}

static void copying_goes_on_where_the_kernel_refuses(void **state)
{
    (void)state;
    for (unsigned reader = 0; reader < 2; reader++) {
        struct nu_transport_ops ops = *nu_raw_buffer.ops;
        if (reader)
            ops.splice_in = refusing_in;
        else
            ops.splice_out = refusing_out;
        struct nu_transport_conf refusing = {.ops = &ops};
        calls_until_refused = 5;
        make(&a, reader ? &refusing : &nu_raw_buffer, (uint32_t)MIB);
        make(&b, reader ? &nu_raw_buffer : &refusing, (uint32_t)MIB);
        start_them();
        send_all(4 * MIB);
        fill_up();
        get_all();
        assert_int_equal(calls_until_refused, 0);
        assert_true(a.c->splice->refused);
        size_t passed = a.passed;
        send_all(2 * MIB);
        get_all();
        assert_int_equal(a.passed, passed);
        expect_no_lent_pipes();
        nu_conn_close_all(w);
        turns(1);
        if (reader == 0) {
            close(a.peer);
            close(b.peer);
            n_sent = n_got = 0;
        }
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(bulk_goes_past_the_filters_and_is_counted),
        T(small_reads_are_never_spliced),
        T(small_reads_end_a_splice_and_bulk_begins_another),
        T(what_is_written_meanwhile_comes_behind_the_pipe),
        T(the_end_waits_behind_the_pipe),
        T(a_full_pipe_is_not_added_to),
        T(a_full_pipe_crosses_the_watermarks),
        T(a_reader_that_waits_is_not_woken_by_each_packet),
        T(one_read_a_turn),
        T(a_reader_that_ends_leaves_its_bytes),
        T(a_writer_that_ends_drops_them_and_frees_the_reader),
        T(not_past_a_filter_that_reads),
        T(not_past_a_filter_that_sees_writes),
        T(not_with_a_transport_that_does_not_offer_it),
        T(copying_goes_on_where_the_kernel_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
