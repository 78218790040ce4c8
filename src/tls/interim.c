/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands in, weakly, for what is being written. */

#include "base/alloc.h"
#include "codec/pb/pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.nu.h"
#include "tls/secret.h"
#define WEAK __attribute__((weak))
WEAK struct nu_secret *nu_secrets_get(struct nu_factory *f, const struct envoy_extensions_transport_sockets_tls_v3_SdsSecretConfig *m, enum nu_secret_kind kind)
{
    (void)kind;
    nu_pb_unsupported(f->diags, m, NULL, "not yet");
    return NULL;
}
WEAK void nu_secret_unref(struct nu_secret **s) { *s = NULL; }
WEAK void nu_secret_subscribe(struct nu_secret *s, struct nu_secret_user *u) { (void)s; (void)u; }
WEAK void nu_secret_unsubscribe(struct nu_secret_user *u) { (void)u; }
