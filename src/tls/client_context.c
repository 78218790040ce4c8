/* SPDX-License-Identifier: Apache-2.0
 *
 * Contexts of clients: what the server is told of the name it is asked for, and sessions to resume. */
#include <openssl/err.h>

#include "base/alloc.h"
#include "codec/pb/pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.nu.h"
#include "net/server.h"
#include "tls/sessions.h"
#include "tls/tls_conn.h"
#include "tls/tls_process.h"
#include "tls/transport.h"

typedef struct envoy_extensions_transport_sockets_tls_v3_UpstreamTlsContext upstream_msg;

static const struct nu_tls_defaults defaults = {
    .min_version = TLS1_2_VERSION,
    .max_version = TLS1_2_VERSION,
    .ciphers = "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:"
               "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"
               "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
    .curves = "X25519MLKEM768:X25519:P-256",
};

/* ---- connections ---- */

static nu_str asked_name(const SSL *ssl)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    return name != NULL ? nu_str_from(name) : NU_STR("");
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    const struct nu_tls_conn *t = nu_tls_io_of(ssl)->conn;
    nu_tls_sessions_put(t->ctx->sessions, t->conn->worker->index, asked_name(ssl), session);
    return 1; /* the reference is ours */
}

/* A pool offers the protocol that it speaks, as Envoy's do. */
static void set_alpn(const struct nu_tls_conn *t, nu_str protocol)
{
    uint8_t list[256];
    if (t->ctx->alpn_len > 0 || protocol.len == 0 || protocol.len > sizeof(list) - 1)
        return;
    list[0] = (uint8_t)protocol.len;
    memcpy(list + 1, protocol.ptr, protocol.len);
    SSL_set_alpn_protos(t->info.ssl, list, protocol.len + 1);
}

/* A name that a request asks for may be none that TLS can ask for: too long. */
static bool set_sni(const struct nu_tls_conn *t, nu_str sni)
{
    if (sni.ptr == NULL)
        sni = t->ctx->sni;
    if (sni.len == 0)
        return true;
    const char *name = nu_arena_cstr(&t->conn->arena, sni);
    if (strlen(name) == sni.len && SSL_set_tlsext_host_name(t->info.ssl, name) == 1)
        return true;
    ERR_clear_error();
    nu_conn_details_edit(t->conn->info)->transport_failure = NU_STR("Failed to create upstream TLS due to failure setting SNI");
    return false;
}

bool nu_tls_client_prepare(struct nu_tls_conn *t)
{
    const struct nu_tls_context *ctx = t->ctx;
    SSL *ssl = t->info.ssl;
    SSL_set_connect_state(ssl);
    t->hs->push = true;
    struct nu_tls_wanted wanted = nu_tls_client_names(t);
    t->hs->sans = wanted.sans;
    t->hs->n_sans = wanted.n_sans;
    set_alpn(t, wanted.alpn);
    if (!set_sni(t, wanted.sni))
        return false;
    if (t->hs->n_sans > 0)
        SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if (ctx->allow_renegotiation)
        SSL_set_renegotiate_mode(ssl, ssl_renegotiate_freely);
    SSL_set_enforce_rsa_key_usage(ssl, 1); /* the library's default is not to */
    SSL_SESSION *session =
        ctx->sessions != NULL ? nu_tls_sessions_get(ctx->sessions, t->conn->worker->index, asked_name(ssl)) : NULL;
    if (session != NULL)
        SSL_set_session(ssl, session);
    SSL_SESSION_free(session);
    return true;
}

/* ---- building ---- */

static bool check_message(struct nu_factory *f, const upstream_msg *m)
{
    const struct envoy_extensions_transport_sockets_tls_v3_CommonTlsContext *common = m->common_tls_context;
    if (common != NULL && common->n_tls_certificates + common->n_tls_certificate_sds_secret_configs > 1) {
        nu_pb_error(f->diags, common, "tls_certificates", "Multiple TLS certificates are not supported for client contexts");
        return false;
    }
    bool validates = common != NULL && (common->validation_context != NULL || common->combined_validation_context != NULL ||
                                        common->validation_context_sds_secret_config != NULL);
    if (m->auto_sni_san_validation && !validates) {
        nu_pb_error(f->diags, m, "auto_sni_san_validation",
                    "'auto_sni_san_validation' was configured without a validation context");
        return false;
    }
    if (m->sni.len > 0 && memchr(m->sni.ptr, 0, m->sni.len) != NULL) {
        nu_pb_error(f->diags, m, "sni", "SNI names containing NULL-byte are not allowed");
        return false;
    }
    if (m->enforce_rsa_key_usage != NULL && !*m->enforce_rsa_key_usage)
        nu_pb_warn(f->diags, m, "enforce_rsa_key_usage",
                   "the key usage of RSA certificates is checked all the same, as Envoy 1.40 does");
    return true;
}

static void finish(struct nu_tls_source *s, const upstream_msg *m, struct nu_tls_context *c)
{
    SSL_CTX *ctx = c->ctxs[0];
    uint32_t keys = m->max_session_keys != NULL ? *m->max_session_keys : 1;
    c->sni = nu_arena_str(&c->arena, m->sni);
    c->auto_sni_san_validation = m->auto_sni_san_validation;
    c->allow_renegotiation = m->allow_renegotiation;
    if (c->alpn_len > 0)
        SSL_CTX_set_alpn_protos(ctx, c->alpn, (unsigned)c->alpn_len);
    if (keys == 0)
        return;
    c->sessions = nu_tls_sessions_new(s->process->server->workers->n + 1, keys);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_new_session);
}

bool nu_tls_client_context_build(struct nu_factory *f, struct nu_tls_source *s, const upstream_msg *m, struct nu_tls_context **out)
{
    static const struct envoy_extensions_transport_sockets_tls_v3_CommonTlsContext nothing = {0};
    bool ready = true;
    size_t k = 0;
    *out = NULL;
    if (!check_message(f, m))
        return false;
    struct nu_tls_context *c = nu_tls_context_new(s);
    bool ok = nu_tls_context_build_common(f, s, m->common_tls_context != NULL ? m->common_tls_context : &nothing, &defaults, c,
                                          &k, &ready);
    if (ok && ready && m->auto_sni_san_validation && !nu_tls_validation_has_ca(c->validation)) {
        nu_pb_error(f->diags, m, "auto_sni_san_validation",
                    "'auto_sni_san_validation' was configured without configuring a trusted CA");
        ok = false;
    }
    if (!ok || !ready) {
        nu_tls_context_unref(&c);
        return ok;
    }
    finish(s, m, c);
    *out = c;
    return true;
}
