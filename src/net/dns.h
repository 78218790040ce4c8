/* SPDX-License-Identifier: Apache-2.0
 *
 * Names to addresses, on the main loop: hosts file first, then DNS (c-ares, its sockets watched by our loop). A resolver is
 * an interface, so that tests and other implementations can stand in. Main thread only. */
#ifndef NU_NET_DNS_H
#define NU_NET_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "net/address.h"

struct nu_loop;
struct nu_stats;

enum nu_dns_family {
    NU_DNS_AUTO,         /* IPv6, and IPv4 when there is none */
    NU_DNS_V4_ONLY,
    NU_DNS_V6_ONLY,
    NU_DNS_V4_PREFERRED, /* IPv4, and IPv6 when there is none */
    NU_DNS_ALL,
};

struct nu_dns_answer {
    struct nu_sockaddr sock; /* port 0 */
    uint32_t ttl_s;
};

struct nu_resolver;

/* Embed in the owner, zero-initialise, set done. */
struct nu_dns_query {
    /* Called once, never before nu_dns_resolve has returned. ok false: no answer (servers do not answer, malformed name);
     * a name that has no address is ok with n == 0. Answers are valid during the call. */
    void (*done)(struct nu_dns_query *q, bool ok, const struct nu_dns_answer *answers, size_t n);
    struct nu_resolver *resolver; /* NULL: not running */
    void *job;                    /* the resolver's */
};

struct nu_resolver_ops {
    void (*resolve)(struct nu_resolver *r, struct nu_dns_query *q, nu_str name, enum nu_dns_family family);
    void (*cancel)(struct nu_resolver *r, struct nu_dns_query *q);
    void (*free)(struct nu_resolver *r);
};

/* First member of an implementation. */
struct nu_resolver {
    const struct nu_resolver_ops *ops;
};

/* Of the c-ares resolver. Zero: resolv.conf and defaults. */
struct nu_resolver_conf {
    struct nu_sockaddr *servers; /* with ports (0: 53) */
    size_t n_servers;
    bool servers_as_fallback;    /* use_resolvers_as_fallback: only when the system names none */
    bool use_tcp, no_search, rotate;
    uint32_t timeout_s, tries, edns_payload; /* 0: default */
};

/* stats may be NULL; counts in "dns.cares.". Copies what it needs of conf (NULL: defaults). */
struct nu_resolver *nu_resolver_new(struct nu_loop *loop, struct nu_stats *stats, unsigned slab,
                                    const struct nu_resolver_conf *conf);
/* Running queries must have been cancelled. */
void nu_resolver_free(struct nu_resolver **r);
struct nu_resolver_conf *nu_resolver_conf_copy(const struct nu_resolver_conf *conf);
void nu_resolver_conf_free(struct nu_resolver_conf **conf);

/* Starts; q must not be running. */
void nu_dns_resolve(struct nu_resolver *r, struct nu_dns_query *q, nu_str name, enum nu_dns_family family);
/* No callback comes after it. Harmless when nothing runs. */
void nu_dns_cancel(struct nu_dns_query *q);

#endif
