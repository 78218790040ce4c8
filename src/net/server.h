/* SPDX-License-Identifier: Apache-2.0
 *
 * The process as the layers below server/ see it: shared services, made once at start, borrowed everywhere. */
#ifndef NU_NET_SERVER_H
#define NU_NET_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/str.h"

struct nu_stats;
struct nu_workers;
struct nu_runtime;
struct nu_cluster_manager;
struct nu_log_writer;
struct nu_resolver;
struct nu_listener_manager;
struct nu_secrets;
struct nu_tls;

struct nu_server {
    struct nu_workers *workers;
    struct nu_stats *stats;
    struct nu_runtime *runtime;          /* worker/runtime.h: layered runtime flags */
    struct nu_cluster_manager *clusters; /* upstream/cluster_manager.h */
    struct nu_log_writer *log_writer;    /* net/log_writer.h: the writer thread of log files */
    struct nu_resolver *resolver;        /* net/dns.h: the default resolver, on the main loop */
    struct nu_listener_manager *listeners;
    struct nu_secrets *secrets;          /* tls/secret.h */
    struct nu_tls *tls;                  /* tls/tls_process.h; NULL: no TLS transport was ever configured */
    struct nu_scope *async_client;       /* http.async-client.: router statistics of requests that the process makes */
    nu_str node_id, node_cluster;        /* bootstrap node or --service-node, --service-cluster */
    nu_str node_region, node_zone, node_sub_zone;
    nu_str header_prefix;                /* "x-envoy" */
    struct nu_atomic_u32 draining;       /* 0 no, 1 listeners drain (DrainManager::drainClose) */
    struct nu_atomic_u32 healthcheck_failed; /* /healthcheck/fail */
    uint64_t drain_started_ms, drain_time_ms; /* --drain-time-s; main loop's clock */
    struct nu_atomic_u32 drain_strategy_immediate;
    nu_str local_address;                /* of the machine's own interface: what XFF says for a loopback peer */
    uint64_t start_wall_ns;
};

#endif
