/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include "envoy/extensions/transport_sockets/tls/v3/common.nu.h"
#include "tls/test_load.h"
#include "tls/test_pki.h"
#include "tls/validation.h"

static struct test_load t;
static struct test_cert ca, inter, inter2, leaf, deep, nameless, server_only, other, expired;
#define A (&t.arena)

static int begin(void **state)
{
    (void)state;
    test_load_begin(&t);
    ca = test_cert(A, (struct test_spec){.cn = "ca", .ca = true});
    inter = test_cert(A, (struct test_spec){.cn = "inter", .ca = true, .issuer = &ca});
    inter2 = test_cert(A, (struct test_spec){.cn = "inter2", .ca = true, .issuer = &inter});
    leaf = test_cert(A, (struct test_spec){.cn = "leaf", .issuer = &inter,
                                           .san = "DNS:*.example.com,URI:spiffe://a/b,IP:127.0.0.1,IP:::1,email:a@b.c,"
                                                  "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:upn,RID:1.2.3"});
    deep = test_cert(A, (struct test_spec){.cn = "deep", .issuer = &inter2, .san = "DNS:deep.example.com"});
    nameless = test_cert(A, (struct test_spec){.cn = "nameless", .issuer = &inter});
    server_only = test_cert(A, (struct test_spec){.cn = "server", .issuer = &inter, .purpose = "serverAuth"});
    other = test_cert(A, (struct test_spec){.cn = "other", .ca = true});
    expired = test_cert(A, (struct test_spec){.cn = "expired", .issuer = &inter, .from = -3 * TEST_DAY, .to = -2 * TEST_DAY});
    return 0;
}

static int end(void **state)
{
    (void)state;
    test_load_end(&t);
    return 0;
}

static struct nu_tls_validation *load(nu_str yaml)
{
    return nu_tls_validation_load(
        &t.f, test_message(&t, &envoy_extensions_transport_sockets_tls_v3_CertificateValidationContext_type, yaml), NU_STR(""));
}

static nu_str join(nu_str a, nu_str b)
{
    nu_str parts[] = {a, b};
    return nu_arena_concat(A, parts, 2);
}

static nu_str source(const char *field, nu_str text)
{
    return nu_arena_printf(A, "%s: {inline_string: %s}\n", field, test_quote(A, text));
}

static nu_str trusting(const struct test_cert *c, const char *more)
{
    return join(source("trusted_ca", c->pem), nu_str_from(more));
}

static nu_str sha256_hex(nu_str bytes, const char *colon)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    struct nu_sb sb = {0};
    SHA256((const uint8_t *)bytes.ptr, bytes.len, digest);
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
        nu_sb_printf(&sb, "%s%02X", i > 0 ? colon : "", digest[i]);
    nu_str out = nu_arena_str(A, nu_sb_str(&sb));
    nu_sb_free(&sb);
    return out;
}

static nu_str der(const struct test_cert *c)
{
    uint8_t *bytes = NULL;
    int n = i2d_X509(c->x, &bytes);
    nu_str out = nu_arena_str(A, nu_str_make(bytes, (size_t)n));
    OPENSSL_free(bytes);
    return out;
}

static nu_str pin(const struct test_cert *c, const char *colon)
{
    nu_str hash = sha256_hex(der(c), colon);
    return nu_arena_printf(A, "verify_certificate_hash: ['%.*s']\n", NU_STR_ARG(hash));
}

static nu_str spki(const struct test_cert *c)
{
    uint8_t *bytes = NULL, digest[SHA256_DIGEST_LENGTH];
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x), &bytes);
    SHA256(bytes, (size_t)n, digest);
    OPENSSL_free(bytes);
    return nu_arena_printf(A, "verify_certificate_spki: ['%s']\n", test_base64(A, nu_str_make(digest, sizeof(digest))));
}

/* ---- verifying ---- */

/* The chain as a peer sends it: leaf and intermediates, without the root. */
static STACK_OF(X509) *sent(const struct test_cert *c)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    sk_X509_push(chain, c->x);
    if (c == &deep)
        sk_X509_push(chain, inter2.x);
    if (c != &other)
        sk_X509_push(chain, inter.x);
    return chain;
}

static struct nu_tls_verify_result verify_with(const struct nu_tls_validation *v, const struct test_cert *c,
                                               struct nu_tls_verify_input in)
{
    in.chain = c != NULL ? sent(c) : NULL;
    in.now = in.now != 0 ? in.now : (int64_t)time(NULL);
    struct nu_tls_verify_result r = nu_tls_verify(v, &in, A);
    sk_X509_free(in.chain);
    return r;
}

/* want: "" for accepted, else the error after "verify cert failed: ". */
static void expect_as(nu_str yaml, const struct test_cert *c, struct nu_tls_verify_input in, enum nu_tls_verdict verdict, int alert,
                      const char *want)
{
    struct nu_tls_validation *v = load(yaml);
    if (v == NULL)
        fail_msg("refused: %.*s", NU_STR_ARG(test_reported(&t)));
    struct nu_tls_verify_result r = verify_with(v, c, in);
    nu_str error = nu_str_starts(r.error, NU_STR("verify cert failed: ")) ? nu_str_skip(r.error, 20) : r.error;
    if (!nu_str_eq(error, nu_str_from(want)) || r.accepted != (want[0] == '\0') || r.verdict != verdict)
        fail_msg("verdict %d, accepted %d: %.*s; wanted: %s\n%.*s", r.verdict, r.accepted, NU_STR_ARG(r.error), want,
                 NU_STR_ARG(yaml));
    assert_int_equal(r.alert, alert);
    nu_tls_validation_clear(v);
}

static void good(nu_str yaml, const struct test_cert *c)
{
    expect_as(yaml, c, (struct nu_tls_verify_input){.server = true}, NU_TLS_VALIDATED, 0, "");
}

static void bad(nu_str yaml, const struct test_cert *c, enum nu_tls_verdict verdict, int alert, const char *want)
{
    expect_as(yaml, c, (struct nu_tls_verify_input){.server = true}, verdict, alert, want);
}

#define AT "X509_verify_cert: certificate verification error at depth "
#define CRL "certificate revocation check against provided CRLs failed: "

static void checks_the_chain(void **state)
{
    (void)state;
    nu_str yaml = trusting(&ca, "");
    good(yaml, &leaf);
    good(yaml, &deep);
    bad(yaml, &server_only, NU_TLS_FAILED_ERROR, SSL_AD_UNSUPPORTED_CERTIFICATE, AT "0: unsupported certificate purpose");
    expect_as(yaml, &server_only, (struct nu_tls_verify_input){0}, NU_TLS_VALIDATED, 0, "");
    bad(yaml, &other, NU_TLS_FAILED_ERROR, SSL_AD_UNKNOWN_CA, AT "0: self signed certificate");
    bad(trusting(&other, ""), &leaf, NU_TLS_FAILED_ERROR, SSL_AD_UNKNOWN_CA, AT "1: unable to get local issuer certificate");
    bad(yaml, NULL, NU_TLS_FAILED_ERROR, SSL_AD_CERTIFICATE_UNKNOWN, "empty cert chain");
    bad(yaml, &expired, NU_TLS_FAILED_ERROR, SSL_AD_CERTIFICATE_EXPIRED, AT "0: certificate has expired");
    good(trusting(&ca, "allow_expired_certificate: true"), &expired);
    /* A trusted certificate is enough, wherever in the chain it is. */
    good(trusting(&inter, ""), &leaf);
    good(trusting(&leaf, ""), &leaf);
}

static void looks_at_the_given_time(void **state)
{
    (void)state;
    nu_str yaml = trusting(&ca, "");
    int64_t now = (int64_t)time(NULL);
    expect_as(yaml, &leaf, (struct nu_tls_verify_input){.server = true, .now = now + 2 * TEST_DAY}, NU_TLS_FAILED_ERROR,
              SSL_AD_CERTIFICATE_EXPIRED, AT "2: certificate has expired");
    expect_as(yaml, &leaf, (struct nu_tls_verify_input){.server = true, .now = now - 2 * TEST_DAY}, NU_TLS_FAILED_ERROR,
              SSL_AD_CERTIFICATE_EXPIRED, AT "2: certificate is not yet valid");
}

static void limits_the_depth(void **state)
{
    (void)state;
    const struct {
        const char *limit;
        bool leaf, deep;
    } cases[] = {{"max_verify_depth: 0", false, false},
                 {"max_verify_depth: 1", false, false},
                 {"max_verify_depth: 2", true, false},
                 {"max_verify_depth: 3", true, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nu_tls_validation *v = load(trusting(&ca, cases[i].limit));
        assert_int_equal(verify_with(v, &leaf, (struct nu_tls_verify_input){.server = true}).accepted, cases[i].leaf);
        assert_int_equal(verify_with(v, &deep, (struct nu_tls_verify_input){.server = true}).accepted, cases[i].deep);
        nu_tls_validation_clear(v);
    }
}

static void checks_revocation(void **state)
{
    (void)state;
    nu_str of_ca = test_crl(A, &ca, NULL), of_inter = test_crl(A, &inter, NULL), revoked = test_crl(A, &inter, leaf.x);
    nu_str all = trusting(&ca, ""), none = NU_STR("nothing in it");
    good(join(all, source("crl", join(of_ca, of_inter))), &leaf);
    bad(join(all, source("crl", join(of_ca, revoked))), &leaf, NU_TLS_FAILED_ERROR, SSL_AD_CERTIFICATE_REVOKED,
        AT "0: " CRL "certificate revoked");
    bad(join(all, source("crl", of_inter)), &leaf, NU_TLS_FAILED_ERROR, SSL_AD_UNKNOWN_CA,
        AT "1: " CRL "unable to get certificate CRL");
    good(join(join(all, NU_STR("only_verify_leaf_cert_crl: true\n")), source("crl", of_inter)), &leaf);
    bad(join(all, source("crl", none)), &leaf, NU_TLS_FAILED_ERROR, SSL_AD_UNKNOWN_CA,
        AT "0: " CRL "unable to get certificate CRL");
    good(join(all, NU_STR("crl: {inline_string: ''}")), &leaf);
    nu_str in_bundle = source("trusted_ca", join(ca.pem, join(of_ca, revoked)));
    bad(in_bundle, &leaf, NU_TLS_FAILED_ERROR, SSL_AD_CERTIFICATE_REVOKED, AT "0: " CRL "certificate revoked");
}

static void lists_may_be_too_old(void **state)
{
    (void)state;
    nu_str old = join(test_crl(A, &ca, NULL), test_crl_until(A, &inter, NULL, -TEST_DAY));
    bad(join(trusting(&ca, ""), source("crl", old)), &leaf, NU_TLS_FAILED_ERROR, SSL_AD_CERTIFICATE_EXPIRED,
        AT "0: " CRL "CRL has expired");
}

static void wants_the_right_purpose(void **state)
{
    (void)state;
    struct test_cert mail = test_cert(A, (struct test_spec){.cn = "mail", .issuer = &inter, .purpose = "emailProtection"});
    struct test_cert client = test_cert(A, (struct test_spec){.cn = "client", .issuer = &inter, .purpose = "clientAuth"});
    struct test_cert mail_ca = test_cert(A, (struct test_spec){.cn = "mail ca", .ca = true, .purpose = "emailProtection"});
    struct test_cert of_mail_ca = test_cert(A, (struct test_spec){.cn = "of mail ca", .issuer = &mail_ca});
    nu_str yaml = trusting(&ca, "");
    bad(yaml, &mail, NU_TLS_FAILED_ERROR, SSL_AD_UNSUPPORTED_CERTIFICATE, AT "0: unsupported certificate purpose");
    good(yaml, &client);
    expect_as(yaml, &client, (struct nu_tls_verify_input){0}, NU_TLS_FAILED_ERROR, SSL_AD_UNSUPPORTED_CERTIFICATE,
              AT "0: unsupported certificate purpose");
    bad(trusting(&mail_ca, ""), &of_mail_ca, NU_TLS_FAILED_ERROR, SSL_AD_UNSUPPORTED_CERTIFICATE,
        AT "1: unsupported certificate purpose");
}

/* A NUL byte is a byte of the name like any other, in every kind of name. */
static void nul_bytes_end_no_name(void **state)
{
    (void)state;
#define OID "\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03"
    static const struct {
        nu_str der;
        const char *type;
    } cases[] = {
        {NU_STR_INIT("\x30\x0b\x82\x09good\0evil"), "DNS"},
        {NU_STR_INIT("\x30\x0b\x86\x09good\0evil"), "URI"},
        {NU_STR_INIT("\x30\x0b\x81\x09good\0evil"), "EMAIL"},
        {NU_STR_INIT("\x30\x1b\xa0\x19" OID "\xa0\x0b\x0c\x09good\0evil"), "OTHER_NAME"},
        {NU_STR_INIT("\x30\x24\xa0\x22" OID "\xa0\x14\x1e\x12\0g\0o\0o\0d\0\0\0e\0v\0i\0l"), "OTHER_NAME"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static const char *const matchers[] = {"exact: good", "safe_regex: {regex: good}", "suffix: good", "exact: GOOD, ignore_case: true"};
        struct test_cert c = test_cert(A, (struct test_spec){.cn = "nul", .issuer = &inter, .san_der = cases[i].der});
        for (size_t k = 0; k < sizeof(matchers) / sizeof(matchers[0]); k++) {
            nu_str yaml = trusting(&ca, nu_arena_printf(A, "match_typed_subject_alt_names: [{san_type: %s, oid: msUPN, matcher: {%s}}]",
                                                        cases[i].type, matchers[k]).ptr);
            struct nu_tls_validation *v = load(yaml);
            struct nu_tls_verify_result r = verify_with(v, &c, (struct nu_tls_verify_input){.server = true});
            assert_int_equal(r.verdict, NU_TLS_FAILED_SAN);
            assert_false(r.accepted);
            assert_true(nu_str_search(r.error, NU_STR("good\0evil")) > 0);
            nu_str sans[] = {NU_STR("good")};
            struct nu_tls_validation *any = load(trusting(&ca, ""));
            assert_false(verify_with(any, &c, (struct nu_tls_verify_input){.sans = sans, .n_sans = 1}).accepted);
            assert_false(verify_with(any, &c, (struct nu_tls_verify_input){.sni = NU_STR("good")}).accepted);
            nu_tls_validation_clear(any);
            nu_tls_validation_clear(v);
        }
    }
}

/* A name of one type says nothing about another. */
static void types_of_names_are_kept_apart(void **state)
{
    (void)state;
    static const char *const sans[] = {"DNS:a.example.com", "URI:a.example.com", "email:a.example.com",
                                       "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:a.example.com"};
    static const char *const types[] = {"DNS", "URI", "EMAIL", "OTHER_NAME"};
    for (size_t i = 0; i < 4; i++) {
        struct test_cert c = test_cert(A, (struct test_spec){.cn = "a.example.com", .issuer = &inter, .san = sans[i]});
        for (size_t k = 0; k < 4; k++) {
            struct nu_tls_validation *v = load(trusting(
                &ca, nu_arena_printf(A, "match_typed_subject_alt_names: [{san_type: %s, oid: msUPN, matcher: {exact: a.example.com}}]",
                                     types[k]).ptr));
            assert_int_equal(verify_with(v, &c, (struct nu_tls_verify_input){.server = true}).accepted, i == k);
            assert_int_equal(verify_with(v, &c, (struct nu_tls_verify_input){.sni = NU_STR("a.example.com")}).accepted, i == 0);
            nu_tls_validation_clear(v);
        }
    }
}

static void matches_names(void **state)
{
    (void)state;
#define SAN(type, matcher) "match_typed_subject_alt_names: [{san_type: " type ", matcher: " matcher "}]"
    static const struct {
        const char *yaml;
        bool want;
    } cases[] = {
        {SAN("DNS", "{exact: www.example.com}"), true},
        {SAN("DNS", "{exact: WWW.Example.com}"), true},
        {SAN("DNS", "{exact: a.b.example.com}"), false},
        {SAN("DNS", "{exact: '*.example.com'}"), true},
        {SAN("DNS", "{suffix: .example.com}"), true},
        {SAN("DNS", "{prefix: www.}"), false},
        {SAN("DNS", "{safe_regex: {regex: '\\*\\.example\\.com'}}"), true},
        {SAN("URI", "{exact: 'spiffe://a/b'}"), true},
        {SAN("URI", "{exact: 'SPIFFE://a/b'}"), false},
        {SAN("URI", "{exact: 'SPIFFE://a/b', ignore_case: true}"), true},
        {SAN("URI", "{exact: www.example.com}"), false},
        {SAN("URI", "{prefix: 'spiffe://a/'}"), true},
        {SAN("EMAIL", "{exact: a@b.c}"), true},
        {SAN("IP_ADDRESS", "{exact: 127.0.0.1}"), true},
        {SAN("IP_ADDRESS", "{exact: '::1'}"), true},
        {SAN("IP_ADDRESS", "{exact: 127.0.0.2}"), false},
        {SAN("OTHER_NAME", "{exact: upn}, oid: 1.3.6.1.4.1.311.20.2.3"), true},
        {SAN("OTHER_NAME", "{exact: upn}, oid: msUPN"), true},
        {SAN("OTHER_NAME", "{exact: upn}, oid: 1.3.6.1.4.1.311.20.2.4"), false},
        {"match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: none}}, {san_type: URI, matcher: {contains: /a/}}]", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        nu_str yaml = trusting(&ca, cases[i].yaml);
        if (cases[i].want)
            good(yaml, &leaf);
        else
            bad(yaml, &leaf, NU_TLS_FAILED_SAN, SSL_AD_CERTIFICATE_UNKNOWN,
                "SAN matcher, certificate SANs are [*.example.com, spiffe://a/b, 127.0.0.1, ::1, a@b.c, upn, ]");
    }
    bad(trusting(&ca, SAN("DNS", "{exact: nameless}")), &nameless, NU_TLS_FAILED_SAN, SSL_AD_CERTIFICATE_UNKNOWN,
        "SAN matcher, certificate SANs are []");
}

/* The older field says no type and is deprecated. */
static void matches_untyped_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool want;
    } cases[] = {{"www.example.com", true}, {"spiffe://a/b", true}, {"a@b.c", true}, {"127.0.0.1", true}, {"upn", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        nu_str yaml = trusting(&ca, nu_arena_printf(A, "match_subject_alt_names: [{exact: '%s'}]", cases[i].name).ptr);
        const void *m = nu_pb_load_text(A, &t.diags, NU_STR("t.yaml"), yaml, NU_TEXT_YAML,
                                        &envoy_extensions_transport_sockets_tls_v3_CertificateValidationContext_type);
        assert_int_equal(t.diags.n_errors, 0);
        struct nu_tls_validation *v = nu_tls_validation_load(&t.f, m, NU_STR(""));
        assert_non_null(v);
        assert_int_equal(verify_with(v, &leaf, (struct nu_tls_verify_input){.server = true}).accepted, cases[i].want);
        nu_tls_validation_clear(v);
        (void)test_reported(&t);
    }
}

static void matches_names_of_the_request(void **state)
{
    (void)state;
    nu_str yaml = trusting(&ca, "");
    nu_str yes[] = {NU_STR("no.example.org"), NU_STR("www.example.com")}, uri[] = {NU_STR("spiffe://a/b")};
    expect_as(yaml, &leaf, (struct nu_tls_verify_input){.sans = yes, .n_sans = 2}, NU_TLS_VALIDATED, 0, "");
    expect_as(yaml, &leaf, (struct nu_tls_verify_input){.sans = uri, .n_sans = 1}, NU_TLS_VALIDATED, 0, "");
    expect_as(yaml, &deep, (struct nu_tls_verify_input){.sans = yes, .n_sans = 2}, NU_TLS_FAILED_SAN, SSL_AD_CERTIFICATE_UNKNOWN,
              "verify SAN list, expected SANs: [no.example.org, www.example.com], certificate SANs: [deep.example.com]");
    expect_as(yaml, &nameless, (struct nu_tls_verify_input){.sans = yes, .n_sans = 2}, NU_TLS_FAILED_SAN,
              SSL_AD_CERTIFICATE_UNKNOWN,
              "verify SAN list, expected SANs: [no.example.org, www.example.com], certificate SANs: []");
    /* The config's matchers hold besides. */
    nu_str both = trusting(&ca, SAN("DNS", "{exact: deep.example.org}"));
    expect_as(both, &leaf, (struct nu_tls_verify_input){.sans = uri, .n_sans = 1}, NU_TLS_FAILED_SAN, SSL_AD_CERTIFICATE_UNKNOWN,
              "SAN matcher, certificate SANs are [*.example.com, spiffe://a/b, 127.0.0.1, ::1, a@b.c, upn, ]");
    /* The SNI stands in for them, and is a DNS name. */
    struct nu_tls_verify_input sni = {.sni = NU_STR("www.example.com")}, not_dns = {.sni = NU_STR("127.0.0.1")};
    expect_as(both, &leaf, sni, NU_TLS_VALIDATED, 0, "");
    expect_as(yaml, &leaf, not_dns, NU_TLS_FAILED_SAN, SSL_AD_CERTIFICATE_UNKNOWN,
              "SAN matcher, certificate SANs are [*.example.com, spiffe://a/b, 127.0.0.1, ::1, a@b.c, upn, ]");
}

static void checks_pins(void **state)
{
    (void)state;
    good(pin(&leaf, ""), &leaf);
    good(pin(&leaf, ":"), &leaf);
    good(spki(&leaf), &leaf);
    good(join(spki(&other), pin(&leaf, ":")), &leaf);
    good(join(spki(&leaf), pin(&other, ":")), &leaf);
    good(pin(&expired, ""), &expired); /* nobody looks at the chain */
    bad(pin(&other, ""), &leaf, NU_TLS_FAILED_CERT_HASH, SSL_AD_BAD_CERTIFICATE_HASH_VALUE, "cert hash and spki");
    bad(spki(&other), &leaf, NU_TLS_FAILED_CERT_HASH, SSL_AD_BAD_CERTIFICATE_HASH_VALUE, "cert hash and spki");
    bad(join(trusting(&ca, ""), pin(&other, "")), &leaf, NU_TLS_FAILED_CERT_HASH, SSL_AD_BAD_CERTIFICATE_HASH_VALUE,
        "cert hash and spki");
    bad(join(trusting(&other, ""), pin(&leaf, "")), &leaf, NU_TLS_FAILED_ERROR, SSL_AD_UNKNOWN_CA,
        AT "1: unable to get local issuer certificate");
}

static void accepts_untrusted_peers(void **state)
{
    (void)state;
#define UNTRUSTED "trust_chain_verification: ACCEPT_UNTRUSTED\n"
    const struct {
        nu_str yaml;
        enum nu_tls_verdict want;
    } cases[] = {
        {trusting(&other, UNTRUSTED), NU_TLS_FAILED_ERROR},
        {trusting(&ca, UNTRUSTED), NU_TLS_VALIDATED},
        {trusting(&ca, UNTRUSTED SAN("DNS", "{exact: none}")), NU_TLS_FAILED_SAN},
        {join(pin(&other, ""), NU_STR(UNTRUSTED)), NU_TLS_FAILED_CERT_HASH},
        {NU_STR(UNTRUSTED), NU_TLS_NOT_VALIDATED},
        {NU_STR("{}"), NU_TLS_NOT_VALIDATED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nu_tls_validation *v = load(cases[i].yaml);
        struct nu_tls_verify_result r = verify_with(v, &leaf, (struct nu_tls_verify_input){.server = true});
        assert_int_equal(r.verdict, cases[i].want);
        assert_true(r.accepted);
        nu_tls_validation_clear(v);
    }
}

/* ---- what is asked for ---- */

static void asks_for_certificates(void **state)
{
    (void)state;
    const int ask = SSL_VERIFY_PEER, insist = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    const struct {
        nu_str yaml;
        int want, want_required;
    } cases[] = {
        {NU_STR("{}"), SSL_VERIFY_NONE, SSL_VERIFY_NONE},
        {NU_STR(UNTRUSTED), ask, ask},
        {trusting(&ca, ""), ask, insist},
        {trusting(&ca, UNTRUSTED), ask, insist},
        {trusting(&ca, SAN("DNS", "{exact: none}")), insist, insist},
        {trusting(&ca, UNTRUSTED SAN("DNS", "{exact: none}")), ask, insist},
        {pin(&leaf, ""), insist, insist},
        {join(pin(&leaf, ""), NU_STR(UNTRUSTED)), ask, ask},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nu_tls_validation *v = load(cases[i].yaml);
        assert_int_equal(nu_tls_validation_verify_mode(v, false), cases[i].want);
        assert_int_equal(nu_tls_validation_verify_mode(v, true), cases[i].want_required);
        assert_int_equal(nu_tls_validation_wants_certificate(v), cases[i].want != SSL_VERIFY_NONE);
        nu_tls_validation_clear(v);
    }
    struct nu_tls_validation *none = nu_tls_validation_load(&t.f, NULL, NU_STR(""));
    assert_false(nu_tls_validation_wants_certificate(none));
    assert_int_equal(nu_tls_validation_name(none).len, 0);
    nu_tls_validation_clear(none);
}

static void tells_its_certificates(void **state)
{
    (void)state;
    nu_str bundle = join(join(ca.pem, other.pem), ca.pem);
    struct nu_tls_validation *v = load(source("trusted_ca", bundle));
    assert_int_equal(nu_tls_validation_n_cas(v), 3);
    assert_int_equal(X509_cmp(nu_tls_validation_ca(v, 1), other.x), 0);
    assert_int_equal(sk_X509_NAME_num(nu_tls_validation_ca_names(v)), 2);
    assert_string_equal(nu_tls_validation_origin(v).ptr, "<inline>");
    assert_string_equal(nu_tls_validation_name(v).ptr, "unnamed_ca_cert_e3b0c442");
    assert_in_range(nu_tls_validation_expires(v), time(NULL), time(NULL) + TEST_DAY);
    assert_true(nu_tls_validation_has_ca(v));
    nu_tls_validation_clear(v);
    v = load(trusting(&ca, "suppress_client_ca_list: true"));
    assert_null(nu_tls_validation_ca_names(v));
    nu_tls_validation_clear(v);
    v = load(NU_STR("{}"));
    assert_string_equal(nu_tls_validation_name(v).ptr, "unnamed_ca_cert");
    assert_int_equal(nu_tls_validation_expires(v), INT64_MAX);
    assert_int_equal(nu_tls_validation_n_cas(v), 0);
    nu_tls_validation_clear(v);
}

static void trusts_the_system(void **state)
{
    (void)state;
    char path[] = "/tmp/nuncio-roots-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, ca.pem.ptr, ca.pem.len), (ssize_t)ca.pem.len);
    close(fd);
    setenv("SSL_CERT_FILE", path, 1);
    good(NU_STR("system_root_certs: {}"), &leaf);
    bad(NU_STR("system_root_certs: {}"), &other, NU_TLS_FAILED_ERROR, SSL_AD_UNKNOWN_CA, AT "0: self signed certificate");
    good(NU_STR("system_root_certs: {}\n" SAN("DNS", "{exact: a.example.com}")), &leaf);
    bad(trusting(&other, "system_root_certs: {}"), &leaf, NU_TLS_FAILED_ERROR, SSL_AD_UNKNOWN_CA,
        AT "1: unable to get local issuer certificate");
    unlink(path);
    assert_null(load(NU_STR("system_root_certs: {}")));
    assert_true(nu_str_starts(test_reported(&t), NU_STR("cannot read file /tmp/nuncio-roots-")));
    unsetenv("SSL_CERT_FILE");
}

static void digests_tell_rules_apart(void **state)
{
    (void)state;
    const nu_str yamls[] = {NU_STR("{}"),
                            NU_STR(UNTRUSTED),
                            trusting(&ca, ""),
                            trusting(&other, ""),
                            trusting(&ca, "max_verify_depth: 3"),
                            trusting(&ca, SAN("DNS", "{exact: a}")),
                            trusting(&ca, SAN("DNS", "{exact: b}")),
                            pin(&leaf, ""),
                            join(trusting(&ca, ""), source("crl", test_crl(A, &ca, NULL)))};
    enum { N = sizeof(yamls) / sizeof(yamls[0]) };
    uint8_t digests[N][EVP_MAX_MD_SIZE];
    for (size_t i = 0; i < N; i++) {
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        unsigned len;
        struct nu_tls_validation *v = load(yamls[i]);
        EVP_DigestInit_ex(md, EVP_sha256(), NULL);
        nu_tls_validation_digest(v, md);
        EVP_DigestFinal_ex(md, digests[i], &len);
        EVP_MD_CTX_free(md);
        nu_tls_validation_clear(v);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(digests[i], digests[k], len);
    }
}

/* ---- what is refused ---- */

static void refuses_bad_ones(void **state)
{
    (void)state;
#define Z64 "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
#define AB "abababababababababababababababab"
    nu_str broken = NU_STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const struct {
        nu_str yaml;
        const char *want;
    } cases[] = {
        {NU_STR("trusted_ca: {filename: /does/not/exist}"), "cannot read file /does/not/exist: No such file or directory"},
        {NU_STR("trusted_ca: {filename: /dev/null}"), "file /dev/null is empty"},
        {NU_STR("trusted_ca: {inline_string: ''}"), "DataSource cannot be empty"},
        {source("trusted_ca", NU_STR("garbage")), "Failed to load trusted CA certificates from <inline>"},
        {source("trusted_ca", ca.key_pem), "Failed to load trusted CA certificates from <inline>"},
        {source("trusted_ca", join(ca.pem, broken)), "Failed to load trusted CA certificates from <inline>"},
        {NU_STR("match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a}}]"),
         "SAN-based verification of peer certificates without trusted CA is insecure and not allowed"},
        {NU_STR("allow_expired_certificate: true"), "Certificate validity period is always ignored without trusted CA"},
        {source("crl", ca.pem), "Failed to load CRL from <inline> without trusted CA"},
        {join(trusting(&ca, ""), source("crl", broken)), "Failed to load CRL from <inline>"},
        {trusting(&ca, SAN("OTHER_NAME", "{exact: a}")), "Failed to create SAN matcher for OTHER_NAME with OID: "},
        {trusting(&ca, SAN("OTHER_NAME", "{exact: a}, oid: 1.x")), "Failed to create SAN matcher for OTHER_NAME with OID: 1.x"},
        {trusting(&ca, SAN("DNS", "{safe_regex: {regex: '('}}")), "missing ): ("},
        {NU_STR("verify_certificate_hash: [" Z64 "]"), "Invalid hex-encoded SHA-256 " Z64},
        {NU_STR("verify_certificate_hash: [" AB AB "ab]"), "Invalid hex-encoded SHA-256 " AB AB "ab"},
        {NU_STR("verify_certificate_spki: ['!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!']"),
         "Invalid base64-encoded SHA-256 !!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!"},
        {NU_STR("verify_certificate_spki: ['AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA']"),
         "Invalid base64-encoded SHA-256 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_null(load(cases[i].yaml));
        nu_str text = test_reported(&t);
        if (!nu_str_eq(text, nu_str_from(cases[i].want)))
            fail_msg("%.*s; wanted: %s", NU_STR_ARG(text), cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_the_chain),
        cmocka_unit_test(looks_at_the_given_time),
        cmocka_unit_test(limits_the_depth),
        cmocka_unit_test(checks_revocation),
        cmocka_unit_test(lists_may_be_too_old),
        cmocka_unit_test(wants_the_right_purpose),
        cmocka_unit_test(nul_bytes_end_no_name),
        cmocka_unit_test(types_of_names_are_kept_apart),
        cmocka_unit_test(matches_names),
        cmocka_unit_test(matches_untyped_names),
        cmocka_unit_test(matches_names_of_the_request),
        cmocka_unit_test(checks_pins),
        cmocka_unit_test(accepts_untrusted_peers),
        cmocka_unit_test(asks_for_certificates),
        cmocka_unit_test(tells_its_certificates),
        cmocka_unit_test(trusts_the_system),
        cmocka_unit_test(digests_tell_rules_apart),
        cmocka_unit_test(refuses_bad_ones),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
