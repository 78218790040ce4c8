/* SPDX-License-Identifier: Apache-2.0
 *
 * Mirrored requests. The router says which; client/shadow.c sends them: each runs on its own, its response is read and
 * dropped, and it may outlive the request it copies. */
#ifndef NU_ROUTER_SHADOW_H
#define NU_ROUTER_SHADOW_H

#include "base/buffer.h"
#include "http/headers.h"
#include "router/table.h"

struct nu_http_stream;
struct nu_shadow;

/* Begins a copy for each policy that wants this request (by runtime fraction). end: no body follows. The result lives in the
 * stream's arena; NULL: none. dynamic_stats: the router's, count response codes and times. */
struct nu_shadow *nu_shadow_start(struct nu_http_stream *s, const struct nu_mirror_policies *policies,
                                  const struct nu_http_headers *h, nu_ms timeout, bool dynamic_stats, bool end);
/* More of the request; data is shared, not taken. A copy whose upstream is slow slows the request down, as in Envoy. */
void nu_shadow_data(struct nu_shadow *s, const struct nu_buf *data, bool end);
void nu_shadow_trailers(struct nu_shadow *s, const struct nu_http_headers *trailers);
/* The request has ended: copies that have all of it go on alone, the others are given up. */
void nu_shadow_end(struct nu_shadow *s);
/* "host:80" -> "host-shadow:80", in the arena. */
nu_str nu_shadow_host(nu_str host, struct nu_arena *a);

#endif
