/* SPDX-License-Identifier: Apache-2.0
 *
 * common_tls_context.key_log: secrets of connections in the format of NSS (SSLKEYLOGFILE), for those who look at the wire. */
#ifndef NU_TLS_KEY_LOG_H
#define NU_TLS_KEY_LOG_H

#include <openssl/ssl.h>

#include "net/extension.h"

struct envoy_extensions_transport_sockets_tls_v3_TlsKeyLog;
struct nu_tls_key_log;

/* m NULL: *out is NULL. false: reported. */
bool nu_tls_key_log_build(struct nu_factory *f, const struct envoy_extensions_transport_sockets_tls_v3_TlsKeyLog *m,
                          struct nu_tls_key_log **out);
void nu_tls_key_log_unref(struct nu_tls_key_log **k);
void nu_tls_key_log_apply(SSL_CTX *ctx);

#endif
