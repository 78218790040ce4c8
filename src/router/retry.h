/* SPDX-License-Identifier: Apache-2.0
 *
 * The retries of one request: whether another attempt is made, when, and on which hosts. Lives in the stream's arena while
 * a retry is still possible. Holds a slot of the cluster's retry breaker from the decision until the attempt's outcome. */
#ifndef NU_ROUTER_RETRY_H
#define NU_ROUTER_RETRY_H

#include "event/loop.h"
#include "router/retry_policy.h"
#include "upstream/breaker.h"
#include "upstream/lb.h"

struct nu_worker;
struct nu_http_filter;
struct nu_scope;

enum nu_retry_status { NU_RETRY_NO, NU_RETRY_YES, NU_RETRY_OVERFLOW, NU_RETRY_LIMIT };

struct nu_retry {
    const struct nu_retry_policy *policy; /* NULL: from request headers only */
    struct nu_worker *worker;
    const struct nu_runtime *runtime;
    struct nu_cluster *cluster;   /* references: the slot goes back to where it was taken */
    struct nu_cluster_info *info;
    struct nu_scope *scopes[3]; /* where retries are counted beside the cluster: virtual cluster, route; NULL-terminated */
    enum nu_priority priority;
    uint32_t on, remaining;
    uint64_t next_ms, max_ms;  /* back-off */
    uint64_t rate_limited_ms;  /* 0: not told by the upstream */
    uint32_t *codes;           /* of x-envoy-retriable-status-codes */
    size_t n_codes;
    nu_str header_names;       /* x-envoy-retriable-header-names */
    struct nu_host **tried;    /* references */
    unsigned n_tried, cap_tried;
    struct nu_timer timer;
    void (*again)(struct nu_retry *r);
    struct nu_http_filter *owner; /* whose request it is; for again */
    bool holds_slot;
};

/* Whether a request may be retried at all, by its route or its headers; then the state, else NULL. Removes the headers that
 * ask for retries. `again` is called when the pause is over. */
struct nu_retry *nu_retry_new(struct nu_arena *a, const struct nu_retry_policy *policy, struct nu_http_headers *h,
                              struct nu_worker *w, const struct nu_runtime *rt, struct nu_cluster *c,
                              struct nu_cluster_info *i, enum nu_priority p, void (*again)(struct nu_retry *r));
/* After a response's headers / after a reset: decides, counts, and starts the pause on YES. */
enum nu_retry_status nu_retry_on_headers(struct nu_retry *r, const struct nu_http_headers *h);
enum nu_retry_status nu_retry_on_reset(struct nu_retry *r, enum nu_reset_reason why, bool request_started);
/* Remembers a host that was tried. */
void nu_retry_host_tried(struct nu_retry *r, struct nu_host *h);
/* For nu_lb_context.refuse. */
bool nu_retry_refuses(const struct nu_retry *r, const struct nu_host *h);
/* Cancels the pause, gives the slot and the hosts back. */
void nu_retry_end(struct nu_retry *r);

/* Pure decisions, for tests. */
bool nu_retry_would_headers(const struct nu_retry *r, const struct nu_http_headers *h);
bool nu_retry_would_reset(const struct nu_retry *r, enum nu_reset_reason why, bool request_started);
/* The reset interval in ms out of rate_limited_retry_back_off's headers; 0: none. now: wall clock, seconds. */
uint64_t nu_retry_reset_interval(const struct nu_retry_policy *p, const struct nu_http_headers *h, uint64_t now);

#endif
