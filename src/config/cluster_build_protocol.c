/* SPDX-License-Identifier: Apache-2.0
 *
 * Protocol options of a cluster: the extension messages in typed_extension_protocol_options and, where they are absent,
 * the older fields of the cluster. */
#include "codec/pb/pb.h"
#include "config/cluster_build_priv.h"
#include "envoy/config/core/v3/protocol.nu.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.nu.h"
#include "envoy/extensions/upstreams/tcp/v3/tcp_protocol_options.nu.h"
#include "google/protobuf/any.nu.h"
#include "http/h1_key_format.h"
#include "net/duration.h"

static void build_h1(struct nu_factory *f, const struct envoy_config_core_v3_Http1ProtocolOptions *o,
                     struct nu_h1_options *h1)
{
    if (o == NULL)
        return;
    h1->allow_absolute_url = o->allow_absolute_url == NULL || *o->allow_absolute_url;
    h1->accept_http_10 = o->accept_http_10;
    h1->default_host_for_http_10 = nu_arena_str(f->arena, o->default_host_for_http_10);
    h1->enable_trailers = o->enable_trailers;
    h1->allow_chunked_length = o->allow_chunked_length;
    h1->allow_custom_methods = o->allow_custom_methods;
    h1->send_fully_qualified_url = o->send_fully_qualified_url;
    h1->override_stream_error = o->override_stream_error_on_invalid_http_message != NULL &&
                                *o->override_stream_error_on_invalid_http_message;
    if (o->n_ignore_http_11_upgrade > 0)
        nu_pb_unsupported(f->diags, o, "ignore_http_11_upgrade", "ignore_http_11_upgrade is not supported yet");
    nu_h1_key_format_build(f, o->header_key_format, h1);
}

static void build_common(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *cluster,
                         const struct envoy_config_core_v3_HttpProtocolOptions *o, struct nu_cluster_info *info)
{
    if (o == NULL)
        return;
    info->http_idle_timeout = nu_duration_or(o->idle_timeout, info->http_idle_timeout);
    info->max_connection_duration = nu_duration_or(o->max_connection_duration, NU_MS(0));
    info->max_stream_duration = nu_duration_or(o->max_stream_duration, NU_MS(0));
    if (o->max_headers_count != NULL)
        info->h1.max_headers_count = *o->max_headers_count;
    if (o->max_response_headers_kb != NULL)
        info->h1.max_head_bytes = *o->max_response_headers_kb * 1024;
    info->h1.underscores = (int)o->headers_with_underscores_action;
    if (o->max_requests_per_connection == NULL)
        return;
    if (cluster->max_requests_per_connection != NULL)
        nu_pb_error(f->diags, o, "max_requests_per_connection",
                    "only one of max_requests_per_connection from Cluster or HttpProtocolOptions can be specified");
    info->max_requests_per_connection = *o->max_requests_per_connection;
}

static void build_names(struct nu_factory *f, const struct envoy_config_core_v3_UpstreamHttpProtocolOptions *o,
                        struct nu_cluster_info *info)
{
    if (o == NULL)
        return;
    info->auto_sni = o->auto_sni;
    info->auto_san_validation = o->auto_san_validation;
    char *name = nu_arena_cstr(f->arena, o->override_auto_sni_header);
    for (char *p = name; *p != '\0'; p++)
        *p = nu_ascii_lower(*p);
    info->override_auto_sni_header = nu_str_from(name);
}

static void build_http(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *cluster,
                       const struct envoy_extensions_upstreams_http_v3_HttpProtocolOptions *o,
                       struct nu_cluster_info *info)
{
    const struct envoy_config_core_v3_Http1ProtocolOptions *h1 = NULL;
    if (o->explicit_http_config != NULL)
        h1 = o->explicit_http_config->http_protocol_options;
    if (o->use_downstream_protocol_config != NULL)
        h1 = o->use_downstream_protocol_config->http_protocol_options;
    build_h1(f, h1, &info->h1);
    build_common(f, cluster, o->common_http_protocol_options, info);
    build_names(f, o->upstream_http_protocol_options, info);
}

/* true: HTTP options were among them. */
static bool build_typed(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                        struct nu_cluster_info *info)
{
    bool http = false;
    for (size_t i = 0; i < msg->n_typed_extension_protocol_options; i++) {
        nu_str key = msg->typed_extension_protocol_options[i].key;
        const struct google_protobuf_Any *any = msg->typed_extension_protocol_options[i].value;
        const struct nu_pb_msg *m = any != NULL ? any->msg : NULL;
        const struct envoy_extensions_upstreams_http_v3_HttpProtocolOptions *h =
            NU_PB_AS(m, envoy_extensions_upstreams_http_v3_HttpProtocolOptions);
        const struct envoy_extensions_upstreams_tcp_v3_TcpProtocolOptions *t =
            NU_PB_AS(m, envoy_extensions_upstreams_tcp_v3_TcpProtocolOptions);
        if (h != NULL && nu_str_eq(key, NU_STR("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"))) {
            build_http(f, msg, h, info);
            http = true;
        } else if (t != NULL && nu_str_eq(key, NU_STR("envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions"))) {
            info->tcp_idle_timeout = nu_duration_or(t->idle_timeout, info->tcp_idle_timeout);
        } else if (m == NULL && any != NULL) { /* the loader has said what is wrong */
            http = true;
        } else {
            bool envoys = nu_str_starts(key, NU_STR("envoy.")) && !nu_str_starts(key, NU_STR("envoy.extensions.upstreams"));
            (envoys ? nu_pb_unsupported : nu_pb_error)(
                f->diags, msg, "typed_extension_protocol_options",
                "there is no network or HTTP filter or protocol options implementation '%.*s' for this message",
                NU_STR_ARG(key));
        }
    }
    return http;
}

void nu_cluster_protocol_build(struct nu_factory *f, const struct envoy_config_cluster_v3_Cluster *msg,
                               struct nu_cluster_info *info)
{
    info->http_idle_timeout = NU_SECONDS(3600);
    info->tcp_idle_timeout = NU_SECONDS(600);
    info->h1.allow_absolute_url = true;
    info->h1.max_head_bytes = 80 * 1024; /* Envoy's for HTTP/1 */
    info->h1.max_headers_count = 100;
    if (msg->max_requests_per_connection != NULL)
        info->max_requests_per_connection = *msg->max_requests_per_connection;
    if (build_typed(f, msg, info))
        return;
    build_h1(f, msg->http_protocol_options, &info->h1);
    build_common(f, msg, msg->common_http_protocol_options, info);
    build_names(f, msg->upstream_http_protocol_options, info);
}
