/* SPDX-License-Identifier: Apache-2.0
 *
 * RedirectAction: what it changes of the request's URL. The path rewrites of a redirect are applied to the request first
 * (rewrite.c), the location is made from the result. */
#ifndef NU_ROUTER_REDIRECT_H
#define NU_ROUTER_REDIRECT_H

#include "router/table.h"

struct nu_redirect {
    nu_str scheme; /* empty: the request's */
    nu_str host;   /* empty: the request's */
    nu_str port;   /* ":8443"; empty: none */
    nu_str path;   /* path_redirect; empty: the request's */
    nu_str prefix_rewrite;
    struct nu_regex_rewrite regex;
    bool path_has_query;
    bool strip_query;
};

/* The Location, in the arena. r == NULL: the request's own URL (direct responses with 201 or 3xx). */
nu_str nu_redirect_location(const struct nu_redirect *r, const struct nu_http_headers *h, struct nu_arena *a);

#endif
