/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/host.h"

#include "base/alloc.h"
#include "base/sb.h"
#include "net/server.h"
#include "upstream/cluster.h"
#include "worker/worker.h"

static nu_str put(char **to, nu_str s)
{
    if (s.len == 0)
        return NU_STR("");
    nu_str copy = nu_str_make(memcpy(*to, s.ptr, s.len), s.len);
    *to += s.len;
    return copy;
}

struct nu_host *nu_host_new(struct nu_cluster *c, const struct nu_host_conf *conf)
{
    /* One block: the struct, a pool table entry per loop, the strings. */
    size_t pools = ((size_t)c->server->workers->n + 1) * sizeof(struct nu_host_pools *);
    size_t text = conf->hostname.len + conf->region.len + conf->zone.len + conf->sub_zone.len;
    struct nu_host *h = nu_zalloc(sizeof(*h) + pools + text);
    char *to = (char *)h + sizeof(*h) + pools;
    nu_ref_init(&h->refs);
    h->cluster = nu_cluster_ref(c);
    h->address = nu_address_ref(conf->address);
    h->hostname = put(&to, conf->hostname);
    h->region = put(&to, conf->region);
    h->zone = put(&to, conf->zone);
    h->sub_zone = put(&to, conf->sub_zone);
    h->priority = conf->priority;
    nu_atomic_u32_set(&h->weight, conf->weight);
    nu_atomic_u32_set(&h->health_flags, conf->health_flags);
    h->canary = conf->canary;
    h->labels = nu_host_labels_copy(&conf->labels);
    return h;
}

struct nu_host *nu_host_ref(struct nu_host *h)
{
    nu_ref_take(&h->refs);
    return h;
}

void nu_host_unref(struct nu_host **hp)
{
    struct nu_host *h = nu_take(hp);
    if (h == NULL || !nu_ref_drop(&h->refs))
        return;
    nu_host_labels_free(&h->labels);
    nu_address_unref(&h->address);
    nu_cluster_unref(&h->cluster);
    nu_free(h);
}

#define UNHEALTHY                                                                                  \
    (NU_HEALTH(FAILED_ACTIVE_HC) | NU_HEALTH(FAILED_OUTLIER_CHECK) | NU_HEALTH(FAILED_EDS_HEALTH) | \
     NU_HEALTH(EDS_STATUS_DRAINING))
#define DEGRADED                                                                                   \
    (NU_HEALTH(DEGRADED_ACTIVE_HC) | NU_HEALTH(DEGRADED_EDS_HEALTH) | NU_HEALTH(DEGRADED_OUTLIER_DETECTION))

enum nu_health nu_host_health(const struct nu_host *h)
{
    uint32_t flags = nu_atomic_u32_get(&h->health_flags);
    if ((flags & UNHEALTHY) != 0)
        return NU_UNHEALTHY;
    return (flags & DEGRADED) != 0 ? NU_DEGRADED : NU_HEALTHY;
}

static const nu_str flag_texts[NU_N_HEALTH_FLAGS] = {
#define X(name, text) [NU_HEALTH_BIT_##name] = NU_STR_INIT(text),
    NU_HEALTH_FLAGS(X)
#undef X
};

void nu_host_health_text(const struct nu_host *h, struct nu_sb *sb)
{
    uint32_t flags = nu_atomic_u32_get(&h->health_flags);
    if (flags == 0)
        nu_sb_lit(sb, "healthy");
    for (unsigned i = 0; i < NU_N_HEALTH_FLAGS; i++)
        if ((flags >> i & 1) != 0)
            nu_sb_add(sb, flag_texts[i]);
}
