/* SPDX-License-Identifier: Apache-2.0
 *
 * When certificates end: a gauge for each that a context has (ssl.certificate.<name>.expiration_unix_time_seconds), and the
 * first of them all. Main thread. */
#ifndef NU_TLS_EXPIRY_H
#define NU_TLS_EXPIRY_H

#include <stddef.h>
#include <stdint.h>

struct nu_scope;
struct nu_server;
struct nu_tls_context;

/* The gauges of one listener's or cluster's context. Zero-initialise. */
struct nu_tls_expiry {
    struct nu_scope **scopes;
    size_t n;
};

/* c is the context now; ssl: the scope of its other statistics ("listener.<address>.ssl."). Certificates of the same name share
 * a gauge, and the last one counts, as in Envoy. */
void nu_tls_expiry_set(struct nu_tls_expiry *e, const struct nu_scope *ssl, const struct nu_tls_context *c);
void nu_tls_expiry_clear(struct nu_tls_expiry *e);

/* Whole days until the first certificate ends, of contexts and the first of their CAs; 0: one has ended; UINT32_MAX: there is
 * none. server.days_until_first_cert_expiring. now: wall seconds. */
uint32_t nu_tls_days_until_expiry(struct nu_server *server, int64_t now);
/* The same for OCSP responses, in seconds; 0 when there is none. server.seconds_until_first_ocsp_response_expiring. */
uint64_t nu_tls_seconds_until_ocsp_expiry(struct nu_server *server, int64_t now);

/* Whole days from one wall second to another; 0 when that is past. */
uint64_t nu_days_until(int64_t at, int64_t now);

#endif
