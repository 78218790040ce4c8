/* SPDX-License-Identifier: Apache-2.0
 *
 * Mirrored requests, sent and forgotten. A copy has its own arena, attempt and timer; it ends with its response, a reset or
 * the route's timeout, and is freed at the end of that turn. */
#include "router/shadow.h"

#include "base/alloc.h"
#include "http/filter.h"
#include "net/server.h"
#include "router/attempt.h"
#include "upstream/cluster_manager.h"
#include "upstream/cluster_stats.h"
#include "upstream/host.h"
#include "upstream/lb.h"
#include "worker/worker.h"

struct nu_shadow {
    struct nu_worker *worker;
    struct nu_server *server;
    const struct nu_mirror_policy **hits;
    size_t n_hits;
    struct nu_http_headers *headers;
    nu_ms timeout;
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
    uint64_t start_ns;
    bool over;
};

nu_str nu_shadow_host(nu_str host, struct nu_arena *a)
{
    size_t port = nu_host_port_start(host);
    const nu_str parts[] = {nu_str_first(host, port), NU_STR("-shadow"), nu_str_skip(host, port)};
    return nu_arena_concat(a, parts, NU_ARRAY_LEN(parts));
}

struct nu_shadow *nu_shadow_prepare(struct nu_http_stream *s, const struct nu_mirror_policies *policies,
                                    const struct nu_http_headers *h, nu_ms timeout)
{
    struct nu_arena *a = nu_http_stream_arena(s);
    struct nu_server *server = nu_http_stream_server(s);
    const struct nu_mirror_policy **hits = nu_arena_array(a, const struct nu_mirror_policy *, policies->n);
    size_t n = 0;
    for (size_t i = 0; i < policies->n; i++)
        if (nu_fraction_hit(&policies->items[i].fraction, server->runtime, nu_http_stream_random(s)))
            hits[n++] = &policies->items[i];
    if (n == 0)
        return NULL;
    struct nu_shadow *sh = nu_arena_new(a, struct nu_shadow);
    *sh = (struct nu_shadow){.worker = nu_http_stream_worker(s),
                             .server = server,
                             .hits = hits,
                             .n_hits = n,
                             .headers = nu_headers_copy(h, a),
                             .timeout = timeout};
    return sh;
}

/* ---- one copy ---- */

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
    nu_timer_cancel(q->up.worker->loop, &q->timer);
    nu_attempt_clear(&q->up);
    nu_loop_defer(q->up.worker->loop, &q->free_task, free_request);
}

static void charge(struct shadow_request *q, unsigned code)
{
    unsigned slab = q->up.worker->index;
    nu_stat_code(q->cluster->scope, slab, NU_CLUSTER_upstream_rq, code);
    nu_stat_code(q->cluster->scope, slab, NU_CLUSTER_internal_upstream_rq, code);
}

static void finish_in_order(struct shadow_request *q)
{
    unsigned slab = q->up.worker->index;
    uint64_t ms = (nu_loop_now_ns(q->up.worker->loop) - q->start_ns) / NU_NS_PER_MS;
    nu_hist_record(q->cluster->scope, slab, NU_CLUSTER_upstream_rq_time, ms);
    nu_hist_record(q->cluster->scope, slab, NU_CLUSTER_internal_upstream_rq_time, ms);
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
    (void)a; /* the whole request is there: nobody to slow down */
}

static const struct nu_attempt_ops ops = {
    .on_ready = on_ready,
    .on_headers = on_headers,
    .on_informational = on_informational,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
    .on_blocked = on_blocked,
    .on_unblocked = on_blocked,
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
    q->start_ns = nu_loop_now_ns(w->loop);
    nu_timer_init(&q->timer, on_timeout);
    nu_attempt_init(&q->up, &ops, w, &q->arena, NULL);
    return q;
}

/* What Envoy's asynchronous client does to a head. */
static void set_headers(struct shadow_request *q, const struct nu_shadow *s, const struct nu_mirror_policy *p)
{
    q->headers = nu_headers_copy(s->headers, &q->arena);
    if (!p->keep_host)
        q->headers->authority = nu_shadow_host(q->headers->authority, &q->arena);
    nu_headers_set_id(q->headers, NU_HDR_ENVOY_INTERNAL, NU_STR("true"));
    if (s->server->local_address.len > 0)
        nu_headers_append_id(q->headers, NU_HDR_X_FORWARDED_FOR, s->server->local_address, NU_STR(","));
}

static void send_copy(const struct nu_shadow *s, const struct nu_mirror_policy *p, const struct nu_buf *body,
                      const struct nu_http_headers *trailers)
{
    struct nu_cluster *c = nu_cluster_find(s->server->clusters, p->cluster);
    if (c == NULL)
        return;
    struct shadow_request *q = new_request(s->worker, c);
    set_headers(q, s, p);
    struct nu_host *host = nu_cluster_pick(c, s->worker, &(struct nu_lb_context){.headers = q->headers});
    if (host == NULL) {
        charge(q, 503);
        finish(q);
        return;
    }
    bool end = body->len == 0 && trailers == NULL;
    nu_attempt_start(&q->up, host, q->settings, NU_PRIORITY_DEFAULT, q->headers, end);
    if (!q->over && body->len > 0) {
        struct nu_buf copy = {0};
        nu_buf_share(&copy, body, &s->worker->bufs);
        nu_attempt_data(&q->up, &copy, trailers == NULL);
    }
    if (!q->over && trailers != NULL) {
        q->trailers = nu_headers_copy(trailers, &q->arena);
        nu_attempt_trailers(&q->up, q->trailers);
    }
    if (!q->over && s->timeout.v > 0)
        nu_timer_arm(s->worker->loop, &q->timer, s->timeout);
}

void nu_shadow_send(struct nu_shadow *s, const struct nu_buf *body, const struct nu_http_headers *trailers)
{
    for (size_t i = 0; i < s->n_hits; i++)
        send_copy(s, s->hits[i], body, trailers);
}
