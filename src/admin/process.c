/* SPDX-License-Identifier: Apache-2.0
 *
 * Endpoints about the process as a whole: its state, its end, draining, runtime, memory. */
#include "admin/json.h"
#include "admin/request.h"
#include "base/memory_use.h"
#include "worker/runtime.h"

static void ok(struct nu_admin_request *r)
{
    nu_sb_lit(&r->out, "OK\n");
}

/* ---- state and end ---- */

void nu_admin_ready(struct nu_admin_request *r)
{
    static const char *const names[] = {"LIVE", "DRAINING", "PRE_INITIALIZING", "INITIALIZING"};
    const struct nu_admin_hooks *h = r->admin->hooks;
    enum nu_server_state state = h->state(h->arg);
    r->status = state == NU_SERVER_LIVE ? 200 : 503;
    nu_sb_printf(&r->out, "%s\n", names[state]);
}

void nu_admin_quit(struct nu_admin_request *r)
{
    const struct nu_admin_hooks *h = r->admin->hooks;
    ok(r);
    h->quit(h->arg);
}

void nu_admin_drain_listeners(struct nu_admin_request *r)
{
    const struct nu_admin_hooks *h = r->admin->hooks;
    h->drain_listeners(h->arg, nu_param_has(&r->params, "graceful"), nu_param_has(&r->params, "skip_exit"),
                       nu_param_has(&r->params, "inboundonly"));
    ok(r);
}

void nu_admin_healthcheck_fail(struct nu_admin_request *r)
{
    r->admin->hooks->healthcheck_fail(r->admin->hooks->arg, true);
    ok(r);
}

void nu_admin_healthcheck_ok(struct nu_admin_request *r)
{
    r->admin->hooks->healthcheck_fail(r->admin->hooks->arg, false);
    ok(r);
}

void nu_admin_reopen_logs(struct nu_admin_request *r)
{
    r->admin->hooks->reopen_logs(r->admin->hooks->arg);
    ok(r);
}

void nu_admin_hot_restart_version(struct nu_admin_request *r)
{
    nu_sb_lit(&r->out, "disabled");
}

/* ---- runtime ---- */

void nu_admin_runtime(struct nu_admin_request *r)
{
    r->content_type = NU_ADMIN_JSON;
    nu_runtime_dump(r->admin->server->runtime, &r->out);
}

void nu_admin_runtime_modify(struct nu_admin_request *r)
{
    struct nu_runtime *rt = r->admin->server->runtime;
    int layer = nu_runtime_admin_layer(rt);
    if (r->params.n == 0) {
        nu_admin_fail(r, 400,
                      "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n"
                      "       or send the parameters as form values\n"
                      "use an empty value to remove a previously added override");
        return;
    }
    if (layer < 0) {
        nu_admin_fail(r, 503, "No admin layer specified");
        return;
    }
    for (size_t i = 0; i < r->params.n; i++)
        nu_runtime_set(rt, layer, r->params.items[i].name, r->params.items[i].value);
    nu_runtime_publish(rt);
    ok(r);
}

/* ---- memory and what Envoy has beside ---- */

/* The fields are TCMalloc's; these are the nearest of glibc. */
void nu_admin_memory(struct nu_admin_request *r)
{
    struct nu_memory_use use = nu_memory_use();
    struct nu_json j = {.sb = &r->out};
    r->content_type = NU_ADMIN_JSON;
    nu_json_open(&j, '{');
    nu_json_ku64_text(&j, "allocated", use.allocated);
    nu_json_ku64_text(&j, "heap_size", use.heap);
    nu_json_ku64_text(&j, "pageheap_unmapped", 0);
    nu_json_ku64_text(&j, "pageheap_free", use.heap_free);
    nu_json_ku64_text(&j, "total_thread_cache", use.cached);
    nu_json_ku64_text(&j, "total_physical_bytes", use.resident);
    nu_json_close(&j, '}');
    nu_sb_char(&r->out, '\n');
}

void nu_admin_contention(struct nu_admin_request *r)
{
    nu_sb_lit(&r->out,
              "Mutex contention tracing is not enabled. To enable, run Envoy with flag --enable-mutex-tracing.");
}

/* ---- /init_dump ---- */

struct unready {
    struct nu_json json;
    struct nu_sb last; /* the manager's name, kept */
    bool some;
};

static void end_manager(struct unready *u)
{
    nu_json_close(&u->json, ']');
    nu_json_close(&u->json, '}');
}

static void on_unready(nu_str manager, nu_str target, void *arg)
{
    struct unready *u = arg;
    if (!u->some)
        nu_json_kopen(&u->json, "unready_targets_dumps", '[');
    if (!u->some || !nu_str_eq(manager, nu_sb_str(&u->last))) {
        if (u->some)
            end_manager(u);
        nu_json_open(&u->json, '{');
        nu_json_kstr(&u->json, "name", manager);
        nu_json_kopen(&u->json, "target_names", '[');
        u->last.len = 0;
        nu_sb_add(&u->last, manager);
    }
    u->some = true;
    nu_json_str(&u->json, target);
}

void nu_admin_init_dump(struct nu_admin_request *r)
{
    const struct nu_admin_hooks *h = r->admin->hooks;
    struct unready u = {.json = {.sb = &r->out}};
    nu_str mask = nu_param_get(&r->params, "mask");
    r->content_type = NU_ADMIN_JSON;
    nu_json_open(&u.json, '{');
    /* "listener": what listeners wait for; ours wait for nothing of their own. */
    if (h->each_unready != NULL && !nu_str_eq(mask, NU_STR("listener")))
        h->each_unready(h->arg, on_unready, &u);
    if (u.some) {
        end_manager(&u);
        nu_json_close(&u.json, ']');
    }
    nu_json_close(&u.json, '}');
    nu_sb_char(&r->out, '\n');
    nu_sb_free(&u.last);
}
