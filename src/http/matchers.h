/* SPDX-License-Identifier: Apache-2.0
 *
 * Matchers that many places configure: headers, query parameters, cookies. Built once from their messages into
 * an arena, immutable, evaluated by any worker without allocation. */
#ifndef NU_HTTP_MATCHERS_H
#define NU_HTTP_MATCHERS_H

#include "http/headers.h"
#include "net/extension.h"
#include "net/string_matcher.h"

struct envoy_config_route_v3_HeaderMatcher;
struct envoy_config_route_v3_QueryParameterMatcher;

/* route.v3.HeaderMatcher. */
struct nu_header_matcher {
    nu_str name; /* lower case */
    enum { NU_HEADER_PRESENT, NU_HEADER_ABSENT, NU_HEADER_RANGE, NU_HEADER_STRING } kind;
    bool invert, missing_as_empty;
    int64_t range_start, range_end; /* [start, end) */
    struct nu_string_matcher string;
};

bool nu_header_matcher_build(struct nu_factory *f, const struct envoy_config_route_v3_HeaderMatcher *msg,
                             struct nu_header_matcher *out);
/* h may be NULL: no headers. */
bool nu_header_matcher_match(const struct nu_header_matcher *m, const struct nu_http_headers *h);

struct nu_header_matchers {
    struct nu_header_matcher *items;
    size_t n;
};
/* A list; all must match. */
bool nu_header_matchers_build(struct nu_factory *f, struct envoy_config_route_v3_HeaderMatcher **msgs, size_t n,
                              struct nu_header_matchers *out);
bool nu_header_matchers_match(const struct nu_header_matchers *m, const struct nu_http_headers *h);

/* route.v3.QueryParameterMatcher: the first value of the name counts, as in Envoy. */
struct nu_query_matcher {
    nu_str name;
    bool present_only; /* only presence is asked: */
    bool want_present;
    struct nu_string_matcher string;
};
bool nu_query_matcher_build(struct nu_factory *f, const struct envoy_config_route_v3_QueryParameterMatcher *msg,
                            struct nu_query_matcher *out);
/* path: with its query, as in :path. */
bool nu_query_matcher_match(const struct nu_query_matcher *m, nu_str path);

/* The value of a query parameter in a path, not decoded; ptr == NULL: absent. */
nu_str nu_query_param(nu_str path, nu_str name);
/* A cookie's value in the request's cookie headers; ptr == NULL: absent. */
nu_str nu_cookie_value(const struct nu_http_headers *h, nu_str name);

#endif
