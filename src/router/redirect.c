/* SPDX-License-Identifier: Apache-2.0
 *
 * Locations of redirects. */
#include "router/redirect.h"

/* Where ":port" begins as redirects see it: behind the last colon, whatever follows. */
static size_t redirect_port_start(nu_str host)
{
    ssize_t colon = nu_str_rfind(host, ':');
    if (colon < 0)
        return host.len;
    if (host.len > 0 && host.ptr[0] == '[' && (colon == 0 || host.ptr[colon - 1] != ']'))
        return host.len;
    return (size_t)colon;
}

/* The request's host; its port goes when the redirect names another, or when it is the default of a scheme that changes. */
static nu_str redirect_host(const struct nu_http_headers *h, nu_str scheme, nu_str new_port)
{
    nu_str host = h->authority.ptr != NULL ? h->authority : NU_STR("");
    size_t at = redirect_port_start(host);
    if (at == host.len)
        return host;
    nu_str port = nu_str_skip(host, at), proto = nu_headers_get_id(h, NU_HDR_X_FORWARDED_PROTO);
    bool drop = new_port.len > 0;
    if (!nu_str_eq(scheme, proto)) {
        drop = drop || (nu_str_eq(proto, NU_STR("https")) && nu_str_eq(port, NU_STR(":443")));
        drop = drop || (nu_str_eq(proto, NU_STR("http")) && nu_str_eq(port, NU_STR(":80")));
    }
    return drop ? nu_str_first(host, at) : host;
}

static nu_str query_of(nu_str path)
{
    ssize_t q = nu_str_find(path, '?');
    return q < 0 ? NU_STR("") : nu_str_skip(path, (size_t)q);
}

nu_str nu_redirect_location(const struct nu_redirect *r, const struct nu_http_headers *h, struct nu_arena *a)
{
    static const struct nu_redirect nothing;
    if (r == NULL)
        r = &nothing;
    nu_str scheme = r->scheme.len > 0 ? r->scheme : h->scheme;
    nu_str host = r->host.len > 0 ? r->host : redirect_host(h, scheme, r->port);
    nu_str path = r->path.len > 0 ? r->path : h->path;
    nu_str query = NU_STR("");
    if (!r->path_has_query) {
        nu_str own = query_of(h->path);
        if (r->path.len == 0)
            path = nu_str_first(path, path.len - own.len);
        query = r->strip_query ? NU_STR("") : own;
    }
    const nu_str parts[] = {scheme, NU_STR("://"), host, r->port, path, query};
    return nu_arena_concat(a, parts, NU_ARRAY_LEN(parts));
}

nu_str nu_route_https_location(const struct nu_http_headers *h, struct nu_arena *a)
{
    const nu_str parts[] = {NU_STR("https://"), h->authority, h->path}; /* as it came, port included */
    return nu_arena_concat(a, parts, NU_ARRAY_LEN(parts));
}
