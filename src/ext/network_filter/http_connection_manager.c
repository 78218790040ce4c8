/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.network.http_connection_manager: from its message to struct nu_hcm_conf. What the connection manager does
 * is in http/. */
#include "codec/pb/pb.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.nu.h"
#include "google/protobuf/any.nu.h"
#include "http/h1_key_format.h"
#include "http/hcm_conf.h"
#include "http/hcm_listener_stats.h"
#include "http/hcm_stats.h"
#include "http/http1_stats.h"
#include "http/local_reply.h"
#include "http/tracing_stats.h"
#include "net/duration.h"
#include "worker/runtime.h"

typedef struct envoy_extensions_filters_network_http_connection_manager_v3_HttpConnectionManager hcm_msg;
typedef struct envoy_extensions_filters_network_http_connection_manager_v3_HttpFilter filter_msg;

#define HOUR NU_SECONDS(3600)

static nu_str str_or(nu_str s, nu_str fallback)
{
    return s.len > 0 ? s : fallback;
}

/* ---- HTTP filters ---- */

/* Envoy leaves out what is_optional and no filter of its build; so do we, and ours may be fewer. */
static bool is_left_out(struct nu_factory *f, const filter_msg *msg)
{
    const struct google_protobuf_Any *any = msg->typed_config;
    if (!msg->is_optional || (any != NULL && nu_extension_by_type("envoy.filters.http", any->type_url) != NULL))
        return false;
    nu_pb_warn(f->diags, msg, NULL, "the optional HTTP filter '%.*s' is left out: there is no %.*s here",
               NU_STR_ARG(msg->name), NU_STR_ARG(any != NULL ? any->type_url : NU_STR("typed_config")));
    return true;
}

static bool build_entry(struct nu_factory *f, const hcm_msg *hcm, const filter_msg *msg, nu_str stat_prefix,
                        struct nu_http_filter_entry *e)
{
    (void)hcm;
    e->name = nu_arena_str(f->arena, msg->name);
    e->disabled = msg->disabled;
    if (msg->config_type_case == 0) {
        nu_pb_error(f->diags, msg, NULL, "filter '%.*s' has no typed_config", NU_STR_ARG(msg->name));
        return false;
    }
    e->ext = nu_extension_resolve(f, "envoy.filters.http", msg, "typed_config", msg->typed_config);
    if (e->ext == NULL)
        return false;
    const struct nu_http_filter_factory *factory = e->ext->ops;
    e->terminal = factory->terminal;
    e->conf = factory->create(f, msg->typed_config->msg, stat_prefix);
    if (e->terminal && e->disabled)
        nu_pb_error(f->diags, msg, "disabled", "a terminal filter cannot be disabled");
    return nu_extension_made(f, e->ext, msg, e->conf);
}

/* The last filter, and no other, is terminal; those that are left out have their places. */
static void check_terminal(struct nu_factory *f, const filter_msg *msg, const struct nu_http_filter_entry *e, bool last)
{
    if (e->ext == NULL)
        return;
    if (e->terminal && !last)
        nu_pb_error(f->diags, msg, "name", "terminal filter named %.*s must be the last filter in a http filter chain",
                    NU_STR_ARG(e->name));
    else if (!e->terminal && last)
        nu_pb_error(f->diags, msg, "name", "non-terminal filter named %.*s is the last filter in a http filter chain",
                    NU_STR_ARG(e->name));
}

static struct nu_filter_list build_filters(struct nu_factory *f, const hcm_msg *hcm, filter_msg *const *msgs, size_t n,
                                           nu_str stat_prefix)
{
    struct nu_http_filter_entry *items = nu_arena_array(f->arena, struct nu_http_filter_entry, n);
    unsigned kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct nu_http_filter_entry *e = &items[kept];
        if (is_left_out(f, msgs[i]))
            continue;
        e->index = kept++;
        build_entry(f, hcm, msgs[i], stat_prefix, e);
        check_terminal(f, msgs[i], e, i + 1 == n);
    }
    return (struct nu_filter_list){.items = items, .n = kept};
}

static void build_upgrades(struct nu_factory *f, const hcm_msg *msg, struct nu_hcm_conf *c)
{
    struct nu_upgrade_conf *items = nu_arena_array(f->arena, struct nu_upgrade_conf, msg->n_upgrade_configs);
    for (size_t i = 0; i < msg->n_upgrade_configs; i++) {
        const struct envoy_extensions_filters_network_http_connection_manager_v3_HttpConnectionManager_UpgradeConfig
            *u = msg->upgrade_configs[i];
        items[i].type = nu_arena_str(f->arena, u->upgrade_type);
        items[i].enabled = u->enabled == NULL || *u->enabled;
        for (size_t k = 0; k < i; k++)
            if (nu_str_eq_nocase(items[k].type, items[i].type))
                nu_pb_error(f->diags, u, "upgrade_type", "duplicate upgrade '%.*s'", NU_STR_ARG(items[i].type));
        if (u->n_filters == 0)
            continue;
        struct nu_filter_list list = build_filters(f, msg, u->filters, u->n_filters, c->stat_prefix);
        items[i].filters = list.items;
        items[i].n_filters = list.n;
    }
    c->upgrades = items;
    c->n_upgrades = (unsigned)msg->n_upgrade_configs;
}

/* ---- statistics ---- */

static void make_scopes(struct nu_factory *f, nu_str name, struct nu_hcm_conf *c)
{
    struct nu_stats *st = f->server->stats;
    const struct nu_stat_tag tags[] = {{NU_STR("envoy.http_conn_manager_prefix"), name},
                                       {NU_STR("envoy.listener_address"), f->stat_address}};
    nu_str tracing = nu_arena_printf(f->arena, "%.*stracing.", NU_STR_ARG(c->stat_prefix));
    c->scope = nu_factory_keep_scope(f, nu_scope_get(st, &nu_hcm_layout, c->stat_prefix, NU_STR("http."), tags, 1));
    c->tracing_scope = nu_factory_keep_scope(f, nu_scope_get(st, &nu_tracing_layout, tracing, NU_STR("http.tracing."), tags, 1));
    c->h1.http1_scope = nu_factory_keep_scope(f, nu_scope_get(st, &nu_http1_layout, NU_STR("http1."), NU_STR("http1."), NULL, 0));
    if (f->stat_address.len > 0) {
        nu_str prefix = nu_arena_printf(f->arena, "listener.%.*s.http.%.*s.", NU_STR_ARG(f->stat_address),
                                        NU_STR_ARG(name));
        c->listener_scope = nu_factory_keep_scope(
            f, nu_scope_get(st, &nu_hcm_listener_layout, prefix, NU_STR("listener.http."), tags, 2));
    }
    c->conn_stats = (struct nu_conn_stats){
        .scope = c->scope,
        .rx_total = NU_HCM_downstream_cx_rx_bytes_total,
        .rx_buffered = NU_HCM_downstream_cx_rx_bytes_buffered,
        .tx_total = NU_HCM_downstream_cx_tx_bytes_total,
        .tx_buffered = NU_HCM_downstream_cx_tx_bytes_buffered,
        .delayed_close_timeout = NU_HCM_downstream_cx_delayed_close_timeout,
    };
}

/* ---- HTTP/1 ---- */

static void build_h1(struct nu_factory *f, const hcm_msg *msg, struct nu_hcm_conf *c)
{
    const struct envoy_config_core_v3_Http1ProtocolOptions *o = msg->http_protocol_options;
    const struct envoy_config_core_v3_HttpProtocolOptions *common = msg->common_http_protocol_options;
    struct nu_h1_options *h1 = &c->h1;
    h1->allow_absolute_url = true;
    h1->max_head_bytes = (msg->max_request_headers_kb != NULL ? *msg->max_request_headers_kb : 60) * 1024;
    h1->max_headers_count = 100;
    h1->proxy_100_continue = msg->proxy_100_continue;
    if (common != NULL) {
        if (common->max_headers_count != NULL)
            h1->max_headers_count = *common->max_headers_count;
        h1->underscores = (int)common->headers_with_underscores_action;
    }
    if (o == NULL)
        return;
    h1->allow_absolute_url = o->allow_absolute_url == NULL || *o->allow_absolute_url;
    h1->accept_http_10 = o->accept_http_10;
    h1->default_host_for_http_10 = nu_arena_str(f->arena, o->default_host_for_http_10);
    h1->enable_trailers = o->enable_trailers;
    h1->allow_chunked_length = o->allow_chunked_length;
    h1->allow_custom_methods = o->allow_custom_methods;
    h1->send_fully_qualified_url = o->send_fully_qualified_url;
    h1->override_stream_error = o->override_stream_error_on_invalid_http_message != NULL
                                    ? *o->override_stream_error_on_invalid_http_message
                                    : c->stream_error_on_invalid_http_message;
    if (o->n_ignore_http_11_upgrade > 0)
        nu_pb_unsupported(f->diags, o, "ignore_http_11_upgrade", "ignore_http_11_upgrade is not supported yet");
    nu_h1_key_format_build(f, o->header_key_format, h1);
}

/* ---- the rest ---- */

static void build_timeouts(const hcm_msg *msg, struct nu_hcm_conf *c)
{
    const struct envoy_config_core_v3_HttpProtocolOptions *common = msg->common_http_protocol_options;
    c->idle_timeout = HOUR;
    if (common != NULL) {
        c->idle_timeout = nu_duration_or(common->idle_timeout, HOUR);
        c->max_connection_duration = nu_duration_or(common->max_connection_duration, NU_MS(0));
        c->max_stream_duration = nu_duration_or(common->max_stream_duration, NU_MS(0));
        if (common->max_requests_per_connection != NULL)
            c->max_requests_per_connection = *common->max_requests_per_connection;
    }
    c->stream_idle_timeout = nu_duration_or(msg->stream_idle_timeout, NU_SECONDS(300));
    c->stream_flush_timeout = nu_duration_or(msg->stream_flush_timeout, NU_MS(-1));
    c->request_timeout = nu_duration_or(msg->request_timeout, NU_MS(0));
    c->request_headers_timeout = nu_duration_or(msg->request_headers_timeout, NU_MS(0));
    c->drain_timeout = nu_duration_or(msg->drain_timeout, NU_SECONDS(5));
    c->delayed_close_timeout = nu_duration_or(msg->delayed_close_timeout, NU_SECONDS(1));
}

static void build_identity(struct nu_factory *f, const hcm_msg *msg, struct nu_hcm_conf *c)
{
    c->server_name = nu_arena_str(f->arena, str_or(msg->server_name, NU_STR("envoy")));
    c->server_header = (enum nu_server_header)msg->server_header_transformation;
    c->via = nu_arena_str(f->arena, msg->via);
    if (msg->scheme_header_transformation != NULL) {
        c->scheme_to_overwrite = nu_arena_str(f->arena, msg->scheme_header_transformation->scheme_to_overwrite);
        if (msg->scheme_header_transformation->match_upstream)
            nu_pb_unsupported(f->diags, msg->scheme_header_transformation, "match_upstream", "match_upstream is not supported yet");
    }
    c->add_user_agent = msg->add_user_agent != NULL && *msg->add_user_agent;
    c->user_agent_cluster = f->server->node_cluster;
    c->user_agent_node = f->server->node_id;
    c->generate_request_id = msg->generate_request_id == NULL || *msg->generate_request_id;
    c->preserve_external_request_id = msg->preserve_external_request_id;
    c->always_set_request_id_in_response = msg->always_set_request_id_in_response;
}

static void build_xfcc(const hcm_msg *msg, struct nu_hcm_conf *c)
{
    const struct envoy_extensions_filters_network_http_connection_manager_v3_HttpConnectionManager_SetCurrentClientCertDetails
        *m = msg->set_current_client_cert_details;
    c->xfcc.mode = (enum nu_xfcc_mode)msg->forward_client_cert_details;
    if (m == NULL)
        return;
    c->xfcc.subject = m->subject != NULL && *m->subject;
    c->xfcc.cert = m->cert;
    c->xfcc.chain = m->chain;
    c->xfcc.dns = m->dns;
    c->xfcc.uri = m->uri;
    c->xfcc.issuer = m->issuer;
    c->xfcc.json = m->format == envoy_extensions_filters_network_http_connection_manager_v3_HttpConnectionManager_ForwardClientCertFormat_JSON;
}

static void build_request_id(struct nu_factory *f, const hcm_msg *msg, struct nu_hcm_conf *c)
{
    const struct envoy_extensions_filters_network_http_connection_manager_v3_RequestIDExtension *e =
        msg->request_id_extension;
    struct nu_request_id_options options = {.pack_trace_reason = true};
    if (e != NULL && e->typed_config != NULL) {
        const struct nu_extension *ext =
            nu_extension_resolve(f, "envoy.request_id", e, "typed_config", e->typed_config);
        const struct nu_request_id_factory *factory = ext != NULL ? ext->ops : NULL;
        if (factory != NULL)
            (void)factory->build(f, e->typed_config->msg, &options);
    }
    c->pack_trace_reason = options.pack_trace_reason;
}

static void build_internal_addresses(struct nu_factory *f, const hcm_msg *msg, struct nu_hcm_conf *c)
{
    const struct envoy_extensions_filters_network_http_connection_manager_v3_HttpConnectionManager_InternalAddressConfig
        *i = msg->internal_address_config;
    if (i == NULL)
        return;
    struct nu_cidr *ranges = nu_arena_array(f->arena, struct nu_cidr, i->n_cidr_ranges);
    for (size_t k = 0; k < i->n_cidr_ranges; k++) {
        const struct envoy_config_core_v3_CidrRange *r = i->cidr_ranges[k];
        if (!nu_cidr_make(r->address_prefix, r->prefix_len != NULL ? *r->prefix_len : 0, &ranges[k]))
            nu_pb_error(f->diags, r, "address_prefix", "malformed IP address: %.*s", NU_STR_ARG(r->address_prefix));
    }
    c->internal_ranges = ranges;
    c->n_internal_ranges = (unsigned)i->n_cidr_ranges;
    c->internal_unix_sockets = i->unix_sockets;
}

static void build_ip_detection(struct nu_factory *f, const hcm_msg *msg, struct nu_hcm_conf *c)
{
    size_t n = msg->n_original_ip_detection_extensions;
    const struct nu_ip_detection **items = nu_arena_array(f->arena, const struct nu_ip_detection *, n);
    c->use_remote_address = msg->use_remote_address != NULL && *msg->use_remote_address;
    c->xff_num_trusted_hops = msg->xff_num_trusted_hops;
    c->skip_xff_append = msg->skip_xff_append;
    c->append_x_forwarded_port = msg->append_x_forwarded_port;
    if (n > 0 && c->use_remote_address)
        nu_pb_error(f->diags, msg, "original_ip_detection_extensions",
                    "Original IP detection extensions and use_remote_address may not be mixed");
    if (n > 0 && c->xff_num_trusted_hops > 0)
        nu_pb_error(f->diags, msg, "original_ip_detection_extensions",
                    "Original IP detection extensions and xff_num_trusted_hops may not be mixed");
    for (size_t i = 0; i < n; i++) {
        const struct envoy_config_core_v3_TypedExtensionConfig *e = msg->original_ip_detection_extensions[i];
        const struct nu_extension *ext =
            nu_extension_resolve(f, "envoy.http.original_ip_detection", e, "typed_config", e->typed_config);
        if (ext == NULL)
            continue;
        const struct nu_ip_detection_factory *factory = ext->ops;
        items[i] = factory->create(f, e->typed_config->msg);
        (void)nu_extension_made(f, ext, e, items[i]);
    }
    c->ip_detection = items;
    c->n_ip_detection = (unsigned)n;
}

static void build_target_rules(struct nu_factory *f, const hcm_msg *msg, struct nu_hcm_conf *c)
{
    c->normalize_path = msg->normalize_path != NULL
                            ? *msg->normalize_path
                            : nu_runtime_percent(f->server->runtime, NU_STR("http_connection_manager.normalize_path"), 0, 0);
    c->merge_slashes = msg->merge_slashes;
    switch (msg->path_with_escaped_slashes_action) {
    case 2:
        c->escaped_slashes = NU_SLASHES_REJECT;
        break;
    case 3:
        c->escaped_slashes = NU_SLASHES_UNESCAPE_AND_REDIRECT;
        break;
    case 4:
        c->escaped_slashes = NU_SLASHES_UNESCAPE_AND_FORWARD;
        break;
    default:
        c->escaped_slashes = NU_SLASHES_KEEP;
    }
    if (msg->strip_matching_host_port && msg->strip_port_mode_case != 0 && msg->strip_any_host_port)
        nu_pb_error(f->diags, msg, "strip_any_host_port",
                    "only one of strip_matching_host_port and strip_any_host_port can be set");
    c->strip_matching_port = msg->strip_matching_host_port;
    c->strip_any_port = msg->strip_any_host_port;
    c->strip_trailing_host_dot = msg->strip_trailing_host_dot;
    c->proxy_100_continue = msg->proxy_100_continue;
}

static void drop_routes(void *arg)
{
    struct nu_route_table *t = arg;
    nu_route_table_unref(&t);
}

static void build_routes(struct nu_factory *f, const hcm_msg *msg, struct nu_hcm_conf *c)
{
    if (msg->route_config == NULL)
        return;
    c->routes = nu_route_table_build(f, msg->route_config, c->filters.items, c->filters.n);
    if (c->routes != NULL)
        nu_arena_on_clear(f->arena, drop_routes, c->routes);
}

static struct nu_net_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *any)
{
    const hcm_msg *msg = (const hcm_msg *)(const void *)any;
    struct nu_hcm_conf *c = nu_arena_new(f->arena, struct nu_hcm_conf);
    size_t before = f->diags->n_errors;
    c->base.attach = nu_hcm_attach;
    c->base.terminal = true;
    c->server = f->server;
    c->stat_prefix = nu_arena_printf(f->arena, "http.%.*s.", NU_STR_ARG(msg->stat_prefix));
    if (msg->codec_type > 1)
        nu_pb_unsupported(f->diags, msg, "codec_type", "%s is not supported yet; HTTP1 and AUTO are",
                          msg->codec_type == 2 ? "HTTP2" : "HTTP3");
    c->codec_type = (enum nu_codec_type)msg->codec_type;
    c->stream_error_on_invalid_http_message =
        msg->stream_error_on_invalid_http_message != NULL && *msg->stream_error_on_invalid_http_message;
    make_scopes(f, msg->stat_prefix, c);
    build_h1(f, msg, c);
    c->filters = build_filters(f, msg, msg->http_filters, msg->n_http_filters, c->stat_prefix);
    build_upgrades(f, msg, c);
    build_timeouts(msg, c);
    build_identity(f, msg, c);
    build_xfcc(msg, c);
    build_request_id(f, msg, c);
    build_internal_addresses(f, msg, c);
    build_ip_detection(f, msg, c);
    build_target_rules(f, msg, c);
    nu_access_logs_build(f, msg->access_log, msg->n_access_log, &c->access_logs);
    if (msg->local_reply_config != NULL)
        c->local_reply = nu_local_reply_conf_build(f, msg->local_reply_config);
    build_routes(f, msg, c);
    return f->diags->n_errors == before ? &c->base : NULL;
}

static const struct nu_net_filter_factory factory_ops = {.terminal = true, .create = create};

const struct nu_extension nu_ext_network_filter_http_connection_manager = {
    .category = "envoy.filters.network",
    .name = "envoy.filters.network.http_connection_manager",
    .config_type = &envoy_extensions_filters_network_http_connection_manager_v3_HttpConnectionManager_type,
    .ops = &factory_ops,
};
