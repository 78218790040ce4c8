/* SPDX-License-Identifier: Apache-2.0
 *
 * The library is the one that we mean, is linked whole, and does what only BoringSSL's line does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

#include "tls/library.h"

static void headers_and_archive_are_of_one_version(void **state)
{
    (void)state;
    assert_string_equal(nu_tls_library(), OpenSSL_version(OPENSSL_VERSION));
}

static void ciphers_come_in_groups_of_equal_preference(void **state)
{
    (void)state;
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    assert_true(SSL_CTX_set_strict_cipher_list(
        ctx, "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:ECDHE-ECDSA-AES256-GCM-SHA384"));
    assert_false(SSL_CTX_set_strict_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256:NO-SUCH-CIPHER"));
    SSL_CTX_free(ctx);
}

static EVP_PKEY *make_key(void)
{
    EVP_PKEY *key = EVP_PKEY_new();
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    assert_true(EC_KEY_generate_key(ec) == 1 && EVP_PKEY_assign_EC_KEY(key, ec) == 1);
    return key;
}

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *x = X509_new();
    assert_true(X509_gmtime_adj(X509_getm_notBefore(x), 0) != NULL && X509_gmtime_adj(X509_getm_notAfter(x), 60) != NULL);
    assert_true(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const uint8_t *)"a", -1, -1, 0));
    assert_true(X509_set_pubkey(x, key) && X509_sign(x, key, EVP_sha256()) > 0);
    return x;
}

static void two_ends_shake_hands_in_memory(void **state)
{
    (void)state;
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    EVP_PKEY *key = make_key();
    X509 *certificate = make_certificate(key);
    assert_true(SSL_CTX_use_certificate(ctx, certificate) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1);

    SSL *client = SSL_new(ctx), *server = SSL_new(ctx);
    BIO *near, *far;
    assert_true(BIO_new_bio_pair(&near, 0, &far, 0));
    SSL_set_bio(client, near, near);
    SSL_set_bio(server, far, far);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    int done = 0;
    for (int turn = 0; turn < 10 && !done; turn++)
        done = (SSL_do_handshake(client) == 1) & (SSL_do_handshake(server) == 1);
    assert_true(done);
    assert_string_equal(SSL_get_version(client), "TLSv1.3");

    char got[5] = "";
    assert_int_equal(SSL_write(client, "hello", 5), 5);
    assert_int_equal(SSL_read(server, got, sizeof got), 5);
    assert_memory_equal(got, "hello", 5);
    SSL_free(client);
    SSL_free(server);
    X509_free(certificate);
    EVP_PKEY_free(key);
    SSL_CTX_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_and_archive_are_of_one_version),
        cmocka_unit_test(ciphers_come_in_groups_of_equal_preference),
        cmocka_unit_test(two_ends_shake_hands_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
