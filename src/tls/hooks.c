/* SPDX-License-Identifier: Apache-2.0
 *
 * The library's callbacks that a context's hooks stand behind: private-key operations. (The choice of a certificate is in
 * server_context.c, verification in context.c.) */
#include "base/alloc.h"
#include "tls/tls_conn.h"

static struct nu_tls_handshake *handshake_of(const SSL *ssl)
{
    return nu_tls_io_of(ssl)->conn->hs;
}

static enum ssl_private_key_result_t sign(SSL *ssl, uint8_t *out, size_t *n_out, size_t max, uint16_t sigalg, const uint8_t *in,
                                          size_t n)
{
    struct nu_tls_handshake *h = handshake_of(ssl);
    h->key = h->conn->ctx->hooks->sign(h, sigalg, in, n, out, n_out, max);
    if (h->key == NU_TLS_LATER)
        return ssl_private_key_retry;
    return h->key == NU_TLS_YES ? ssl_private_key_success : ssl_private_key_failure;
}

/* RSA key exchange: forward secrecy or nothing, with a key that is elsewhere. */
static enum ssl_private_key_result_t decrypt(SSL *ssl, uint8_t *out, size_t *n_out, size_t max, const uint8_t *in, size_t n)
{
    (void)ssl;
    (void)out;
    (void)n_out;
    (void)max;
    (void)in;
    (void)n;
    return ssl_private_key_failure;
}

static enum ssl_private_key_result_t complete(SSL *ssl, uint8_t *out, size_t *n_out, size_t max)
{
    const struct nu_tls_handshake *h = handshake_of(ssl);
    if (h->key == NU_TLS_LATER)
        return ssl_private_key_retry;
    if (h->key != NU_TLS_YES || h->n_signature > max)
        return ssl_private_key_failure;
    memcpy(out, h->signature, h->n_signature);
    *n_out = h->n_signature;
    return ssl_private_key_success;
}

static const SSL_PRIVATE_KEY_METHOD method = {.sign = sign, .decrypt = decrypt, .complete = complete};

void nu_tls_hooks_apply(SSL_CTX *ctx, const struct nu_tls_context *c)
{
    if (c->hooks != NULL && c->hooks->sign != NULL)
        SSL_CTX_set_private_key_method(ctx, &method);
}
