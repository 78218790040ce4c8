/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known about a TLS connection and its peer's certificate: for access logs, header formatters, XFCC, RBAC. Facts are
 * taken from the library when asked for, so that connections nobody asks about cost nothing. */
#ifndef NU_TLS_INFO_H
#define NU_TLS_INFO_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

typedef struct ssl_st SSL;
typedef struct x509_st X509;

/* Hangs at nu_conn_details.tls from the moment the handshake is done; in the connection's arena. The SSL lives as long as the
 * connection's transport; when the connection closes before its record is logged, what is needed stays (the transport keeps the
 * SSL until the arena goes). */
struct nu_tls_info {
    SSL *ssl;
    bool validated; /* the peer's certificate was checked and good: %DOWNSTREAM_PEER_CERT_V...%, XFCC */
};

enum nu_tls_fact {
    NU_TLS_VERSION,       /* "TLSv1.3" */
    NU_TLS_CIPHER,        /* "TLS_AES_128_GCM_SHA256" */
    NU_TLS_SESSION_ID,    /* hex */
    NU_TLS_ALPN,          /* negotiated; empty: none */
    NU_TLS_SNI,
    NU_TLS_CURVE,         /* group name as in stats: "X25519" */
    NU_TLS_PEER_SUBJECT,  /* RFC 2253 */
    NU_TLS_PEER_ISSUER,
    NU_TLS_PEER_SERIAL,   /* hex, as Envoy prints it */
    NU_TLS_PEER_FINGERPRINT_256, /* hex SHA-256 */
    NU_TLS_PEER_FINGERPRINT_1,
    NU_TLS_PEER_CERT,     /* URL-encoded PEM */
    NU_TLS_PEER_CHAIN,    /* URL-encoded PEMs of the whole chain */
    NU_TLS_PEER_URI_SANS, /* all, joined by ',' */
    NU_TLS_PEER_DNS_SANS,
    NU_TLS_PEER_IP_SANS,
    NU_TLS_PEER_EMAIL_SANS,
    NU_TLS_PEER_OTHERNAME_SANS,
    NU_TLS_LOCAL_SUBJECT,
    NU_TLS_LOCAL_URI_SANS,
    NU_TLS_LOCAL_DNS_SANS,
    NU_TLS_LOCAL_IP_SANS,
    NU_TLS_LOCAL_EMAIL_SANS,
    NU_TLS_LOCAL_OTHERNAME_SANS,
};

/* The fact as text in the arena; a NULL ptr when there is none (no certificate). Connection's worker. */
nu_str nu_tls_info_text(const struct nu_tls_info *t, enum nu_tls_fact what, struct nu_arena *a);
/* The single values of one of the _SANS facts, in the certificate's order; n 0: none. */
const nu_str *nu_tls_info_sans(const struct nu_tls_info *t, enum nu_tls_fact what, struct nu_arena *a, size_t *n);
/* The peer presented a certificate (also on resumed sessions). */
bool nu_tls_info_has_peer(const struct nu_tls_info *t);
/* Validity of the peer's certificate in wall seconds; false: none. */
bool nu_tls_info_peer_validity(const struct nu_tls_info *t, int64_t *not_before, int64_t *not_after);

/* The same for a certificate at hand (/certs, certificate choice). */
nu_str nu_x509_subject(X509 *x, struct nu_arena *a);
nu_str nu_x509_issuer(X509 *x, struct nu_arena *a);
nu_str nu_x509_serial(X509 *x, struct nu_arena *a);
/* General names of one type (GEN_DNS, GEN_URI, GEN_IPADD, GEN_EMAIL, GEN_OTHERNAME) as text. */
const nu_str *nu_x509_sans(X509 *x, int type, struct nu_arena *a, size_t *n);
/* notBefore and notAfter in wall seconds. */
void nu_x509_validity(X509 *x, int64_t *not_before, int64_t *not_after);

#endif
