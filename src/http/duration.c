/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a stream may last: max_stream_duration of the route or the connection manager, and the deadline that gRPC clients
 * send along. */
#include "http/route.h"

/* gRPC over HTTP/2: TimeoutValue is at most 8 digits. */
#define DIGITS_MAX 8u

/* In whole milliseconds, rounded up; false: absent or not well formed. */
static bool grpc_timeout(const struct nu_http_headers *h, nu_ms *out)
{
    nu_str text = nu_headers_get_id(h, NU_HDR_GRPC_TIMEOUT);
    uint64_t v;
    if (text.len < 2 || text.len > DIGITS_MAX + 1 || !nu_str_to_u64(nu_str_first(text, text.len - 1), &v))
        return false;
    switch (text.ptr[text.len - 1]) {
    case 'H':
        *out = NU_MS((int64_t)v * 3600000);
        return true;
    case 'M':
        *out = NU_MS((int64_t)v * 60000);
        return true;
    case 'S':
        *out = NU_MS((int64_t)v * 1000);
        return true;
    case 'm':
        *out = NU_MS((int64_t)v);
        return true;
    case 'u':
        *out = NU_MS((int64_t)((v + 999) / 1000));
        return true;
    case 'n':
        *out = NU_MS((int64_t)((v + 999999) / 1000000));
        return true;
    default:
        return false;
    }
}

nu_ms nu_route_duration_limit(const struct nu_route *r, const struct nu_http_headers *h, nu_ms fallback)
{
    nu_ms asked;
    if (r == NULL)
        return fallback;
    if (r->grpc_timeout_max.v < 0 || h == NULL || !grpc_timeout(h, &asked))
        return r->max_stream_duration.v >= 0 ? r->max_stream_duration : fallback;
    if (r->grpc_timeout_max.v > 0 && asked.v > r->grpc_timeout_max.v)
        asked = r->grpc_timeout_max;
    if (asked.v > 0 && r->grpc_timeout_offset.v > 0) /* 0 would be "none": what is over ends at once */
        asked = NU_MS(asked.v > r->grpc_timeout_offset.v ? asked.v - r->grpc_timeout_offset.v : 1);
    return asked;
}
