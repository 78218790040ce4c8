/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of tags: Envoy finds them in names by a list of patterns and prints them in that list's order. Whoever makes a scope
 * knows its tags; the patterns decide where a name has dots in it, so that a cluster "a.b" is the cluster "a" of a metric
 * cluster.b., as in Envoy. */
#include "stats/stats_priv.h"

static const nu_str order[] = {
    NU_STR_INIT("envoy.response_code"),
    NU_STR_INIT("envoy.response_code_class"),
    NU_STR_INIT("envoy.worker_id"),
    NU_STR_INIT("envoy.virtual_cluster"),
    NU_STR_INIT("envoy.fault_downstream_cluster"),
    NU_STR_INIT("envoy.ssl_cipher"),
    NU_STR_INIT("envoy.tls_certificate"),
    NU_STR_INIT("envoy.tcp_prefix"),
    NU_STR_INIT("envoy.udp_prefix"),
    NU_STR_INIT("envoy.rds_route_config"),
    NU_STR_INIT("envoy.cluster_name"),
    NU_STR_INIT("envoy.http_conn_manager_prefix"),
    NU_STR_INIT("envoy.listener_address"),
    NU_STR_INIT("envoy.virtual_host"),
    NU_STR_INIT("envoy.route"),
};

#define N_FIRST 3u /* those that are looked for anywhere in a name */

static unsigned rank(nu_str name)
{
    unsigned i = 0;
    while (i < NU_ARRAY_LEN(order) && !nu_str_eq(order[i], name))
        i++;
    return i;
}

bool nu_stat_tag_is_first(nu_str name)
{
    return rank(name) < N_FIRST;
}

void nu_stat_tags_sort(struct nu_stat_tag *tags, unsigned n)
{
    for (unsigned i = 1; i < n; i++)
        for (unsigned k = i; k > 0 && rank(tags[k].name) < rank(tags[k - 1].name); k--) {
            struct nu_stat_tag t = tags[k];
            tags[k] = tags[k - 1];
            tags[k - 1] = t;
        }
}

/* ---- names with dots ---- */

#define MAX_TOKENS 64u

struct tokens {
    nu_str item[MAX_TOKENS];
    unsigned n;
    bool taken[MAX_TOKENS]; /* a tag's value, which leaves the name */
};

/* '*' is any one part, '**' are as few as possible and one at least, '$' is the one that is the tag's value. */
static const struct {
    const char *tag, *pattern;
} patterns[] = {
    {"envoy.virtual_cluster", "vhost.*.vcluster.$"},
    {"envoy.tcp_prefix", "tcp.$"},
    {"envoy.cluster_name", "cluster.$"},
    {"envoy.http_conn_manager_prefix", "http.$"},
    {"envoy.http_conn_manager_prefix", "listener.**.http.$"},
    {"envoy.listener_address", "listener.$"},
    {"envoy.proxy_protocol_prefix", "proxy_proto.$"},
    {"envoy.virtual_host", "vhost.$"},
    {"envoy.route", "vhost.*.route.$"},
};

/* "127.0.0.1_80": the one value whose dots belong to it. */
static bool is_ipv4_port(nu_str s)
{
    unsigned dots = 0, underscores = 0;
    for (size_t i = 0; i < s.len; i++) {
        dots += s.ptr[i] == '.';
        underscores += s.ptr[i] == '_';
        if ((s.ptr[i] < '0' || s.ptr[i] > '9') && s.ptr[i] != '.' && s.ptr[i] != '_')
            return false;
    }
    return dots == 3 && underscores == 1;
}

bool nu_stat_tags_are_plain(const struct nu_stat_tag *tags, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (nu_str_find(tags[i].value, '.') >= 0 && !is_ipv4_port(tags[i].value))
            return false;
    return true;
}

static void tokenize(nu_str prefix, struct tokens *t)
{
    nu_str rest = prefix;
    while (rest.ptr != NULL && rest.len > 0 && t->n < MAX_TOKENS)
        t->item[t->n++] = nu_str_next(&rest, '.');
    if (t->n == MAX_TOKENS && rest.ptr != NULL && rest.len > 0) /* the last one has what is left */
        t->item[t->n - 1] = nu_str_make(t->item[t->n - 1].ptr, (size_t)(prefix.ptr + prefix.len - t->item[t->n - 1].ptr) - 1);
    if (t->n < 5 || !nu_str_eq(t->item[0], NU_STR("listener")))
        return;
    nu_str address = nu_str_make(t->item[1].ptr, (size_t)(t->item[4].ptr + t->item[4].len - t->item[1].ptr));
    if (!is_ipv4_port(address))
        return;
    t->item[1] = address;
    t->n -= 3;
    memmove(&t->item[2], &t->item[5], (t->n - 2) * sizeof(t->item[0]));
}

/* The part that is the value; -1: the pattern does not fit. */
static int match(const struct tokens *t, const char *pattern)
{
    nu_str rest = nu_str_from(pattern);
    int value = -1;
    for (unsigned i = 0; rest.ptr != NULL && rest.len > 0; i++) {
        nu_str p = nu_str_next(&rest, '.');
        if (nu_str_eq(p, NU_STR("**"))) {
            p = nu_str_next(&rest, '.');
            for (i++; i < t->n && !nu_str_eq(p, t->item[i]); i++)
                continue;
        }
        if (i >= t->n)
            return -1;
        if (nu_str_eq(p, NU_STR("$")))
            value = (int)i;
        else if (!nu_str_eq(p, NU_STR("*")) && !nu_str_eq(p, t->item[i]))
            return -1;
    }
    return value;
}

unsigned nu_stat_tags_split(nu_str prefix, struct nu_stat_tag out[NU_STAT_MAX_TAGS], struct nu_sb *rest)
{
    struct tokens t = {0};
    unsigned n = 0;
    tokenize(prefix, &t);
    for (unsigned i = 0; i < NU_ARRAY_LEN(patterns) && n < NU_STAT_MAX_TAGS; i++) {
        int value = match(&t, patterns[i].pattern);
        if (value < 0 || t.taken[value])
            continue;
        t.taken[value] = true;
        out[n++] = (struct nu_stat_tag){nu_str_from(patterns[i].tag), t.item[value]};
    }
    for (unsigned i = 0; i < t.n; i++)
        if (!t.taken[i])
            nu_sb_printf(rest, "%.*s.", NU_STR_ARG(t.item[i]));
    return n;
}
