/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of upstream/: a process with one worker that is run by hand, and clusters made without configuration.
 */
#ifndef NU_UPSTREAM_TEST_RIG_H
#define NU_UPSTREAM_TEST_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "net/extension.h"
#include "net/server.h"
#include "upstream/cluster_build.h"
#include "upstream/cluster_manager.h"
#include "upstream/cluster_stats.h"
#include "upstream/membership_stats.h"
#include "upstream/lb.h"
#include "worker/worker.h"

struct rig {
    struct nu_server server;
    struct nu_worker *w; /* the worker that plays the data path */
};

static inline void rig_init(struct rig *r)
{
    *r = (struct rig){0};
    r->server.workers = nu_workers_new(1);
    r->server.stats = nu_stats_new(2);
    r->server.workers->stats = r->server.stats;
    r->w = &r->server.workers->workers[0];
    nu_random_seed(&r->w->random, 42);
    (void)nu_cluster_manager_new(&r->server);
}

/* A few turns of both loops. */
static inline void rig_run(struct rig *r)
{
    for (int i = 0; i < 10; i++) {
        nu_loop_turn(r->w->loop, NU_MS(1));
        nu_loop_turn(nu_workers_main(r->server.workers)->loop, NU_MS(1));
    }
}

static inline void rig_end(struct rig *r)
{
    nu_cluster_manager_free(&r->server.clusters);
    rig_run(r);
    nu_workers_free(&r->server.workers);
    nu_stats_free(&r->server.stats);
}

static inline uint64_t rig_stat(const struct nu_cluster *c, unsigned index)
{
    bool used;
    return nu_stat_read(c->scope, index, &used);
}
static inline NU_UNUSED uint64_t rig_membership(const struct nu_cluster *c, unsigned index)
{
    bool used;
    return nu_stat_read(c->membership, index, &used);
}

/* Endpoints "127.0.0.1:1" (or "name" of a DNS cluster), one a row; locality 0 is priority 0, locality 1 priority 1 ...
 */
struct rig_endpoint {
    const char *ip;
    uint16_t port;
    uint32_t weight, locality, health_flags;
};

static inline struct nu_assignment *rig_assignment(const struct rig_endpoint *e, uint32_t n, uint32_t n_localities,
                                                   bool names)
{
    struct nu_assignment *a =
        nu_zalloc(sizeof(*a) + n_localities * sizeof(a->localities[0]) + n * sizeof(a->endpoints[0]));
    a->n_localities = n_localities;
    a->n_endpoints = n;
    a->localities = (void *)(a + 1);
    a->endpoints = (void *)(a->localities + n_localities);
    for (uint32_t i = 0; i < n_localities; i++)
        a->localities[i] = (struct nu_locality_conf){.priority = i, .zone = NU_STR("z")};
    for (uint32_t i = 0; i < n; i++) {
        struct nu_sockaddr sock;
        a->endpoints[i] = (struct nu_endpoint_conf){.port = e[i].port,
                                                    .weight = e[i].weight ? e[i].weight : 1,
                                                    .locality = e[i].locality,
                                                    .health_flags = e[i].health_flags};
        if (names) {
            a->endpoints[i].dns_name = nu_str_from(e[i].ip);
            continue;
        }
        assert_true(nu_sockaddr_parse_ip(nu_str_from(e[i].ip), e[i].port, &sock));
        a->endpoints[i].address = nu_address_from_sock(&sock);
    }
    return a;
}

extern const struct nu_extension nu_ext_lb_round_robin, nu_ext_lb_least_request, nu_ext_lb_random;

static inline const struct nu_lb_ops *rig_lb(const struct nu_extension *e)
{
    return ((const struct nu_lb_factory *)e->ops)->ops;
}

/* A build of a cluster "c"; the test may change it before applying it. */
static inline struct nu_cluster_build *rig_build(struct nu_assignment *a)
{
    struct nu_cluster_build *b = nu_new(struct nu_cluster_build);
    struct nu_cluster_info *i = nu_new(struct nu_cluster_info);
    nu_ref_init(&i->refs);
    nu_arena_init(&i->arena, NULL);
    i->connect_timeout = NU_MS(500);
    i->transport = &nu_raw_buffer;
    i->buffer_limit = 1u << 20;
    i->http_idle_timeout = NU_SECONDS(3600);
    i->tcp_idle_timeout = NU_SECONDS(600);
    i->h1.max_head_bytes = 60 * 1024;
    i->h1.max_headers_count = 100;
    i->per_host_max_connections = UINT64_MAX;
    i->overprovisioning = 140;
    i->panic_threshold = 50;
    i->lb = rig_lb(&nu_ext_lb_round_robin);
    for (int p = 0; p < NU_N_PRIORITIES; p++)
        i->breakers[p] = (struct nu_breaker_limits){.max_connections = 1024,
                                                    .max_pending_requests = 1024,
                                                    .max_requests = 1024,
                                                    .max_retries = 3,
                                                    .max_connection_pools = UINT64_MAX};
    b->info = i;
    b->name = b->stat_name = NU_STR("c");
    b->assignment = a;
    b->wait_for_warm = true;
    return b;
}

static inline struct nu_cluster *rig_apply(struct rig *r, struct nu_cluster_build *b)
{
    nu_cluster_manager_apply(r->server.clusters, &b, 1, NULL, 0);
    return nu_cluster_find(r->server.clusters, NU_STR("c"));
}

static inline struct nu_cluster *rig_cluster(struct rig *r, const struct rig_endpoint *e, uint32_t n,
                                             uint32_t n_localities)
{
    return rig_apply(r, rig_build(rig_assignment(e, n, n_localities, false)));
}

#endif
