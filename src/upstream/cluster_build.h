/* SPDX-License-Identifier: Apache-2.0
 *
 * What config/cluster_build.c makes of a cluster's message and the cluster manager applies. */
#ifndef NU_UPSTREAM_CLUSTER_BUILD_H
#define NU_UPSTREAM_CLUSTER_BUILD_H

#include "net/dns.h"
#include "upstream/cluster.h"
#include "upstream/cluster_manager.h"
#include "upstream/host_set.h"

enum nu_cluster_type { NU_CLUSTER_STATIC, NU_CLUSTER_STRICT_DNS, NU_CLUSTER_LOGICAL_DNS };

/* The configured endpoints: one block of memory, freed with nu_assignment_free. */
struct nu_endpoint_conf {
    struct nu_address *address; /* reference; NULL: a name to resolve */
    nu_str dns_name;
    uint16_t port;
    nu_str hostname;
    uint32_t locality;          /* index */
    uint32_t weight;            /* 1 by default */
    uint32_t health_flags;      /* EDS health */
    bool canary;
    struct nu_labels labels;    /* for transport_socket_matches; owned */
};
struct nu_assignment {
    uint32_t n_localities, n_endpoints;
    struct nu_locality_conf *localities;
    struct nu_endpoint_conf *endpoints;
};
void nu_assignment_free(struct nu_assignment **a);

struct nu_dns_conf {
    nu_ms refresh;              /* dns_refresh_rate, 5 s */
    nu_ms failure_base, failure_max; /* 0: refresh */
    nu_ms jitter;
    bool respect_ttl;
    enum nu_dns_family family;
    struct nu_resolver_conf *resolver; /* owned; NULL: the server's (net/dns.h) */
};

void nu_dns_conf_free(struct nu_dns_conf **d);

struct nu_cluster_build {
    nu_str name, stat_name;     /* in `text`; the latter has '_' for ':' */
    uint8_t *message;           /* wire bytes; NULL: not kept (then an update always applies) */
    size_t message_len;
    struct nu_cluster_info *info; /* one reference; cluster and generation still unset */
    enum nu_cluster_type type;
    struct nu_assignment *assignment;
    struct nu_dns_conf *dns;    /* NULL: STATIC */
    bool wait_for_warm;
    bool added_via_api;         /* set by the caller of apply */
    char text[];
};

#endif
