/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.listener.proxy_protocol: reads the PROXY header in front of a connection's bytes. The client's address
 * replaces the peer's, TLVs become metadata of the connection and are kept for the upstream's header.
 *
 * The socket is peeked at until the length is known, so that what is refused is still unread (the peer sees a reset, as
 * with Envoy) and what is no header is left for others. Only a header with many TLVs is taken in as it comes: the socket's
 * buffer need not have room for all of it. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "codec/pb/pb.h"
#include "codec/proxy_protocol/proxy_protocol.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.nu.h"
#include "ext/listener_filter/proxy_protocol_stats.h"
#include "net/listener_filter.h"
#include "net/proxy_data.h"
#include "net/server.h"

/* What is peeked at: every header without TLVs fits. */
#define PEEK (NU_PP_V2_FIXED + NU_PP_V2_UNIX)

typedef struct envoy_extensions_filters_listener_proxy_protocol_v3_ProxyProtocol filter_msg;

struct rule {
    bool set;
    nu_str name_space, key;
};

struct conf {
    struct nu_listener_filter_conf base;
    bool allow_without, allow[NU_PP_V2 + 1];
    struct rule rules[256];
    bool pass[256];
    struct nu_scope *scope, *root, *versions[NU_PP_V2 + 1];
};

/* A header that is longer than what is peeked at. */
struct state {
    size_t have, want;
    char bytes[];
};

/* ---- what a header says ---- */

static bool is_unicast(const struct nu_sockaddr *a)
{
    if (a->family == AF_INET) {
        uint32_t ip = ntohl(a->in4.sin_addr.s_addr);
        return ip != INADDR_ANY && ip != INADDR_BROADCAST && !IN_MULTICAST(ip);
    }
    return !IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr) && !IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr);
}

static struct nu_sockaddr to_sockaddr(enum nu_pp_family family, const uint8_t *ip, uint16_t port)
{
    struct nu_sockaddr a = {.family = family == NU_PP_INET ? AF_INET : AF_INET6};
    if (family == NU_PP_INET)
        memcpy(&a.in4.sin_addr, ip, 4);
    else
        memcpy(&a.in6.sin6_addr, ip, 16);
    nu_sockaddr_set_port(&a, port);
    return a;
}

/* Checks and counts the TLVs. */
static bool count_tlvs(nu_str tlvs, size_t *n)
{
    struct nu_pp_tlv t;
    enum nu_pp_tlv_status status;
    for (*n = 0; (status = nu_pp_tlv_next(&tlvs, &t)) == NU_PP_TLV; (*n)++)
        ;
    return status == NU_PP_TLV_END;
}

static bool take_tlvs(const struct conf *c, struct nu_accepting *a, nu_str rest, struct nu_proxy_data *data)
{
    size_t n;
    struct nu_pp_tlv t;
    if (!count_tlvs(rest, &n))
        return false;
    struct nu_pp_tlv *kept = n > 0 ? nu_arena_array(&a->arena, struct nu_pp_tlv, n) : NULL;
    while (nu_pp_tlv_next(&rest, &t) == NU_PP_TLV) {
        if (c->rules[t.type].set)
            nu_accepting_add_metadata(a, c->rules[t.type].name_space, c->rules[t.type].key, t.value);
        if (!c->pass[t.type])
            continue;
        kept[data->n_tlvs].type = t.type;
        kept[data->n_tlvs++].value = nu_arena_str(&a->arena, t.value);
    }
    data->tlvs = kept;
    return true;
}

static void drop_address(void *arg)
{
    struct nu_address *a = arg;
    nu_address_unref(&a);
}

static void set_addresses(struct nu_conn_info *info, struct nu_arena *arena, const struct nu_proxy_data *data)
{
    nu_conn_details_edit(info)->direct_remote = info->remote;
    info->remote = data->source;
    if (nu_sockaddr_eq(&info->local->sock, &data->destination))
        return;
    nu_conn_details_edit(info)->direct_local = info->local->sock;
    info->local = nu_address_from_sock(&data->destination);
    nu_arena_on_clear(arena, drop_address, info->local);
}

/* false: malformed. */
static bool apply(const struct conf *c, struct nu_accepting *a, const struct nu_pp_header *h)
{
    struct nu_proxy_data *data = nu_arena_new(&a->arena, struct nu_proxy_data);
    a->info->arena = &a->arena; /* until the connection takes it over */
    if (h->local) {
        *data = nu_proxy_data_of(a->info);
        nu_proxy_data_set(a->info, data);
        return true;
    }
    const struct nu_pp_addresses *p = &h->addresses;
    data->source = to_sockaddr(p->family, p->source, p->source_port);
    data->destination = to_sockaddr(p->family, p->destination, p->destination_port);
    if (!take_tlvs(c, a, h->tlvs, data) || !is_unicast(&data->source) || !is_unicast(&data->destination))
        return false;
    nu_proxy_data_set(a->info, data);
    set_addresses(a->info, &a->arena, data);
    return true;
}

/* ---- deciding ---- */

static void count_version(const struct conf *c, const struct nu_accepting *a, enum nu_pp_version v, unsigned index)
{
    nu_stat_inc(c->versions[v], a->worker->index, index);
}

static enum nu_lf_status refuse(const struct conf *c, const struct nu_accepting *a, enum nu_pp_version v)
{
    if (v == NU_PP_NEITHER)
        nu_stat_inc(c->scope, a->worker->index, NU_PROXY_PROTO_not_found_disallowed);
    else
        count_version(c, a, v, NU_PROXY_PROTO_VERSION_error);
    nu_stat_inc(c->root, a->worker->index, NU_PROXY_PROTO_ROOT_downstream_cx_proxy_proto_error);
    return NU_LF_REFUSE;
}

/* What cannot name a TCP client. */
static bool is_unsupported(const struct nu_pp_header *h)
{
    return h->version == NU_PP_V2 && !h->local && h->addresses.family != NU_PP_INET &&
           h->addresses.family != NU_PP_INET6;
}

/* The header is complete in `in`; it has not been taken from the socket if `peeked`. */
static enum nu_lf_status finish(const struct conf *c, struct nu_accepting *a, const struct nu_pp_header *h, bool peeked)
{
    char drop[PEEK];
    if (!apply(c, a, h))
        return refuse(c, a, h->version);
    if (peeked && recv(a->fd, drop, h->len, 0) != (ssize_t)h->len)
        return NU_LF_CLOSE;
    count_version(c, a, h->version, NU_PROXY_PROTO_VERSION_found);
    return NU_LF_CONTINUE;
}

static enum nu_lf_status take_long(const struct conf *c, struct nu_accepting *a, struct state *s)
{
    struct nu_pp_header h;
    while (s->have < s->want) {
        ssize_t n = recv(a->fd, s->bytes + s->have, s->want - s->have, 0);
        if (n <= 0)
            return nu_accepting_failed_read(n);
        s->have += (size_t)n;
    }
    if (nu_pp_parse(nu_str_make(s->bytes, s->have), &h) != NU_PP_DONE)
        return refuse(c, a, NU_PP_V2);
    return finish(c, a, &h, false);
}

static enum nu_lf_status begin_long(const struct conf *c, struct nu_accepting *a, size_t len)
{
    struct state *s = nu_arena_alloc(&a->arena, sizeof(*s) + len);
    s->have = 0;
    s->want = len;
    a->state = s;
    return take_long(c, a, s);
}

static bool may_be_header(const struct conf *c, nu_str in)
{
    return (c->allow[NU_PP_V1] && nu_pp_may_be_v1(in)) || (c->allow[NU_PP_V2] && nu_pp_may_be_v2(in));
}

static enum nu_lf_status decide(const struct nu_listener_filter_conf *base, struct nu_accepting *a, nu_str in)
{
    const struct conf *c = (const struct conf *)base; /* base is first */
    struct nu_pp_header h;
    if (c->allow_without && !may_be_header(c, in)) {
        nu_stat_inc(c->scope, a->worker->index, NU_PROXY_PROTO_not_found_allowed);
        return NU_LF_CONTINUE;
    }
    enum nu_pp_status status = nu_pp_parse(in, &h);
    if (status == NU_PP_ERROR)
        return refuse(c, a, h.version);
    if (h.version != NU_PP_NEITHER && !c->allow[h.version]) {
        count_version(c, a, h.version, NU_PROXY_PROTO_VERSION_found);
        count_version(c, a, h.version, NU_PROXY_PROTO_VERSION_disallowed);
        return NU_LF_REFUSE;
    }
    if (is_unsupported(&h))
        return refuse(c, a, h.version);
    if (status == NU_PP_DONE)
        return finish(c, a, &h, true);
    return h.len > PEEK ? begin_long(c, a, h.len) : NU_LF_WAIT;
}

static enum nu_lf_status run(const struct nu_listener_filter_conf *base, struct nu_accepting *a)
{
    if (a->state != NULL)
        return take_long((const struct conf *)base, a, a->state);
    return nu_accepting_peek(base, a, PEEK, PEEK, decide);
}

/* ---- configuration ---- */

static struct nu_scope *scope(struct nu_factory *f, const struct nu_stat_layout *layout, nu_str prefix, nu_str plain,
                              const struct nu_stat_tag *tags, unsigned n)
{
    return nu_factory_keep_scope(f, nu_scope_get(f->server->stats, layout, prefix, plain, tags, n));
}

static void make_scopes(struct nu_factory *f, struct conf *c, nu_str stat_prefix)
{
    nu_str plain = NU_STR("proxy_proto.");
    struct nu_stat_tag tags[2];
    unsigned n = 0;
    nu_str prefix = plain;
    if (stat_prefix.len > 0) {
        prefix = nu_arena_printf(f->arena, "proxy_proto.%.*s.", NU_STR_ARG(stat_prefix));
        tags[n++] = (struct nu_stat_tag){NU_STR("envoy.proxy_protocol_prefix"), stat_prefix};
    }
    c->root = scope(f, &nu_proxy_proto_root_layout, NU_STR(""), NU_STR(""), NULL, 0);
    c->scope = scope(f, &nu_proxy_proto_layout, prefix, plain, tags, n);
    for (unsigned v = NU_PP_V1; v <= NU_PP_V2; v++) {
        nu_str name = nu_arena_printf(f->arena, "%.*sversions.v%u.", NU_STR_ARG(prefix), v);
        tags[n] = (struct nu_stat_tag){NU_STR("envoy.proxy_protocol_version"), v == NU_PP_V1 ? NU_STR("1") : NU_STR("2")};
        c->versions[v] = scope(f, &nu_proxy_proto_version_layout, name, plain, tags, n + 1);
    }
}

static void build_rules(struct nu_factory *f, struct conf *c, const filter_msg *m)
{
    for (size_t i = 0; i < m->n_rules; i++) {
        const struct envoy_extensions_filters_listener_proxy_protocol_v3_ProxyProtocol_KeyValuePair *kv =
            m->rules[i]->on_tlv_present;
        struct rule *r = &c->rules[m->rules[i]->tlv_type & 0xff];
        *r = (struct rule){.set = true, .name_space = NU_STR("envoy.filters.listener.proxy_protocol"), .key = NU_STR("")};
        if (kv == NULL)
            continue;
        r->key = nu_arena_str(f->arena, kv->key);
        if (kv->metadata_namespace.len > 0)
            r->name_space = nu_arena_str(f->arena, kv->metadata_namespace);
    }
}

static void build_pass(struct conf *c, const struct envoy_config_core_v3_ProxyProtocolPassThroughTLVs *m)
{
    if (m == NULL)
        return;
    bool all = m->match_type == envoy_config_core_v3_ProxyProtocolPassThroughTLVs_PassTLVsMatchType_INCLUDE_ALL;
    for (size_t i = 0; i < NU_ARRAY_LEN(c->pass); i++)
        c->pass[i] = all;
    for (size_t i = 0; i < m->n_tlv_type; i++)
        c->pass[m->tlv_type[i] & 0xff] = true;
}

static struct nu_listener_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const filter_msg *m = NU_PB_AS(msg, envoy_extensions_filters_listener_proxy_protocol_v3_ProxyProtocol);
    struct conf *c = nu_arena_new(f->arena, struct conf);
    c->base.run = run;
    c->allow_without = m->allow_requests_without_proxy_protocol;
    c->allow[NU_PP_V1] = c->allow[NU_PP_V2] = true;
    for (size_t i = 0; i < m->n_disallowed_versions; i++) {
        bool one = m->disallowed_versions[i] == envoy_config_core_v3_ProxyProtocolConfig_Version_V1;
        c->allow[one ? NU_PP_V1 : NU_PP_V2] = false;
    }
    build_rules(f, c, m);
    build_pass(c, m->pass_through_tlvs);
    make_scopes(f, c, m->stat_prefix);
    return &c->base;
}

static const struct nu_listener_filter_factory factory = {.create = create};

const struct nu_extension nu_ext_listener_filter_proxy_protocol = {
    .category = "envoy.filters.listener",
    .name = "envoy.filters.listener.proxy_protocol",
    .config_type = &envoy_extensions_filters_listener_proxy_protocol_v3_ProxyProtocol_type,
    .ops = &factory,
};
