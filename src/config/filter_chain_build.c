/* SPDX-License-Identifier: Apache-2.0
 *
 * Filter chains from their messages: filters, transport, and the criteria that choose a chain. */
#include "codec/pb/hash.h"
#include "codec/pb/pb.h"
#include "config/listener_build_priv.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/config/listener/v3/listener.nu.h"
#include "listener/listener.h"
#include "net/duration.h"

typedef struct envoy_config_listener_v3_FilterChain chain_msg;
typedef struct envoy_config_listener_v3_FilterChainMatch match_msg;
typedef struct envoy_config_listener_v3_Listener listener_msg;

/* ---- one chain ---- */

/* The last filter, and no other, is terminal. */
static bool check_position(struct nu_factory *f, const chain_msg *msg, size_t i, const struct nu_extension *e)
{
    const struct envoy_config_listener_v3_Filter *m = msg->filters[i];
    const struct nu_net_filter_factory *factory = e->ops;
    bool last = i + 1 == msg->n_filters;
    if (factory->terminal == last)
        return true;
    if (last)
        nu_pb_error(f->diags, m, NULL,
                    "non-terminal filter named %.*s of type %s is the last filter in a network filter chain",
                    NU_STR_ARG(m->name), e->name);
    else
        nu_pb_error(f->diags, m, NULL,
                    "terminal filter named %.*s of type %s must be the last filter in a network filter chain",
                    NU_STR_ARG(m->name), e->name);
    return false;
}

static bool build_filters(struct nu_factory *f, struct nu_filter_chain *c, const chain_msg *msg)
{
    bool ok = true;
    c->filters = nu_arena_array(&c->arena, const struct nu_net_filter_conf *, msg->n_filters);
    for (size_t i = 0; i < msg->n_filters; i++) {
        const struct envoy_config_listener_v3_Filter *m = msg->filters[i];
        const struct nu_extension *e =
            nu_extension_resolve(f, "envoy.filters.network", m, "typed_config", m->typed_config);
        if (e == NULL) {
            ok = false;
            continue;
        }
        ok = check_position(f, msg, i, e) && ok;
        const struct nu_net_filter_factory *factory = e->ops;
        const struct nu_net_filter_conf *conf = factory->create(f, m->typed_config->msg);
        if (nu_extension_made(f, e, m, conf))
            c->filters[c->n_filters++] = conf;
        ok = ok && conf != NULL;
    }
    return ok;
}

static bool build_transport(struct nu_factory *f, struct nu_filter_chain *c, const chain_msg *msg)
{
    const struct envoy_config_core_v3_TransportSocket *t = msg->transport_socket;
    c->transport_connect_timeout = nu_duration_or(msg->transport_socket_connect_timeout, NU_MS(0));
    if (t == NULL)
        return true;
    const struct nu_extension *e =
        nu_extension_resolve(f, "envoy.transport_sockets.downstream", t, "typed_config", t->typed_config);
    if (e == NULL)
        return false;
    const struct nu_transport_factory *factory = e->ops;
    c->transport = factory->create(f, t->typed_config->msg);
    return nu_extension_made(f, e, t, c->transport);
}

/* A chain that the running listener has already, or a new one; NULL: reported. */
static struct nu_filter_chain *build_chain(const struct nu_factory *outer, const struct nu_listener_conf *l,
                                           const chain_msg *msg)
{
    uint64_t hash = nu_pb_hash(msg);
    struct nu_listener_manager *lm = outer->server->listeners;
    struct nu_filter_chain *old = lm != NULL ? nu_listener_manager_chain(lm, l->name, l->rest_hash, hash) : NULL;
    if (old != NULL && !outer->recheck)
        return nu_filter_chain_ref(old);
    struct nu_filter_chain *c = nu_filter_chain_new();
    struct nu_factory f = *outer;
    f.arena = &c->arena;
    if (msg->filter_chain_match != NULL) {
        f.server_names = msg->filter_chain_match->server_names;
        f.n_server_names = msg->filter_chain_match->n_server_names;
    }
    c->hash = hash;
    c->name = nu_arena_str(&c->arena, msg->name);
    c->drain.modify_only = l->drain_on_modify_only;
    c->drain.inbound = l->inbound;
    bool ok = build_transport(&f, c, msg);
    ok = build_filters(&f, c, msg) && ok;
    if (ok && old != NULL) {
        nu_filter_chain_unref(&c);
        return nu_filter_chain_ref(old);
    }
    if (!ok)
        nu_filter_chain_unref(&c);
    return c;
}

/* ---- criteria ---- */

static const struct nu_cidr *build_ranges(struct nu_factory *f,
                                          struct envoy_config_core_v3_CidrRange *const *ranges, size_t n)
{
    struct nu_cidr *out = nu_arena_array(f->arena, struct nu_cidr, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = ranges[i]->prefix_len != NULL ? *ranges[i]->prefix_len : 0;
        if (!nu_cidr_make(ranges[i]->address_prefix, bits, &out[i]))
            nu_pb_error(f->diags, ranges[i], "address_prefix", "malformed IP address: %.*s",
                        NU_STR_ARG(ranges[i]->address_prefix));
    }
    return out;
}

/* Lower case; "*.example.com" as ".example.com". */
static nu_str build_server_name(struct nu_factory *f, const match_msg *m, nu_str name)
{
    char *s = nu_arena_cstr(f->arena, name);
    for (size_t i = 0; i < name.len; i++)
        s[i] = nu_ascii_lower(s[i]);
    nu_str lower = nu_str_make(s, name.len);
    bool wildcard = nu_str_starts(lower, NU_STR("*."));
    if (wildcard)
        lower = nu_str_skip(lower, 1);
    if (nu_str_find(lower, '*') >= 0)
        nu_pb_error(f->diags, m, "server_names",
                    "'%.*s': partial wildcards are not supported in server_names; write *.example.com",
                    NU_STR_ARG(name));
    return lower;
}

static const nu_str *build_server_names(struct nu_factory *f, const match_msg *m)
{
    nu_str *names = nu_arena_array(f->arena, nu_str, m->n_server_names);
    for (size_t i = 0; i < m->n_server_names; i++)
        names[i] = build_server_name(f, m, m->server_names[i]);
    return names;
}

static const nu_str *copy_strings(struct nu_arena *a, const nu_str *from, size_t n)
{
    nu_str *to = nu_arena_array(a, nu_str, n);
    for (size_t i = 0; i < n; i++)
        to[i] = nu_arena_str(a, from[i]);
    return to;
}

static struct nu_chain_criteria build_criteria(struct nu_factory *f, const match_msg *m)
{
    return (struct nu_chain_criteria){
        .destination_port = m->destination_port != NULL ? *m->destination_port : 0,
        .destination_ips = build_ranges(f, m->prefix_ranges, m->n_prefix_ranges),
        .n_destination_ips = m->n_prefix_ranges,
        .direct_source_ips = build_ranges(f, m->direct_source_prefix_ranges,
                                          m->n_direct_source_prefix_ranges),
        .n_direct_source_ips = m->n_direct_source_prefix_ranges,
        .source_ips =
            build_ranges(f, m->source_prefix_ranges, m->n_source_prefix_ranges),
        .n_source_ips = m->n_source_prefix_ranges,
        .server_names = build_server_names(f, m),
        .n_server_names = m->n_server_names,
        .transport_protocol = nu_arena_str(f->arena, m->transport_protocol),
        .application_protocols = copy_strings(f->arena, m->application_protocols, m->n_application_protocols),
        .n_application_protocols = m->n_application_protocols,
        .source_type = (enum nu_source_type)m->source_type,
        .source_ports = m->source_ports,
        .n_source_ports = m->n_source_ports,
    };
}

static bool is_empty(const match_msg *m)
{
    return m == NULL || (m->destination_port == NULL && m->n_prefix_ranges == 0 &&
                         m->n_direct_source_prefix_ranges == 0 && m->n_source_prefix_ranges == 0 &&
                         m->n_server_names == 0 && m->transport_protocol.len == 0 &&
                         m->n_application_protocols == 0 && m->source_type == 0 && m->n_source_ports == 0);
}

/* ---- all chains ---- */

static nu_str name_of(const struct nu_filter_chain *c)
{
    return c->name.len > 0 ? c->name : NU_STR("<unnamed>");
}

static bool add_chain(struct nu_factory *f, struct nu_listener_conf *c, struct nu_chain_matcher *m,
                      const chain_msg *msg)
{
    static const struct nu_chain_criteria everything = {0};
    struct nu_chain_criteria criteria =
        msg->filter_chain_match != NULL ? build_criteria(f, msg->filter_chain_match) : everything;
    struct nu_filter_chain *chain = build_chain(f, c, msg);
    if (chain == NULL)
        return false;
    c->chains[c->n_chains++] = chain;
    const struct nu_filter_chain *other = nu_chain_matcher_add(m, &criteria, chain);
    if (other != NULL)
        nu_pb_error(f->diags, msg, "filter_chain_match",
                    "error adding listener '%.*s': filter chain '%.*s' has the same matching rules defined as '%.*s'",
                    NU_STR_ARG(c->name), NU_STR_ARG(name_of(chain)), NU_STR_ARG(name_of(other)));
    return other == NULL;
}

bool nu_filter_chains_build(struct nu_factory *f, struct nu_listener_conf *c, const listener_msg *msg)
{
    bool ok = true;
    if (msg->n_filter_chains == 0 && msg->default_filter_chain == NULL) {
        nu_pb_error(f->diags, msg, NULL, "error adding listener '%.*s': no filter chains specified",
                    NU_STR_ARG(c->name));
        return false;
    }
    struct nu_chain_matcher *m = nu_chain_matcher_new(&c->arena);
    c->matcher = m;
    c->chains = nu_arena_array(&c->arena, struct nu_filter_chain *, msg->n_filter_chains);
    for (size_t i = 0; i < msg->n_filter_chains; i++)
        ok = add_chain(f, c, m, msg->filter_chains[i]) && ok;
    if (ok && c->n_chains == 1 && is_empty(msg->filter_chains[0]->filter_chain_match))
        c->catch_all = c->chains[0];
    if (msg->default_filter_chain != NULL) {
        c->default_chain = build_chain(f, c, msg->default_filter_chain);
        ok = ok && c->default_chain != NULL;
    }
    return ok;
}
