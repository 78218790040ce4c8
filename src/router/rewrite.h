/* SPDX-License-Identifier: Apache-2.0
 *
 * What a route does to the heads of requests and responses. Values are made in the header map's arena. */
#ifndef NU_ROUTER_REWRITE_H
#define NU_ROUTER_REWRITE_H

#include "router/table.h"

/* Header changes of all levels, host rewrite, path rewrite. w: the chosen weighted cluster or NULL. keep_original: add
 * x-envoy-original-path and x-envoy-original-host where something was rewritten. */
void nu_route_request_headers(const struct nu_route_entry *e, const struct nu_weighted_cluster *w,
                              struct nu_http_headers *h, const struct nu_stream_info *info, bool keep_original);
void nu_route_response_headers(const struct nu_route_entry *e, const struct nu_weighted_cluster *w,
                               struct nu_http_headers *request, struct nu_http_headers *h,
                               const struct nu_stream_info *info);
/* The path rewrite alone (redirects). */
void nu_route_rewrite_path(const struct nu_route_entry *e, struct nu_http_headers *h, bool keep_original);
/* Replaces the authority, keeping the old one in x-forwarded-host and x-envoy-original-host as asked. */
void nu_rewrite_authority(struct nu_http_headers *h, nu_str host, bool append_xfh, bool keep_original);

#endif
