/* SPDX-License-Identifier: Apache-2.0
 *
 * A certificate with its chain and key, as tls.v3.TlsCertificate gives it, loaded and checked. Immutable once made. */
#ifndef NU_TLS_CERTIFICATE_H
#define NU_TLS_CERTIFICATE_H

#include <openssl/ssl.h>

#include "base/arena.h"
#include "net/extension.h"

struct envoy_extensions_transport_sockets_tls_v3_TlsCertificate;

/* Lives in the arena that it was made in; nu_tls_certificate_clear gives back what the library allocated. */
struct nu_tls_certificate {
    X509 *leaf;                    /* NULL: the message was empty, which only clients may have */
    STACK_OF(X509) *intermediates; /* NULL: none; leaf not among them */
    EVP_PKEY *key;
    nu_str origin;        /* the chain's (PKCS#12: the bundle's) file name, or Envoy's "<inline>" */
    nu_str name;          /* in stats: "certificate.<name>.expiration_unix_time_seconds" */
    nu_str ocsp_response; /* DER; empty: none */
    int64_t ocsp_begins;  /* wall seconds (thisUpdate) */
    int64_t ocsp_expires; /* wall seconds (nextUpdate); 0: no response, or one that does not say, which counts as expired */
    bool must_staple;     /* TLS feature extension, RFC 7633 */
    bool ecdsa;
    const nu_str *dns_names; /* DNS SANs in lower case; without that extension the common name */
    size_t n_dns_names;
    int64_t not_before, not_after; /* wall seconds */
};

/* Reads chain, key (password, PKCS#12) and OCSP response; checks that key and leaf belong together, and Envoy's limits
 * (RSA of 2048 bits at least, P-256, P-384 or P-521); validity periods are not looked at, as in Envoy. Everything in f->arena.
 * secret: the name of the secret that the message comes from, for statistics; empty: it stands in a TLS context itself. false:
 * reported on m, and *out is empty. Main thread. */
bool nu_tls_certificate_load(struct nu_factory *f, const struct envoy_extensions_transport_sockets_tls_v3_TlsCertificate *m,
                             nu_str secret, struct nu_tls_certificate *out);
void nu_tls_certificate_clear(struct nu_tls_certificate *c);

#endif
