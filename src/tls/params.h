/* SPDX-License-Identifier: Apache-2.0
 *
 * tls.v3.TlsParameters: versions, ciphers, groups, signature algorithms of an SSL_CTX. */
#ifndef NU_TLS_PARAMS_H
#define NU_TLS_PARAMS_H

#include <openssl/ssl.h>

#include "net/extension.h"
#include "tls/context.h"

struct envoy_extensions_transport_sockets_tls_v3_TlsParameters;

/* m may be NULL: the defaults. owner: the message that has tls_params, for reports when m is NULL. false: reported. */
bool nu_tls_params_apply(struct nu_factory *f, const struct envoy_extensions_transport_sockets_tls_v3_TlsParameters *m,
                         const void *owner, const struct nu_tls_defaults *defaults, SSL_CTX *ctx);

#endif
