/* SPDX-License-Identifier: Apache-2.0
 *
 * Host name -> virtual host, in Envoy's order: exact name, the longest "*suffix", the longest "prefix*", "*". Names are
 * compared without case. A wildcard stands for one byte at least. One hash lookup per kind and per distinct length, so
 * that ten thousand virtual hosts cost what ten do. Built once, then immutable. */
#ifndef NU_ROUTER_DOMAINS_H
#define NU_ROUTER_DOMAINS_H

#include "base/arena.h"
#include "base/map.h"
#include "base/str.h"

/* One kind of wildcard: the fixed parts by value, and the lengths that occur, longest first. */
struct nu_domain_set {
    struct nu_map by_name;
    uint32_t *lengths;
    uint32_t n_lengths, cap_lengths;
};

/* Zero-initialise; nu_domains_free. */
struct nu_domains {
    struct nu_map exact;
    struct nu_domain_set suffixes, prefixes;
    void *any; /* "*" */
};

enum nu_domain_added { NU_DOMAIN_ADDED, NU_DOMAIN_DUPLICATE, NU_DOMAIN_SECOND_ANY };

/* Adds a domain in any of the four forms; the name is copied into the arena in lower case. */
enum nu_domain_added nu_domains_add(struct nu_domains *d, struct nu_arena *a, nu_str domain, void *value);
/* The value for a host (as in the Host header, any case); NULL: none. ptr == NULL: no host, only "*" matches. */
void *nu_domains_find(const struct nu_domains *d, nu_str host);
void nu_domains_free(struct nu_domains *d);

/* Where ":port" begins in a host; host.len when there is none. IPv6 literals are in brackets. */
size_t nu_host_port_start(nu_str host);

#endif
