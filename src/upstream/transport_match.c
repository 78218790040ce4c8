/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/transport_match.h"

#include "base/alloc.h"
#include "upstream/cluster_priv.h"
#include "upstream/count.h"
#include "upstream/host.h"
#include "upstream/transport_match_stats.h"

/* ---- labels ---- */

struct nu_labels nu_labels_copy(const struct nu_labels *l)
{
    size_t text = 0;
    for (uint32_t i = 0; i < l->n; i++)
        text += l->items[i].key.len;
    if (l->n == 0)
        return (struct nu_labels){0};
    struct nu_label *items = nu_alloc(l->n * sizeof(*items) + text);
    char *to = (char *)(items + l->n);
    for (uint32_t i = 0; i < l->n; i++) {
        nu_str key = l->items[i].key;
        items[i] = (struct nu_label){nu_str_make(to, key.len), l->items[i].value};
        if (key.len > 0)
            memcpy(to, key.ptr, key.len);
        to += key.len;
    }
    return (struct nu_labels){items, l->n};
}

void nu_labels_free(struct nu_labels *l)
{
    nu_free((void *)(uintptr_t)l->items);
    *l = (struct nu_labels){0};
}

static bool has(const struct nu_labels *l, const struct nu_label *label)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->items[i].value == label->value && nu_str_eq(l->items[i].key, label->key))
            return true;
    return false;
}

static bool include(const struct nu_labels *all, const struct nu_labels *some)
{
    for (uint32_t i = 0; i < some->n; i++)
        if (!has(all, &some->items[i]))
            return false;
    return true;
}

static bool equal(const struct nu_labels *a, const struct nu_labels *b)
{
    return a->n == b->n && include(a, b);
}

struct nu_host_labels nu_host_labels_copy(const struct nu_host_labels *l)
{
    return (struct nu_host_labels){nu_labels_copy(&l->endpoint), nu_labels_copy(&l->locality)};
}

void nu_host_labels_free(struct nu_host_labels *l)
{
    nu_labels_free(&l->endpoint);
    nu_labels_free(&l->locality);
}

bool nu_host_labels_equal(const struct nu_host_labels *a, const struct nu_host_labels *b)
{
    return equal(&a->endpoint, &b->endpoint) && equal(&a->locality, &b->locality);
}

/* ---- choosing ---- */

static const struct nu_transport_match *first(const struct nu_cluster_info *info, const struct nu_labels *of)
{
    for (uint32_t i = 0; i < info->n_transport_matches; i++)
        if (include(of, &info->transport_matches[i].labels))
            return &info->transport_matches[i];
    return NULL;
}

static const struct nu_transport_match *find(const struct nu_cluster_info *info, const struct nu_host_labels *of)
{
    const struct nu_transport_match *m = first(info, &of->endpoint);
    return m != NULL ? m : first(info, &of->locality);
}

const struct nu_transport_conf *nu_transport_of(const struct nu_cluster_info *info, const struct nu_host *host)
{
    const struct nu_transport_match *m = info->n_transport_matches > 0 ? find(info, &host->labels) : NULL;
    return m != NULL ? m->transport : info->transport;
}

void nu_transport_count(struct nu_cluster *c, const struct nu_host_labels *labels, uint64_t n)
{
    const struct nu_transport_match *m = find(nu_cluster_settings(c), labels);
    if (m == NULL)
        NU_MEMBERSHIP_ADD(c, default_total_match_count, n);
    else
        nu_stat_add(m->scope, nu_workers_main(c->server->workers)->index, NU_TRANSPORT_MATCH_total_match_count, n);
}
