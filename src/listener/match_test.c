/* SPDX-License-Identifier: Apache-2.0 */
#include "listener/match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The matcher never looks into a chain: the tests use numbers. */
static struct nu_filter_chain *chain(uintptr_t n)
{
    return (struct nu_filter_chain *)n;
}

static struct nu_arena arena;
static struct nu_chain_matcher *m;

static int set_up(void **state)
{
    (void)state;
    nu_arena_init(&arena, NULL);
    m = nu_chain_matcher_new(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nu_arena_clear(&arena);
    return 0;
}

static struct nu_cidr cidr(const char *ip, uint32_t bits)
{
    struct nu_cidr c;
    assert_true(nu_cidr_make(nu_str_from(ip), bits, &c));
    return c;
}

struct who {
    const char *remote, *local, *sni;
    uint16_t remote_port, local_port;
    const char *transport;
};

static uintptr_t match(struct who who)
{
    struct nu_conn_details details = {0};
    struct nu_conn_info info = {.details = &details};
    struct nu_sockaddr local;
    assert_true(nu_sockaddr_parse_ip(nu_str_from(who.local ? who.local : "10.0.0.1"), who.local_port, &local));
    assert_true(
        nu_sockaddr_parse_ip(nu_str_from(who.remote ? who.remote : "192.168.1.1"), who.remote_port, &info.remote));
    info.local = nu_address_from_sock(&local);
    if (who.sni != NULL)
        details.requested_server_name = nu_str_from(who.sni);
    if (who.transport != NULL)
        details.transport_protocol = nu_str_from(who.transport);
    uintptr_t got = (uintptr_t)nu_chain_match(m, &info);
    nu_address_unref(&info.local);
    return got;
}

static void no_criteria_match_everything(void **state)
{
    (void)state;
    assert_int_equal(match((struct who){0}), 0);
    assert_null(nu_chain_matcher_add(m, &(struct nu_chain_criteria){0}, chain(1)));
    assert_int_equal(match((struct who){0}), 1);
    assert_int_equal(match((struct who){.remote = "::1", .local = "::1"}), 1);
}

static void the_longest_prefix_wins_and_there_is_no_way_back(void **state)
{
    (void)state;
    struct nu_cidr wide = cidr("10.0.0.0", 8), narrow = cidr("10.1.0.0", 16);
    struct nu_chain_criteria a = {.destination_ips = &wide, .n_destination_ips = 1};
    uint32_t port = 1000;
    struct nu_chain_criteria b = {
        .destination_ips = &narrow, .n_destination_ips = 1, .source_ports = &port, .n_source_ports = 1};
    assert_null(nu_chain_matcher_add(m, &a, chain(1)));
    assert_null(nu_chain_matcher_add(m, &b, chain(2)));
    assert_int_equal(match((struct who){.local = "10.2.0.1"}), 1);
    assert_int_equal(match((struct who){.local = "10.1.0.1", .remote_port = 1000}), 2);
    assert_int_equal(match((struct who){.local = "10.1.0.1", .remote_port = 1001}), 0);
    assert_int_equal(match((struct who){.local = "11.1.0.1"}), 0);
}

static void server_names_go_from_exact_to_the_widest_wildcard(void **state)
{
    (void)state;
    nu_str exact = NU_STR("www.example.com"), wild = NU_STR(".example.com"), wider = NU_STR(".com");
    assert_null(nu_chain_matcher_add(m, &(struct nu_chain_criteria){.server_names = &exact, .n_server_names = 1},
                                     chain(1)));
    assert_null(nu_chain_matcher_add(m, &(struct nu_chain_criteria){.server_names = &wild, .n_server_names = 1},
                                     chain(2)));
    assert_null(nu_chain_matcher_add(m, &(struct nu_chain_criteria){.server_names = &wider, .n_server_names = 1},
                                     chain(3)));
    assert_int_equal(match((struct who){.sni = "www.example.com"}), 1);
    assert_int_equal(match((struct who){.sni = "a.b.example.com"}), 2);
    assert_int_equal(match((struct who){.sni = "example.com"}), 3);
    assert_int_equal(match((struct who){.sni = "example.org"}), 0);
    assert_int_equal(match((struct who){0}), 0);
}

static void source_type_tells_local_from_external(void **state)
{
    (void)state;
    assert_null(
        nu_chain_matcher_add(m, &(struct nu_chain_criteria){.source_type = NU_SOURCE_SAME_IP_OR_LOOPBACK}, chain(1)));
    assert_null(nu_chain_matcher_add(m, &(struct nu_chain_criteria){.source_type = NU_SOURCE_EXTERNAL}, chain(2)));
    assert_int_equal(match((struct who){.remote = "127.0.0.1"}), 1);
    assert_int_equal(match((struct who){.remote = "10.0.0.1"}), 1);
    assert_int_equal(match((struct who){.remote = "10.0.0.2"}), 2);
}

static void destination_port_comes_before_everything(void **state)
{
    (void)state;
    struct nu_cidr net = cidr("10.0.0.0", 24);
    assert_null(nu_chain_matcher_add(m, &(struct nu_chain_criteria){.destination_port = 80}, chain(1)));
    assert_null(nu_chain_matcher_add(m, &(struct nu_chain_criteria){.destination_ips = &net, .n_destination_ips = 1},
                                     chain(2)));
    assert_int_equal(match((struct who){.local_port = 80}), 1);
    assert_int_equal(match((struct who){.local_port = 81}), 2);
}

static void transport_protocol_is_raw_buffer_when_nobody_looked(void **state)
{
    (void)state;
    assert_null(
        nu_chain_matcher_add(m, &(struct nu_chain_criteria){.transport_protocol = NU_STR("raw_buffer")}, chain(1)));
    assert_null(nu_chain_matcher_add(m, &(struct nu_chain_criteria){.transport_protocol = NU_STR("tls")}, chain(2)));
    assert_int_equal(match((struct who){0}), 1);
    assert_int_equal(match((struct who){.transport = "tls"}), 2);
}

static void the_same_criteria_twice_are_refused(void **state)
{
    (void)state;
    uint32_t ports[] = {1, 2}, again[] = {2, 3};
    assert_null(
        nu_chain_matcher_add(m, &(struct nu_chain_criteria){.source_ports = ports, .n_source_ports = 2}, chain(7)));
    assert_ptr_equal(
        nu_chain_matcher_add(m, &(struct nu_chain_criteria){.source_ports = again, .n_source_ports = 2}, chain(8)),
        chain(7));
}

static void ten_thousand_ranges_are_one_lookup_per_length(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        struct nu_cidr net = cidr("10.0.0.0", 24);
        net.base.in4.sin_addr.s_addr = htonl(0x0a000000u + (i << 8));
        assert_null(nu_chain_matcher_add(m, &(struct nu_chain_criteria){.source_ips = &net, .n_source_ips = 1},
                                         chain(i + 1)));
    }
    assert_int_equal(match((struct who){.remote = "10.0.0.9"}), 1);
    assert_int_equal(match((struct who){.remote = "10.1.2.9"}), 259);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(no_criteria_match_everything),
        T(the_longest_prefix_wins_and_there_is_no_way_back),
        T(server_names_go_from_exact_to_the_widest_wildcard),
        T(source_type_tells_local_from_external),
        T(destination_port_comes_before_everything),
        T(transport_protocol_is_raw_buffer_when_nobody_looked),
        T(the_same_criteria_twice_are_refused),
        T(ten_thousand_ranges_are_one_lookup_per_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
