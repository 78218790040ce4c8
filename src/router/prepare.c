/* SPDX-License-Identifier: Apache-2.0
 *
 * What the router decides before a request goes: cluster, host, timeouts, the heads' x-envoy-* fields. */
#include "router/rewrite.h"
#include "router/router_priv.h"
#include "upstream/cluster_stats.h"
#include "upstream/host.h"
#include "upstream/lb.h"
#include "worker/worker.h"

nu_str router_number(struct router *r, uint64_t v)
{
    char *text = nu_arena_alloc(nu_http_stream_arena(r->base.stream), 20);
    return nu_str_make(text, nu_u64_to_text(text, v));
}

/* ---- cluster and host ---- */

static nu_str cluster_name(struct router *r)
{
    switch (r->action->choice) {
    case NU_CLUSTER_NAMED:
        return r->action->cluster;
    case NU_CLUSTER_HEADER:
        return nu_headers_get(r->request, r->action->cluster);
    case NU_CLUSTER_WEIGHTED:
        return r->weighted != NULL ? r->weighted->name : NU_STR_NONE;
    }
    NU_UNREACHABLE();
}

bool router_find_cluster(struct router *r)
{
    struct nu_cluster_manager *cm = nu_http_stream_server(r->base.stream)->clusters;
    nu_str name = cluster_name(r);
    struct nu_cluster *c = name.len > 0 ? nu_cluster_find(cm, name) : NULL;
    if (c == NULL)
        return false;
    nu_cluster_info_unref(&r->settings);
    if (r->cluster != c) {
        nu_cluster_unref(&r->cluster);
        r->cluster = nu_cluster_ref(c);
    }
    r->settings = nu_cluster_info_ref(nu_cluster_settings(c));
    r->info->cluster = r->cluster;
    return true;
}

struct pick_context {
    struct nu_lb_context lb; /* first */
    const struct nu_retry *retry;
};

static bool refuse(const struct nu_lb_context *ctx, const struct nu_host *h)
{
    return nu_retry_refuses(((const struct pick_context *)(const void *)ctx)->retry, h);
}

struct nu_host *router_pick_host(struct router *r)
{
    struct pick_context p = {.lb = {.headers = r->request, .downstream = nu_http_stream_conn(r->base.stream)},
                             .retry = r->retry};
    if (r->is_retry && r->retry != NULL && r->retry->policy != NULL && r->retry->policy->n_predicates > 0) {
        p.lb.refuse = refuse;
        p.lb.max_attempts = r->retry->policy->host_attempts;
    }
    struct nu_host *host = nu_cluster_pick(r->cluster, r->worker, &p.lb);
    if (host == NULL)
        router_count_cluster(r, NU_CLUSTER_upstream_cx_none_healthy);
    return host;
}

/* ---- timeouts ---- */

/* A header with milliseconds, which is taken out. */
static bool take_ms(struct router *r, enum nu_hdr id, nu_ms *out)
{
    uint64_t v;
    nu_str text = nu_headers_get_id(r->request, id);
    if (text.ptr == NULL)
        return false;
    bool ok = nu_str_to_u64(text, &v) && v <= INT64_MAX / 2000000;
    if (ok)
        *out = NU_MS((int64_t)v);
    (void)nu_headers_remove_id(r->request, id);
    return ok;
}

void router_set_timeout_header(struct router *r, uint64_t elapsed_ms)
{
    uint64_t global = (uint64_t)r->timeout.v, expected = (uint64_t)r->per_try_timeout.v;
    if (expected == 0)
        expected = global;
    if (expected == 0 || r->conf->suppress_envoy_headers)
        return;
    /* 0 would say "none": when the time is over the timer fires soon anyhow. */
    if (global > 0)
        expected = elapsed_ms >= global ? 1 : nu_min(expected, global - elapsed_ms);
    nu_headers_set_id(r->request, NU_HDR_ENVOY_EXPECTED_RQ_TIMEOUT_MS, router_number(r, expected));
}

void router_read_timeouts(struct router *r)
{
    const struct nu_retry_policy *p = r->action->retry;
    r->timeout = r->action->has_max_stream_duration ? NU_MS(0) : r->action->timeout;
    r->per_try_timeout = p != NULL ? p->per_try_timeout : NU_MS(0);
    (void)take_ms(r, NU_HDR_ENVOY_UPSTREAM_RQ_TIMEOUT_MS, &r->timeout);
    (void)take_ms(r, NU_HDR_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS, &r->per_try_timeout);
    if (r->timeout.v != 0 && r->per_try_timeout.v >= r->timeout.v)
        r->per_try_timeout = NU_MS(0);
    router_set_timeout_header(r, 0);
    r->timeout_code = 504;
    if (nu_headers_has_id(r->request, NU_HDR_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE)) {
        r->timeout_code = 204;
        (void)nu_headers_remove_id(r->request, NU_HDR_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE);
    }
}

void router_set_attempt_count(struct router *r)
{
    r->info->attempt_count = r->attempt_count;
    if (r->entry->route.vhost->more->attempt_count_in_request)
        nu_headers_set_id(r->request, NU_HDR_ENVOY_ATTEMPT_COUNT, router_number(r, r->attempt_count));
}

void router_add_attempt_count(struct router *r, struct nu_http_headers *h)
{
    if (r->attempt_count > 0 && r->entry->route.vhost->more->attempt_count_in_response)
        nu_headers_set_id(h, NU_HDR_ENVOY_ATTEMPT_COUNT, router_number(r, r->attempt_count));
}
