/* SPDX-License-Identifier: Apache-2.0
 *
 * Named secrets of the process: tls.v3.Secret, from bootstrap's static_resources.secrets or from SDS. A secret has an identity
 * (kind, source and name) that outlives its values; who uses one subscribes and is told on the main thread of each new value.
 * Where values come from is a source's business (struct nu_secret_source): files now, gRPC later. Main thread only. */
#ifndef NU_TLS_SECRET_H
#define NU_TLS_SECRET_H

#include "base/arena.h"
#include "net/extension.h"

struct envoy_extensions_transport_sockets_tls_v3_Secret;
struct envoy_extensions_transport_sockets_tls_v3_SdsSecretConfig;
struct nu_secrets;
struct nu_secret;

enum nu_secret_kind { NU_SECRET_CERTIFICATE, NU_SECRET_VALIDATION, NU_SECRET_TICKET_KEYS, NU_SECRET_GENERIC };

/* A user of a secret, in the user's memory. */
struct nu_secret_user {
    struct nu_secret_user *next;
    struct nu_secret *secret;
    /* A new value is there (s->value), or the files it names have changed. The user builds what it needs from the message and
     * publishes it; false: the value is no good (already reported to the log), which the source counts
     * (sds.<name>.update_rejected) and takes back. */
    bool (*on_value)(struct nu_secret_user *u, struct nu_secret *s);
};

struct nu_secret {
    nu_str name;
    enum nu_secret_kind kind;
    /* NULL until the first value came. The message stays valid until the next value was taken by all users. */
    const struct envoy_extensions_transport_sockets_tls_v3_Secret *value;
    struct nu_secret_user *users;
};

struct nu_secrets *nu_secrets_new(struct nu_server *server);
void nu_secrets_free(struct nu_secrets **s);

/* A static secret (bootstrap.static_resources.secrets). Copied. false: reported (a name twice, nothing in it). */
bool nu_secrets_add_static(struct nu_factory *f, struct nu_secrets *s,
                           const struct envoy_extensions_transport_sockets_tls_v3_Secret *m);

/* The secret that an SdsSecretConfig names: a static one when it has no sds_config, else that of its source, which begins to
 * fetch (path, path_config_source with watched_directory; others are "not supported" until they are there). With a
 * reference; NULL: reported on m. A path's first value is there when this returns, or its error was reported. */
struct nu_secret *nu_secrets_get(struct nu_factory *f, const struct envoy_extensions_transport_sockets_tls_v3_SdsSecretConfig *m,
                                 enum nu_secret_kind kind);
void nu_secret_unref(struct nu_secret **s);

void nu_secret_subscribe(struct nu_secret *s, struct nu_secret_user *u);
void nu_secret_unsubscribe(struct nu_secret_user *u);

/* For /config_dump's SecretsConfigDump and /certs. */
void nu_secrets_each(struct nu_secrets *s, void (*fn)(struct nu_secret *s, void *arg), void *arg);

#endif
