/* SPDX-License-Identifier: Apache-2.0
 *
 * The retries of one request, see retry.h. */
#include "router/retry.h"

#include "router/table.h"
#include "router/vcluster_stats.h"
#include "upstream/cluster_stats.h"
#include "upstream/host.h"
#include "worker/runtime.h"
#include "worker/worker.h"

#define CODES_MAX 64u

static void count(struct nu_retry *r, unsigned in_cluster, unsigned in_scope)
{
    nu_stat_inc(r->cluster->scope, r->worker->index, in_cluster);
    for (unsigned i = 0; i < NU_ARRAY_LEN(r->scopes) && r->scopes[i] != NULL; i++)
        nu_stat_inc(r->scopes[i], r->worker->index, in_scope);
}
#define COUNT(r, field) count((r), NU_CLUSTER_upstream_rq_retry##field, NU_VCLUSTER_upstream_rq_retry##field)

/* ---- what asks for retries ---- */

static bool request_allows(const struct nu_retry_policy *p, const struct nu_http_headers *h)
{
    if (p == NULL || p->request_headers.n == 0)
        return true;
    for (size_t i = 0; i < p->request_headers.n; i++)
        if (nu_header_matcher_match(&p->request_headers.items[i], h))
            return true;
    return false;
}

static void read_codes(struct nu_retry *r, struct nu_arena *a, nu_str list)
{
    r->codes = nu_arena_array(a, uint32_t, CODES_MAX);
    while (list.ptr != NULL && list.len > 0 && r->n_codes < CODES_MAX) {
        uint64_t code;
        if (nu_str_to_u64(nu_str_trim(nu_str_next(&list, ',')), &code) && code <= 999)
            r->codes[r->n_codes++] = (uint32_t)code;
    }
}

static void read_headers(struct nu_retry *r, struct nu_arena *a, const struct nu_http_headers *h)
{
    uint64_t n;
    r->on |= nu_retry_parse_on(nu_headers_get_id(h, NU_HDR_ENVOY_RETRY_ON), false);
    r->on |= nu_retry_parse_on(nu_headers_get_id(h, NU_HDR_ENVOY_RETRY_GRPC_ON), true);
    if (!request_allows(r->policy, h))
        r->on = 0;
    nu_str max = nu_headers_get_id(h, NU_HDR_ENVOY_MAX_RETRIES);
    if (r->on != 0 && max.ptr != NULL && nu_str_to_u64(max, &n))
        r->remaining = (uint32_t)nu_min(n, (uint64_t)UINT32_MAX);
    nu_str codes = nu_headers_get_id(h, NU_HDR_ENVOY_RETRIABLE_STATUS_CODES);
    if (codes.ptr != NULL)
        read_codes(r, a, codes);
    nu_str names = nu_headers_get_id(h, NU_HDR_ENVOY_RETRIABLE_HEADER_NAMES);
    if (names.ptr != NULL)
        r->header_names = nu_arena_str(a, names);
}

static void remove_headers(struct nu_http_headers *h)
{
    static const enum nu_hdr ids[] = {NU_HDR_ENVOY_RETRY_ON, NU_HDR_ENVOY_RETRY_GRPC_ON, NU_HDR_ENVOY_MAX_RETRIES,
                                      NU_HDR_ENVOY_RETRIABLE_STATUS_CODES, NU_HDR_ENVOY_RETRIABLE_HEADER_NAMES};
    for (size_t i = 0; i < NU_ARRAY_LEN(ids); i++)
        if (nu_headers_has_id(h, ids[i]))
            (void)nu_headers_remove_id(h, ids[i]);
}

static void on_timer(struct nu_timer *t)
{
    struct nu_retry *r = nu_container_of(t, struct nu_retry, timer);
    r->again(r);
}

static struct nu_retry *make(struct nu_arena *a, const struct nu_retry_policy *policy, struct nu_worker *w,
                             const struct nu_runtime *rt)
{
    struct nu_retry *r = nu_arena_new(a, struct nu_retry);
    r->policy = policy;
    r->worker = w;
    r->runtime = rt;
    r->remaining = policy != NULL ? policy->num_retries : 1;
    r->on = policy != NULL ? policy->on : 0;
    bool own = policy != NULL && policy->has_back_off;
    r->next_ms = own ? (uint64_t)policy->base_interval.v : nu_runtime_u64(rt, NU_STR("upstream.base_retry_backoff_ms"), 25);
    r->max_ms = own ? (uint64_t)policy->max_interval.v : r->next_ms * 10;
    r->header_names = NU_STR("");
    nu_timer_init(&r->timer, on_timer);
    return r;
}

struct nu_retry *nu_retry_new(struct nu_arena *a, const struct nu_retry_policy *policy, struct nu_http_headers *h,
                              struct nu_worker *w, const struct nu_runtime *rt, struct nu_cluster *c,
                              struct nu_cluster_info *i, enum nu_priority p, void (*again)(struct nu_retry *r))
{
    struct nu_retry *r = NULL;
    if ((policy != NULL && policy->on != 0) || nu_headers_has_id(h, NU_HDR_ENVOY_RETRY_ON) ||
        nu_headers_has_id(h, NU_HDR_ENVOY_RETRY_GRPC_ON)) {
        r = make(a, policy, w, rt);
        r->cluster = c != NULL ? nu_cluster_ref(c) : NULL;
        r->info = i != NULL ? nu_cluster_info_ref(i) : NULL;
        r->priority = p;
        r->again = again;
        r->cap_tried = 8;
        r->tried = nu_arena_array(a, struct nu_host *, r->cap_tried);
        read_headers(r, a, h);
    }
    remove_headers(h);
    return r;
}

/* ---- decisions ---- */

static bool code_listed(const struct nu_retry *r, unsigned status)
{
    for (size_t i = 0; i < r->n_codes; i++)
        if (r->codes[i] == status)
            return true;
    for (size_t i = 0; r->policy != NULL && i < r->policy->n_codes; i++)
        if (r->policy->codes[i] == status)
            return true;
    return false;
}

static bool header_listed(const struct nu_retry *r, const struct nu_http_headers *h)
{
    nu_str rest = r->header_names;
    while (rest.ptr != NULL && rest.len > 0) {
        nu_str name = nu_str_trim(nu_str_next(&rest, ','));
        nu_headers_foreach(it, h)
            if (nu_str_eq_nocase(it->name, name))
                return true;
    }
    for (size_t i = 0; r->policy != NULL && i < r->policy->retriable_headers.n; i++)
        if (nu_header_matcher_match(&r->policy->retriable_headers.items[i], h))
            return true;
    return false;
}

static bool grpc_listed(const struct nu_retry *r, const struct nu_http_headers *h)
{
    static const struct {
        uint64_t status;
        uint32_t bit;
    } rows[] = {{1, NU_RETRY(GRPC_CANCELLED)},
                {4, NU_RETRY(GRPC_DEADLINE_EXCEEDED)},
                {8, NU_RETRY(GRPC_RESOURCE_EXHAUSTED)},
                {14, NU_RETRY(GRPC_UNAVAILABLE)},
                {13, NU_RETRY(GRPC_INTERNAL)}};
    uint64_t status;
    if (!nu_str_to_u64(nu_headers_get_id(h, NU_HDR_GRPC_STATUS), &status))
        return false;
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++)
        if ((r->on & rows[i].bit) != 0 && rows[i].status == status)
            return true;
    return false;
}

bool nu_retry_would_headers(const struct nu_retry *r, const struct nu_http_headers *h)
{
    unsigned status = h->status;
    uint32_t on = r->on;
    if (nu_headers_has_id(h, NU_HDR_ENVOY_RATELIMITED)) /* from an Envoy upstream */
        return (on & NU_RETRY(ENVOY_RATELIMITED)) != 0;
    return ((on & NU_RETRY(5XX)) != 0 && status >= 500 && status <= 599) ||
           ((on & NU_RETRY(GATEWAY_ERROR)) != 0 && status >= 502 && status <= 504) ||
           ((on & NU_RETRY(RETRIABLE_4XX)) != 0 && status == 409) ||
           ((on & NU_RETRY(RETRIABLE_STATUS_CODES)) != 0 && code_listed(r, status)) ||
           ((on & NU_RETRY(RETRIABLE_HEADERS)) != 0 && header_listed(r, h)) || grpc_listed(r, h);
}

bool nu_retry_would_reset(const struct nu_retry *r, enum nu_reset_reason why, bool request_started)
{
    bool connect = why == NU_RESET_LOCAL_CONNECT_FAILURE || why == NU_RESET_REMOTE_CONNECT_FAILURE ||
                   why == NU_RESET_CONNECT_TIMEOUT;
    uint32_t on = r->on;
    if (why == NU_RESET_OVERFLOW)
        return false;
    return ((on & NU_RETRY(RESET_BEFORE_REQUEST)) != 0 && !request_started) ||
           (on & (NU_RETRY(RESET) | NU_RETRY(5XX) | NU_RETRY(GATEWAY_ERROR))) != 0 ||
           ((on & NU_RETRY(REFUSED_STREAM)) != 0 && why == NU_RESET_REMOTE_REFUSED) ||
           ((on & NU_RETRY(CONNECT_FAILURE)) != 0 && connect);
}

uint64_t nu_retry_reset_interval(const struct nu_retry_policy *p, const struct nu_http_headers *h, uint64_t now)
{
    for (size_t i = 0; i < p->n_reset_headers; i++) {
        uint64_t v;
        nu_str text = nu_headers_get(h, p->reset_headers[i].name);
        if (text.ptr == NULL || !nu_str_to_u64(text, &v) || v > UINT32_MAX * 16ull)
            continue;
        if (p->reset_headers[i].unix_time && v <= now)
            continue;
        uint64_t ms = (p->reset_headers[i].unix_time ? v - now : v) * 1000;
        if (ms > 0 && ms <= (uint64_t)p->reset_max_interval.v)
            return ms;
    }
    return 0;
}

/* ---- the pause ---- */

static void start_pause(struct nu_retry *r)
{
    struct nu_random *random = &r->worker->random;
    uint64_t ms;
    if (r->rate_limited_ms > 1) { /* not before the upstream said, and not all at once */
        ms = r->rate_limited_ms + nu_random_below(random, r->rate_limited_ms / 2);
        nu_stat_inc(r->cluster->scope, r->worker->index, NU_CLUSTER_upstream_rq_retry_backoff_ratelimited);
    } else { /* full jitter */
        ms = nu_random_below(random, nu_max(r->next_ms, (uint64_t)1));
        r->next_ms = nu_min(r->next_ms * 2, r->max_ms);
        nu_stat_inc(r->cluster->scope, r->worker->index, NU_CLUSTER_upstream_rq_retry_backoff_exponential);
    }
    r->rate_limited_ms = 0;
    nu_timer_arm(r->worker->loop, &r->timer, NU_MS((int64_t)ms));
}

static void give_slot(struct nu_retry *r)
{
    if (r->holds_slot)
        nu_breaker_give(r->cluster, r->info, r->priority, NU_BREAKER_RETRY, r->worker);
    r->holds_slot = false;
}

static enum nu_retry_status decide(struct nu_retry *r, bool would)
{
    if (r->holds_slot && !would)
        COUNT(r, _success);
    give_slot(r);
    if (!would)
        return NU_RETRY_NO;
    if (r->remaining == 0) {
        COUNT(r, _limit_exceeded);
        return NU_RETRY_LIMIT;
    }
    r->remaining--;
    if (!nu_breaker_take(r->cluster, r->info, r->priority, NU_BREAKER_RETRY, r->worker)) {
        COUNT(r, _overflow);
        return NU_RETRY_OVERFLOW;
    }
    r->holds_slot = true;
    if (nu_runtime_has_keys(r->runtime) &&
        !nu_runtime_percent(r->runtime, NU_STR("upstream.use_retry"), 100, nu_random_u64(&r->worker->random))) {
        give_slot(r);
        return NU_RETRY_NO;
    }
    COUNT(r, );
    start_pause(r);
    return NU_RETRY_YES;
}

enum nu_retry_status nu_retry_on_headers(struct nu_retry *r, const struct nu_http_headers *h)
{
    bool would = nu_retry_would_headers(r, h);
    if (would && r->policy != NULL && r->policy->n_reset_headers > 0)
        r->rate_limited_ms =
            nu_retry_reset_interval(r->policy, h, nu_loop_wall_ns(r->worker->loop) / NU_NS_PER_SEC);
    return decide(r, would);
}

enum nu_retry_status nu_retry_on_reset(struct nu_retry *r, enum nu_reset_reason why, bool request_started)
{
    return decide(r, nu_retry_would_reset(r, why, request_started));
}

/* ---- hosts ---- */

void nu_retry_host_tried(struct nu_retry *r, struct nu_host *h)
{
    if (r->policy == NULL || r->policy->n_predicates == 0 || r->n_tried == r->cap_tried)
        return;
    r->tried[r->n_tried++] = nu_host_ref(h);
}

bool nu_retry_refuses(const struct nu_retry *r, const struct nu_host *h)
{
    for (size_t i = 0; r->policy != NULL && i < r->policy->n_predicates; i++)
        if (r->policy->predicates[i]->refuse(r->policy->predicates[i], r->tried, r->n_tried, h))
            return true;
    return false;
}

void nu_retry_end(struct nu_retry *r)
{
    nu_timer_cancel(r->worker->loop, &r->timer);
    give_slot(r);
    for (unsigned i = 0; i < r->n_tried; i++)
        nu_host_unref(&r->tried[i]);
    r->n_tried = 0;
    nu_cluster_info_unref(&r->info);
    nu_cluster_unref(&r->cluster);
}
