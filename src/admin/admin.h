/* SPDX-License-Identifier: Apache-2.0
 *
 * The admin interface: a listener that the main thread serves, with the ordinary connection manager and one filter that
 * answers from what the process knows. Most of it is read directly (statistics, clusters, listeners, runtime, log
 * levels); what belongs to server/ comes through the hooks below. Everything here runs on the main thread.
 *
 *     a = nu_admin_new(&server, &hooks);                     before the configuration is built
 *     conf = nu_admin_listener_new(a, &factory, msg);        bootstrap.admin; checked with --mode validate, too
 *     nu_listener_manager_apply(lm, &conf, 1, ...);          it listens from here on, before the workers do
 *     ... nu_listener_manager_free ..., nu_admin_free(&a);
 */
#ifndef NU_ADMIN_ADMIN_H
#define NU_ADMIN_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sb.h"
#include "base/str.h"
#include "net/extension.h"
#include "net/server.h"

struct envoy_config_bootstrap_v3_Admin;
struct nu_address;
struct nu_listener_conf;
struct nu_stats_conf;

/* admin.v3.ServerInfo.State; the numbers are those of the gauge server.state. */
enum nu_server_state {
    NU_SERVER_LIVE,
    NU_SERVER_DRAINING,         /* health checks were made to fail */
    NU_SERVER_PRE_INITIALIZING, /* clusters have not had their first answer */
    NU_SERVER_INITIALIZING,     /* listeners warm */
};

/* admin.v3.CommandLineOptions, as /server_info shows them. Views live as long as the process. Fields of Envoy's that the
 * command line does not have are printed with Envoy's defaults. */
struct nu_admin_options {
    uint64_t base_id;
    uint32_t concurrency;
    nu_str config_path, config_yaml;
    bool allow_unknown_static_fields, reject_unknown_dynamic_fields, ignore_unknown_dynamic_fields;
    nu_str admin_address_path;
    bool local_address_v6;              /* local_address_ip_version */
    nu_str log_level, component_log_level, log_format, log_path; /* log_level: "info" */
    bool log_format_escaped;
    nu_str service_cluster, service_node, service_zone;
    uint64_t file_flush_interval_ms;    /* 10000 */
    uint64_t drain_time_s;              /* 600 */
    uint64_t parent_shutdown_time_s;    /* 900 */
    enum { NU_MODE_SERVE, NU_MODE_VALIDATE, NU_MODE_INIT_ONLY } mode;
    bool disable_hot_restart, use_dynamic_base_id;
    uint32_t restart_epoch;
    bool cpuset_threads;
    const nu_str *disabled_extensions;
    size_t n_disabled_extensions;
    nu_str base_id_path;
    bool drain_immediate;               /* drain_strategy */
    bool enable_fine_grain_logging, enable_mutex_tracing, enable_core_dump;
    nu_str socket_path;                 /* "@envoy_domain_socket" */
    uint32_t socket_mode;
    bool skip_hot_restart_on_no_parent, skip_hot_restart_parent_stats;
};

/* What server/ does for the admin interface; each gets `arg`. None may be NULL unless it says so. None may free the
 * admin interface or its connections while it runs (quit asks the loop to stop after this turn). */
struct nu_admin_hooks {
    void *arg;
    enum nu_server_state (*state)(void *arg);
    /* POST /quitquitquit: the process ends as with SIGTERM; the answer ("OK") should still be written. */
    void (*quit)(void *arg);
    /* POST /drain_listeners, after the parameters were checked. graceful: drain (nu_server.draining) for drain_time, then
     * stop listening; skip_exit (only with graceful): drain, but go on listening; else stop listening at once. */
    void (*drain_listeners)(void *arg, bool graceful, bool skip_exit, bool inbound_only);
    /* POST /healthcheck/fail and /healthcheck/ok: server.healthcheck_failed and what goes with it. */
    void (*healthcheck_fail)(void *arg, bool fail);
    /* POST /reopen_logs: access logs and the application log. */
    void (*reopen_logs)(void *arg);
    /* stats_flush_on_admin: a flush before /stats is read. NULL: the flush timer does it. */
    void (*flush_stats)(void *arg);
    /* Wire bytes of the envoy.config.bootstrap.v3.Bootstrap that is in effect (after the last good reload), command-line
     * overrides of node included; borrowed until the end of the turn. Empty: none. Clusters, listeners and route tables of
     * /config_dump are taken from it. */
    nu_str (*bootstrap)(void *arg);
    /* When that bootstrap came into effect; wall clock. */
    uint64_t (*bootstrap_loaded_wall_ns)(void *arg);
    /* /init_dump: calls fn(manager, target) for each thing that initialisation waits for, e.g. ("Server",
     * "shared target"); NULL: nothing ever waits. */
    void (*each_unready)(void *arg, void (*fn)(nu_str manager, nu_str target, void *fn_arg), void *fn_arg);
    const struct nu_admin_options *options; /* borrowed */
    const struct nu_stats_conf *(*stats_conf)(void *arg); /* stats_config as output sees it; NULL result: defaults */
};

struct nu_admin;

/* Borrows server and hooks; they outlive it. */
struct nu_admin *nu_admin_new(struct nu_server *server, const struct nu_admin_hooks *hooks);
/* After the listener manager was freed (connections refer to it). */
void nu_admin_free(struct nu_admin **a);

/* The admin listener's snapshot, with one reference; NULL: reported to f->diags (or msg has no address: then nothing is
 * reported, and there is no admin interface). It is named "admin", on_main, counts as listener.admin. and http.admin., and is
 * known to the listener manager apart from all others: nu_listener_manager_each does not show it, no other listener's name
 * clashes with it, no batch replaces it. With f->validate_only nothing is opened. The allow_paths, profile_path and
 * access logs of msg apply from now on. f->arena is not used. */
struct nu_listener_conf *nu_admin_listener_new(struct nu_admin *a, struct nu_factory *f,
                                               const struct envoy_config_bootstrap_v3_Admin *msg);

/* What the listener is bound to, for --admin-address-path; NULL before it was applied. Borrowed. */
const struct nu_address *nu_admin_address(const struct nu_admin *a);

/* The version that Envoy's control planes and tools look for: "<40 hex digits>/1.40.0/Clean/RELEASE/BoringSSL". */
nu_str nu_admin_version(void);

#endif
