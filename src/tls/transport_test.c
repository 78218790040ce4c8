/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS connections over socket pairs: our server and our client on one loop, with hooks that answer now, later or never. */
#include "tls/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.nu.h"
#include "net/conn_priv.h"
#include "net/filter.h"
#include "net/server.h"
#include "tls/test_load.h"
#include "tls/test_pki.h"
#include "tls/tls_conn.h"
#include "tls/tls_process.h"

#define MAX_PAIRS 40u

/* One side: keeps what it reads. */
struct side {
    struct nu_net_filter base;
    struct nu_conn *conn;
    char *seen;
    size_t n_seen;
    bool connected, closed, ended;
};

struct rig {
    struct test_load load;
    struct nu_server server;
    struct nu_worker *w;
    struct nu_tls_transport down, up;
    struct nu_tls_source down_source, up_source;
    struct test_cert cert;
    struct side servers[MAX_PAIRS], clients[MAX_PAIRS];
    unsigned n_pairs;
};

static struct rig rig;

/* ---- hooks ---- */

static struct {
    enum nu_tls_answer choose, verify, sign;
    struct nu_tls_handshake *suspended;
    unsigned n_choose, n_verify, n_sign, n_gone;
    uint8_t to_sign[512];
    size_t n_to_sign;
    uint16_t sigalg;
} fake;

static enum nu_tls_answer fake_choose(struct nu_tls_handshake *h, const SSL_CLIENT_HELLO *hello)
{
    (void)hello;
    fake.n_choose++;
    fake.suspended = h;
    return fake.choose;
}

static enum nu_tls_answer fake_verify(struct nu_tls_handshake *h, STACK_OF(X509) *chain, uint8_t *alert)
{
    (void)chain;
    (void)alert;
    fake.n_verify++;
    fake.suspended = h;
    return fake.verify;
}

static size_t sign_now(const uint8_t *in, size_t n, uint8_t *out, size_t max)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx;
    size_t len = max;
    assert_int_equal(EVP_DigestSignInit(md, &pctx, SSL_get_signature_algorithm_digest(fake.sigalg), NULL, rig.cert.key), 1);
    assert_int_equal(EVP_DigestSign(md, out, &len, in, n), 1);
    EVP_MD_CTX_free(md);
    return len;
}

static enum nu_tls_answer fake_sign(struct nu_tls_handshake *h, uint16_t sigalg, const uint8_t *in, size_t n, uint8_t *out,
                                    size_t *n_out, size_t max)
{
    fake.n_sign++;
    fake.suspended = h;
    fake.sigalg = sigalg;
    if (fake.sign == NU_TLS_YES)
        *n_out = sign_now(in, n, out, max);
    assert_true(n <= sizeof(fake.to_sign));
    memcpy(fake.to_sign, in, n);
    fake.n_to_sign = n;
    return fake.sign;
}

static void fake_gone(struct nu_tls_handshake *h)
{
    (void)h;
    fake.n_gone++;
}

static const struct nu_tls_hooks choosing = {.choose = fake_choose, .on_gone = fake_gone};
static const struct nu_tls_hooks verifying = {.verify = fake_verify, .on_gone = fake_gone};
static const struct nu_tls_hooks signing = {.sign = fake_sign, .on_gone = fake_gone};

/* ---- the rig ---- */

static enum nu_filter_status on_data(struct nu_net_filter *f, struct nu_buf *data, bool end)
{
    struct side *s = nu_container_of(f, struct side, base);
    s->seen = nu_realloc(s->seen, s->n_seen + data->len + 1);
    nu_buf_copy_out(data, 0, s->seen + s->n_seen, data->len);
    s->n_seen += data->len;
    s->ended |= end;
    nu_buf_clear(data, &f->conn->worker->bufs);
    return NU_FILTER_STOP;
}

static void on_event(struct nu_net_filter *f, enum nu_conn_event ev)
{
    struct side *s = nu_container_of(f, struct side, base);
    if (ev == NU_CONN_CONNECTED)
        s->connected = true;
    else
        s->closed = true;
}

static const struct nu_net_filter_ops ops = {.on_data = on_data, .on_event = on_event};

static void make_source(struct nu_tls_source *s, struct nu_tls_transport *t, bool server)
{
    *s = (struct nu_tls_source){.process = nu_tls_process(&rig.server), .server = server};
    *t = (struct nu_tls_transport){.base = {.ops = server ? &nu_tls_ops : &nu_tls_client_ops, .secure = true}, .source = s};
}

static struct nu_tls_context *server_context(void)
{
    struct nu_arena *a = &rig.load.arena;
    nu_str yaml = nu_arena_printf(a,
                                  "common_tls_context:\n  tls_certificates:\n  - certificate_chain: {inline_string: %s}\n"
                                  "    private_key: {inline_string: %s}\n",
                                  test_quote(a, rig.cert.pem), test_quote(a, rig.cert.key_pem));
    const void *m = test_message(&rig.load, &envoy_extensions_transport_sockets_tls_v3_DownstreamTlsContext_type, yaml);
    struct nu_tls_context *c = NULL;
    assert_true(nu_tls_server_context_build(&rig.load.f, &rig.down_source, m, &c));
    return c;
}

static struct nu_tls_context *client_context(void)
{
    const void *m = test_message(&rig.load, &envoy_extensions_transport_sockets_tls_v3_UpstreamTlsContext_type,
                                 NU_STR("common_tls_context: {tls_params: {tls_maximum_protocol_version: TLSv1_3}}\n"));
    struct nu_tls_context *c = NULL;
    assert_true(nu_tls_client_context_build(&rig.load.f, &rig.up_source, m, &c));
    return c;
}

static struct nu_tls_context *context_of(struct nu_tls_source *s)
{
    return nu_slot_get(&s->slot);
}

static int set_up(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof(rig));
    memset(&fake, 0, sizeof(fake));
    test_load_begin(&rig.load);
    rig.server.workers = nu_workers_new(1);
    rig.load.f.server = &rig.server;
    rig.w = &rig.server.workers->workers[0];
    rig.cert = test_cert(&rig.load.arena, (struct test_spec){.cn = "localhost", .san = "DNS:localhost"});
    make_source(&rig.down_source, &rig.down, true);
    make_source(&rig.up_source, &rig.up, false);
    atomic_store(&rig.down_source.slot.current, server_context());
    atomic_store(&rig.up_source.slot.current, client_context());
    return 0;
}

static void turns(unsigned n)
{
    while (n-- > 0)
        nu_loop_turn(rig.w->loop, NU_MS(0));
}

static int tear_down(void **state)
{
    (void)state;
    nu_conn_close_all(rig.w);
    turns(2);
    for (unsigned i = 0; i < rig.n_pairs; i++) {
        nu_free(rig.servers[i].seen);
        nu_free(rig.clients[i].seen);
    }
    struct nu_tls_context *down = context_of(&rig.down_source), *up = context_of(&rig.up_source);
    nu_tls_context_unref(&down);
    nu_tls_context_unref(&up);
    nu_tls_process_free(&rig.server.tls);
    nu_workers_free(&rig.server.workers);
    test_load_end(&rig.load);
    return 0;
}

static void attach(struct side *s, int fd, const struct nu_tls_transport *t)
{
    s->conn = nu_conn_accepted(rig.w, fd, &t->base, 0);
    s->conn->half_close = 1;
    s->base.ops = &ops;
    nu_conn_add_filter(s->conn, &s->base);
    nu_conn_start(s->conn);
    nu_conn_write_now(s->conn); /* what connected(2) would have caused */
}

static unsigned add_pair(void)
{
    int fds[2];
    unsigned i = rig.n_pairs++;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    attach(&rig.servers[i], fds[0], &rig.down);
    attach(&rig.clients[i], fds[1], &rig.up);
    return i;
}

static void say(struct side *s, const char *text, bool end)
{
    struct nu_buf b = {0};
    nu_buf_add_str(&b, &rig.w->bufs, nu_str_from(text));
    nu_conn_write(s->conn, &b, end);
}

static void assert_seen(const struct side *s, const char *text)
{
    assert_int_equal(s->n_seen, strlen(text));
    assert_memory_equal(s->seen, text, s->n_seen);
}

static void assert_talks(unsigned i)
{
    assert_true(rig.servers[i].connected && rig.clients[i].connected);
    say(&rig.clients[i], "question", false);
    say(&rig.servers[i], "answer", false);
    turns(4);
    assert_seen(&rig.servers[i], "question");
    assert_seen(&rig.clients[i], "answer");
}

/* ---- tests ---- */

static void shakes_hands_and_talks(void **state)
{
    (void)state;
    unsigned i = add_pair();
    turns(8);
    assert_talks(i);
    assert_true(nu_conn_tls(rig.servers[i].conn->info) != NULL);
    assert_ptr_equal(nu_tls_conn_of(rig.servers[i].conn)->spill, NULL);
}

static void ends_each_half_in_order(void **state)
{
    (void)state;
    unsigned i = add_pair();
    turns(8);
    say(&rig.clients[i], "last words", true);
    turns(4);
    assert_seen(&rig.servers[i], "last words");
    assert_true(rig.servers[i].ended && !rig.servers[i].closed);
    say(&rig.servers[i], "mine", true);
    turns(4);
    assert_seen(&rig.clients[i], "mine");
    assert_true(rig.clients[i].ended);
}

static void keeps_what_the_socket_does_not_take(void **state)
{
    (void)state;
    unsigned i = add_pair();
    turns(8);
    size_t n = 4u << 20;
    char *bulk = malloc(n + 1);
    for (size_t k = 0; k < n; k++)
        bulk[k] = (char)('a' + k * 7 % 23);
    bulk[n] = '\0';
    nu_conn_read_pause(rig.clients[i].conn);
    say(&rig.servers[i], bulk, false);
    turns(4);
    assert_true(rig.servers[i].conn->transport_holds);
    nu_conn_close(rig.servers[i].conn, NU_CLOSE_FLUSH);
    turns(4);
    assert_false(rig.servers[i].closed);
    nu_conn_read_resume(rig.clients[i].conn);
    turns(400);
    assert_true(rig.servers[i].closed);
    assert_seen(&rig.clients[i], bulk);
    free(bulk);
}

static void one_expensive_step_a_turn(void **state)
{
    (void)state;
    unsigned done = 0, before = 0;
    for (unsigned i = 0; i < MAX_PAIRS; i++)
        add_pair();
    for (unsigned turn = 0; turn < 4 * MAX_PAIRS && done < MAX_PAIRS; turn++) {
        turns(1);
        done = 0;
        for (unsigned i = 0; i < MAX_PAIRS; i++)
            done += rig.servers[i].connected;
        assert_true(done <= before + 2); /* a client's last step makes the server's, which is cheap */
        before = done;
    }
    assert_int_equal(done, MAX_PAIRS);
    assert_talks(MAX_PAIRS - 1);
}

static void a_client_that_leaves_gives_up_its_turn(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++)
        add_pair();
    turns(1);
    for (unsigned i = 1; i < 5; i++)
        nu_conn_close(rig.clients[i].conn, NU_CLOSE_NOW);
    turns(40);
    assert_talks(5);
}

static void waits_for(const struct nu_tls_hooks *hooks, struct nu_tls_source *s, enum nu_tls_answer *answer)
{
    *answer = NU_TLS_LATER;
    context_of(s)->hooks = hooks;
    nu_tls_hooks_apply(context_of(s)->ctxs[0], context_of(s));
    unsigned i = add_pair();
    turns(12);
    assert_false(rig.servers[i].connected && rig.clients[i].connected);
    assert_ptr_not_equal(fake.suspended, NULL);
}

static void suspends_at_the_choice_of_a_certificate(void **state)
{
    (void)state;
    waits_for(&choosing, &rig.down_source, &fake.choose);
    nu_tls_resume(fake.suspended, NU_TLS_YES, 0);
    turns(8);
    assert_int_equal(fake.n_choose, 1);
    assert_talks(0);
}

static void suspends_at_verification(void **state)
{
    (void)state;
    waits_for(&verifying, &rig.up_source, &fake.verify);
    nu_tls_resume(fake.suspended, NU_TLS_YES, 0);
    turns(8);
    assert_int_equal(fake.n_verify, 1);
    assert_talks(0);
}

static void suspends_at_the_private_key(void **state)
{
    uint8_t signature[512];
    (void)state;
    waits_for(&signing, &rig.down_source, &fake.sign);
    size_t n = sign_now(fake.to_sign, fake.n_to_sign, signature, sizeof(signature));
    nu_tls_resume_signed(fake.suspended, signature, n);
    turns(8);
    assert_int_equal(fake.n_sign, 1);
    assert_talks(0);
}

static void hooks_may_answer_at_once(void **state)
{
    (void)state;
    fake.sign = NU_TLS_YES;
    context_of(&rig.down_source)->hooks = &signing;
    nu_tls_hooks_apply(context_of(&rig.down_source)->ctxs[0], context_of(&rig.down_source));
    unsigned i = add_pair();
    turns(8);
    assert_talks(i);
}

static void a_no_ends_the_handshake(void **state)
{
    (void)state;
    waits_for(&choosing, &rig.down_source, &fake.choose);
    nu_tls_resume(fake.suspended, NU_TLS_NO, 0);
    turns(8);
    assert_true(rig.servers[0].closed && rig.clients[0].closed);
    waits_for(&signing, &rig.down_source, &fake.sign);
    nu_tls_resume(fake.suspended, NU_TLS_NO, 0);
    turns(8);
    assert_true(rig.servers[1].closed && rig.clients[1].closed);
    assert_int_equal(fake.n_gone, 0);
}

static void who_is_asked_hears_that_nobody_waits(void **state)
{
    (void)state;
    waits_for(&signing, &rig.down_source, &fake.sign);
    nu_conn_close(rig.servers[0].conn, NU_CLOSE_NOW);
    turns(4);
    assert_int_equal(fake.n_gone, 1);
}

static void a_missing_secret_closes(void **state)
{
    (void)state;
    struct nu_tls_context *c = context_of(&rig.down_source);
    atomic_store(&rig.down_source.slot.current, NULL);
    unsigned i = add_pair();
    turns(4);
    assert_true(rig.servers[i].closed);
    atomic_store(&rig.down_source.slot.current, c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(shakes_hands_and_talks),
        TEST(ends_each_half_in_order),
        TEST(keeps_what_the_socket_does_not_take),
        TEST(one_expensive_step_a_turn),
        TEST(a_client_that_leaves_gives_up_its_turn),
        TEST(suspends_at_the_choice_of_a_certificate),
        TEST(suspends_at_verification),
        TEST(suspends_at_the_private_key),
        TEST(hooks_may_answer_at_once),
        TEST(a_no_ends_the_handshake),
        TEST(who_is_asked_hears_that_nobody_waits),
        TEST(a_missing_secret_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
