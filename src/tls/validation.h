/* SPDX-License-Identifier: Apache-2.0
 *
 * Who the other side may be: tls.v3.CertificateValidationContext, loaded. Immutable once made; verifying is a pure function of
 * it, a chain and the time, on any thread. */
#ifndef NU_TLS_VALIDATION_H
#define NU_TLS_VALIDATION_H

#include <openssl/ssl.h>

#include "base/arena.h"
#include "net/extension.h"

struct envoy_extensions_transport_sockets_tls_v3_CertificateValidationContext;
struct nu_tls_validation;

enum nu_tls_verdict {
    NU_TLS_NOT_VALIDATED, /* no certificate, or nothing to check it by */
    NU_TLS_VALIDATED,
    NU_TLS_FAILED_ERROR,     /* chain: fail_verify_error */
    NU_TLS_FAILED_SAN,       /* fail_verify_san */
    NU_TLS_FAILED_CERT_HASH, /* fail_verify_cert_hash (hash and SPKI pins) */
    NU_TLS_FAILED_NO_CERT,   /* fail_verify_no_cert: the library's refusal, which is before nu_tls_verify */
};

struct nu_tls_verify_input {
    STACK_OF(X509) *chain; /* as the peer sent it, leaf first; NULL or empty: none */
    bool server;           /* we are the server: the peer is a client (purpose, alert) */
    const nu_str *sans;    /* auto_san_validation: one of them must be a name of the peer, besides what the config says */
    size_t n_sans;
    nu_str sni;            /* auto_sni_san_validation: a DNS name of the peer, instead of the config's matchers; empty: no */
    int64_t now;           /* wall seconds */
};

struct nu_tls_verify_result {
    enum nu_tls_verdict verdict;
    bool accepted;    /* the handshake may go on (trust_chain_verification: ACCEPT_UNTRUSTED accepts failed chains) */
    uint8_t alert;    /* TLS alert when not accepted */
    nu_str error;     /* Envoy's text, e.g. "verify cert failed: X509_verify_cert: certificate verification error at depth 0:
                       * certificate has expired"; in the arena given to nu_tls_verify */
};

/* CA, CRL, pins and matchers in f->arena; NULL: reported on m. m may be NULL: a validation that accepts everything. secret: the
 * name of the secret that m comes from (with combined_validation_context, too), for statistics; empty: it stands in a TLS
 * context itself. Main thread. */
struct nu_tls_validation *
nu_tls_validation_load(struct nu_factory *f,
                       const struct envoy_extensions_transport_sockets_tls_v3_CertificateValidationContext *m, nu_str secret);
/* Gives back what the library allocated; v may be NULL. */
void nu_tls_validation_clear(struct nu_tls_validation *v);

/* Whether a peer's certificate is asked for and checked at all. */
bool nu_tls_validation_wants_certificate(const struct nu_tls_validation *v);
/* SSL_VERIFY_*: what the library is to ask of the peer. Pins and SAN matchers want a certificate; trusted CAs do not insist on
 * one, unless `required` (DownstreamTlsContext.require_client_certificate), which without them does nothing, as in Envoy. */
int nu_tls_validation_verify_mode(const struct nu_tls_validation *v, bool required);
/* Whether there are trusted CAs (auto_sni_san_validation must have them). */
bool nu_tls_validation_has_ca(const struct nu_tls_validation *v);
/* The store of trusted CAs, and the names for CertificateRequest (NULL: none, or suppress_client_ca_list); borrowed. */
const STACK_OF(X509_NAME) *nu_tls_validation_ca_names(const struct nu_tls_validation *v);
/* Trusted CA certificates, for /certs; borrowed. */
size_t nu_tls_validation_n_cas(const struct nu_tls_validation *v);
X509 *nu_tls_validation_ca(const struct nu_tls_validation *v, size_t i);
nu_str nu_tls_validation_origin(const struct nu_tls_validation *v); /* file name or "<inline>" */
/* In stats, "certificate.<name>.expiration_unix_time_seconds", with the first CA's end in wall seconds (INT64_MAX: no CA). The
 * name is empty when there is no validation context at all, and then no gauge. */
nu_str nu_tls_validation_name(const struct nu_tls_validation *v);
int64_t nu_tls_validation_expires(const struct nu_tls_validation *v);
/* Adds all that makes two validations different to a digest: the session-id context of servers (Envoy: a session may only be
 * resumed under the same rules). */
void nu_tls_validation_digest(const struct nu_tls_validation *v, EVP_MD_CTX *md);

struct nu_tls_verify_result nu_tls_verify(const struct nu_tls_validation *v, const struct nu_tls_verify_input *in,
                                          struct nu_arena *a);

#endif
