/* SPDX-License-Identifier: Apache-2.0
 *
 * From the command line to the main loop and back out. */
#include "server/process.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/envoy_version.h"
#include "base/log.h"
#include "codec/pb/pb.h"
#include "config/edge.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"
#include "envoy/config/core/v3/base.nu.h"
#include "listener/listener.h"
#include "listener/listener_conf.h"
#include "net/address.h"
#include "net/conn.h"
#include "net/dns.h"
#include "net/filesystem_stats.h"
#include "net/log_writer.h"
#include "router/router.h"
#include "server/overload_stats.h"
#include "server/server_stats.h"
#include "server/signals.h"
#include "server/trim.h"
#include "server/version.h"
#include "tls/secret.h"
#include "tls/tls_process.h"
#include "upstream/cluster_manager.h"
#include "worker/runtime.h"
#include "worker/worker.h"

typedef struct envoy_config_bootstrap_v3_Bootstrap bootstrap_msg;

#define MAX_RUNTIME_ROOTS 16
/* Of the arena that holds the configuration's tree and messages while it is loaded; it grows. */
#define LOAD_CHUNK 32768u

static struct nu_loop *main_loop(const struct nu_process *p)
{
    return nu_workers_main(p->server.workers)->loop;
}

static const char *config_name(const struct nu_options *o)
{
    return o->config_path != NULL ? o->config_path : "--config-yaml";
}

/* ---- the node ---- */

void nu_process_override_node(const struct nu_process *p, struct nu_arena *a, const bootstrap_msg *const_msg)
{
    bootstrap_msg *msg = (bootstrap_msg *)(uintptr_t)const_msg;
    const struct nu_options *o = &p->options;
    if (msg->node == NULL)
        msg->node = NU_PB_NEW(a, envoy_config_core_v3_Node);
    struct envoy_config_core_v3_Node *n = msg->node;
    if (o->service_node != NULL)
        n->id = nu_str_from(o->service_node);
    if (o->service_cluster != NULL)
        n->cluster = nu_str_from(o->service_cluster);
    if (o->service_zone == NULL)
        return;
    if (n->locality == NULL)
        n->locality = NU_PB_NEW(a, envoy_config_core_v3_Locality);
    n->locality->zone = nu_str_from(o->service_zone);
}

/* The first address of an interface that is not the loopback one: what x-forwarded-for says for local clients. */
static nu_str local_address(struct nu_arena *a, bool v6)
{
    struct ifaddrs *all, *i;
    char text[NU_SOCKADDR_TEXT];
    nu_str found = v6 ? NU_STR("::1") : NU_STR("127.0.0.1");
    if (getifaddrs(&all) != 0)
        return found;
    for (i = all; i != NULL; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != (v6 ? AF_INET6 : AF_INET) || (i->ifa_flags & IFF_LOOPBACK) != 0)
            continue;
        struct nu_sockaddr s = {0};
        memcpy(&s, i->ifa_addr, v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
        found = nu_arena_str(a, nu_sockaddr_text(&s, true, text));
        break;
    }
    freeifaddrs(all);
    return found;
}

/* ---- what the admin interface asks ---- */

static enum nu_server_state hook_state(void *arg)
{
    const struct nu_process *p = arg;
    if (p->state == NU_SERVER_LIVE && nu_atomic_u32_get(&p->server.healthcheck_failed) != 0)
        return NU_SERVER_DRAINING;
    return p->state;
}

static void hook_quit(void *arg)
{
    nu_process_quit(arg, 0);
}

static void hook_drain_listeners(void *arg, bool graceful, bool skip_exit, bool inbound_only)
{
    nu_process_drain_listeners(arg, graceful, skip_exit, inbound_only);
}

static void hook_healthcheck_fail(void *arg, bool fail)
{
    struct nu_process *p = arg;
    nu_atomic_u32_set(&p->server.healthcheck_failed, fail);
}

static void reopen_logs(struct nu_process *p)
{
    nu_log_reopen();
    nu_log_writer_reopen(p->server.log_writer);
}

static void hook_reopen_logs(void *arg)
{
    reopen_logs(arg);
}

static void hook_flush_stats(void *arg)
{
    struct nu_process *p = arg;
    if (p->conf.stats_flush_on_admin)
        nu_process_stats_flush(p);
}

static nu_str hook_bootstrap(void *arg)
{
    const struct nu_process *p = arg;
    return nu_sb_str(&p->bootstrap);
}

static uint64_t hook_bootstrap_loaded(void *arg)
{
    const struct nu_process *p = arg;
    return p->bootstrap_wall_ns;
}

static const struct nu_stats_conf *hook_stats_conf(void *arg)
{
    const struct nu_process *p = arg;
    return &p->conf.stats;
}

static nu_str text_or_empty(const char *s)
{
    return s != NULL ? nu_str_from(s) : NU_STR("");
}

static void fill_admin_options(struct nu_process *p)
{
    const struct nu_options *o = &p->options;
    p->admin_options = (struct nu_admin_options){
        .concurrency = o->concurrency,
        .config_path = text_or_empty(o->config_path),
        .config_yaml = text_or_empty(o->config_yaml),
        .allow_unknown_static_fields = o->allow_unknown_static_fields,
        .admin_address_path = text_or_empty(o->admin_address_path),
        .local_address_v6 = o->local_address_v6,
        .log_level = nu_str_from(o->log_level),
        .component_log_level = text_or_empty(o->component_log_level),
        .log_format = nu_str_from(nu_log_format()),
        .log_path = text_or_empty(o->log_path),
        .service_cluster = text_or_empty(o->service_cluster),
        .service_node = text_or_empty(o->service_node),
        .service_zone = text_or_empty(o->service_zone),
        .file_flush_interval_ms = o->file_flush_interval_ms,
        .drain_time_s = o->drain_time_s,
        .parent_shutdown_time_s = 900,
        .disable_hot_restart = true,
        .cpuset_threads = o->cpuset_threads,
        .drain_immediate = o->drain_immediate,
        .enable_core_dump = o->enable_core_dump,
        .socket_path = NU_STR("@envoy_domain_socket"),
    };
    p->hooks = (struct nu_admin_hooks){
        .arg = p,
        .state = hook_state,
        .quit = hook_quit,
        .drain_listeners = hook_drain_listeners,
        .healthcheck_fail = hook_healthcheck_fail,
        .reopen_logs = hook_reopen_logs,
        .flush_stats = hook_flush_stats,
        .bootstrap = hook_bootstrap,
        .bootstrap_loaded_wall_ns = hook_bootstrap_loaded,
        .options = &p->admin_options,
        .stats_conf = hook_stats_conf,
    };
}

/* ---- making and freeing ---- */

static void process_init(struct nu_process *p, const struct nu_options *o)
{
    bool serve = o->mode == NU_RUN_SERVE;
    *p = (struct nu_process){.options = *o, .state = NU_SERVER_PRE_INITIALIZING, .started_ns = nu_clock_monotonic_ns()};
    struct nu_server *s = &p->server;
    nu_arena_init(&p->conf_arena, NULL);
    s->workers = nu_workers_new(serve ? o->concurrency : 1);
    s->stats = nu_stats_new(s->workers->n + 2);
    s->workers->stats = s->stats;
    s->runtime = nu_runtime_new(s->workers);
    s->log_writer =
        nu_log_writer_new(s->workers, NU_MS((int64_t)o->file_flush_interval_ms), o->file_flush_min_kb * 1024);
    s->clusters = nu_cluster_manager_new(s);
    s->listeners = nu_listener_manager_new(s);
    s->secrets = nu_secrets_new(s);
    s->header_prefix = NU_STR("x-envoy");
    s->drain_time_ms = o->drain_time_s * 1000;
    nu_atomic_u32_set(&s->drain_strategy_immediate, o->drain_immediate);
    s->start_wall_ns = nu_clock_wall_ns();
    s->local_address = local_address(&p->conf_arena, o->local_address_v6);
    p->scope = nu_scope_get(s->stats, &nu_server_layout, NU_STR("server."), NU_STR("server."), NULL, 0);
    p->overload_scope = nu_scope_get(s->stats, &nu_overload_layout, NU_STR(""), NU_STR(""), NULL, 0);
    s->async_client = nu_router_scope(s->stats, NU_STR("http.async-client."), NU_STR("async-client"));
    nu_timer_init(&p->flush_timer, NULL);
    nu_timer_init(&p->end_timer, NULL);
    nu_timer_init(&p->hidden_timer, NULL);
    p->signals.fd = -1;
    fill_admin_options(p);
    p->admin = nu_admin_new(s, &p->hooks);
}

static void close_all(struct nu_workers *all)
{
    for (unsigned i = 0; i <= all->n; i++)
        nu_conn_close_all(&all->workers[i]);
}

/* Turns of loops whose threads have ended: what was posted or deferred to them. */
static void settle(struct nu_workers *all)
{
    for (unsigned turn = 0; turn < 3; turn++) {
        for (unsigned i = 0; i <= all->n; i++)
            nu_loop_turn(all->workers[i].loop, NU_MS(0));
        nu_workers_end_grace(all);
    }
}

static void process_free(struct nu_process *p)
{
    struct nu_server *s = &p->server;
    struct nu_workers *all = s->workers;
    nu_watchdog_free(&p->watchdog);
    nu_workers_stop(all);
    nu_file_watch_free(&p->config_watch);
    nu_file_watch_free(&p->runtime_watch);
    nu_timer_cancel(main_loop(p), &p->flush_timer);
    nu_timer_cancel(main_loop(p), &p->end_timer);
    nu_timer_cancel(main_loop(p), &p->hidden_timer);
    nu_signals_unwatch(&p->signals, main_loop(p));
    close_all(all);
    settle(all);
    nu_process_reload_free(p);
    nu_listener_manager_free(&s->listeners);
    nu_cluster_manager_free(&s->clusters);
    settle(all);
    nu_admin_free(&p->admin);
    nu_secrets_free(&s->secrets);
    nu_log_writer_free(&s->log_writer);
    if (s->resolver != NULL)
        nu_resolver_free(&s->resolver);
    nu_resolver_conf_free(&p->conf.resolver);
    nu_runtime_free(&s->runtime);
    nu_scope_unref(&p->scope);
    nu_scope_unref(&p->overload_scope);
    nu_scope_unref(&s->async_client);
    settle(all);
    nu_arena_clear(&p->conf_arena);
    nu_sb_free(&p->bootstrap);
    nu_tls_process_free(&s->tls);
    nu_workers_free(&s->workers);
    nu_stats_free(&s->stats);
}

/* ---- building what the bootstrap says ---- */

static void apply_conf(struct nu_process *p)
{
    struct nu_server *s = &p->server;
    const struct nu_process_conf *c = &p->conf;
    s->node_id = c->node_id;
    s->node_cluster = c->node_cluster;
    s->node_region = c->region;
    s->node_zone = c->zone;
    s->node_sub_zone = c->sub_zone;
    s->resolver = nu_resolver_new(main_loop(p), s->stats, s->workers->n, c->resolver);
    nu_listener_manager_set_global_limit(s->listeners, c->max_connections);
}

/* --stats-tag: fixed tags behind those of stats_config. */
static void add_stats_tags(struct nu_process *p)
{
    struct nu_stats_conf *c = &p->conf.stats;
    const struct nu_options *o = &p->options;
    if (o->n_stats_tags == 0)
        return;
    struct nu_tag_rule *rules = nu_arena_array(&p->conf_arena, struct nu_tag_rule, c->n_tags + o->n_stats_tags);
    if (c->n_tags > 0)
        memcpy(rules, c->tags, c->n_tags * sizeof(rules[0]));
    for (unsigned i = 0; i < o->n_stats_tags; i++) {
        nu_str value = nu_str_from(o->stats_tags[i]);
        nu_str name = nu_str_next(&value, ':');
        rules[c->n_tags + i] = (struct nu_tag_rule){.name = name, .fixed = value};
    }
    c->tags = rules;
    c->n_tags += o->n_stats_tags;
}

struct built {
    struct nu_resources resources;
    struct nu_listener_conf *admin; /* NULL: no admin interface */
};

/* Everything is built before anything is applied. false: reported. */
static bool build(struct nu_process *p, const bootstrap_msg *msg, struct nu_diags *d, struct built *out)
{
    struct nu_factory f = {.arena = &p->conf_arena, .diags = d, .server = &p->server,
                           .validate_only = p->options.mode != NU_RUN_SERVE};
    size_t errors = d->n_errors;
    if (nu_process_conf_build(&f, msg, &p->conf)) {
        add_stats_tags(p);
        apply_conf(p);
    }
    nu_runtime_layers_build(&f, msg, f.validate_only ? NULL : p->server.runtime, p->conf.node_cluster);
    if (!f.validate_only)
        nu_runtime_publish(p->server.runtime);
    if (msg->admin != NULL)
        out->admin = nu_admin_listener_new(p->admin, &f, msg->admin);
    (void)nu_resources_build(&f, msg, &out->resources); /* reports */
    if (d->n_errors == errors)
        return true;
    nu_listener_conf_unref(&out->admin);
    nu_resources_drop(&out->resources);
    return false;
}

/* ---- serving ---- */

static bool write_admin_address(const struct nu_process *p)
{
    const struct nu_address *a = nu_admin_address(p->admin);
    FILE *f = fopen(p->options.admin_address_path, "we");
    bool ok = f != NULL && (a == NULL || fwrite(a->text.ptr, 1, a->text.len, f) == a->text.len);
    if (f != NULL)
        ok = fclose(f) == 0 && ok;
    if (!ok)
        nu_log(admin, NU_LOG_CRITICAL, "cannot write the admin address to %s: %s", p->options.admin_address_path,
               strerror(errno));
    return ok;
}

static bool start_admin(struct nu_process *p, struct nu_listener_conf *admin, struct nu_diags *d)
{
    if (admin == NULL) {
        nu_log(main, NU_LOG_INFO, "No admin address given, so no admin HTTP server started.");
        return true;
    }
    if (!nu_listener_manager_apply(p->server.listeners, &admin, 1, NULL, 0, d))
        return false;
    nu_log(main, NU_LOG_INFO, "admin address: %.*s", NU_STR_ARG(nu_admin_address(p->admin)->text));
    return p->options.admin_address_path == NULL || write_admin_address(p);
}

/* All clusters have had their first answer. */
static void start_workers(void *arg)
{
    struct nu_process *p = arg;
    struct nu_diags d;
    if (p->ending)
        return;
    nu_diags_init(&d);
    nu_log(main, NU_LOG_INFO, "all dependencies initialized. starting workers");
    p->state = NU_SERVER_INITIALIZING;
    nu_runtime_publish(p->server.runtime); /* as Envoy: what disk layers say now */
    nu_workers_start(p->server.workers);
    nu_watchdog_add_workers(p->watchdog);
    if (nu_listener_manager_start(p->server.listeners, &d)) {
        p->state = NU_SERVER_LIVE;
        nu_process_stats_live(p);
        if (p->reload_again) { /* a SIGHUP came while the process started */
            p->reload_again = false;
            nu_process_reload(p);
        }
    } else {
        nu_report_log(&d);
        nu_process_quit(p, 1);
    }
    nu_diags_clear(&d);
}

static void on_config_change(void *arg)
{
    nu_process_reload(arg);
}

static void on_runtime_change(void *arg)
{
    struct nu_process *p = arg;
    nu_log(runtime, NU_LOG_INFO, "a runtime directory has changed");
    nu_runtime_publish(p->server.runtime);
}

static void watch_files(struct nu_process *p, const bootstrap_msg *msg)
{
    nu_str roots[MAX_RUNTIME_ROOTS];
    const char *paths[MAX_RUNTIME_ROOTS];
    size_t n = nu_runtime_roots(msg, roots, MAX_RUNTIME_ROOTS);
    for (size_t i = 0; i < n; i++)
        paths[i] = nu_arena_cstr(&p->conf_arena, roots[i]);
    if (n > 0)
        p->runtime_watch = nu_file_watch_new(main_loop(p), paths, n, on_runtime_change, p);
    if (p->options.watch && p->options.config_path != NULL)
        p->config_watch = nu_file_watch_new(main_loop(p), &p->options.config_path, 1, on_config_change, p);
}

static void on_signal(int sig, void *arg)
{
    struct nu_process *p = arg;
    switch (sig) {
    case SIGTERM:
    case SIGINT:
        nu_process_on_term(p);
        break;
    case SIGHUP:
        nu_process_reload(p);
        break;
    case SIGUSR1:
        nu_log(main, NU_LOG_INFO, "caught SIGUSR1: reopening logs");
        reopen_logs(p);
        break;
    default:
        break;
    }
}

/* Applies what was built; false: reported to d. */
static bool start(struct nu_process *p, struct built *b, struct nu_diags *d)
{
    bool ok = start_admin(p, b->admin, d);
    b->admin = NULL;
    ok = ok && nu_process_first_apply(p, &b->resources, d);
    nu_resources_drop(&b->resources);
    if (!ok || (p->user.name != NULL && !nu_user_become(&p->user, p->options.enable_core_dump, d)))
        return false;
    nu_process_stats_init(p);
    nu_signals_watch(&p->signals, main_loop(p), on_signal, p);
    return true;
}

static void print(FILE *to, struct nu_sb *sb)
{
    fwrite(sb->ptr != NULL ? sb->ptr : "", 1, sb->len, to);
    fflush(to);
    nu_sb_free(sb);
}

/* Says what is wrong; the exit code. */
static int refuse(const struct nu_process *p, const struct nu_diags *d)
{
    struct nu_sb out = {0};
    if (p->options.output_json) {
        nu_report_json(d, nu_str_from(config_name(&p->options)), &out);
        print(stdout, &out);
        return 1;
    }
    nu_report_text(d, &out);
    nu_sb_printf(&out, "error initializing configuration '%s': %zu mistake%s\n", config_name(&p->options), d->n_errors,
                 d->n_errors == 1 ? "" : "s");
    print(stderr, &out);
    return 1;
}

static int validated(const struct nu_process *p, const struct nu_diags *d)
{
    struct nu_sb out = {0};
    if (p->options.output_json) {
        nu_report_json(d, nu_str_from(config_name(&p->options)), &out);
        print(stdout, &out);
        return 0;
    }
    nu_report_text(d, &out);
    print(stderr, &out);
    nu_sb_printf(&out, "configuration '%s' OK\n", config_name(&p->options));
    print(stdout, &out);
    return 0;
}

/* Reads, builds and starts. >= 0: the process ends with this code; -1: it serves. */
static int load(struct nu_process *p)
{
    struct nu_arena a;
    struct nu_diags d;
    struct built b = {0};
    int code = -1;
    nu_arena_init_growing(&a, LOAD_CHUNK);
    nu_diags_init(&d);
    const bootstrap_msg *msg = nu_bootstrap_load(&a, &d,
                                                 &(struct nu_bootstrap_source){
                                                     .path = text_or_empty(p->options.config_path),
                                                     .inline_text = text_or_empty(p->options.config_yaml),
                                                     .allow_unknown = p->options.allow_unknown_static_fields,
                                                 });
    bool ok = msg != NULL;
    bool user_known = p->options.user == NULL || nu_user_find(p->options.user, &p->user, &d);
    if (ok) {
        nu_process_override_node(p, &a, msg);
        if (p->options.edge_profile)
            nu_edge_fill_in(&a, msg);
        ok = build(p, msg, &d, &b); /* although the message may have mistakes: more of them can be told */
        if (ok && (nu_diags_failed(&d) || !user_known)) {
            nu_listener_conf_unref(&b.admin);
            nu_resources_drop(&b.resources);
            ok = false;
        }
    }
    if (!ok) {
        code = refuse(p, &d);
    } else if (p->options.mode != NU_RUN_SERVE) {
        nu_edge_warn(&d, msg);
        code = p->options.mode == NU_RUN_VALIDATE ? validated(p, &d) : 0;
        nu_listener_conf_unref(&b.admin);
        nu_resources_drop(&b.resources);
    } else {
        nu_process_note_bootstrap(p, msg);
        nu_report_log(&d);
        struct nu_diags applied;
        nu_diags_init(&applied);
        if (start(p, &b, &applied))
            watch_files(p, msg);
        else
            code = refuse(p, &applied);
        nu_diags_clear(&applied);
        nu_stat_add(p->scope, p->server.workers->n, NU_SERVER_static_unknown_fields, d.n_unknown);
    }
    nu_diags_clear(&d);
    nu_arena_clear(&a);
    nu_trim(); /* the configuration's text and messages, and the code that read them */
    return code;
}

/* Keys are in memory: a core is only written when that is asked for. (PR_SET_DUMPABLE 0 would take /proc/self from us, too.) */
static void set_core_dumps(bool enabled)
{
    struct rlimit limit;
    if (enabled) {
        prctl(PR_SET_DUMPABLE, 1);
    } else if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = 0;
        setrlimit(RLIMIT_CORE, &limit);
    }
}

int nu_process_run(const struct nu_options *o)
{
    struct nu_process *p = nu_new(struct nu_process);
    set_core_dumps(o->enable_core_dump);
    if (o->mode == NU_RUN_SERVE)
        nu_log(main, NU_LOG_INFO, "nuncio " NU_VERSION ", as Envoy " NU_ENVOY_VERSION ", %u worker(s)", o->concurrency);
    process_init(p, o);
    int code = load(p);
    if (code < 0) {
        p->watchdog = nu_watchdog_new(p->server.workers, &p->conf.main_watchdog, &p->conf.worker_watchdog);
        nu_cluster_manager_when_warm(p->server.clusters, start_workers, p);
        nu_log(main, NU_LOG_INFO, "starting main dispatch loop");
        nu_loop_run(main_loop(p));
        nu_log(main, NU_LOG_INFO, "main dispatch loop exited");
        code = p->exit_code;
    }
    p->ending = true;
    process_free(p);
    if (o->mode == NU_RUN_SERVE)
        nu_log(main, NU_LOG_INFO, "exiting");
    nu_free(p);
    return code;
}
