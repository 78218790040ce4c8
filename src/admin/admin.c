/* SPDX-License-Identifier: Apache-2.0
 *
 * The admin listener: its snapshot, the one filter chain, and the connection manager's settings, which are those of Envoy's
 * admin interface and cannot be configured. */
#include "admin/filter.h"
#include "admin/request.h"
#include "base/alloc.h"
#include "base/envoy_version.h"
#include "codec/pb/pb.h"
#include "config/listener_build.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"
#include "http/file_logger.h"
#include "http/formatter.h"
#include "http/hcm_conf.h"
#include "http/hcm_listener_stats.h"
#include "http/hcm_stats.h"
#include "http/http1_stats.h"
#include "http/tracing_stats.h"
#include "listener/listener.h"

typedef struct envoy_config_bootstrap_v3_Admin admin_msg;

/* Bytes of an answer that wait for a slow client before the rest is made. */
#define BUFFER_LIMIT (1024u * 1024)

struct nu_admin *nu_admin_new(struct nu_server *server, const struct nu_admin_hooks *hooks)
{
    struct nu_admin *a = nu_new(struct nu_admin);
    a->server = server;
    a->hooks = hooks;
    return a;
}

void nu_admin_free(struct nu_admin **a)
{
    nu_free(nu_take(a));
}

const struct nu_address *nu_admin_address(const struct nu_admin *a)
{
    return nu_listener_manager_main_address(a->server->listeners);
}

nu_str nu_admin_version(void)
{
    return NU_STR(NU_ENVOY_VERSION);
}

/* ---- statistics ---- */

static struct nu_scope *scope(struct nu_factory *f, const struct nu_stat_layout *layout, nu_str prefix, nu_str plain,
                              const struct nu_stat_tag *tag)
{
    return nu_factory_keep_scope(f, nu_scope_get(f->server->stats, layout, prefix, plain, tag, tag != NULL ? 1 : 0));
}

static void make_scopes(struct nu_factory *f, struct nu_hcm_conf *c)
{
    const struct nu_stat_tag tag = {NU_STR("envoy.http_conn_manager_prefix"), NU_STR("admin")};
    c->stat_prefix = NU_STR("http.admin.");
    c->scope = scope(f, &nu_hcm_layout, c->stat_prefix, NU_STR("http."), &tag);
    c->tracing_scope = NULL;
    c->listener_scope = scope(f, &nu_hcm_listener_layout, NU_STR("listener.admin.http.admin."),
                              NU_STR("listener.admin.http."), &tag);
    c->h1.http1_scope = scope(f, &nu_http1_layout, NU_STR("http1."), NU_STR("http1."), NULL);
    c->conn_stats = (struct nu_conn_stats){
        .scope = c->scope,
        .rx_total = NU_HCM_downstream_cx_rx_bytes_total,
        .rx_buffered = NU_HCM_downstream_cx_rx_bytes_buffered,
        .tx_total = NU_HCM_downstream_cx_tx_bytes_total,
        .tx_buffered = NU_HCM_downstream_cx_tx_bytes_buffered,
        .delayed_close_timeout = NU_HCM_downstream_cx_delayed_close_timeout,
    };
}

/* ---- the connection manager ---- */

static struct nu_filter_list make_filters(struct nu_factory *f, struct nu_admin *a)
{
    struct nu_admin_filter_conf *conf = nu_arena_new(f->arena, struct nu_admin_filter_conf);
    struct nu_http_filter_entry *entry = nu_arena_new(f->arena, struct nu_http_filter_entry);
    conf->base.attach = nu_admin_filter_attach;
    conf->admin = a;
    *entry = (struct nu_http_filter_entry){.name = NU_STR("admin"), .conf = &conf->base, .terminal = true};
    return (struct nu_filter_list){.items = entry, .n = 1};
}

static struct nu_hcm_conf *make_hcm(struct nu_factory *f, struct nu_admin *a)
{
    struct nu_hcm_conf *c = nu_arena_new(f->arena, struct nu_hcm_conf);
    c->base.attach = nu_hcm_attach;
    c->base.terminal = true;
    c->server = f->server;
    make_scopes(f, c);
    c->codec_type = NU_CODEC_AUTO;
    c->h1.allow_absolute_url = true;
    c->h1.max_head_bytes = 60 * 1024;
    c->h1.max_headers_count = 100;
    c->filters = make_filters(f, a);
    c->server_name = NU_STR("envoy");
    c->server_header = NU_SERVER_OVERWRITE;
    c->idle_timeout = NU_SECONDS(3600);
    c->stream_flush_timeout = NU_MS(-1);
    c->drain_timeout = NU_MS(100);
    c->use_remote_address = true;
    c->normalize_path = true;
    c->merge_slashes = true;
    return c;
}

static bool add_access_logs(struct nu_factory *f, const admin_msg *msg, struct nu_access_logs *out)
{
    if (!nu_access_logs_build(f, msg->access_log, msg->n_access_log, out))
        return false;
    if (msg->access_log_path.len == 0)
        return true;
    struct nu_access_log *log = nu_file_logger_new(f, msg, msg->access_log_path, nu_formatter_default());
    if (log == NULL)
        return false;
    struct nu_access_log **items = nu_arena_array(f->arena, struct nu_access_log *, out->n + 1);
    for (size_t i = 0; i < out->n; i++)
        items[i] = out->items[i];
    items[out->n] = log;
    *out = (struct nu_access_logs){.items = items, .n = out->n + 1};
    return true;
}

/* ---- the filter chain and the listener ---- */

static struct nu_filter_chain *make_chain(const struct nu_factory *outer, struct nu_admin *a, const admin_msg *msg)
{
    struct nu_filter_chain *chain = nu_filter_chain_new();
    struct nu_factory f = *outer;
    f.arena = &chain->arena;
    f.stat_address = NU_STR("admin");
    chain->name = NU_STR("admin");
    chain->transport = &nu_raw_buffer;
    chain->drain.modify_only = true; /* the process's draining does not concern it */
    struct nu_hcm_conf *hcm = make_hcm(&f, a);
    chain->filters = nu_arena_array(f.arena, const struct nu_net_filter_conf *, 1);
    chain->filters[0] = &hcm->base;
    chain->n_filters = 1;
    if (!add_access_logs(&f, msg, &hcm->access_logs))
        nu_filter_chain_unref(&chain);
    return chain;
}

static void set_socket(struct nu_listener_conf *c, const admin_msg *msg)
{
    c->socket.reuse_port = false; /* two processes with one admin address are a mistake */
    c->socket.ipv4_compat = msg->address->socket_address != NULL && msg->address->socket_address->ipv4_compat;
    c->socket.options = nu_socket_options_build(&c->arena, msg->socket_options, msg->n_socket_options);
    c->socket.n_options = msg->n_socket_options;
    c->bind_to_port = true;
}

static bool set_allow_paths(struct nu_admin *a, struct nu_factory *f, const admin_msg *msg)
{
    bool ok = true;
    a->allow_paths = nu_arena_array(f->arena, struct nu_string_matcher, msg->n_allow_paths);
    for (size_t i = 0; i < msg->n_allow_paths; i++)
        ok = nu_string_matcher_build(f, msg->allow_paths[i], &a->allow_paths[i]) && ok;
    a->n_allow_paths = msg->n_allow_paths;
    return ok;
}

static void set_names(struct nu_listener_conf *c, const admin_msg *msg)
{
    c->name = c->stat_name = NU_STR("admin");
    c->on_main = true;
    c->file = nu_arena_str(&c->arena, nu_pb_file(msg));
    c->path = nu_pb_path(&c->arena, msg);
    c->pos = nu_pb_pos(msg);
    c->buffer_limit = BUFFER_LIMIT;
    c->ignore_global_conn_limit = msg->ignore_global_conn_limit;
}

struct nu_listener_conf *nu_admin_listener_new(struct nu_admin *a, struct nu_factory *outer, const admin_msg *msg)
{
    if (msg == NULL || msg->address == NULL)
        return NULL;
    struct nu_listener_conf *c = nu_listener_conf_new();
    struct nu_factory f = *outer;
    f.arena = &c->arena;
    set_names(c, msg);
    c->addresses = nu_arena_array(f.arena, struct nu_address *, 1);
    c->addresses[0] = nu_listen_address_build(&f, msg->address);
    c->n_addresses = c->addresses[0] != NULL;
    set_socket(c, msg);
    if (msg->profile_path.len > 0)
        nu_pb_warn(f.diags, msg, "profile_path", "there is no CPU profiler; profile_path has no effect");
    bool ok = set_allow_paths(a, &f, msg) && c->n_addresses == 1;
    struct nu_filter_chain *chain = make_chain(&f, a, msg);
    if (chain != NULL) {
        c->chains = nu_arena_array(f.arena, struct nu_filter_chain *, 1);
        c->chains[0] = c->catch_all = chain;
        c->n_chains = 1;
    }
    if (!ok || chain == NULL)
        nu_listener_conf_unref(&c);
    return c;
}
