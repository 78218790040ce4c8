/* SPDX-License-Identifier: Apache-2.0 */
#include "net/proxy_data.h"

static const nu_str state_name = NU_STR_INIT("envoy.network.proxy_protocol_options");

void nu_proxy_data_set(struct nu_conn_info *info, const struct nu_proxy_data *data)
{
    struct nu_filter_state *s = nu_arena_new(info->arena, struct nu_filter_state);
    s->name = state_name;
    s->object = (void *)(uintptr_t)data; /* shared, and never changed from here on */
    s->life = NU_LIFE_CONNECTION;
    struct nu_conn_details *d = nu_conn_details_edit(info);
    s->next = d->filter_state;
    d->filter_state = s;
}

struct nu_proxy_data nu_proxy_data_of(const struct nu_conn_info *info)
{
    for (const struct nu_filter_state *s = nu_conn_details(info)->filter_state; s != NULL; s = s->next)
        if (nu_str_eq(s->name, state_name) && s->object != NULL)
            return *(const struct nu_proxy_data *)s->object;
    struct nu_proxy_data own = {.source = info->remote};
    if (info->local != NULL)
        own.destination = info->local->sock;
    return own;
}

struct nu_pp_addresses nu_proxy_addresses(const struct nu_sockaddr *source, const struct nu_sockaddr *destination)
{
    struct nu_pp_addresses a = {.family = NU_PP_UNSPEC};
    if (source->family != destination->family)
        return a;
    if (source->family == AF_INET) {
        a.family = NU_PP_INET;
        memcpy(a.source, &source->in4.sin_addr, 4);
        memcpy(a.destination, &destination->in4.sin_addr, 4);
    } else if (source->family == AF_INET6) {
        a.family = NU_PP_INET6;
        memcpy(a.source, &source->in6.sin6_addr, 16);
        memcpy(a.destination, &destination->in6.sin6_addr, 16);
    } else {
        return a;
    }
    a.source_port = nu_sockaddr_port(source);
    a.destination_port = nu_sockaddr_port(destination);
    return a;
}
