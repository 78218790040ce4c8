/* SPDX-License-Identifier: Apache-2.0
 *
 * Load balancing: which host serves. Priority, health and panic are decided in upstream/priority.c; a policy (round robin,
 * least request, random, later hashing) chooses among the hosts of one list. */
#ifndef NU_UPSTREAM_LB_H
#define NU_UPSTREAM_LB_H

#include "upstream/cluster.h"

struct nu_http_headers;
struct nu_extension;

/* What a caller knows; zero-initialise. */
struct nu_lb_context {
    const struct nu_http_headers *headers; /* NULL: TCP */
    struct nu_conn *downstream;
    bool has_hash;
    uint64_t hash;
    const struct google_protobuf_Struct *metadata_match; /* envoy.lb keys; NULL: none */
    /* Retry: true refuses this host; asked again at most `max_attempts` times, then the last one is taken. */
    bool (*refuse)(const struct nu_lb_context *ctx, const struct nu_host *h);
    unsigned max_attempts;
    /* Retry priority: replaces healthy_load/degraded_load; NULL: as they are. */
    const uint8_t *healthy_load, *degraded_load;
};

/* First member of every policy's conf. */
struct nu_lb_conf {
    bool locality_weighted; /* locality_weighted_lb_config */
    bool fail_on_panic;     /* zone_aware_lb_config.fail_traffic_on_panic */
};

/* A policy. State is per worker and per host list. */
struct nu_lb_ops {
    const char *name;
    /* The policy's state for a host set on one worker, rebuilt when the set changes; NULL op: none. */
    void *(*make)(const struct nu_cluster_info *info, const struct nu_host_set *hosts, struct nu_worker *w,
                  void *previous);
    void (*free)(void *state);
    /* Picks from a list (never empty). which: 0 healthy, 1 degraded, 2 all; locality: -1 or its index. */
    struct nu_host *(*pick)(void *state, const struct nu_cluster_info *info, struct nu_host *const *list, uint32_t n,
                            uint32_t priority, int which, int locality, struct nu_worker *w,
                            const struct nu_lb_context *ctx);
};

/* ops of an extension of category "envoy.load_balancing_policies". */
struct nu_lb_factory {
    const struct nu_lb_ops *ops;
    /* conf (first member: struct nu_lb_conf) in f->arena, or NULL (reported when f->diags grew; else the policy has no
     * conf). msg may be NULL: all defaults. */
    const void *(*create)(struct nu_factory *f, const struct nu_pb_msg *msg);
};

/* Any worker. The host, without a reference (valid until the end of the turn); NULL: none (UH). Counts lb_healthy_panic. */
struct nu_host *nu_cluster_pick(struct nu_cluster *c, struct nu_worker *w, const struct nu_lb_context *ctx);

#endif
