/* SPDX-License-Identifier: Apache-2.0
 *
 * The bootstrap: from files and texts to its message, and from the message to what the process is made of. Main thread. */
#ifndef NU_CONFIG_BOOTSTRAP_H
#define NU_CONFIG_BOOTSTRAP_H

#include "base/clock.h"
#include "base/map.h"
#include "codec/tree.h"
#include "net/dns.h"
#include "net/extension.h"
#include "stats/output.h"
#include "worker/watchdog.h"

struct envoy_config_bootstrap_v3_Bootstrap;
struct nu_cluster_build;
struct nu_listener_conf;
struct nu_runtime;
struct nu_secrets;

/* ---- reading ---- */

/* Where a configuration comes from. */
struct nu_bootstrap_source {
    nu_str path;       /* --config-path: .yaml, .yml, .json, .pb; empty: none */
    nu_str inline_text; /* --config-yaml, merged over the file; empty: none */
    bool allow_unknown; /* fields that nobody knows are warnings */
};

/* Reads, translates Envoy's first form, merges, loads and checks the API's rules. Everything lives in `a`; every mistake is
 * in `d`. NULL: it could not be read at all. Usable only when d has no error. */
const struct envoy_config_bootstrap_v3_Bootstrap *nu_bootstrap_load(struct nu_arena *a, struct nu_diags *d,
                                                                    const struct nu_bootstrap_source *source);
/* The same as a v3 tree, before it is loaded (for `nuncio migrate`); not for .pb. *was_v1: it was of Envoy's first form. */
struct nu_tree *nu_bootstrap_tree(struct nu_arena *a, struct nu_diags *d, const struct nu_bootstrap_source *source,
                                  bool *was_v1);

/* ---- building ---- */

/* What concerns the process as a whole; in f->arena of the build, which must live as long. */
struct nu_process_conf {
    nu_str node_id, node_cluster, region, zone, sub_zone;
    nu_ms stats_flush_interval;          /* 5 s */
    bool stats_flush_on_admin;
    struct nu_stats_conf stats;
    uint64_t max_connections;            /* downstream; UINT64_MAX: no limit */
    struct nu_resolver_conf *resolver;   /* owned by the caller; NULL: the system's */
    struct nu_watchdog_limits main_watchdog, worker_watchdog;
    uint64_t version_override;           /* of the gauge server.version; 0: none */
};

/* false: reported. */
bool nu_process_conf_build(struct nu_factory *f, const struct envoy_config_bootstrap_v3_Bootstrap *msg,
                           struct nu_process_conf *out);

/* A layer of layered_runtime into rt (NULL: only checked). Reports to f->diags. Disk layers are read at
 * nu_runtime_publish. cluster: --service-cluster or node.cluster. */
void nu_runtime_layers_build(struct nu_factory *f, const struct envoy_config_bootstrap_v3_Bootstrap *msg,
                             struct nu_runtime *rt, nu_str cluster);
/* The symlink roots of disk layers: a change of one is a reason to publish the runtime again. */
size_t nu_runtime_roots(const struct envoy_config_bootstrap_v3_Bootstrap *msg, nu_str *out, size_t max);

/* Everything of static_resources, built and not yet applied. */
struct nu_resources {
    struct nu_cluster_build **clusters;  /* NULL once taken */
    size_t n_clusters;
    struct nu_listener_conf **listeners;
    size_t n_listeners;
    struct nu_map cluster_names, listener_names; /* views into the message */
    struct nu_secrets *secrets; /* where the static ones are staged; the caller commits */
};

/* false: reported, nothing is kept. Checks what no part can see alone: duplicate names, routes to clusters that the
 * configuration does not have. */
bool nu_resources_build(struct nu_factory *f, const struct envoy_config_bootstrap_v3_Bootstrap *msg,
                        struct nu_resources *out);
/* Frees what was not taken. */
void nu_resources_drop(struct nu_resources *r);

#endif
