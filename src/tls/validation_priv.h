/* SPDX-License-Identifier: Apache-2.0
 *
 * What a loaded CertificateValidationContext is. For validation.c, which makes it, and verify.c, which uses it. */
#ifndef NU_TLS_VALIDATION_PRIV_H
#define NU_TLS_VALIDATION_PRIV_H

#include <openssl/sha.h>

#include "net/string_matcher.h"
#include "tls/general_name.h"
#include "tls/validation.h"

struct nu_san_matcher {
    int type;             /* GEN_DNS, ... */
    ASN1_OBJECT *oid;     /* GEN_OTHERNAME: of which kind; else NULL */
    struct nu_string_matcher string;
};

struct nu_tls_pin {
    uint8_t sha256[SHA256_DIGEST_LENGTH];
};

struct nu_tls_validation {
    bool configured;                /* there is a validation context, even an empty one */
    bool accept_untrusted;          /* ACCEPT_UNTRUSTED */
    bool suppress_ca_names;
    X509_STORE *store;              /* trusted CAs, CRLs and how to look at chains; NULL: chains are not looked at */
    STACK_OF(X509) *cas;            /* NULL: none */
    STACK_OF(X509_NAME) *ca_names;  /* NULL: none are told to clients */
    struct nu_san_matcher *sans;    /* one must match */
    size_t n_sans;
    struct nu_tls_pin *hashes, *spkis; /* one of all must match */
    size_t n_hashes, n_spkis;
    nu_str origin, name;
    uint8_t digest[SHA256_DIGEST_LENGTH]; /* of all of the above */
};

#endif
