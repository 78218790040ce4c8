/* SPDX-License-Identifier: Apache-2.0
 *
 * transport_socket_matches: which of a cluster's transports connections to a host use. The first entry counts whose labels
 * are all among the host's: metadata of the namespace envoy.transport_socket_match. */
#ifndef NU_UPSTREAM_TRANSPORT_MATCH_H
#define NU_UPSTREAM_TRANSPORT_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct nu_cluster;
struct nu_cluster_info;
struct nu_host;
struct nu_scope;
struct nu_transport_conf;

/* A key, and a hash of its value (nu_pb_hash): equal values, equal hashes. */
struct nu_label {
    nu_str key;
    uint64_t value;
};

struct nu_labels {
    const struct nu_label *items;
    uint32_t n;
};

/* What a host is matched by: its endpoint's, and where nothing fits these, its locality's. */
struct nu_host_labels {
    struct nu_labels endpoint, locality;
};

/* One Cluster.TransportSocketMatch. */
struct nu_transport_match {
    struct nu_labels labels; /* none: matches every host */
    const struct nu_transport_conf *transport;
    struct nu_scope *scope;  /* cluster.<c>.<name>.; held by the arena */
};

/* A copy in one block of the heap, which nu_labels_free gives back. */
struct nu_labels nu_labels_copy(const struct nu_labels *l);
void nu_labels_free(struct nu_labels *l);
struct nu_host_labels nu_host_labels_copy(const struct nu_host_labels *l);
void nu_host_labels_free(struct nu_host_labels *l);
/* The same labels, in whatever order. */
bool nu_host_labels_equal(const struct nu_host_labels *a, const struct nu_host_labels *b);

/* The transport for connections to a host; any thread. */
const struct nu_transport_conf *nu_transport_of(const struct nu_cluster_info *info, const struct nu_host *host);
/* Counts that `n` hosts with these labels were given a transport (total_match_count); main thread. */
void nu_transport_count(struct nu_cluster *c, const struct nu_host_labels *labels, uint64_t n);

#endif
