/* SPDX-License-Identifier: Apache-2.0
 *
 * Mirrored requests. The router says which; client/shadow.c sends them: each runs on its own, its response is read and
 * dropped, and it outlives the request it copies. */
#ifndef NU_ROUTER_SHADOW_H
#define NU_ROUTER_SHADOW_H

#include "base/buffer.h"
#include "http/headers.h"
#include "router/table.h"

struct nu_http_stream;
struct nu_shadow;

/* Chooses the policies that copy this request (by runtime fraction) and keeps its head, in the stream's arena; NULL: none. */
struct nu_shadow *nu_shadow_prepare(struct nu_http_stream *s, const struct nu_mirror_policies *policies,
                                    const struct nu_http_headers *h, nu_ms timeout);
/* The request is complete: sends the copies. body (shared, not taken) may be empty; trailers may be NULL. */
void nu_shadow_send(struct nu_shadow *s, const struct nu_buf *body, const struct nu_http_headers *trailers);
/* "host:80" -> "host-shadow:80", in the arena. */
nu_str nu_shadow_host(nu_str host, struct nu_arena *a);

#endif
