/* SPDX-License-Identifier: Apache-2.0
 *
 * /server_info: admin.v3.ServerInfo with all fields. */
#include "admin/json.h"
#include "admin/node.h"
#include "admin/request.h"
#include "base/clock.h"
#include "codec/pb/print.h"
#include "worker/worker.h"

static void duration(struct nu_json *j, const char *name, uint64_t ms)
{
    char text[32];
    nu_json_kstr(j, name, nu_json_duration_ms(ms, text));
}

static void strings(struct nu_json *j, const char *name, const nu_str *items, size_t n)
{
    nu_json_kopen(j, name, '[');
    for (size_t i = 0; i < n; i++)
        nu_json_str(j, items[i]);
    nu_json_close(j, ']');
}

static void options(struct nu_json *j, const struct nu_admin_options *o)
{
    static const char *const modes[] = {"Serve", "Validate", "InitOnly"};
    nu_json_kopen(j, "command_line_options", '{');
    nu_json_ku64_text(j, "base_id", o->base_id);
    nu_json_ku64(j, "concurrency", o->concurrency);
    nu_json_kstr(j, "config_path", o->config_path);
    nu_json_kstr(j, "config_yaml", o->config_yaml);
    nu_json_kbool(j, "allow_unknown_static_fields", o->allow_unknown_static_fields);
    nu_json_kstr(j, "admin_address_path", o->admin_address_path);
    nu_json_kstr(j, "local_address_ip_version", o->local_address_v6 ? NU_STR("v6") : NU_STR("v4"));
    nu_json_kstr(j, "log_level", o->log_level);
    nu_json_kstr(j, "component_log_level", o->component_log_level);
    nu_json_kstr(j, "log_format", o->log_format);
    nu_json_kstr(j, "log_path", o->log_path);
    nu_json_kstr(j, "service_cluster", o->service_cluster);
    nu_json_kstr(j, "service_node", o->service_node);
    nu_json_kstr(j, "service_zone", o->service_zone);
    duration(j, "file_flush_interval", o->file_flush_interval_ms);
    duration(j, "drain_time", o->drain_time_s * 1000);
    duration(j, "parent_shutdown_time", o->parent_shutdown_time_s * 1000);
    nu_json_kstr(j, "mode", nu_str_from(modes[o->mode]));
    nu_json_kbool(j, "disable_hot_restart", o->disable_hot_restart);
    nu_json_kbool(j, "enable_mutex_tracing", o->enable_mutex_tracing);
    nu_json_ku64(j, "restart_epoch", o->restart_epoch);
    nu_json_kbool(j, "cpuset_threads", o->cpuset_threads);
    nu_json_kbool(j, "reject_unknown_dynamic_fields", o->reject_unknown_dynamic_fields);
    nu_json_kbool(j, "log_format_escaped", o->log_format_escaped);
    strings(j, "disabled_extensions", o->disabled_extensions, o->n_disabled_extensions);
    nu_json_kbool(j, "ignore_unknown_dynamic_fields", o->ignore_unknown_dynamic_fields);
    nu_json_kbool(j, "use_dynamic_base_id", o->use_dynamic_base_id);
    nu_json_kstr(j, "base_id_path", o->base_id_path);
    nu_json_kstr(j, "drain_strategy", o->drain_immediate ? NU_STR("Immediate") : NU_STR("Gradual"));
    nu_json_kbool(j, "enable_fine_grain_logging", o->enable_fine_grain_logging);
    nu_json_kstr(j, "socket_path", o->socket_path);
    nu_json_ku64(j, "socket_mode", o->socket_mode);
    nu_json_kbool(j, "enable_core_dump", o->enable_core_dump);
    strings(j, "stats_tag", NULL, 0);
    nu_json_kbool(j, "skip_hot_restart_on_no_parent", o->skip_hot_restart_on_no_parent);
    nu_json_kbool(j, "skip_hot_restart_parent_stats", o->skip_hot_restart_parent_stats);
    nu_json_kbool(j, "skip_deprecated_logs", false);
    nu_json_ku64(j, "file_flush_min_size", 0); /* Envoy never fills it in */
    nu_json_kbool(j, "log_stacktrace_single_entry", false);
    nu_json_close(j, '}');
}

static void node(struct nu_json *j, struct nu_admin_request *r)
{
    const struct nu_admin_hooks *h = r->admin->hooks;
    const struct envoy_config_core_v3_Node *msg = nu_node_of(r->arena, h->bootstrap(h->arg));
    struct nu_sb text = {0};
    nu_pb_print_json(&text, msg, &(struct nu_pb_print_options){.primitives = true, .indent = j->depth});
    /* One field more than api/ has: it is never set. */
    text.len -= sizeof("\n }") - 1;
    nu_sb_lit(&text, ",\n  \"dynamic_parameters\": {}\n }");
    nu_json_key(j, "node");
    nu_json_raw(j, nu_sb_str(&text));
    nu_sb_free(&text);
}

void nu_admin_server_info(struct nu_admin_request *r)
{
    static const char *const states[] = {"LIVE", "DRAINING", "PRE_INITIALIZING", "INITIALIZING"};
    const struct nu_admin_hooks *h = r->admin->hooks;
    const struct nu_server *s = r->admin->server;
    struct nu_json j = {.sb = &r->out};
    uint64_t up_ms = (nu_loop_wall_ns(nu_workers_main(s->workers)->loop) - s->start_wall_ns) / NU_NS_PER_SEC * 1000;
    r->content_type = NU_ADMIN_JSON;
    nu_json_open(&j, '{');
    nu_json_kstr(&j, "version", nu_admin_version());
    nu_json_kstr(&j, "state", nu_str_from(states[h->state(h->arg)]));
    duration(&j, "uptime_current_epoch", up_ms);
    duration(&j, "uptime_all_epochs", up_ms);
    nu_json_kstr(&j, "hot_restart_version", NU_STR("disabled"));
    options(&j, h->options);
    node(&j, r);
    nu_json_kbool(&j, "hot_restart_initializing", false);
    nu_json_close(&j, '}');
    nu_sb_char(&r->out, '\n');
}
