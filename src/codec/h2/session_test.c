/* SPDX-License-Identifier: Apache-2.0
 *
 * Two of our sessions against each other, the bytes between them cut in every way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/h2/h2_drive.h"

struct pair {
    struct app client, server;
};

static void pair_start(struct pair *p)
{
    app_start(&p->client, false);
    app_start(&p->server, true);
    p->server.answer = app_echo;
}

static struct pair *pair_new(void)
{
    struct pair *p = nu_new(struct pair);
    app_prepare(&p->client);
    app_prepare(&p->server);
    return p;
}

static void pair_free(struct pair *p)
{
    app_free(&p->client);
    app_free(&p->server);
    nu_free(p);
}

static bool move(struct app *from, struct app *to, size_t step, size_t budget)
{
    struct nu_sb bytes = {0};
    app_flush(from, &bytes, budget);
    for (size_t i = 0; i < bytes.len; i += step)
        app_receive(to, bytes.ptr + i, nu_min(step, bytes.len - i));
    bool moved = bytes.len > 0;
    nu_sb_free(&bytes);
    return moved;
}

/* Until nothing moves any more. */
static void run(struct pair *p, size_t step, size_t budget)
{
    bool moved = true;
    for (unsigned turn = 0; moved && turn < 100000; turn++) {
        moved = move(&p->client, &p->server, step, budget);
        moved |= move(&p->server, &p->client, step, budget);
    }
    assert_false(moved);
    assert_false(nu_h2_wants_flush(&p->client.h2));
    assert_false(nu_h2_wants_flush(&p->server.h2));
}

static void expect_log(struct app *a, const char *want)
{
    assert_string_equal(nu_sb_cstr(&a->log), want);
    a->log.len = 0;
}

#define GOT_REQUEST(id, method, path, end)                                                         \
    "head " id end ": :method=" method "; :scheme=http; :path=" path "; :authority=host.test; x-test=yes; \n"

static void requests_and_responses_cut_in_every_way(void **state)
{
    (void)state;
    for (size_t step = 1; step < 80; step++) {
        struct pair *p = pair_new();
        pair_start(p);
        for (unsigned round = 0; round < 3; round++) {
            app_request(&p->client, "GET", "/", NULL);
            app_request(&p->client, "POST", "/post", "hello");
            run(p, step, 1 << 20);
        }
        expect_log(&p->server,
                   GOT_REQUEST("1", "GET", "/", " end") GOT_REQUEST("3", "POST", "/post", "") "body 3: 5 hello\n"
                   GOT_REQUEST("5", "GET", "/", " end") GOT_REQUEST("7", "POST", "/post", "") "body 7: 5 hello\n"
                   GOT_REQUEST("9", "GET", "/", " end") GOT_REQUEST("11", "POST", "/post", "") "body 11: 5 hello\n");
        expect_log(&p->client,
                   "head 1: :status=200; server=test; \nbody 1: 0 \nhead 3: :status=200; server=test; \n"
                   "trailers 3 end: x-trailer=end; \n"
                   "head 5: :status=200; server=test; \nbody 5: 0 \nhead 7: :status=200; server=test; \n"
                   "trailers 7 end: x-trailer=end; \n"
                   "head 9: :status=200; server=test; \nbody 9: 0 \nhead 11: :status=200; server=test; \n"
                   "trailers 11 end: x-trailer=end; \n");
        assert_int_equal(p->server.n_closed, 6);
        assert_int_equal(p->client.n_closed, 6);
        assert_true(p->server.h2.settings_acked && p->client.h2.settings_acked);
        assert_int_equal(p->server.h2.outbound_frames, p->server.h2.last_mark.frames);
        pair_free(p);
    }
}

/* Bodies larger than windows, in all sizes of turns. */
static void flow_control_carries_large_bodies(void **state)
{
    (void)state;
    static const size_t budgets[] = {1, 1000, 16384, 100000, 10 << 20};
    char *body = nu_zalloc(400001);
    memset(body, 'x', 400000);
    for (size_t i = 0; i < NU_ARRAY_LEN(budgets); i++) {
        struct pair *p = pair_new();
        p->client.opt.initial_stream_window_size = p->server.opt.initial_stream_window_size = 65535;
        p->client.opt.initial_connection_window_size = p->server.opt.initial_connection_window_size = 100000;
        p->client.opt.stream_send_high = p->server.opt.stream_send_high = 100000;
        pair_start(p);
        for (unsigned n = 0; n < 5; n++)
            app_request(&p->client, "POST", "/large", body);
        assert_int_equal(p->client.n_high, 5);
        run(p, 5000, budgets[i]);
        assert_int_equal(p->client.n_low, 5);
        assert_int_equal(p->server.n_high, p->server.n_low);
        assert_int_equal(p->client.n_closed, 5);
        assert_int_equal(p->server.n_closed, 5);
        assert_int_equal(p->client.h2.queued_bytes, 0);
        assert_null(p->client.h2.failure.text.ptr);
        /* Nothing of the connection's window is lost. */
        assert_int_equal(p->server.h2.recv_window + p->server.h2.recv_due, 100000);
        assert_int_equal(p->client.h2.send_window, p->server.h2.recv_window);
        pair_free(p);
    }
    nu_free(body);
}

static void streams_take_turns(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    char *body = nu_zalloc(200001);
    memset(body, 'x', 200000);
    p->client.opt.initial_stream_window_size = p->server.opt.initial_stream_window_size = 1 << 20;
    pair_start(p);
    run(p, 1000, 1000000);
    for (unsigned n = 0; n < 3; n++)
        app_request(&p->client, "POST", "/", body);
    struct nu_sb bytes = {0}, text = {0};
    app_flush(&p->client, &bytes, 100000);
    raw_print(nu_sb_str(&bytes), &text);
    nu_str lines = nu_sb_str(&text);
    unsigned next = 0;
    while (lines.len > 0) {
        nu_str line = nu_str_next(&lines, '\n');
        if (!nu_str_starts(line, NU_STR("DATA")))
            continue;
        assert_int_equal(line.ptr[5], '1' + (char)(next++ % 3 * 2));
    }
    assert_in_range(next, 6, 8);
    nu_sb_free(&bytes);
    nu_sb_free(&text);
    pair_free(p);
    nu_free(body);
}

static void what_is_not_consumed_stops_the_peer(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    char *body = nu_zalloc(300001);
    memset(body, 'x', 300000);
    p->server.opt.initial_stream_window_size = 100000;
    p->server.no_consume = true;
    pair_start(p);
    run(p, 1000, 1000000);
    app_request(&p->client, "POST", "/", body);
    run(p, 10000, 1000000);
    struct app_stream *s = nu_list_entry(p->server.streams.next, struct app_stream, node);
    assert_int_equal(s->body.len, 100000);
    assert_int_equal(p->client.h2.queued_bytes, 200000);
    nu_h2_consume(&s->h2, 49999);
    run(p, 10000, 1000000);
    assert_int_equal(s->body.len, 100000); /* not yet half */
    nu_h2_consume(&s->h2, 1);
    run(p, 10000, 1000000);
    assert_int_equal(s->body.len, 150000);
    /* A reset gives the connection back what nobody consumed. */
    nu_h2_reset(&s->h2, NU_H2_CANCEL);
    run(p, 10000, 1000000);
    expect_log(&p->client, "reset 1 remote 8 http2.remote_reset\n");
    assert_int_equal(p->server.h2.recv_window + p->server.h2.recv_due, p->server.opt.initial_connection_window_size);
    pair_free(p);
    nu_free(body);
}

static void heads_larger_than_a_frame_are_continued(void **state)
{
    (void)state;
    static const size_t sizes[] = {16000, 16370, 16383, 16384, 16385, 32768, 40000, 60000};
    for (size_t i = 0; i < NU_ARRAY_LEN(sizes); i++) {
        struct pair *p = pair_new();
        p->client.opt.huffman = false;
        pair_start(p);
        char *value = nu_alloc(sizes[i]);
        memset(value, 'v', sizes[i]);
        struct app_stream *s = app_new_stream(&p->client);
        struct nu_h2_writer w;
        nu_h2_head_begin(&w, &p->client.h2, &s->h2, NU_H2_HEAD, 5, sizes[i] + 100);
        nu_h2_put_pseudo(&w, NU_H2_METHOD, NU_STR("GET"));
        nu_h2_put_pseudo(&w, NU_H2_SCHEME, NU_STR("http"));
        nu_h2_put_pseudo(&w, NU_H2_PATH, NU_STR("/"));
        nu_h2_put_pseudo(&w, NU_H2_AUTHORITY, NU_STR("a"));
        nu_h2_put(&w, 0, NU_STR("x-long"), nu_str_make(value, sizes[i]), false);
        nu_h2_head_end(&w, true);
        run(p, 1 + i * 1000, 1 << 20);
        assert_true(p->server.log.len > sizes[i]);
        assert_int_equal(p->client.n_closed, 1);
        pair_free(p);
        nu_free(value);
    }
}

static void informational_heads_come_before_the_answer(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    pair_start(p);
    p->server.answer = NULL;
    app_request(&p->client, "GET", "/", NULL);
    run(p, 1000, 1000);
    struct app_stream *s = nu_list_entry(p->server.streams.next, struct app_stream, node);
    app_respond_head(&p->server, s, 103, false);
    app_respond_head(&p->server, s, 204, true);
    run(p, 1000, 1000);
    expect_log(&p->client, "informational 1: :status=103; server=test; \nhead 1 end: :status=204; server=test; \n");
    pair_free(p);
}

static void an_early_answer_cuts_the_request_off(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    pair_start(p);
    p->server.answer = NULL;
    struct app_stream *c = app_new_stream(&p->client);
    struct nu_h2_writer w;
    nu_h2_head_begin(&w, &p->client.h2, &c->h2, NU_H2_HEAD, 4, 100);
    nu_h2_put_pseudo(&w, NU_H2_METHOD, NU_STR("POST"));
    nu_h2_put_pseudo(&w, NU_H2_SCHEME, NU_STR("http"));
    nu_h2_put_pseudo(&w, NU_H2_PATH, NU_STR("/"));
    nu_h2_put_pseudo(&w, NU_H2_AUTHORITY, NU_STR("a"));
    nu_h2_head_end(&w, false);
    run(p, 1000, 1000);
    struct app_stream *s = nu_list_entry(p->server.streams.next, struct app_stream, node);
    app_respond_head(&p->server, s, 413, false);
    app_send(&p->server, s, "large", 5, true);
    nu_h2_reset_after_end(&s->h2, NU_H2_NO_ERROR);
    assert_int_equal(p->server.n_closed, 1);
    app_send(&p->client, c, "more", 4, false); /* it crosses with the reset */
    run(p, 1000, 1000);
    expect_log(&p->client, "head 1: :status=413; server=test; \nbody 1: 5 large\nreset 1 remote 0 http2.remote_reset\n");
    assert_null(nu_h2_failure(&p->server.h2));
    pair_free(p);
}

static void goaway_ends_in_order(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    pair_start(p);
    p->server.answer = NULL;
    app_request(&p->client, "GET", "/1", NULL);
    run(p, 1000, 1000);
    nu_h2_shutdown_notice(&p->server.h2);
    app_request(&p->client, "GET", "/2", NULL); /* crosses with it, and counts */
    run(p, 1000, 1000);
    assert_false(nu_h2_can_open(&p->client.h2));
    assert_int_equal(p->server.h2.n_streams, 2);
    nu_h2_goaway(&p->server.h2, NU_H2_NO_ERROR);
    struct app_stream *late = app_request(&p->client, "GET", "/3", NULL); /* crosses, and does not */
    (void)late;
    run(p, 1000, 1000);
    expect_log(&p->client, "goaway 2147483647 0\ngoaway 3 0\nreset 5 goaway 7 http2.remote_refuse\n");
    assert_int_equal(p->server.h2.n_streams, 2);
    while (!nu_list_empty(&p->server.streams))
        app_respond_head(&p->server, nu_list_entry(p->server.streams.next, struct app_stream, node), 200, true);
    run(p, 1000, 1000);
    assert_int_equal(p->client.h2.n_streams, 0);
    pair_free(p);
}

static void more_streams_than_allowed_are_refused(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    p->server.opt.max_concurrent_streams = 2;
    pair_start(p);
    p->server.answer = NULL;
    for (unsigned i = 0; i < 3; i++)
        app_request(&p->client, "GET", "/", NULL); /* before the client knows */
    run(p, 1000, 1000);
    expect_log(&p->client, "reset 5 remote 7 http2.remote_refuse\n");
    assert_false(nu_h2_can_open(&p->client.h2));
    assert_int_equal(p->server.counts[NU_H2_COUNT_stream_refused_errors], 1);
    nu_h2_reset(&nu_list_entry(p->server.streams.next, struct app_stream, node)->h2, NU_H2_INTERNAL_ERROR);
    run(p, 1000, 1000);
    assert_true(nu_h2_can_open(&p->client.h2));
    pair_free(p);
}

static void pings_are_answered(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    pair_start(p);
    nu_h2_ping(&p->client.h2, 0x1234);
    run(p, 1, 1000);
    expect_log(&p->client, "ping ack 1234\n");
    pair_free(p);
}

static void extended_connect_needs_permission(void **state)
{
    (void)state;
    for (unsigned allowed = 0; allowed < 2; allowed++) {
        struct pair *p = pair_new();
        p->server.opt.allow_connect = allowed != 0;
        p->server.opt.stream_error_on_invalid = true;
        pair_start(p);
        p->server.answer = NULL;
        struct app_stream *s = app_new_stream(&p->client);
        struct nu_h2_writer w;
        nu_h2_head_begin(&w, &p->client.h2, &s->h2, NU_H2_HEAD, 5, 100);
        nu_h2_put_pseudo(&w, NU_H2_METHOD, NU_STR("CONNECT"));
        nu_h2_put_pseudo(&w, NU_H2_PROTOCOL, NU_STR("websocket"));
        nu_h2_put_pseudo(&w, NU_H2_SCHEME, NU_STR("http"));
        nu_h2_put_pseudo(&w, NU_H2_PATH, NU_STR("/chat"));
        nu_h2_put_pseudo(&w, NU_H2_AUTHORITY, NU_STR("a"));
        nu_h2_head_end(&w, false);
        run(p, 7, 1000);
        assert_int_equal(p->client.h2.peer_allows_connect, allowed);
        if (allowed)
            expect_log(&p->server, "head 1: :method=CONNECT; :protocol=websocket; :scheme=http; :path=/chat; :authority=a; \n");
        else
            expect_log(&p->client, "reset 1 remote 1 http2.remote_reset\n");
        pair_free(p);
    }
}

/* What crosses with a GOAWAY is ignored, bodies too, and does not cost the connection its window. */
static void what_comes_after_goaway_is_ignored(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    pair_start(p);
    run(p, 1000, 1000);
    nu_h2_goaway(&p->server.h2, NU_H2_NO_ERROR);
    app_request(&p->client, "POST", "/", "body");
    run(p, 1000, 1000);
    assert_int_equal(p->server.n_open, 0);
    expect_log(&p->client, "goaway 0 0\nreset 1 goaway 7 http2.remote_refuse\n");
    assert_int_equal(p->server.counts[NU_H2_COUNT_tx_reset], 0);
    assert_int_equal(p->server.h2.recv_window + p->server.h2.recv_due, p->server.opt.initial_connection_window_size);
    pair_free(p);
}

/* The cost of an end does not depend on how many others there are: identifiers of every spacing find their stream. */
static void many_streams_are_found_and_closed(void **state)
{
    (void)state;
    for (uint32_t spacing = 2; spacing <= 4096; spacing *= 8) {
        struct app *a = nu_new(struct app);
        struct nu_sb in = {0};
        app_prepare(a);
        a->opt.max_concurrent_streams = 5000;
        a->opt.premature_reset_total_stream_count = 0;
        a->opt.stream_reset_burst = 0;
        app_start(a, true);
        raw_preface(&in);
        for (uint32_t i = 0; i < 5000; i++)
            raw_frame(&in, H2_HEADERS, H2_END_HEADERS, 1 + i * spacing, RAW_GET, sizeof(RAW_GET) - 1);
        app_receive(a, in.ptr, in.len);
        assert_int_equal(a->h2.n_streams, 5000);
        uint32_t longest = 0;
        for (uint32_t i = 0; i < a->h2.table_cap; i++) {
            uint32_t n = 0;
            for (struct nu_h2_stream *s = a->h2.table[i]; s != NULL; s = s->chain)
                n++;
            longest = nu_max(longest, n);
        }
        assert_in_range(longest, 1, 16);
        in.len = 0;
        for (uint32_t i = 0; i < 5000; i += 2)
            raw_frame(&in, H2_RST_STREAM, 0, 1 + i * spacing, "\0\0\0\x08", 4);
        app_receive(a, in.ptr, in.len);
        assert_int_equal(a->h2.n_streams, 2500);
        for (uint32_t i = 0; i < 5000; i++)
            assert_int_equal(h2_find(&a->h2, 1 + i * spacing) != NULL, i % 2);
        app_free(a);
        nu_sb_free(&in);
        nu_free(a);
    }
}

static void closing_resets_all_streams(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    pair_start(p);
    p->server.answer = NULL;
    for (unsigned i = 0; i < 100; i++)
        app_request(&p->client, "POST", "/", i % 2 ? "x" : NULL);
    run(p, 1000, 1000);
    assert_int_equal(p->server.h2.n_streams, 100);
    nu_h2_close(&p->server.h2);
    assert_int_equal(p->server.n_closed, 100);
    nu_h2_trim(&p->server.h2);
    pair_free(p);
}

/* Resets in whatever callback comes next. */
static unsigned meddle_at, meddle_count;

static void meddle(struct app *a, struct app_stream *s)
{
    if (meddle_count++ == meddle_at)
        nu_h2_reset(&s->h2, NU_H2_CANCEL);
    else if (meddle_count == meddle_at + 1000)
        nu_h2_close(&a->h2);
    else if (s->h2.head_received && !s->answered) {
        s->answered = true;
        app_echo(a, s);
    }
}

static void any_callback_may_end_the_stream_or_the_session(void **state)
{
    (void)state;
    static char body[70000];
    memset(body, 'b', sizeof(body) - 1);
    for (unsigned round = 0; round < 160; round++) {
        struct pair *p = pair_new();
        p->server.opt.stream_send_high = 1000;
        p->server.opt.initial_stream_window_size = 65535;
        pair_start(p);
        p->server.meddle = meddle;
        meddle_count = 0;
        meddle_at = round < 80 ? round : round - 80 + 1000000;
        if (round >= 80)
            meddle_at = round - 80 - 1000;
        for (unsigned i = 0; i < 3; i++)
            app_request(&p->client, "POST", "/", i == 1 ? body : "small");
        run(p, 3000, 20000);
        pair_free(p);
    }
}

static void an_idle_session_is_small(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    pair_start(p);
    for (unsigned i = 0; i < 3; i++) {
        app_request(&p->client, "GET", "/", NULL);
        run(p, 1000, 1000);
    }
    struct nu_h2 *c = &p->server.h2;
    nu_h2_trim(c);
    assert_in_range(sizeof(*c), 1, 1024);
    assert_null(c->marks);
    assert_in_range(c->decoder.table.bytes_cap, 1, 64);
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_responses_cut_in_every_way),
        cmocka_unit_test(flow_control_carries_large_bodies),
        cmocka_unit_test(streams_take_turns),
        cmocka_unit_test(what_is_not_consumed_stops_the_peer),
        cmocka_unit_test(heads_larger_than_a_frame_are_continued),
        cmocka_unit_test(informational_heads_come_before_the_answer),
        cmocka_unit_test(an_early_answer_cuts_the_request_off),
        cmocka_unit_test(goaway_ends_in_order),
        cmocka_unit_test(more_streams_than_allowed_are_refused),
        cmocka_unit_test(pings_are_answered),
        cmocka_unit_test(extended_connect_needs_permission),
        cmocka_unit_test(what_comes_after_goaway_is_ignored),
        cmocka_unit_test(many_streams_are_found_and_closed),
        cmocka_unit_test(closing_resets_all_streams),
        cmocka_unit_test(any_callback_may_end_the_stream_or_the_session),
        cmocka_unit_test(an_idle_session_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
