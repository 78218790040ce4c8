/* SPDX-License-Identifier: Apache-2.0
 *
 * The names in a certificate's subjectAltName extension (RFC 5280 s4.2.1.6), and what it means that a DNS name matches one. */
#ifndef NU_TLS_GENERAL_NAME_H
#define NU_TLS_GENERAL_NAME_H

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/arena.h"

/* A name as text, as Envoy writes it: IP addresses in their usual form, the value of an otherName by its ASN.1 type. It may
 * have NUL bytes in it. Empty: a type without text (directoryName, registeredID, x400Address). In the arena. */
nu_str nu_general_name_text(const GENERAL_NAME *name, struct nu_arena *a);

/* The extension; NULL: there is none, or it is malformed. Free with GENERAL_NAMES_free. */
GENERAL_NAMES *nu_general_names(const X509 *x);

/* Whether a DNS name is the one in a certificate, which may have one '*' in its leftmost label, standing for any part of that
 * label (RFC 6125 s6.4.3 and Envoy). Case does not matter. */
bool nu_dns_name_match(nu_str name, nu_str in_certificate);

#endif
