/* SPDX-License-Identifier: Apache-2.0
 *
 * What a connection manager is configured with: immutable, part of a filter chain's snapshot. Filled by
 * ext/network_filter/http_connection_manager.c from its message. */
#ifndef NU_HTTP_HCM_CONF_H
#define NU_HTTP_HCM_CONF_H

#include "base/clock.h"
#include "http/filter.h"
#include "http/route.h"
#include "http/session.h"
#include "http/xfcc.h"
#include "net/access_log.h"
#include "net/filter.h"
#include "net/server.h"
#include "worker/slot.h"

struct nu_local_reply_conf; /* http/local_reply.h */
struct nu_ip_detection;     /* http/ip_detection.h */
struct nu_format;           /* http/formatter.h */

enum nu_codec_type { NU_CODEC_AUTO, NU_CODEC_HTTP1, NU_CODEC_HTTP2, NU_CODEC_HTTP3 };

enum nu_server_header { NU_SERVER_OVERWRITE, NU_SERVER_APPEND_IF_ABSENT, NU_SERVER_PASS_THROUGH };

enum nu_escaped_slashes {
    NU_SLASHES_KEEP,
    NU_SLASHES_REJECT,
    NU_SLASHES_UNESCAPE_AND_REDIRECT,
    NU_SLASHES_UNESCAPE_AND_FORWARD,
};

/* An upgrade type (lower case): "websocket", "connect". filters == NULL: the normal chain. */
struct nu_upgrade_conf {
    nu_str type;
    bool enabled;
    const struct nu_http_filter_entry *filters;
    unsigned n_filters;
};

/* A list of filters; built from http_filters. */
struct nu_filter_list {
    const struct nu_http_filter_entry *items;
    unsigned n;
};

/* Original IP detection (original_ip_detection_extensions): first that finds an address wins. ops of an extension of
 * category "envoy.http.original_ip_detection". */
struct nu_ip_detection_result {
    bool found;
    struct nu_sockaddr address;
    bool allow_trusted_address_checks; /* the address may count as an internal one */
    unsigned reject_status; /* 0: no reject */
    nu_str reject_details;
    bool append_xff; /* found or not: the peer is added to x-forwarded-for */
};
struct nu_ip_detection {
    void (*detect)(const struct nu_ip_detection *d, const struct nu_http_headers *h,
                   const struct nu_conn_info *conn, struct nu_ip_detection_result *out);
};
struct nu_ip_detection_factory {
    const struct nu_ip_detection *(*create)(struct nu_factory *f, const struct nu_pb_msg *msg);
};

/* request_id_extension: ops of an extension of category "envoy.request_id". Request ids are made in http/forwarding.c;
 * what the extension says is in the options. */
struct nu_request_id_options {
    bool pack_trace_reason; /* the id says whether a trace was taken, and why */
};
struct nu_request_id_factory {
    bool (*build)(struct nu_factory *f, const struct nu_pb_msg *msg, struct nu_request_id_options *out);
};

struct nu_hcm_conf {
    struct nu_net_filter_conf base;
    struct nu_server *server;
    nu_str stat_prefix;              /* "http.<stat_prefix>." */
    struct nu_scope *scope;          /* layout hcm */
    struct nu_scope *listener_scope; /* "listener.<addr>.http.<stat_prefix>."; NULL for the admin listener */
    struct nu_scope *tracing_scope;
    struct nu_conn_stats conn_stats; /* bytes in the scope */
    enum nu_codec_type codec_type;
    struct nu_h1_options h1;

    struct nu_filter_list filters;
    const struct nu_upgrade_conf *upgrades;
    unsigned n_upgrades;
    struct nu_route_table *routes;   /* reference; inline route_config */

    nu_str server_name;              /* "envoy" */
    enum nu_server_header server_header;
    nu_str via;
    nu_str scheme_to_overwrite;      /* scheme_header_transformation; empty: none */
    bool add_user_agent;
    nu_str user_agent_cluster, user_agent_node;

    nu_ms idle_timeout;              /* of the connection: 1 h; 0: none */
    nu_ms max_connection_duration;   /* 0: none */
    nu_ms max_stream_duration;       /* 0: none */
    uint32_t max_requests_per_connection; /* 0: unlimited */
    nu_ms stream_idle_timeout;       /* 5 min; 0: none */
    nu_ms stream_flush_timeout;      /* .v < 0: as stream_idle_timeout */
    nu_ms request_timeout;           /* 0: none */
    nu_ms request_headers_timeout;   /* 0: none */
    nu_ms drain_timeout;             /* 5 s */
    nu_ms delayed_close_timeout;     /* 1 s; 0: none */
    bool http1_safe_max_connection_duration;
    bool stream_error_on_invalid_http_message;

    bool use_remote_address;
    uint32_t xff_num_trusted_hops;
    bool skip_xff_append;
    bool append_x_forwarded_port;
    const struct nu_ip_detection *const *ip_detection; /* empty: XFF by the rules of use_remote_address */
    unsigned n_ip_detection;
    const struct nu_cidr *internal_ranges;
    unsigned n_internal_ranges;
    bool internal_unix_sockets;
    struct nu_xfcc_conf xfcc;
    bool generate_request_id, preserve_external_request_id, always_set_request_id_in_response;
    bool pack_trace_reason;

    bool normalize_path, merge_slashes;
    enum nu_escaped_slashes escaped_slashes;
    bool strip_matching_port, strip_any_port, strip_trailing_host_dot;
    bool proxy_100_continue;

    const struct nu_local_reply_conf *local_reply; /* NULL: none */
    struct nu_access_logs access_logs;
    bool log_on_new_request, log_on_tunnel_established; /* access_log_options */
};

/* The network filter itself (http/conn_manager.c): what conf->base.attach is set to. */
void nu_hcm_attach(const struct nu_net_filter_conf *conf, struct nu_conn *c);

#endif
