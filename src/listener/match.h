/* SPDX-License-Identifier: Apache-2.0
 *
 * Which filter chain a connection gets: FilterChainMatch. Nine criteria are asked in Envoy's order, each keeps only the
 * most specific survivors, and there is no way back:
 *
 *     destination port > destination IP > server name > transport protocol > application protocol >
 *     direct source IP > source type > source IP > source port
 *
 * One hash table per step and branch; the tables are immutable once built. */
#ifndef NU_LISTENER_MATCH_H
#define NU_LISTENER_MATCH_H

#include "net/address.h"
#include "net/stream_info.h"

struct nu_filter_chain;
struct nu_chain_matcher;

enum nu_source_type { NU_SOURCE_ANY, NU_SOURCE_SAME_IP_OR_LOOPBACK, NU_SOURCE_EXTERNAL };

/* listener.FilterChainMatch. What is empty or 0 matches everything. */
struct nu_chain_criteria {
    uint32_t destination_port;
    const struct nu_cidr *destination_ips, *direct_source_ips, *source_ips;
    size_t n_destination_ips, n_direct_source_ips, n_source_ips;
    const nu_str *server_names; /* lower case; "*.x" wildcards as ".x" */
    size_t n_server_names;
    nu_str transport_protocol;
    const nu_str *application_protocols;
    size_t n_application_protocols;
    enum nu_source_type source_type;
    const uint32_t *source_ports;
    size_t n_source_ports;
};

/* In `a`, which must outlive it. Texts of criteria are borrowed. */
struct nu_chain_matcher *nu_chain_matcher_new(struct nu_arena *a);
/* Adds a chain. NULL, or the chain that is there already under criteria that overlap in the same rank: the caller
 * refuses both. */
struct nu_filter_chain *nu_chain_matcher_add(struct nu_chain_matcher *m, const struct nu_chain_criteria *c,
                                             struct nu_filter_chain *chain);
/* The chain for a connection's record; NULL: none (the caller tries the default chain). */
struct nu_filter_chain *nu_chain_match(const struct nu_chain_matcher *m, const struct nu_conn_info *info);

#endif
