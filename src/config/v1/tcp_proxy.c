/* SPDX-License-Identifier: Apache-2.0
 *
 * The tcp_proxy of v1. Its routes are tried in order, by destination and source addresses and ports; v3 has one filter
 * chain per condition instead and takes the most specific one, dimension by dimension (destination port, destination
 * address, source address, source port), without going back. Both decide the same when each combination of what the
 * routes mention has a chain with the first route that covers it: that is what is made here, less what a fallback
 * decides equally. Two facts carry it. A connection whose longest mentioned prefix is P is in a mentioned prefix Q just
 * when Q covers P. And where no route covers a combination, none covers a less specific one. */
#include "config/v1/v1_priv.h"
#include "net/address.h"

enum { T_STAT_PREFIX, T_ROUTES, T_CLUSTER, T_ACCESS_LOG };
static const struct v1_key proxy_keys[] = {
    [T_STAT_PREFIX] = {"stat_prefix", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [T_ROUTES] = {"route_config", V1_MAP, 0},
    [T_CLUSTER] = {"cluster", V1_STRING, V1_NONEMPTY}, /* 1.0 */
    [T_ACCESS_LOG] = {"access_log", V1_LIST, 0},
};
static const struct v1_schema proxy_schema = V1_SCHEMA("the config of the v1 filter tcp_proxy", proxy_keys);

static const struct v1_key config_keys[] = {{"routes", V1_LIST, V1_REQUIRED}};
static const struct v1_schema config_schema = V1_SCHEMA("route_config of a v1 tcp_proxy", config_keys);

enum { R_CLUSTER, R_DEST_IPS, R_DEST_PORTS, R_SOURCE_IPS, R_SOURCE_PORTS };
static const struct v1_key route_keys[] = {
    [R_CLUSTER] = {"cluster", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [R_DEST_IPS] = {"destination_ip_list", V1_LIST, V1_STRINGS},
    [R_DEST_PORTS] = {"destination_ports", V1_STRING, 0},
    [R_SOURCE_IPS] = {"source_ip_list", V1_LIST, V1_STRINGS},
    [R_SOURCE_PORTS] = {"source_ports", V1_STRING, 0},
};
static const struct v1_schema route_schema = V1_SCHEMA("a route of a v1 tcp_proxy", route_keys);

enum {
    MAX_CHAINS = 4096,       /* of one listener */
    MAX_STEPS = 20 * 1000000, /* combinations times routes */
    N_PORTS = 65536,
};

struct ports {
    bool any;
    uint8_t bits[N_PORTS / 8];
};

struct prefixes {
    struct nu_cidr *items;
    nu_str *texts; /* the address as written */
    size_t n;
};

struct route {
    struct nu_pos pos;
    struct ports dest_ports, source_ports;
    struct prefixes dest_ips, source_ips;
    struct nu_tree *filters; /* of each chain that is for this route */
};

/* One combination; what is NULL or 0 stands for all that no route mentions. */
struct region {
    uint32_t dest_port, source_port;
    const struct nu_cidr *dest_ip, *source_ip;
};

static bool has_port(const struct ports *p, uint32_t port)
{
    return p->any || (port != 0 && (p->bits[port / 8] >> (port % 8) & 1) != 0);
}

static bool covers(const struct nu_cidr *wide, const struct nu_cidr *narrow)
{
    return wide->bits <= narrow->bits && nu_cidr_contains(wide, &narrow->base);
}

static bool has_prefix(const struct prefixes *list, const struct nu_cidr *prefix)
{
    for (size_t i = 0; i < list->n; i++) {
        if (prefix != NULL && covers(&list->items[i], prefix))
            return true;
    }
    return list->n == 0;
}

static size_t first_route(const struct route *const *routes, size_t n, const struct region *r)
{
    size_t i = 0;
    while (i < n && !(has_port(&routes[i]->dest_ports, r->dest_port) && has_port(&routes[i]->source_ports, r->source_port) &&
                      has_prefix(&routes[i]->dest_ips, r->dest_ip) && has_prefix(&routes[i]->source_ips, r->source_ip)))
        i++;
    return i;
}

/* "1-1024,2048"; port 0 is no port of a connection. */
static void read_ports(struct v1 *c, struct ports *p, const struct nu_tree_member *m)
{
    uint64_t from, to, count = 0;
    p->any = v1_text(m).len == 0;
    nu_str rest = v1_text(m);
    while (!p->any && rest.ptr != NULL) {
        nu_str part = nu_str_trim(nu_str_next(&rest, ','));
        nu_str last = part, first = nu_str_next(&last, '-');
        if (!nu_str_to_u64(first, &from) || !nu_str_to_u64(last.ptr != NULL ? last : first, &to) || from > to || to >= N_PORTS) {
            v1_error(c, m->value->pos, "\"%.*s\" is not a list of ports such as \"1-1024,2048\"",
                     NU_STR_ARG(nu_str_first(v1_text(m), 80)));
            return;
        }
        for (uint64_t port = from > 0 ? from : 1; port <= to; port++) {
            count += (p->bits[port / 8] >> (port % 8) & 1) == 0;
            p->bits[port / 8] |= (uint8_t)(1u << (port % 8));
        }
    }
    p->any |= count == N_PORTS - 1;
}

static void read_prefixes(struct v1 *c, struct prefixes *p, const struct nu_tree_member *m)
{
    size_t n = v1_count(m);
    if (n == 0)
        return;
    p->items = nu_arena_array(c->scratch, struct nu_cidr, n);
    p->texts = nu_arena_array(c->scratch, nu_str, n);
    for (size_t i = 0; i < n; i++) {
        const struct nu_tree *t = m->value->u.list.items[i];
        nu_str rest = t->u.text, ip = nu_str_next(&rest, '/');
        uint64_t bits;
        if (rest.ptr == NULL || !nu_str_to_u64(rest, &bits) || bits > 128 ||
            !nu_cidr_make(ip, (uint32_t)bits, &p->items[p->n])) {
            v1_error(c, t->pos, "\"%.*s\" is not a range of addresses such as \"10.0.0.0/8\"",
                     NU_STR_ARG(nu_str_first(t->u.text, 80)));
            continue;
        }
        p->texts[p->n++] = ip;
    }
}

/* All prefixes that routes mention, each once. */
static struct prefixes all_prefixes(struct v1 *c, const struct route *const *routes, size_t n, bool source)
{
    struct prefixes all = {0};
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += source ? routes[i]->source_ips.n : routes[i]->dest_ips.n;
    if (total == 0)
        return all;
    all.items = nu_arena_array(c->scratch, struct nu_cidr, total);
    all.texts = nu_arena_array(c->scratch, nu_str, total);
    for (size_t i = 0; i < n; i++) {
        const struct prefixes *p = source ? &routes[i]->source_ips : &routes[i]->dest_ips;
        for (size_t k = 0; k < p->n; k++) {
            size_t at = 0;
            while (at < all.n && !(all.items[at].bits == p->items[k].bits && covers(&all.items[at], &p->items[k])))
                at++;
            all.items[at] = p->items[k];
            all.texts[at] = p->texts[k];
            all.n += at == all.n;
        }
    }
    return all;
}

/* All ports that routes mention, ascending, and 0 for the others at the end. */
static uint32_t *all_ports(struct v1 *c, const struct route *const *routes, size_t n_routes, bool source, size_t *n_out)
{
    struct ports *all = nu_arena_new(c->scratch, struct ports);
    uint32_t *list = nu_arena_array(c->scratch, uint32_t, N_PORTS);
    *n_out = 0;
    for (size_t i = 0; i < n_routes; i++) {
        const struct ports *p = source ? &routes[i]->source_ports : &routes[i]->dest_ports;
        for (size_t k = 0; k < sizeof(all->bits) && !p->any; k++)
            all->bits[k] |= p->bits[k];
    }
    for (uint32_t port = 1; port < N_PORTS; port++) {
        if (has_port(all, port))
            list[(*n_out)++] = port;
    }
    list[(*n_out)++] = 0;
    return list;
}

struct expansion {
    struct v1 *c;
    const struct route *const *routes;
    size_t n_routes;
    struct nu_tree *chains;
    struct prefixes dest_ips, source_ips;
    uint32_t *dest_ports, *source_ports;
    size_t n_dest_ports, n_source_ports;
};

static void put_prefix(struct v1 *c, struct nu_tree *match, const char *key, struct nu_pos pos, const struct prefixes *all,
                       size_t i)
{
    if (i == all->n)
        return;
    struct nu_tree *range = v1_add_map(c, v1_put_list(c, match, key, pos), pos);
    v1_put(c, range, "address_prefix", v1_str(c, pos, all->texts[i]));
    v1_put(c, range, "prefix_len", v1_num(c, pos, all->items[i].bits));
}

/* A chain for one route: match on destination port and prefixes; the caller may add source ports. */
static struct nu_tree *add_chain(struct expansion *x, size_t route, uint32_t dest_port, size_t dest_ip, size_t source_ip)
{
    struct v1 *c = x->c;
    const struct route *r = x->routes[route];
    struct nu_tree *chain = v1_add_map(c, x->chains, r->pos), *match = v1_map(c, r->pos);
    if (dest_port != 0)
        v1_put(c, match, "destination_port", v1_num(c, r->pos, dest_port));
    put_prefix(c, match, "prefix_ranges", r->pos, &x->dest_ips, dest_ip);
    put_prefix(c, match, "source_prefix_ranges", r->pos, &x->source_ips, source_ip);
    v1_put(c, chain, "filter_chain_match", match);
    v1_put(c, chain, "filters", r->filters);
    return match;
}

/* One combination of destination port and prefixes: the source ports of each route that wins some of them. */
static void expand_source_ports(struct expansion *x, uint32_t dest_port, size_t dest_ip, size_t source_ip)
{
    struct region r = {.dest_port = dest_port};
    r.dest_ip = dest_ip < x->dest_ips.n ? &x->dest_ips.items[dest_ip] : NULL;
    r.source_ip = source_ip < x->source_ips.n ? &x->source_ips.items[source_ip] : NULL;
    size_t other = first_route(x->routes, x->n_routes, &r);
    struct nu_tree **ports = nu_arena_array(x->c->scratch, struct nu_tree *, x->n_routes);
    for (size_t i = 0; i + 1 < x->n_source_ports; i++) {
        r.source_port = x->source_ports[i];
        size_t route = first_route(x->routes, x->n_routes, &r);
        if (route == other || route == x->n_routes)
            continue;
        if (ports[route] == NULL)
            ports[route] = v1_put_list(x->c, add_chain(x, route, dest_port, dest_ip, source_ip), "source_ports",
                                       x->routes[route]->pos);
        v1_add(x->c, ports[route], v1_num(x->c, x->routes[route]->pos, r.source_port));
    }
    if (other < x->n_routes)
        add_chain(x, other, dest_port, dest_ip, source_ip);
}

static void expand(struct v1 *c, struct nu_tree *chains, const struct route *const *routes, size_t n, struct nu_pos pos)
{
    if (n == 0) {
        /* Every connection is closed; today's listener wants a chain for that. */
        v1_put(c, v1_add_map(c, chains, pos), "filters", v1_list(c, pos));
        return;
    }
    struct expansion x = {.c = c, .routes = routes, .n_routes = n, .chains = chains};
    x.dest_ips = all_prefixes(c, routes, n, false);
    x.source_ips = all_prefixes(c, routes, n, true);
    x.dest_ports = all_ports(c, routes, n, false, &x.n_dest_ports);
    x.source_ports = all_ports(c, routes, n, true, &x.n_source_ports);
    /* In floating point, as the product of four sizes may be large. */
    double groups = (double)x.n_dest_ports * (double)(x.dest_ips.n + 1) * (double)(x.source_ips.n + 1);
    if (groups > MAX_CHAINS || groups * (double)x.n_source_ports * (double)n > MAX_STEPS) {
        v1_unsupported(c, pos, "these routes would need more than %d filter chains, which is not supported", MAX_CHAINS);
        return;
    }
    for (size_t i = 0; i < x.n_dest_ports; i++) {
        for (size_t k = 0; k <= x.dest_ips.n; k++) {
            for (size_t m = 0; m <= x.source_ips.n; m++)
                expand_source_ports(&x, x.dest_ports[i], k, m);
        }
    }
}

/* The filters before it, then a tcp_proxy to `cluster`. v1 had no idle timeout. */
static struct nu_tree *proxy_filters(struct v1 *c, const struct nu_tree *before, const struct v1_filter *f,
                                     const struct v1_obj *proxy, struct nu_tree *cluster)
{
    struct nu_tree *list = v1_list(c, f->tree->pos);
    for (size_t i = 0; i < before->u.list.n; i++)
        v1_add(c, list, before->u.list.items[i]);
    struct nu_tree *out = v1_add_ext(c, list, f->tree->pos, "envoy.filters.network.tcp_proxy",
                                     "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy");
    v1_copy(c, out, "stat_prefix", proxy->m[T_STAT_PREFIX]);
    v1_put(c, out, "cluster", cluster);
    v1_put_lit(c, out, "idle_timeout", f->config->pos, "0s");
    v1_access_logs(c, out, proxy->m[T_ACCESS_LOG]);
    return list;
}

static struct route *read_route(struct v1 *c, const struct v1_obj *o)
{
    struct route *r = nu_arena_new(c->scratch, struct route);
    r->pos = o->tree->pos;
    read_ports(c, &r->dest_ports, o->m[R_DEST_PORTS]);
    read_ports(c, &r->source_ports, o->m[R_SOURCE_PORTS]);
    read_prefixes(c, &r->dest_ips, o->m[R_DEST_IPS]);
    read_prefixes(c, &r->source_ips, o->m[R_SOURCE_IPS]);
    return r;
}

static void tcp_routes(struct v1 *c, struct nu_tree *chains, const struct nu_tree *before, const struct v1_filter *f,
                       const struct v1_obj *proxy)
{
    struct v1_obj config, o;
    struct nu_arena scratch;
    if (!v1_open(c, &config, proxy->m[T_ROUTES]->value, &config_schema) || config.m[0] == NULL)
        return;
    nu_arena_init(&scratch, NULL);
    c->scratch = &scratch;
    size_t n = v1_count(config.m[0]), n_routes = 0, n_errors = c->diags->n_errors;
    const struct route **routes = nu_arena_array(c->scratch, const struct route *, n + 1);
    for (size_t i = 0; i < n; i++) {
        const struct nu_tree *t = config.m[0]->value->u.list.items[i];
        size_t mark = v1_enter(c, "routes", (ssize_t)i);
        if (v1_open(c, &o, t, &route_schema) && o.m[R_CLUSTER] != NULL) {
            struct route *r = read_route(c, &o);
            r->filters = proxy_filters(c, before, f, proxy, o.m[R_CLUSTER]->value);
            routes[n_routes++] = r;
        }
        v1_leave(c, mark);
    }
    /* Expanding what is half wrong would tell nothing more. */
    if (c->diags->n_errors == n_errors)
        expand(c, chains, routes, n_routes, config.m[0]->value->pos);
    c->scratch = NULL;
    nu_arena_clear(&scratch);
}

void v1_tcp_chains(struct v1 *c, struct nu_tree *chains, const struct nu_tree *before, const struct v1_filter *f)
{
    struct v1_obj o;
    if (!v1_open(c, &o, f->config, &proxy_schema))
        return;
    bool has_routes = nu_tree_find(f->config, NU_STR("route_config")) != NULL;
    bool has_cluster = nu_tree_find(f->config, NU_STR("cluster")) != NULL;
    if (has_routes == has_cluster) {
        v1_error(c, f->config->pos, "%s needs %s\"route_config\"", proxy_schema.what,
                 has_routes ? "only one of \"cluster\" and " : "");
    } else if (o.m[T_CLUSTER] != NULL) {
        struct nu_tree *filters = proxy_filters(c, before, f, &o, o.m[T_CLUSTER]->value);
        v1_put(c, v1_add_map(c, chains, f->tree->pos), "filters", filters);
    } else if (o.m[T_ROUTES] != NULL) {
        size_t mark = v1_enter(c, "route_config", -1);
        tcp_routes(c, chains, before, f, &o);
        v1_leave(c, mark);
    }
}
