/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration's way into effect, at start and again on SIGHUP and with --watch: as a diff by name. New and changed
 * clusters come first and warm; then listeners change; clusters that are gone go last, when no connection that may still
 * name them is left. Any mistake changes nothing. */
#include "base/alloc.h"
#include "base/log.h"
#include "codec/pb/hash.h"
#include "config/edge.h"
#include "codec/pb/wire.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"
#include "envoy/config/cluster/v3/cluster.nu.h"
#include "listener/listener.h"
#include "server/config_stats.h"
#include "server/process.h"
#include "tls/secret.h"
#include "upstream/cluster_manager.h"
#include "worker/worker.h"

#define HIDDEN_CHECK NU_MS(200)

/* One reload under way. */
struct nu_reload {
    struct nu_arena arena; /* of the message */
    struct nu_diags diags;
    const struct envoy_config_bootstrap_v3_Bootstrap *msg;
    struct nu_resources resources;
    nu_str *gone_clusters, *gone_listeners; /* in the arena */
    size_t n_gone_clusters, n_gone_listeners;
    struct nu_listener_batch *batch; /* prepared listeners that wait for clusters; NULL: none */
};

/* ---- what goes ---- */

/* Collects the names of what is in effect that the next configuration lacks. */
struct gone {
    struct nu_arena *arena;
    const struct nu_map *next; /* names */
    nu_str *names;
    size_t n, cap;
};

static void look(struct gone *g, nu_str name)
{
    if (nu_map_get(g->next, name) != NULL)
        return;
    if (g->n == g->cap) {
        nu_str *more = nu_arena_array(g->arena, nu_str, g->cap * 2 + 16);
        if (g->n > 0)
            memcpy(more, g->names, g->n * sizeof(more[0]));
        g->names = more;
        g->cap = g->cap * 2 + 16;
    }
    g->names[g->n++] = nu_arena_str(g->arena, name);
}

static void look_at_cluster(struct nu_cluster *c, void *arg)
{
    look(arg, c->name);
}

static void look_at_listener(const struct nu_listener_status *l, void *arg)
{
    look(arg, l->name);
}

/* ---- what is in effect ---- */

static uint64_t hash_rest(const struct envoy_config_bootstrap_v3_Bootstrap *msg)
{
    static const char *const without[] = {"static_resources", NULL};
    return nu_pb_hash_without(msg, without);
}

void nu_process_note_bootstrap(struct nu_process *p, const struct envoy_config_bootstrap_v3_Bootstrap *msg)
{
    p->bootstrap.len = 0;
    nu_pb_encode(&p->bootstrap, msg);
    p->bootstrap_wall_ns = nu_clock_wall_ns();
    p->rest_hash = hash_rest(msg);
}

bool nu_process_first_apply(struct nu_process *p, struct nu_resources *r, struct nu_diags *d)
{
    nu_secrets_commit(p->server.secrets);
    nu_cluster_manager_apply(p->server.clusters, r->clusters, r->n_clusters, NULL, 0);
    return nu_listener_manager_apply(p->server.listeners, r->listeners, r->n_listeners, NULL, 0, d);
}

/* ---- a reload ---- */

static void count(struct nu_process *p, unsigned index)
{
    if (p->config_scope == NULL)
        p->config_scope = nu_scope_get(p->server.stats, &nu_config_layout, NU_STR("config_reload."),
                                       NU_STR("config_reload."), NULL, 0);
    nu_stat_inc(p->config_scope, p->server.workers->n, index);
}

static void reload_free(struct nu_reload **rp)
{
    struct nu_reload *r = nu_take(rp);
    if (r == NULL)
        return;
    nu_listener_batch_drop(&r->batch);
    nu_resources_drop(&r->resources);
    nu_diags_clear(&r->diags);
    nu_arena_clear(&r->arena);
    nu_free(r);
}

static void end_reload(struct nu_process *p)
{
    reload_free(&p->reload);
    if (!p->reload_again || p->ending)
        return;
    p->reload_again = false;
    nu_process_reload(p);
}

static void reject(struct nu_process *p)
{
    struct nu_reload *r = p->reload;
    count(p, NU_CONFIG_rejected);
    nu_report_log(&r->diags);
    nu_log(config, NU_LOG_ERROR, "the configuration '%s' was rejected; nothing has changed",
           p->options.config_path != NULL ? p->options.config_path : "--config-yaml");
    end_reload(p);
}

/* Clusters that are gone go when nothing that drains can name them any more. */
static void on_hidden_timer(struct nu_timer *t)
{
    struct nu_process *p = nu_container_of(t, struct nu_process, hidden_timer);
    if (nu_listener_manager_is_draining(p->server.listeners))
        nu_timer_arm(nu_workers_main(p->server.workers)->loop, t, HIDDEN_CHECK);
    else
        nu_cluster_manager_remove_hidden(p->server.clusters);
}

/* Every worker has the new listeners. */
static void listeners_done(void *arg)
{
    struct nu_process *p = arg;
    struct nu_reload *r = p->reload;
    if (p->ending)
        return;
    nu_cluster_manager_hide(p->server.clusters, r->gone_clusters, r->n_gone_clusters);
    if (r->n_gone_clusters > 0) {
        nu_timer_cancel(nu_workers_main(p->server.workers)->loop, &p->hidden_timer);
        nu_timer_init(&p->hidden_timer, on_hidden_timer);
        on_hidden_timer(&p->hidden_timer);
    }
    count(p, NU_CONFIG_success);
    nu_log(config, NU_LOG_INFO, "the configuration was read again and is in effect");
    end_reload(p);
}

static void nothing(struct nu_worker *w, void *arg)
{
    (void)w;
    (void)arg;
}

/* Clusters are warm: listeners may refer to them. */
static void clusters_warm(void *arg)
{
    struct nu_process *p = arg;
    struct nu_reload *r = p->reload;
    if (p->ending)
        return;
    nu_listener_manager_commit(p->server.listeners, &r->batch);
    nu_process_note_bootstrap(p, r->msg);
    nu_workers_each(p->server.workers, nothing, listeners_done, p);
}

static bool read_again(struct nu_process *p, struct nu_reload *r)
{
    r->msg = nu_bootstrap_load(&r->arena, &r->diags,
                               &(struct nu_bootstrap_source){
                                   .path = nu_str_from(p->options.config_path),
                                   .inline_text = nu_str_from(p->options.config_yaml),
                                   .allow_unknown = p->options.allow_unknown_static_fields,
                               });
    if (r->msg == NULL || nu_diags_failed(&r->diags))
        return false;
    nu_process_override_node(p, &r->arena, r->msg);
    if (p->options.edge_profile)
        nu_edge_fill_in(&r->arena, r->msg);
    struct nu_map next = {0};
    const struct envoy_config_bootstrap_v3_Bootstrap_StaticResources *s = r->msg->static_resources;
    for (size_t i = 0; s != NULL && i < s->n_clusters; i++)
        if (s->clusters[i]->name.len > 0)
            nu_map_put(&next, s->clusters[i]->name, s->clusters[i]);
    struct gone clusters = {.arena = &r->arena, .next = &next};
    nu_cluster_manager_each(p->server.clusters, look_at_cluster, &clusters);
    nu_map_free(&next);
    r->gone_clusters = clusters.names;
    r->n_gone_clusters = clusters.n;
    struct nu_factory f = {.arena = &r->arena, .diags = &r->diags, .server = &p->server,
                           .recheck = r->n_gone_clusters > 0};
    if (!nu_resources_build(&f, r->msg, &r->resources))
        return false;
    struct gone listeners = {.arena = &r->arena, .next = &r->resources.listener_names};
    nu_listener_manager_each(p->server.listeners, look_at_listener, &listeners);
    r->gone_listeners = listeners.names;
    r->n_gone_listeners = listeners.n;
    return true;
}

void nu_process_reload(struct nu_process *p)
{
    if (p->reload != NULL) {
        p->reload_again = true;
        return;
    }
    if (p->state == NU_SERVER_PRE_INITIALIZING || p->state == NU_SERVER_INITIALIZING) {
        p->reload_again = true; /* when the process is up: nu_process_start_workers */
        return;
    }
    struct nu_reload *r = p->reload = nu_new(struct nu_reload);
    nu_diags_init(&r->diags);
    nu_log(config, NU_LOG_INFO, "reading the configuration again");
    count(p, NU_CONFIG_attempt);
    if (!read_again(p, r)) {
        reject(p);
        return;
    }
    r->batch = nu_listener_manager_prepare(p->server.listeners, r->resources.listeners, r->resources.n_listeners,
                                           r->gone_listeners, r->n_gone_listeners, &r->diags);
    if (r->batch == NULL) {
        reject(p);
        return;
    }
    nu_report_log(&r->diags); /* warnings */
    if (hash_rest(r->msg) != p->rest_hash)
        nu_log(config, NU_LOG_WARN, "what changed outside static_resources takes effect only after a restart");
    /* From here on nothing can fail. */
    nu_secrets_commit(p->server.secrets);
    nu_cluster_manager_apply(p->server.clusters, r->resources.clusters, r->resources.n_clusters, NULL, 0);
    nu_cluster_manager_when_warm(p->server.clusters, clusters_warm, p);
}

void nu_process_reload_free(struct nu_process *p)
{
    reload_free(&p->reload);
    nu_scope_unref(&p->config_scope);
}
