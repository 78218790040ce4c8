/* SPDX-License-Identifier: Apache-2.0
 *
 * The resolver against a server on the same loop, which answers by what the first label of a name says. */
#include "net/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "event/loop.h"
#include "net/dns_stats.h"
#include "stats/stats.h"

#define A 1
#define AAAA 28
#define NXDOMAIN 3
#define SERVFAIL 2
#define MOST_TURNS 2000

static const struct {
    const char *label; /* of the name; answers by kind: how many addresses, or a response code */
    unsigned n_a, n_aaaa, code, ttl;
    bool silent;
} zone[] = {
    {.label = "four", .n_a = 2, .ttl = 300},
    {.label = "six", .n_aaaa = 1, .ttl = 7},
    {.label = "both", .n_a = 1, .n_aaaa = 2, .ttl = 5},
    {.label = "many", .n_a = 28, .ttl = 1},
    {.label = "empty"},
    {.label = "gone", .code = NXDOMAIN},
    {.label = "broken", .code = SERVFAIL},
    {.label = "silent", .silent = true},
};

struct fixture {
    struct nu_loop *loop;
    struct nu_stats *stats;
    struct nu_resolver *resolver;
    struct nu_watch server;
    unsigned asked[2]; /* A, AAAA */
    struct nu_dns_query query;
    bool done, ok, in_call; /* in_call: nu_dns_resolve is on the stack */
    unsigned n_done;
    size_t n, n_v4;
    struct nu_dns_answer first;
};

/* ---- the server ---- */

static uint8_t *put16(uint8_t *p, unsigned v)
{
    *p++ = (uint8_t)(v >> 8);
    *p++ = (uint8_t)v;
    return p;
}

static uint8_t *put_answer(uint8_t *p, unsigned kind, unsigned i, unsigned ttl)
{
    unsigned len = kind == A ? 4 : 16;
    p = put16(p, 0xc00c); /* the name of the question */
    p = put16(p, kind);
    p = put16(p, 1);
    p = put16(p, 0);
    p = put16(p, ttl);
    p = put16(p, len);
    memset(p, 0, len);
    p[0] = kind == A ? 10 : 0xfd;
    p[len - 1] = (uint8_t)(i + 1);
    return p + len;
}

/* Length of the answer in place of the query; 0: none. */
static size_t answer(struct fixture *f, uint8_t *msg, size_t len)
{
    size_t label_len = msg[12], row = 0, name_end = 12;
    while (name_end < len && msg[name_end] != 0)
        name_end += msg[name_end] + 1u;
    unsigned kind = msg[name_end + 1] * 256u + msg[name_end + 2];
    while (row < NU_ARRAY_LEN(zone) && !nu_str_eq(nu_str_make(msg + 13, label_len), nu_str_from(zone[row].label)))
        row++;
    f->asked[kind == AAAA]++;
    if (row == NU_ARRAY_LEN(zone) || zone[row].silent)
        return 0;
    unsigned n = kind == A ? zone[row].n_a : zone[row].n_aaaa;
    put16(put16(msg + 2, 0x8180 | zone[row].code), 1);
    put16(put16(put16(msg + 6, n), 0), 0);
    uint8_t *p = msg + name_end + 5;
    for (unsigned i = 0; i < n; i++)
        p = put_answer(p, kind, i, zone[row].ttl + i);
    return (size_t)(p - msg);
}

static void on_query(struct nu_watch *w, uint32_t ready)
{
    struct fixture *f = nu_container_of(w, struct fixture, server);
    uint8_t msg[4096];
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof(peer);
    (void)ready;
    ssize_t n = recvfrom(w->fd, msg, 512, 0, (struct sockaddr *)&peer, &peer_len);
    size_t len = n > 12 ? answer(f, msg, (size_t)n) : 0;
    if (len > 0)
        (void)!sendto(w->fd, msg, len, 0, (struct sockaddr *)&peer, peer_len);
}

/* ---- the fixture ---- */

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct nu_sockaddr here = {.family = AF_INET};
    socklen_t len = sizeof(here.in4);
    f->loop = nu_loop_new();
    f->stats = nu_stats_new(2);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    here.in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, &here.any, len), 0);
    assert_int_equal(getsockname(fd, &here.any, &len), 0);
    nu_loop_watch_level(f->loop, &f->server, fd, NU_READABLE, false, on_query);
    struct nu_resolver_conf conf = {.servers = &here, .n_servers = 1, .no_search = true, .timeout_s = 1, .tries = 1};
    f->resolver = nu_resolver_new(f->loop, f->stats, 0, &conf);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    nu_resolver_free(&f->resolver);
    nu_loop_close(f->loop, &f->server);
    nu_loop_free(&f->loop);
    nu_stats_free(&f->stats);
    free(f);
    return 0;
}

static void on_done(struct nu_dns_query *q, bool ok, const struct nu_dns_answer *answers, size_t n)
{
    struct fixture *f = nu_container_of(q, struct fixture, query);
    assert_false(f->in_call);
    f->done = true;
    f->n_done++;
    f->ok = ok;
    f->n = n;
    f->n_v4 = 0;
    if (n > 0)
        f->first = answers[0];
    for (size_t i = 0; i < n; i++) {
        f->n_v4 += answers[i].sock.family == AF_INET;
        assert_int_equal(nu_sockaddr_port(&answers[i].sock), 0);
    }
}

static void start(struct fixture *f, nu_str name, enum nu_dns_family family)
{
    f->query = (struct nu_dns_query){.done = on_done};
    f->done = false;
    f->asked[0] = f->asked[1] = 0;
    f->in_call = true;
    nu_dns_resolve(f->resolver, &f->query, name, family);
    f->in_call = false;
}

static void finish(struct fixture *f)
{
    for (unsigned i = 0; i < MOST_TURNS && !f->done; i++)
        nu_loop_turn(f->loop, NU_MS(10));
    assert_true(f->done);
    assert_null(f->query.resolver);
}

static void ask(struct fixture *f, const char *name, enum nu_dns_family family)
{
    start(f, nu_str_from(name), family);
    finish(f);
}

static uint64_t stat(const struct fixture *f, unsigned index)
{
    struct nu_scope *s = nu_scope_get(f->stats, &nu_dns_cares_layout, NU_STR("dns.cares."), NU_STR("dns.cares."), NULL, 0);
    uint64_t v = nu_stat_read(s, index, NULL);
    nu_scope_unref(&s);
    return v;
}

/* ---- tests ---- */

static void addresses_come_with_their_ttl(void **state)
{
    struct fixture *f = *state;
    ask(f, "four.test", NU_DNS_V4_ONLY);
    assert_true(f->ok);
    assert_int_equal(f->n, 2);
    assert_int_equal(f->first.sock.family, AF_INET);
    assert_int_equal(f->first.sock.in4.sin_addr.s_addr, htonl(0x0a000001));
    assert_int_equal(f->first.ttl_s, 300);
    assert_int_equal(f->asked[1], 0);
    ask(f, "six.test", NU_DNS_V6_ONLY);
    assert_int_equal(f->n, 1);
    assert_int_equal(f->first.sock.family, AF_INET6);
    assert_int_equal(f->first.ttl_s, 7);
    assert_int_equal(f->asked[0], 0);
}

static void families(void **state)
{
    static const struct {
        const char *name;
        enum nu_dns_family family;
        size_t n, n_v4;
        bool asks_a, asks_aaaa;
    } cases[] = {
        {"both.test", NU_DNS_AUTO, 2, 0, false, true},        {"four.test", NU_DNS_AUTO, 2, 2, true, true},
        {"both.test", NU_DNS_V4_PREFERRED, 1, 1, true, false}, {"six.test", NU_DNS_V4_PREFERRED, 1, 0, true, true},
        {"both.test", NU_DNS_ALL, 3, 1, true, true},          {"four.test", NU_DNS_ALL, 2, 2, true, true},
        {"four.test", NU_DNS_V6_ONLY, 0, 0, false, true},     {"six.test", NU_DNS_V4_ONLY, 0, 0, true, false},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        ask(f, cases[i].name, cases[i].family);
        assert_true(f->ok);
        assert_int_equal(f->n, cases[i].n);
        assert_int_equal(f->n_v4, cases[i].n_v4);
        assert_int_equal(f->asked[0] > 0, cases[i].asks_a);
        assert_int_equal(f->asked[1] > 0, cases[i].asks_aaaa);
    }
}

static void no_address_is_an_answer(void **state)
{
    static const char *const names[] = {"empty.test", "gone.test"};
    struct fixture *f = *state;
    for (size_t i = 0; i < NU_ARRAY_LEN(names); i++) {
        ask(f, names[i], NU_DNS_V4_ONLY);
        assert_true(f->ok);
        assert_int_equal(f->n, 0);
        assert_int_equal(stat(f, NU_DNS_CARES_not_found), i + 1);
    }
    assert_int_equal(stat(f, NU_DNS_CARES_get_addr_failure), 0);
}

static void no_answer_is_a_failure(void **state)
{
    struct fixture *f = *state;
    ask(f, "broken.test", NU_DNS_V4_ONLY);
    assert_false(f->ok);
    assert_int_equal(stat(f, NU_DNS_CARES_get_addr_failure), 1);
    ask(f, "silent.test", NU_DNS_V4_ONLY);
    assert_false(f->ok);
    assert_int_equal(stat(f, NU_DNS_CARES_get_addr_failure), 2);
    assert_true(stat(f, NU_DNS_CARES_timeouts) > 0);
    ask(f, "four.test", NU_DNS_V4_ONLY); /* and it goes on */
    assert_int_equal(f->n, 2);
    assert_int_equal(stat(f, NU_DNS_CARES_resolve_total), 3);
    assert_int_equal(stat(f, NU_DNS_CARES_pending_resolutions), 0);
}

/* Nothing of these reaches a server. */
static void malformed_names_fail_later(void **state)
{
    struct fixture *f = *state;
    const nu_str names[] = {NU_STR(""), NU_STR("four\0.test")};
    for (size_t i = 0; i < NU_ARRAY_LEN(names); i++) {
        start(f, names[i], NU_DNS_AUTO);
        finish(f);
        assert_false(f->ok);
        assert_int_equal(f->asked[0] + f->asked[1], 0);
    }
}

static void addresses_and_the_hosts_file_need_no_server(void **state)
{
    struct fixture *f = *state;
    ask(f, "127.0.0.9", NU_DNS_V4_ONLY);
    assert_int_equal(f->n, 1);
    assert_int_equal(f->first.sock.in4.sin_addr.s_addr, htonl(0x7f000009));
    ask(f, "localhost", NU_DNS_V4_ONLY);
    assert_true(f->ok && f->n >= 1);
    assert_int_equal(f->first.sock.in4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_int_equal(f->asked[0] + f->asked[1], 0);
}

static void a_cancelled_query_is_not_heard_of(void **state)
{
    struct fixture *f = *state;
    start(f, NU_STR("four.test"), NU_DNS_V4_ONLY);
    nu_dns_cancel(&f->query);
    nu_dns_cancel(&f->query);
    start(f, NU_STR("both.test"), NU_DNS_V4_ONLY);
    finish(f);
    for (unsigned i = 0; i < 20 && stat(f, NU_DNS_CARES_pending_resolutions) > 0; i++)
        nu_loop_turn(f->loop, NU_MS(10));
    assert_int_equal(f->n_done, 1);
    assert_int_equal(f->n, 1);
    assert_int_equal(stat(f, NU_DNS_CARES_pending_resolutions), 0);
}

static void the_resolver_may_end_while_it_waits(void **state)
{
    struct fixture *f = *state;
    start(f, NU_STR("silent.test"), NU_DNS_ALL);
    nu_loop_turn(f->loop, NU_MS(1));
    nu_dns_cancel(&f->query);
    nu_resolver_free(&f->resolver);
    nu_loop_turn(f->loop, NU_MS(1));
    assert_int_equal(f->n_done, 0);
}

static void a_copied_conf_has_its_own_servers(void **state)
{
    struct nu_sockaddr server = {.family = AF_INET};
    struct nu_resolver_conf conf = {.servers = &server, .n_servers = 1, .rotate = true};
    struct nu_resolver_conf *copy = nu_resolver_conf_copy(&conf), *empty = nu_resolver_conf_copy(NULL);
    (void)state;
    server.family = AF_INET6;
    assert_true(copy->rotate);
    assert_int_equal(copy->servers[0].family, AF_INET);
    assert_int_equal(empty->n_servers, 0);
    nu_resolver_conf_free(&copy);
    nu_resolver_conf_free(&empty);
    assert_null(copy);
}

static void many_addresses(void **state)
{
    struct fixture *f = *state;
    ask(f, "many.test", NU_DNS_V4_ONLY);
    assert_true(f->ok);
    assert_int_equal(f->n, 28);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(addresses_come_with_their_ttl, set_up, tear_down),
        cmocka_unit_test_setup_teardown(families, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_address_is_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_answer_is_a_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(malformed_names_fail_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(addresses_and_the_hosts_file_need_no_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancelled_query_is_not_heard_of, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_resolver_may_end_while_it_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copied_conf_has_its_own_servers, NULL, NULL),
        cmocka_unit_test_setup_teardown(many_addresses, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
