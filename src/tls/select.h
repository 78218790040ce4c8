/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of a server's certificates a client gets: by its SNI (exact name, then wildcard), among those by key type (ECDSA when
 * the client can), and what is stapled. Pure. Envoy's DefaultTlsCertificateSelector. */
#ifndef NU_TLS_SELECT_H
#define NU_TLS_SELECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/str.h"
#include "tls/context.h"

/* Of ECDSA keys. */
enum nu_tls_curve { NU_CURVE_NONE, NU_CURVE_P256 = 1, NU_CURVE_P384 = 2, NU_CURVE_P521 = 4 };

enum nu_staple { NU_STAPLE_NOT_ASKED, NU_STAPLE_SEND, NU_STAPLE_OMIT, NU_STAPLE_FAIL };

/* What matters of a certificate. */
struct nu_tls_candidate {
    const nu_str *names; /* DNS names in lower case; "*.example.com" */
    size_t n_names;
    uint8_t curve;       /* enum nu_tls_curve; NONE: an RSA key, or another */
    bool rsa, must_staple, has_response;
    int64_t response_expires; /* wall seconds */
};

struct nu_tls_names {
    const struct nu_tls_candidate *certs;
    size_t n;
    bool has_rsa;
    struct nu_map map; /* name, or ".example.com" for a wildcard -> struct nu_tls_by_type */
};

/* What the client says. */
struct nu_tls_client {
    nu_str sni;      /* lower case; empty: none */
    uint8_t curves;  /* of ECDSA, as bits; 0: it cannot */
    bool asks_ocsp;
};

struct nu_tls_choice {
    size_t cert;
    enum nu_staple staple;
};

/* In the arena; certs are borrowed. */
struct nu_tls_names *nu_tls_names_new(struct nu_arena *a, const struct nu_tls_candidate *certs, size_t n);
struct nu_tls_choice nu_tls_choose(const struct nu_tls_names *names, const struct nu_tls_client *client,
                                   enum nu_ocsp_policy policy, bool full_scan, int64_t now);

#endif
