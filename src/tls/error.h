/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS library's error queue, which each thread has, as text. */
#ifndef NU_TLS_ERROR_H
#define NU_TLS_ERROR_H

#include "base/arena.h"

/* The newest error ("error:0b000074:X.509 certificate routines:OPENSSL_internal:KEY_VALUES_MISMATCH"), "unknown" when there is
 * none. Empties the queue. */
nu_str nu_tls_error_text(struct nu_arena *a);

/* Empties the queue if its newest error says that a PEM text is at its end (or never had the object that was looked for).
 * false: it says something else, and stays. */
bool nu_tls_error_is_pem_end(void);

#endif
