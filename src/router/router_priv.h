/* SPDX-License-Identifier: Apache-2.0
 *
 * The router filter inside. router.c: its life, the request, the response; prepare.c: cluster, host, heads, timeouts of a
 * request; abort.c: everything that ends badly and retries; code_stats.c: counts. */
#ifndef NU_ROUTER_ROUTER_PRIV_H
#define NU_ROUTER_ROUTER_PRIV_H

#include "http/filter.h"
#include "net/access_log.h"
#include "net/server.h"
#include "router/attempt.h"
#include "router/retry.h"
#include "router/router.h"
#include "router/table.h"
#include "upstream/cluster_manager.h"

struct nu_shadow;

struct router {
    struct nu_http_filter base;
    const struct nu_router_conf *conf;
    struct nu_worker *worker;
    struct nu_stream_info *info;
    struct nu_http_headers *request, *trailers;
    const struct nu_route_entry *entry; /* NULL: not forwarded */
    const struct nu_route_action *action;
    const struct nu_weighted_cluster *weighted;
    const struct nu_virtual_cluster *vcluster; /* NULL: none */
    struct nu_cluster *cluster;        /* reference */
    struct nu_cluster_info *settings;  /* reference */
    struct nu_attempt up;
    struct nu_retry *retry; /* NULL: no retry possible (any more) */
    struct nu_shadow *shadows;
    struct nu_buf saved;    /* the request's body so far: for retries, mirrors, internal redirects */
    nu_str alt_stat_name;   /* x-envoy-upstream-alt-stat-name; empty: none */
    struct nu_timer response_timer, per_try_timer, duration_timer;
    uint64_t request_done_ns; /* 0: the request is not complete */
    nu_ms timeout, per_try_timeout;
    uint32_t attempt_count;
    uint16_t timeout_code;
    bool grpc, is_retry, saving, overflowed;
    bool request_complete, response_started, dead;
    bool internal, canary, downstream_high, grpc_success_deferred;
    bool connecting; /* CONNECT or an upgrade: no mirrors, the body waits */
};

/* prepare.c */

/* The cluster that the route names for this request; false: there is none. */
bool router_find_cluster(struct router *r);
/* Timeouts from the route and from x-envoy-* headers; x-envoy-expected-rq-timeout-ms for the upstream. */
void router_read_timeouts(struct router *r);
void router_set_timeout_header(struct router *r, uint64_t elapsed_ms);
void router_set_attempt_count(struct router *r);
/* Chooses a host; NULL: none. */
struct nu_host *router_pick_host(struct router *r);
/* x-envoy-attempt-count for the client, where the virtual host wants it. */
void router_add_attempt_count(struct router *r, struct nu_http_headers *h);
nu_str router_number(struct router *r, uint64_t v);

/* abort.c */

void router_reply(struct router *r, unsigned status, nu_str body, nu_str details, bool overloaded);
void router_no_healthy(struct router *r);
void router_on_reset(struct router *r, enum nu_reset_reason why, nu_str transport);
void router_on_response_timeout(struct router *r);
void router_on_per_try_timeout(struct router *r);
void router_on_max_duration(struct router *r);
/* A 507: the body outgrew the buffer while a retry waited. */
void router_body_too_large(struct router *r);
/* upstream_log: one line an attempt, the last one when the stream ends. */
void router_log_attempt(struct router *r, const struct nu_http_headers *response, unsigned code);
/* Timers, retries: nothing of ours fires any more. The attempt is over. */
void router_cleanup(struct router *r);

/* router.c */

/* Starts an attempt at the chosen host, with what is there of the request. */
void router_send(struct router *r, struct nu_host *host);
void router_retry(struct nu_retry *retry);

/* internal_redirect.c: follows a redirect; false: it passes on to the client. */
bool router_follow_redirect(struct router *r, const struct nu_http_headers *h);

/* code_stats.c */

void router_charge_code(struct router *r, unsigned code, bool dropped);
void router_charge_time(struct router *r);
void router_count(struct router *r, unsigned index);
void router_count_cluster(struct router *r, unsigned index);
/* In the virtual cluster and the route, where they have statistics. */
void router_count_scopes(struct router *r, unsigned vcluster_index);

#endif
