/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/pb/load.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.nu.h"
#include "ext/listener_filter/proxy_protocol_stats.h"
#include "google/protobuf/struct.nu.h"
#include "net/listener_filter.h"
#include "net/proxy_data.h"
#include "net/server.h"

extern const struct nu_extension nu_ext_listener_filter_proxy_protocol;

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\x01\x02\x03\x04\x05\x06\x07\x08\x03\xe8\x07\xd0"

struct rig {
    struct nu_arena arena;
    struct nu_server server;
    struct nu_worker worker;
    const struct nu_listener_filter_conf *conf;
    struct nu_address *local;
    struct nu_accepting acc;
    int peer;
};

static void rig_init(struct rig *r, const char *yaml)
{
    struct nu_diags d;
    *r = (struct rig){.peer = -1, .acc.fd = -1};
    nu_arena_init(&r->arena, NULL);
    nu_diags_init(&d);
    r->server.stats = nu_stats_new(1);
    struct nu_pb_msg *msg =
        nu_pb_load_text(&r->arena, &d, NU_STR("t.yaml"), nu_str_from(yaml), NU_TEXT_YAML,
                        &envoy_extensions_filters_listener_proxy_protocol_v3_ProxyProtocol_type);
    assert_int_equal(d.n, 0);
    struct nu_factory f = {.arena = &r->arena, .diags = &d, .server = &r->server};
    const struct nu_listener_filter_factory *factory = nu_ext_listener_filter_proxy_protocol.ops;
    r->conf = factory->create(&f, msg);
    assert_non_null(r->conf);
    nu_diags_clear(&d);
    struct nu_sockaddr sock;
    assert_true(nu_sockaddr_parse_ip(NU_STR("127.0.0.1"), 80, &sock));
    r->local = nu_address_from_sock(&sock);
}

static void drop_connection(struct rig *r)
{
    if (r->acc.fd < 0)
        return;
    close(r->acc.fd);
    if (r->peer >= 0)
        close(r->peer);
    nu_arena_clear(&r->acc.arena);
    r->acc.fd = r->peer = -1;
}

static void rig_end(struct rig *r)
{
    drop_connection(r);
    nu_address_unref(&r->local);
    nu_arena_clear(&r->arena);
    nu_stats_free(&r->server.stats);
}

static void connect_(struct rig *r)
{
    int fds[2];
    drop_connection(r);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    r->acc = (struct nu_accepting){.worker = &r->worker, .fd = fds[0]};
    r->peer = fds[1];
    nu_arena_init(&r->acc.arena, NULL);
    r->acc.info = nu_arena_new(&r->acc.arena, struct nu_conn_info);
    r->acc.info->local = r->local;
    assert_true(nu_sockaddr_parse_ip(NU_STR("127.0.0.2"), 9, &r->acc.info->remote));
}

static void send_(struct rig *r, nu_str s)
{
    assert_int_equal(write(r->peer, s.ptr, s.len), (ssize_t)s.len);
}

static enum nu_lf_status run(struct rig *r)
{
    return nu_accepting_run(r->conf, &r->acc);
}

static enum nu_lf_status one(struct rig *r, nu_str s)
{
    connect_(r);
    send_(r, s);
    return run(r);
}

/* What the next reader of the socket finds. */
static void expect_rest(const struct rig *r, const char *want)
{
    char got[100];
    ssize_t n = recv(r->acc.fd, got, sizeof(got), 0);
    assert_int_equal(n, (ssize_t)strlen(want));
    assert_memory_equal(got, want, strlen(want));
}

static void expect_remote(const struct rig *r, const char *want)
{
    char text[NU_SOCKADDR_TEXT];
    nu_str got = nu_sockaddr_text(&r->acc.info->remote, false, text);
    assert_true(nu_str_eq(got, nu_str_from(want)));
}

static uint64_t count(const struct rig *r, const struct nu_stat_layout *layout, const char *prefix, unsigned index)
{
    bool used;
    struct nu_scope *s = nu_scope_get(r->server.stats, layout, nu_str_from(prefix), NU_STR("proxy_proto."), NULL, 0);
    uint64_t n = nu_stat_read(s, index, &used);
    nu_scope_unref(&s);
    return n;
}
#define GENERAL(r, field) count((r), &nu_proxy_proto_layout, "proxy_proto.", NU_PROXY_PROTO_##field)
#define VERSION(r, v, field)                                                                                           \
    count((r), &nu_proxy_proto_version_layout, "proxy_proto.versions." v ".", NU_PROXY_PROTO_VERSION_##field)
#define ERRORS(r) count((r), &nu_proxy_proto_root_layout, "", NU_PROXY_PROTO_ROOT_downstream_cx_proxy_proto_error)

static void the_client_replaces_the_peer(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, "{}");
    assert_int_equal(one(&r, NU_STR("PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\nhi")), NU_LF_CONTINUE);
    expect_remote(&r, "1.2.3.4:1000");
    assert_true(nu_str_eq(r.acc.info->local->text, NU_STR("5.6.7.8:2000")));
    assert_true(nu_sockaddr_eq(&r.acc.info->details->direct_local, &r.local->sock));
    expect_rest(&r, "hi");
    assert_int_equal(one(&r, NU_STR(SIGNATURE "\x20\0\0\x03" "abcyo")), NU_LF_CONTINUE);
    expect_remote(&r, "127.0.0.2:9");
    assert_ptr_equal(r.acc.info->local, r.local);
    expect_rest(&r, "yo");
    assert_int_equal(VERSION(&r, "v1", found), 1);
    assert_int_equal(VERSION(&r, "v2", found), 1);
    rig_end(&r);
}

static void a_header_may_come_in_pieces(void **state)
{
    (void)state;
    struct rig r;
    nu_str in = NU_STR(SIGNATURE "\x21\x11\0\x0f" V4 "\xea\0\0rest");
    rig_init(&r, "{}");
    connect_(&r);
    assert_int_equal(run(&r), NU_LF_WAIT);
    for (size_t i = 0; i < in.len - 4; i++) {
        send_(&r, nu_str_make(in.ptr + i, 1));
        assert_int_equal(run(&r), i == in.len - 5 ? NU_LF_CONTINUE : NU_LF_WAIT);
    }
    expect_remote(&r, "1.2.3.4:1000");
    rig_end(&r);
}

static void what_is_wrong_is_refused_and_counted(void **state)
{
    (void)state;
    static const nu_str wrong[] = {
        NU_STR_INIT("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n"), NU_STR_INIT("PROXY TCP4 224.0.0.1 5.6.7.8 1 2\r\n"),
        NU_STR_INIT("PROXY TCP4 1.2.3.4 0.0.0.0 1 2\r\n"), NU_STR_INIT("PROXY TCP4 255.255.255.255 5.6.7.8 1 2\r\n"),
        NU_STR_INIT("PROXY TCP6 :: 5::8 1 2\r\n"), NU_STR_INIT("PROXY TCP6 1:: ff02::1 1 2\r\n"),
    };
    static const nu_str wrong_v2[] = {
        NU_STR_INIT(SIGNATURE "\x21\x00\0\0"), NU_STR_INIT(SIGNATURE "\x21\x31\0\xd8"),
        NU_STR_INIT(SIGNATURE "\x21\x11\0\x0e" V4 "\xea\0"), NU_STR_INIT(SIGNATURE "\x21\x11\0\x10" V4 "\xea\0\2a"),
    };
    struct rig r;
    rig_init(&r, "{}");
    for (size_t i = 0; i < NU_ARRAY_LEN(wrong); i++)
        assert_int_equal(one(&r, wrong[i]), NU_LF_REFUSE);
    for (size_t i = 0; i < NU_ARRAY_LEN(wrong_v2); i++)
        assert_int_equal(one(&r, wrong_v2[i]), NU_LF_REFUSE);
    assert_int_equal(one(&r, NU_STR("GET / HTTP/1.1\r\n\r\n")), NU_LF_REFUSE);
    assert_int_equal(VERSION(&r, "v1", error), NU_ARRAY_LEN(wrong));
    assert_int_equal(VERSION(&r, "v2", error), NU_ARRAY_LEN(wrong_v2));
    assert_int_equal(GENERAL(&r, not_found_disallowed), 1);
    assert_int_equal(ERRORS(&r), NU_ARRAY_LEN(wrong) + NU_ARRAY_LEN(wrong_v2) + 1);
    rig_end(&r);
}

static void a_peer_that_leaves_is_noticed(void **state)
{
    (void)state;
    static const nu_str begun[] = {NU_STR_INIT(""), NU_STR_INIT("PROXY TC"), NU_STR_INIT(SIGNATURE "\x21\x11\xff\xff" V4)};
    struct rig r;
    rig_init(&r, "{}");
    for (size_t i = 0; i < NU_ARRAY_LEN(begun); i++) {
        connect_(&r);
        send_(&r, begun[i]);
        close(r.peer);
        r.peer = -1;
        assert_int_equal(run(&r), NU_LF_REMOTE_CLOSE);
    }
    rig_end(&r);
}

static void what_may_be_missing_is_left_alone(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, "{allow_requests_without_proxy_protocol: true, disallowed_versions: [V1]}");
    assert_int_equal(one(&r, NU_STR("GET /")), NU_LF_CONTINUE);
    expect_rest(&r, "GET /");
    assert_int_equal(one(&r, NU_STR("PROXY UNKNOWN\r\n")), NU_LF_CONTINUE);
    expect_rest(&r, "PROXY UNKNOWN\r\n");
    assert_int_equal(one(&r, NU_STR("\r\n\r\n")), NU_LF_WAIT);
    assert_int_equal(GENERAL(&r, not_found_allowed), 2);
    rig_end(&r);
    rig_init(&r, "{disallowed_versions: [V1]}");
    assert_int_equal(one(&r, NU_STR("PROXY UNKNOWN\r\n")), NU_LF_REFUSE);
    assert_int_equal(VERSION(&r, "v1", found), 1);
    assert_int_equal(VERSION(&r, "v1", disallowed), 1);
    assert_int_equal(ERRORS(&r), 0);
    rig_end(&r);
}

static void tlvs_become_metadata_and_are_kept(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, "{rules: [{tlv_type: 0xea, on_tlv_present: {key: k}},"
                 " {tlv_type: 1, on_tlv_present: {key: l, metadata_namespace: ns}}],"
                 " pass_through_tlvs: {match_type: INCLUDE, tlv_type: [234, 2]}}");
    nu_str in = NU_STR(SIGNATURE "\x21\x11\0\x1d" V4 "\xea\0\2aa\xea\0\1b\x01\0\0\x02\0\2zz");
    assert_int_equal(one(&r, in), NU_LF_CONTINUE);
    const struct nu_dynamic_metadata *m = nu_conn_details(r.acc.info)->metadata;
    assert_true(nu_str_eq(m->filter, NU_STR("ns")));
    assert_int_equal(m->fields->fields[0].value->string_value.len, 0);
    m = m->next;
    assert_true(nu_str_eq(m->filter, NU_STR("envoy.filters.listener.proxy_protocol")));
    assert_int_equal(m->fields->n_fields, 1);
    assert_true(nu_str_eq(m->fields->fields[0].value->string_value, NU_STR("aa")));
    struct nu_proxy_data data = nu_proxy_data_of(r.acc.info);
    assert_int_equal(data.n_tlvs, 3);
    assert_true(nu_str_eq(data.tlvs[2].value, NU_STR("zz")));
    rig_end(&r);
}

static void many_tlvs_are_taken_in_as_they_come(void **state)
{
    (void)state;
    static char in[NU_PP_V2_FIXED + 65535] = SIGNATURE "\x21\x11\xff\xff" V4 "\xea\xff\xf0";
    struct rig r;
    rig_init(&r, "{pass_through_tlvs: {}}");
    connect_(&r);
    enum nu_lf_status got = NU_LF_WAIT;
    for (size_t at = 0; at < sizeof(in); at += 1000) {
        assert_int_equal(got, NU_LF_WAIT);
        send_(&r, nu_str_make(in + at, nu_min(sizeof(in) - at, (size_t)1000)));
        got = run(&r);
    }
    assert_int_equal(got, NU_LF_CONTINUE);
    struct nu_proxy_data data = nu_proxy_data_of(r.acc.info);
    assert_int_equal(data.n_tlvs, 1);
    assert_int_equal(data.tlvs[0].value.len, 0xfff0);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_replaces_the_peer),       cmocka_unit_test(a_header_may_come_in_pieces),
        cmocka_unit_test(what_is_wrong_is_refused_and_counted), cmocka_unit_test(a_peer_that_leaves_is_noticed),
        cmocka_unit_test(what_may_be_missing_is_left_alone),  cmocka_unit_test(tlvs_become_metadata_and_are_kept),
        cmocka_unit_test(many_tlvs_are_taken_in_as_they_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
