/* SPDX-License-Identifier: Apache-2.0
 *
 * x-forwarded-client-cert (XFCC): what the proxy tells the next one about the client's certificate.
 *
 *     header  = element *( "," element )        element = pair *( ";" pair )        pair = key "=" value
 *
 * A value may be quoted, and is read so when it has one of , ; =; \" and \\ stand for " and \ in it. Keys: By (URI names of our
 * own certificate), Hash, Cert, Chain, Subject, URI, DNS, Issuer. As Envoy, we quote Cert, Chain, Subject and Issuer; names stand
 * as they are, whatever is in them, so that whoever reads them trusts the CA with that. Envoy also has a form as a JSON array
 * of objects. */
#ifndef NU_HTTP_XFCC_H
#define NU_HTTP_XFCC_H

#include "http/headers.h"

struct nu_tls_info;

/* HttpConnectionManager.ForwardClientCertDetails, with its numbers. */
enum nu_xfcc_mode {
    NU_XFCC_SANITIZE,            /* drop it */
    NU_XFCC_FORWARD_ONLY,        /* pass it on, from clients that showed a certificate */
    NU_XFCC_APPEND_FORWARD,      /* and add an element about this one */
    NU_XFCC_SANITIZE_SET,        /* drop it, and say who this one is */
    NU_XFCC_ALWAYS_FORWARD_ONLY, /* pass it on, from whomever */
};

struct nu_xfcc_conf {
    enum nu_xfcc_mode mode;
    bool subject, cert, chain, dns, uri, issuer; /* set_current_client_cert_details */
    bool json;
};

/* Changes the request's header as configured. tls NULL: plain text. Texts in `a`, which lives as long as h. */
void nu_xfcc_apply(const struct nu_xfcc_conf *c, const struct nu_tls_info *tls, struct nu_http_headers *h,
                   struct nu_arena *a);

/* The value of the first pair with that key (ignoring case), without its quotes. NULL ptr: there is none, or the header is
 * malformed. */
nu_str nu_xfcc_value(nu_str header, nu_str key, struct nu_arena *a);

#endif
