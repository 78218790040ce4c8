/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of tls/: certificates, keys, revocation lists and OCSP responses made on the spot. */
#ifndef NU_TLS_TEST_PKI_H
#define NU_TLS_TEST_PKI_H

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/sb.h"

#define TEST_DAY ((int64_t)86400)

/* What a certificate is to be; zero means P-256, self-signed, valid from yesterday to tomorrow. */
struct test_spec {
    const char *cn;
    const char *san; /* as in openssl.cnf: "DNS:a.example.com,URI:spiffe://a" */
    nu_str san_der;  /* or the extension's value */
    int curve;       /* NID; 0: P-256 */
    int rsa_bits;    /* 0: not RSA */
    const struct test_cert *issuer;
    int64_t from, to; /* seconds from now; 0: a day before, a day after */
    bool ca, must_staple;
    const char *purpose; /* extendedKeyUsage: "clientAuth" */
    long serial;
};

/* Lives in an arena, which frees what the library has. */
struct test_cert {
    X509 *x;
    EVP_PKEY *key;
    nu_str pem, key_pem;
};

static inline nu_str test_bio_text(struct nu_arena *a, BIO *bio)
{
    const uint8_t *data;
    size_t n;
    NU_ASSERT(BIO_mem_contents(bio, &data, &n) == 1);
    nu_str out = nu_arena_str(a, nu_str_make(data, n));
    BIO_free(bio);
    return out;
}

static inline EVP_PKEY *test_key(const struct test_spec *s)
{
    EVP_PKEY *key = EVP_PKEY_new();
    if (s->rsa_bits > 0) {
        RSA *rsa = RSA_new();
        BIGNUM *e = BN_new();
        NU_ASSERT(BN_set_word(e, RSA_F4) == 1 && RSA_generate_key_ex(rsa, s->rsa_bits, e, NULL) == 1);
        BN_free(e);
        EVP_PKEY_assign_RSA(key, rsa);
        return key;
    }
    EC_KEY *ec = EC_KEY_new_by_curve_name(s->curve != 0 ? s->curve : NID_X9_62_prime256v1);
    NU_ASSERT(ec != NULL && EC_KEY_generate_key(ec) == 1);
    EVP_PKEY_assign_EC_KEY(key, ec);
    return key;
}

static inline void test_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
    NU_ASSERT(e != NULL);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static inline void test_must_staple(X509 *x)
{
    static const uint8_t features[] = {0x30, 3, 2, 1, 5};
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.5.5.7.1.24", 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(value, features, sizeof(features));
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
}

static inline void test_san_der(X509 *x, nu_str der)
{
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(value, (const uint8_t *)der.ptr, (int)der.len);
    X509_EXTENSION *e = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, value);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(value);
}

static inline void test_set_name(X509_NAME *name, const char *cn)
{
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)cn, -1, -1, 0);
}

static inline void test_free_x509(void *x)
{
    X509_free(x);
}

static inline void test_free_key(void *key)
{
    EVP_PKEY_free(key);
}

static inline struct test_cert test_cert(struct nu_arena *a, struct test_spec s)
{
    static long serial = 0x1000;
    struct test_cert c = {.x = X509_new(), .key = test_key(&s)};
    X509 *issuer = s.issuer != NULL ? s.issuer->x : c.x;
    time_t now = time(NULL);
    X509_set_version(c.x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x), s.serial != 0 ? s.serial : serial++);
    test_set_name(X509_get_subject_name(c.x), s.cn);
    X509_set_issuer_name(c.x, X509_get_subject_name(issuer));
    ASN1_TIME_set(X509_getm_notBefore(c.x), now + (s.from != 0 ? s.from : -TEST_DAY));
    ASN1_TIME_set(X509_getm_notAfter(c.x), now + (s.to != 0 ? s.to : TEST_DAY));
    X509_set_pubkey(c.x, c.key);
    test_extension(c.x, issuer, NID_basic_constraints, s.ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (s.san != NULL)
        test_extension(c.x, issuer, NID_subject_alt_name, s.san);
    if (s.san_der.len > 0)
        test_san_der(c.x, s.san_der);
    if (s.purpose != NULL)
        test_extension(c.x, issuer, NID_ext_key_usage, s.purpose);
    if (s.must_staple)
        test_must_staple(c.x);
    NU_ASSERT(X509_sign(c.x, s.issuer != NULL ? s.issuer->key : c.key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, c.x);
    c.pem = test_bio_text(a, bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, c.key, NULL, NULL, 0, NULL, NULL);
    c.key_pem = test_bio_text(a, bio);
    nu_arena_on_clear(a, test_free_x509, c.x);
    nu_arena_on_clear(a, test_free_key, c.key);
    return c;
}

/* A revocation list of an issuer with one certificate (NULL: none), good for so many seconds. */
static inline nu_str test_crl_until(struct nu_arena *a, const struct test_cert *issuer, const X509 *revoked, int64_t seconds)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *t = ASN1_TIME_new();
    time_t now = time(NULL);
    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x));
    X509_CRL_set1_lastUpdate(crl, ASN1_TIME_set(t, now - 2 * TEST_DAY));
    X509_CRL_set1_nextUpdate(crl, ASN1_TIME_set(t, now + seconds));
    if (revoked != NULL) {
        X509_REVOKED *r = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(r, X509_get0_serialNumber(revoked));
        X509_REVOKED_set_revocationDate(r, ASN1_TIME_set(t, now - TEST_DAY));
        X509_CRL_add0_revoked(crl, r);
    }
    ASN1_TIME_free(t);
    NU_ASSERT(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_CRL(bio, crl);
    X509_CRL_free(crl);
    return test_bio_text(a, bio);
}

static inline nu_str test_crl(struct nu_arena *a, const struct test_cert *issuer, const X509 *revoked)
{
    return test_crl_until(a, issuer, revoked, TEST_DAY);
}

/* text as a YAML value: a double-quoted string. */
static inline const char *test_quote(struct nu_arena *a, nu_str text)
{
    struct nu_sb sb = {0};
    nu_sb_json_str(&sb, text);
    const char *out = nu_arena_str(a, nu_sb_str(&sb)).ptr;
    nu_sb_free(&sb);
    return out;
}

/* The same for bytes fields: base64 as protobuf's JSON wants it. */
static inline const char *test_base64(struct nu_arena *a, nu_str bytes)
{
    size_t n = 0;
    NU_ASSERT(EVP_EncodedLength(&n, bytes.len) == 1);
    uint8_t *out = nu_arena_alloc(a, n);
    EVP_EncodeBlock(out, (const uint8_t *)bytes.ptr, bytes.len);
    return (const char *)out;
}

#endif
