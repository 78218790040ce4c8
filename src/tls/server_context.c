/* SPDX-License-Identifier: Apache-2.0
 *
 * Contexts of servers: which certificate a client gets, ALPN, what it may resume. */
#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "codec/pb/pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.nu.h"
#include "net/data_source.h"
#include "net/duration.h"
#include "tls/select.h"
#include "tls/tls_conn.h"
#include "tls/tls_process.h"
#include "tls/tls_stats.h"
#include "tls/transport.h"

typedef struct envoy_extensions_transport_sockets_tls_v3_DownstreamTlsContext downstream_msg;
typedef struct envoy_extensions_transport_sockets_tls_v3_TlsSessionTicketKeys keys_msg;

static const struct nu_tls_defaults defaults = {
    .min_version = TLS1_2_VERSION,
    .max_version = TLS1_3_VERSION,
    .ciphers = "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:"
               "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"
               "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
    .curves = "X25519MLKEM768:X25519:P-256",
};

/* ---- what a client says ---- */

/* Bits of enum nu_tls_curve among 16-bit codes, of groups or of signature algorithms. */
static uint8_t curves_among(CBS list)
{
    uint8_t found = 0;
    uint16_t v;
    while (CBS_get_u16(&list, &v)) {
        if (v == SSL_SIGN_ECDSA_SECP256R1_SHA256 || v == SSL_GROUP_SECP256R1)
            found |= NU_CURVE_P256;
        if (v == SSL_SIGN_ECDSA_SECP384R1_SHA384 || v == SSL_GROUP_SECP384R1)
            found |= NU_CURVE_P384;
        if (v == SSL_SIGN_ECDSA_SECP521R1_SHA512 || v == SSL_GROUP_SECP521R1)
            found |= NU_CURVE_P521;
    }
    return found;
}

/* An extension that is one list with a 16-bit length. */
static bool get_list(const SSL_CLIENT_HELLO *hello, uint16_t type, CBS *list)
{
    const uint8_t *data;
    size_t len;
    CBS ext;
    if (SSL_early_callback_ctx_extension_get(hello, type, &data, &len) != 1)
        return false;
    CBS_init(&ext, data, len);
    return CBS_get_u16_length_prefixed(&ext, list) == 1 && CBS_len(&ext) == 0;
}

static bool has_extension(const SSL_CLIENT_HELLO *hello, uint16_t type)
{
    const uint8_t *data;
    size_t len;
    return SSL_early_callback_ctx_extension_get(hello, type, &data, &len) == 1;
}

/* An ECDSA cipher of TLS 1.2 and before that we have as well. */
static bool is_our_ecdsa(const SSL_CTX *ctx, uint16_t id, uint16_t version)
{
    const SSL_CIPHER *c = SSL_get_cipher_by_value(id);
    if (c == NULL || SSL_CIPHER_get_min_version(c) > version || SSL_CIPHER_get_auth_nid(c) != NID_auth_ecdsa)
        return false;
    const STACK_OF(SSL_CIPHER) *ours = SSL_CTX_get_ciphers(ctx);
    for (size_t i = 0; i < sk_SSL_CIPHER_num(ours); i++)
        if (SSL_CIPHER_get_id(sk_SSL_CIPHER_value(ours, i)) == SSL_CIPHER_get_id(c))
            return true;
    return false;
}

/* RFC 8446: signature_algorithms say it all; before, RFC 8422 s5.1: a curve and a cipher. */
static uint8_t ecdsa_curves(const struct nu_tls_context *ctx, const SSL_CLIENT_HELLO *hello)
{
    CBS list, ciphers;
    uint16_t id;
    if (hello->version == TLS1_2_VERSION && ctx->max_version == TLS1_3_VERSION &&
        has_extension(hello, TLSEXT_TYPE_supported_versions))
        return get_list(hello, TLSEXT_TYPE_signature_algorithms, &list) ? curves_among(list) : 0;
    if (!get_list(hello, TLSEXT_TYPE_supported_groups, &list))
        return 0;
    uint8_t curves = curves_among(list);
    CBS_init(&ciphers, hello->cipher_suites, hello->cipher_suites_len);
    while (curves != 0 && CBS_get_u16(&ciphers, &id))
        if (is_our_ecdsa(ctx->ctxs[0], id, hello->version))
            return curves;
    return 0;
}

static nu_str lower_sni(const SSL_CLIENT_HELLO *hello, char *buf, size_t size)
{
    const char *name = SSL_get_servername(hello->ssl, TLSEXT_NAMETYPE_host_name);
    size_t n = name != NULL ? strlen(name) : 0;
    if (n >= size)
        return NU_STR("");
    for (size_t i = 0; i < n; i++)
        buf[i] = nu_ascii_lower(name[i]);
    return nu_str_make(buf, n);
}

/* ---- choosing ---- */

static void count(const struct nu_tls_conn *t, unsigned index)
{
    if (t->ctx->scope != NULL)
        nu_stat_inc(t->ctx->scope, t->conn->worker->index, index);
}

static bool count_staple(const struct nu_tls_conn *t, enum nu_staple s)
{
    if (s != NU_STAPLE_NOT_ASKED)
        count(t, NU_TLS_STAT_ocsp_staple_requests);
    switch (s) {
    case NU_STAPLE_NOT_ASKED:
        return true;
    case NU_STAPLE_SEND:
        count(t, NU_TLS_STAT_ocsp_staple_responses);
        return true;
    case NU_STAPLE_OMIT:
        count(t, NU_TLS_STAT_ocsp_staple_omitted);
        return true;
    case NU_STAPLE_FAIL:
        count(t, NU_TLS_STAT_ocsp_staple_failed);
        return false;
    }
    NU_UNREACHABLE();
}

static enum ssl_select_cert_result_t answer(enum nu_tls_answer a)
{
    return a == NU_TLS_LATER ? ssl_select_cert_retry : a == NU_TLS_YES ? ssl_select_cert_success : ssl_select_cert_error;
}

static enum nu_tls_answer choose(struct nu_tls_conn *t, const SSL_CLIENT_HELLO *hello)
{
    const struct nu_tls_context *ctx = t->ctx;
    char buf[256];
    struct nu_tls_client client = {
        .sni = lower_sni(hello, buf, sizeof(buf)),
        .curves = ecdsa_curves(ctx, hello),
        .asks_ocsp = has_extension(hello, TLSEXT_TYPE_status_request),
    };
    int64_t now = (int64_t)(nu_loop_wall_ns(t->conn->worker->loop) / NU_NS_PER_SEC);
    struct nu_tls_choice c = nu_tls_choose(ctx->names, &client, ctx->ocsp_policy, ctx->full_scan, now);
    if (!count_staple(t, c.staple))
        return NU_TLS_NO;
    const struct nu_tls_certificate *cert = &ctx->certs[c.cert];
    t->hs->cert = cert;
    if (c.cert > 0 && SSL_set_SSL_CTX(hello->ssl, ctx->ctxs[c.cert]) == NULL)
        return NU_TLS_NO;
    if (c.staple == NU_STAPLE_SEND)
        SSL_set_ocsp_response(hello->ssl, (const uint8_t *)cert->ocsp_response.ptr, cert->ocsp_response.len);
    return NU_TLS_YES;
}

static enum ssl_select_cert_result_t on_client_hello(const SSL_CLIENT_HELLO *hello)
{
    struct nu_tls_conn *t = nu_tls_io_of(hello->ssl)->conn;
    struct nu_tls_handshake *h = t->hs;
    if (h->choice != NU_TLS_UNASKED)
        return answer(h->choice);
    const struct nu_tls_hooks *hooks = t->ctx->hooks;
    h->choice = hooks != NULL && hooks->choose != NULL ? hooks->choose(h, hello) : choose(t, hello);
    return answer(h->choice);
}

static int on_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in, unsigned in_len, void *arg)
{
    const struct nu_tls_context *c = arg;
    (void)ssl;
    int r = SSL_select_next_proto((uint8_t **)(uintptr_t)out, out_len, c->alpn, (unsigned)c->alpn_len, in, in_len);
    return r == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK; /* none in common: without */
}

static int on_ticket(SSL *ssl, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, HMAC_CTX *hmac, int encrypt)
{
    const struct nu_tls_context *c = nu_tls_io_of(ssl)->conn->ctx;
    const struct nu_ticket_keys *keys = c->tickets != NULL ? c->tickets : nu_slot_get(&c->ring->current);
    return nu_ticket_keys_process(keys, name, iv, cipher, hmac, encrypt != 0);
}

/* ---- building ---- */

static uint8_t curve_of(X509 *leaf, bool *rsa)
{
    EVP_PKEY *key = X509_get0_pubkey(leaf);
    *rsa = key != NULL && EVP_PKEY_id(key) == EVP_PKEY_RSA;
    if (key == NULL || EVP_PKEY_id(key) != EVP_PKEY_EC)
        return NU_CURVE_NONE;
    switch (EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)))) {
    case NID_secp384r1:
        return NU_CURVE_P384;
    case NID_secp521r1:
        return NU_CURVE_P521;
    default:
        return NU_CURVE_P256;
    }
}

static void build_names(struct nu_tls_context *c)
{
    struct nu_tls_candidate *all = nu_arena_array(&c->arena, struct nu_tls_candidate, c->n_certs);
    for (size_t i = 0; i < c->n_certs; i++) {
        const struct nu_tls_certificate *cert = &c->certs[i];
        all[i] = (struct nu_tls_candidate){
            .names = cert->dns_names,
            .n_names = cert->n_dns_names,
            .must_staple = cert->must_staple,
            .has_response = cert->ocsp_response.len > 0,
            .response_expires = cert->ocsp_expires,
        };
        all[i].curve = curve_of(cert->leaf, &all[i].rsa);
    }
    c->names = nu_tls_names_new(&c->arena, all, c->n_certs);
}

static bool build_ticket_keys(struct nu_factory *f, const keys_msg *m, struct nu_tls_context *c)
{
    struct nu_ticket_keys *k =
        nu_arena_alloc(&c->arena, sizeof(*k) + m->n_keys * sizeof(struct nu_ticket_key));
    k->n = m->n_keys;
    for (size_t i = 0; i < m->n_keys; i++) {
        nu_str bytes;
        if (!nu_data_source_read(f, m->keys[i], 0, &bytes))
            return false;
        if (bytes.len != NU_TICKET_KEY_BYTES) {
            nu_pb_error(f->diags, m->keys[i], NULL, "Incorrect TLS session ticket key length. Length %zu, expected length %u.",
                        bytes.len, NU_TICKET_KEY_BYTES);
            return false;
        }
        memcpy(&k->keys[i], bytes.ptr, bytes.len);
    }
    c->tickets = k;
    return true;
}

/* After those of the common part. */
static bool find_ticket_keys(struct nu_factory *f, struct nu_tls_source *s, const downstream_msg *m, struct nu_tls_context *c,
                             size_t k, bool *ready)
{
    if (m->session_ticket_keys != NULL)
        return build_ticket_keys(f, m->session_ticket_keys, c);
    if (m->session_ticket_keys_sds_secret_config == NULL)
        return true;
    const struct nu_secret *secret =
        nu_tls_source_secret(f, s, k, m->session_ticket_keys_sds_secret_config, NU_SECRET_TICKET_KEYS);
    if (secret == NULL)
        return false;
    *ready &= secret->value != NULL;
    return secret->value == NULL || build_ticket_keys(f, secret->value->session_ticket_keys, c);
}

static void digest_name(EVP_MD_CTX *md, X509 *leaf)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    X509_NAME_digest(X509_get_subject_name(leaf), EVP_sha256(), hash, &n);
    EVP_DigestUpdate(md, hash, n);
    X509_NAME_digest(X509_get_issuer_name(leaf), EVP_sha256(), hash, &n);
    EVP_DigestUpdate(md, hash, n);
}

/* A session may be resumed where certificates have the same names and peers are judged by the same rules, in the same chain. */
static void set_session_id_context(const struct nu_tls_source *s, struct nu_tls_context *c)
{
    uint8_t id[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    NU_ASSERT(md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1);
    for (size_t i = 0; i < c->n_certs; i++) {
        digest_name(md, c->certs[i].leaf);
        for (size_t k = 0; k < c->certs[i].n_dns_names; k++)
            EVP_DigestUpdate(md, c->certs[i].dns_names[k].ptr, c->certs[i].dns_names[k].len);
    }
    nu_tls_validation_digest(c->validation, md);
    EVP_DigestUpdate(md, &c->require_client_certificate, sizeof(c->require_client_certificate));
    for (size_t i = 0; i < s->n_server_names; i++)
        EVP_DigestUpdate(md, s->server_names[i].ptr, s->server_names[i].len);
    EVP_DigestFinal_ex(md, id, &n);
    EVP_MD_CTX_free(md);
    for (size_t i = 0; i < c->n_ctxs; i++) {
        int rc = SSL_CTX_set_session_id_context(c->ctxs[i], id, n);
        NU_ASSERT(rc == 1);
    }
}

static void set_resumption(const downstream_msg *m, const struct nu_tls_context *c, SSL_CTX *ctx)
{
    if (m->disable_stateless_session_resumption)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    else if (c->tickets != NULL || c->ring != NULL)
        SSL_CTX_set_tlsext_ticket_key_cb(ctx, on_ticket);
    if (m->disable_stateful_session_resumption)
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (m->session_timeout != NULL)
        SSL_CTX_set_timeout(ctx, (uint32_t)(nu_duration_or(m->session_timeout, NU_MS(0)).v / 1000));
}

static void set_ca_names(const struct nu_tls_context *c, SSL_CTX *ctx)
{
    const STACK_OF(X509_NAME) *names = nu_tls_validation_ca_names(c->validation);
    if (names != NULL)
        SSL_CTX_set_client_CA_list(ctx, SSL_dup_CA_list((STACK_OF(X509_NAME) *)(uintptr_t)names));
}

static bool check_staples(struct nu_factory *f, const downstream_msg *m, const struct nu_tls_context *c)
{
    for (size_t i = 0; i < c->n_certs; i++) {
        if (c->certs[i].ocsp_response.len > 0)
            continue;
        if (c->certs[i].must_staple) {
            nu_pb_error(f->diags, m->common_tls_context, "tls_certificates", "OCSP response is required for must-staple certificate");
            return false;
        }
        if (c->ocsp_policy == NU_OCSP_MUST) {
            nu_pb_error(f->diags, m, "ocsp_staple_policy", "Required OCSP response is missing from TLS context");
            return false;
        }
    }
    return true;
}

static bool check_message(struct nu_factory *f, const downstream_msg *m)
{
    const struct envoy_extensions_transport_sockets_tls_v3_CommonTlsContext *common = m->common_tls_context;
    if (common == NULL || common->n_tls_certificates + common->n_tls_certificate_sds_secret_configs == 0) {
        nu_pb_error(f->diags, m, common != NULL ? "common_tls_context" : NULL, "No TLS certificates found for server context");
        return false;
    }
    if (common->n_tls_certificates > 0 && common->n_tls_certificate_sds_secret_configs > 0) {
        nu_pb_error(f->diags, common, "tls_certificate_sds_secret_configs",
                    "SDS and non-SDS TLS certificates may not be mixed in server contexts");
        return false;
    }
    return true;
}

static bool finish(struct nu_factory *f, struct nu_tls_source *s, const downstream_msg *m, struct nu_tls_context *c)
{
    if (c->n_certs == 0) {
        nu_pb_error(f->diags, m->common_tls_context, "tls_certificates",
                    "Server TlsCertificates must have a certificate specified");
        return false;
    }
    if (!check_staples(f, m, c))
        return false;
    build_names(c);
    set_session_id_context(s, c);
    SSL_CTX_set_select_certificate_cb(c->ctxs[0], on_client_hello);
    for (size_t i = 0; i < c->n_ctxs; i++) {
        set_resumption(m, c, c->ctxs[i]);
        set_ca_names(c, c->ctxs[i]);
        if (c->alpn_len > 0)
            SSL_CTX_set_alpn_select_cb(c->ctxs[i], on_alpn, c);
        if (!m->prefer_client_ciphers)
            SSL_CTX_set_options(c->ctxs[i], SSL_OP_CIPHER_SERVER_PREFERENCE);
    }
    return true;
}

bool nu_tls_server_context_build(struct nu_factory *f, struct nu_tls_source *s, const downstream_msg *m,
                                 struct nu_tls_context **out)
{
    bool ready = true, keys_ready = true;
    size_t k = 0;
    *out = NULL;
    if (!check_message(f, m))
        return false;
    struct nu_tls_context *c = nu_tls_context_new(s);
    c->require_client_certificate = m->require_client_certificate != NULL && *m->require_client_certificate;
    c->ocsp_policy = (enum nu_ocsp_policy)m->ocsp_staple_policy;
    c->full_scan = m->full_scan_certs_on_sni_mismatch != NULL && *m->full_scan_certs_on_sni_mismatch;
    bool ok = nu_tls_context_build_common(f, s, m->common_tls_context, &defaults, c, &k, &ready) &&
              find_ticket_keys(f, s, m, c, k, &keys_ready);
    if (ok && ready && keys_ready)
        ok = finish(f, s, m, c);
    if (!ok || !ready || !keys_ready) {
        nu_tls_context_unref(&c);
        return ok;
    }
    *out = c;
    return true;
}
