/* SPDX-License-Identifier: Apache-2.0
 *
 * What the connection manager does to heads: on the way in hop-by-hop headers, the client's address (x-forwarded-for and
 * the detection extensions), internal or external, request id; on the way out server, date, via and the connection header.
 * Envoy's ConnectionManagerUtility, in its order; RFC 9110 s7.6. Path and host come first: http/request_target.c. */
#include "codec/h1/target.h"
#include "http/request_target.h"
#include "http/stream_priv.h"
#include "http/uuid.h"
#include "net/address.h"

/* ---- small helpers ---- */

/* Whether a comma-separated list has a token, ignoring case. */
static bool has_token(nu_str list, nu_str token)
{
    while (list.ptr != NULL)
        if (nu_str_eq_nocase(nu_str_trim(nu_str_next(&list, ',')), token))
            return true;
    return false;
}

static bool is_secure(const struct nu_http_stream *s)
{
    return s->hc->filter.conn->transport->secure;
}

/* Envoy's HeaderUtility::shouldCloseConnection. */
static bool wants_close(const struct nu_http_stream *s, const struct nu_http_headers *h)
{
    nu_str connection = nu_headers_get_id(h, NU_HDR_CONNECTION);
    nu_str proxy_connection = nu_headers_get_id(h, NU_HDR_PROXY_CONNECTION);
    if (has_token(connection, NU_STR("close")) || has_token(proxy_connection, NU_STR("close")))
        return true;
    return s->info.protocol == NU_PROTO_HTTP10 && !has_token(connection, NU_STR("keep-alive"));
}

/* ---- hop-by-hop request headers ---- */

/* Headers that Connection names go, but those that Envoy forbids to name. RFC 9110 s7.6.1. */
static void remove_nominated(struct nu_http_headers *h)
{
    nu_str rest = nu_headers_get_id(h, NU_HDR_CONNECTION);
    while (rest.ptr != NULL) {
        nu_str raw = nu_str_trim(nu_str_next(&rest, ','));
        char lower[64];
        if (raw.len == 0 || raw.len > sizeof(lower))
            continue;
        for (size_t i = 0; i < raw.len; i++)
            lower[i] = nu_ascii_lower(raw.ptr[i]);
        nu_str name = nu_str_make(lower, raw.len);
        if (nu_str_eq(name, NU_STR("close")) || nu_str_eq(name, NU_STR("keep-alive")) ||
            nu_str_eq(name, NU_STR("upgrade")) || nu_str_eq(name, NU_STR("te")) ||
            nu_str_starts(name, NU_STR(":")) || nu_str_starts(name, NU_STR("x-forwarded-")))
            continue;
        nu_headers_remove(h, name);
    }
}

static void keep_only_te_trailers(struct nu_http_headers *h)
{
    nu_str te = nu_headers_get_id(h, NU_HDR_TE);
    if (te.ptr == NULL || nu_str_eq(te, NU_STR("trailers")))
        return;
    if (has_token(te, NU_STR("trailers")))
        nu_headers_set_id(h, NU_HDR_TE, NU_STR("trailers"));
    else
        nu_headers_remove_id(h, NU_HDR_TE);
}

static void remove_hop_by_hop(struct nu_http_stream *s, struct nu_http_headers *h)
{
    keep_only_te_trailers(h);
    if (!s->is_upgrade) {
        if (nu_headers_has_id(h, NU_HDR_CONNECTION))
            remove_nominated(h);
        nu_headers_remove_id(h, NU_HDR_CONNECTION);
        nu_headers_remove_id(h, NU_HDR_UPGRADE);
    }
    nu_headers_remove_id(h, NU_HDR_ENVOY_INTERNAL);
    nu_headers_remove_id(h, NU_HDR_KEEP_ALIVE);
    nu_headers_remove_id(h, NU_HDR_PROXY_CONNECTION);
    nu_headers_remove_id(h, NU_HDR_TRANSFER_ENCODING);
}

/* Characters of a path or a query; no fragment. */
static bool url_characters(nu_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"#<>\\^`{|}", c) != NULL)
            return false;
    }
    return true;
}

/* Envoy's isValidRefererValue: a URL without a fragment, or a relative reference. */
static bool referer_ok(nu_str referer)
{
    ssize_t colon = nu_str_find(referer, ':');
    ssize_t slash = nu_str_find(referer, '/');
    if (!url_characters(referer))
        return false;
    if (colon < 0 || (slash >= 0 && slash < colon))
        return true;
    nu_str rest = nu_str_skip(referer, (size_t)colon);
    if (colon == 0 || !nu_str_starts(rest, NU_STR("://")))
        return false;
    rest = nu_str_skip(rest, 3);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
        end++;
    rest = nu_str_first(rest, end);
    return nu_str_find(rest, '@') < 0 && nu_authority_of_url(&rest);
}

static void check_referer(struct nu_http_headers *h)
{
    nu_str referer = nu_headers_get_id(h, NU_HDR_REFERER);
    if (referer.ptr != NULL && !referer_ok(referer))
        nu_headers_remove_id(h, NU_HDR_REFERER);
}

/* ---- the client's address ---- */

static nu_str address_text(struct nu_http_stream *s, const struct nu_sockaddr *a)
{
    char text[NU_SOCKADDR_TEXT];
    return nu_arena_str(&s->arena, nu_sockaddr_text(a, true, text));
}

/* The machine's address stands for a loopback peer, as in Envoy. */
static void append_xff(struct nu_http_stream *s, struct nu_http_headers *h)
{
    const struct nu_sockaddr *peer = &s->info.conn->remote;
    nu_str text;
    if (peer->family == AF_UNIX || peer->family == AF_UNSPEC)
        return;
    if (nu_sockaddr_is_loopback(peer) && s->conf->server->local_address.len > 0)
        text = s->conf->server->local_address;
    else
        text = address_text(s, peer);
    nu_headers_append_id(h, NU_HDR_X_FORWARDED_FOR, text, NU_STR(","));
}

static void set_forwarded_port(struct nu_http_stream *s, struct nu_http_headers *h)
{
    const struct nu_address *local = s->info.conn->local;
    char *text = nu_arena_alloc(&s->arena, 20);
    if (local == NULL || local->sock.family == AF_UNIX)
        return;
    nu_headers_set_id(h, NU_HDR_X_FORWARDED_PORT,
                      nu_str_make(text, nu_u64_to_text(text, nu_sockaddr_port(&local->sock))));
}

struct client {
    struct nu_sockaddr address;
    bool known;  /* address was found */
    bool single; /* no other hop before us */
};

/* use_remote_address: true. */
static struct client from_peer(struct nu_http_stream *s, struct nu_http_headers *h)
{
    const struct nu_hcm_conf *conf = s->conf;
    struct client c = {.single = !nu_headers_has_id(h, NU_HDR_X_FORWARDED_FOR)};
    if (conf->xff_num_trusted_hops > 0 && !c.single) {
        struct nu_xff_address x =
            nu_xff_last(nu_headers_get_id(h, NU_HDR_X_FORWARDED_FOR), conf->xff_num_trusted_hops - 1);
        c.address = x.address;
        c.known = x.found;
    }
    if (!c.known) {
        c.address = s->info.conn->remote;
        c.known = true;
    }
    if (!conf->skip_xff_append)
        append_xff(s, h);
    if (conf->xff_num_trusted_hops == 0 || !nu_headers_has_id(h, NU_HDR_X_FORWARDED_PROTO))
        nu_headers_set_id(h, NU_HDR_X_FORWARDED_PROTO, is_secure(s) ? NU_STR("https") : NU_STR("http"));
    if (conf->append_x_forwarded_port &&
        (conf->xff_num_trusted_hops == 0 || !nu_headers_has_id(h, NU_HDR_X_FORWARDED_PORT)))
        set_forwarded_port(s, h);
    return c;
}

static void reject(struct nu_http_stream *s, unsigned status, nu_str body, nu_str details)
{
    nu_http_stream_local_reply(
        s, &(struct nu_local_reply){.status = status, .body = body, .details = details, .grpc_status = -1});
}

/* use_remote_address: false: extensions, or the last address of x-forwarded-for. false: the request was refused. */
static bool from_headers(struct nu_http_stream *s, struct nu_http_headers *h, struct client *c)
{
    const struct nu_hcm_conf *conf = s->conf;
    *c = (struct client){0};
    if (conf->n_ip_detection == 0) {
        struct nu_xff_address x =
            nu_xff_last(nu_headers_get_id(h, NU_HDR_X_FORWARDED_FOR), conf->xff_num_trusted_hops);
        *c = (struct client){.address = x.address, .known = x.found, .single = x.single};
    }
    for (unsigned i = 0; i < conf->n_ip_detection; i++) {
        struct nu_ip_detection_result r = {0};
        conf->ip_detection[i]->detect(conf->ip_detection[i], h, s->info.conn, &r);
        if (r.reject_status != 0) {
            reject(s, r.reject_status, NU_STR(""), r.reject_details);
            return false;
        }
        if (r.append_xff)
            append_xff(s, h);
        if (!r.found)
            continue;
        *c = (struct client){.address = r.address, .known = true, .single = r.allow_trusted_address_checks};
        break;
    }
    if (conf->append_x_forwarded_port && !nu_headers_has_id(h, NU_HDR_X_FORWARDED_PORT))
        set_forwarded_port(s, h);
    return true;
}

static bool is_internal(const struct nu_hcm_conf *conf, const struct client *c)
{
    if (!c->single || !c->known)
        return false;
    if (c->address.family == AF_UNIX)
        return conf->internal_unix_sockets;
    for (unsigned i = 0; i < conf->n_internal_ranges; i++)
        if (nu_cidr_contains(&conf->internal_ranges[i], &c->address))
            return true;
    return false;
}

/* ---- what an untrusted client may not say ---- */

static void remove_all(struct nu_http_headers *h, const uint8_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (h->first[ids[i]] != 0)
            nu_headers_remove_id(h, (enum nu_hdr)ids[i]);
}

static void sanitise_external(struct nu_http_stream *s, struct nu_http_headers *h, bool edge)
{
    static const uint8_t edge_only[] = {NU_HDR_ENVOY_DECORATOR_OPERATION, NU_HDR_ENVOY_DOWNSTREAM_SERVICE_CLUSTER,
                                        NU_HDR_ENVOY_DOWNSTREAM_SERVICE_NODE, NU_HDR_ENVOY_ORIGINAL_PATH,
                                        NU_HDR_ENVOY_ORIGINAL_HOST};
    static const uint8_t always[] = {NU_HDR_ENVOY_RETRIABLE_STATUS_CODES,
                                     NU_HDR_ENVOY_RETRIABLE_HEADER_NAMES,
                                     NU_HDR_ENVOY_RETRY_ON,
                                     NU_HDR_ENVOY_RETRY_GRPC_ON,
                                     NU_HDR_ENVOY_MAX_RETRIES,
                                     NU_HDR_ENVOY_UPSTREAM_ALT_STAT_NAME,
                                     NU_HDR_ENVOY_UPSTREAM_RQ_TIMEOUT_MS,
                                     NU_HDR_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
                                     NU_HDR_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE,
                                     NU_HDR_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
                                     NU_HDR_ENVOY_FORCE_TRACE,
                                     NU_HDR_ENVOY_IP_TAGS,
                                     NU_HDR_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT};
    if (edge)
        remove_all(h, edge_only, NU_ARRAY_LEN(edge_only));
    remove_all(h, always, NU_ARRAY_LEN(always));
    if (s->table != NULL)
        nu_route_table_remove_internal_headers(s->table, h);
}

static void set_user_agent(struct nu_http_stream *s, struct nu_http_headers *h)
{
    const struct nu_hcm_conf *conf = s->conf;
    if (!conf->add_user_agent || conf->user_agent_cluster.len == 0)
        return;
    nu_headers_set_id(h, NU_HDR_ENVOY_DOWNSTREAM_SERVICE_CLUSTER, conf->user_agent_cluster);
    if (nu_headers_get_id(h, NU_HDR_USER_AGENT).len == 0)
        nu_headers_set_id(h, NU_HDR_USER_AGENT, conf->user_agent_cluster);
    if (conf->user_agent_node.len > 0)
        nu_headers_set_id(h, NU_HDR_ENVOY_DOWNSTREAM_SERVICE_NODE, conf->user_agent_node);
}

#define UUID_LEN 36
#define TRACE_REASON_AT 14
#define NOT_TRACED '4'

static void set_request_id(struct nu_http_stream *s, struct nu_http_headers *h, bool edge)
{
    const struct nu_hcm_conf *conf = s->conf;
    nu_str id = nu_headers_get_id(h, NU_HDR_X_REQUEST_ID);
    bool renew = id.len == 0 || (edge && !conf->preserve_external_request_id);
    if (conf->generate_request_id && renew) {
        char *text = nu_arena_alloc(&s->arena, NU_UUID_TEXT);
        nu_headers_set_id(h, NU_HDR_X_REQUEST_ID, nu_uuid_text(&s->info.worker->random, text));
    } else if (conf->generate_request_id && edge && conf->pack_trace_reason && id.len == UUID_LEN) {
        /* An outsider may not say that its request is to be traced: the id's 15th character would. */
        char *text = nu_arena_cstr(&s->arena, id);
        text[TRACE_REASON_AT] = NOT_TRACED;
        nu_headers_set_id(h, NU_HDR_X_REQUEST_ID, nu_str_make(text, UUID_LEN));
    }
    s->info.request_id = nu_headers_get_id(h, NU_HDR_X_REQUEST_ID);
}

static void set_scheme(struct nu_http_stream *s, struct nu_http_headers *h)
{
    nu_str proto = nu_headers_get_id(h, NU_HDR_X_FORWARDED_PROTO);
    if (proto.ptr == NULL) {
        proto = is_secure(s) ? NU_STR("https") : NU_STR("http");
        nu_headers_set_id(h, NU_HDR_X_FORWARDED_PROTO, proto);
    }
    if (s->conf->scheme_to_overwrite.len > 0) {
        h->scheme = s->conf->scheme_to_overwrite;
        nu_headers_set_id(h, NU_HDR_X_FORWARDED_PROTO, h->scheme);
    } else if (nu_str_eq(proto, NU_STR("http")) || nu_str_eq(proto, NU_STR("https"))) {
        h->scheme = proto;
    } else {
        h->scheme = is_secure(s) ? NU_STR("https") : NU_STR("http");
    }
}

static bool mutate_request(struct nu_http_stream *s, struct nu_http_headers *h)
{
    const struct nu_hcm_conf *conf = s->conf;
    struct client c;
    remove_hop_by_hop(s, h);
    check_referer(h);
    if (conf->use_remote_address)
        c = from_peer(s, h);
    else if (!from_headers(s, h, &c))
        return false;
    set_scheme(s, h);
    s->internal_request = is_internal(conf, &c);
    s->info.remote = c.known ? c.address : s->info.conn->remote;
    bool edge = !s->internal_request && conf->use_remote_address;
    if (s->internal_request)
        nu_headers_set_id(h, NU_HDR_ENVOY_INTERNAL, NU_STR("true"));
    else
        sanitise_external(s, h, edge);
    set_user_agent(s, h);
    if (conf->via.len > 0)
        nu_headers_append_id(h, NU_HDR_VIA, conf->via, NU_STR(", "));
    if (edge && s->info.remote.family != AF_UNIX)
        nu_headers_set_id(h, NU_HDR_ENVOY_EXTERNAL_ADDRESS, address_text(s, &s->info.remote));
    set_request_id(s, h, edge);
    nu_xfcc_apply(&conf->xfcc, nu_conn_tls(s->info.conn), h, &s->arena);
    return true;
}

/* Envoy answers the expectation itself unless it is told to pass it on. RFC 9110 s10.1.1. */
static void answer_expectation(struct nu_http_stream *s, struct nu_http_headers *h)
{
    if (s->conf->proxy_100_continue ||
        !nu_str_eq_nocase(nu_headers_get_id(h, NU_HDR_EXPECT), NU_STR("100-continue")))
        return;
    struct nu_http_headers go_on;
    nu_headers_init(&go_on, &s->arena, true);
    go_on.status = 100;
    s->codec->ops->informational(s->codec, &go_on);
    s->info.response_code = 100;
    nu_headers_remove_id(h, NU_HDR_EXPECT);
}

bool forwarding_request(struct nu_http_stream *s, struct nu_http_headers *h)
{
    s->saw_connection_close = wants_close(s, h);
    answer_expectation(s, h);
    return request_target_prepare(s, h) && mutate_request(s, h);
}

/* ---- responses ---- */

static void set_server_and_date(struct nu_http_stream *s, struct nu_http_headers *h)
{
    const struct nu_hcm_conf *conf = s->conf;
    if (!nu_headers_has_id(h, NU_HDR_DATE))
        nu_headers_add_id(h, NU_HDR_DATE, nu_arena_str(&s->arena, nu_worker_http_date(s->info.worker)));
    bool absent = !nu_headers_has_id(h, NU_HDR_SERVER);
    if (conf->server_header == NU_SERVER_OVERWRITE || (conf->server_header == NU_SERVER_APPEND_IF_ABSENT && absent))
        nu_headers_set_id(h, NU_HDR_SERVER, conf->server_name);
}

static void remove_response_hop_by_hop(struct nu_http_stream *s, struct nu_http_headers *h)
{
    if (s->is_upgrade && nu_headers_is_upgrade(h)) {
        bool no_body = !nu_headers_has_id(h, NU_HDR_TRANSFER_ENCODING) && !nu_headers_has_id(h, NU_HDR_CONTENT_LENGTH);
        if (no_body && h->status >= 200)
            nu_headers_set_id(h, NU_HDR_CONTENT_LENGTH, NU_STR("0"));
    } else {
        nu_headers_remove_id(h, NU_HDR_CONNECTION);
        nu_headers_remove_id(h, NU_HDR_UPGRADE);
    }
    nu_headers_remove_id(h, NU_HDR_TRANSFER_ENCODING);
    nu_headers_remove_id(h, NU_HDR_KEEP_ALIVE);
    nu_headers_remove_id(h, NU_HDR_PROXY_CONNECTION);
}

void forwarding_response(struct nu_http_stream *s, struct nu_http_headers *h, bool end)
{
    const struct nu_http_headers *request = s->dir[DIR_DECODE].headers;
    (void)end;
    set_server_and_date(s, h);
    remove_response_hop_by_hop(s, h);
    if (s->conf->always_set_request_id_in_response && request != NULL &&
        nu_headers_has_id(request, NU_HDR_X_REQUEST_ID))
        nu_headers_set_id(h, NU_HDR_X_REQUEST_ID, nu_headers_get_id(request, NU_HDR_X_REQUEST_ID));
    if (s->conf->via.len > 0)
        nu_headers_append_id(h, NU_HDR_VIA, s->conf->via, NU_STR(", "));
    bool tunnel = (s->is_upgrade && h->status == 101) || (s->is_connect && h->status / 100 == 2);
    if (tunnel || s->hc->session->ops->protocol > NU_PROTO_HTTP11)
        return;
    if (s->hc->drain == HCM_CLOSING)
        nu_headers_set_id(h, NU_HDR_CONNECTION, NU_STR("close"));
    else if (s->info.protocol == NU_PROTO_HTTP10)
        nu_headers_set_id(h, NU_HDR_CONNECTION, NU_STR("keep-alive"));
}
