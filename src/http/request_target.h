/* SPDX-License-Identifier: Apache-2.0
 *
 * Path and host of a request before anything looks at them: what is refused, normalisation, ports and dots of the host. */
#ifndef NU_HTTP_REQUEST_TARGET_H
#define NU_HTTP_REQUEST_TARGET_H

#include "http/headers.h"

struct nu_http_stream;

/* Checks and rewrites h->path and h->authority by the connection manager's options. false: the request was answered. */
bool request_target_prepare(struct nu_http_stream *s, struct nu_http_headers *h);

#endif
