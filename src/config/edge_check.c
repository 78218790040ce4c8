/* SPDX-License-Identifier: Apache-2.0
 *
 * The defaults stay Envoy's, so that a configuration means here what it means there; this only tells. */
#include "config/edge_check.h"

#include "base/sb.h"
#include "codec/pb/pb.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"
#include "envoy/config/core/v3/address.nu.h"
#include "envoy/config/core/v3/protocol.nu.h"
#include "envoy/config/listener/v3/listener.nu.h"
#include "envoy/config/listener/v3/listener_components.nu.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.nu.h"
#include "google/protobuf/any.nu.h"
#include "net/address.h"

typedef struct envoy_config_listener_v3_Listener listener_msg;
typedef struct envoy_extensions_filters_network_http_connection_manager_v3_HttpConnectionManager hcm_msg;

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

static void check_hcm(struct nu_diags *d, const hcm_msg *m)
{
    const struct envoy_config_core_v3_HttpProtocolOptions *o = m->common_http_protocol_options;
    struct nu_sb list = {0};
    wish(&list, m->use_remote_address == NULL && m->n_original_ip_detection_extensions == 0, "use_remote_address: true");
    wish(&list, m->normalize_path == NULL, "normalize_path: true");
    wish(&list, !m->merge_slashes, "merge_slashes: true");
    wish(&list, m->path_with_escaped_slashes_action == 0, "path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT");
    wish(&list, o == NULL || o->headers_with_underscores_action == 0,
         "common_http_protocol_options.headers_with_underscores_action: REJECT_REQUEST");
    wish(&list, m->request_headers_timeout == NULL, "request_headers_timeout: 10s");
    wish(&list, m->request_timeout == NULL, "request_timeout: 300s");
    if (list.len > 0)
        nu_pb_warn(d, m, NULL, "listens on a public address; Envoy's guide for that sets %s", nu_sb_cstr(&list));
    nu_sb_free(&list);
}

static void check_chain(struct nu_diags *d, const struct envoy_config_listener_v3_FilterChain *chain)
{
    for (size_t i = 0; chain != NULL && i < chain->n_filters; i++) {
        const struct google_protobuf_Any *any = chain->filters[i]->typed_config;
        const hcm_msg *m = any != NULL ? NU_PB_AS(any->msg,
                                                  envoy_extensions_filters_network_http_connection_manager_v3_HttpConnectionManager)
                                       : NULL;
        if (m != NULL)
            check_hcm(d, m);
    }
}

/* ---- the whole ---- */

static bool check_listener(struct nu_diags *d, const listener_msg *l)
{
    if (!is_public(l->address))
        return false;
    if (l->per_connection_buffer_limit_bytes == NULL)
        nu_pb_warn(d, l, NULL, "listens on a public address; Envoy's guide for that sets per_connection_buffer_limit_bytes: 32768");
    for (size_t i = 0; i < l->n_filter_chains; i++)
        check_chain(d, l->filter_chains[i]);
    check_chain(d, l->default_filter_chain);
    return true;
}

void nu_edge_check(struct nu_diags *d, const struct envoy_config_bootstrap_v3_Bootstrap *msg)
{
    const struct envoy_config_bootstrap_v3_Bootstrap_StaticResources *s = msg->static_resources;
    struct nu_sockaddr admin;
    bool any = false;
    for (size_t i = 0; s != NULL && i < s->n_listeners; i++)
        any = check_listener(d, s->listeners[i]) || any;
    if (any && msg->overload_manager == NULL)
        nu_pb_warn(d, msg, NULL, "there are listeners on public addresses and no limit of connections: see overload_manager, "
                                 "envoy.resource_monitors.global_downstream_max_connections");
    if (msg->admin != NULL && is_ip(msg->admin->address, &admin) && !nu_sockaddr_is_loopback(&admin))
        nu_pb_warn(d, msg->admin, "address", "other machines can reach the administration interface, which asks nobody who they are");
}
