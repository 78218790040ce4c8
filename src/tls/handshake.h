/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a handshake may be suspended: at the choice of a certificate, at the verification of the peer's, at a private-key
 * operation. A context that has hooks asks them; one that answers NU_TLS_LATER keeps the handshake and calls nu_tls_resume once,
 * from the connection's worker. Hooks run within a call into the library: they must not close the connection, nor resume at
 * once. A handshake that ends before (the peer is gone) is told by on_gone.
 *
 * Handshakes cost some hundred times what a request does. A worker makes one expensive step of one handshake in a turn of its
 * loop; others wait in order, and connections that are through do not wait for them. */
#ifndef NU_TLS_HANDSHAKE_H
#define NU_TLS_HANDSHAKE_H

#include <openssl/ssl.h>

#include "base/str.h"

struct nu_conn;
struct nu_tls_handshake;

enum nu_tls_answer { NU_TLS_UNASKED, NU_TLS_YES, NU_TLS_NO, NU_TLS_LATER };

struct nu_tls_hooks {
    /* Server: chooses by SSL_set_SSL_CTX, or has begun to look for a certificate. NULL: by SNI and key type. */
    enum nu_tls_answer (*choose)(struct nu_tls_handshake *h, const SSL_CLIENT_HELLO *hello);
    /* After the context's own validation has accepted the chain. NO: *alert says what the peer hears. NULL: accepted. */
    enum nu_tls_answer (*verify)(struct nu_tls_handshake *h, STACK_OF(X509) *chain, uint8_t *alert);
    /* Signs `in` (sigalg: SSL_SIGN_*) into out, at most max bytes. The answer of one that was LATER comes with
     * nu_tls_resume_signed. NULL: with the certificate's own key. */
    enum nu_tls_answer (*sign)(struct nu_tls_handshake *h, uint16_t sigalg, const uint8_t *in, size_t n, uint8_t *out,
                               size_t *n_out, size_t max);
    /* The suspended handshake is gone. NULL: nobody minds. */
    void (*on_gone)(struct nu_tls_handshake *h);
};

struct nu_conn *nu_tls_handshake_conn(const struct nu_tls_handshake *h);

/* The answer (YES or NO) to what was suspended; the handshake goes on in this turn or the next. alert: for a verification that
 * says NO; 0: certificate_unknown. */
void nu_tls_resume(struct nu_tls_handshake *h, enum nu_tls_answer answer, uint8_t alert);
/* The same for a signature; copied. */
void nu_tls_resume_signed(struct nu_tls_handshake *h, const uint8_t *signature, size_t n);

#endif
