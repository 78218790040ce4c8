/* SPDX-License-Identifier: Apache-2.0 */
#include "config/resolver_build.h"

#include "codec/pb/pb.h"
#include "envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver.nu.h"
#include "google/protobuf/any.nu.h"

#define MAX_SERVERS 64u

static bool build_server(struct nu_factory *f, const struct envoy_config_core_v3_Address *a, struct nu_sockaddr *out)
{
    if (a->socket_address == NULL) {
        if (a->pipe != NULL)
            nu_pb_error(f->diags, a, "pipe", "DNS resolver '%.*s' is not an IP address", NU_STR_ARG(a->pipe->path));
        return false;
    }
    if (a->socket_address->port_specifier_case == envoy_config_core_v3_SocketAddress_named_port_case) {
        nu_pb_error(f->diags, a->socket_address, "named_port", "a DNS resolver needs port_value; names of ports are not resolved");
        return false;
    }
    if (nu_sockaddr_parse_ip(a->socket_address->address, (uint16_t)a->socket_address->port_value, out))
        return true;
    nu_pb_error(f->diags, a->socket_address, "address", "malformed IP address: %.*s",
                NU_STR_ARG(a->socket_address->address));
    return false;
}

struct nu_resolver_conf *nu_resolver_build_servers(struct nu_factory *f, const void *owner,
                                                   struct envoy_config_core_v3_Address *const *servers, size_t n,
                                                   bool use_tcp)
{
    struct nu_sockaddr list[MAX_SERVERS];
    struct nu_resolver_conf conf = {.servers = list, .use_tcp = use_tcp};
    if (n == 0 && !use_tcp)
        return NULL;
    if (n > MAX_SERVERS) {
        nu_pb_error(f->diags, owner, NULL, "more than %u DNS resolvers", MAX_SERVERS);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (build_server(f, servers[i], &list[conf.n_servers]))
            conf.n_servers++;
    return nu_resolver_conf_copy(&conf);
}

static void set(uint32_t *to, const uint32_t *from)
{
    if (from != NULL)
        *to = *from;
}

struct nu_resolver_conf *nu_resolver_build(struct nu_factory *f, const void *owner,
                                           const struct envoy_config_core_v3_TypedExtensionConfig *msg)
{
    if (msg == NULL || msg->typed_config == NULL)
        return NULL;
    const struct envoy_extensions_network_dns_resolver_cares_v3_CaresDnsResolverConfig *m =
        NU_PB_AS(msg->typed_config->msg, envoy_extensions_network_dns_resolver_cares_v3_CaresDnsResolverConfig);
    if (m == NULL) {
        if (msg->typed_config->msg != NULL || !nu_diags_failed(f->diags))
            nu_pb_unsupported(f->diags, owner, "typed_dns_resolver_config", "only the c-ares resolver is supported");
        return NULL;
    }
    struct nu_resolver_conf *c = nu_resolver_build_servers(f, m, m->resolvers, m->n_resolvers, false);
    if (c == NULL)
        c = nu_resolver_conf_copy(NULL);
    c->servers_as_fallback = m->use_resolvers_as_fallback;
    if (m->filter_unroutable_families)
        nu_pb_unsupported(f->diags, m, "filter_unroutable_families", "looking at the network's interfaces is not supported yet");
    c->rotate = m->rotate_nameservers;
    set(&c->tries, m->query_tries);
    set(&c->edns_payload, m->edns0_max_payload_size);
    if (m->udp_max_queries != NULL && *m->udp_max_queries > 0) /* c-ares can from 1.20 on; Debian 12 has 1.18 */
        nu_pb_unsupported(f->diags, m, "udp_max_queries", "a limit of queries per UDP socket is not supported yet");
    if (m->query_timeout_seconds != NULL)
        c->timeout_s = (uint32_t)nu_min(*m->query_timeout_seconds, (uint64_t)3600);
    if (m->dns_resolver_options != NULL) {
        c->use_tcp = m->dns_resolver_options->use_tcp_for_dns_lookups;
        c->no_search = m->dns_resolver_options->no_default_search_domain;
    }
    return c;
}
