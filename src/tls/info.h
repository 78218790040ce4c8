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

/* Hangs at the connection (nu_conn_tls) from the moment the handshake is done; in the connection's arena. The SSL lives as long as the
 * connection's transport; when the connection closes before its record is logged, what is needed stays (the transport keeps the
 * SSL until the arena goes). */
struct nu_tls_kept;
struct nu_tls_validation;
struct nu_tls_info {
    SSL *ssl;
    X509 *local; /* our own certificate; NULL: none. Borrowed, as long-lived as ssl (the library's own note of it ends with the
                  * handshake) */
    const struct nu_tls_validation *validation; /* what the peer was checked by; NULL: nothing. As long-lived as ssl */
    const struct nu_tls_kept *kept; /* of a copy (nu_tls_info_keep), whose ssl is NULL */
    uint64_t done_ns; /* monotonic: when the handshake was done */
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
    NU_TLS_PEER_CHAIN,    /* URL-encoded PEMs of the chain that the peer sent, its own certificate first */
    NU_TLS_PEER_CHAIN_FINGERPRINTS_256, /* of the same chain, joined by ',' */
    NU_TLS_PEER_CHAIN_FINGERPRINTS_1,
    NU_TLS_PEER_CHAIN_SERIALS,
    NU_TLS_PEER_ISSUER_FINGERPRINT_256, /* of the certificate that signed the peer's: of its chain, else a trusted CA */
    NU_TLS_PEER_ISSUER_SERIAL,
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
/* The PEM texts of the chain that the peer sent, not encoded; n 0: none. */
const nu_str *nu_tls_info_chain_pem(const struct nu_tls_info *t, struct nu_arena *a, size_t *n);
/* A copy that stays good until the arena goes, however long the connection lives: for records of upstream connections. Of the
 * peer's chain it has the first certificate only. */
const struct nu_tls_info *nu_tls_info_keep(const struct nu_tls_info *t, struct nu_arena *a);
/* The peer presented a certificate (also on resumed sessions). */
bool nu_tls_info_has_peer(const struct nu_tls_info *t);
/* Validity of the peer's certificate in wall seconds; false: none. */
bool nu_tls_info_peer_validity(const struct nu_tls_info *t, int64_t *not_before, int64_t *not_after);

/* The same for a certificate at hand (/certs, certificate choice). */
nu_str nu_x509_subject(X509 *x, struct nu_arena *a);
nu_str nu_x509_issuer(X509 *x, struct nu_arena *a);
nu_str nu_x509_serial(X509 *x, struct nu_arena *a);
/* Hex SHA-256 of the whole certificate. */
nu_str nu_x509_fingerprint(X509 *x, struct nu_arena *a);
/* General names of one type (GEN_DNS, GEN_URI, GEN_IPADD, GEN_EMAIL, GEN_OTHERNAME) as text. */
const nu_str *nu_x509_sans(X509 *x, int type, struct nu_arena *a, size_t *n);
/* notBefore and notAfter in wall seconds. */
void nu_x509_validity(X509 *x, int64_t *not_before, int64_t *not_after);

#endif
