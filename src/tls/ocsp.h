/* SPDX-License-Identifier: Apache-2.0
 *
 * An OCSP response (RFC 6960 s4.2.1), read as far as stapling needs it: for which certificate, until when. Its signature is not
 * checked, as in Envoy: it comes from a trusted source, and the client checks it. */
#ifndef NU_TLS_OCSP_H
#define NU_TLS_OCSP_H

#include <stdint.h>

#include "base/arena.h"

struct nu_ocsp {
    nu_str serial;       /* of the certificate: the integer's content octets, borrowed from the DER */
    int64_t this_update; /* wall seconds */
    int64_t next_update; /* wall seconds; 0: not said, which counts as expired */
};

/* der must be one successful response about one certificate. NULL: read; else why not, in Envoy's words (a constant). */
const char *nu_ocsp_read(nu_str der, struct nu_ocsp *out);

#endif
