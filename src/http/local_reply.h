/* SPDX-License-Identifier: Apache-2.0
 *
 * What local replies look like: local_reply_config's mappers and formats. Immutable, in the snapshot's arena. */
#ifndef NU_HTTP_LOCAL_REPLY_H
#define NU_HTTP_LOCAL_REPLY_H

#include "http/formatter.h"
#include "http/header_mutation.h"

struct nu_log_filter;
struct envoy_extensions_filters_network_http_connection_manager_v3_LocalReplyConfig;

struct nu_reply_mapper {
    const struct nu_log_filter *filter;
    unsigned status; /* 0: unchanged */
    bool has_body;
    nu_str body;
    const struct nu_formatter *format; /* NULL: the config's */
    const struct nu_header_mutations *headers;
};

struct nu_local_reply_conf {
    struct nu_reply_mapper *mappers;
    size_t n_mappers;
    const struct nu_formatter *format; /* NULL: the body as it is, text/plain */
};

/* In f->arena; NULL: reported. */
const struct nu_local_reply_conf *nu_local_reply_conf_build(
    struct nu_factory *f, const struct envoy_extensions_filters_network_http_connection_manager_v3_LocalReplyConfig *msg);

/* gRPC's own table of HTTP status to grpc-status: what a response means that has none. */
unsigned nu_grpc_status_of_http(unsigned status);

#endif
