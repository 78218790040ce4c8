/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.http.health_check: answers health checks of this proxy (by itself, by the health of clusters, or as the
 * service behind did within cache_time), fails them after /healthcheck/fail, and then tells it with every response. */
#include "base/atomic.h"
#include "codec/pb/pb.h"
#include "envoy/extensions/filters/http/health_check/v3/health_check.nu.h"
#include "envoy/type/v3/percent.nu.h"
#include "ext/http_filter/health_check_stats.h"
#include "http/filter.h"
#include "http/filter_scope.h"
#include "http/matchers.h"
#include "net/duration.h"
#include "net/server.h"
#include "upstream/cluster_manager.h"
#include "upstream/membership_stats.h"
#include "worker/worker.h"

/* The last response of the service, shared by all workers in one word: until when it counts (ms of the loops' clock), bit
 * 16 whether it was degraded, bits 0 to 15 its status. 0: none. */
struct cache {
    struct nu_atomic_u64 last;
    uint64_t interval_ms;
};

struct min_healthy {
    nu_str cluster;
    uint64_t percent;
};

struct health_check_conf {
    struct nu_http_filter_conf base;
    struct nu_server *server;
    struct nu_scope *scope;
    struct nu_header_matchers headers;
    bool pass_through;
    struct cache *cache; /* NULL: none */
    struct min_healthy *clusters;
    size_t n_clusters;
};

struct health_check {
    struct nu_http_filter base;
    const struct health_check_conf *conf;
    bool is_check; /* the request is a health check */
    bool handling; /* and answered here */
    uint64_t cached;
};

/* What a check is answered with. */
struct verdict {
    unsigned status;
    bool degraded;
    nu_str details;
};

static struct health_check *of(struct nu_http_filter *f)
{
    return nu_container_of(f, struct health_check, base);
}

static void count(struct health_check *hc, unsigned index)
{
    nu_stat_inc(hc->conf->scope, nu_http_stream_worker(hc->base.stream)->index, index);
}

static bool failed(const struct health_check *hc)
{
    return nu_atomic_u32_get(&hc->conf->server->healthcheck_failed) != 0;
}

/* ---- the cache ---- */

#define DEGRADED_BIT (1u << 16)
#define UNTIL_SHIFT 17

static uint64_t now_ms(struct health_check *hc)
{
    return nu_loop_now_ms(nu_http_stream_worker(hc->base.stream)->loop);
}

/* The current entry; 0: none. */
static uint64_t cache_get(struct health_check *hc)
{
    uint64_t last = hc->conf->cache != NULL ? nu_atomic_u64_get(&hc->conf->cache->last) : 0;
    return last >> UNTIL_SHIFT > now_ms(hc) ? last : 0;
}

/* Envoy empties its cache by a repeating timer: an answer counts until the next tick, not for a whole interval. */
static void cache_set(struct health_check *hc, const struct nu_http_headers *h)
{
    struct cache *c = hc->conf->cache;
    if (c == NULL || c->interval_ms == 0)
        return;
    uint64_t until = (now_ms(hc) / c->interval_ms + 1) * c->interval_ms;
    uint64_t degraded = nu_headers_has_id(h, NU_HDR_ENVOY_DEGRADED) ? DEGRADED_BIT : 0;
    nu_atomic_u64_set(&c->last, until << UNTIL_SHIFT | degraded | h->status);
}

/* ---- the verdict ---- */

static struct verdict ask_clusters(struct health_check *hc)
{
    const struct health_check_conf *conf = hc->conf;
    for (size_t i = 0; i < conf->n_clusters; i++) {
        const struct min_healthy *m = &conf->clusters[i];
        const struct nu_cluster *c = nu_cluster_find(conf->server->clusters, m->cluster);
        if (c == NULL) {
            count(hc, NU_HEALTH_CHECK_failed_cluster_not_found);
            return (struct verdict){503, false, NU_STR("health_check_failed_no_cluster_found")};
        }
        uint64_t total = nu_stat_read(c->membership, NU_MEMBERSHIP_membership_total, NULL);
        uint64_t fit = nu_stat_read(c->membership, NU_MEMBERSHIP_membership_healthy, NULL) +
                       nu_stat_read(c->membership, NU_MEMBERSHIP_membership_degraded, NULL);
        if (total == 0 && m->percent != 0) {
            count(hc, NU_HEALTH_CHECK_failed_cluster_empty);
            return (struct verdict){503, false, NU_STR("health_check_failed_cluster_empty")};
        }
        if (100 * fit < total * m->percent) {
            count(hc, NU_HEALTH_CHECK_failed_cluster_unhealthy);
            return (struct verdict){503, false, NU_STR("health_check_failed_cluster_unhealthy")};
        }
    }
    return (struct verdict){200, false, NU_STR("health_check_ok_cluster_healthy")};
}

static struct verdict judge(struct health_check *hc)
{
    if (failed(hc))
        return (struct verdict){503, false, NU_STR("health_check_failed")};
    if (hc->cached != 0) {
        count(hc, NU_HEALTH_CHECK_cached_response);
        return (struct verdict){(unsigned)(hc->cached & 0xffff), (hc->cached & DEGRADED_BIT) != 0,
                                NU_STR("health_check_cached")};
    }
    if (hc->conf->n_clusters > 0)
        return ask_clusters(hc);
    return (struct verdict){200, false, NU_STR("health_check_ok")};
}

static void add_degraded(struct nu_http_headers *h, void *arg)
{
    (void)arg;
    nu_headers_set_id(h, NU_HDR_ENVOY_DEGRADED, NU_STR(""));
}

static void answer(struct health_check *hc)
{
    struct nu_http_stream *s = hc->base.stream;
    struct verdict v = judge(hc);
    bool ok = v.status / 100 == 2;
    count(hc, NU_HEALTH_CHECK_request_total);
    count(hc, ok ? NU_HEALTH_CHECK_ok : NU_HEALTH_CHECK_failed);
    if (v.degraded)
        count(hc, NU_HEALTH_CHECK_degraded);
    if (!ok)
        nu_stream_info_flag(nu_http_stream_info(s), NU_FLAG_FAILED_LOCAL_HEALTH_CHECK);
    nu_http_stream_local_reply(s, &(struct nu_local_reply){.status = v.status,
                                                           .details = v.details,
                                                           .grpc_status = -1,
                                                           .more = v.degraded ? add_degraded : NULL});
}

/* ---- the filter ---- */

static enum nu_headers_status decode_headers(struct nu_http_filter *f, struct nu_http_headers *h, bool end)
{
    struct health_check *hc = of(f);
    if (!nu_header_matchers_match(&hc->conf->headers, h))
        return NU_HEADERS_CONTINUE;
    hc->is_check = true;
    nu_http_stream_info(f->stream)->health_check = true;
    hc->cached = cache_get(hc);
    hc->handling = !hc->conf->pass_through || failed(hc) || hc->cached != 0;
    if (hc->handling && end)
        answer(hc);
    return hc->handling ? NU_HEADERS_STOP : NU_HEADERS_CONTINUE;
}

static enum nu_data_status decode_data(struct nu_http_filter *f, struct nu_buf *data, bool end)
{
    struct health_check *hc = of(f);
    if (!hc->handling)
        return NU_DATA_CONTINUE;
    nu_buf_clear(data, &nu_http_stream_worker(f->stream)->bufs);
    if (end)
        answer(hc);
    return NU_DATA_STOP_NO_BUFFER;
}

static enum nu_trailers_status decode_trailers(struct nu_http_filter *f, struct nu_http_headers *t)
{
    struct health_check *hc = of(f);
    (void)t;
    if (hc->handling)
        answer(hc);
    return hc->handling ? NU_TRAILERS_STOP : NU_TRAILERS_CONTINUE;
}

static enum nu_headers_status encode_headers(struct nu_http_filter *f, struct nu_http_headers *h, bool end)
{
    struct health_check *hc = of(f);
    (void)end;
    if (hc->is_check) {
        cache_set(hc, h);
        nu_headers_set_id(h, NU_HDR_ENVOY_UPSTREAM_HEALTHCHECKED_CLUSTER, hc->conf->server->node_cluster);
    }
    if (failed(hc))
        nu_headers_set_id(h, NU_HDR_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL, NU_STR("true"));
    return NU_HEADERS_CONTINUE;
}

static const struct nu_http_filter_ops filter_ops = {
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
    .encode_headers = encode_headers,
};

static void attach(const struct nu_http_filter_conf *conf, struct nu_http_stream *s)
{
    struct health_check *hc = nu_arena_new(nu_http_stream_arena(s), struct health_check);
    hc->base.ops = &filter_ops;
    hc->conf = (const struct health_check_conf *)(const void *)conf;
    nu_http_stream_add_filter(s, &hc->base);
}

/* ---- configuration ---- */

typedef struct envoy_extensions_filters_http_health_check_v3_HealthCheck health_check_msg;

static void build_clusters(struct nu_factory *f, const health_check_msg *m, struct health_check_conf *c)
{
    c->n_clusters = m->n_cluster_min_healthy_percentages;
    c->clusters = nu_arena_array(f->arena, struct min_healthy, c->n_clusters);
    for (size_t i = 0; i < c->n_clusters; i++) {
        const struct envoy_type_v3_Percent *p = m->cluster_min_healthy_percentages[i].value;
        c->clusters[i].cluster = nu_arena_str(f->arena, m->cluster_min_healthy_percentages[i].key);
        c->clusters[i].percent = p != NULL ? (uint64_t)p->value : 0; /* whole ones, as in Envoy */
    }
}

static bool build_cache(struct nu_factory *f, const health_check_msg *m, struct health_check_conf *c)
{
    nu_ms interval = nu_duration_or(m->cache_time, NU_MS(0));
    if (interval.v > 0 && !c->pass_through) {
        nu_pb_error(f->diags, m, "cache_time", "cache_time must not be set when pass_through_mode is disabled");
        return false;
    }
    if (interval.v <= 0)
        return true;
    c->cache = nu_arena_new(f->arena, struct cache);
    c->cache->interval_ms = (uint64_t)interval.v;
    return true;
}

static const struct nu_http_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg, nu_str stat_prefix)
{
    const health_check_msg *m = NU_PB_AS(msg, envoy_extensions_filters_http_health_check_v3_HealthCheck);
    struct health_check_conf *c = nu_arena_new(f->arena, struct health_check_conf);
    if (m == NULL || m->pass_through_mode == NULL) /* the API's rules have said so */
        return NULL;
    c->base.attach = attach;
    c->server = f->server;
    c->scope = nu_http_filter_scope(f, &nu_health_check_layout, stat_prefix, "health_check");
    c->pass_through = *m->pass_through_mode;
    build_clusters(f, m, c);
    bool ok = nu_header_matchers_build(f, m->headers, m->n_headers, &c->headers);
    return build_cache(f, m, c) && ok ? &c->base : NULL;
}

static const struct nu_http_filter_factory factory = {.create = create};

const struct nu_extension nu_ext_http_filter_health_check = {
    .category = "envoy.filters.http",
    .name = "envoy.filters.http.health_check",
    .config_type = &envoy_extensions_filters_http_health_check_v3_HealthCheck_type,
    .ops = &factory,
};
