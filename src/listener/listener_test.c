/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners in one process: real sockets, a worker whose loop the test turns, a filter that echoes. */
#include "listener/listener.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "listener/listener_stats.h"
#include "stats/stats.h"
#include "worker/runtime.h"

static struct nu_workers *all;
static struct nu_server server;
static struct nu_listener_manager *lm;
static struct nu_diags diags;

/* ---- a chain that greets with its name and echoes ---- */

struct echo_conf {
    struct nu_net_filter_conf base;
    const char *greeting;
};

struct echo {
    struct nu_net_filter base;
    const struct echo_conf *conf;
};

static enum nu_filter_status echo_new(struct nu_net_filter *f)
{
    const struct echo *e = nu_container_of(f, struct echo, base);
    struct nu_buf hello = {0};
    nu_buf_add_str(&hello, &f->conn->worker->bufs, nu_str_from(e->conf->greeting));
    nu_conn_write(f->conn, &hello, false);
    return NU_FILTER_CONTINUE;
}

static enum nu_filter_status echo_data(struct nu_net_filter *f, struct nu_buf *data, bool end)
{
    nu_conn_write(f->conn, data, end);
    return NU_FILTER_STOP;
}

static const struct nu_net_filter_ops echo_ops = {.on_new_connection = echo_new, .on_data = echo_data};

static void echo_attach(const struct nu_net_filter_conf *conf, struct nu_conn *c)
{
    struct echo *e = nu_arena_new(&c->arena, struct echo);
    e->base.ops = &echo_ops;
    e->conf = (const struct echo_conf *)conf; /* base is first */
    nu_conn_add_filter(c, &e->base);
}

static struct nu_filter_chain *chain(const char *greeting, uint64_t hash)
{
    struct nu_filter_chain *c = nu_filter_chain_new();
    struct echo_conf *e = nu_arena_new(&c->arena, struct echo_conf);
    e->base.attach = echo_attach;
    e->greeting = greeting;
    c->filters = nu_arena_array(&c->arena, const struct nu_net_filter_conf *, 1);
    c->filters[0] = &e->base;
    c->n_filters = 1;
    c->hash = hash;
    return c;
}

static struct nu_listener_conf *conf(const char *name, struct nu_address *address, uint64_t hash,
                                     struct nu_filter_chain *c)
{
    struct nu_listener_conf *l = nu_listener_conf_new();
    l->name = nu_str_from(name);
    l->stat_name = NU_STR("test");
    l->hash = hash;
    l->rest_hash = 7;
    l->addresses = nu_arena_array(&l->arena, struct nu_address *, 1);
    l->addresses[0] = nu_address_ref(address);
    l->n_addresses = 1;
    l->socket.reuse_port = true;
    l->default_chain = c;
    return l;
}

static void turns(unsigned n)
{
    while (n-- > 0) {
        nu_loop_turn(nu_workers_main(all)->loop, NU_MS(0));
        nu_loop_turn(all->workers[0].loop, NU_MS(0));
    }
}

static struct nu_address *loopback(void)
{
    struct nu_sockaddr a;
    assert_true(nu_sockaddr_parse_ip(NU_STR("127.0.0.1"), 0, &a));
    return nu_address_from_sock(&a);
}

static int set_up(void **state)
{
    (void)state;
    all = nu_workers_new(1);
    server = (struct nu_server){.workers = all, .stats = nu_stats_new(2), .drain_time_ms = 20};
    all->stats = server.stats;
    lm = nu_listener_manager_new(&server);
    nu_diags_init(&diags);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nu_listener_manager_free(&lm);
    nu_workers_free(&all);
    nu_stats_free(&server.stats);
    nu_diags_clear(&diags);
    return 0;
}

static void apply(struct nu_listener_conf *c)
{
    assert_true(nu_listener_manager_apply(lm, &c, 1, NULL, 0, &diags));
    turns(3);
}

static void start(void)
{
    assert_true(nu_listener_manager_start(lm, &diags));
    turns(3);
}

static struct nu_sockaddr bound;

static void note_address(const struct nu_listener_status *s, void *arg)
{
    (void)arg;
    bound = s->addresses[0]->sock;
}

static int client(void)
{
    nu_listener_manager_each(lm, note_address, NULL);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)!connect(fd, &bound.any, nu_sockaddr_len(&bound));
    turns(4);
    return fd;
}

static void hears(int fd, const char *text)
{
    char buf[64];
    ssize_t n = read(fd, buf, sizeof(buf));
    assert_int_equal(n, (ssize_t)strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static uint64_t stat(unsigned index)
{
    struct nu_scope *s = nu_scope_get(server.stats, &nu_listener_layout, NU_STR("listener.test."),
                                      NU_STR("listener."), NULL, 0);
    bool used;
    uint64_t v = nu_stat_read(s, index, &used);
    nu_scope_unref(&s);
    return v;
}

static void accepts_echoes_and_counts(void **state)
{
    (void)state;
    struct nu_address *a = loopback();
    apply(conf("one", a, 1, chain("hi", 1)));
    start();
    int fd = client();
    hears(fd, "hi");
    assert_int_equal(write(fd, "ping", 4), 4);
    turns(3);
    hears(fd, "ping");
    assert_int_equal(stat(NU_LISTENER_downstream_cx_total), 1);
    assert_int_equal(stat(NU_LISTENER_downstream_cx_active), 1);
    assert_int_equal(nu_listener_manager_n_connections(lm), 1);
    close(fd);
    turns(3);
    assert_int_equal(stat(NU_LISTENER_downstream_cx_active), 0);
    assert_int_equal(stat(NU_LISTENER_downstream_cx_destroy), 1);
    nu_address_unref(&a);
}

static void an_update_of_chains_drains_only_the_old_ones(void **state)
{
    (void)state;
    struct nu_address *a = loopback();
    apply(conf("one", a, 1, chain("old", 1)));
    start();
    int before = client();
    hears(before, "old");
    struct nu_listener_conf *next = conf("one", a, 2, chain("new", 2));
    apply(next);
    int after = client();
    hears(after, "new");
    assert_int_equal(write(before, "x", 1), 1);
    turns(3);
    hears(before, "x");
    usleep(30000);
    turns(5);
    hears(before, "");
    assert_int_equal(write(after, "y", 1), 1);
    turns(3);
    hears(after, "y");
    close(before);
    close(after);
    nu_address_unref(&a);
}

static void an_unchanged_chain_keeps_its_connections(void **state)
{
    (void)state;
    struct nu_address *a = loopback();
    struct nu_filter_chain *kept = chain("kept", 1);
    apply(conf("one", a, 1, kept));
    start();
    int fd = client();
    hears(fd, "kept");
    assert_ptr_equal(nu_listener_manager_chain(lm, NU_STR("one"), 7, 1), kept);
    assert_null(nu_listener_manager_chain(lm, NU_STR("one"), 8, 1));
    apply(conf("one", a, 2, nu_filter_chain_ref(kept)));
    usleep(30000);
    turns(5);
    assert_int_equal(write(fd, "y", 1), 1);
    turns(3);
    hears(fd, "y");
    close(fd);
    nu_address_unref(&a);
}

static void removal_stops_listening_at_once_and_closes_after_the_drain(void **state)
{
    (void)state;
    struct nu_address *a = loopback();
    apply(conf("one", a, 1, chain("hi", 1)));
    start();
    int fd = client();
    hears(fd, "hi");
    nu_str name = NU_STR("one");
    assert_true(nu_listener_manager_apply(lm, NULL, 0, &name, 1, &diags));
    turns(4);
    int refused = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(refused, &bound.any, nu_sockaddr_len(&bound)), -1);
    close(refused);
    assert_int_equal(write(fd, "y", 1), 1);
    turns(3);
    hears(fd, "y");
    usleep(30000);
    turns(5);
    hears(fd, "");
    close(fd);
    nu_address_unref(&a);
}

static void nothing_of_a_bad_batch_is_applied(void **state)
{
    (void)state;
    int taken = socket(AF_INET, SOCK_STREAM, 0);
    struct nu_sockaddr sock;
    assert_true(nu_sockaddr_parse_ip(NU_STR("127.0.0.1"), 0, &sock));
    assert_int_equal(bind(taken, &sock.any, nu_sockaddr_len(&sock)), 0);
    assert_int_equal(listen(taken, 1), 0);
    socklen_t len = sizeof(sock);
    getsockname(taken, &sock.any, &len);
    struct nu_address *a = loopback(), *b = nu_address_from_sock(&sock);
    struct nu_listener_conf *batch[] = {conf("one", a, 1, chain("a", 1)), conf("two", b, 2, chain("b", 2))};
    assert_false(nu_listener_manager_apply(lm, batch, 2, NULL, 0, &diags));
    assert_int_equal(diags.n, 1);
    bound.family = AF_UNSPEC;
    nu_listener_manager_each(lm, note_address, NULL);
    assert_int_equal(bound.family, AF_UNSPEC);
    struct nu_listener_conf *same[] = {conf("one", b, 1, chain("a", 1)), conf("two", b, 2, chain("b", 2))};
    assert_false(nu_listener_manager_apply(lm, same, 2, NULL, 0, &diags));
    close(taken);
    nu_address_unref(&a);
    nu_address_unref(&b);
}

static void the_global_limit_closes_what_is_too_much(void **state)
{
    (void)state;
    struct nu_address *a = loopback();
    apply(conf("one", a, 1, chain("hi", 1)));
    start();
    nu_listener_manager_set_global_limit(lm, 1);
    int one = client(), two = client();
    hears(one, "hi");
    hears(two, "");
    assert_int_equal(stat(NU_LISTENER_downstream_global_cx_overflow), 1);
    assert_int_equal(stat(NU_LISTENER_downstream_cx_total), 1);
    close(one);
    close(two);
    turns(3);
    nu_address_unref(&a);
}

static void without_a_chain_the_connection_is_closed_and_counted(void **state)
{
    (void)state;
    struct nu_address *a = loopback();
    apply(conf("one", a, 1, NULL));
    start();
    int fd = client();
    hears(fd, "");
    assert_int_equal(stat(NU_LISTENER_no_filter_chain_match), 1);
    close(fd);
    nu_address_unref(&a);
}

static void out_of_descriptors_clients_wait(void **state)
{
    (void)state;
    struct nu_address *a = loopback();
    apply(conf("one", a, 1, chain("hi", 1)));
    start();
    nu_listener_manager_each(lm, note_address, NULL);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct rlimit old, tight;
    getrlimit(RLIMIT_NOFILE, &old);
    tight = old;
    tight.rlim_cur = (rlim_t)fd + 1;
    setrlimit(RLIMIT_NOFILE, &tight);
    (void)!connect(fd, &bound.any, nu_sockaddr_len(&bound));
    turns(4);
    setrlimit(RLIMIT_NOFILE, &old);
    char c;
    assert_int_equal(read(fd, &c, 1), -1);
    usleep(120000);
    turns(4);
    hears(fd, "hi");
    close(fd);
    turns(2);
    nu_address_unref(&a);
}

static void unix_sockets_work_by_path_and_by_abstract_name(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof(name), "@nuncio-test-%d", (int)getpid());
    struct nu_address *a = nu_address_unix(nu_str_from(name), 0);
    apply(conf("one", a, 1, chain("hi", 1)));
    start();
    struct sockaddr_storage ss;
    socklen_t len = nu_address_sockaddr(a, &ss);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
    turns(4);
    hears(fd, "hi");
    close(fd);
    turns(2);
    nu_address_unref(&a);
}

/* What these tests do not need of the layers above and beside. */
__attribute__((weak)) void nu_access_logs_run(const struct nu_access_logs *logs, const struct nu_log_entry *e)
{
    (void)logs;
    (void)e;
}
__attribute__((weak)) bool nu_runtime_has_keys(const struct nu_runtime *rt)
{
    return rt != NULL;
}
__attribute__((weak)) uint64_t nu_runtime_u64(const struct nu_runtime *rt, nu_str key, uint64_t fallback)
{
    (void)rt;
    (void)key;
    return fallback;
}

static void port_0_is_another_port_for_each_listener(void **state)
{
    (void)state;
    struct nu_address *a = loopback();
    apply(conf("one", a, 1, chain("one", 1)));
    start();
    int one = client();
    struct nu_sockaddr first = bound;
    apply(conf("two", a, 2, chain("two", 2)));
    int two = client(); /* the last one listed */
    assert_int_not_equal(nu_sockaddr_port(&bound), nu_sockaddr_port(&first));
    hears(one, "one");
    hears(two, "two");
    apply(conf("two", a, 3, chain("three", 3)));
    struct nu_sockaddr second = bound;
    int three = client();
    assert_true(nu_sockaddr_eq(&bound, &second)); /* an update keeps its port */
    hears(three, "three");
    close(one);
    close(two);
    close(three);
    nu_address_unref(&a);
}

static void the_main_thread_s_listener_is_apart(void **state)
{
    (void)state;
    struct nu_address *a = loopback();
    struct nu_listener_conf *admin = conf("one", a, 9, chain("admin", 9));
    const nu_str name = NU_STR("one");
    admin->on_main = true;
    apply(admin);
    assert_non_null(nu_listener_manager_main_address(lm)); /* before the others start */
    bound = (struct nu_sockaddr){0};
    nu_listener_manager_each(lm, note_address, NULL);
    assert_int_equal(bound.family, AF_UNSPEC);
    apply(conf("one", a, 1, chain("one", 1)));
    start();
    int fd = client();
    hears(fd, "one");
    assert_true(nu_listener_manager_apply(lm, NULL, 0, &name, 1, &diags));
    turns(3);
    assert_non_null(nu_listener_manager_main_address(lm));
    close(fd);
    nu_address_unref(&a);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(accepts_echoes_and_counts),
        T(an_update_of_chains_drains_only_the_old_ones),
        T(an_unchanged_chain_keeps_its_connections),
        T(removal_stops_listening_at_once_and_closes_after_the_drain),
        T(nothing_of_a_bad_batch_is_applied),
        T(the_global_limit_closes_what_is_too_much),
        T(without_a_chain_the_connection_is_closed_and_counted),
        T(out_of_descriptors_clients_wait),
        T(unix_sockets_work_by_path_and_by_abstract_name),
        T(port_0_is_another_port_for_each_listener),
        T(the_main_thread_s_listener_is_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
