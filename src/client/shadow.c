/* SPDX-License-Identifier: Apache-2.0
 *
 * Mirrored requests, sent and forgotten. A copy has its own arena, attempt and timer. It gets the body as it comes, and ends
 * with its response, a reset, the route's timeout, or a request that is cut off; it is freed at the end of that turn. */
#include "router/shadow.h"

#include "base/alloc.h"
#include "http/filter.h"
#include "net/server.h"
#include "router/attempt.h"
#include "router/router_stats.h"
#include "upstream/cluster_manager.h"
#include "upstream/cluster_stats.h"
#include "upstream/host.h"
#include "upstream/lb.h"
#include "worker/worker.h"

struct shadow_request;

/* The copies of one request, as its stream sees them. */
struct nu_shadow {
    struct nu_http_stream *stream;
    struct shadow_request **copies; /* NULL: over or on its own */
    size_t n;
    bool dynamic_stats;
};

/* One copy under way. */
struct shadow_request {
    struct nu_attempt up;
    struct nu_arena arena; /* holds this struct, too */
    struct nu_cluster *cluster;
    struct nu_cluster_info *settings;
    struct nu_http_headers *headers, *trailers;
    struct nu_timer timer;
    struct nu_task free_task;
    struct nu_shadow *owner; /* NULL: on its own */
    size_t index;
    nu_ms timeout;
    uint64_t done_ns; /* the request was complete */
    bool over, blocked, complete, dynamic_stats;
};

nu_str nu_shadow_host(nu_str host, struct nu_arena *a)
{
    size_t port = nu_host_port_start(host);
    const nu_str parts[] = {nu_str_first(host, port), NU_STR("-shadow"), nu_str_skip(host, port)};
    return nu_arena_concat(a, parts, NU_ARRAY_LEN(parts));
}

/* ---- one copy ---- */

/* The stream is not slowed down by this copy any more and forgets it. */
static void detach(struct shadow_request *q)
{
    if (q->owner == NULL)
        return;
    if (q->blocked)
        nu_http_stream_resume_request(q->owner->stream);
    q->blocked = false;
    q->owner->copies[q->index] = NULL;
    q->owner = NULL;
}

static struct shadow_request *of(struct nu_attempt *a)
{
    return nu_container_of(a, struct shadow_request, up);
}

static void free_request(struct nu_task *t)
{
    struct shadow_request *q = nu_container_of(t, struct shadow_request, free_task);
    struct nu_arena arena = q->arena;
    nu_cluster_info_unref(&q->settings);
    nu_cluster_unref(&q->cluster);
    nu_arena_clear(&arena);
}

static void finish(struct shadow_request *q)
{
    if (q->over)
        return;
    q->over = true;
    detach(q);
    nu_timer_cancel(q->up.worker->loop, &q->timer);
    nu_attempt_clear(&q->up);
    nu_loop_defer(q->up.worker->loop, &q->free_task, free_request);
}

static void charge(struct shadow_request *q, unsigned code)
{
    unsigned slab = q->up.worker->index;
    if (!q->dynamic_stats)
        return;
    nu_stat_code(q->cluster->scope, slab, NU_CLUSTER_upstream_rq, code);
    nu_stat_code(q->cluster->scope, slab, NU_CLUSTER_internal_upstream_rq, code);
}

static void finish_in_order(struct shadow_request *q)
{
    unsigned slab = q->up.worker->index;
    if (q->complete && q->dynamic_stats) {
        uint64_t ms = (nu_loop_now_ns(q->up.worker->loop) - q->done_ns) / NU_NS_PER_MS;
        nu_hist_record(q->cluster->scope, slab, NU_CLUSTER_upstream_rq_time, ms);
        nu_hist_record(q->cluster->scope, slab, NU_CLUSTER_internal_upstream_rq_time, ms);
    }
    finish(q);
}

static void on_ready(struct nu_attempt *a)
{
    (void)a;
}

static void on_headers(struct nu_attempt *a, struct nu_http_headers *h, bool end)
{
    struct shadow_request *q = of(a);
    charge(q, h->status);
    (void)nu_atomic_u64_add(h->status >= 500 ? &a->host->stats.rq_error : &a->host->stats.rq_success, 1);
    if (end)
        finish_in_order(q);
}

static void on_informational(struct nu_attempt *a, struct nu_http_headers *h)
{
    (void)a;
    (void)h;
}

static void on_data(struct nu_attempt *a, struct nu_buf *data, bool end)
{
    nu_buf_clear(data, &a->worker->bufs);
    if (end)
        finish_in_order(of(a));
}

static void on_trailers(struct nu_attempt *a, struct nu_http_headers *t)
{
    (void)t;
    finish_in_order(of(a));
}

static void on_reset(struct nu_attempt *a, enum nu_reset_reason why, nu_str transport, nu_str details)
{
    struct shadow_request *q = of(a);
    (void)transport;
    (void)details;
    if (!a->got_headers)
        charge(q, why == NU_RESET_PROTOCOL_ERROR ? 502 : 503);
    finish(q);
}

static void on_blocked(struct nu_attempt *a)
{
    struct shadow_request *q = of(a);
    q->blocked = q->owner != NULL;
    if (q->blocked)
        nu_http_stream_pause_request(q->owner->stream);
}

static void on_unblocked(struct nu_attempt *a)
{
    struct shadow_request *q = of(a);
    if (q->blocked && q->owner != NULL)
        nu_http_stream_resume_request(q->owner->stream);
    q->blocked = false;
}

static const struct nu_attempt_ops ops = {
    .on_ready = on_ready,
    .on_headers = on_headers,
    .on_informational = on_informational,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
    .on_blocked = on_blocked,
    .on_unblocked = on_unblocked,
};

static void on_timeout(struct nu_timer *t)
{
    struct shadow_request *q = nu_container_of(t, struct shadow_request, timer);
    nu_stat_inc(q->cluster->scope, q->up.worker->index, NU_CLUSTER_upstream_rq_timeout);
    if (!q->up.got_headers)
        charge(q, 504);
    finish(q);
}

static struct shadow_request *new_request(struct nu_worker *w, struct nu_cluster *c)
{
    struct nu_arena arena;
    nu_arena_init(&arena, &w->arenas);
    struct shadow_request *q = nu_arena_new(&arena, struct shadow_request);
    q->arena = arena; /* from here on the arena lives in the request that lives in it */
    q->cluster = nu_cluster_ref(c);
    q->settings = nu_cluster_info_ref(nu_cluster_settings(c));
    nu_timer_init(&q->timer, on_timeout);
    nu_attempt_init(&q->up, &ops, w, &q->arena, NULL);
    return q;
}

/* All of the request is there: from here on the time runs, and the copy needs nobody. */
static void complete(struct shadow_request *q)
{
    q->complete = true;
    q->done_ns = nu_loop_now_ns(q->up.worker->loop);
    if (q->timeout.v > 0)
        nu_timer_arm(q->up.worker->loop, &q->timer, q->timeout);
    detach(q);
}

/* What Envoy's asynchronous client does to a head. */
static void set_headers(struct shadow_request *q, const struct nu_http_headers *h, nu_str local_address,
                        const struct nu_mirror_policy *p)
{
    q->headers = nu_headers_copy(h, &q->arena);
    if (!p->keep_host)
        q->headers->authority = nu_shadow_host(q->headers->authority, &q->arena);
    nu_headers_set_id(q->headers, NU_HDR_ENVOY_INTERNAL, NU_STR("true"));
    if (local_address.len > 0)
        nu_headers_append_id(q->headers, NU_HDR_X_FORWARDED_FOR, local_address, NU_STR(","));
}

static void start_copy(struct nu_shadow *s, const struct nu_mirror_policy *p, const struct nu_http_headers *h,
                       nu_ms timeout, bool end)
{
    struct nu_worker *w = nu_http_stream_worker(s->stream);
    struct nu_server *server = nu_http_stream_server(s->stream);
    struct nu_cluster *c = nu_cluster_find(server->clusters, p->cluster);
    if (c == NULL)
        return;
    struct shadow_request *q = new_request(w, c);
    if (server->async_client != NULL)
        nu_stat_inc(server->async_client, w->index, NU_ROUTER_STAT_rq_total);
    q->owner = s;
    q->index = s->n++;
    s->copies[q->index] = q;
    q->timeout = timeout;
    q->dynamic_stats = s->dynamic_stats;
    set_headers(q, h, server->local_address, p);
    struct nu_host *host = nu_cluster_pick(c, w, &(struct nu_lb_context){.headers = q->headers});
    if (host == NULL) {
        nu_stat_inc(c->scope, w->index, NU_CLUSTER_upstream_cx_none_healthy);
        charge(q, 503);
        finish(q);
        return;
    }
    nu_attempt_start(&q->up, host, q->settings, NU_PRIORITY_DEFAULT, q->headers, end);
    if (end && !q->over)
        complete(q);
}

/* ---- the stream's side ---- */

struct nu_shadow *nu_shadow_start(struct nu_http_stream *s, const struct nu_mirror_policies *policies,
                                  const struct nu_http_headers *h, nu_ms timeout, bool dynamic_stats, bool end)
{
    struct nu_shadow *sh = NULL;
    struct nu_server *server = nu_http_stream_server(s);
    for (size_t i = 0; i < policies->n; i++) {
        if (!nu_fraction_hit(&policies->items[i].fraction, server->runtime, nu_http_stream_random(s)))
            continue;
        if (sh == NULL) {
            sh = nu_arena_new(nu_http_stream_arena(s), struct nu_shadow);
            sh->stream = s;
            sh->dynamic_stats = dynamic_stats;
            sh->copies = nu_arena_array(nu_http_stream_arena(s), struct shadow_request *, policies->n);
        }
        start_copy(sh, &policies->items[i], h, timeout, end);
    }
    return sh;
}

void nu_shadow_data(struct nu_shadow *s, const struct nu_buf *data, bool end)
{
    for (size_t i = 0; i < s->n; i++) {
        struct shadow_request *q = s->copies[i];
        if (q == NULL)
            continue;
        struct nu_buf copy = {0};
        nu_buf_share(&copy, data, &q->up.worker->bufs);
        nu_attempt_data(&q->up, &copy, end);
        if (end && !q->over)
            complete(q);
    }
}

void nu_shadow_trailers(struct nu_shadow *s, const struct nu_http_headers *trailers)
{
    for (size_t i = 0; i < s->n; i++) {
        struct shadow_request *q = s->copies[i];
        if (q == NULL)
            continue;
        q->trailers = nu_headers_copy(trailers, &q->arena);
        nu_attempt_trailers(&q->up, q->trailers);
        if (!q->over)
            complete(q);
    }
}

void nu_shadow_end(struct nu_shadow *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->copies[i] != NULL)
            finish(s->copies[i]);
}
