/* SPDX-License-Identifier: Apache-2.0
 *
 * What contexts of both sides have in common: certificates, validation, parameters, ALPN, key log. */
#include "tls/context.h"

#include <openssl/err.h>

#include "base/alloc.h"
#include "codec/pb/pb.h"
#include "codec/pb/wire.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.nu.h"
#include "net/conn.h"
#include "tls/key_log.h"
#include "tls/params.h"
#include "tls/sessions.h"
#include "tls/tls_conn.h"
#include "tls/tls_process.h"
#include "tls/tls_stats.h"
#include "tls/transport.h"

typedef struct envoy_extensions_transport_sockets_tls_v3_CommonTlsContext common_msg;
typedef struct envoy_extensions_transport_sockets_tls_v3_TlsCertificate certificate_msg;
typedef struct envoy_extensions_transport_sockets_tls_v3_CertificateValidationContext validation_msg;

/* ---- life ---- */

struct nu_tls_context *nu_tls_context_new(struct nu_tls_source *s)
{
    struct nu_tls_context *c = nu_new(struct nu_tls_context);
    nu_ref_init(&c->refs);
    nu_arena_init_sized(&c->arena, 1024);
    c->server = s->server;
    c->scope = s->scope;
    c->ring = &s->process->tickets;
    return c;
}

struct nu_tls_context *nu_tls_context_ref(struct nu_tls_context *c)
{
    nu_ref_take(&c->refs);
    return c;
}

void nu_tls_context_unref(struct nu_tls_context **cp)
{
    struct nu_tls_context *c = nu_take(cp);
    if (c == NULL || !nu_ref_drop(&c->refs))
        return;
    for (size_t i = 0; i < c->n_ctxs; i++)
        SSL_CTX_free(c->ctxs[i]);
    for (size_t i = 0; i < c->n_certs; i++)
        nu_tls_certificate_clear(&c->certs[i]);
    nu_tls_validation_clear(c->validation);
    nu_tls_sessions_free(&c->sessions);
    nu_tls_key_log_unref(&c->key_log);
    nu_arena_clear(&c->arena);
    nu_free(c);
}

/* ---- where certificates and validation come from ---- */

struct parts {
    const certificate_msg **certs;
    nu_str *names; /* of the secrets they come from; empty: they stand in the message */
    size_t n_certs;
    const validation_msg *validation; /* NULL: none */
    nu_str validation_name;
    bool ready;
};

static bool find_certificates(struct nu_factory *f, struct nu_tls_source *s, const common_msg *m, struct parts *p, size_t *k)
{
    size_t n = nu_max(m->n_tls_certificates, m->n_tls_certificate_sds_secret_configs);
    p->certs = nu_arena_array(f->arena, const certificate_msg *, n);
    p->names = nu_arena_array(f->arena, nu_str, n);
    if (m->n_tls_certificates > 0) {
        for (size_t i = 0; i < m->n_tls_certificates; i++) {
            const certificate_msg *c = m->tls_certificates[i];
            if (c->watched_directory != NULL && !nu_tls_source_watch(f, s, (*k)++, c, NU_SECRET_CERTIFICATE))
                return false;
            if (c->certificate_chain != NULL || c->private_key != NULL || c->pkcs12 != NULL) /* as Envoy: else it is nothing */
                p->certs[p->n_certs++] = c;
        }
        return true;
    }
    for (size_t i = 0; i < m->n_tls_certificate_sds_secret_configs; i++) {
        const struct nu_secret *secret =
            nu_tls_source_secret(f, s, (*k)++, m->tls_certificate_sds_secret_configs[i], NU_SECRET_CERTIFICATE);
        if (secret == NULL)
            return false;
        p->ready &= secret->value != NULL;
        if (secret->value == NULL)
            continue;
        p->names[p->n_certs] = secret->name;
        p->certs[p->n_certs++] = secret->value->tls_certificate;
    }
    return true;
}

/* protobuf's MergeFrom: the one's wire bytes behind the other's. */
static const validation_msg *merge(struct nu_factory *f, const validation_msg *base, const validation_msg *over)
{
    struct nu_sb wire = {0};
    nu_pb_encode(&wire, base);
    nu_pb_encode(&wire, over);
    const struct nu_pb_msg *m =
        nu_pb_decode(f->arena, f->diags, NU_STR(""), nu_sb_str(&wire),
                     &envoy_extensions_transport_sockets_tls_v3_CertificateValidationContext_type, NULL);
    nu_sb_free(&wire);
    return (const validation_msg *)(const void *)m;
}

static bool find_validation(struct nu_factory *f, struct nu_tls_source *s, const common_msg *m, struct parts *p, size_t *k)
{
    const void *config = m->validation_context_sds_secret_config;
    if (m->combined_validation_context != NULL)
        config = m->combined_validation_context->validation_context_sds_secret_config;
    p->validation = m->validation_context;
    if (config == NULL && p->validation != NULL && p->validation->watched_directory != NULL)
        return nu_tls_source_watch(f, s, (*k)++, p->validation, NU_SECRET_VALIDATION);
    if (config == NULL)
        return true;
    const struct nu_secret *secret = nu_tls_source_secret(f, s, (*k)++, config, NU_SECRET_VALIDATION);
    if (secret == NULL)
        return false;
    p->ready &= secret->value != NULL;
    if (secret->value == NULL)
        return true;
    p->validation = secret->value->validation_context;
    p->validation_name = secret->name;
    if (m->combined_validation_context != NULL)
        p->validation = merge(f, m->combined_validation_context->default_validation_context, p->validation);
    return p->validation != NULL;
}

/* ---- ALPN ---- */

static bool build_alpn(struct nu_factory *f, const common_msg *m, struct nu_tls_context *c)
{
    size_t total = 0;
    for (size_t i = 0; i < m->n_alpn_protocols; i++)
        total += m->alpn_protocols[i].len + 1;
    c->alpn = nu_arena_alloc(&c->arena, total);
    for (size_t i = 0; i < m->n_alpn_protocols; i++) {
        nu_str p = m->alpn_protocols[i];
        if (p.len == 0 || p.len > 255 || total > 65535) {
            nu_pb_error(f->diags, m, "alpn_protocols", "Invalid ALPN protocol string");
            return false;
        }
        c->alpn[c->alpn_len++] = (uint8_t)p.len;
        memcpy(c->alpn + c->alpn_len, p.ptr, p.len);
        c->alpn_len += p.len;
    }
    return true;
}

/* ---- verification ---- */

static void count_verdict(const struct nu_tls_conn *t, enum nu_tls_verdict v)
{
    unsigned index = 0;
    switch (v) {
    case NU_TLS_FAILED_ERROR:
        index = NU_TLS_STAT_fail_verify_error;
        break;
    case NU_TLS_FAILED_SAN:
        index = NU_TLS_STAT_fail_verify_san;
        break;
    case NU_TLS_FAILED_CERT_HASH:
        index = NU_TLS_STAT_fail_verify_cert_hash;
        break;
    case NU_TLS_FAILED_NO_CERT:
        index = NU_TLS_STAT_fail_verify_no_cert;
        break;
    case NU_TLS_NOT_VALIDATED:
    case NU_TLS_VALIDATED:
        return;
    }
    if (t->ctx->scope != NULL)
        nu_stat_inc(t->ctx->scope, t->conn->worker->index, index);
}

static enum ssl_verify_result_t refuse(uint8_t *to, uint8_t alert)
{
    *to = alert != 0 ? alert : SSL_AD_CERTIFICATE_UNKNOWN;
    return ssl_verify_invalid;
}

static enum ssl_verify_result_t ask_hook(struct nu_tls_conn *t, STACK_OF(X509) *chain, uint8_t *alert)
{
    struct nu_tls_handshake *h = t->hs;
    uint8_t hook_alert = 0;
    if (t->ctx->hooks == NULL || t->ctx->hooks->verify == NULL)
        return ssl_verify_ok;
    h->verdict = t->ctx->hooks->verify(h, chain, &hook_alert);
    if (h->verdict == NU_TLS_LATER)
        return ssl_verify_retry;
    return h->verdict == NU_TLS_YES ? ssl_verify_ok : refuse(alert, hook_alert);
}

static enum ssl_verify_result_t on_verify(SSL *ssl, uint8_t *alert)
{
    struct nu_tls_conn *t = nu_tls_io_of(ssl)->conn;
    struct nu_tls_handshake *h = t->hs;
    if (h == NULL) /* renegotiation: the same peer as before, or the library refuses it */
        return ssl_verify_ok;
    if (h->verdict != NU_TLS_UNASKED)
        return h->verdict == NU_TLS_LATER ? ssl_verify_retry : h->verdict == NU_TLS_YES ? ssl_verify_ok : refuse(alert, h->alert);
    STACK_OF(X509) *chain = SSL_get_peer_full_cert_chain(ssl);
    const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    nu_str name = asked != NULL ? nu_str_from(asked) : NU_STR("");
    bool by_name = t->ctx->auto_sni_san_validation && name.len > 0 && h->n_sans == 0;
    struct nu_tls_verify_input in = {.chain = chain,
                                     .server = t->ctx->server,
                                     .sans = h->sans,
                                     .n_sans = h->n_sans,
                                     .sni = by_name ? name : NU_STR(""),
                                     .now = (int64_t)(nu_loop_wall_ns(t->conn->worker->loop) / NU_NS_PER_SEC)};
    struct nu_tls_verify_result r = nu_tls_verify(t->ctx->validation, &in, &t->conn->arena);
    t->info.validated = r.verdict == NU_TLS_VALIDATED;
    count_verdict(t, r.verdict);
    h->verify_error = r.error;
    return r.accepted ? ask_hook(t, chain, alert) : refuse(alert, r.alert);
}

/* ---- SSL_CTX ---- */

static void set_verification(const struct nu_tls_context *c, SSL_CTX *ctx)
{
    int mode = nu_tls_validation_verify_mode(c->validation, c->require_client_certificate);
    if (c->server && mode == SSL_VERIFY_NONE)
        return;
    SSL_CTX_set_custom_verify(ctx, mode, on_verify);
    SSL_CTX_set_reverify_on_resume(ctx, 1);
}

static bool use_certificate(struct nu_tls_context *c, SSL_CTX *ctx, const struct nu_tls_certificate *cert)
{
    (void)c;
    if (SSL_CTX_use_certificate(ctx, cert->leaf) != 1)
        return false;
    for (size_t i = 0; cert->intermediates != NULL && i < sk_X509_num(cert->intermediates); i++)
        if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(cert->intermediates, i)) != 1)
            return false;
    return cert->key == NULL || SSL_CTX_use_PrivateKey(ctx, cert->key) == 1;
}

static bool make_ctx(struct nu_factory *f, const common_msg *m, const struct nu_tls_defaults *d, struct nu_tls_context *c)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    NU_ASSERT(ctx != NULL);
    size_t i = c->n_ctxs++;
    c->ctxs[i] = ctx;
    if (!nu_tls_params_apply(f, m->tls_params, m, d, ctx))
        return false;
    set_verification(c, ctx);
    nu_tls_hooks_apply(ctx, c);
    if (c->key_log != NULL)
        nu_tls_key_log_apply(ctx);
    if (i >= c->n_certs || use_certificate(c, ctx, &c->certs[i]))
        return true;
    char why[256];
    ERR_error_string_n(ERR_peek_last_error(), why, sizeof(why));
    ERR_clear_error();
    nu_pb_error(f->diags, m, "tls_certificates", "Failed to use the certificate chain of %.*s: %s",
                NU_STR_ARG(c->certs[i].origin), why);
    return false;
}

static bool load_certificates(struct nu_factory *f, const struct parts *p, struct nu_tls_context *c)
{
    c->certs = nu_arena_array(&c->arena, struct nu_tls_certificate, p->n_certs);
    for (size_t i = 0; i < p->n_certs; i++) {
        if (!nu_tls_certificate_load(f, p->certs[i], p->names[i], &c->certs[i]))
            return false;
        c->n_certs++;
    }
    return true;
}

bool nu_tls_context_build_common(struct nu_factory *outer, struct nu_tls_source *s, const common_msg *m,
                                 const struct nu_tls_defaults *d, struct nu_tls_context *c, size_t *k, bool *ready)
{
    struct nu_factory f = *outer;
    struct parts p = {.ready = true};
    f.arena = &c->arena;
    if (!find_certificates(&f, s, m, &p, k) || !find_validation(&f, s, m, &p, k))
        return false;
    *ready = p.ready;
    if (!p.ready)
        return true;
    if (!load_certificates(&f, &p, c) || !build_alpn(&f, m, c) || !nu_tls_key_log_build(&f, m->key_log, &c->key_log))
        return false;
    c->validation = nu_tls_validation_load(&f, p.validation, p.validation_name);
    if (c->validation == NULL)
        return false;
    c->asks_client = c->server && nu_tls_validation_wants_certificate(c->validation);
    c->ctxs = nu_arena_array(&c->arena, SSL_CTX *, nu_max(c->n_certs, (size_t)1));
    for (size_t i = 0; i < nu_max(c->n_certs, (size_t)1); i++)
        if (!make_ctx(&f, m, d, c))
            return false;
    c->max_version = SSL_CTX_get_max_proto_version(c->ctxs[0]);
    return true;
}
