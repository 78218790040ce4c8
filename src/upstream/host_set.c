/* SPDX-License-Identifier: Apache-2.0
 *
 * A set is one block of memory: struct, priorities, localities, load tables, and the pointer lists. */
#include "upstream/host_set.h"

#include "base/alloc.h"
#include "base/map.h"
#include "net/server.h"
#include "upstream/count.h"
#include "upstream/pool_priv.h"
#include "upstream/priority.h"
#include "worker/runtime.h"
#include "worker/worker.h"

struct nu_host_set *nu_host_set_ref(struct nu_host_set *s)
{
    nu_ref_take(&s->refs);
    return s;
}

void nu_host_set_unref(struct nu_host_set **sp)
{
    struct nu_host_set *s = nu_take(sp);
    if (s == NULL || !nu_ref_drop(&s->refs))
        return;
    for (uint32_t p = 0; p < s->n_priorities; p++)
        for (uint32_t i = 0; i < s->priorities[p].n_all; i++)
            nu_host_unref(&s->priorities[p].all[i]);
    nu_free(s);
}

/* ---- building ---- */

struct build {
    const struct nu_locality_conf *localities;
    const struct nu_member *members;
    uint32_t n_localities, n;
    struct nu_host **lists; /* free part of the block */
};

static uint32_t count_priorities(const struct nu_locality_conf *l, uint32_t n)
{
    uint32_t max = 0;
    for (uint32_t i = 0; i < n; i++)
        max = nu_max(max, l[i].priority);
    return max + 1;
}

/* The hosts of a priority (locality < 0) or of one of its localities, those of a health or all. */
static uint32_t collect(struct build *b, uint32_t priority, int64_t locality, int health, struct nu_host ***out)
{
    *out = b->lists;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        const struct nu_member *m = &b->members[i];
        if (locality >= 0 ? m->locality != locality : b->localities[m->locality].priority != priority)
            continue;
        if (health < 0 || (int)nu_host_health(m->host) == health)
            b->lists[n++] = m->host;
    }
    b->lists += n;
    return n;
}

/* The healthy ones, sharing the list of all when all are. */
static uint32_t collect_some(struct build *b, uint32_t priority, int64_t locality, int health, struct nu_host **all,
                             uint32_t n_all, struct nu_host ***out)
{
    struct nu_host **start = b->lists;
    uint32_t n = collect(b, priority, locality, health, out);
    if (n == n_all) {
        b->lists = start;
        *out = all;
    }
    return n;
}

static void build_localities(struct build *b, struct nu_priority_hosts *p, uint32_t priority,
                             struct nu_locality_hosts *room)
{
    p->localities = room;
    for (uint32_t i = 0; i < b->n_localities; i++) {
        const struct nu_locality_conf *conf = &b->localities[i];
        if (conf->priority != priority)
            continue;
        struct nu_locality_hosts *l = &p->localities[p->n_localities++];
        l->weight = conf->weight;
        if (b->n_localities == 1) { /* the common case: the locality is the priority */
            l->all = p->all;
            l->healthy = p->healthy;
            l->degraded = p->degraded;
            l->n_all = p->n_all;
            l->n_healthy = p->n_healthy;
            l->n_degraded = p->n_degraded;
        } else {
            l->n_all = collect(b, priority, i, -1, &l->all);
            l->n_healthy = collect_some(b, priority, i, NU_HEALTHY, l->all, l->n_all, &l->healthy);
            l->n_degraded = collect_some(b, priority, i, NU_DEGRADED, l->all, l->n_all, &l->degraded);
        }
        if (l->n_all > 0) { /* names are the hosts' own copies */
            l->region = l->all[0]->region;
            l->zone = l->all[0]->zone;
            l->sub_zone = l->all[0]->sub_zone;
        }
    }
}

static void build_priority(struct build *b, struct nu_host_set *s, uint32_t priority,
                           const struct nu_cluster_info *info)
{
    struct nu_priority_hosts *p = &s->priorities[priority];
    p->overprovisioning = info->overprovisioning;
    p->locality_weighted = info->locality_weighted;
    p->n_all = collect(b, priority, -1, -1, &p->all);
    p->n_healthy = collect_some(b, priority, -1, NU_HEALTHY, p->all, p->n_all, &p->healthy);
    p->n_degraded = collect_some(b, priority, -1, NU_DEGRADED, p->all, p->n_all, &p->degraded);
    s->n_all += p->n_all;
    s->n_healthy += p->n_healthy;
    s->n_degraded += p->n_degraded;
}

struct nu_host_set *nu_host_set_new(const struct nu_cluster_info *info, const struct nu_runtime *rt,
                                    const struct nu_locality_conf *localities, uint32_t n_localities,
                                    const struct nu_member *members, uint32_t n)
{
    uint32_t levels = count_priorities(localities, n_localities);
    /* Each host is in at most two lists (all, and healthy or degraded) of its priority and two of its locality. */
    size_t lists = (size_t)n * (n_localities > 1 ? 4 : 2);
    size_t size = sizeof(struct nu_host_set) + levels * sizeof(struct nu_priority_hosts) +
                  n_localities * sizeof(struct nu_locality_hosts) + lists * sizeof(struct nu_host *) + levels * 3u;
    struct nu_host_set *s = nu_zalloc(size);
    nu_ref_init(&s->refs);
    s->n_priorities = levels;
    s->priorities = (void *)(s + 1);
    struct nu_locality_hosts *room = (void *)(s->priorities + levels);
    struct build b = {.localities = localities, .n_localities = n_localities, .members = members, .n = n,
                      .lists = (void *)(room + n_localities)};
    s->healthy_load = (void *)(b.lists + lists);
    s->degraded_load = s->healthy_load + levels;
    s->panic = (void *)(s->degraded_load + levels);
    for (uint32_t p = 0; p < levels; p++) {
        build_priority(&b, s, p, info);
        build_localities(&b, &s->priorities[p], p, room);
        room += s->priorities[p].n_localities;
    }
    uint64_t panic = nu_runtime_u64(rt, NU_STR("upstream.healthy_panic_threshold"), info->panic_threshold);
    nu_priority_compute(s, (uint32_t)nu_min(panic, (uint64_t)100));
    return s;
}

/* ---- identity of hosts ---- */

struct nu_host_index {
    struct nu_map by_address; /* address text -> host; several of one address are chained by a linear search */
    const struct nu_host_set *set;
};

struct nu_host_index *nu_host_index_new(const struct nu_host_set *s)
{
    struct nu_host_index *x = nu_new(struct nu_host_index);
    x->set = s;
    if (s == NULL)
        return x;
    nu_map_reserve(&x->by_address, s->n_all);
    for (uint32_t p = 0; p < s->n_priorities; p++)
        for (uint32_t i = 0; i < s->priorities[p].n_all; i++)
            nu_map_put(&x->by_address, s->priorities[p].all[i]->address->text, s->priorities[p].all[i]);
    return x;
}

void nu_host_index_free(struct nu_host_index **xp)
{
    struct nu_host_index *x = nu_take(xp);
    nu_map_free(&x->by_address);
    nu_free(x);
}

static bool same_host(const struct nu_host *h, const struct nu_host_conf *conf)
{
    return h->priority == conf->priority && h->canary == conf->canary && nu_str_eq(h->hostname, conf->hostname) &&
           nu_str_eq(h->region, conf->region) && nu_str_eq(h->zone, conf->zone) &&
           nu_str_eq(h->sub_zone, conf->sub_zone) && nu_host_labels_equal(&h->labels, &conf->labels);
}

#define EDS_FLAGS (NU_HEALTH(FAILED_EDS_HEALTH) | NU_HEALTH(DEGRADED_EDS_HEALTH) | NU_HEALTH(EDS_STATUS_DRAINING))

struct nu_host *nu_host_index_take(struct nu_host_index *x, struct nu_cluster *c, const struct nu_host_conf *conf)
{
    struct nu_host *h = x != NULL ? nu_map_get(&x->by_address, conf->address->text) : NULL;
    if (h == NULL || !same_host(h, conf))
        return nu_host_new(c, conf);
    nu_atomic_u32_set(&h->weight, conf->weight);
    uint32_t flags = nu_atomic_u32_get(&h->health_flags);
    nu_atomic_u32_set(&h->health_flags, (flags & ~EDS_FLAGS) | conf->health_flags);
    return nu_host_ref(h);
}

/* ---- publishing ---- */

static void mark_kept(const struct nu_host_set *s, bool kept)
{
    for (uint32_t p = 0; s != NULL && p < s->n_priorities; p++)
        for (uint32_t i = 0; i < s->priorities[p].n_all; i++)
            s->priorities[p].all[i]->kept = kept;
}

/* Marks hosts of the old set that are not in the new one; returns how many. */
static uint32_t mark_removed(const struct nu_host_set *old, const struct nu_host_set *next)
{
    mark_kept(next, true);
    uint32_t n = 0;
    for (uint32_t p = 0; old != NULL && p < old->n_priorities; p++)
        for (uint32_t i = 0; i < old->priorities[p].n_all; i++) {
            struct nu_host *h = old->priorities[p].all[i];
            if (!h->kept) {
                nu_atomic_u32_set(&h->removed, 1);
                n++;
            }
        }
    mark_kept(next, false);
    return n;
}

static void drop_set(void *p)
{
    struct nu_host_set *s = p;
    nu_host_set_unref(&s);
}

static void drain_removed(struct nu_cluster *c, const struct nu_host_set *old, uint32_t n)
{
    struct nu_host **gone = nu_calloc(n, sizeof(*gone));
    uint32_t at = 0;
    for (uint32_t p = 0; p < old->n_priorities; p++)
        for (uint32_t i = 0; i < old->priorities[p].n_all; i++)
            if (nu_atomic_u32_get(&old->priorities[p].all[i]->removed) != 0)
                gone[at++] = nu_host_ref(old->priorities[p].all[i]);
    nu_host_pools_drain_all(c->server->workers, gone, at);
}

static void count_membership(struct nu_cluster *c, const struct nu_host_set *s)
{
    NU_MEMBERSHIP_SET(c, membership_total, s != NULL ? s->n_all : 0);
    NU_MEMBERSHIP_SET(c, membership_healthy, s != NULL ? s->n_healthy : 0);
    NU_MEMBERSHIP_SET(c, membership_degraded, s != NULL ? s->n_degraded : 0);
}

void nu_cluster_set_hosts(struct nu_cluster *c, struct nu_host_set *next)
{
    struct nu_host_set *old = nu_slot_get(&c->hosts);
    uint32_t n_old = old != NULL ? old->n_all : 0, n_next = next != NULL ? next->n_all : 0;
    uint32_t removed = mark_removed(old, next);
    if (removed > 0 || n_old - removed != n_next)
        NU_MEMBERSHIP_INC(c, membership_change);
    if (removed > 0)
        drain_removed(c, old, removed);
    count_membership(c, next);
    nu_slot_publish(c->server->workers, &c->hosts, next, drop_set);
}

void nu_cluster_refresh_hosts(struct nu_cluster *c)
{
    const struct nu_host_set *old = nu_slot_get(&c->hosts);
    if (old == NULL || old->n_all == 0)
        return;
    uint32_t n_localities = 0, n = 0, at = 0;
    for (uint32_t p = 0; p < old->n_priorities; p++)
        n_localities += old->priorities[p].n_localities;
    struct nu_locality_conf *localities = nu_calloc(n_localities, sizeof(*localities));
    struct nu_member *members = nu_calloc(old->n_all, sizeof(*members));
    for (uint32_t p = 0; p < old->n_priorities; p++)
        for (uint32_t l = 0; l < old->priorities[p].n_localities; l++, at++) {
            const struct nu_locality_hosts *lh = &old->priorities[p].localities[l];
            localities[at] = (struct nu_locality_conf){.region = lh->region, .zone = lh->zone,
                                                       .sub_zone = lh->sub_zone, .priority = p,
                                                       .weight = lh->weight};
            for (uint32_t i = 0; i < lh->n_all; i++)
                members[n++] = (struct nu_member){.host = nu_host_ref(lh->all[i]), .locality = at};
        }
    nu_cluster_set_hosts(c, nu_host_set_new(nu_cluster_settings(c), c->server->runtime, localities, n_localities,
                                            members, n));
    nu_free(localities);
    nu_free(members);
}
