/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "codec/pb/load.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.nu.h"
#include "net/proxy_data.h"
#include "upstream/pool.h"
#include "upstream/test_rig.h"

extern const struct nu_extension nu_ext_upstream_transport_proxy_protocol;

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static const char raw[] = "transport_socket: {name: raw, typed_config: {\"@type\": "
                          "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}";

struct session {
    struct nu_tcp_pool_request req;
    struct nu_conn *conn;
    unsigned failed;
};

struct test {
    struct rig rig;
    int listener;
    struct nu_cluster *cluster;
    struct nu_arena arena; /* of the downstream connections */
};

static const struct nu_transport_conf *make(struct test *t, struct nu_arena *a, const char *config)
{
    struct nu_diags d;
    nu_diags_init(&d);
    nu_str text = nu_arena_printf(a, "{config: %s, %s", config, raw);
    struct nu_pb_msg *msg =
        nu_pb_load_text(a, &d, NU_STR("t.yaml"), text, NU_TEXT_YAML,
                        &envoy_extensions_transport_sockets_proxy_protocol_v3_ProxyProtocolUpstreamTransport_type);
    assert_int_equal(d.n, 0);
    struct nu_factory f = {.arena = a, .diags = &d, .server = &t->rig.server, .stat_cluster = NU_STR("c_d")};
    const struct nu_transport_factory *factory = nu_ext_upstream_transport_proxy_protocol.ops;
    const struct nu_transport_conf *conf = factory->create(&f, msg);
    assert_int_equal(d.n, 0);
    nu_diags_clear(&d);
    return conf;
}

static void begin(struct test *t, const char *config)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    *t = (struct test){0};
    nu_arena_init(&t->arena, NULL);
    t->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(t->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(t->listener, 10), 0);
    assert_int_equal(getsockname(t->listener, (struct sockaddr *)&at, &len), 0);
    rig_init(&t->rig);
    struct rig_endpoint e = {.ip = "127.0.0.1", .port = ntohs(at.sin_port)};
    struct nu_cluster_build *b = rig_build(rig_assignment(&e, 1, 1, false));
    b->info->transport = make(t, &b->info->arena, config);
    assert_non_null(b->info->transport);
    t->cluster = rig_apply(&t->rig, b);
}

static void end(struct test *t)
{
    rig_end(&t->rig);
    nu_arena_clear(&t->arena);
    close(t->listener);
}

static void drop_address(void *arg)
{
    struct nu_address *a = arg;
    nu_address_unref(&a);
}

static struct nu_conn_info *downstream(struct test *t, const char *source, const char *destination)
{
    struct nu_conn_info *i = nu_arena_new(&t->arena, struct nu_conn_info);
    struct nu_sockaddr local;
    i->arena = &t->arena;
    assert_true(nu_sockaddr_parse_ip(nu_str_from(source), 1000, &i->remote));
    assert_true(nu_sockaddr_parse_ip(nu_str_from(destination), 2000, &local));
    i->local = nu_address_from_sock(&local);
    nu_arena_on_clear(&t->arena, drop_address, i->local);
    return i;
}

static void on_ready(struct nu_tcp_pool_request *req, struct nu_conn *conn)
{
    nu_container_of(req, struct session, req)->conn = conn;
}

static void on_failure(struct nu_tcp_pool_request *req, enum nu_pool_failure why, nu_str reason)
{
    (void)why;
    (void)reason;
    nu_container_of(req, struct session, req)->failed++;
}

static void start(struct test *t, struct session *s, const struct nu_conn_info *d)
{
    *s = (struct session){.req = {.on_ready = on_ready, .on_failure = on_failure}};
    nu_tcp_pool_start(nu_cluster_pick(t->cluster, t->rig.w, NULL), nu_cluster_settings(t->cluster),
                      NU_PRIORITY_DEFAULT, t->rig.w, &(struct nu_transport_options){.downstream = d}, &s->req);
}

static int accept_(struct test *t)
{
    int fd = -1;
    for (int i = 0; i < 100 && fd < 0; i++) {
        rig_run(&t->rig);
        fd = accept4(t->listener, NULL, NULL, SOCK_NONBLOCK);
    }
    assert_true(fd >= 0);
    return fd;
}

/* One session of `d`, and the bytes that it begins with. */
static void expect_header(struct test *t, const struct nu_conn_info *d, nu_str want)
{
    char got[70000];
    size_t n = 0;
    struct session s;
    start(t, &s, d);
    int fd = accept_(t);
    for (int i = 0; i < 100 && (s.conn == NULL || n < want.len); i++) {
        rig_run(&t->rig);
        ssize_t more = recv(fd, got + n, sizeof(got) - n, 0);
        n += more > 0 ? (size_t)more : 0;
    }
    assert_non_null(s.conn);
    assert_int_equal(n, want.len);
    assert_memory_equal(got, want.ptr, n);
    nu_conn_start(s.conn);
    nu_conn_close(s.conn, NU_CLOSE_NOW);
    rig_run(&t->rig);
    assert_null(nu_cluster_pick(t->cluster, t->rig.w, NULL)->pools[0]);
    close(fd);
}

/* The first write sends the header, too, and is not done with it. */
static void an_end_with_the_first_write_is_sent(void **state)
{
    (void)state;
    struct test t;
    begin(&t, "{version: V1}");
    struct nu_host *host = nu_cluster_pick(t.cluster, t.rig.w, NULL);
    struct nu_conn *c = nu_conn_connect(t.rig.w, &(struct nu_connect_options){
                                                     .address = host->address,
                                                     .transport = nu_cluster_settings(t.cluster)->transport});
    struct nu_buf data = {0};
    nu_buf_add(&data, &t.rig.w->bufs, "bye", 3);
    nu_conn_write(c, &data, true);
    int fd = accept_(&t);
    char got[128];
    size_t n = 0;
    ssize_t more = -1;
    for (int i = 0; i < 100 && more != 0; i++) {
        rig_run(&t.rig);
        more = recv(fd, got + n, sizeof(got) - n, 0);
        n += more > 0 ? (size_t)more : 0;
    }
    assert_int_equal(more, 0);
    assert_memory_equal(got, "PROXY TCP4 127.0.0.1 127.0.0.1 ", 31);
    assert_memory_equal(got + n - 5, "\r\nbye", 5);
    assert_int_equal(c->bytes_out, n);
    nu_conn_close(c, NU_CLOSE_NOW);
    rig_run(&t.rig);
    close(fd);
    end(&t);
}

static void version_1(void **state)
{
    (void)state;
    struct test t;
    begin(&t, "{version: V1, added_tlvs: [{type: 1, value: QQ==}]}");
    expect_header(&t, downstream(&t, "1.2.3.4", "5.6.7.8"), NU_STR("PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n"));
    expect_header(&t, downstream(&t, "1::2", "3::4"), NU_STR("PROXY TCP6 1::2 3::4 1000 2000\r\n"));
    expect_header(&t, downstream(&t, "1::2", "5.6.7.8"), NU_STR("PROXY UNKNOWN\r\n"));
    struct nu_conn_info *unix_ = downstream(&t, "1.2.3.4", "5.6.7.8");
    unix_->remote.family = AF_UNIX;
    expect_header(&t, unix_, NU_STR("PROXY UNKNOWN\r\n"));
    end(&t);
}

static void version_2_with_tlvs(void **state)
{
    (void)state;
    static char big[65500];
    struct nu_pp_tlv tlvs[] = {{0xea, NU_STR("x")}, {0xf0, NU_STR("yy")}, {0x04, NU_STR("z")}};
    struct test t;
    begin(&t, "{version: V2, pass_through_tlvs: {match_type: INCLUDE, tlv_type: [234, 240]},"
              " added_tlvs: [{type: 234, value: QUFB}, {type: 234, value: QkI=}]}");
    struct nu_conn_info *d = downstream(&t, "1.2.3.4", "5.6.7.8");
    struct nu_proxy_data *data = nu_arena_new(&t.arena, struct nu_proxy_data);
    *data = nu_proxy_data_of(d);
    data->tlvs = tlvs;
    data->n_tlvs = 3;
    nu_proxy_data_set(d, data);
#define HEAD(length) SIGNATURE "\x21\x11" length "\x01\x02\x03\x04\x05\x06\x07\x08\x03\xe8\x07\xd0\xea\0\3AAA\xea\0\2BB"
    expect_header(&t, d, NU_STR(HEAD("\0\x1c") "\xf0\0\2yy"));
    tlvs[1].value = nu_str_make(big, 65517);
    expect_header(&t, d, NU_STR(HEAD("\0\x17")));
    struct nu_conn_info *local = downstream(&t, "1.2.3.4", "5::8");
    expect_header(&t, local, NU_STR(SIGNATURE "\x20\0\0\x0b\xea\0\3AAA\xea\0\2BB"));
    end(&t);
}

static void nobodys_connections_say_so(void **state)
{
    (void)state;
    struct test t;
    struct session s;
    char got[100];
    begin(&t, "{version: V1}");
    start(&t, &s, NULL);
    int fd = accept_(&t);
    rig_run(&t.rig);
    ssize_t n = recv(fd, got, sizeof(got), 0);
    assert_true(n > 31 && memcmp(got, "PROXY TCP4 127.0.0.1 127.0.0.1 ", 31) == 0);
    assert_non_null(s.conn);
    nu_conn_start(s.conn);
    nu_conn_close(s.conn, NU_CLOSE_NOW);
    close(fd);
    end(&t);
}

/* A connection whose session has gone waits for another of the same client. */
static void only_the_same_client_gets_it(void **state)
{
    (void)state;
    struct test t;
    struct session a, b, c;
    begin(&t, "{version: V2}");
    start(&t, &a, downstream(&t, "1.1.1.1", "5.6.7.8"));
    start(&t, &b, downstream(&t, "1.1.1.2", "5.6.7.8"));
    start(&t, &c, downstream(&t, "1.1.1.1", "5.6.7.8"));
    int fds[3] = {accept_(&t), accept_(&t), accept_(&t)};
    rig_run(&t.rig);
    assert_true(a.conn != NULL && b.conn != NULL && c.conn != NULL);
    struct session *all[] = {&a, &b, &c};
    for (int i = 0; i < 3; i++) {
        nu_conn_start(all[i]->conn);
        nu_conn_close(all[i]->conn, NU_CLOSE_NOW);
        close(fds[i]);
    }
    rig_run(&t.rig);
    assert_null(nu_cluster_pick(t.cluster, t.rig.w, NULL)->pools[0]);
    close(t.listener); /* and pools whose connections fail end, too */
    t.listener = dup(0);
    for (int i = 0; i < 3; i++)
        start(&t, all[i], downstream(&t, i == 1 ? "1.1.1.2" : "1.1.1.1", "5.6.7.8"));
    rig_run(&t.rig);
    assert_int_equal(a.failed + b.failed + c.failed, 3);
    assert_null(nu_cluster_pick(t.cluster, t.rig.w, NULL)->pools[0]);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1),
        cmocka_unit_test(an_end_with_the_first_write_is_sent),
        cmocka_unit_test(version_2_with_tlvs),
        cmocka_unit_test(nobodys_connections_say_so),
        cmocka_unit_test(only_the_same_client_gets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
