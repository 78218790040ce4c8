/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pkcs8.h>

#include "envoy/extensions/transport_sockets/tls/v3/common.nu.h"
#include "tls/certificate.h"
#include "tls/test_load.h"
#include "tls/test_ocsp.h"
#include "tls/test_pki.h"

static struct test_load t;
static struct test_cert ca, ec, ec2, rsa;
#define A (&t.arena)

static int begin(void **state)
{
    (void)state;
    test_load_begin(&t);
    ca = test_cert(A, (struct test_spec){.cn = "ca", .ca = true});
    ec = test_cert(A, (struct test_spec){.cn = "ec", .issuer = &ca, .serial = 0x80ff,
                                         .san = "DNS:A.example.com,DNS:*.b.com,URI:spiffe://x,IP:127.0.0.1"});
    ec2 = test_cert(A, (struct test_spec){.cn = "Plain.Example.com"});
    rsa = test_cert(A, (struct test_spec){.cn = "rsa", .rsa_bits = 2048});
    return 0;
}

static int end(void **state)
{
    (void)state;
    test_load_end(&t);
    return 0;
}

static bool load(struct nu_tls_certificate *out, nu_str yaml, const char *secret)
{
    return nu_tls_certificate_load(&t.f, test_message(&t, &envoy_extensions_transport_sockets_tls_v3_TlsCertificate_type, yaml),
                                   nu_str_from(secret), out);
}

/* "field: {inline_string: ...}\n" */
static nu_str inline_string(const char *field, nu_str text)
{
    return nu_arena_printf(A, "%s: {inline_string: %s}\n", field, test_quote(A, text));
}

static nu_str inline_bytes(const char *field, nu_str bytes)
{
    return nu_arena_printf(A, "%s: {inline_bytes: %s}\n", field, test_base64(A, bytes));
}

static nu_str join(nu_str a, nu_str b)
{
    nu_str parts[] = {a, b};
    return nu_arena_concat(A, parts, 2);
}

static nu_str pair(nu_str chain, nu_str key)
{
    return join(inline_string("certificate_chain", chain), inline_string("private_key", key));
}

static void refused(nu_str yaml, const char *want)
{
    struct nu_tls_certificate c;
    assert_false(load(&c, yaml, ""));
    nu_str text = test_reported(&t);
    if (!nu_str_starts(text, nu_str_from(want)))
        fail_msg("reported: %.*s; wanted: %s", NU_STR_ARG(text), want);
    assert_null(c.leaf);
    assert_null(c.key);
}

static void loads_chain_and_key(void **state)
{
    (void)state;
    struct nu_tls_certificate c;
    assert_true(load(&c, pair(join(ec.pem, ca.pem), ec.key_pem), ""));
    assert_int_equal(X509_cmp(c.leaf, ec.x), 0);
    assert_int_equal(sk_X509_num(c.intermediates), 1);
    assert_true(c.ecdsa);
    assert_false(c.must_staple);
    assert_string_equal(c.origin.ptr, "<inline>");
    assert_string_equal(c.name.ptr, "unnamed_cert_e3b0c442");
    assert_int_equal(c.n_dns_names, 2);
    assert_string_equal(c.dns_names[0].ptr, "a.example.com");
    assert_string_equal(c.dns_names[1].ptr, "*.b.com");
    assert_int_equal(c.not_after - c.not_before, 2 * TEST_DAY);
    nu_tls_certificate_clear(&c);
}

static void takes_the_common_name_without_sans(void **state)
{
    (void)state;
    struct nu_tls_certificate c;
    assert_true(load(&c, pair(ec2.pem, ec2.key_pem), "my.secret"));
    assert_int_equal(c.n_dns_names, 1);
    assert_string_equal(c.dns_names[0].ptr, "plain.example.com");
    assert_string_equal(c.name.ptr, "my.secret");
    assert_null(c.intermediates);
    nu_tls_certificate_clear(&c);
}

static void reads_files_and_variables(void **state)
{
    (void)state;
    char path[] = "/tmp/nuncio-cert-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, rsa.pem.ptr, rsa.pem.len), (ssize_t)rsa.pem.len);
    close(fd);
    setenv("NUNCIO_TEST_KEY", rsa.key_pem.ptr, 1);
    struct nu_tls_certificate c;
    assert_true(load(&c, nu_arena_printf(A, "certificate_chain: {filename: %s}\n"
                                            "private_key: {environment_variable: NUNCIO_TEST_KEY}", path), ""));
    assert_string_equal(c.origin.ptr, path);
    assert_false(c.ecdsa);
    nu_tls_certificate_clear(&c);
    unlink(path);
    refused(nu_arena_printf(A, "certificate_chain: {filename: %s}\nprivate_key: {inline_string: x}", path),
            "Failed to load incomplete certificate from /tmp/nuncio-cert-");
    unsetenv("NUNCIO_TEST_KEY");
    refused(join(inline_string("certificate_chain", rsa.pem), NU_STR("private_key: {environment_variable: NUNCIO_TEST_KEY}")),
            "Failed to load incomplete private key from path: : the environment variable is not set");
}

static void reads_encrypted_keys(void **state)
{
    (void)state;
    BIO *bio = BIO_new(BIO_s_mem());
    char word[] = "secret";
    PEM_write_bio_PrivateKey(bio, rsa.key, EVP_aes_128_cbc(), (uint8_t *)word, 6, NULL, NULL);
    nu_str key = test_bio_text(A, bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, rsa.key, EVP_aes_256_cbc(), word, 6, NULL, NULL);
    nu_str key8 = test_bio_text(A, bio);
    struct nu_tls_certificate c;
    assert_true(load(&c, join(pair(rsa.pem, key), NU_STR("password: {inline_string: secret}")), ""));
    nu_tls_certificate_clear(&c);
    assert_true(load(&c, join(pair(rsa.pem, key8), NU_STR("password: {inline_string: secret}")), ""));
    nu_tls_certificate_clear(&c);
    assert_true(load(&c, join(pair(rsa.pem, rsa.key_pem), NU_STR("password: {inline_string: unused}")), ""));
    nu_tls_certificate_clear(&c);
    refused(pair(rsa.pem, key), "Failed to load private key from <inline>, Cause: error:");
    refused(join(pair(rsa.pem, key), NU_STR("password: {inline_string: wrong}")),
            "Failed to load private key from <inline>, Cause: error:");
}

static nu_str pkcs12(EVP_PKEY *key, X509 *x, bool with_ca, const char *password)
{
    STACK_OF(X509) *others = with_ca ? sk_X509_new_null() : NULL;
    if (with_ca)
        sk_X509_push(others, ca.x);
    PKCS12 *p = PKCS12_create(password, NULL, key, x, others, 0, 0, 1, 1, 0);
    assert_non_null(p);
    BIO *bio = BIO_new(BIO_s_mem());
    i2d_PKCS12_bio(bio, p);
    PKCS12_free(p);
    sk_X509_free(others);
    return test_bio_text(A, bio);
}

static void reads_pkcs12(void **state)
{
    (void)state;
    struct nu_tls_certificate c;
    nu_str bundle = inline_bytes("pkcs12", pkcs12(ec.key, ec.x, true, "secret"));
    assert_true(load(&c, join(bundle, NU_STR("password: {inline_string: secret}")), ""));
    assert_int_equal(X509_cmp(c.leaf, ec.x), 0);
    assert_int_equal(sk_X509_num(c.intermediates), 1);
    assert_string_equal(c.name.ptr, "unnamed_cert_");
    nu_tls_certificate_clear(&c);
    assert_true(load(&c, inline_bytes("pkcs12", pkcs12(ec.key, ec.x, false, "")), ""));
    assert_null(c.intermediates);
    nu_tls_certificate_clear(&c);
    refused(join(bundle, NU_STR("password: {inline_string: wrong}")), "Failed to load pkcs12 from <inline>");
    refused(bundle, "Failed to load pkcs12 from <inline>");
    refused(NU_STR("pkcs12: {inline_string: garbage}"), "Failed to load pkcs12 from <inline>");
    refused(NU_STR("pkcs12: {inline_bytes: ''}"), "Failed to load certificate chain from ");
    refused(inline_bytes("pkcs12", pkcs12(ec.key, NULL, false, "")), "Failed to load certificate from <inline>");
    refused(inline_bytes("pkcs12", pkcs12(NULL, ec.x, false, "")), "Failed to load certificate from <inline>");
    refused(join(bundle, inline_string("private_key", ec.key_pem)),
            "Certificate configuration can't have both pkcs12 and private_key");
    refused(join(bundle, inline_string("certificate_chain", ec.pem)),
            "Certificate configuration can't have both pkcs12 and certificate_chain");
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct test_cert small = test_cert(A, (struct test_spec){.cn = "small", .rsa_bits = 1024});
    struct test_cert p224 = test_cert(A, (struct test_spec){.cn = "p224", .curve = NID_secp224r1});
    nu_str broken = NU_STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const struct {
        nu_str chain, key;
        const char *want;
    } cases[] = {
        {ec.pem, ec2.key_pem, "Failed to load private key from <inline>, Cause: "
                              "error:0b000074:X.509 certificate routines:OPENSSL_internal:KEY_VALUES_MISMATCH"},
        {ec.pem, rsa.key_pem, "Failed to load private key from <inline>, Cause: "
                              "error:0b000073:X.509 certificate routines:OPENSSL_internal:KEY_TYPE_MISMATCH"},
        {ec.pem, ec.pem, "Failed to load private key from <inline>, Cause: "
                         "error:0900006e:PEM routines:OPENSSL_internal:NO_START_LINE"},
        {ec.key_pem, ec.key_pem, "Failed to load certificate chain from <inline>"},
        {NU_STR("garbage"), ec.key_pem, "Failed to load certificate chain from <inline>"},
        {join(ec.pem, broken), ec.key_pem, "Failed to load certificate chain from <inline>"},
        {small.pem, small.key_pem, "Failed to load certificate chain from <inline>, only RSA certificates with 2048-bit or larger "
                                   "keys are supported"},
        {p224.pem, p224.key_pem, "Failed to load certificate chain from <inline>, only P-256, P-384 or P-521 ECDSA certificates "
                                 "are supported"},
        {NU_STR(""), ec.key_pem, "Failed to load incomplete certificate from : certificate chain not set"},
        {ec.pem, NU_STR(""), "Failed to load incomplete private key from path: "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refused(pair(cases[i].chain, cases[i].key), cases[i].want);
    refused(inline_string("certificate_chain", ec.pem), "Failed to load incomplete private key from path: ");
    refused(inline_string("private_key", ec.key_pem),
            "Failed to load incomplete certificate from : certificate chain not set");
}

static void takes_every_curve_and_expired_ones(void **state)
{
    (void)state;
    const struct test_spec specs[] = {
        {.cn = "p384", .curve = NID_secp384r1},
        {.cn = "p521", .curve = NID_secp521r1},
        {.cn = "expired", .from = -3 * TEST_DAY, .to = -2 * TEST_DAY},
    };
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        struct test_cert x = test_cert(A, specs[i]);
        struct nu_tls_certificate c;
        assert_true(load(&c, pair(x.pem, x.key_pem), ""));
        nu_tls_certificate_clear(&c);
    }
}

static void reads_ocsp_responses(void **state)
{
    (void)state;
    struct test_cert staple = test_cert(A, (struct test_spec){.cn = "staple", .must_staple = true});
    struct nu_tls_certificate c;
    assert_true(load(&c, pair(staple.pem, staple.key_pem), ""));
    assert_true(c.must_staple);
    assert_int_equal(c.ocsp_response.len, 0);
    nu_tls_certificate_clear(&c);
    nu_str good = pair(ec.pem, ec.key_pem);
    assert_true(load(&c, join(good, NU_STR("ocsp_staple: {inline_bytes: ''}")), ""));
    nu_tls_certificate_clear(&c);
    refused(join(good, NU_STR("ocsp_staple: {inline_string: x}")), "OCSP staple cannot be provided via inline_string");
    refused(join(good, NU_STR("ocsp_staple: {inline_bytes: AAAA}")), "OCSP Response is not a well-formed ASN.1 SEQUENCE");
    refused(join(good, NU_STR("ocsp_staple: {filename: /does/not/exist}")), "cannot read file /does/not/exist");
    uint8_t buf[1024];
    nu_str about_other = test_ocsp(buf, (struct test_ocsp){.singles = 1});
    refused(join(good, inline_bytes("ocsp_staple", about_other)), "OCSP response does not match its TLS certificate");
    /* Its serial number needs a leading zero in DER. */
    nu_str about_ec = test_ocsp(buf, (struct test_ocsp){.singles = 1, .serial = {0, 0x80, 0xff}});
    assert_true(load(&c, join(good, inline_bytes("ocsp_staple", about_ec)), ""));
    assert_int_equal(c.ocsp_expires, 1767323045 + TEST_DAY);
    assert_int_equal(c.ocsp_response.len, about_ec.len);
    nu_tls_certificate_clear(&c);
}

static void takes_an_empty_message(void **state)
{
    (void)state;
    struct nu_tls_certificate c;
    assert_true(load(&c, NU_STR("{}"), ""));
    assert_null(c.leaf);
    nu_tls_certificate_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_chain_and_key),
        cmocka_unit_test(takes_the_common_name_without_sans),
        cmocka_unit_test(reads_files_and_variables),
        cmocka_unit_test(reads_encrypted_keys),
        cmocka_unit_test(reads_pkcs12),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(takes_every_curve_and_expired_ones),
        cmocka_unit_test(reads_ocsp_responses),
        cmocka_unit_test(takes_an_empty_message),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
