/* SPDX-License-Identifier: Apache-2.0
 *
 * The defaults stay Envoy's, so that a configuration means here what it means there. What is written, be it the default,
 * is as its author wants it. */
#include "config/edge.h"

#include "base/sb.h"
#include "codec/pb/pb.h"
#include "codec/tree.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"
#include "envoy/config/cluster/v3/cluster.nu.h"
#include "envoy/config/core/v3/address.nu.h"
#include "envoy/config/core/v3/protocol.nu.h"
#include "envoy/config/listener/v3/listener.nu.h"
#include "envoy/config/listener/v3/listener_components.nu.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.nu.h"
#include "google/protobuf/any.nu.h"
#include "google/protobuf/duration.nu.h"
#include "net/address.h"

typedef struct envoy_config_listener_v3_Listener listener_msg;
typedef struct envoy_config_core_v3_HttpProtocolOptions options_msg;
typedef struct envoy_extensions_filters_network_http_connection_manager_v3_HttpConnectionManager hcm_msg;

#define BUFFER_LIMIT 32768u
#define HEADERS_TIMEOUT_S 10
#define REQUEST_TIMEOUT_S 300

/* ---- what is missing ---- */

/* A field without presence that has its default and is not in the text, under either name, either. */
static bool is_left_out(const struct nu_pb_msg *m, bool is_default, const char *name, const char *json_name)
{
    return is_default && (m->tree == NULL || (nu_tree_get(m->tree, nu_str_from(name)) == NULL &&
                                              nu_tree_get(m->tree, nu_str_from(json_name)) == NULL));
}

static bool lacks_remote_address(const hcm_msg *m)
{
    return m->use_remote_address == NULL && m->n_original_ip_detection_extensions == 0; /* they exclude each other */
}

static bool lacks_merge(const hcm_msg *m)
{
    return is_left_out(&m->pb, !m->merge_slashes, "merge_slashes", "mergeSlashes");
}

static bool lacks_escaped_slashes(const hcm_msg *m)
{
    return is_left_out(&m->pb, m->path_with_escaped_slashes_action == 0, "path_with_escaped_slashes_action",
                       "pathWithEscapedSlashesAction");
}

static bool lacks_underscores(const hcm_msg *m)
{
    const options_msg *o = m->common_http_protocol_options;
    return o == NULL || is_left_out(&o->pb, o->headers_with_underscores_action == 0, "headers_with_underscores_action",
                                    "headersWithUnderscoresAction");
}

/* ---- addresses ---- */

static bool is_private_v4(uint32_t ip)
{
    static const struct {
        uint32_t net, mask;
    } nets[] = {{0x0a000000, 0xff000000}, {0xac100000, 0xfff00000}, {0xc0a80000, 0xffff0000}, /* RFC 1918 */
                {0xa9fe0000, 0xffff0000}, {0x64400000, 0xffc00000}};                          /* link-local, RFC 6598 */
    for (size_t i = 0; i < NU_ARRAY_LEN(nets); i++)
        if ((ip & nets[i].mask) == nets[i].net)
            return true;
    return false;
}

static bool is_ip(const struct envoy_config_core_v3_Address *a, struct nu_sockaddr *out)
{
    return a != NULL && a->socket_address != NULL && nu_sockaddr_parse_ip(a->socket_address->address, 0, out);
}

/* All addresses of the machine (0.0.0.0, ::) may have a public one among them. */
static bool is_public(const struct envoy_config_core_v3_Address *a)
{
    struct nu_sockaddr s;
    if (!is_ip(a, &s) || nu_sockaddr_is_loopback(&s))
        return false;
    if (s.family == AF_INET)
        return !is_private_v4(ntohl(s.in4.sin_addr.s_addr));
    const uint8_t *b = s.in6.sin6_addr.s6_addr;
    return (b[0] & 0xfe) != 0xfc && !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80); /* RFC 4193, link-local */
}

/* ---- connection managers ---- */

static void wish(struct nu_sb *list, bool missing, const char *what)
{
    if (!missing)
        return;
    nu_sb_add(list, list->len > 0 ? NU_STR(", ") : NU_STR(""));
    nu_sb_add(list, nu_str_from(what));
}

static void warn_of_hcm(struct nu_diags *d, const hcm_msg *m)
{
    struct nu_sb list = {0};
    wish(&list, lacks_remote_address(m), "use_remote_address: true");
    wish(&list, m->normalize_path == NULL, "normalize_path: true");
    wish(&list, lacks_merge(m), "merge_slashes: true");
    wish(&list, lacks_escaped_slashes(m), "path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT");
    wish(&list, lacks_underscores(m),
         "common_http_protocol_options.headers_with_underscores_action: REJECT_REQUEST");
    wish(&list, m->request_headers_timeout == NULL, "request_headers_timeout: 10s");
    wish(&list, m->request_timeout == NULL, "request_timeout: 300s");
    if (list.len > 0)
        nu_pb_warn(d, m, NULL, "listens on a public address; Envoy's guide for that sets %s", nu_sb_cstr(&list));
    nu_sb_free(&list);
}

static bool *yes(struct nu_arena *a)
{
    bool *b = nu_arena_new(a, bool);
    *b = true;
    return b;
}

static struct google_protobuf_Duration *seconds(struct nu_arena *a, int64_t s)
{
    struct google_protobuf_Duration *d = NU_PB_NEW(a, google_protobuf_Duration);
    d->seconds = s;
    return d;
}

static void fill_in_hcm(struct nu_arena *a, hcm_msg *m)
{
    if (lacks_remote_address(m))
        m->use_remote_address = yes(a);
    if (m->normalize_path == NULL)
        m->normalize_path = yes(a);
    if (lacks_merge(m))
        m->merge_slashes = true;
    if (lacks_escaped_slashes(m))
        m->path_with_escaped_slashes_action =
            envoy_extensions_filters_network_http_connection_manager_v3_HttpConnectionManager_PathWithEscapedSlashesAction_UNESCAPE_AND_REDIRECT;
    if (lacks_underscores(m)) {
        if (m->common_http_protocol_options == NULL) {
            m->common_http_protocol_options = NU_PB_NEW(a, envoy_config_core_v3_HttpProtocolOptions);
            m->common_http_protocol_options->pb.parent = &m->pb;
        }
        m->common_http_protocol_options->headers_with_underscores_action =
            envoy_config_core_v3_HttpProtocolOptions_HeadersWithUnderscoresAction_REJECT_REQUEST;
    }
    if (m->request_headers_timeout == NULL)
        m->request_headers_timeout = seconds(a, HEADERS_TIMEOUT_S);
    if (m->request_timeout == NULL)
        m->request_timeout = seconds(a, REQUEST_TIMEOUT_S);
}

/* Each connection manager of a listener: warned of in `d`, or filled in from `a`. */
static void visit_chain(struct nu_diags *d, struct nu_arena *a, const struct envoy_config_listener_v3_FilterChain *chain)
{
    for (size_t i = 0; chain != NULL && i < chain->n_filters; i++) {
        struct google_protobuf_Any *any = chain->filters[i]->typed_config;
        if (any == NULL || any->msg == NULL ||
            any->msg->type != &envoy_extensions_filters_network_http_connection_manager_v3_HttpConnectionManager_type)
            continue;
        hcm_msg *m = (hcm_msg *)(void *)any->msg;
        if (d != NULL)
            warn_of_hcm(d, m);
        else
            fill_in_hcm(a, m);
    }
}

static void visit_chains(struct nu_diags *d, struct nu_arena *a, const listener_msg *l)
{
    for (size_t i = 0; i < l->n_filter_chains; i++)
        visit_chain(d, a, l->filter_chains[i]);
    visit_chain(d, a, l->default_filter_chain);
}

/* ---- the whole ---- */

static bool is_public_listener(const listener_msg *l)
{
    bool any = is_public(l->address);
    for (size_t i = 0; i < l->n_additional_addresses; i++)
        any = any || is_public(l->additional_addresses[i]->address);
    return any;
}

static bool warn_of_listener(struct nu_diags *d, const listener_msg *l)
{
    if (!is_public_listener(l))
        return false;
    if (l->per_connection_buffer_limit_bytes == NULL)
        nu_pb_warn(d, l, NULL, "listens on a public address; Envoy's guide for that sets per_connection_buffer_limit_bytes: 32768");
    visit_chains(d, NULL, l);
    return true;
}

void nu_edge_warn(struct nu_diags *d, const struct envoy_config_bootstrap_v3_Bootstrap *msg)
{
    const struct envoy_config_bootstrap_v3_Bootstrap_StaticResources *s = msg->static_resources;
    struct nu_sockaddr admin;
    bool any = false;
    for (size_t i = 0; s != NULL && i < s->n_listeners; i++)
        any = warn_of_listener(d, s->listeners[i]) || any;
    if (any && msg->overload_manager == NULL)
        nu_pb_warn(d, msg, NULL, "there are listeners on public addresses and no limit of connections: see overload_manager, "
                                 "envoy.resource_monitors.global_downstream_max_connections");
    if (msg->admin != NULL && is_ip(msg->admin->address, &admin) && !nu_sockaddr_is_loopback(&admin))
        nu_pb_warn(d, msg->admin, "address", "other machines can reach the administration interface, which asks nobody who they are");
}

static const uint32_t *buffer_limit(struct nu_arena *a, const uint32_t *own)
{
    if (own != NULL)
        return own;
    uint32_t *limit = nu_arena_new(a, uint32_t);
    *limit = BUFFER_LIMIT;
    return limit;
}

void nu_edge_fill_in(struct nu_arena *a, const struct envoy_config_bootstrap_v3_Bootstrap *msg)
{
    const struct envoy_config_bootstrap_v3_Bootstrap_StaticResources *s = msg->static_resources;
    for (size_t i = 0; s != NULL && i < s->n_listeners; i++) {
        listener_msg *l = s->listeners[i];
        l->per_connection_buffer_limit_bytes = buffer_limit(a, l->per_connection_buffer_limit_bytes);
        visit_chains(NULL, a, l);
    }
    for (size_t i = 0; s != NULL && i < s->n_clusters; i++)
        s->clusters[i]->per_connection_buffer_limit_bytes =
            buffer_limit(a, s->clusters[i]->per_connection_buffer_limit_bytes);
}
