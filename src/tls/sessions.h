/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions that a client context keeps to resume (max_session_keys): each worker has its own, the newest first, so that there is
 * no lock. One is resumed only with the server name that it was made with, and one of TLS 1.3 once (RFC 8446 appendix C.4). */
#ifndef NU_TLS_SESSIONS_H
#define NU_TLS_SESSIONS_H

#include <openssl/ssl.h>

#include "base/str.h"

struct nu_tls_sessions;

/* For n_loops workers (the main thread's included), at most `max` sessions each, max > 0. */
struct nu_tls_sessions *nu_tls_sessions_new(unsigned n_loops, uint32_t max);
void nu_tls_sessions_free(struct nu_tls_sessions **s);
/* Takes the reference; copies the name, which may be empty. */
void nu_tls_sessions_put(struct nu_tls_sessions *s, unsigned worker, nu_str name, SSL_SESSION *session);
/* The newest of that name, with a reference; NULL: none. */
SSL_SESSION *nu_tls_sessions_get(struct nu_tls_sessions *s, unsigned worker, nu_str name);

#endif
