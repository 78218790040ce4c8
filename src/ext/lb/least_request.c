/* SPDX-License-Identifier: Apache-2.0
 *
 * Least request: with equal weights the least busy of `choice_count` random hosts (or of all: FULL_SCAN); with
 * different ones a schedule by weight / (active requests + 1)^bias, looked at when a host's turn comes. */
#include <math.h>

#include "base/alloc.h"
#include "codec/pb/pb.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.nu.h"
#include "net/extension.h"
#include "net/server.h"
#include "upstream/lb_lists.h"
#include "worker/runtime.h"
#include "worker/worker.h"

struct conf {
    struct nu_lb_conf base;
    uint32_t choices;
    double bias;
    nu_str bias_key; /* runtime; empty: none */
    bool full_scan;
};

static const struct conf defaults = {.choices = 2, .bias = 1.0};

/* The weight function has no room for the bias: one function for each form of it. */
static double weight_by_one(const void *ctx, uint32_t item)
{
    struct nu_host *const *list = ctx;
    const struct nu_host *h = list[item];
    return nu_atomic_u32_get(&h->weight) / ((double)nu_atomic_u64_get(&h->stats.rq_active) + 1);
}

struct weighing {
    struct nu_host *const *list;
    double bias;
};

static double weight_by_power(const void *ctx, uint32_t item)
{
    const struct weighing *x = ctx;
    const struct nu_host *h = x->list[item];
    return nu_atomic_u32_get(&h->weight) / pow((double)nu_atomic_u64_get(&h->stats.rq_active) + 1, x->bias);
}

struct state {
    struct nu_lb_lists *lists;
    double bias;
};

static const struct conf *conf_of(const struct nu_cluster_info *info)
{
    return info->lb_conf != NULL ? info->lb_conf : &defaults;
}

/* Runtime may change it; it is read when the state is made. A negative one counts as 1. */
static double bias_of(const struct conf *conf, const struct nu_cluster_info *info)
{
    if (conf->bias_key.len == 0)
        return conf->bias;
    double bias = nu_runtime_double(info->cluster->server->runtime, conf->bias_key, conf->bias);
    return bias >= 0 ? bias : 1.0;
}

static void *make(const struct nu_cluster_info *info, const struct nu_host_set *hosts, struct nu_worker *w,
                  void *previous)
{
    const struct state *old = previous;
    struct state *s = nu_new(struct state);
    s->lists = nu_lb_lists_new(hosts, w, weight_by_one, old != NULL ? old->lists : NULL);
    s->bias = bias_of(conf_of(info), info);
    return s;
}

static void drop(void *state)
{
    struct state *s = state;
    nu_lb_lists_free(&s->lists);
    nu_free(s);
}

static struct nu_host *scheduled(struct state *s, struct nu_edf *edf, struct nu_host *const *list)
{
    if (!(s->bias < 1.0) && !(s->bias > 1.0))
        return list[nu_edf_pick(edf, weight_by_one, list)];
    struct weighing x = {.list = list, .bias = s->bias};
    return list[nu_edf_pick(edf, weight_by_power, &x)];
}

static uint64_t active(const struct nu_host *h)
{
    return nu_atomic_u64_get(&h->stats.rq_active);
}

/* The least busy of all; among equals a random one. */
static struct nu_host *least_of_all(struct nu_host *const *list, uint32_t n, struct nu_worker *w)
{
    struct nu_host *best = list[0];
    uint32_t equals = 1;
    for (uint32_t i = 1; i < n; i++) {
        if (active(list[i]) < active(best)) {
            best = list[i];
            equals = 1;
        } else if (active(list[i]) == active(best) && nu_random_below(&w->random, ++equals) == 0) {
            best = list[i];
        }
    }
    return best;
}

static struct nu_host *pick(void *state, const struct nu_cluster_info *info, struct nu_host *const *list, uint32_t n,
                            uint32_t priority, int which, int locality, struct nu_worker *w,
                            const struct nu_lb_context *ctx)
{
    (void)ctx;
    struct state *s = state;
    const struct conf *conf = conf_of(info);
    struct nu_lb_list *l = nu_lb_lists_get(s->lists, priority, which, locality);
    if (l->edf != NULL)
        return scheduled(s, l->edf, list);
    if (conf->full_scan)
        return least_of_all(list, n, w);
    struct nu_host *best = list[nu_random_below(&w->random, n)];
    for (uint32_t i = 1; i < conf->choices; i++) {
        struct nu_host *other = list[nu_random_below(&w->random, n)];
        if (active(other) < active(best))
            best = other;
    }
    return best;
}

static const struct nu_lb_ops ops = {.name = "least_request", .make = make, .free = drop, .pick = pick};

static const void *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const struct envoy_extensions_load_balancing_policies_least_request_v3_LeastRequest *m =
        NU_PB_AS(msg, envoy_extensions_load_balancing_policies_least_request_v3_LeastRequest);
    if (m == NULL)
        return NULL;
    const struct nu_lb_conf *locality = nu_lb_conf_locality(f, m->locality_lb_config);
    struct conf *conf = nu_arena_new(f->arena, struct conf);
    *conf = defaults;
    if (locality != NULL)
        conf->base = *locality;
    if (m->choice_count != NULL)
        conf->choices = *m->choice_count;
    if (m->active_request_bias != NULL) {
        conf->bias = m->active_request_bias->default_value;
        conf->bias_key = nu_arena_str(f->arena, m->active_request_bias->runtime_key);
    }
    conf->full_scan =
        m->selection_method == envoy_extensions_load_balancing_policies_least_request_v3_LeastRequest_SelectionMethod_FULL_SCAN ||
        (m->enable_full_scan != NULL && *m->enable_full_scan);
    return conf;
}

static const struct nu_lb_factory factory = {.ops = &ops, .create = create};

const struct nu_extension nu_ext_lb_least_request = {
    .category = "envoy.load_balancing_policies",
    .name = "envoy.load_balancing_policies.least_request",
    .config_type = &envoy_extensions_load_balancing_policies_least_request_v3_LeastRequest_type,
    .ops = &factory,
};
