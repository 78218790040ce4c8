/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.transport_sockets.upstream_proxy_protocol: writes a PROXY header in front of what an upstream connection carries.
 *
 * The header names the downstream connection that the upstream one was made for; pools share such a connection only among
 * downstream connections with the same addresses. A connection that is made for nobody (a mirror's) names itself in version 1
 * and says LOCAL in version 2. The same goes for addresses that are not both IPv4 or both IPv6 (a unix socket), which Envoy
 * does not survive. The transport is ready when the header is written: it hands the connection to
 * the inner transport (raw_buffer, tls). */
#include <errno.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "codec/pb/pb.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.nu.h"
#include "ext/upstream_transport/proxy_protocol_stats.h"
#include "google/protobuf/any.nu.h"
#include "net/conn.h"
#include "net/extension.h"
#include "net/proxy_data.h"
#include "net/server.h"

typedef struct envoy_extensions_transport_sockets_proxy_protocol_v3_ProxyProtocolUpstreamTransport transport_msg;
typedef struct envoy_config_core_v3_ProxyProtocolConfig config_msg;

struct conf {
    struct nu_transport_conf base;
    const struct nu_transport_conf *inner; /* what the connection has after the header */
    bool v2;
    bool pass[256];
    bool added_type[256];
    struct nu_pp_tlv *added;
    size_t n_added;
    struct nu_scope *scope; /* NULL: only validating */
};

struct state {
    nu_str header;
    nu_str inner; /* the inner transport's preamble */
    size_t sent;
};

/* ---- the header ---- */

/* Added TLVs come first, and hide those of the same types that the client's proxy sent. */
static size_t write_v2(const struct conf *c, const struct nu_proxy_data *d, struct nu_sb *out)
{
    struct nu_pp_addresses a = nu_proxy_addresses(&d->source, &d->destination);
    struct nu_arena arena;
    nu_arena_init(&arena, NULL);
    struct nu_pp_tlv *tlvs = nu_arena_array(&arena, struct nu_pp_tlv, c->n_added + d->n_tlvs);
    size_t n = c->n_added;
    if (n > 0)
        memcpy(tlvs, c->added, n * sizeof(*tlvs));
    for (size_t i = 0; i < d->n_tlvs; i++)
        if (c->pass[d->tlvs[i].type] && !c->added_type[d->tlvs[i].type])
            tlvs[n++] = d->tlvs[i];
    size_t left_out = nu_pp_write_v2(out, &a, tlvs, n);
    nu_arena_clear(&arena);
    return left_out;
}

/* The header for a client's connection. */
static void client_header(const struct conf *c, const struct nu_conn_info *downstream, struct nu_worker *w, struct nu_sb *bytes)
{
    struct nu_proxy_data d = nu_proxy_data_of(downstream);
    if (!c->v2) {
        struct nu_pp_addresses a = nu_proxy_addresses(&d.source, &d.destination);
        nu_pp_write_v1(bytes, &a);
    } else if (write_v2(c, &d, bytes) > 0 && c->scope != NULL) {
        nu_stat_inc(c->scope, w->index, NU_UPSTREAM_PROXY_PROTOCOL_v2_tlvs_exceed_max_length);
    }
}

/* ---- what pools keep apart ----
 *
 * The inner transport has its say, too: a preamble is the header's length, the header, and what the inner one wants. */

static void preamble(const struct nu_transport_conf *base, const struct nu_transport_options *o, struct nu_worker *w,
                     struct nu_sb *bytes)
{
    const struct conf *c = (const struct conf *)base; /* base is first */
    struct nu_sb header = {0};
    if (o->downstream != NULL)
        client_header(c, o->downstream, w, &header);
    uint32_t n = (uint32_t)header.len;
    nu_sb_add(bytes, nu_str_make(&n, sizeof(n)));
    nu_sb_add(bytes, nu_sb_str(&header));
    nu_sb_free(&header);
    if (c->inner->ops->preamble != NULL)
        c->inner->ops->preamble(c->inner, o, w, bytes);
}
static void client_key(const struct nu_conn_info *downstream, struct nu_sb *key)
{
    struct nu_proxy_data d = nu_proxy_data_of(downstream);
    struct nu_pp_addresses a = nu_proxy_addresses(&d.source, &d.destination);
    nu_sb_char(key, (char)a.family);
    nu_sb_add(key, nu_str_make(a.source, sizeof(a.source)));
    nu_sb_add(key, nu_str_make(a.destination, sizeof(a.destination)));
    nu_sb_add(key, nu_str_make(&a.source_port, sizeof(a.source_port)));
    nu_sb_add(key, nu_str_make(&a.destination_port, sizeof(a.destination_port)));
}

static void pool_key(const struct nu_transport_conf *base, const struct nu_transport_options *o, struct nu_sb *key)
{
    const struct conf *c = (const struct conf *)base; /* base is first */
    if (o->downstream != NULL)
        client_key(o->downstream, key);
    if (c->inner->ops->pool_key != NULL)
        c->inner->ops->pool_key(c->inner, o, key);
}

/* Nobody's connection. */
static void own_header(struct nu_conn *c, struct nu_sb *out)
{
    const struct conf *conf = (const struct conf *)c->transport; /* base is first */
    struct nu_pp_addresses a = {.family = NU_PP_UNSPEC};
    struct nu_sockaddr local;
    if (conf->v2) {
        nu_pp_write_v2(out, &a, NULL, 0);
        return;
    }
    nu_conn_local_sockaddr(c, &local);
    a = nu_proxy_addresses(&local, &c->info->remote);
    nu_pp_write_v1(out, &a);
}

/* ---- the transport ---- */

static void on_attach(struct nu_conn *c, const struct nu_transport_conf *conf)
{
    (void)conf;
    c->transport_state = nu_arena_new(&c->arena, struct state);
}

static void set_preamble(struct nu_conn *c, nu_str bytes)
{
    struct state *s = c->transport_state;
    uint32_t n;
    memcpy(&n, bytes.ptr, sizeof(n));
    nu_str all = nu_str_skip(nu_arena_str(&c->arena, bytes), sizeof(n));
    s->header = nu_str_make(all.ptr, n);
    s->inner = nu_str_skip(all, n);
}

static void on_connected(struct nu_conn *c)
{
    struct state *s = c->transport_state;
    struct nu_sb own = {0};
    if (s->header.len > 0)
        return; /* the write at the end of this turn begins */
    own_header(c, &own);
    s->header = nu_arena_str(&c->arena, nu_sb_str(&own));
    nu_sb_free(&own);
}

/* What an upstream says before it heard of the client waits in the socket. */
static struct nu_io_result read_(struct nu_conn *c, struct nu_buf *to, size_t limit)
{
    (void)c;
    (void)to;
    (void)limit;
    return (struct nu_io_result){.status = NU_IO_AGAIN};
}

/* The header is sent: from now on the connection is the inner transport's. */
static void hand_over(struct nu_conn *c, const struct state *s)
{
    const struct nu_transport_conf *inner = ((const struct conf *)c->transport)->inner; /* base is first */
    c->transport = inner;
    c->transport_state = NULL;
    if (inner->ops->on_attach != NULL)
        inner->ops->on_attach(c, inner);
    if (inner->ops->set_preamble != NULL && s->inner.len > 0)
        inner->ops->set_preamble(c, s->inner);
    c->readable = 1; /* reads have been put off */
    inner->ops->on_connected(c);
}

static struct nu_io_result write_(struct nu_conn *c, struct nu_buf *from, bool end)
{
    struct state *s = c->transport_state;
    size_t before = s->sent;
    while (s->sent < s->header.len) {
        ssize_t n = send(nu_conn_fd(c), s->header.ptr + s->sent, s->header.len - s->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            c->error = errno;
        if (n < 0)
            return (struct nu_io_result){.status = errno == EAGAIN ? NU_IO_AGAIN : NU_IO_ERROR, .n = s->sent - before};
        s->sent += (size_t)n;
    }
    hand_over(c, s);
    struct nu_io_result r = {.status = NU_IO_OK};
    if (c->state != NU_CONN_CLOSED) /* who heard that it is ready may have closed it */
        r = c->transport->ops->write(c, from, end);
    r.n += s->sent - before;
    return r;
}

static const struct nu_transport_ops ops = {
    .name = "upstream_proxy_protocol",
    .on_attach = on_attach,
    .on_connected = on_connected,
    .read = read_,
    .write = write_,
    .pool_key = pool_key,
    .preamble = preamble,
    .set_preamble = set_preamble,
};

/* ---- configuration ---- */

static void make_scope(struct nu_factory *f, struct conf *c)
{
    if (f->validate_only || f->server == NULL || f->server->stats == NULL)
        return;
    nu_str prefix = nu_arena_printf(f->arena, "cluster.%.*s.upstream.proxyprotocol.", NU_STR_ARG(f->stat_cluster));
    struct nu_stat_tag tag = {NU_STR("envoy.cluster_name"), f->stat_cluster};
    c->scope = nu_factory_keep_scope(f, nu_scope_get(f->server->stats, &nu_upstream_proxy_protocol_layout, prefix,
                                                     NU_STR("cluster.upstream.proxyprotocol."), &tag, 1));
}

static const struct nu_transport_conf *build_inner(struct nu_factory *f, const transport_msg *m)
{
    const struct envoy_config_core_v3_TransportSocket *t = m->transport_socket;
    const struct nu_extension *e =
        nu_extension_resolve(f, "envoy.transport_sockets.upstream", t, "typed_config", t->typed_config);
    if (e == NULL)
        return NULL;
    const struct nu_transport_factory *inner = e->ops;
    return inner->create(f, t->typed_config->msg);
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

static void build_added(struct nu_factory *f, struct conf *c, const config_msg *m)
{
    c->added = nu_arena_array(f->arena, struct nu_pp_tlv, m->n_added_tlvs);
    c->n_added = m->n_added_tlvs;
    for (size_t i = 0; i < m->n_added_tlvs; i++) {
        c->added[i].type = (uint8_t)m->added_tlvs[i]->type;
        c->added[i].value = nu_arena_str(f->arena, m->added_tlvs[i]->value);
        c->added_type[c->added[i].type] = true;
    }
}

static const struct nu_transport_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const transport_msg *m =
        NU_PB_AS(msg, envoy_extensions_transport_sockets_proxy_protocol_v3_ProxyProtocolUpstreamTransport);
    if (m == NULL || m->transport_socket == NULL) /* a missing one is reported by its rule */
        return NULL;
    const struct nu_transport_conf *inner = build_inner(f, m);
    if (inner == NULL)
        return NULL;
    struct conf *c = nu_arena_new(f->arena, struct conf);
    c->base.ops = &ops;
    c->base.secure = inner->secure;
    c->inner = inner;
    if (m->config != NULL) {
        c->v2 = m->config->version == envoy_config_core_v3_ProxyProtocolConfig_Version_V2;
        build_pass(c, m->config->pass_through_tlvs);
        build_added(f, c, m->config);
    }
    make_scope(f, c);
    return &c->base;
}

static const struct nu_transport_factory factory = {.create = create};

const struct nu_extension nu_ext_upstream_transport_proxy_protocol = {
    .category = "envoy.transport_sockets.upstream",
    .name = "envoy.transport_sockets.upstream_proxy_protocol",
    .config_type = &envoy_extensions_transport_sockets_proxy_protocol_v3_ProxyProtocolUpstreamTransport_type,
    .ops = &factory,
};
