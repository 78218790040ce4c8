/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS contexts: everything that connections of one DownstreamTlsContext or UpstreamTlsContext share. `struct nu_tls_transport`
 * is the configured transport of a filter chain or cluster; `struct nu_tls_context` the value that it has at the moment:
 * built on the main thread, immutable, reference-counted, published through the transport's slot when a secret changes. New
 * connections take the newest, others keep theirs. */
#ifndef NU_TLS_CONTEXT_H
#define NU_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "base/ref.h"
#include "net/transport.h"
#include "tls/certificate.h"
#include "tls/validation.h"
#include "worker/slot.h"

struct envoy_extensions_transport_sockets_tls_v3_DownstreamTlsContext;
struct envoy_extensions_transport_sockets_tls_v3_UpstreamTlsContext;

struct nu_tls_context {
    struct nu_ref refs;
    struct nu_arena arena;
    bool server;
    struct nu_tls_certificate *certs;
    SSL_CTX **ctxs; /* server: one a certificate, the first is the default; client: one */
    size_t n_certs;
    struct nu_tls_validation *validation;
    bool require_client_certificate;
};

struct nu_tls_context *nu_tls_context_ref(struct nu_tls_context *c);
void nu_tls_context_unref(struct nu_tls_context **c);

/* The transports of extensions: conf in f->arena; NULL: reported. The registry of living contexts is for /certs,
 * days_until_first_cert_expiring and ssl.certificate.* gauges. */
const struct nu_transport_conf *
nu_tls_downstream_new(struct nu_factory *f, const struct envoy_extensions_transport_sockets_tls_v3_DownstreamTlsContext *m);
const struct nu_transport_conf *
nu_tls_upstream_new(struct nu_factory *f, const struct envoy_extensions_transport_sockets_tls_v3_UpstreamTlsContext *m);

/* Main thread: calls fn for every context that a transport has at the moment. */
void nu_tls_contexts_each(struct nu_server *server, void (*fn)(const struct nu_tls_context *c, void *arg), void *arg);

#endif
