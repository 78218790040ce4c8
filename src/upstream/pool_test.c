/* SPDX-License-Identifier: Apache-2.0
 *
 * The pools against a real socket whose other end the test plays. */
#include "upstream/test_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#include "upstream/breaker.h"
#include "upstream/pool.h"

/* ---- the upstream ---- */

struct peer {
    int listener;
    uint16_t port;
};

static void peer_open(struct peer *p)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(p->listener, 16), 0);
    getsockname(p->listener, (struct sockaddr *)&a, &len);
    p->port = ntohs(a.sin_port);
}

static int peer_accept(struct rig *r, struct peer *p)
{
    for (int i = 0; i < 100; i++) {
        int fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd >= 0)
            return fd;
        rig_run(r);
    }
    fail_msg("nobody connects");
    return -1;
}

static void peer_expect(struct rig *r, int fd, const char *what)
{
    char got[2048] = {0};
    size_t n = 0;
    for (int i = 0; i < 100 && strstr(got, what) == NULL; i++) {
        ssize_t k = read(fd, got + n, sizeof(got) - 1 - n);
        n += k > 0 ? (size_t)k : 0;
        rig_run(r);
    }
    if (strstr(got, what) == NULL)
        fail_msg("'%s' is not in '%s'", what, got);
}

static void peer_say(struct rig *r, int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    rig_run(r);
}

#define OK_RESPONSE "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"

/* ---- a caller ---- */

struct call {
    struct nu_http_pool_request req;
    struct nu_stream_user user;
    struct nu_arena arena;
    struct nu_codec_stream *stream;
    struct nu_conn *conn;
    unsigned ready, failed, status, resets;
    enum nu_pool_failure why;
    enum nu_reset_reason reason;
    bool ended;
    struct call *next_on_failure; /* started from within on_failure */
    struct rig *rig;
    struct nu_host *host;
};

static struct call *of_user(struct nu_stream_user *u)
{
    return nu_container_of(u, struct call, user);
}

static void on_headers(struct nu_stream_user *u, struct nu_http_headers *h, bool end)
{
    of_user(u)->status = h->status;
    of_user(u)->ended |= end;
}

static void on_informational(struct nu_stream_user *u, struct nu_http_headers *h)
{
    (void)u, (void)h;
}

static void on_data(struct nu_stream_user *u, struct nu_buf *data, bool end)
{
    nu_buf_clear(data, &of_user(u)->rig->w->bufs);
    of_user(u)->ended |= end;
}

static void on_trailers(struct nu_stream_user *u, struct nu_http_headers *t)
{
    (void)t;
    of_user(u)->ended = true;
}

static void on_reset(struct nu_stream_user *u, enum nu_reset_reason r, nu_str details)
{
    (void)details;
    of_user(u)->resets++;
    of_user(u)->reason = r;
}

static void on_mark(struct nu_stream_user *u)
{
    (void)u;
}

static const struct nu_stream_user_ops user_ops = {.on_headers = on_headers,
                                                   .on_informational = on_informational,
                                                   .on_data = on_data,
                                                   .on_trailers = on_trailers,
                                                   .on_reset = on_reset,
                                                   .on_high = on_mark,
                                                   .on_low = on_mark};

static void start_call(struct rig *r, struct nu_cluster *c, struct call *k);

static void on_ready(struct nu_http_pool_request *req, struct nu_codec_stream *s, struct nu_conn *conn,
                     const struct nu_session *session)
{
    struct call *k = nu_container_of(req, struct call, req);
    (void)session;
    k->ready++;
    k->stream = s;
    k->conn = conn;
    struct nu_http_headers *h = nu_headers_new(&k->arena, false);
    h->method = NU_STR("GET");
    h->path = NU_STR("/x");
    h->authority = NU_STR("a");
    h->scheme = NU_STR("http");
    nu_codec_headers(s, h, true);
}

static void on_failure(struct nu_http_pool_request *req, enum nu_pool_failure why, nu_str reason)
{
    struct call *k = nu_container_of(req, struct call, req);
    (void)reason;
    k->failed++;
    k->why = why;
    if (k->next_on_failure != NULL)
        start_call(k->rig, k->host->cluster, k->next_on_failure);
}

static void start_call(struct rig *r, struct nu_cluster *c, struct call *k)
{
    *k = (struct call){.rig = r, .next_on_failure = k->next_on_failure};
    nu_arena_init(&k->arena, NULL);
    k->user = (struct nu_stream_user){.ops = &user_ops, .arena = &k->arena};
    k->req = (struct nu_http_pool_request){.on_ready = on_ready, .on_failure = on_failure, .user = &k->user};
    k->host = nu_cluster_pick(c, r->w, NULL);
    assert_non_null(k->host);
    nu_http_pool_start(k->host, nu_cluster_settings(c), NU_PRIORITY_DEFAULT, r->w, &k->req);
}

static void end_call(struct call *k)
{
    nu_arena_clear(&k->arena);
}

/* One cluster with the peer as its host; the test may change the settings first. */
static struct nu_cluster_build *build_for(const struct peer *p)
{
    struct rig_endpoint e = {.ip = "127.0.0.1", .port = p->port};
    return rig_build(rig_assignment(&e, 1, 1, false));
}

static void a_connection_is_used_again(void **state)
{
    (void)state;
    struct rig r;
    struct peer p;
    struct call a = {0}, b = {0};
    rig_init(&r);
    peer_open(&p);
    struct nu_cluster *c = rig_apply(&r, build_for(&p));
    start_call(&r, c, &a);
    assert_int_equal(a.ready, 0);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_pending_active), 1);
    int fd = peer_accept(&r, &p);
    peer_expect(&r, fd, "GET /x HTTP/1.1\r\n");
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_active), 1);
    peer_say(&r, fd, OK_RESPONSE);
    assert_int_equal(a.status, 200);
    assert_true(a.ended);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_active), 0);
    start_call(&r, c, &b);
    assert_int_equal(b.ready, 1); /* at once */
    assert_ptr_equal(a.conn, b.conn);
    peer_expect(&r, fd, "GET /x HTTP/1.1\r\n");
    peer_say(&r, fd, OK_RESPONSE);
    assert_true(b.ended);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_total), 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_http1_total), 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_total), 2);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_pending_total), 1);
    close(fd);
    rig_run(&r);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_active), 0);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_destroy_remote), 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_destroy_with_active_rq), 0);
    end_call(&a);
    end_call(&b);
    close(p.listener);
    rig_end(&r);
}

static void a_refused_connection_fails_all_that_wait(void **state)
{
    (void)state;
    struct rig r;
    struct peer p;
    struct call a = {0}, b = {0}, again = {0};
    rig_init(&r);
    peer_open(&p);
    struct nu_cluster *c = rig_apply(&r, build_for(&p));
    close(p.listener);
    a.next_on_failure = &again;
    start_call(&r, c, &a);
    start_call(&r, c, &b);
    rig_run(&r);
    assert_int_equal(a.failed, 1);
    assert_int_equal(b.failed, 1);
    assert_int_equal(a.why, NU_POOL_REMOTE_CONNECT_FAILURE);
    assert_int_equal(again.failed, 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_pending_failure_eject), 3);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_connect_fail), rig_stat(c, NU_CLUSTER_upstream_cx_total));
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_pending_active), 0);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_active), 0);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_total), 0);
    rig_end(&r);
}

static void breakers_refuse_and_queue(void **state)
{
    (void)state;
    struct rig r;
    struct peer p;
    struct call a = {0}, b = {0}, d = {0};
    rig_init(&r);
    peer_open(&p);
    struct nu_cluster_build *build = build_for(&p);
    build->info->breakers[0].max_connections = 1;
    build->info->breakers[0].max_pending_requests = 1;
    struct nu_cluster *c = rig_apply(&r, build);
    start_call(&r, c, &a);
    int fd = peer_accept(&r, &p);
    peer_expect(&r, fd, "GET");
    assert_int_equal(rig_stat(c, NU_CLUSTER_circuit_breakers_default_cx_open), 1);
    start_call(&r, c, &b); /* waits: no second connection may be made */
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_overflow), 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_circuit_breakers_default_rq_pending_open), 1);
    start_call(&r, c, &d);
    assert_int_equal(d.failed, 1);
    assert_int_equal(d.why, NU_POOL_OVERFLOW);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_pending_overflow), 1);
    peer_say(&r, fd, OK_RESPONSE);
    assert_int_equal(b.ready, 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_circuit_breakers_default_rq_pending_open), 0);
    peer_say(&r, fd, OK_RESPONSE);
    assert_true(b.ended);
    close(fd);
    rig_run(&r);
    assert_int_equal(rig_stat(c, NU_CLUSTER_circuit_breakers_default_cx_open), 0);
    end_call(&a);
    end_call(&b);
    close(p.listener);
    rig_end(&r);
}

static void connection_close_is_heeded(void **state)
{
    (void)state;
    struct rig r;
    struct peer p;
    struct call a = {0};
    rig_init(&r);
    peer_open(&p);
    struct nu_cluster *c = rig_apply(&r, build_for(&p));
    start_call(&r, c, &a);
    int fd = peer_accept(&r, &p);
    peer_expect(&r, fd, "GET");
    peer_say(&r, fd, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    assert_true(a.ended);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_close_notify), 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_destroy_local), 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_destroy_with_active_rq), 0);
    end_call(&a);
    close(fd);
    close(p.listener);
    rig_end(&r);
}

static void a_lost_connection_resets_its_stream(void **state)
{
    (void)state;
    struct rig r;
    struct peer p;
    struct call a = {0}, b = {0};
    rig_init(&r);
    peer_open(&p);
    struct nu_cluster *c = rig_apply(&r, build_for(&p));
    start_call(&r, c, &a);
    int fd = peer_accept(&r, &p);
    peer_expect(&r, fd, "GET");
    close(fd);
    rig_run(&r);
    assert_int_equal(a.resets, 1);
    assert_int_equal(a.reason, NU_RESET_CONN_TERMINATION);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_destroy_remote_with_active_rq), 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_active), 0);
    start_call(&r, c, &b);
    fd = peer_accept(&r, &p);
    peer_expect(&r, fd, "GET");
    peer_say(&r, fd, "bogus\r\n\r\n");
    assert_int_equal(b.resets, 1);
    assert_int_equal(b.reason, NU_RESET_PROTOCOL_ERROR);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_protocol_error), 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_active), 0);
    end_call(&a);
    end_call(&b);
    close(fd);
    close(p.listener);
    rig_end(&r);
}

static void our_reset_closes_the_connection(void **state)
{
    (void)state;
    struct rig r;
    struct peer p;
    struct call a = {0};
    rig_init(&r);
    peer_open(&p);
    struct nu_cluster *c = rig_apply(&r, build_for(&p));
    start_call(&r, c, &a);
    int fd = peer_accept(&r, &p);
    peer_expect(&r, fd, "GET");
    nu_codec_reset(a.stream, NU_RESET_LOCAL);
    rig_run(&r);
    assert_int_equal(a.resets, 0);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_destroy_local_with_active_rq), 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_active), 0);
    end_call(&a);
    close(fd);
    close(p.listener);
    rig_end(&r);
}

static void requests_per_connection_are_limited(void **state)
{
    (void)state;
    struct rig r;
    struct peer p;
    struct call a = {0};
    rig_init(&r);
    peer_open(&p);
    struct nu_cluster_build *build = build_for(&p);
    build->info->max_requests_per_connection = 1;
    struct nu_cluster *c = rig_apply(&r, build);
    start_call(&r, c, &a);
    int fd = peer_accept(&r, &p);
    peer_expect(&r, fd, "GET");
    peer_say(&r, fd, OK_RESPONSE);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_max_requests), 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_active), 0);
    end_call(&a);
    close(fd);
    close(p.listener);
    rig_end(&r);
}

static void a_cancelled_request_leaves_its_connection(void **state)
{
    (void)state;
    struct rig r;
    struct peer p;
    struct call a = {0}, b = {0};
    rig_init(&r);
    peer_open(&p);
    struct nu_cluster *c = rig_apply(&r, build_for(&p));
    start_call(&r, c, &a);
    nu_http_pool_cancel(&a.req);
    nu_http_pool_cancel(&a.req); /* harmless */
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_cancelled), 1);
    int fd = peer_accept(&r, &p);
    rig_run(&r);
    assert_int_equal(a.ready + a.failed, 0);
    start_call(&r, c, &b);
    assert_int_equal(b.ready, 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_total), 1);
    nu_codec_reset(b.stream, NU_RESET_LOCAL);
    rig_run(&r);
    end_call(&a);
    end_call(&b);
    close(fd);
    close(p.listener);
    rig_end(&r);
}

static void idle_and_late_bytes_close(void **state)
{
    (void)state;
    struct rig r;
    struct peer p;
    struct call a = {0};
    rig_init(&r);
    peer_open(&p);
    struct nu_cluster_build *build = build_for(&p);
    build->info->http_idle_timeout = NU_MS(30);
    struct nu_cluster *c = rig_apply(&r, build);
    start_call(&r, c, &a);
    int fd = peer_accept(&r, &p);
    peer_expect(&r, fd, "GET");
    peer_say(&r, fd, OK_RESPONSE);
    for (int i = 0; i < 10; i++)
        nu_loop_turn(r.w->loop, NU_MS(10));
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_idle_timeout), 1);
    end_call(&a);
    close(fd);
    start_call(&r, c, &a);
    fd = peer_accept(&r, &p);
    peer_expect(&r, fd, "GET");
    peer_say(&r, fd, OK_RESPONSE OK_RESPONSE);
    assert_true(a.ended);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_protocol_error), 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_active), 0);
    end_call(&a);
    close(fd);
    close(p.listener);
    rig_end(&r);
}

static void a_removed_host_lets_requests_finish(void **state)
{
    (void)state;
    struct rig r;
    struct peer p;
    struct call a = {0};
    rig_init(&r);
    peer_open(&p);
    struct nu_cluster *c = rig_apply(&r, build_for(&p));
    start_call(&r, c, &a);
    int fd = peer_accept(&r, &p);
    peer_expect(&r, fd, "GET");
    struct rig_endpoint other = {.ip = "127.0.0.1", .port = 1};
    assert_ptr_equal(rig_apply(&r, rig_build(rig_assignment(&other, 1, 1, false))), c);
    rig_run(&r);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_active), 1);
    assert_int_equal(rig_membership(c, NU_MEMBERSHIP_membership_change), 2);
    peer_say(&r, fd, OK_RESPONSE);
    assert_true(a.ended);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_active), 0);
    end_call(&a);
    close(fd);
    close(p.listener);
    rig_end(&r);
}

static void the_end_closes_everything(void **state)
{
    (void)state;
    struct rig r;
    struct peer p;
    struct call a = {0}, b = {0};
    rig_init(&r);
    peer_open(&p);
    struct nu_cluster *c = rig_apply(&r, build_for(&p));
    start_call(&r, c, &a);
    start_call(&r, c, &b);
    int fd = peer_accept(&r, &p), fd2 = peer_accept(&r, &p);
    peer_expect(&r, fd, "GET");
    peer_say(&r, fd, OK_RESPONSE);
    nu_cluster_manager_free(&r.server.clusters);
    assert_int_equal(b.resets + a.resets, 1);
    end_call(&a);
    end_call(&b);
    rig_end(&r);
    close(fd);
    close(fd2);
    close(p.listener);
}

/* ---- TCP ---- */

struct session {
    struct nu_tcp_pool_request req;
    struct nu_conn *conn;
    unsigned failed;
    enum nu_pool_failure why;
};

static void on_tcp_ready(struct nu_tcp_pool_request *req, struct nu_conn *conn)
{
    nu_container_of(req, struct session, req)->conn = conn;
}

static void on_tcp_failure(struct nu_tcp_pool_request *req, enum nu_pool_failure why, nu_str reason)
{
    struct session *s = nu_container_of(req, struct session, req);
    (void)reason;
    s->failed++;
    s->why = why;
}

static void start_session(struct rig *r, struct nu_cluster *c, struct session *s)
{
    *s = (struct session){.req = {.on_ready = on_tcp_ready, .on_failure = on_tcp_failure}};
    nu_tcp_pool_start(nu_cluster_pick(c, r->w, NULL), nu_cluster_settings(c), NU_PRIORITY_DEFAULT, r->w, NULL, &s->req);
}

static void a_tcp_session_owns_its_connection(void **state)
{
    (void)state;
    struct rig r;
    struct peer p;
    struct session s;
    rig_init(&r);
    peer_open(&p);
    struct nu_cluster *c = rig_apply(&r, build_for(&p));
    start_session(&r, c, &s);
    int fd = peer_accept(&r, &p);
    rig_run(&r);
    assert_non_null(s.conn);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_active), 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_active), 1);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_http1_total), 0);
    nu_conn_start(s.conn);
    nu_conn_close(s.conn, NU_CLOSE_NOW);
    rig_run(&r);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_active), 0);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_rq_active), 0);
    close(fd);
    start_session(&r, c, &s); /* and one that gives up: its connection goes too */
    nu_tcp_pool_cancel(&s.req);
    rig_run(&r);
    assert_int_equal(rig_stat(c, NU_CLUSTER_upstream_cx_active), 0);
    close(p.listener);
    start_session(&r, c, &s);
    rig_run(&r);
    assert_int_equal(s.failed, 1);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_used_again),
        cmocka_unit_test(a_refused_connection_fails_all_that_wait),
        cmocka_unit_test(breakers_refuse_and_queue),
        cmocka_unit_test(connection_close_is_heeded),
        cmocka_unit_test(a_lost_connection_resets_its_stream),
        cmocka_unit_test(our_reset_closes_the_connection),
        cmocka_unit_test(requests_per_connection_are_limited),
        cmocka_unit_test(a_cancelled_request_leaves_its_connection),
        cmocka_unit_test(idle_and_late_bytes_close),
        cmocka_unit_test(a_removed_host_lets_requests_finish),
        cmocka_unit_test(the_end_closes_everything),
        cmocka_unit_test(a_tcp_session_owns_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
