/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads a CertificateValidationContext. The texts of errors are Envoy's. system_root_certs does what the API says of it (Envoy
 * 1.40 takes it and then trusts everybody). */
#include <errno.h>
#include <openssl/base64.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <unistd.h>

#include "base/err.h"
#include "codec/pb/hash.h"
#include "codec/pb/pb.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/config/core/v3/extension.nu.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.nu.h"
#include "envoy/type/matcher/v3/string.nu.h"
#include "net/data_source.h"
#include "tls/error.h"
#include "tls/validation_priv.h"

typedef struct envoy_extensions_transport_sockets_tls_v3_CertificateValidationContext validation_msg;
typedef struct envoy_extensions_transport_sockets_tls_v3_SubjectAltNameMatcher san_msg;

#define MAX_SOURCE (16u << 20) /* bytes of a bundle */

/* Whoever resumes a session must have been checked by these rules: bundles and lists as they were read, and the message. */
static void add_digest(struct nu_tls_validation *v, nu_str bytes)
{
    SHA256_CTX md;
    SHA256_Init(&md);
    SHA256_Update(&md, v->digest, sizeof(v->digest));
    SHA256_Update(&md, bytes.ptr, bytes.len);
    SHA256_Final(v->digest, &md);
}

/* ---- certificates and revocation lists ---- */

/* Adds what a PEM text has to the store; the certificates to v->cas, too, if as_cas. Returns how many lists there were, -1 when
 * it is malformed. What is neither (keys, text without any of it) is passed over, as OpenSSL's bundles have always been read. */
static int add_pem(struct nu_tls_validation *v, nu_str pem, bool as_cas)
{
    ERR_clear_error();
    add_digest(v, pem);
    int n_crls = 0;
    BIO *bio = BIO_new_mem_buf(pem.ptr, (ossl_ssize_t)pem.len);
    STACK_OF(X509_INFO) *list = PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL);
    BIO_free(bio);
    for (size_t i = 0; list != NULL && i < sk_X509_INFO_num(list); i++) {
        const X509_INFO *item = sk_X509_INFO_value(list, i);
        if (as_cas && item->x509 != NULL) {
            X509_STORE_add_cert(v->store, item->x509);
            X509_up_ref(item->x509);
            sk_X509_push(v->cas, item->x509);
        }
        if (item->crl != NULL) {
            X509_STORE_add_crl(v->store, item->crl);
            n_crls++;
        }
    }
    sk_X509_INFO_pop_free(list, X509_INFO_free);
    ERR_clear_error();
    return list != NULL ? n_crls : -1;
}

static void check_crls(struct nu_tls_validation *v, const validation_msg *m)
{
    X509_STORE_set_flags(v->store,
                         X509_V_FLAG_CRL_CHECK | (m->only_verify_leaf_cert_crl ? 0 : (unsigned long)X509_V_FLAG_CRL_CHECK_ALL));
}

/* The names that CertificateRequest has: each once. */
static void note_ca_names(struct nu_tls_validation *v)
{
    v->ca_names = sk_X509_NAME_new_null();
    for (size_t i = 0; i < sk_X509_num(v->cas); i++) {
        X509_NAME *name = X509_get_subject_name(sk_X509_value(v->cas, i));
        bool known = false;
        for (size_t k = 0; !known && k < sk_X509_NAME_num(v->ca_names); k++)
            known = X509_NAME_cmp(sk_X509_NAME_value(v->ca_names, k), name) == 0;
        if (!known)
            sk_X509_NAME_push(v->ca_names, X509_NAME_dup(name));
    }
}

static bool trust(struct nu_factory *f, const validation_msg *m, const char *field, nu_str pem, struct nu_tls_validation *v)
{
    v->store = X509_STORE_new();
    v->cas = sk_X509_new_null();
    int n_crls = add_pem(v, pem, true);
    if (n_crls < 0 || sk_X509_num(v->cas) == 0) {
        nu_pb_error(f->diags, m, field, "Failed to load trusted CA certificates from %.*s", NU_STR_ARG(v->origin));
        return false;
    }
    X509_STORE_set_flags(v->store, X509_V_FLAG_PARTIAL_CHAIN);
    if (n_crls > 0)
        check_crls(v, m);
    if (m->allow_expired_certificate)
        X509_STORE_set_flags(v->store, X509_V_FLAG_NO_CHECK_TIME);
    /* The library counts neither leaf nor anchor, the field counts the anchor. */
    if (m->max_verify_depth != NULL)
        X509_STORE_set_depth(v->store, *m->max_verify_depth > 0 ? (int)*m->max_verify_depth - 1 : 0);
    return true;
}

static bool load_trusted_ca(struct nu_factory *f, const validation_msg *m, struct nu_tls_validation *v)
{
    const struct envoy_config_core_v3_DataSource *d = m->trusted_ca;
    bool is_file = d->specifier_case == envoy_config_core_v3_DataSource_filename_case;
    nu_str pem;
    if (!nu_data_source_read(f, d, MAX_SOURCE, &pem))
        return false;
    v->origin = is_file ? nu_arena_str(f->arena, d->filename) : NU_STR("<inline>");
    if (pem.len == 0) {
        if (is_file)
            nu_pb_error(f->diags, m, "trusted_ca", "file %.*s is empty", NU_STR_ARG(d->filename));
        else
            nu_pb_error(f->diags, m, "trusted_ca", "DataSource cannot be empty");
        return false;
    }
    if (!trust(f, m, "trusted_ca", pem, v))
        return false;
    if (!m->suppress_client_ca_list)
        note_ca_names(v);
    return true;
}

/* The system's bundle, where distributions have it; its names are not told to clients, being some 15 KB. */
static bool load_system_roots(struct nu_factory *f, const validation_msg *m, struct nu_tls_validation *v)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Alpine, Arch, Gentoo */
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
        "/etc/pki/tls/certs/ca-bundle.crt",                  /* older ones */
        "/etc/ssl/ca-bundle.pem",                            /* SUSE */
        "/etc/ssl/cert.pem",
    };
    const char *path = getenv("SSL_CERT_FILE");
    for (size_t i = 0; path == NULL && i < sizeof(places) / sizeof(places[0]); i++)
        path = access(places[i], R_OK) == 0 ? places[i] : NULL;
    if (path == NULL) {
        nu_pb_error(f->diags, m, "system_root_certs", "the system's trusted certificates are in none of the usual places");
        return false;
    }
    v->origin = nu_arena_str(f->arena, nu_str_from(path));
    nu_str pem;
    int err = nu_file_read(f->arena, path, MAX_SOURCE, &pem);
    if (err != 0) {
        nu_pb_error(f->diags, m, "system_root_certs", "cannot read file %s: %s", path,
                    err == NU_ERR_LIMIT ? "larger than 16 MiB" : strerror(errno));
        return false;
    }
    return trust(f, m, "system_root_certs", pem, v);
}

static nu_str crl_origin(const validation_msg *m)
{
    return m->crl->specifier_case == envoy_config_core_v3_DataSource_filename_case ? m->crl->filename : NU_STR("<inline>");
}

static bool load_crl(struct nu_factory *f, const validation_msg *m, struct nu_tls_validation *v)
{
    nu_str pem;
    if (m->crl == NULL)
        return true;
    if (!nu_data_source_read(f, m->crl, MAX_SOURCE, &pem))
        return false;
    if (pem.len == 0)
        return true;
    nu_str origin = crl_origin(m);
    if (v->store == NULL) {
        nu_pb_error(f->diags, m, "crl", "Failed to load CRL from %.*s without trusted CA", NU_STR_ARG(origin));
        return false;
    }
    if (add_pem(v, pem, false) < 0) {
        nu_pb_error(f->diags, m, "crl", "Failed to load CRL from %.*s", NU_STR_ARG(origin));
        return false;
    }
    check_crls(v, m);
    return true;
}

/* ---- names ---- */

static bool load_san(struct nu_factory *f, const san_msg *m, struct nu_san_matcher *out)
{
    switch (m->san_type) {
    case envoy_extensions_transport_sockets_tls_v3_SubjectAltNameMatcher_SanType_EMAIL:
        out->type = GEN_EMAIL;
        break;
    case envoy_extensions_transport_sockets_tls_v3_SubjectAltNameMatcher_SanType_DNS:
        out->type = GEN_DNS;
        break;
    case envoy_extensions_transport_sockets_tls_v3_SubjectAltNameMatcher_SanType_URI:
        out->type = GEN_URI;
        break;
    case envoy_extensions_transport_sockets_tls_v3_SubjectAltNameMatcher_SanType_IP_ADDRESS:
        out->type = GEN_IPADD;
        break;
    default:
        out->type = GEN_OTHERNAME;
        out->oid = OBJ_txt2obj(nu_arena_cstr(f->arena, m->oid), 0);
        ERR_clear_error();
        if (out->oid == NULL) {
            nu_pb_error(f->diags, m, "oid", "Failed to create SAN matcher for OTHER_NAME with OID: %.*s", NU_STR_ARG(m->oid));
            return false;
        }
    }
    return nu_string_matcher_build(f, m->matcher, &out->string);
}

/* The older field says no type: each of these. */
static bool load_untyped_san(struct nu_factory *f, const struct envoy_type_matcher_v3_StringMatcher *m, struct nu_tls_validation *v)
{
    static const int types[] = {GEN_DNS, GEN_URI, GEN_EMAIL, GEN_IPADD};
    struct nu_string_matcher string;
    if (!nu_string_matcher_build(f, m, &string))
        return false;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        v->sans[v->n_sans++] = (struct nu_san_matcher){.type = types[i], .string = string};
    return true;
}

static bool load_sans(struct nu_factory *f, const validation_msg *m, struct nu_tls_validation *v)
{
    size_t n = m->n_match_typed_subject_alt_names + 4 * m->n_match_subject_alt_names;
    if (n == 0)
        return true;
    if (v->store == NULL) {
        nu_pb_error(f->diags, m, m->n_match_typed_subject_alt_names > 0 ? "match_typed_subject_alt_names" : "match_subject_alt_names",
                    "SAN-based verification of peer certificates without trusted CA is insecure and not allowed");
        return false;
    }
    bool ok = true;
    v->sans = nu_arena_array(f->arena, struct nu_san_matcher, n);
    for (size_t i = 0; i < m->n_match_typed_subject_alt_names; i++)
        ok = load_san(f, m->match_typed_subject_alt_names[i], &v->sans[v->n_sans++]) && ok;
    for (size_t i = 0; i < m->n_match_subject_alt_names; i++)
        ok = load_untyped_san(f, m->match_subject_alt_names[i], v) && ok;
    return ok;
}

/* ---- pins ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = nu_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 64 hex digits, or 95 characters with colons between, as openssl x509 -fingerprint prints them. */
static bool parse_hash(nu_str text, struct nu_tls_pin *out)
{
    size_t step = text.len == 95 ? 3 : 2;
    if (text.len != 95 && text.len != 64)
        return false;
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        int high = hex_digit(text.ptr[i * step]), low = hex_digit(text.ptr[i * step + 1]);
        if (high < 0 || low < 0 || (step == 3 && i + 1 < SHA256_DIGEST_LENGTH && text.ptr[i * step + 2] != ':'))
            return false;
        out->sha256[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static bool parse_spki(nu_str text, struct nu_tls_pin *out)
{
    uint8_t bytes[48];
    size_t n = 0;
    if (text.len != 44 || EVP_DecodeBase64(bytes, &n, sizeof(bytes), (const uint8_t *)text.ptr, text.len) != 1 ||
        n != SHA256_DIGEST_LENGTH)
        return false;
    memcpy(out->sha256, bytes, n);
    return true;
}

static bool load_pins(struct nu_factory *f, const validation_msg *m, struct nu_tls_validation *v)
{
    size_t errors = f->diags->n_errors;
    v->hashes = nu_arena_array(f->arena, struct nu_tls_pin, m->n_verify_certificate_hash);
    for (; v->n_hashes < m->n_verify_certificate_hash; v->n_hashes++) {
        nu_str text = m->verify_certificate_hash[v->n_hashes];
        if (!parse_hash(text, &v->hashes[v->n_hashes]))
            nu_pb_error(f->diags, m, nu_arena_printf(f->arena, "verify_certificate_hash[%zu]", v->n_hashes).ptr,
                        "Invalid hex-encoded SHA-256 %.*s", NU_STR_ARG(text));
    }
    v->spkis = nu_arena_array(f->arena, struct nu_tls_pin, m->n_verify_certificate_spki);
    for (; v->n_spkis < m->n_verify_certificate_spki; v->n_spkis++) {
        nu_str text = m->verify_certificate_spki[v->n_spkis];
        if (!parse_spki(text, &v->spkis[v->n_spkis]))
            nu_pb_error(f->diags, m, nu_arena_printf(f->arena, "verify_certificate_spki[%zu]", v->n_spkis).ptr,
                        "Invalid base64-encoded SHA-256 %.*s", NU_STR_ARG(text));
    }
    return f->diags->n_errors == errors;
}

/* ---- all of it ---- */

static bool load(struct nu_factory *f, const validation_msg *m, nu_str secret, struct nu_tls_validation *v)
{
    if (m->custom_validator_config != NULL) { /* which would do all of the rest in its own way; there is none yet */
        nu_extension_resolve(f, "envoy.tls.cert_validator", m->custom_validator_config, "typed_config",
                             m->custom_validator_config->typed_config);
        return false;
    }
    v->configured = true;
    v->accept_untrusted = m->trust_chain_verification ==
                          envoy_extensions_transport_sockets_tls_v3_CertificateValidationContext_TrustChainVerification_ACCEPT_UNTRUSTED;
    v->suppress_ca_names = m->suppress_client_ca_list;
    if (m->trusted_ca != NULL ? !load_trusted_ca(f, m, v) : m->system_root_certs != NULL && !load_system_roots(f, m, v))
        return false;
    if (m->allow_expired_certificate && v->store == NULL) {
        nu_pb_error(f->diags, m, "allow_expired_certificate",
                    "Certificate validity period is always ignored without trusted CA");
        return false;
    }
    if (!load_crl(f, m, v) || !load_sans(f, m, v) || !load_pins(f, m, v))
        return false;
    nu_str unnamed = v->store != NULL ? NU_STR("unnamed_ca_cert_e3b0c442") : NU_STR("unnamed_ca_cert"); /* as Envoy 1.40 */
    v->name = secret.len > 0 ? nu_arena_str(f->arena, secret) : unnamed;
    uint64_t message = nu_pb_hash(m);
    add_digest(v, nu_str_make(&message, sizeof(message)));
    return true;
}

struct nu_tls_validation *nu_tls_validation_load(struct nu_factory *f, const validation_msg *m, nu_str secret)
{
    struct nu_tls_validation *v = nu_arena_new(f->arena, struct nu_tls_validation);
    if (m == NULL || load(f, m, secret, v))
        return v;
    nu_tls_validation_clear(v);
    return NULL;
}

void nu_tls_validation_clear(struct nu_tls_validation *v)
{
    if (v == NULL)
        return;
    X509_STORE_free(v->store);
    sk_X509_pop_free(v->cas, X509_free);
    sk_X509_NAME_pop_free(v->ca_names, X509_NAME_free);
    for (size_t i = 0; i < v->n_sans; i++)
        ASN1_OBJECT_free(v->sans[i].oid);
    *v = (struct nu_tls_validation){0};
}

/* ---- what others ask ---- */

bool nu_tls_validation_wants_certificate(const struct nu_tls_validation *v)
{
    return nu_tls_validation_verify_mode(v, false) != SSL_VERIFY_NONE;
}

int nu_tls_validation_verify_mode(const struct nu_tls_validation *v, bool required)
{
    bool rules = v->n_sans + v->n_hashes + v->n_spkis > 0;
    if ((rules && !v->accept_untrusted) || (required && v->store != NULL))
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    return v->store != NULL || v->accept_untrusted ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
}

bool nu_tls_validation_has_ca(const struct nu_tls_validation *v)
{
    return v->store != NULL;
}

const STACK_OF(X509_NAME) *nu_tls_validation_ca_names(const struct nu_tls_validation *v)
{
    return v->ca_names;
}

size_t nu_tls_validation_n_cas(const struct nu_tls_validation *v)
{
    return v->cas != NULL ? sk_X509_num(v->cas) : 0;
}

X509 *nu_tls_validation_ca(const struct nu_tls_validation *v, size_t i)
{
    return sk_X509_value(v->cas, i);
}

nu_str nu_tls_validation_origin(const struct nu_tls_validation *v)
{
    return v->origin;
}

nu_str nu_tls_validation_name(const struct nu_tls_validation *v)
{
    return v->name;
}

int64_t nu_tls_validation_expires(const struct nu_tls_validation *v)
{
    int64_t at;
    if (v->store == NULL || ASN1_TIME_to_posix(X509_get0_notAfter(sk_X509_value(v->cas, 0)), &at) != 1)
        return INT64_MAX;
    return at;
}

void nu_tls_validation_digest(const struct nu_tls_validation *v, EVP_MD_CTX *md)
{
    EVP_DigestUpdate(md, v->digest, sizeof(v->digest));
}
