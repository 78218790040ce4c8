/* SPDX-License-Identifier: Apache-2.0
 *
 * /listeners: which listeners there are, and where. */
#include "admin/json_address.h"
#include "admin/request.h"
#include "listener/listener.h"

static void text_one(const struct nu_listener_status *s, void *arg)
{
    struct nu_sb *sb = arg;
    for (size_t i = 0; i < s->n_addresses; i++)
        nu_sb_printf(sb, "%.*s::%.*s\n", NU_STR_ARG(s->name), NU_STR_ARG(s->addresses[i]->text));
}

static void json_one(const struct nu_listener_status *s, void *arg)
{
    struct nu_json *j = arg;
    nu_json_open(j, '{');
    if (s->name.len > 0)
        nu_json_kstr(j, "name", s->name);
    nu_json_key(j, "local_address");
    nu_json_address(j, s->addresses[0]);
    if (s->n_addresses > 1) {
        nu_json_kopen(j, "additional_local_addresses", '[');
        for (size_t i = 1; i < s->n_addresses; i++)
            nu_json_address(j, s->addresses[i]);
        nu_json_close(j, ']');
    }
    nu_json_close(j, '}');
}

static void some(const struct nu_listener_status *s, void *arg)
{
    bool *any = arg;
    (void)s;
    *any = true;
}

static void json(struct nu_admin_request *r)
{
    struct nu_json j = {.sb = &r->out};
    bool any = false;
    r->content_type = NU_ADMIN_JSON;
    nu_listener_manager_each(r->admin->server->listeners, some, &any);
    nu_json_open(&j, '{');
    if (any) {
        nu_json_kopen(&j, "listener_statuses", '[');
        nu_listener_manager_each(r->admin->server->listeners, json_one, &j);
        nu_json_close(&j, ']');
    }
    nu_json_close(&j, '}');
    nu_sb_char(&r->out, '\n');
}

void nu_admin_listeners(struct nu_admin_request *r)
{
    if (nu_str_eq(nu_param_get(&r->params, "format"), NU_STR("json")))
        json(r);
    else
        nu_listener_manager_each(r->admin->server->listeners, text_one, &r->out);
}
