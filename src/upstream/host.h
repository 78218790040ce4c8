/* SPDX-License-Identifier: Apache-2.0
 *
 * A host: one address of a cluster. Its identity (cluster and address) outlives membership snapshots and carries
 * counters, health and per-worker pools. Shared by all threads: what changes is atomic. */
#ifndef NU_UPSTREAM_HOST_H
#define NU_UPSTREAM_HOST_H

#include "base/atomic.h"
#include "base/ref.h"
#include "base/str.h"
#include "net/address.h"
#include "upstream/transport_match.h"
#include "worker/slot.h"

struct nu_cluster;
struct nu_host_pools;

/* Health flags, Envoy's words in /clusters. Health checks and outlier detection set theirs later; EDS health status is set
 * from config now. */
#define NU_HEALTH_FLAGS(X)                                                                         \
    X(FAILED_ACTIVE_HC, "/failed_active_hc")                                                       \
    X(FAILED_OUTLIER_CHECK, "/failed_outlier_check")                                               \
    X(FAILED_EDS_HEALTH, "/failed_eds_health")                                                     \
    X(DEGRADED_ACTIVE_HC, "/degraded_active_hc")                                                   \
    X(DEGRADED_EDS_HEALTH, "/degraded_eds_health")                                                 \
    X(PENDING_DYNAMIC_REMOVAL, "/pending_dynamic_removal")                                         \
    X(PENDING_ACTIVE_HC, "/pending_active_hc")                                                     \
    X(EXCLUDED_VIA_IMMEDIATE_HC_FAIL, "/excluded_via_immediate_hc_fail")                           \
    X(ACTIVE_HC_TIMEOUT, "/active_hc_timeout")                                                     \
    X(EDS_STATUS_DRAINING, "/eds_status_draining")                                                 \
    X(DEGRADED_OUTLIER_DETECTION, "/degraded_outlier_detection")

enum nu_health_flag_bit {
#define X(name, text) NU_HEALTH_BIT_##name,
    NU_HEALTH_FLAGS(X)
#undef X
    NU_N_HEALTH_FLAGS
};
#define NU_HEALTH(name) (1u << NU_HEALTH_BIT_##name)

enum nu_health { NU_UNHEALTHY, NU_DEGRADED, NU_HEALTHY };

struct nu_host_stats { /* as in /clusters */
    struct nu_atomic_u64 cx_active, cx_connect_fail, cx_total;
    struct nu_atomic_u64 rq_active, rq_error, rq_pending_active, rq_success, rq_timeout, rq_total;
};

struct nu_host {
    struct nu_ref refs;
    struct nu_cluster *cluster;   /* reference: a cluster outlives its hosts */
    struct nu_address *address;   /* reference */
    nu_str hostname;              /* endpoint.hostname or the DNS name; may be empty */
    nu_str region, zone, sub_zone;
    uint32_t priority;
    struct nu_atomic_u32 weight;  /* load_balancing_weight, 1 by default */
    struct nu_atomic_u32 health_flags;
    bool canary;
    struct nu_host_labels labels; /* for transport_socket_matches; own memory */
    const struct google_protobuf_Struct *metadata_envoy_lb;
    struct nu_host_stats stats;
    struct nu_atomic_u32 removed; /* no longer in the cluster: its pools drain */
    bool kept;                    /* main thread, while memberships are compared */
    struct nu_host_pools *pools[]; /* [worker index, main last]; each worker touches its own entry only */
};

/* What a host is made from; strings are copied. */
struct nu_host_conf {
    struct nu_address *address;
    nu_str hostname, region, zone, sub_zone;
    uint32_t priority, weight, health_flags;
    bool canary;
    struct nu_host_labels labels;
};
/* Main thread: a host with one reference. */
struct nu_host *nu_host_new(struct nu_cluster *c, const struct nu_host_conf *conf);

struct nu_sb;
struct nu_host *nu_host_ref(struct nu_host *h);
void nu_host_unref(struct nu_host **h);
enum nu_health nu_host_health(const struct nu_host *h);
/* "healthy" or the flags' texts joined. */
void nu_host_health_text(const struct nu_host *h, struct nu_sb *sb);

#endif
