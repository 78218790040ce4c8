/* SPDX-License-Identifier: Apache-2.0
 *
 * A cluster: identity by name (counters, breakers, hosts, pools, balancer state), plus two snapshots published through
 * slots: its settings (struct nu_cluster_info) and its membership (struct nu_host_set). A stream that uses a cluster
 * takes a reference of the cluster and of the info it began with. */
#ifndef NU_UPSTREAM_CLUSTER_H
#define NU_UPSTREAM_CLUSTER_H

#include "base/clock.h"
#include "http/session.h"
#include "net/conn.h"
#include "upstream/host.h"
#include "upstream/transport_match.h"
#include "worker/slot.h"

struct nu_lb_ops;
struct nu_scope;

enum nu_priority { NU_PRIORITY_DEFAULT, NU_PRIORITY_HIGH, NU_N_PRIORITIES };

/* Circuit breakers: limits of the snapshot, use counted in the cluster (all workers share it). */
struct nu_breaker_limits {
    uint64_t max_connections, max_pending_requests, max_requests, max_retries, max_connection_pools;
    bool has_retry_budget;
    double budget_percent;
    uint64_t min_retry_concurrency;
    bool track_remaining;
};
enum nu_breaker { NU_BREAKER_CX, NU_BREAKER_PENDING, NU_BREAKER_RQ, NU_BREAKER_RETRY, NU_BREAKER_POOL, NU_N_BREAKERS };

struct nu_breaker_use {
    struct nu_atomic_u64 n[NU_N_BREAKERS];
    struct nu_atomic_u32 open[NU_N_BREAKERS]; /* what the *_open gauges say */
};

/* Immutable settings. */
struct nu_cluster_info {
    struct nu_ref refs;
    struct nu_cluster *cluster;         /* borrowed: whoever holds an info holds its cluster */
    uint64_t generation;                /* grows with each change of the cluster */
    struct nu_arena arena;              /* of what extensions keep: transport, balancer */
    nu_ms connect_timeout;              /* 5 s by default */
    uint32_t buffer_limit;              /* per_connection_buffer_limit_bytes, 1 MiB by default */
    const struct nu_transport_conf *transport; /* of hosts that no match is for: nu_transport_of */
    const struct nu_transport_match *transport_matches;
    uint32_t n_transport_matches;
    struct nu_breaker_limits breakers[NU_N_PRIORITIES];
    uint64_t per_host_max_connections;  /* per_host_thresholds; UINT64_MAX: none */
    struct nu_h1_options h1;
    nu_ms http_idle_timeout;            /* 1 h by default; 0: none */
    nu_ms tcp_idle_timeout;             /* 10 min */
    nu_ms max_connection_duration;      /* 0: none */
    nu_ms max_stream_duration;          /* 0: none */
    uint64_t max_requests_per_connection; /* 0: unlimited */
    struct nu_connect_options connect;  /* keepalive, source address */
    const struct nu_lb_ops *lb;
    const void *lb_conf;
    uint32_t panic_threshold;           /* percent */
    uint32_t overprovisioning;          /* percent, 140 */
    bool locality_weighted;
    bool fail_on_panic;                 /* fail_traffic_on_panic: no host rather than an unhealthy one */
    nu_str alt_stat_name, service_name;
    nu_str override_auto_sni_header; /* empty: none */
    bool secure;
    bool auto_sni, auto_san_validation; /* upstream_http_protocol_options */
};

/* Membership of one priority, immutable. The healthy, degraded and all lists share hosts (references held by `all`). */
struct nu_priority_hosts {
    struct nu_host **all, **healthy, **degraded;
    uint32_t n_all, n_healthy, n_degraded, n_excluded;
    uint32_t overprovisioning; /* percent, 140 */
    struct nu_locality_hosts {
        nu_str region, zone, sub_zone;
        uint32_t weight; /* 0: none given */
        struct nu_host **all, **healthy, **degraded;
        uint32_t n_all, n_healthy, n_degraded;
    } *localities;
    uint32_t n_localities;
    bool locality_weighted;
};

struct nu_host_set {
    struct nu_ref refs;
    struct nu_arena arena;
    struct nu_priority_hosts *priorities;
    uint32_t n_priorities;
    uint32_t n_all, n_healthy, n_degraded;
    /* Load per priority in percent, healthy and degraded (upstream/priority.c) and whether a level is in panic. */
    uint8_t *healthy_load, *degraded_load;
    bool *panic;
};

struct nu_cluster {
    struct nu_ref refs;
    struct nu_server *server;
    nu_str name;
    nu_str stat_name;         /* alt_stat_name or name, ':' as '_' */
    struct nu_scope *scope;   /* "cluster.<stat_name>."; layout upstream/cluster_stats.def */
    struct nu_scope *membership; /* the same prefix; layout upstream/membership_stats.def */
    struct nu_slot info;      /* struct nu_cluster_info */
    struct nu_slot hosts;     /* struct nu_host_set */
    struct nu_breaker_use breakers[NU_N_PRIORITIES];
    struct nu_scope *remaining[NU_N_PRIORITIES]; /* of breakers with track_remaining (upstream/breaker.c); NULL: none */
    struct nu_conn_stats conn_stats; /* of every connection to its hosts */
    struct nu_cluster_source *source; /* what finds the hosts: strict_dns, ...; NULL: static. Main thread */
    uint8_t *message;         /* the wire bytes of its config message (/config_dump); NULL: not kept. Main thread */
    size_t message_len;
    uint64_t updated_wall_ns; /* when it was added or last changed. Main thread */
    struct nu_post destroy;
    bool added_via_api, removed, warm;
    bool hidden; /* no longer configured; connections that drain may still name it. Main thread */
    void *lb_locals[];        /* [worker, main last]: balancer state of each worker (upstream/lb.c) */
};

struct nu_cluster *nu_cluster_ref(struct nu_cluster *c);
void nu_cluster_unref(struct nu_cluster **c);
struct nu_cluster_info *nu_cluster_info_ref(struct nu_cluster_info *i);
void nu_cluster_info_unref(struct nu_cluster_info **i);

struct nu_host_set *nu_host_set_ref(struct nu_host_set *s);
void nu_host_set_unref(struct nu_host_set **s);

/* NULL after the cluster was removed. */
static inline struct nu_cluster_info *nu_cluster_settings(const struct nu_cluster *c)
{
    return nu_slot_get(&c->info);
}
/* NULL: not resolved yet, or removed. */
static inline const struct nu_host_set *nu_cluster_hosts(const struct nu_cluster *c)
{
    return nu_slot_get(&c->hosts);
}

#endif
