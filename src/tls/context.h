/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS contexts: everything that connections of one DownstreamTlsContext or UpstreamTlsContext share: built on the main thread,
 * immutable, reference-counted, published through the transport's slot (tls/transport.h) when a secret changes. New connections
 * take the newest, others keep theirs. */
#ifndef NU_TLS_CONTEXT_H
#define NU_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "base/ref.h"
#include "net/transport.h"
#include "tls/certificate.h"
#include "tls/handshake.h"
#include "tls/validation.h"
#include "worker/slot.h"

struct envoy_extensions_transport_sockets_tls_v3_CommonTlsContext;
struct envoy_extensions_transport_sockets_tls_v3_DownstreamTlsContext;
struct envoy_extensions_transport_sockets_tls_v3_UpstreamTlsContext;
struct nu_scope;
struct nu_server;
struct nu_ticket_keys;
struct nu_ticket_ring;
struct nu_tls_key_log;
struct nu_tls_names;
struct nu_tls_sessions;
struct nu_tls_source;

enum nu_ocsp_policy { NU_OCSP_LENIENT, NU_OCSP_STRICT, NU_OCSP_MUST };

struct nu_tls_context {
    struct nu_ref refs;
    struct nu_arena arena;
    bool server;
    struct nu_tls_certificate *certs;
    size_t n_certs;
    SSL_CTX **ctxs; /* one a certificate, the first is what connections begin with; at least one */
    size_t n_ctxs;
    struct nu_tls_validation *validation;
    bool asks_client; /* server: a client certificate is asked for */
    bool require_client_certificate;
    struct nu_scope *scope;           /* ssl. statistics; borrowed from the source; NULL: nobody counts */
    const struct nu_tls_hooks *hooks; /* NULL: none */
    struct nu_tls_key_log *key_log;   /* NULL: none */
    uint8_t *alpn;                    /* in the form of the extension */
    size_t alpn_len;
    uint16_t max_version;
    /* server */
    const struct nu_tls_names *names;    /* which certificate for which SNI (select.h) */
    enum nu_ocsp_policy ocsp_policy;
    bool full_scan;                      /* full_scan_certs_on_sni_mismatch */
    const struct nu_ticket_keys *tickets; /* configured; NULL: the process's */
    const struct nu_ticket_ring *ring;
    /* client */
    nu_str sni;
    bool auto_sni_san_validation, allow_renegotiation;
    struct nu_tls_sessions *sessions; /* to resume; NULL: none are kept */
};

struct nu_tls_context *nu_tls_context_ref(struct nu_tls_context *c);
void nu_tls_context_unref(struct nu_tls_context **c);

/* The transports of extensions: conf in f->arena; NULL: reported. */
const struct nu_transport_conf *
nu_tls_downstream_new(struct nu_factory *f, const struct envoy_extensions_transport_sockets_tls_v3_DownstreamTlsContext *m);
const struct nu_transport_conf *
nu_tls_upstream_new(struct nu_factory *f, const struct envoy_extensions_transport_sockets_tls_v3_UpstreamTlsContext *m);

/* Main thread: calls fn for every context that a transport has at the moment: for /certs, days_until_first_cert_expiring and
 * ssl.certificate.* gauges. */
void nu_tls_contexts_each(struct nu_server *server, void (*fn)(const struct nu_tls_context *c, void *arg), void *arg);

/* ---- for the two kinds of contexts ---- */

/* An empty context with one reference. */
struct nu_tls_context *nu_tls_context_new(struct nu_tls_source *s);

struct nu_tls_defaults {
    uint16_t min_version, max_version;
    const char *ciphers, *curves;
};

/* Callbacks for the hooks of a context. */
void nu_tls_hooks_apply(SSL_CTX *ctx, const struct nu_tls_context *c);

/* Certificates and validation from the message and its secrets, an SSL_CTX for each certificate with what both sides have in
 * common. false: reported. *k: how many secrets the message has named. *ready false: secrets are missing, nothing else was built. */
bool nu_tls_context_build_common(struct nu_factory *f, struct nu_tls_source *s,
                                 const struct envoy_extensions_transport_sockets_tls_v3_CommonTlsContext *m,
                                 const struct nu_tls_defaults *defaults, struct nu_tls_context *c, size_t *k, bool *ready);

#endif
