/* SPDX-License-Identifier: Apache-2.0 */
#include "listener/match.h"

#include "base/assert.h"
#include "base/map.h"

enum step {
    DESTINATION_PORT,
    DESTINATION_IP,
    SERVER_NAME,
    TRANSPORT_PROTOCOL,
    APPLICATION_PROTOCOL,
    DIRECT_SOURCE_IP,
    SOURCE_TYPE,
    SOURCE_IP,
    SOURCE_PORT,
    N_STEPS,
};

/* A key of a step's table: the criterion's value in bytes; empty: any. */
struct key {
    uint8_t bytes[18]; /* IP: family, prefix length, masked address */
    nu_str str;
};

/* One branch of a step. An IP step also lists the prefix lengths in use, longest first. */
struct node {
    struct nu_map map; /* value: struct node of the next step; of the last step: struct nu_filter_chain */
    uint8_t *lengths[2]; /* IPv4, IPv6 */
    unsigned n_lengths[2];
};

struct nu_chain_matcher {
    struct nu_arena *arena;
    struct node *root;
};

static void free_map(void *arg)
{
    nu_map_free(arg);
}

static struct node *node_new(struct nu_arena *a)
{
    struct node *n = nu_arena_new(a, struct node);
    nu_arena_on_clear(a, free_map, &n->map);
    return n;
}

struct nu_chain_matcher *nu_chain_matcher_new(struct nu_arena *a)
{
    struct nu_chain_matcher *m = nu_arena_new(a, struct nu_chain_matcher);
    m->arena = a;
    m->root = node_new(a);
    return m;
}

/* ---- keys ---- */

static nu_str any_key(void)
{
    return NU_STR("");
}

static nu_str port_key(struct key *k, uint32_t port)
{
    k->bytes[0] = (uint8_t)(port >> 8);
    k->bytes[1] = (uint8_t)port;
    return k->str = nu_str_make(k->bytes, 2);
}

static nu_str type_key(struct key *k, enum nu_source_type type)
{
    k->bytes[0] = (uint8_t)type;
    return k->str = nu_str_make(k->bytes, 1);
}

static nu_str ip_key(struct key *k, const struct nu_sockaddr *ip, uint8_t bits)
{
    bool v4 = ip->family == AF_INET;
    size_t len = v4 ? 4 : 16;
    k->bytes[0] = v4 ? 4 : 6;
    k->bytes[1] = bits;
    memcpy(k->bytes + 2, v4 ? (const void *)&ip->in4.sin_addr : (const void *)&ip->in6.sin6_addr, len);
    for (size_t i = 0; i < len; i++) {
        unsigned keep = bits > i * 8 ? nu_min(bits - (unsigned)i * 8, 8u) : 0;
        k->bytes[2 + i] &= (uint8_t)(0xff00u >> keep);
    }
    return k->str = nu_str_make(k->bytes, 2 + len);
}

/* ---- building ---- */

static nu_str list_key(const nu_str *list, size_t n, size_t i)
{
    return n > 0 ? list[i] : any_key();
}

static nu_str range_key(struct key *k, const struct nu_cidr *list, size_t n, size_t i)
{
    return n > 0 ? ip_key(k, &list[i].base, list[i].bits) : any_key();
}

/* The i-th key that the criteria have at a step. */
static nu_str key_at(enum step step, const struct nu_chain_criteria *c, size_t i, struct key *k)
{
    switch (step) {
    case DESTINATION_PORT:
        return c->destination_port != 0 ? port_key(k, c->destination_port) : any_key();
    case DESTINATION_IP:
        return range_key(k, c->destination_ips, c->n_destination_ips, i);
    case SERVER_NAME:
        return list_key(c->server_names, c->n_server_names, i);
    case TRANSPORT_PROTOCOL:
        return c->transport_protocol.len > 0 ? c->transport_protocol : any_key();
    case APPLICATION_PROTOCOL:
        return list_key(c->application_protocols, c->n_application_protocols, i);
    case DIRECT_SOURCE_IP:
        return range_key(k, c->direct_source_ips, c->n_direct_source_ips, i);
    case SOURCE_TYPE:
        return c->source_type != NU_SOURCE_ANY ? type_key(k, c->source_type) : any_key();
    case SOURCE_IP:
        return range_key(k, c->source_ips, c->n_source_ips, i);
    case SOURCE_PORT:
        return c->n_source_ports > 0 ? port_key(k, c->source_ports[i]) : any_key();
    case N_STEPS:
        break;
    }
    NU_UNREACHABLE();
}

static size_t n_keys(enum step step, const struct nu_chain_criteria *c)
{
    size_t n = 1;
    if (step == DESTINATION_IP)
        n = c->n_destination_ips;
    else if (step == SERVER_NAME)
        n = c->n_server_names;
    else if (step == APPLICATION_PROTOCOL)
        n = c->n_application_protocols;
    else if (step == DIRECT_SOURCE_IP)
        n = c->n_direct_source_ips;
    else if (step == SOURCE_IP)
        n = c->n_source_ips;
    else if (step == SOURCE_PORT)
        n = c->n_source_ports;
    return nu_max(n, (size_t)1);
}

static bool is_ip_step(enum step step)
{
    return step == DESTINATION_IP || step == DIRECT_SOURCE_IP || step == SOURCE_IP;
}

/* Adds a prefix length to the node's list, which stays sorted, longest first. */
static void note_length(struct nu_arena *a, struct node *n, nu_str key)
{
    unsigned family = key.ptr[0] == 4 ? 0 : 1;
    uint8_t bits = (uint8_t)key.ptr[1];
    if (n->lengths[family] == NULL)
        n->lengths[family] = nu_arena_alloc(a, family == 0 ? 33 : 129);
    uint8_t *list = n->lengths[family];
    unsigned at = 0;
    while (at < n->n_lengths[family] && list[at] > bits)
        at++;
    if (at < n->n_lengths[family] && list[at] == bits)
        return;
    memmove(list + at + 1, list + at, n->n_lengths[family] - at);
    list[at] = bits;
    n->n_lengths[family]++;
}

static struct nu_filter_chain *add(struct nu_chain_matcher *m, struct node *n, enum step step,
                                   const struct nu_chain_criteria *c, struct nu_filter_chain *chain);

static struct nu_filter_chain *add_key(struct nu_chain_matcher *m, struct node *n, enum step step, nu_str key,
                                       const struct nu_chain_criteria *c, struct nu_filter_chain *chain)
{
    void *found = nu_map_get(&n->map, key);
    if (found != NULL && step == SOURCE_PORT)
        return found;
    if (found == NULL) {
        found = step == SOURCE_PORT ? (void *)chain : (void *)node_new(m->arena);
        nu_map_put(&n->map, key.len > 0 ? nu_arena_str(m->arena, key) : key, found);
        if (is_ip_step(step) && key.len > 0)
            note_length(m->arena, n, key);
    }
    return step == SOURCE_PORT ? NULL : add(m, found, (enum step)(step + 1), c, chain);
}

static struct nu_filter_chain *add(struct nu_chain_matcher *m, struct node *n, enum step step,
                                   const struct nu_chain_criteria *c, struct nu_filter_chain *chain)
{
    size_t count = n_keys(step, c);
    for (size_t i = 0; i < count; i++) {
        struct key k;
        struct nu_filter_chain *other = add_key(m, n, step, key_at(step, c, i, &k), c, chain);
        if (other != NULL)
            return other;
    }
    return NULL;
}

struct nu_filter_chain *nu_chain_matcher_add(struct nu_chain_matcher *m, const struct nu_chain_criteria *c,
                                             struct nu_filter_chain *chain)
{
    return add(m, m->root, DESTINATION_PORT, c, chain);
}

/* ---- matching: one function per kind of step, each the most specific branch or NULL ---- */

static void *or_any(const struct node *n, void *found)
{
    return found != NULL ? found : nu_map_get(&n->map, any_key());
}

static void *by_port(const struct node *n, const struct nu_sockaddr *a)
{
    struct key k;
    uint16_t port = nu_sockaddr_port(a);
    return or_any(n, port != 0 && n->map.n > 0 ? nu_map_get(&n->map, port_key(&k, port)) : NULL);
}

static void *by_ip(const struct node *n, const struct nu_sockaddr *a)
{
    unsigned family = a->family == AF_INET ? 0 : 1;
    if (a->family != AF_INET && a->family != AF_INET6)
        return or_any(n, NULL);
    for (unsigned i = 0; i < n->n_lengths[family]; i++) {
        struct key k;
        void *found = nu_map_get(&n->map, ip_key(&k, a, n->lengths[family][i]));
        if (found != NULL)
            return found;
    }
    return or_any(n, NULL);
}

/* The exact name, then ".example.com" and ".com" of "www.example.com". */
static void *by_server_name(const struct node *n, nu_str name)
{
    if (name.len == 0)
        return or_any(n, NULL);
    void *found = nu_map_get(&n->map, name);
    nu_str rest = nu_str_skip(name, 1);
    while (found == NULL) {
        ssize_t dot = nu_str_find(rest, '.');
        if (dot < 0 || (size_t)dot + 1 >= rest.len)
            break;
        rest = nu_str_skip(rest, (size_t)dot);
        found = nu_map_get(&n->map, rest);
        rest = nu_str_skip(rest, 1);
    }
    return or_any(n, found);
}

static void *by_transport(const struct node *n, nu_str protocol)
{
    nu_str p = protocol.len > 0 ? protocol : NU_STR("raw_buffer"); /* Envoy's default when no filter found one */
    return or_any(n, nu_map_get(&n->map, p));
}

static void *by_application(const struct node *n, const struct nu_conn_info *info)
{
    const struct nu_conn_details *d = nu_conn_details(info);
    void *found = NULL;
    for (unsigned i = 0; i < d->n_application_protocols && found == NULL; i++)
        found = nu_map_get(&n->map, d->application_protocols[i]);
    return or_any(n, found);
}

static bool is_local(const struct nu_conn_info *info)
{
    const struct nu_sockaddr *remote = &info->remote;
    return remote->family == AF_UNIX || nu_sockaddr_is_loopback(remote) ||
           (info->local != NULL && nu_sockaddr_same_ip(remote, &info->local->sock));
}

static void *by_source_type(const struct node *n, const struct nu_conn_info *info)
{
    struct key k;
    enum nu_source_type type = is_local(info) ? NU_SOURCE_SAME_IP_OR_LOOPBACK : NU_SOURCE_EXTERNAL;
    return or_any(n, nu_map_get(&n->map, type_key(&k, type)));
}

static void *branch(const struct node *n, enum step step, const struct nu_conn_info *info)
{
    static const struct nu_sockaddr none = {.family = AF_UNSPEC};
    const struct nu_sockaddr *local = info->local != NULL ? &info->local->sock : &none;
    const struct nu_sockaddr *direct = nu_conn_direct_remote(info);
    switch (step) {
    case DESTINATION_PORT:
        return by_port(n, local);
    case DESTINATION_IP:
        return by_ip(n, local);
    case SERVER_NAME:
        return by_server_name(n, nu_conn_details(info)->requested_server_name);
    case TRANSPORT_PROTOCOL:
        return by_transport(n, nu_conn_details(info)->transport_protocol);
    case APPLICATION_PROTOCOL:
        return by_application(n, info);
    case DIRECT_SOURCE_IP:
        return by_ip(n, direct);
    case SOURCE_TYPE:
        return by_source_type(n, info);
    case SOURCE_IP:
        return by_ip(n, &info->remote);
    case SOURCE_PORT:
        return by_port(n, &info->remote);
    case N_STEPS:
        break;
    }
    NU_UNREACHABLE();
}

struct nu_filter_chain *nu_chain_match(const struct nu_chain_matcher *m, const struct nu_conn_info *info)
{
    void *at = m->root;
    for (unsigned step = 0; step < N_STEPS && at != NULL; step++)
        at = branch(at, (enum step)step, info);
    return at;
}
