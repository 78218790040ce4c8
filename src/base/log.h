/* SPDX-License-Identifier: Apache-2.0
 *
 * Application log. One process-wide logger (documented exception to "nothing global"): levels per module, one
 * output. A line has time, thread, level, module, ids and a sentence. Nothing is formatted unless its level is on.
 * Any thread may log. */
#ifndef NU_BASE_LOG_H
#define NU_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/attr.h"
#include "base/str.h"

enum nu_log_level {
    NU_LOG_TRACE,
    NU_LOG_DEBUG,
    NU_LOG_INFO,
    NU_LOG_WARN, /* "warning" in Envoy's words */
    NU_LOG_ERROR,
    NU_LOG_CRITICAL,
    NU_LOG_OFF,
};

/* Module names are Envoy's, all of them and in its order, so that --component-log-level and /logging carry over; some are
 * of parts that do not exist here, and have nothing to say. */
#define NU_LOG_MODULES(X) \
    X(a2a) X(admin) X(ai_protocol_manager) X(alternate_protocols_cache) X(aws) X(assert) X(backtrace) \
    X(basic_auth) X(cache_filter) X(client) X(config) X(connection) X(conn_handler) X(compression) \
    X(credential_injector) X(decompression) X(dns) X(dubbo) X(envoy_bug) X(ext_authz) X(ext_proc) \
    X(rocketmq) X(file) X(filter) X(forward_proxy) X(geolocation) X(grpc) X(happy_eyeballs) X(hc) \
    X(health_checker) X(http) X(http2) X(hystrix) X(init) X(io) X(jwt) X(json_rpc) X(kafka) \
    X(key_value_store) X(lua) X(local_rate_limit) X(main) X(matcher) X(mcp) X(misc) X(mongo) \
    X(multi_connection) X(notification) X(oauth2) X(quic) X(quic_stream) X(pool) X(rate_limit_quota) \
    X(rbac) X(rds) X(redis) X(router) X(runtime) X(stats) X(secret) X(sse) X(tap) X(testing) X(thrift) \
    X(tracing) X(upstream) X(udp) X(wasm) X(websocket) X(golang) X(stats_sinks) X(dynamic_modules) \
    X(ip_tagging)

enum nu_log_module {
#define X(name) NU_LOG_MODULE_##name,
    NU_LOG_MODULES(X)
#undef X
    NU_LOG_N_MODULES
};

extern _Atomic unsigned char nu_log_levels[NU_LOG_N_MODULES];

static inline bool nu_log_on(enum nu_log_module module, enum nu_log_level level)
{
    return nu_unlikely(level >= atomic_load_explicit(&nu_log_levels[module], memory_order_relaxed));
}

/* nu_log(router, NU_LOG_DEBUG, "[C%" PRIu64 "] ...", id) */
#define nu_log(module, level, ...)                                                                 \
    do {                                                                                           \
        if (nu_log_on(NU_LOG_MODULE_##module, (level)))                                            \
            nu_log_write(NU_LOG_MODULE_##module, (level), __FILE__, __LINE__, __VA_ARGS__);                            \
    } while (0)

void nu_log_write(enum nu_log_module module, enum nu_log_level level, const char *file, int line, const char *fmt, ...)
    NU_PRINTF(5, 6) NU_COLD;

/* All modules, or one by name; false: no such module. */
void nu_log_set_all(enum nu_log_level level);
bool nu_log_set(nu_str module, enum nu_log_level level);
/* "trace" ... "off" (and "warn" for "warning"); false: not a level. */
bool nu_log_parse_level(nu_str text, enum nu_log_level *out);
const char *nu_log_level_name(enum nu_log_level level);
const char *nu_log_module_name(enum nu_log_module module);

/* The form of lines: spdlog's pattern language (base/log_format.h). NULL: taken (the text must stay); else why not. Before
 * threads are made. */
const char *nu_log_set_format(const char *pattern);
const char *nu_log_format(void);

/* Where lines go: stderr at first. A path is opened for append; 0 or a negative error. */
NU_NODISCARD int nu_log_open(const char *path);
/* Reopens the file (after log rotation). */
void nu_log_reopen(void);

#endif
