/* SPDX-License-Identifier: Apache-2.0 */
#include "config/listener_build.h"

#include "codec/pb/hash.h"
#include "codec/pb/pb.h"
#include "config/listener_build_priv.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/config/listener/v3/listener.nu.h"
#include "listener/listener.h"
#include "net/duration.h"
#include "stats/stats.h"

typedef struct envoy_config_listener_v3_Listener listener_msg;

#define DEFAULT_BUFFER_LIMIT (1024u * 1024)
#define DEFAULT_FILTERS_TIMEOUT NU_SECONDS(15)

/* ---- addresses ---- */

static struct nu_address *build_pipe(struct nu_factory *f, const struct envoy_config_core_v3_Pipe *p)
{
    bool abstract = p->path.len > 0 && p->path.ptr[0] == '@';
    if (p->path.len >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        nu_pb_error(f->diags, p, "path", "the path of a unix socket has at most %zu bytes",
                    sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
        return NULL;
    }
    if (abstract && p->mode != 0) {
        nu_pb_error(f->diags, p, "mode", "an abstract unix socket has no mode");
        return NULL;
    }
    return nu_address_unix(p->path, p->mode);
}

static struct nu_address *build_ip(struct nu_factory *f, const struct envoy_config_core_v3_SocketAddress *sa)
{
    struct nu_sockaddr sock;
    if (sa->protocol != envoy_config_core_v3_SocketAddress_Protocol_TCP) {
        nu_pb_unsupported(f->diags, sa, "protocol", "UDP listeners are not supported yet");
        return NULL;
    }
    if (sa->port_specifier_case == envoy_config_core_v3_SocketAddress_named_port_case) {
        nu_pb_error(f->diags, sa, "named_port", "a listener needs port_value; names of ports are not resolved");
        return NULL;
    }
    if (!nu_sockaddr_parse_ip(sa->address, (uint16_t)sa->port_value, &sock)) {
        nu_pb_error(f->diags, sa, "address", "malformed IP address: %.*s", NU_STR_ARG(sa->address));
        return NULL;
    }
    return nu_address_from_sock(&sock);
}

struct nu_address *nu_listen_address_build(struct nu_factory *f, const struct envoy_config_core_v3_Address *msg)
{
    if (msg->pipe != NULL)
        return build_pipe(f, msg->pipe);
    if (msg->socket_address != NULL)
        return build_ip(f, msg->socket_address);
    nu_pb_error(f->diags, msg, NULL, "an address is one of socket_address and pipe");
    return NULL;
}

static bool add_address(struct nu_factory *f, struct nu_listener_conf *c, const struct envoy_config_core_v3_Address *msg)
{
    struct nu_address *a = nu_listen_address_build(f, msg);
    if (a == NULL)
        return false;
    c->addresses[c->n_addresses++] = a;
    c->socket.ipv4_compat |= msg->socket_address != NULL && msg->socket_address->ipv4_compat;
    return true;
}

static bool build_addresses(struct nu_factory *f, struct nu_listener_conf *c, const listener_msg *msg)
{
    if (msg->address == NULL) {
        nu_pb_error(f->diags, msg, NULL, "error adding listener: address is necessary");
        return false;
    }
    c->addresses = nu_arena_array(&c->arena, struct nu_address *, 1 + msg->n_additional_addresses);
    bool ok = add_address(f, c, msg->address);
    for (size_t i = 0; i < msg->n_additional_addresses; i++) {
        if (msg->additional_addresses[i]->address == NULL) {
            nu_pb_error(f->diags, msg->additional_addresses[i], NULL, "address is necessary");
            ok = false;
        } else {
            ok = add_address(f, c, msg->additional_addresses[i]->address) && ok;
        }
    }
    return ok;
}

/* ---- sockets ---- */

static void build_keepalive(struct nu_listen_options *o, const struct envoy_config_core_v3_TcpKeepalive *k)
{
    if (k == NULL)
        return;
    o->keepalive = true;
    o->keepalive_probes = k->keepalive_probes != NULL ? (int)*k->keepalive_probes : 0;
    o->keepalive_time_s = k->keepalive_time != NULL ? (int)*k->keepalive_time : 0;
    o->keepalive_interval_s = k->keepalive_interval != NULL ? (int)*k->keepalive_interval : 0;
}

static bool is_true(const bool *b, bool fallback)
{
    return b != NULL ? *b : fallback;
}

const struct nu_socket_option *nu_socket_options_build(struct nu_arena *a,
                                                       struct envoy_config_core_v3_SocketOption *const *msgs, size_t n)
{
    struct nu_socket_option *items = nu_arena_array(a, struct nu_socket_option, n);
    for (size_t i = 0; i < n; i++) {
        const struct envoy_config_core_v3_SocketOption *so = msgs[i];
        items[i].level = (int)so->level;
        items[i].name = (int)so->name;
        items[i].state = (enum nu_socket_state)so->state;
        items[i].number = (int)so->int_value;
        if (so->value_case == envoy_config_core_v3_SocketOption_buf_value_case)
            items[i].bytes = nu_arena_str(a, so->buf_value);
    }
    return items;
}

static void build_socket(struct nu_listener_conf *c, const listener_msg *msg)
{
    struct nu_listen_options *o = &c->socket;
    o->options = nu_socket_options_build(&c->arena, msg->socket_options, msg->n_socket_options);
    o->n_options = msg->n_socket_options;
    o->reuse_port = is_true(msg->enable_reuse_port, true);
    o->transparent = is_true(msg->transparent, false);
    o->freebind = is_true(msg->freebind, false);
    o->backlog = msg->tcp_backlog_size != NULL ? (int)nu_min(*msg->tcp_backlog_size, 65535u) : 0;
    build_keepalive(o, msg->tcp_keepalive);
    o->hash = (uint64_t)o->reuse_port | (uint64_t)o->transparent << 1 | (uint64_t)o->freebind << 2 |
              (uint64_t)o->ipv4_compat << 3 | (uint64_t)o->backlog << 4;
    for (size_t i = 0; i < msg->n_socket_options; i++)
        o->hash = o->hash * 31 + nu_pb_hash(msg->socket_options[i]);
    o->hash = o->hash * 31 + nu_pb_hash(msg->tcp_keepalive);
}

/* ---- listener filters ---- */

static bool build_listener_filters(struct nu_factory *f, struct nu_listener_conf *c, const listener_msg *msg)
{
    bool ok = true;
    c->listener_filters = nu_arena_array(&c->arena, const struct nu_listener_filter_conf *, msg->n_listener_filters);
    for (size_t i = 0; i < msg->n_listener_filters; i++) {
        const struct envoy_config_listener_v3_ListenerFilter *m = msg->listener_filters[i];
        const struct nu_extension *e =
            nu_extension_resolve(f, "envoy.filters.listener", m, "typed_config", m->typed_config);
        const struct nu_listener_filter_factory *factory = e != NULL ? e->ops : NULL;
        const struct nu_listener_filter_conf *conf = e != NULL ? factory->create(f, m->typed_config->msg) : NULL;
        if (nu_extension_made(f, e, m, conf))
            c->listener_filters[c->n_listener_filters++] = conf;
        ok = ok && conf != NULL;
    }
    c->listener_filters_timeout = nu_duration_or(msg->listener_filters_timeout, DEFAULT_FILTERS_TIMEOUT);
    c->continue_on_listener_filters_timeout = msg->continue_on_listener_filters_timeout;
    return ok;
}

/* ---- the listener ---- */

/* As statistics name it: "127.0.0.1:80" is 127.0.0.1_80. */
static nu_str stat_name(struct nu_arena *a, nu_str text)
{
    return nu_stat_clean(nu_arena_alloc(a, text.len), text);
}

static void build_names(struct nu_listener_conf *c, const listener_msg *msg)
{
    nu_str address = c->addresses[0]->text;
    c->name = nu_arena_str(&c->arena, msg->name.len > 0 ? msg->name : address);
    c->stat_name = stat_name(&c->arena, msg->stat_prefix.len > 0 ? msg->stat_prefix : address);
    c->file = nu_arena_str(&c->arena, nu_pb_file(msg));
    c->path = nu_pb_path(&c->arena, msg);
    c->pos = nu_pb_pos(msg);
}

static void build_plain(struct nu_listener_conf *c, const listener_msg *msg)
{
    static const char *const chains[] = {"filter_chains", "default_filter_chain", NULL};
    c->hash = nu_pb_hash(msg);
    c->rest_hash = nu_pb_hash_without(msg, chains);
    c->bind_to_port = is_true(msg->bind_to_port, true);
    c->buffer_limit = msg->per_connection_buffer_limit_bytes != NULL ? *msg->per_connection_buffer_limit_bytes
                                                                     : DEFAULT_BUFFER_LIMIT;
    c->ignore_global_conn_limit = msg->ignore_global_conn_limit;
    c->inbound = msg->traffic_direction == envoy_config_core_v3_TrafficDirection_INBOUND;
    c->drain_on_modify_only = msg->drain_type == envoy_config_listener_v3_Listener_DrainType_MODIFY_ONLY;
    build_socket(c, msg);
}

struct nu_listener_conf *nu_listener_build(struct nu_factory *outer, const listener_msg *msg)
{
    struct nu_listener_conf *c = nu_listener_conf_new();
    struct nu_factory f = *outer;
    size_t before = f.diags->n_errors;
    f.arena = &c->arena;
    if (!build_addresses(&f, c, msg)) {
        nu_listener_conf_unref(&c);
        return NULL;
    }
    build_names(c, msg);
    build_plain(c, msg);
    f.stat_address = c->stat_name;
    bool ok = nu_access_logs_build(&f, msg->access_log, msg->n_access_log, &c->access_logs);
    ok = build_listener_filters(&f, c, msg) && ok;
    ok = nu_filter_chains_build(&f, c, msg) && ok;
    if (!ok || f.diags->n_errors > before)
        nu_listener_conf_unref(&c);
    return c;
}
