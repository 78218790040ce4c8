/* SPDX-License-Identifier: Apache-2.0
 *
 * The statistics of the process itself, and the flush that makes histograms visible. */
#include "base/envoy_version.h"
#include "base/memory_use.h"
#include "listener/listener.h"
#include "server/process.h"
#include "server/server_stats.h"
#include "stats/stats.h"
#include "tls/expiry.h"
#include "worker/worker.h"

static void gauge(const struct nu_process *p, unsigned index, uint64_t v)
{
    nu_gauge_set(p->scope, p->server.workers->n, index, v);
}

static void memory(const struct nu_process *p)
{
    struct nu_memory_use use = nu_memory_use();
    gauge(p, NU_SERVER_memory_allocated, use.allocated);
    gauge(p, NU_SERVER_memory_heap_size, use.heap);
    gauge(p, NU_SERVER_memory_physical_size, use.resident);
}

static void certificates(struct nu_process *p)
{
    int64_t now = (int64_t)(nu_clock_wall_ns() / NU_NS_PER_SEC);
    gauge(p, NU_SERVER_days_until_first_cert_expiring, nu_tls_days_until_expiry(&p->server, now));
    gauge(p, NU_SERVER_seconds_until_first_ocsp_response_expiring, nu_tls_seconds_until_ocsp_expiry(&p->server, now));
}

static void update(struct nu_process *p)
{
    uint64_t s = (nu_clock_monotonic_ns() - p->started_ns) / NU_NS_PER_SEC;
    gauge(p, NU_SERVER_uptime, s);
    enum nu_server_state state = p->hooks.state(p->hooks.arg);
    gauge(p, NU_SERVER_state, (uint64_t)state);
    gauge(p, NU_SERVER_live, state == NU_SERVER_LIVE);
    gauge(p, NU_SERVER_total_connections, nu_listener_manager_n_connections(p->server.listeners));
    memory(p);
    certificates(p);
}

static void on_flush_timer(struct nu_timer *t)
{
    struct nu_process *p = nu_container_of(t, struct nu_process, flush_timer);
    nu_process_stats_flush(p);
    nu_timer_arm(nu_workers_main(p->server.workers)->loop, t, p->conf.stats_flush_interval);
}

void nu_process_stats_init(struct nu_process *p)
{
    gauge(p, NU_SERVER_concurrency, p->server.workers->n);
    gauge(p, NU_SERVER_version, p->conf.version_override != 0 ? p->conf.version_override : NU_ENVOY_SHA_NUMBER);
    gauge(p, NU_SERVER_compilation_settings_fips_mode, 0);
    gauge(p, NU_SERVER_hot_restart_epoch, 0);
    gauge(p, NU_SERVER_parent_connections, 0);
    gauge(p, NU_SERVER_stats_recent_lookups, 0);
    update(p);
    nu_timer_init(&p->flush_timer, on_flush_timer);
    if (!p->conf.stats_flush_on_admin)
        nu_timer_arm(nu_workers_main(p->server.workers)->loop, &p->flush_timer, p->conf.stats_flush_interval);
}

void nu_process_stats_flush(struct nu_process *p)
{
    update(p);
    nu_stats_flush(p->server.stats);
}

void nu_process_stats_live(struct nu_process *p)
{
    uint64_t ms = (nu_clock_monotonic_ns() - p->started_ns) / NU_NS_PER_MS;
    nu_hist_record(p->scope, p->server.workers->n, NU_SERVER_initialization_time_ms, ms);
    update(p);
}
