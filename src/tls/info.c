/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts of connections and certificates as Envoy prints them. Whatever is asked for is computed anew: logs ask once. */
#include "tls/info.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "tls/digest.h"
#include "tls/general_name.h"
#include "tls/validation.h"

/* ---- a certificate ---- */

/* What was written to a memory BIO; frees it. */
static nu_str bio_text(BIO *bio, struct nu_arena *a)
{
    const uint8_t *data;
    size_t n;
    nu_str out = NU_STR("");
    if (BIO_mem_contents(bio, &data, &n) == 1)
        out = nu_arena_str(a, nu_str_make(data, n));
    BIO_free(bio);
    return out;
}

static nu_str name_text(X509_NAME *name, struct nu_arena *a)
{
    BIO *bio = BIO_new(BIO_s_mem());
    (void)X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
    return bio_text(bio, a);
}

nu_str nu_x509_subject(X509 *x, struct nu_arena *a)
{
    return name_text(X509_get_subject_name(x), a);
}

nu_str nu_x509_issuer(X509 *x, struct nu_arena *a)
{
    return name_text(X509_get_issuer_name(x), a);
}

nu_str nu_x509_serial(X509 *x, struct nu_arena *a)
{
    BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
    char *digits = bn != NULL ? BN_bn2hex(bn) : NULL;
    for (char *d = digits; d != NULL && *d != '\0'; d++)
        *d = nu_ascii_lower(*d);
    nu_str out = digits != NULL ? nu_arena_str(a, nu_str_from(digits)) : NU_STR("");
    OPENSSL_free(digits);
    BN_free(bn);
    return out;
}

static nu_str digest_text(X509 *x, const EVP_MD *md, struct nu_arena *a)
{
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    return X509_digest(x, md, bytes, &n) == 1 ? nu_hex(a, bytes, n) : NU_STR("");
}

nu_str nu_x509_fingerprint(X509 *x, struct nu_arena *a)
{
    return digest_text(x, EVP_sha256(), a);
}

static nu_str fingerprint_1(X509 *x, struct nu_arena *a)
{
    return digest_text(x, EVP_sha1(), a);
}

static nu_str pem_text(X509 *x, struct nu_arena *a)
{
    BIO *bio = BIO_new(BIO_s_mem());
    (void)PEM_write_bio_X509(bio, x);
    return bio_text(bio, a);
}

/* The characters that PEM has and URLs do not. */
static nu_str url_encode(nu_str in, struct nu_arena *a)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = nu_arena_alloc(a, in.len * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c != '\n' && c != ' ' && c != '+' && c != '/' && c != '=') {
            out[n++] = c;
            continue;
        }
        out[n++] = '%';
        out[n++] = digits[(uint8_t)c >> 4];
        out[n++] = digits[(uint8_t)c & 15];
    }
    return nu_str_make(out, n);
}

static nu_str encoded_pem(X509 *x, struct nu_arena *a)
{
    return url_encode(pem_text(x, a), a);
}

const nu_str *nu_x509_sans(X509 *x, int type, struct nu_arena *a, size_t *n)
{
    GENERAL_NAMES *names = nu_general_names(x);
    size_t all = names != NULL ? sk_GENERAL_NAME_num(names) : 0;
    nu_str *out = all > 0 ? nu_arena_array(a, nu_str, all) : NULL;
    *n = 0;
    for (size_t i = 0; i < all; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == type)
            out[(*n)++] = nu_general_name_text(name, a);
    }
    GENERAL_NAMES_free(names);
    return out;
}

static int64_t wall_seconds(const ASN1_TIME *t)
{
    int64_t out = 0;
    return t != NULL && ASN1_TIME_to_posix(t, &out) == 1 ? out : 0;
}

void nu_x509_validity(X509 *x, int64_t *not_before, int64_t *not_after)
{
    *not_before = wall_seconds(X509_get0_notBefore(x));
    *not_after = wall_seconds(X509_get0_notAfter(x));
}

/* ---- a connection ---- */

/* What stays of one that may be gone. The library does not share its SSL, but sessions have the peer's certificate. */
struct nu_tls_kept {
    SSL_SESSION *session; /* a reference; NULL: none */
    const SSL_CIPHER *cipher;
    const char *version;
    uint16_t curve;
    nu_str server_name;
};

static const STACK_OF(X509) *peer_chain(const struct nu_tls_info *t)
{
    return t->ssl != NULL ? SSL_get_peer_full_cert_chain(t->ssl) : NULL;
}

static X509 *peer(const struct nu_tls_info *t)
{
    if (t->kept != NULL)
        return t->kept->session != NULL ? SSL_SESSION_get0_peer(t->kept->session) : NULL;
    const STACK_OF(X509) *chain = peer_chain(t);
    return chain != NULL && sk_X509_num(chain) > 0 ? sk_X509_value(chain, 0) : NULL;
}

static bool issued(X509 *issuer, X509 *x)
{
    return issuer != NULL && X509_check_issued(issuer, x) == X509_V_OK;
}

static X509 *peer_issuer(const struct nu_tls_info *t)
{
    const STACK_OF(X509) *chain = peer_chain(t);
    X509 *x = peer(t);
    if (x == NULL)
        return NULL;
    if (chain != NULL && sk_X509_num(chain) > 1 && issued(sk_X509_value(chain, 1), x))
        return sk_X509_value(chain, 1);
    for (size_t i = 0; t->validation != NULL && i < nu_tls_validation_n_cas(t->validation); i++)
        if (issued(nu_tls_validation_ca(t->validation, i), x))
            return nu_tls_validation_ca(t->validation, i);
    return NULL;
}

static const SSL_SESSION *session(const struct nu_tls_info *t)
{
    return t->kept != NULL ? t->kept->session : SSL_get_session(t->ssl);
}

bool nu_tls_info_has_peer(const struct nu_tls_info *t)
{
    return peer(t) != NULL;
}

bool nu_tls_info_peer_validity(const struct nu_tls_info *t, int64_t *not_before, int64_t *not_after)
{
    X509 *x = peer(t);
    if (x == NULL)
        return false;
    nu_x509_validity(x, not_before, not_after);
    return true;
}

static nu_str join(const nu_str *list, size_t n, nu_str separator, struct nu_arena *a)
{
    if (n == 0)
        return NU_STR_NONE;
    nu_str *parts = nu_arena_array(a, nu_str, 2 * n);
    for (size_t i = 0; i < n; i++) {
        parts[2 * i] = list[i];
        parts[2 * i + 1] = separator;
    }
    return nu_arena_concat(a, parts, 2 * n - 1);
}

/* One text of each certificate of the peer's chain. */
static const nu_str *of_chain(const struct nu_tls_info *t, nu_str (*text)(X509 *x, struct nu_arena *a), struct nu_arena *a,
                              size_t *n)
{
    const STACK_OF(X509) *chain = peer_chain(t);
    *n = chain != NULL ? sk_X509_num(chain) : 0;
    nu_str *out = *n > 0 ? nu_arena_array(a, nu_str, *n) : NULL;
    for (size_t i = 0; i < *n; i++)
        out[i] = text(sk_X509_value(chain, i), a);
    return out;
}

const nu_str *nu_tls_info_chain_pem(const struct nu_tls_info *t, struct nu_arena *a, size_t *n)
{
    return of_chain(t, pem_text, a, n);
}

static nu_str chain_text(const struct nu_tls_info *t, nu_str (*text)(X509 *x, struct nu_arena *a), nu_str separator,
                         struct nu_arena *a)
{
    size_t n;
    const nu_str *list = of_chain(t, text, a, &n);
    return join(list, n, separator, a);
}

static nu_str session_id(const struct nu_tls_info *t, struct nu_arena *a)
{
    const SSL_SESSION *s = session(t);
    unsigned n = 0;
    const uint8_t *id = s != NULL ? SSL_SESSION_get_id(s, &n) : NULL;
    return id != NULL && n > 0 ? nu_hex(a, id, n) : NU_STR_NONE;
}

static nu_str alpn(const struct nu_tls_info *t, struct nu_arena *a)
{
    const uint8_t *name = NULL;
    unsigned n = 0;
    if (t->kept == NULL)
        SSL_get0_alpn_selected(t->ssl, &name, &n);
    return n > 0 ? nu_arena_str(a, nu_str_make(name, n)) : NU_STR_NONE;
}

static nu_str library_text(const char *text, struct nu_arena *a)
{
    return text != NULL ? nu_arena_str(a, nu_str_from(text)) : NU_STR_NONE;
}

static nu_str cipher(const struct nu_tls_info *t, struct nu_arena *a)
{
    const SSL_CIPHER *c = t->kept != NULL ? t->kept->cipher : SSL_get_current_cipher(t->ssl);
    return c != NULL ? library_text(SSL_CIPHER_get_name(c), a) : NU_STR_NONE;
}

static nu_str curve(const struct nu_tls_info *t, struct nu_arena *a)
{
    uint16_t id = t->kept != NULL ? t->kept->curve : SSL_get_curve_id(t->ssl);
    return id != 0 ? library_text(SSL_get_curve_name(id), a) : NU_STR_NONE;
}

static nu_str server_name(const struct nu_tls_info *t, struct nu_arena *a)
{
    return t->kept != NULL ? t->kept->server_name
                           : library_text(SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name), a);
}

static nu_str of_certificate(X509 *x, nu_str (*text)(X509 *x, struct nu_arena *a), struct nu_arena *a)
{
    return x != NULL ? text(x, a) : NU_STR_NONE;
}

/* The general name's type of a fact about names; -1: it is none. */
static int name_type(enum nu_tls_fact what)
{
    switch (what) {
    case NU_TLS_PEER_URI_SANS:
    case NU_TLS_LOCAL_URI_SANS:
        return GEN_URI;
    case NU_TLS_PEER_DNS_SANS:
    case NU_TLS_LOCAL_DNS_SANS:
        return GEN_DNS;
    case NU_TLS_PEER_IP_SANS:
    case NU_TLS_LOCAL_IP_SANS:
        return GEN_IPADD;
    case NU_TLS_PEER_EMAIL_SANS:
    case NU_TLS_LOCAL_EMAIL_SANS:
        return GEN_EMAIL;
    case NU_TLS_PEER_OTHERNAME_SANS:
    case NU_TLS_LOCAL_OTHERNAME_SANS:
        return GEN_OTHERNAME;
    default:
        return -1;
    }
}

const nu_str *nu_tls_info_sans(const struct nu_tls_info *t, enum nu_tls_fact what, struct nu_arena *a, size_t *n)
{
    X509 *x = what >= NU_TLS_LOCAL_SUBJECT ? t->local : peer(t);
    *n = 0;
    return x != NULL ? nu_x509_sans(x, name_type(what), a, n) : NULL;
}

static nu_str san_text(const struct nu_tls_info *t, enum nu_tls_fact what, struct nu_arena *a)
{
    size_t n;
    const nu_str *list = nu_tls_info_sans(t, what, a, &n);
    return join(list, n, NU_STR(","), a);
}

nu_str nu_tls_info_text(const struct nu_tls_info *t, enum nu_tls_fact what, struct nu_arena *a)
{
    if (t->ssl == NULL && t->kept == NULL)
        return NU_STR_NONE;
    if (name_type(what) >= 0)
        return san_text(t, what, a);
    switch (what) {
    case NU_TLS_VERSION:
        return library_text(t->kept != NULL ? t->kept->version : SSL_get_version(t->ssl), a);
    case NU_TLS_CIPHER:
        return cipher(t, a);
    case NU_TLS_SESSION_ID:
        return session_id(t, a);
    case NU_TLS_ALPN:
        return alpn(t, a);
    case NU_TLS_SNI:
        return server_name(t, a);
    case NU_TLS_CURVE:
        return curve(t, a);
    case NU_TLS_PEER_SUBJECT:
        return of_certificate(peer(t), nu_x509_subject, a);
    case NU_TLS_PEER_ISSUER:
        return of_certificate(peer(t), nu_x509_issuer, a);
    case NU_TLS_PEER_SERIAL:
        return of_certificate(peer(t), nu_x509_serial, a);
    case NU_TLS_PEER_FINGERPRINT_256:
        return of_certificate(peer(t), nu_x509_fingerprint, a);
    case NU_TLS_PEER_FINGERPRINT_1:
        return of_certificate(peer(t), fingerprint_1, a);
    case NU_TLS_PEER_CERT:
        return of_certificate(peer(t), encoded_pem, a);
    case NU_TLS_PEER_CHAIN:
        return chain_text(t, encoded_pem, NU_STR(""), a);
    case NU_TLS_PEER_CHAIN_FINGERPRINTS_256:
        return chain_text(t, nu_x509_fingerprint, NU_STR(","), a);
    case NU_TLS_PEER_CHAIN_FINGERPRINTS_1:
        return chain_text(t, fingerprint_1, NU_STR(","), a);
    case NU_TLS_PEER_CHAIN_SERIALS:
        return chain_text(t, nu_x509_serial, NU_STR(","), a);
    case NU_TLS_PEER_ISSUER_FINGERPRINT_256:
        return of_certificate(peer_issuer(t), nu_x509_fingerprint, a);
    case NU_TLS_PEER_ISSUER_SERIAL:
        return of_certificate(peer_issuer(t), nu_x509_serial, a);
    case NU_TLS_LOCAL_SUBJECT:
        return of_certificate(t->local, nu_x509_subject, a);
    default:
        return NU_STR_NONE; /* names: above */
    }
}

/* ---- keeping ---- */

static void drop_kept(void *arg)
{
    struct nu_tls_info *t = arg;
    SSL_SESSION_free(t->kept->session);
    X509_free(t->local);
}

const struct nu_tls_info *nu_tls_info_keep(const struct nu_tls_info *t, struct nu_arena *a)
{
    struct nu_tls_info *copy = nu_arena_new(a, struct nu_tls_info);
    copy->validated = t->validated;
    copy->done_ns = t->done_ns;
    if (t->ssl == NULL)
        return copy;
    struct nu_tls_kept *k = nu_arena_new(a, struct nu_tls_kept);
    k->session = SSL_get1_session(t->ssl);
    copy->local = t->local;
    if (copy->local != NULL)
        X509_up_ref(copy->local);
    k->cipher = SSL_get_current_cipher(t->ssl);
    k->version = SSL_get_version(t->ssl);
    k->curve = SSL_get_curve_id(t->ssl);
    k->server_name = library_text(SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name), a);
    copy->kept = k;
    nu_arena_on_clear(a, drop_kept, copy);
    return copy;
}
