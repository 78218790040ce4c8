/* SPDX-License-Identifier: Apache-2.0
 *
 * The domains of a route table, see domains.h. */
#include "router/domains.h"

#include "base/alloc.h"

/* Host headers longer than this are compared as they came: no domain is that long. */
#define HOST_MAX 1024u

static nu_str lower_copy(struct nu_arena *a, nu_str s)
{
    char *p = nu_arena_alloc(a, s.len + 1);
    for (size_t i = 0; i < s.len; i++)
        p[i] = nu_ascii_lower(s.ptr[i]);
    p[s.len] = '\0';
    return nu_str_make(p, s.len);
}

static void add_length(struct nu_domain_set *set, struct nu_arena *a, uint32_t len)
{
    uint32_t at = 0;
    while (at < set->n_lengths && set->lengths[at] > len)
        at++;
    if (at < set->n_lengths && set->lengths[at] == len)
        return;
    if (set->n_lengths == set->cap_lengths) {
        uint32_t cap = set->cap_lengths == 0 ? 8 : set->cap_lengths * 2;
        uint32_t *grown = nu_arena_array(a, uint32_t, cap);
        if (set->n_lengths > 0)
            memcpy(grown, set->lengths, set->n_lengths * sizeof *grown);
        set->lengths = grown;
        set->cap_lengths = cap;
    }
    memmove(set->lengths + at + 1, set->lengths + at, (set->n_lengths - at) * sizeof *set->lengths);
    set->lengths[at] = len;
    set->n_lengths++;
}

static enum nu_domain_added add_once(struct nu_map *m, nu_str name, void *value)
{
    if (nu_map_get(m, name) != NULL)
        return NU_DOMAIN_DUPLICATE;
    (void)nu_map_put(m, name, value);
    return NU_DOMAIN_ADDED;
}

static enum nu_domain_added add_wildcard(struct nu_domain_set *set, struct nu_arena *a, nu_str fixed, void *value)
{
    enum nu_domain_added r = add_once(&set->by_name, fixed, value);
    if (r == NU_DOMAIN_ADDED)
        add_length(set, a, (uint32_t)fixed.len);
    return r;
}

enum nu_domain_added nu_domains_add(struct nu_domains *d, struct nu_arena *a, nu_str domain, void *value)
{
    if (nu_str_eq(domain, NU_STR("*"))) {
        if (d->any != NULL)
            return NU_DOMAIN_SECOND_ANY;
        d->any = value;
        return NU_DOMAIN_ADDED;
    }
    nu_str name = lower_copy(a, domain);
    if (name.len > 0 && name.ptr[0] == '*')
        return add_wildcard(&d->suffixes, a, nu_str_skip(name, 1), value);
    if (name.len > 0 && name.ptr[name.len - 1] == '*')
        return add_wildcard(&d->prefixes, a, nu_str_first(name, name.len - 1), value);
    return add_once(&d->exact, name, value);
}

static void *find_suffix(const struct nu_domain_set *set, nu_str host)
{
    for (uint32_t i = 0; i < set->n_lengths; i++) {
        if (set->lengths[i] >= host.len)
            continue;
        void *v = nu_map_get(&set->by_name, nu_str_skip(host, host.len - set->lengths[i]));
        if (v != NULL)
            return v;
    }
    return NULL;
}

static void *find_prefix(const struct nu_domain_set *set, nu_str host)
{
    for (uint32_t i = 0; i < set->n_lengths; i++) {
        if (set->lengths[i] >= host.len)
            continue;
        void *v = nu_map_get(&set->by_name, nu_str_first(host, set->lengths[i]));
        if (v != NULL)
            return v;
    }
    return NULL;
}

/* The host in lower case: itself when it already is. */
static nu_str lower_view(nu_str host, char buffer[HOST_MAX])
{
    size_t i = 0;
    while (i < host.len && nu_ascii_lower(host.ptr[i]) == host.ptr[i])
        i++;
    if (i == host.len || host.len > HOST_MAX)
        return host;
    memcpy(buffer, host.ptr, i);
    for (; i < host.len; i++)
        buffer[i] = nu_ascii_lower(host.ptr[i]);
    return nu_str_make(buffer, host.len);
}

void *nu_domains_find(const struct nu_domains *d, nu_str host)
{
    if (host.ptr == NULL || (d->exact.n == 0 && d->suffixes.n_lengths == 0 && d->prefixes.n_lengths == 0))
        return d->any;
    void *v = nu_map_get(&d->exact, host);
    if (v != NULL)
        return v; /* it was in lower case, as nearly all are */
    char buffer[HOST_MAX];
    nu_str name = lower_view(host, buffer);
    if (name.ptr != host.ptr)
        v = nu_map_get(&d->exact, name);
    if (v == NULL)
        v = find_suffix(&d->suffixes, name);
    if (v == NULL)
        v = find_prefix(&d->prefixes, name);
    return v != NULL ? v : d->any;
}

void nu_domains_free(struct nu_domains *d)
{
    nu_map_free(&d->exact);
    nu_map_free(&d->suffixes.by_name);
    nu_map_free(&d->prefixes.by_name);
}

size_t nu_host_port_start(nu_str host)
{
    ssize_t colon = nu_str_rfind(host, ':');
    if (colon < 0)
        return host.len;
    ssize_t bracket = nu_str_rfind(host, ']');
    uint64_t port;
    if (bracket > colon || !nu_str_to_u64(nu_str_skip(host, (size_t)colon + 1), &port) || port > UINT32_MAX)
        return host.len;
    return (size_t)colon;
}
