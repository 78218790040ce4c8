/* SPDX-License-Identifier: Apache-2.0 */
#include "http/request_target.h"

#include "codec/h1/target.h"
#include "http/hcm_stats.h"
#include "http/stream_priv.h"

static bool refuse(struct nu_http_stream *s, unsigned status, nu_str body, nu_str details)
{
    nu_http_stream_local_reply(
        s, &(struct nu_local_reply){.status = status, .body = body, .details = details, .grpc_status = -1});
    return false;
}

static void count(struct nu_http_stream *s, unsigned index)
{
    nu_stat_inc(s->conf->scope, s->info.worker->index, index);
}

/* ---- host ---- */

static void strip_port(struct nu_http_stream *s, struct nu_http_headers *h)
{
    nu_str host;
    unsigned port = nu_authority_port(h->authority, &host);
    const struct nu_address *local = s->info.conn->local;
    if (port == 0)
        return;
    bool matches = local != NULL && local->sock.family != AF_UNIX && nu_sockaddr_port(&local->sock) == port;
    if (s->conf->strip_any_port || (s->conf->strip_matching_port && matches))
        h->authority = host;
}

static void strip_dot(struct nu_http_headers *h)
{
    nu_str host, rest;
    nu_authority_port(h->authority, &host);
    if (!nu_str_ends(host, NU_STR(".")))
        return;
    rest = nu_str_skip(h->authority, host.len);
    nu_str parts[] = {nu_str_first(host, host.len - 1), rest};
    h->authority = rest.len == 0 ? parts[0] : nu_arena_concat(h->arena, parts, 2);
}

/* ---- path ---- */

static void add_location(struct nu_http_headers *h, void *arg)
{
    nu_headers_set_id(h, NU_HDR_LOCATION, *(nu_str *)arg);
}

/* UNESCAPE_AND_REDIRECT: the client asks again with the plain path. */
static bool redirect(struct nu_http_stream *s, nu_str path)
{
    count(s, NU_HCM_downstream_rq_redirected_with_normalized_path);
    nu_http_stream_local_reply(s, &(struct nu_local_reply){.status = 307,
                                                           .details = NU_STR("path_normalization_failed"),
                                                           .grpc_status = -1,
                                                           .more = add_location,
                                                           .arg = &path});
    return false;
}

static bool bad_path(struct nu_http_stream *s)
{
    count(s, NU_HCM_downstream_rq_failed_path_normalization);
    return refuse(s, 400, NU_STR(""), NU_STR("path_normalization_failed"));
}

static bool rewrite_slashes_and_dots(struct nu_http_stream *s, nu_str *path)
{
    const struct nu_hcm_conf *conf = s->conf;
    if (conf->normalize_path) {
        *path = nu_path_normalize(*path, &s->arena);
        if (path->ptr == NULL)
            return false;
    }
    if (conf->merge_slashes)
        *path = nu_path_merge_slashes(*path, &s->arena);
    return true;
}

static bool prepare_path(struct nu_http_stream *s, struct nu_http_headers *h)
{
    const struct nu_hcm_conf *conf = s->conf;
    nu_str path = h->path;
    bool go_again = false;
    if (nu_str_find(path, '#') >= 0)
        return bad_path(s);
    if (conf->escaped_slashes != NU_SLASHES_KEEP && nu_path_has_escaped_slash(path)) {
        path = nu_path_unescape_slashes(path, &s->arena);
        if (conf->escaped_slashes == NU_SLASHES_REJECT) {
            h->path = path; /* Envoy's logs show it like this */
            return bad_path(s);
        }
        go_again = conf->escaped_slashes == NU_SLASHES_UNESCAPE_AND_REDIRECT;
    }
    if (!rewrite_slashes_and_dots(s, &path))
        return bad_path(s);
    if (go_again)
        return redirect(s, path);
    h->path = path;
    return true;
}

/* A client that calls `host` a header of the connection takes it away from its own request. */
static bool names_host(nu_str list)
{
    while (list.ptr != NULL)
        if (nu_str_eq_nocase(nu_str_trim(nu_str_next(&list, ',')), NU_STR("host")))
            return true;
    return false;
}

bool request_target_prepare(struct nu_http_stream *s, struct nu_http_headers *h)
{
    const struct nu_hcm_conf *conf = s->conf;
    if (h->authority.ptr == NULL || names_host(nu_headers_get_id(h, NU_HDR_CONNECTION)))
        return refuse(s, 400, NU_STR(""), NU_STR("missing_host_header"));
    if (!s->is_connect && h->path.len == 0)
        return refuse(s, 404, NU_STR(""), NU_STR("missing_path_rejected"));
    if (!s->is_connect && h->path.ptr[0] != '/') {
        count(s, NU_HCM_downstream_rq_non_relative_path);
        return refuse(s, 404, NU_STR(""), NU_STR("absolute_path_rejected"));
    }
    if (!s->is_connect && !prepare_path(s, h))
        return false;
    if (conf->strip_any_port || conf->strip_matching_port)
        strip_port(s, h);
    if (conf->strip_trailing_host_dot)
        strip_dot(h);
    return true;
}
