/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "tls/info.h"
#include "tls/test_pki.h"

/* Two ends in memory that have shaken hands. */
struct pair {
    struct nu_arena arena;
    struct test_cert root, server, client;
    SSL *ends[2];
    struct nu_tls_info near, far; /* the server's view, the client's */
};

static int take_all(X509_STORE_CTX *ctx, void *arg)
{
    (void)ctx, (void)arg;
    return 1;
}

static SSL *make_end(const struct test_cert *own, const struct test_cert *extra)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    SSL_CTX_set_cert_verify_callback(ctx, take_all, NULL);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (own != NULL)
        assert_true(SSL_CTX_use_certificate(ctx, own->x) == 1 && SSL_CTX_use_PrivateKey(ctx, own->key) == 1);
    if (extra != NULL)
        SSL_CTX_add1_chain_cert(ctx, extra->x);
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    return ssl;
}

static void shake(struct pair *p)
{
    BIO *a, *b;
    assert_true(BIO_new_bio_pair(&a, 0, &b, 0));
    SSL_set_bio(p->ends[0], a, a);
    SSL_set_bio(p->ends[1], b, b);
    SSL_set_accept_state(p->ends[0]);
    SSL_set_connect_state(p->ends[1]);
    SSL_set_tlsext_host_name(p->ends[1], "server.example.com");
    int done = 0;
    for (int turn = 0; turn < 10 && !done; turn++)
        done = (SSL_do_handshake(p->ends[1]) == 1) & (SSL_do_handshake(p->ends[0]) == 1);
    assert_true(done);
}

static void begin(struct pair *p, bool with_client)
{
    *p = (struct pair){0};
    nu_arena_init(&p->arena, NULL);
    p->root = test_cert(&p->arena, (struct test_spec){.cn = "Root, \"CA\"", .ca = true, .serial = 0x0a});
    p->server = test_cert(&p->arena, (struct test_spec){.cn = "server", .san = "URI:spiffe://s,DNS:server.example.com",
                                                        .issuer = &p->root});
    p->client = test_cert(&p->arena, (struct test_spec){
                                         .cn = "K\xc3\xb6ln+x",
                                         .san = "DNS:a,URI:spiffe://c/d,DNS:b,IP:1.2.3.4,IP:1::2,email:m@x,"
                                                "otherName:1.2.3;UTF8:other",
                                         .issuer = &p->root,
                                         .serial = 0x0abc,
                                     });
    p->ends[0] = make_end(&p->server, NULL);
    p->ends[1] = make_end(with_client ? &p->client : NULL, with_client ? &p->root : NULL);
    shake(p);
    p->near = (struct nu_tls_info){.ssl = p->ends[0], .local = p->server.x};
    p->far = (struct nu_tls_info){.ssl = p->ends[1], .local = with_client ? p->client.x : NULL};
}

static void end(struct pair *p)
{
    SSL_free(p->ends[0]);
    SSL_free(p->ends[1]);
    nu_arena_clear(&p->arena);
}

static void assert_text(nu_str got, const char *want)
{
    print_message("%.*s\n", NU_STR_ARG(got));
    assert_non_null(got.ptr);
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}

static void tells_what_was_negotiated(void **state)
{
    (void)state;
    struct pair p;
    begin(&p, true);
    assert_text(nu_tls_info_text(&p.near, NU_TLS_VERSION, &p.arena), "TLSv1.3");
    assert_text(nu_tls_info_text(&p.near, NU_TLS_SNI, &p.arena), "server.example.com");
    assert_text(nu_tls_info_text(&p.far, NU_TLS_SNI, &p.arena), "server.example.com");
    assert_true(nu_str_starts(nu_tls_info_text(&p.near, NU_TLS_CIPHER, &p.arena), NU_STR("TLS_")));
    assert_true(nu_tls_info_text(&p.far, NU_TLS_CURVE, &p.arena).len > 0);
    assert_null(nu_tls_info_text(&p.near, NU_TLS_ALPN, &p.arena).ptr);
    end(&p);
}

static void names_the_peer_as_envoy_prints_it(void **state)
{
    (void)state;
    static const struct {
        enum nu_tls_fact what;
        const char *want;
    } rows[] = {
        {NU_TLS_PEER_SUBJECT, "CN=K\\C3\\B6ln\\+x"},
        {NU_TLS_PEER_ISSUER, "CN=Root\\, \\\"CA\\\""},
        {NU_TLS_PEER_SERIAL, "0abc"},
        {NU_TLS_PEER_CHAIN_SERIALS, "0abc,0a"},
        {NU_TLS_PEER_URI_SANS, "spiffe://c/d"},
        {NU_TLS_PEER_DNS_SANS, "a,b"},
        {NU_TLS_PEER_IP_SANS, "1.2.3.4,1::2"},
        {NU_TLS_PEER_EMAIL_SANS, "m@x"},
        {NU_TLS_PEER_OTHERNAME_SANS, "other"},
        {NU_TLS_LOCAL_SUBJECT, "CN=server"},
        {NU_TLS_LOCAL_URI_SANS, "spiffe://s"},
        {NU_TLS_LOCAL_DNS_SANS, "server.example.com"},
    };
    struct pair p;
    begin(&p, true);
    assert_true(nu_tls_info_has_peer(&p.near));
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++)
        assert_text(nu_tls_info_text(&p.near, rows[i].what, &p.arena), rows[i].want);
    assert_null(nu_tls_info_text(&p.near, NU_TLS_LOCAL_IP_SANS, &p.arena).ptr);
    assert_text(nu_tls_info_text(&p.far, NU_TLS_PEER_SUBJECT, &p.arena), "CN=server");
    assert_text(nu_tls_info_text(&p.far, NU_TLS_LOCAL_URI_SANS, &p.arena), "spiffe://c/d");
    int64_t from = 0, to = 0;
    assert_true(nu_tls_info_peer_validity(&p.near, &from, &to));
    assert_int_equal(to - from, 2 * TEST_DAY);
    end(&p);
}

static void gives_certificates_as_text(void **state)
{
    (void)state;
    struct pair p;
    begin(&p, true);
    size_t n;
    const nu_str *pems = nu_tls_info_chain_pem(&p.near, &p.arena, &n);
    assert_int_equal(n, 2);
    assert_true(nu_str_eq(pems[0], p.client.pem));
    assert_true(nu_str_eq(pems[1], p.root.pem));
    nu_str one = nu_tls_info_text(&p.near, NU_TLS_PEER_CERT, &p.arena);
    nu_str all = nu_tls_info_text(&p.near, NU_TLS_PEER_CHAIN, &p.arena);
    assert_true(nu_str_starts(one, NU_STR("-----BEGIN%20CERTIFICATE-----%0AMII")));
    assert_true(nu_str_ends(one, NU_STR("-----END%20CERTIFICATE-----%0A")));
    assert_true(nu_str_starts(all, one) && all.len > one.len);
    for (size_t i = 0; i < all.len; i++)
        assert_null(memchr("\n +/=", all.ptr[i], 5));
    assert_int_equal(nu_tls_info_text(&p.near, NU_TLS_PEER_FINGERPRINT_256, &p.arena).len, 64);
    assert_int_equal(nu_tls_info_text(&p.near, NU_TLS_PEER_FINGERPRINT_1, &p.arena).len, 40);
    assert_int_equal(nu_tls_info_text(&p.near, NU_TLS_PEER_CHAIN_FINGERPRINTS_256, &p.arena).len, 129);
    assert_int_equal(nu_tls_info_text(&p.near, NU_TLS_PEER_CHAIN_FINGERPRINTS_1, &p.arena).len, 81);
    end(&p);
}

static void has_nothing_to_say_of_who_showed_nothing(void **state)
{
    (void)state;
    struct pair p;
    begin(&p, false);
    int64_t from, to;
    size_t n = 1;
    assert_false(nu_tls_info_has_peer(&p.near));
    assert_false(nu_tls_info_peer_validity(&p.near, &from, &to));
    for (int what = NU_TLS_PEER_SUBJECT; what < NU_TLS_LOCAL_SUBJECT; what++)
        assert_null(nu_tls_info_text(&p.near, (enum nu_tls_fact)what, &p.arena).ptr);
    (void)nu_tls_info_sans(&p.near, NU_TLS_PEER_URI_SANS, &p.arena, &n);
    assert_int_equal(n, 0);
    assert_null(nu_tls_info_text(&(struct nu_tls_info){0}, NU_TLS_VERSION, &p.arena).ptr);
    assert_false(nu_tls_info_has_peer(&(struct nu_tls_info){0}));
    end(&p);
}

static void a_kept_copy_outlives_the_connection(void **state)
{
    (void)state;
    struct pair p;
    struct nu_arena record;
    nu_arena_init(&record, NULL);
    begin(&p, true);
    const struct nu_tls_info *kept = nu_tls_info_keep(&p.near, &record);
    end(&p);
    assert_text(nu_tls_info_text(kept, NU_TLS_PEER_SERIAL, &record), "0abc");
    assert_text(nu_tls_info_text(kept, NU_TLS_LOCAL_SUBJECT, &record), "CN=server");
    assert_text(nu_tls_info_text(kept, NU_TLS_VERSION, &record), "TLSv1.3");
    assert_text(nu_tls_info_text(kept, NU_TLS_SNI, &record), "server.example.com");
    assert_true(nu_tls_info_text(kept, NU_TLS_CIPHER, &record).len > 0);
    assert_true(nu_tls_info_text(kept, NU_TLS_CURVE, &record).len > 0);
    nu_arena_clear(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_was_negotiated),
        cmocka_unit_test(names_the_peer_as_envoy_prints_it),
        cmocka_unit_test(gives_certificates_as_text),
        cmocka_unit_test(has_nothing_to_say_of_who_showed_nothing),
        cmocka_unit_test(a_kept_copy_outlives_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
