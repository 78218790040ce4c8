/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS transport of a filter chain or cluster, and its source: what makes contexts from the configuration and secrets, and
 * publishes each new one to the workers. The transport lives in the snapshot's arena; its source outlives it until the main
 * thread hears that it is gone. */
#ifndef NU_TLS_TRANSPORT_H
#define NU_TLS_TRANSPORT_H

#include "event/loop.h"
#include "net/transport.h"
#include "tls/context.h"
#include "tls/expiry.h"
#include "tls/secret.h"
#include "worker/slot.h"

struct nu_pb_msg;
struct nu_tls;
struct nu_tls_conn;
struct nu_tls_source;
struct nu_worker;

struct nu_tls_transport {
    struct nu_transport_conf base;
    struct nu_tls_source *source;
};

extern const struct nu_transport_ops nu_tls_ops;        /* server */
extern const struct nu_transport_ops nu_tls_client_ops; /* with pool_key and the like */

/* A secret that a source uses. */
struct nu_tls_source_secret {
    struct nu_secret_user user;
    struct nu_tls_source *source;
};

struct nu_tls_source {
    struct nu_list node;    /* nu_tls.sources */
    struct nu_tls *process;
    bool server;
    struct nu_slot slot;    /* struct nu_tls_context; NULL: secrets are missing */
    struct nu_scope *scope;         /* ssl.; references; NULL: only validating */
    struct nu_scope *factory_scope; /* server_ssl_socket_factory. or client_... */
    struct nu_tls_expiry expiry;    /* gauges of the context that is in use */
    uint8_t *message;       /* the wire bytes of the configuration, to build anew; NULL: no secret can change */
    size_t message_len;
    struct nu_arena arena;
    nu_str *server_names;   /* of the filter chain's match */
    size_t n_server_names;
    struct nu_tls_source_secret *secrets; /* in the order in which the message names them */
    size_t n_secrets;
    bool auto_host_sni;
    struct nu_post post;
};

/* Whether auto_host_sni is set. */
bool nu_tls_source_wants_host_name(const struct nu_tls_source *s);
/* A worker: the newest context, with a reference; NULL: secrets are missing, which is counted. */
struct nu_tls_context *nu_tls_source_context(struct nu_tls_source *s, const struct nu_worker *w);

/* The client's part of on_connected: SNI, session, what the pool asked for. false: the record says why it cannot be. */
bool nu_tls_client_prepare(struct nu_tls_conn *t);

/* Operations of the client's transport (client_names.c). */
void nu_tls_pool_key(const struct nu_transport_conf *conf, const struct nu_transport_options *o, struct nu_sb *key);
void nu_tls_preamble(const struct nu_transport_conf *conf, const struct nu_transport_options *o, struct nu_worker *w,
                     struct nu_sb *bytes);
void nu_tls_set_preamble(struct nu_conn *c, nu_str bytes);
/* What nu_tls_set_preamble got, in the connection's arena. */
struct nu_tls_wanted {
    nu_str alpn;        /* the protocol to offer where the configuration names none; empty: none */
    nu_str sni;         /* the server's name to ask for; NULL ptr: the configured one */
    const nu_str *sans; /* names that its certificate must have */
    size_t n_sans;
};
struct nu_tls_wanted nu_tls_client_names(const struct nu_tls_conn *t);

/* The k-th secret that the message names; NULL: reported. On the first build it is looked up. */
struct nu_secret *nu_tls_source_secret(struct nu_factory *f, struct nu_tls_source *s, size_t k, const void *config,
                                       enum nu_secret_kind kind);

/* The same for a TlsCertificate or CertificateValidationContext that stands in the message and has a watched_directory: a change
 * of its files is one of the context. false: reported. */
bool nu_tls_source_watch(struct nu_factory *f, struct nu_tls_source *s, size_t k, const void *msg, enum nu_secret_kind kind);

/* Builds a context from the message (server_context.c, client_context.c). false: reported. *out NULL: secrets are missing. */
bool nu_tls_server_context_build(struct nu_factory *f, struct nu_tls_source *s,
                                 const struct envoy_extensions_transport_sockets_tls_v3_DownstreamTlsContext *m,
                                 struct nu_tls_context **out);
bool nu_tls_client_context_build(struct nu_factory *f, struct nu_tls_source *s,
                                 const struct envoy_extensions_transport_sockets_tls_v3_UpstreamTlsContext *m,
                                 struct nu_tls_context **out);

#endif
