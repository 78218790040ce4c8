/* SPDX-License-Identifier: Apache-2.0
 *
 * Access logs as everybody but the loggers sees them: a list built from config, called when a record ends. */
#ifndef NU_NET_ACCESS_LOG_H
#define NU_NET_ACCESS_LOG_H

#include "net/extension.h"
#include "net/stream_info.h"

struct envoy_config_accesslog_v3_AccessLog;
struct nu_http_headers;
struct nu_pb_msg;

enum nu_log_type { /* %ACCESS_LOG_TYPE% */
    NU_LOG_NOT_SET,
    NU_LOG_TCP_UPSTREAM_CONNECTED,
    NU_LOG_TCP_PERIODIC,
    NU_LOG_TCP_END,
    NU_LOG_DOWNSTREAM_START,
    NU_LOG_DOWNSTREAM_PERIODIC,
    NU_LOG_DOWNSTREAM_END,
};

/* Everything a formatter may read. Header maps may be NULL. */
struct nu_log_entry {
    const struct nu_stream_info *info;
    const struct nu_http_headers *request, *response, *response_trailers;
    enum nu_log_type type;
    nu_str local_reply_body; /* %LOCAL_REPLY_BODY% */
};

/* A configured logger. First member of the extension's own struct. */
struct nu_access_log {
    void (*log)(const struct nu_access_log *log, const struct nu_log_entry *e);
    const struct nu_log_filter *filter; /* NULL: always */
};

/* ops of an extension of category "envoy.access_loggers". */
struct nu_access_log_factory {
    struct nu_access_log *(*create)(struct nu_factory *f, const struct nu_pb_msg *msg);
};

struct nu_access_logs {
    struct nu_access_log **items;
    size_t n;
};

/* Builds a list (in f->arena) from `n` messages; false: reported. Implemented in http/access_log_conf.c. */
bool nu_access_logs_build(struct nu_factory *f, struct envoy_config_accesslog_v3_AccessLog **msgs, size_t n,
                          struct nu_access_logs *out);
/* Runs each logger whose filter agrees. */
void nu_access_logs_run(const struct nu_access_logs *logs, const struct nu_log_entry *e);

#endif
