/* SPDX-License-Identifier: Apache-2.0
 *
 * Named secrets of the process: tls.v3.Secret, from bootstrap's static_resources.secrets or from SDS. A secret has an identity
 * (kind, source and name) that outlives its values; who uses one subscribes and is told on the main thread of each new value.
 * Where values come from is a source's business (tls/secret_source.h): files now, gRPC later. Main thread only. */
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
     * (sds.<name>.update_rejected, key_rotation_failed); then the value before is back, and who took the new one is told
     * again. May not subscribe or unsubscribe meanwhile. */
    bool (*on_value)(struct nu_secret_user *u, struct nu_secret *s);
};

struct nu_secret {
    nu_str name; /* empty: one without, see nu_secrets_anonymous */
    enum nu_secret_kind kind;
    bool is_static;
    /* NULL until the first value came. Files that a value from SDS names are in it already (inline_bytes), so that what
     * belongs together is read together. Valid until on_value of all users has been called for the next one. */
    const struct envoy_extensions_transport_sockets_tls_v3_Secret *value;
    struct nu_secret_user *users;
    nu_str version;           /* of the value; empty: not said */
    uint64_t updated_wall_ns; /* when the value came */
};

struct nu_secrets *nu_secrets_new(struct nu_server *server);
/* All users must have gone. */
void nu_secrets_free(struct nu_secrets **s);

/* ---- static ones: bootstrap.static_resources.secrets ---- */

/* A configuration is being read: its static secrets follow, and nu_secrets_get finds those and no others. */
void nu_secrets_stage(struct nu_secrets *s);
/* One of them; copied. false: reported (the same kind and name twice, nothing in it, or a certificate that somebody uses and
 * that is not good). */
bool nu_secrets_add_static(struct nu_factory *f, struct nu_secrets *s,
                           const struct envoy_extensions_transport_sockets_tls_v3_Secret *m);
/* The configuration is in effect: users of secrets that say something else now are told; the ones that it lacks are not found
 * any more. */
void nu_secrets_commit(struct nu_secrets *s);
/* It is not: what was staged is forgotten. Harmless when nothing was. */
void nu_secrets_unstage(struct nu_secrets *s);

/* ---- using them ---- */

/* The secret that an SdsSecretConfig names: a static one when it has no sds_config, else that of its source, which begins to
 * fetch. With a reference; NULL: reported on m. A file's first value is there when this returns, or its error was logged and
 * counted: the secret has no value until the file is good. With f->validate_only nothing is fetched. */
struct nu_secret *nu_secrets_get(struct nu_factory *f, const struct envoy_extensions_transport_sockets_tls_v3_SdsSecretConfig *m,
                                 enum nu_secret_kind kind);
/* A secret out of a message that stands in a TLS context itself and has a watched_directory: users are told when its files
 * change. Copied. With a reference; NULL: reported. */
struct nu_secret *nu_secrets_anonymous(struct nu_factory *f, const struct envoy_extensions_transport_sockets_tls_v3_Secret *m);
/* The last reference ends the fetching. */
void nu_secret_unref(struct nu_secret **s);

void nu_secret_subscribe(struct nu_secret *s, struct nu_secret_user *u);
void nu_secret_unsubscribe(struct nu_secret_user *u);

/* For /config_dump: the static ones in effect, then those of SDS. */
void nu_secrets_each(struct nu_secrets *s, void (*fn)(const struct nu_secret *s, void *arg), void *arg);

#endif
