/* SPDX-License-Identifier: Apache-2.0
 *
 * Level, then health or panic, then locality, then the policy's host. A worker's state for a cluster is made when it
 * first picks and again when membership or settings changed; it holds references of both, so that comparing pointers
 * tells a change. */
#include "upstream/lb.h"

#include "base/alloc.h"
#include "upstream/count.h"
#include "upstream/edf.h"
#include "upstream/lb_priv.h"
#include "upstream/priority.h"
#include "worker/worker.h"

enum which { HEALTHY, DEGRADED, ALL };

struct locality_edfs {
    struct nu_edf *healthy, *degraded;
};

struct local {
    struct nu_host_set *hosts;
    struct nu_cluster_info *info;
    void *state;
    struct locality_edfs *localities; /* [priority]; NULL: localities are not weighted */
};

/* ---- weighted localities ---- */

struct locality_weights {
    const struct nu_priority_hosts *p;
    bool degraded;
};

static double locality_weight(const void *ctx, uint32_t item)
{
    const struct locality_weights *w = ctx;
    const struct nu_locality_hosts *l = &w->p->localities[item];
    if (l->n_all == 0)
        return 0;
    uint32_t n = w->degraded ? l->n_degraded : l->n_healthy;
    double share = w->p->overprovisioning / 100.0 * n / l->n_all;
    return l->weight * nu_min(share, 1.0);
}

static struct locality_edfs *make_localities(const struct nu_host_set *s, struct nu_worker *w)
{
    struct locality_edfs *all = nu_calloc(s->n_priorities, sizeof(*all));
    for (uint32_t i = 0; i < s->n_priorities; i++) {
        const struct nu_priority_hosts *p = &s->priorities[i];
        struct locality_weights healthy = {.p = p}, degraded = {.p = p, .degraded = true};
        uint64_t picks = nu_random_below(&w->random, 1u << 20);
        if (p->n_healthy > 0)
            all[i].healthy = nu_edf_new(p->n_localities, locality_weight, &healthy, picks);
        if (p->n_degraded > 0)
            all[i].degraded = nu_edf_new(p->n_localities, locality_weight, &degraded, picks);
    }
    return all;
}

static void free_localities(struct locality_edfs *all, uint32_t n)
{
    for (uint32_t i = 0; all != NULL && i < n; i++) {
        nu_edf_free(&all[i].healthy);
        nu_edf_free(&all[i].degraded);
    }
    nu_free(all);
}

/* The locality's index; -1: no weights, take the whole level. */
static int choose_locality(struct local *l, uint32_t priority, bool degraded)
{
    if (l->localities == NULL)
        return -1;
    struct locality_edfs *e = &l->localities[priority];
    struct nu_edf *edf = degraded ? e->degraded : e->healthy;
    if (edf == NULL)
        return -1;
    struct locality_weights ctx = {.p = &l->hosts->priorities[priority], .degraded = degraded};
    return (int)nu_edf_pick(edf, locality_weight, &ctx);
}

/* ---- a worker's state ---- */

static void local_free(struct local *l)
{
    if (l->state != NULL && l->info->lb->free != NULL)
        l->info->lb->free(l->state);
    free_localities(l->localities, l->hosts->n_priorities);
    nu_host_set_unref(&l->hosts);
    nu_cluster_info_unref(&l->info);
    nu_free(l);
}

void nu_lb_local_free(void **localp)
{
    struct local *l = nu_take(localp);
    if (l != NULL)
        local_free(l);
}

static NU_COLD struct local *rebuild(void **slot, struct nu_host_set *hosts, struct nu_cluster_info *info,
                                     struct nu_worker *w)
{
    struct local *old = *slot, *l = nu_new(struct local);
    l->hosts = nu_host_set_ref(hosts);
    l->info = nu_cluster_info_ref(info);
    bool same_policy = old != NULL && old->info->lb == info->lb;
    if (info->lb->make != NULL)
        l->state = info->lb->make(info, hosts, w, same_policy ? old->state : NULL);
    if (info->locality_weighted)
        l->localities = make_localities(hosts, w);
    if (old != NULL)
        local_free(old);
    *slot = l;
    return l;
}

static struct local *local_of(struct nu_cluster *c, struct nu_worker *w)
{
    struct nu_host_set *hosts = nu_slot_get(&c->hosts);
    struct nu_cluster_info *info = nu_slot_get(&c->info);
    if (hosts == NULL || info == NULL)
        return NULL;
    struct local *l = c->lb_locals[w->index];
    if (nu_likely(l != NULL && l->hosts == hosts && l->info == info))
        return l;
    return rebuild(&c->lb_locals[w->index], hosts, info, w);
}

/* ---- choosing ---- */

struct source {
    struct nu_host *const *list;
    uint32_t n, priority;
    enum which which;
    int locality;
};

static struct nu_priority_choice choose_level(const struct local *l, struct nu_worker *w,
                                              const struct nu_lb_context *ctx)
{
    const struct nu_host_set *s = l->hosts;
    const uint8_t *healthy = ctx != NULL && ctx->healthy_load != NULL ? ctx->healthy_load : s->healthy_load;
    const uint8_t *degraded = ctx != NULL && ctx->degraded_load != NULL ? ctx->degraded_load : s->degraded_load;
    if (nu_likely(healthy[0] == 100))
        return (struct nu_priority_choice){0};
    return nu_priority_choose(healthy, degraded, s->n_priorities, nu_random_u64(&w->random));
}

static void use_locality(struct source *src, const struct nu_priority_hosts *p, int locality)
{
    const struct nu_locality_hosts *l = &p->localities[locality];
    src->locality = locality;
    src->list = src->which == DEGRADED ? l->degraded : l->healthy;
    src->n = src->which == DEGRADED ? l->n_degraded : l->n_healthy;
}

static struct source choose_source(struct nu_cluster *c, struct local *l, struct nu_worker *w,
                                   const struct nu_lb_context *ctx)
{
    struct nu_priority_choice level = choose_level(l, w, ctx);
    const struct nu_priority_hosts *p = &l->hosts->priorities[level.priority];
    struct source src = {.priority = level.priority, .locality = -1};
    if (nu_unlikely(l->hosts->panic[level.priority])) {
        NU_CLUSTER_INC(c, w, lb_healthy_panic);
        if (l->info->fail_on_panic)
            return src;
        src.which = ALL;
        src.list = p->all;
        src.n = p->n_all;
        return src;
    }
    src.which = level.degraded ? DEGRADED : HEALTHY;
    src.list = level.degraded ? p->degraded : p->healthy;
    src.n = level.degraded ? p->n_degraded : p->n_healthy;
    int locality = choose_locality(l, level.priority, level.degraded);
    if (locality >= 0)
        use_locality(&src, p, locality);
    return src;
}

static struct nu_host *pick_once(struct nu_cluster *c, struct local *l, struct nu_worker *w,
                                 const struct nu_lb_context *ctx)
{
    struct source src = choose_source(c, l, w, ctx);
    if (src.n == 0)
        return NULL;
    return l->info->lb->pick(l->state, l->info, src.list, src.n, src.priority, (int)src.which, src.locality, w, ctx);
}

struct nu_host *nu_cluster_pick(struct nu_cluster *c, struct nu_worker *w, const struct nu_lb_context *ctx)
{
    struct local *l = local_of(c, w);
    if (nu_unlikely(l == NULL)) { /* an empty cluster is in panic */
        NU_CLUSTER_INC(c, w, lb_healthy_panic);
        return NULL;
    }
    struct nu_host *h = pick_once(c, l, w, ctx);
    if (ctx == NULL || ctx->refuse == NULL)
        return h;
    for (unsigned i = 0; i < ctx->max_attempts && h != NULL && ctx->refuse(ctx, h); i++)
        h = pick_once(c, l, w, ctx);
    return h;
}
