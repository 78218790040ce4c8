/* SPDX-License-Identifier: Apache-2.0
 *
 * The texts of errors begin as Envoy's do, so that what is known about those helps with these. */
#include "tls/certificate.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/pkcs8.h>
#include <openssl/rsa.h>

#include "base/err.h"
#include "codec/pb/pb.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.nu.h"
#include "net/data_source.h"
#include "tls/error.h"
#include "tls/general_name.h"
#include "tls/ocsp.h"

typedef struct envoy_extensions_transport_sockets_tls_v3_TlsCertificate cert_msg;
typedef struct envoy_config_core_v3_DataSource source_msg;

#define MAX_SOURCE (16u << 20) /* bytes of a file with certificates, keys or a response */

/* ---- where it comes from ---- */

static nu_str origin_of(struct nu_arena *a, const source_msg *d, nu_str content)
{
    if (d != NULL && d->specifier_case == envoy_config_core_v3_DataSource_filename_case)
        return nu_arena_str(a, d->filename);
    return content.len > 0 ? NU_STR("<inline>") : NU_STR("");
}

/* A chain or key that is missing is an error of its own, whatever the reason; the reason is kept for the sentence. */
static nu_str read_part(struct nu_factory *f, const source_msg *d, const char **reason)
{
    nu_str content = NU_STR("");
    *reason = "";
    if (d == NULL)
        return content;
    if (d->specifier_case == envoy_config_core_v3_DataSource_environment_variable_case) {
        const char *value = getenv(nu_arena_cstr(f->arena, d->environment_variable));
        *reason = value == NULL ? ": the environment variable is not set" : "";
        return nu_arena_str(f->arena, nu_str_from(value));
    }
    if (d->specifier_case == envoy_config_core_v3_DataSource_filename_case) {
        int err = nu_file_read(f->arena, nu_arena_cstr(f->arena, d->filename), MAX_SOURCE, &content);
        if (err != 0)
            *reason = nu_arena_printf(f->arena, ": %s", err == NU_ERR_LIMIT ? "larger than 16 MiB" : strerror(errno)).ptr;
        return content;
    }
    (void)nu_data_source_read(f, d, 0, &content);
    return content;
}

/* ---- PEM ---- */

static bool chain_failed(struct nu_factory *f, const cert_msg *m, const struct nu_tls_certificate *c)
{
    nu_pb_error(f->diags, m, m->pkcs12 != NULL ? "pkcs12" : "certificate_chain", "Failed to load certificate chain from %.*s",
                NU_STR_ARG(c->origin));
    ERR_clear_error();
    return false;
}

/* The leaf may have OpenSSL's trust settings (BEGIN TRUSTED CERTIFICATE); what follows may not. */
static bool read_chain(BIO *bio, struct nu_tls_certificate *out)
{
    ERR_clear_error();
    out->leaf = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    if (out->leaf == NULL)
        return false;
    for (;;) {
        X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (x == NULL)
            return nu_tls_error_is_pem_end();
        if (out->intermediates == NULL)
            out->intermediates = sk_X509_new_null();
        sk_X509_push(out->intermediates, x);
    }
}

static bool load_chain(struct nu_factory *f, const cert_msg *m, struct nu_tls_certificate *out)
{
    const char *reason;
    nu_str pem = read_part(f, m->certificate_chain, &reason);
    out->origin = origin_of(f->arena, m->certificate_chain, pem);
    if (pem.len == 0) {
        nu_pb_error(f->diags, m, m->certificate_chain != NULL ? "certificate_chain" : NULL,
                    "Failed to load incomplete certificate from %.*s: certificate chain not set%s", NU_STR_ARG(out->origin),
                    reason);
        return false;
    }
    BIO *bio = BIO_new_mem_buf(pem.ptr, (ossl_ssize_t)pem.len);
    bool ok = read_chain(bio, out);
    BIO_free(bio);
    return ok || chain_failed(f, m, out);
}

/* The library's own default would ask on the terminal when no password is set. */
static int on_password(char *buf, int size, int encrypting, void *arg)
{
    (void)encrypting;
    const nu_str *password = arg;
    if (password->len == 0 || password->len > (size_t)size)
        return -1;
    memcpy(buf, password->ptr, password->len);
    return (int)password->len;
}

static EVP_PKEY *read_key(nu_str pem, nu_str password)
{
    ERR_clear_error();
    BIO *bio = BIO_new_mem_buf(pem.ptr, (ossl_ssize_t)pem.len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, on_password, &password);
    BIO_free(bio);
    return key;
}

static bool load_key(struct nu_factory *f, const cert_msg *m, nu_str password, struct nu_tls_certificate *out)
{
    const char *reason;
    nu_str pem = read_part(f, m->private_key, &reason);
    nu_str origin = origin_of(f->arena, m->private_key, pem);
    if (pem.len == 0) {
        nu_pb_error(f->diags, m, m->private_key != NULL ? "private_key" : NULL,
                    "Failed to load incomplete private key from path: %.*s%s", NU_STR_ARG(origin), reason);
        return false;
    }
    out->key = read_key(pem, password);
    if (out->key != NULL && X509_check_private_key(out->leaf, out->key) == 1)
        return true;
    nu_str cause = nu_tls_error_text(f->arena);
    nu_pb_error(f->diags, m, "private_key", "Failed to load private key from %.*s, Cause: %.*s", NU_STR_ARG(origin),
                NU_STR_ARG(cause));
    return false;
}

/* ---- PKCS#12 ---- */

static bool parse_pkcs12(nu_str der, const char *password, struct nu_tls_certificate *out)
{
    const uint8_t *p = (const uint8_t *)der.ptr;
    ERR_clear_error();
    PKCS12 *bundle = d2i_PKCS12(NULL, &p, der.len);
    bool ok = bundle != NULL && PKCS12_parse(bundle, password, &out->key, &out->leaf, &out->intermediates) == 1;
    PKCS12_free(bundle);
    ERR_clear_error();
    return ok;
}

static bool load_pkcs12(struct nu_factory *f, const cert_msg *m, nu_str password, struct nu_tls_certificate *out)
{
    const char *other = m->private_key != NULL ? "private_key" : m->certificate_chain != NULL ? "certificate_chain" : NULL;
    if (other != NULL) {
        nu_pb_error(f->diags, m, other, "Certificate configuration can't have both pkcs12 and %s", other);
        return false;
    }
    nu_str der;
    if (!nu_data_source_read(f, m->pkcs12, MAX_SOURCE, &der))
        return false;
    out->origin = origin_of(f->arena, m->pkcs12, der);
    if (der.len == 0)
        return chain_failed(f, m, out);
    if (!parse_pkcs12(der, password.len > 0 ? nu_arena_cstr(f->arena, password) : NULL, out)) {
        nu_pb_error(f->diags, m, "pkcs12", "Failed to load pkcs12 from %.*s", NU_STR_ARG(out->origin));
        return false;
    }
    if (out->leaf == NULL || out->key == NULL) {
        nu_pb_error(f->diags, m, "pkcs12", "Failed to load certificate from %.*s: it has no %s", NU_STR_ARG(out->origin),
                    out->key == NULL ? "private key" : "certificate for its key");
        return false;
    }
    if (out->intermediates != NULL && sk_X509_num(out->intermediates) == 0) {
        sk_X509_free(out->intermediates);
        out->intermediates = NULL;
    }
    return true;
}

/* ---- what it says ---- */

static bool good_curve(const EVP_PKEY *key)
{
    const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
    const EC_GROUP *group = ec != NULL ? EC_KEY_get0_group(ec) : NULL;
    int curve = group != NULL ? EC_GROUP_get_curve_name(group) : NID_undef;
    return curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 || curve == NID_secp521r1;
}

/* Other kinds (Ed25519) are taken as they are. */
static bool check_strength(struct nu_factory *f, const cert_msg *m, struct nu_tls_certificate *out)
{
    const EVP_PKEY *key = X509_get0_pubkey(out->leaf);
    if (key == NULL)
        return chain_failed(f, m, out);
    out->ecdsa = EVP_PKEY_id(key) == EVP_PKEY_EC;
    const char *wanted = NULL;
    if (out->ecdsa && !good_curve(key))
        wanted = "P-256, P-384 or P-521 ECDSA certificates";
    else if (EVP_PKEY_id(key) == EVP_PKEY_RSA && EVP_PKEY_bits(key) < 2048)
        wanted = "RSA certificates with 2048-bit or larger keys";
    if (wanted == NULL)
        return true;
    nu_pb_error(f->diags, m, m->pkcs12 != NULL ? "pkcs12" : "certificate_chain",
                "Failed to load certificate chain from %.*s, only %s are supported", NU_STR_ARG(out->origin), wanted);
    return false;
}

static bool has_must_staple(const X509 *leaf)
{
    static const uint8_t status_request[] = {0x30, 3, 2, 1, 5}; /* the features: SEQUENCE OF INTEGER, { 5 } */
    ASN1_OBJECT *tls_feature = OBJ_txt2obj("1.3.6.1.5.5.7.1.24", 1);
    int at = X509_get_ext_by_OBJ(leaf, tls_feature, -1);
    ASN1_OBJECT_free(tls_feature);
    X509_EXTENSION *ext = at >= 0 ? X509_get_ext(leaf, at) : NULL;
    const ASN1_OCTET_STRING *data = ext != NULL ? X509_EXTENSION_get_data(ext) : NULL;
    return data != NULL && ASN1_STRING_length(data) == (int)sizeof(status_request) &&
           memcmp(ASN1_STRING_get0_data(data), status_request, sizeof(status_request)) == 0;
}

static nu_str lower(struct nu_arena *a, nu_str s)
{
    char *p = nu_arena_cstr(a, s);
    for (size_t i = 0; i < s.len; i++)
        p[i] = nu_ascii_lower(p[i]);
    return nu_str_make(p, s.len);
}

static nu_str common_name(const X509 *x, struct nu_arena *a)
{
    const X509_NAME *subject = X509_get_subject_name(x);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const X509_NAME_ENTRY *entry = at >= 0 ? X509_NAME_get_entry(subject, at) : NULL;
    const ASN1_STRING *s = entry != NULL ? X509_NAME_ENTRY_get_data(entry) : NULL;
    if (s == NULL)
        return NU_STR("");
    return lower(a, nu_str_make(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)));
}

static void note_dns_names(struct nu_arena *a, struct nu_tls_certificate *out)
{
    GENERAL_NAMES *all = nu_general_names(out->leaf);
    size_t n = all != NULL ? sk_GENERAL_NAME_num(all) : 1;
    nu_str *names = nu_arena_array(a, nu_str, n);
    for (size_t i = 0; all != NULL && i < n; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type == GEN_DNS)
            names[out->n_dns_names++] = lower(a, nu_general_name_text(name, a));
    }
    if (all == NULL) {
        names[0] = common_name(out->leaf, a);
        out->n_dns_names = names[0].len > 0;
    }
    GENERAL_NAMES_free(all);
    out->dns_names = names;
}

static void note_facts(struct nu_factory *f, const cert_msg *m, nu_str secret, struct nu_tls_certificate *out)
{
    /* The names of those without a secret are what Envoy 1.40 makes of them, a hash of nothing. */
    nu_str unnamed = m->pkcs12 != NULL ? NU_STR("unnamed_cert_") : NU_STR("unnamed_cert_e3b0c442");
    out->name = secret.len > 0 ? nu_arena_str(f->arena, secret) : unnamed;
    out->must_staple = has_must_staple(out->leaf);
    if (ASN1_TIME_to_posix(X509_get0_notBefore(out->leaf), &out->not_before) != 1)
        out->not_before = 0;
    if (ASN1_TIME_to_posix(X509_get0_notAfter(out->leaf), &out->not_after) != 1)
        out->not_after = 0;
    note_dns_names(f->arena, out);
}

/* ---- OCSP ---- */

static bool same_serial(const X509 *x, nu_str serial)
{
    uint8_t *der = NULL;
    int n = i2d_ASN1_INTEGER(X509_get0_serialNumber(x), &der);
    /* Both are the contents of a DER INTEGER; ours has tag and length before it. */
    nu_str ours = nu_str_make(der, n > 0 ? (size_t)n : 0);
    bool same = ours.len > serial.len && nu_str_ends(ours, serial) && ours.len - serial.len == 2;
    OPENSSL_free(der);
    return same;
}

static bool load_ocsp(struct nu_factory *f, const cert_msg *m, struct nu_tls_certificate *out)
{
    if (m->ocsp_staple == NULL)
        return true;
    struct nu_ocsp ocsp;
    const char *error = NULL;
    if (m->ocsp_staple->specifier_case == envoy_config_core_v3_DataSource_inline_string_case)
        error = "OCSP staple cannot be provided via inline_string";
    else if (!nu_data_source_read(f, m->ocsp_staple, MAX_SOURCE, &out->ocsp_response))
        return false;
    else if (out->ocsp_response.len == 0)
        return true;
    else if ((error = nu_ocsp_read(out->ocsp_response, &ocsp)) == NULL && !same_serial(out->leaf, ocsp.serial))
        error = "OCSP response does not match its TLS certificate";
    if (error != NULL) {
        nu_pb_error(f->diags, m, "ocsp_staple", "%s", error);
        return false;
    }
    out->ocsp_begins = ocsp.this_update;
    out->ocsp_expires = ocsp.next_update;
    return true;
}

/* ---- all of it ---- */

static bool is_empty(const cert_msg *m)
{
    return m->certificate_chain == NULL && m->private_key == NULL && m->pkcs12 == NULL && m->ocsp_staple == NULL &&
           m->password == NULL;
}

static bool load(struct nu_factory *f, const cert_msg *m, nu_str secret, struct nu_tls_certificate *out)
{
    nu_str password;
    if (!nu_data_source_read(f, m->password, MAX_SOURCE, &password))
        return false;
    if (m->pkcs12 != NULL ? !load_pkcs12(f, m, password, out) : !load_chain(f, m, out))
        return false;
    if (!check_strength(f, m, out) || (m->pkcs12 == NULL && !load_key(f, m, password, out)))
        return false;
    note_facts(f, m, secret, out);
    return load_ocsp(f, m, out);
}

bool nu_tls_certificate_load(struct nu_factory *f, const cert_msg *m, nu_str secret, struct nu_tls_certificate *out)
{
    *out = (struct nu_tls_certificate){0};
    if (is_empty(m) || load(f, m, secret, out))
        return true;
    nu_tls_certificate_clear(out);
    return false;
}

void nu_tls_certificate_clear(struct nu_tls_certificate *c)
{
    X509_free(c->leaf);
    sk_X509_pop_free(c->intermediates, X509_free);
    EVP_PKEY_free(c->key);
    *c = (struct nu_tls_certificate){0};
}
