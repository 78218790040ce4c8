/* SPDX-License-Identifier: Apache-2.0
 *
 * A cluster's message to its conf: settings, breakers, connections. Endpoints, protocols, balancing and DNS are in files of
 * their own beside this. */
#include "base/alloc.h"
#include "codec/pb/pb.h"
#include "config/cluster_build_priv.h"
#include "net/duration.h"
#include "net/transport.h"
#include "upstream/transport_match_stats.h"

static struct nu_cluster_info *info_new(void)
{
    struct nu_cluster_info *i = nu_new(struct nu_cluster_info);
    nu_ref_init(&i->refs);
    nu_arena_init_sized(&i->arena, 512);
    return i;
}

/* ---- circuit breakers ---- */

static const struct nu_breaker_limits default_limits = {.max_connections = 1024,
                                                        .max_pending_requests = 1024,
                                                        .max_requests = 1024,
                                                        .max_retries = 3,
                                                        .max_connection_pools = UINT64_MAX,
                                                        .budget_percent = 20,
                                                        .min_retry_concurrency = 3};

static void set(uint64_t *to, const uint32_t *from)
{
    if (from != NULL)
        *to = *from;
}

static void build_threshold(const struct envoy_config_cluster_v3_CircuitBreakers_Thresholds *t, struct nu_breaker_limits *l)
{
    set(&l->max_connections, t->max_connections);
    set(&l->max_pending_requests, t->max_pending_requests);
    set(&l->max_requests, t->max_requests);
    set(&l->max_retries, t->max_retries);
    l->track_remaining = t->track_remaining;
    if (t->retry_budget == NULL)
        return;
    l->has_retry_budget = true;
    if (t->retry_budget->budget_percent != NULL)
        l->budget_percent = t->retry_budget->budget_percent->value;
    set(&l->min_retry_concurrency, t->retry_budget->min_retry_concurrency);
}

/* The first entry of a priority counts. */
static void build_breakers(const struct envoy_config_cluster_v3_CircuitBreakers *msg, struct nu_cluster_info *info)
{
    bool seen[NU_N_PRIORITIES] = {false};
    info->breakers[NU_PRIORITY_DEFAULT] = info->breakers[NU_PRIORITY_HIGH] = default_limits;
    for (size_t i = 0; msg != NULL && i < msg->n_thresholds; i++) {
        bool high = msg->thresholds[i]->priority == envoy_config_core_v3_RoutingPriority_HIGH;
        if (!seen[high])
            build_threshold(msg->thresholds[i], &info->breakers[high ? NU_PRIORITY_HIGH : NU_PRIORITY_DEFAULT]);
        seen[high] = true;
    }
}

/* ---- connections ---- */

static void drop_address(void *arg)
{
    struct nu_address *a = arg;
    nu_address_unref(&a);
}

static void build_bind(struct nu_factory *f, const struct envoy_config_core_v3_BindConfig *msg,
                       struct nu_cluster_info *info)
{
    if (msg == NULL)
        return;
    if (msg->n_socket_options > 0)
        nu_pb_unsupported(f->diags, msg, "socket_options", "socket options are not supported yet");
    if (msg->freebind != NULL && *msg->freebind)
        nu_pb_unsupported(f->diags, msg, "freebind", "freebind is not supported yet");
    if (msg->source_address == NULL)
        return;
    struct nu_sockaddr sock;
    if (msg->source_address->port_specifier_case == envoy_config_core_v3_SocketAddress_named_port_case) {
        nu_pb_error(f->diags, msg->source_address, "named_port", "a source address needs port_value; names of ports are not resolved");
        return;
    }
    if (!nu_sockaddr_parse_ip(msg->source_address->address, (uint16_t)msg->source_address->port_value, &sock)) {
        nu_pb_error(f->diags, msg->source_address, "address", "malformed IP address: %.*s",
                    NU_STR_ARG(msg->source_address->address));
        return;
    }
    struct nu_address *source = nu_address_from_sock(&sock);
    nu_arena_on_clear(f->arena, drop_address, source);
    info->connect.source = source;
}

static int small(const uint32_t *v)
{
    return v != NULL ? (int)nu_min(*v, 0x7fffffffu) : 0;
}

static void build_connect(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                          struct nu_cluster_info *info)
{
    info->connect_timeout = nu_duration_or(msg->connect_timeout, NU_SECONDS(5));
    info->buffer_limit =
        msg->per_connection_buffer_limit_bytes != NULL ? *msg->per_connection_buffer_limit_bytes : 1024 * 1024;
    build_bind(f, msg->upstream_bind_config, info);
    const struct envoy_config_cluster_v3_UpstreamConnectionOptions *o = msg->upstream_connection_options;
    if (o == NULL || o->tcp_keepalive == NULL)
        return;
    info->connect.keepalive = true;
    info->connect.keepalive_probes = small(o->tcp_keepalive->keepalive_probes);
    info->connect.keepalive_time_s = small(o->tcp_keepalive->keepalive_time);
    info->connect.keepalive_interval_s = small(o->tcp_keepalive->keepalive_interval);
}

/* NULL: reported. */
static const struct nu_transport_conf *make_transport(struct nu_factory *f,
                                                      const struct envoy_config_core_v3_TransportSocket *msg)
{
    const struct nu_extension *e =
        nu_extension_resolve(f, "envoy.transport_sockets.upstream", msg, "typed_config", msg->typed_config);
    const struct nu_transport_factory *factory = e != NULL ? e->ops : NULL;
    const struct nu_transport_conf *conf = factory != NULL ? factory->create(f, msg->typed_config->msg) : NULL;
    return nu_extension_made(f, e, msg, conf) ? conf : NULL;
}

static void build_transport(struct nu_factory *f, const struct envoy_config_core_v3_TransportSocket *msg,
                            struct nu_cluster_info *info)
{
    const struct nu_transport_conf *conf = msg != NULL ? make_transport(f, msg) : NULL;
    info->transport = conf != NULL ? conf : &nu_raw_buffer;
    info->secure = info->transport->secure;
}

static struct nu_scope *match_scope(struct nu_factory *f, nu_str name)
{
    nu_str cluster = f->stat_cluster;
    nu_str prefix = nu_arena_printf(f->arena, "cluster.%.*s.%.*s.", NU_STR_ARG(cluster), NU_STR_ARG(name));
    nu_str plain = nu_arena_printf(f->arena, "cluster.%.*s.", NU_STR_ARG(name));
    struct nu_stat_tag tag = {NU_STR("envoy.cluster_name"), cluster};
    return nu_factory_keep_scope(f, nu_scope_get(f->server->stats, &nu_transport_match_layout, prefix, plain, &tag, 1));
}

static void build_transport_matches(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                                    struct nu_cluster_info *info)
{
    if (msg->n_transport_socket_matches == 0)
        return; /* not even an empty list: it would be most clusters' only use of the arena */
    struct nu_transport_match *list = nu_arena_array(f->arena, struct nu_transport_match, msg->n_transport_socket_matches);
    for (size_t i = 0; i < msg->n_transport_socket_matches; i++) {
        const struct envoy_config_cluster_v3_Cluster_TransportSocketMatch *m = msg->transport_socket_matches[i];
        if (m->transport_socket == NULL) {
            nu_pb_error(f->diags, m, NULL, "transport_socket must be set");
            continue;
        }
        list[i].labels = nu_labels_build(f->arena, m->match);
        list[i].transport = make_transport(f, m->transport_socket);
        list[i].scope = match_scope(f, m->name);
    }
    info->transport_matches = list;
    info->n_transport_matches = (uint32_t)msg->n_transport_socket_matches;
}

/* ---- the whole ---- */

static struct nu_cluster_build *build_new(nu_str name, nu_str stat_name)
{
    struct nu_cluster_build *b = nu_zalloc(sizeof(*b) + name.len + stat_name.len);
    if (name.len > 0) /* a cluster without one is an error that is reported later */
        memcpy(b->text, name.ptr, name.len);
    b->name = nu_str_make(b->text, name.len);
    b->stat_name = nu_stat_clean(b->text + name.len, stat_name);
    return b;
}

struct nu_cluster_build *nu_cluster_build(struct nu_factory *outer, const struct envoy_config_cluster_v3_Cluster *msg)
{
    size_t errors = outer->diags->n_errors;
    struct nu_cluster_build *b = build_new(msg->name, msg->alt_stat_name.len > 0 ? msg->alt_stat_name : msg->name);
    b->info = info_new();
    struct nu_factory f = *outer;
    f.arena = &b->info->arena;
    f.stat_cluster = b->stat_name;
    if (msg->alt_stat_name.len > 0)
        b->info->alt_stat_name = nu_arena_str(f.arena, msg->alt_stat_name);
    b->type = nu_cluster_type_build(&f, msg, &b->dns);
    build_connect(&f, msg, b->info);
    build_transport(&f, msg->transport_socket, b->info);
    build_transport_matches(&f, msg, b->info);
    build_breakers(msg->circuit_breakers, b->info);
    nu_cluster_protocol_build(&f, msg, b->info);
    nu_cluster_lb_build(&f, msg, b->info);
    b->assignment = nu_assignment_build(&f, msg, b->type);
    b->wait_for_warm = msg->wait_for_warm_on_init == NULL || *msg->wait_for_warm_on_init;
    b->info->per_host_max_connections = UINT64_MAX;
    if (outer->diags->n_errors != errors)
        nu_cluster_build_drop(&b);
    return b;
}
