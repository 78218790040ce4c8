/* SPDX-License-Identifier: Apache-2.0
 *
 * Which upgrades are allowed: the connection manager's upgrade_configs, overridden by the route's. */
#include "http/stream_priv.h"

static const struct nu_upgrade_conf *configured(const struct nu_hcm_conf *conf, nu_str type)
{
    for (unsigned i = 0; i < conf->n_upgrades; i++)
        if (nu_str_eq_nocase(conf->upgrades[i].type, type))
            return &conf->upgrades[i];
    return NULL;
}

/* -1: the route says nothing. */
static int route_says(const struct nu_route *r, nu_str type)
{
    for (unsigned i = 0; r != NULL && i < r->n_upgrades; i++)
        if (nu_str_eq_nocase(r->upgrades[i].type, type))
            return r->upgrades[i].enabled ? 1 : 0;
    return -1;
}

bool nu_upgrade_chain(struct nu_http_stream *s, struct nu_filter_list *out)
{
    nu_str type = s->is_connect ? NU_STR("connect")
                                : nu_headers_get_id(s->dir[DIR_DECODE].headers, NU_HDR_UPGRADE);
    const struct nu_upgrade_conf *u = configured(s->conf, type);
    int route = route_says(nu_http_stream_route(s), type);
    *out = s->conf->filters;
    if (route == 0 || (route < 0 && (u == NULL || !u->enabled)))
        return false;
    if (u != NULL && u->filters != NULL)
        *out = (struct nu_filter_list){.items = u->filters, .n = u->n_filters};
    return true;
}
