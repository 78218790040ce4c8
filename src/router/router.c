/* SPDX-License-Identifier: Apache-2.0
 *
 * The router filter's way of a request: route -> cluster -> host -> attempt -> response. One attempt at a time; without a
 * retry policy, mirrors or internal redirects the body passes without being kept. The stream may end inside any call that
 * responds (the chain ends it): what follows such a call touches nothing but locals. */
#include "http/log_head.h"
#include "router/router_stats.h"
#include "router/redirect.h"
#include "router/rewrite.h"
#include "router/router_priv.h"
#include "router/shadow.h"
#include "router/vcluster_stats.h"
#include "upstream/cluster_stats.h"
#include "upstream/host.h"
#include "worker/runtime.h"
#include "worker/worker.h"

static struct router *of(struct nu_http_filter *f)
{
    return nu_container_of(f, struct router, base);
}

static struct router *of_attempt(struct nu_attempt *a)
{
    return nu_container_of(a, struct router, up);
}

#define LOG(r, text, ...) nu_log_stream(router, NU_LOG_DEBUG, (r)->info, text, ##__VA_ARGS__)

static struct nu_server *server_of(struct router *r)
{
    return nu_http_stream_server(r->base.stream);
}

/* ---- replies that need no upstream ---- */

static void reply_https(struct nu_http_headers *h, void *arg)
{
    struct router *r = arg;
    nu_headers_set_id(h, NU_HDR_LOCATION, nu_route_https_location(r->request, h->arena));
}

static void reply_direct_headers(struct nu_http_headers *h, void *arg)
{
    struct router *r = arg;
    const struct nu_direct_action *d = r->entry->direct;
    bool located = d->code == 201 || d->code / 100 == 3;
    if (located && r->request->path.ptr != NULL)
        nu_headers_set_id(h, NU_HDR_LOCATION, nu_redirect_location(d->redirect, r->request, h->arena));
    nu_route_response_headers(r->entry, NULL, r->request, h, r->info);
}

static void reply_plain(struct router *r, unsigned status, nu_str body, nu_str details,
                        void (*more)(struct nu_http_headers *h, void *arg))
{
    nu_http_stream_local_reply(r->base.stream, &(struct nu_local_reply){.status = status,
                                                                        .body = body,
                                                                        .details = details,
                                                                        .grpc_status = -1,
                                                                        .more = more,
                                                                        .arg = r});
}

static void reply_no_route(struct router *r)
{
    LOG(r, "no route for '%.*s'", NU_STR_ARG(r->request->path));
    router_count(r, NU_ROUTER_STAT_no_route);
    nu_stream_info_flag(r->info, NU_FLAG_NO_ROUTE_FOUND);
    reply_plain(r, 404, NU_STR(""), NU_STR("route_not_found"), NULL);
}

static void reply_no_cluster(struct router *r)
{
    LOG(r, "the route's cluster is unknown");
    router_count(r, NU_ROUTER_STAT_no_cluster);
    nu_stream_info_flag(r->info, NU_FLAG_NO_CLUSTER_FOUND);
    router_reply(r, r->action->not_found_code, NU_STR(""), NU_STR("cluster_not_found"), false);
}

static void reply_direct(struct router *r)
{
    const struct nu_direct_action *d = r->entry->direct;
    LOG(r, "the route answers '%.*s' with %u", NU_STR_ARG(r->request->path), d->code);
    router_count(r, NU_ROUTER_STAT_rq_direct_response);
    nu_route_rewrite_path(r->entry, r->request, !r->conf->suppress_envoy_headers);
    reply_plain(r, d->code, d->body, NU_STR("direct_response"), reply_direct_headers);
}

/* true: the request is answered here. */
static bool answer_directly(struct router *r)
{
    const struct nu_route_match *m = nu_http_stream_route_match(r->base.stream);
    if (m->tls_redirect) {
        router_count(r, NU_ROUTER_STAT_rq_direct_response);
        reply_plain(r, 301, NU_STR(""), NU_STR("direct_response"), reply_https);
        return true;
    }
    if (m->route == NULL) {
        reply_no_route(r);
        return true;
    }
    r->entry = nu_route_entry_of(m->route);
    r->weighted = m->weighted;
    if (r->entry->direct != NULL) {
        reply_direct(r);
        return true;
    }
    r->action = r->entry->route.action;
    if (router_find_cluster(r))
        return false;
    reply_no_cluster(r);
    return true;
}

static bool in_maintenance(struct router *r)
{
    const struct nu_runtime *rt = server_of(r)->runtime;
    if (nu_likely(!nu_runtime_has_keys(rt)))
        return false;
    nu_str key = nu_arena_printf(nu_http_stream_arena(r->base.stream), "upstream.maintenance_mode.%.*s",
                                 NU_STR_ARG(r->cluster->name));
    return nu_runtime_percent(rt, key, 0, nu_random_u64(&r->worker->random));
}

static void reply_maintenance(struct router *r)
{
    nu_stream_info_flag(r->info, NU_FLAG_UPSTREAM_OVERFLOW);
    router_charge_code(r, 503, true);
    router_count_cluster(r, NU_CLUSTER_upstream_rq_maintenance_mode);
    router_reply(r, 503, NU_STR("maintenance mode"), NU_STR("maintenance_mode"), true);
}

/* ---- timers ---- */

static void on_response_timer(struct nu_timer *t)
{
    router_on_response_timeout(nu_container_of(t, struct router, response_timer));
}

static void on_per_try_timer(struct nu_timer *t)
{
    router_on_per_try_timeout(nu_container_of(t, struct router, per_try_timer));
}

static void on_duration_timer(struct nu_timer *t)
{
    router_on_max_duration(nu_container_of(t, struct router, duration_timer));
}

static void start_per_try(struct router *r)
{
    if (r->per_try_timeout.v > 0)
        nu_timer_arm(r->worker->loop, &r->per_try_timer, r->per_try_timeout);
}

static void start_answer_timers(struct router *r)
{
    if (r->timeout.v > 0)
        nu_timer_arm(r->worker->loop, &r->response_timer, r->timeout);
    start_per_try(r);
}

/* ---- the request ---- */

static void read_request_headers(struct router *r)
{
    struct nu_http_headers *h = r->request;
    r->grpc = nu_headers_is_grpc(h);
    r->internal = nu_str_eq(nu_headers_get_id(h, NU_HDR_ENVOY_INTERNAL), NU_STR("true"));
    r->vcluster = nu_virtual_cluster_find(r->entry->route.vhost->more, h);
    if (r->vcluster != NULL && r->vcluster != &r->entry->route.vhost->more->other)
        r->info->virtual_cluster_name = r->vcluster->name;
    nu_str alt = nu_headers_get_id(h, NU_HDR_ENVOY_UPSTREAM_ALT_STAT_NAME);
    if (alt.ptr != NULL) {
        r->alt_stat_name = alt;
        (void)nu_headers_remove_id(h, NU_HDR_ENVOY_UPSTREAM_ALT_STAT_NAME);
    }
}

static void make_retry_state(struct router *r)
{
    r->retry = nu_retry_new(nu_http_stream_arena(r->base.stream), r->action->retry, r->request, r->worker,
                            server_of(r)->runtime, r->cluster, r->settings, r->action->priority, router_retry);
    if (r->retry == NULL)
        return;
    r->retry->owner = &r->base;
    unsigned n = 0;
    if (r->vcluster != NULL && r->vcluster->scope != NULL)
        r->retry->scopes[n++] = r->vcluster->scope;
    if (r->entry->scope != NULL)
        r->retry->scopes[n] = r->entry->scope;
}

static void request_complete(struct router *r)
{
    r->request_complete = true;
    r->request_done_ns = nu_loop_now_ns(r->worker->loop);
    if (r->dead || (r->up.state != NU_ATTEMPT_WAITING && r->up.state != NU_ATTEMPT_OPEN))
        return;
    if (r->timeout.v > 0)
        nu_timer_arm(r->worker->loop, &r->response_timer, r->timeout);
    if (r->up.state == NU_ATTEMPT_OPEN)
        start_per_try(r);
}

static bool is_websocket(const struct router *r)
{
    return r->connecting && nu_http_stream_is_upgrade(r->base.stream) &&
           nu_str_eq_nocase(nu_headers_get_id(r->request, NU_HDR_UPGRADE), NU_STR("websocket"));
}

/* CONNECT (or POST, where allowed) whose bytes go to the host as they are. */
static bool ends_connect(const struct router *r)
{
    return nu_str_eq(r->request->method, NU_STR("CONNECT")) ||
           (r->action->connect_allow_post && nu_str_eq(r->request->method, NU_STR("POST")));
}

void router_send(struct router *r, struct nu_host *host)
{
    if (r->action->auto_host_rewrite && host->hostname.len > 0)
        nu_rewrite_authority(r->request, host->hostname, r->action->append_xfh, !r->conf->suppress_envoy_headers);
    if (r->retry != NULL)
        nu_retry_host_tried(r->retry, host);
    r->up.hold_body = r->connecting;
    r->up.tunnel = r->action->connect_config && ends_connect(r);
    bool end = r->request_complete && r->saved.len == 0 && r->trailers == NULL;
    nu_log_head(router, r->info, "request headers to the upstream", r->request, end);
    nu_attempt_start(&r->up, host, r->settings, r->action->priority, r->request, end);
}

static void set_saving(struct router *r)
{
    r->saving = r->retry != NULL || r->action->internal_redirect != NULL;
}

/* What no request goes without (CONNECT: no path); a filter may have taken it away. Empty: nothing is missing. */
static nu_str missing_header(const struct nu_http_headers *h)
{
    bool connect = nu_str_eq(h->method, NU_STR("CONNECT"));
    if (h->method.len == 0)
        return NU_STR(":method");
    if (!connect && h->path.len == 0)
        return NU_STR(":path");
    return connect && h->authority.len == 0 ? NU_STR(":authority") : NU_STR("");
}

static bool refuse_incomplete(struct router *r)
{
    struct nu_arena *a = nu_http_stream_arena(r->base.stream);
    nu_str name = missing_header(r->request);
    if (name.len == 0)
        return false;
    nu_stream_info_flag(r->info, NU_FLAG_DOWNSTREAM_PROTOCOL_ERROR);
    router_reply(r, 503, nu_arena_printf(a, "missing required header: %.*s", NU_STR_ARG(name)),
                 nu_arena_printf(a, "filter_removed_required_request_headers{missing_required_header:_%.*s}",
                                 NU_STR_ARG(name)),
                 false);
    return true;
}

static enum nu_headers_status decode_headers(struct nu_http_filter *f, struct nu_http_headers *h, bool end)
{
    struct router *r = of(f);
    r->request = h;
    router_count(r, NU_ROUTER_STAT_rq_total);
    if (answer_directly(r))
        return NU_HEADERS_STOP;
    LOG(r, "cluster '%.*s' for '%.*s'", NU_STR_ARG(r->cluster->name), NU_STR_ARG(r->request->path));
    read_request_headers(r);
    if (in_maintenance(r)) {
        reply_maintenance(r);
        return NU_HEADERS_STOP;
    }
    r->attempt_count = r->info->attempt_count = 1;
    struct nu_host *host = router_pick_host(r);
    if (host == NULL) {
        router_no_healthy(r);
        return NU_HEADERS_STOP;
    }
    if (nu_unlikely(refuse_incomplete(r)))
        return NU_HEADERS_STOP;
    router_read_timeouts(r);
    router_set_attempt_count(r);
    nu_route_request_headers(r->entry, r->weighted, h, r->info, !r->conf->suppress_envoy_headers);
    make_retry_state(r);
    r->connecting = nu_http_stream_is_upgrade(f->stream) || nu_str_eq(h->method, NU_STR("CONNECT"));
    set_saving(r);
    if (r->action->mirrors != NULL && !r->connecting)
        r->shadows = nu_shadow_start(f->stream, r->action->mirrors, h, r->timeout, r->conf->dynamic_stats, end);
    if (end) {
        r->request_complete = true; /* so that the head carries the end; completed below */
        router_send(r, host);
        if (!r->dead)
            request_complete(r);
        return NU_HEADERS_STOP;
    }
    if (nu_unlikely(r->connecting) && is_websocket(r)) /* its request never ends: the time for the answer runs at once */
        start_answer_timers(r);
    router_send(r, host);
    return NU_HEADERS_STOP;
}

/* Keeps a copy (by reference) of the body while it may be needed again. */
static bool save(struct router *r, const struct nu_buf *data)
{
    uint64_t limit = nu_http_stream_buffer_limit(r->base.stream);
    if (r->entry->legacy_body_limit >= 0)
        limit = nu_min(limit, (uint64_t)r->entry->legacy_body_limit);
    if (r->saved.len + data->len <= limit) {
        nu_buf_share(&r->saved, data, &r->worker->bufs);
        return true;
    }
    router_count_cluster(r, NU_CLUSTER_retry_or_shadow_abandoned);
    bool idle = r->up.state != NU_ATTEMPT_WAITING && r->up.state != NU_ATTEMPT_OPEN;
    if (r->retry != NULL)
        nu_retry_end(r->retry);
    r->retry = NULL;
    r->saving = false;
    r->overflowed = true;
    nu_buf_clear(&r->saved, &r->worker->bufs);
    if (idle)
        router_body_too_large(r);
    return !idle;
}

static enum nu_data_status decode_data(struct nu_http_filter *f, struct nu_buf *data, bool end)
{
    struct router *r = of(f);
    if (r->dead || r->entry == NULL || r->action == NULL || (r->saving && !save(r, data))) {
        nu_buf_clear(data, &r->worker->bufs);
        return NU_DATA_STOP_NO_BUFFER;
    }
    if (r->shadows != NULL)
        nu_shadow_data(r->shadows, data, end);
    nu_attempt_data(&r->up, data, end);
    if (end && !r->dead)
        request_complete(r);
    return NU_DATA_STOP_NO_BUFFER;
}

static enum nu_trailers_status decode_trailers(struct nu_http_filter *f, struct nu_http_headers *t)
{
    struct router *r = of(f);
    r->trailers = t;
    if (r->dead || r->action == NULL)
        return NU_TRAILERS_STOP;
    if (r->shadows != NULL)
        nu_shadow_trailers(r->shadows, t);
    nu_attempt_trailers(&r->up, t);
    if (!r->dead)
        request_complete(r);
    return NU_TRAILERS_STOP;
}

/* The pause of a retry is over. */
void router_retry(struct nu_retry *retry)
{
    struct router *r = of(retry->owner);
    r->is_retry = true;
    r->attempt_count++;
    LOG(r, "retry: attempt %u", r->attempt_count);
    r->info->attempt_count = r->attempt_count;
    struct nu_host *host = router_find_cluster(r) ? router_pick_host(r) : NULL;
    if (host == NULL) {
        router_no_healthy(r);
        return;
    }
    uint64_t now = nu_loop_now_ns(r->worker->loop);
    router_set_attempt_count(r);
    router_set_timeout_header(r, r->request_done_ns != 0 ? (now - r->request_done_ns) / NU_NS_PER_MS : 0);
    router_send(r, host);
    if (r->dead || r->up.state == NU_ATTEMPT_OVER)
        return;
    bool end = r->request_complete && r->trailers == NULL;
    if (r->saved.len > 0) {
        struct nu_buf copy = {0};
        nu_buf_share(&copy, &r->saved, &r->worker->bufs);
        nu_attempt_data(&r->up, &copy, end);
    }
    if (!r->dead && r->trailers != NULL && r->up.state != NU_ATTEMPT_OVER)
        nu_attempt_trailers(&r->up, r->trailers);
}

/* ---- the response ---- */

static void on_ready(struct nu_attempt *a)
{
    struct router *r = of_attempt(a);
    LOG(r, "on upstream connection [C%" PRIu64 "] to %.*s", r->info->upstream->connection_id,
        NU_STR_ARG(a->host->address->text));
    router_count_scopes(r, NU_VCLUSTER_upstream_rq_total);
    if (r->request_complete || is_websocket(r))
        start_per_try(r);
    if (r->settings->max_stream_duration.v > 0)
        nu_timer_arm(r->worker->loop, &r->duration_timer, r->settings->max_stream_duration);
    if (r->downstream_high) {
        router_count_cluster(r, NU_CLUSTER_upstream_flow_control_paused_reading_total);
        nu_attempt_pause(a);
    }
}

/* The response is complete: counts, and lets go of what may still fire. */
static void response_complete(struct router *r)
{
    if (!r->request_complete)
        nu_attempt_reset(&r->up); /* the rest of the request has no reader */
    router_charge_time(r);
    router_cleanup(r);
}

/* true: the response is dropped, another attempt will be made. */
static bool retry_headers(struct router *r, const struct nu_http_headers *h)
{
    if (r->retry == NULL)
        return false;
    switch (nu_retry_on_headers(r->retry, h)) {
    case NU_RETRY_YES:
        (void)nu_atomic_u64_add(&r->up.host->stats.rq_error, 1);
        nu_stat_code(r->cluster->scope, r->worker->index, NU_CLUSTER_retry_upstream_rq, h->status);
        router_log_attempt(r, h, h->status);
        nu_timer_cancel(r->worker->loop, &r->per_try_timer);
        nu_timer_cancel(r->worker->loop, &r->duration_timer);
        nu_attempt_reset(&r->up);
        return true;
    case NU_RETRY_OVERFLOW:
        nu_stream_info_flag(r->info, NU_FLAG_UPSTREAM_OVERFLOW);
        return false;
    case NU_RETRY_LIMIT:
        nu_stream_info_flag(r->info, NU_FLAG_UPSTREAM_RETRY_LIMIT_EXCEEDED);
        return false;
    case NU_RETRY_NO:
        return false;
    }
    return false;
}

static void count_response(struct router *r, const struct nu_http_headers *h, bool end)
{
    struct nu_host_stats *stats = &r->up.host->stats;
    r->canary = r->up.host->canary ||
                nu_str_eq(nu_headers_get_id(h, NU_HDR_ENVOY_UPSTREAM_CANARY), NU_STR("true"));
    router_charge_code(r, h->status, false);
    if (h->status >= 500)
        return;
    if (!r->grpc) {
        (void)nu_atomic_u64_add(&stats->rq_success, 1);
        return;
    }
    r->grpc_success_deferred = !end;
    if (end)
        (void)nu_atomic_u64_add(nu_headers_has_id(h, NU_HDR_GRPC_STATUS) ? &stats->rq_success : &stats->rq_error, 1);
}

static void copy_upstream_headers(struct nu_http_headers *h, void *arg)
{
    const struct nu_http_headers *from = arg;
    nu_headers_foreach(it, from)
        if (it->id != NU_HDR_CONTENT_LENGTH && it->id != NU_HDR_TRANSFER_ENCODING)
            nu_headers_add(h, it->name, it->value);
}

/* The upstream does not switch: the client gets the head of its answer, no body, and the connection ends. */
static void refuse_websocket(struct router *r, struct nu_http_headers *h)
{
    nu_attempt_reset(&r->up);
    router_cleanup(r);
    nu_http_stream_local_reply(r->base.stream,
                               &(struct nu_local_reply){.status = h->status,
                                                        .details = NU_STR("websocket_handshake_unsuccessful"),
                                                        .grpc_status = -1,
                                                        .more = copy_upstream_headers,
                                                        .arg = h});
}

static void on_headers(struct nu_attempt *a, struct nu_http_headers *h, bool end)
{
    struct router *r = of_attempt(a);
    LOG(r, "upstream response headers: %u (end_stream=%s)", h->status, end ? "true" : "false");
    if (nu_unlikely(r->connecting) && is_websocket(r)) {
        if (h->status != 101) {
            refuse_websocket(r, h);
            return;
        }
        nu_timer_cancel(r->worker->loop, &r->response_timer);
    }
    if (retry_headers(r, h))
        return;
    if (r->action->internal_redirect != NULL && router_follow_redirect(r, h))
        return;
    if (r->retry != NULL)
        nu_retry_end(r->retry);
    r->retry = NULL;
    nu_timer_cancel(r->worker->loop, &r->per_try_timer);
    if (r->request_done_ns != 0 && !r->conf->suppress_envoy_headers)
        nu_headers_set_id(h, NU_HDR_ENVOY_UPSTREAM_SERVICE_TIME,
                          router_number(r, (nu_loop_now_ns(r->worker->loop) - r->request_done_ns) / NU_NS_PER_MS));
    count_response(r, h, end);
    r->info->response_code_details = NU_STR("via_upstream");
    r->info->response_code = h->status; /* header values may name it */
    nu_route_response_headers(r->entry, r->weighted, r->request, h, r->info);
    router_add_attempt_count(r, h);
    r->response_started = true;
    if (end)
        response_complete(r);
    nu_http_stream_respond_headers(r->base.stream, h, end, NU_STR("via_upstream"));
}

static void on_informational(struct nu_attempt *a, struct nu_http_headers *h)
{
    struct router *r = of_attempt(a);
    router_charge_code(r, h->status, false);
    r->response_started = true; /* nothing is retried after the client has seen something */
    if (r->retry != NULL)
        nu_retry_end(r->retry);
    r->retry = NULL;
    nu_http_stream_respond_informational(r->base.stream, h);
}

static void on_data(struct nu_attempt *a, struct nu_buf *data, bool end)
{
    struct router *r = of_attempt(a);
    if (end) {
        if (r->grpc_success_deferred)
            (void)nu_atomic_u64_add(&a->host->stats.rq_error, 1); /* gRPC without trailers */
        response_complete(r);
    }
    nu_http_stream_respond_data(r->base.stream, data, end);
}

static void on_trailers(struct nu_attempt *a, struct nu_http_headers *t)
{
    struct router *r = of_attempt(a);
    if (r->grpc_success_deferred)
        (void)nu_atomic_u64_add(nu_headers_has_id(t, NU_HDR_GRPC_STATUS) ? &a->host->stats.rq_success
                                                                        : &a->host->stats.rq_error, 1);
    response_complete(r);
    nu_http_stream_respond_trailers(r->base.stream, t);
}

static void on_reset(struct nu_attempt *a, enum nu_reset_reason why, nu_str transport, nu_str details)
{
    (void)details; /* the codec's; Envoy does not tell them */
    router_on_reset(of_attempt(a), why, transport);
}

static void on_blocked(struct nu_attempt *a)
{
    struct router *r = of_attempt(a);
    router_count_cluster(r, NU_CLUSTER_upstream_flow_control_backed_up_total);
    nu_http_stream_pause_request(r->base.stream);
}

static void on_unblocked(struct nu_attempt *a)
{
    struct router *r = of_attempt(a);
    router_count_cluster(r, NU_CLUSTER_upstream_flow_control_drained_total);
    nu_http_stream_resume_request(r->base.stream);
}

static const struct nu_attempt_ops attempt_ops = {
    .on_ready = on_ready,
    .on_headers = on_headers,
    .on_informational = on_informational,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
    .on_blocked = on_blocked,
    .on_unblocked = on_unblocked,
};

/* ---- flow control of the response ---- */

static void on_downstream_high(struct nu_http_filter *f)
{
    struct router *r = of(f);
    r->downstream_high = true;
    if (r->up.state != NU_ATTEMPT_OPEN)
        return;
    router_count_cluster(r, NU_CLUSTER_upstream_flow_control_paused_reading_total);
    nu_attempt_pause(&r->up);
}

static void on_downstream_low(struct nu_http_filter *f)
{
    struct router *r = of(f);
    r->downstream_high = false;
    if (r->up.state != NU_ATTEMPT_OPEN || r->up.read_pauses == 0)
        return;
    router_count_cluster(r, NU_CLUSTER_upstream_flow_control_resumed_reading_total);
    nu_attempt_resume(&r->up);
}

/* ---- the end ---- */

/* A reply is made here or elsewhere (a timeout of the stream, another filter): the upstream is not waited for. */
static void on_local_reply(struct nu_http_filter *f, unsigned code, nu_str details)
{
    struct router *r = of(f);
    (void)code;
    (void)details;
    if (r->action == NULL)
        return;
    nu_attempt_reset(&r->up);
    router_cleanup(r);
}

static void on_stream_complete(struct nu_http_filter *f)
{
    struct router *r = of(f);
    nu_attempt_note_bytes(&r->up);
    router_log_attempt(r, nu_http_stream_response(f->stream), r->info->response_code);
}

static void on_destroy(struct nu_http_filter *f)
{
    struct router *r = of(f);
    r->dead = true;
    nu_attempt_clear(&r->up);
    router_cleanup(r);
    if (r->shadows != NULL)
        nu_shadow_end(r->shadows);
    nu_buf_clear(&r->saved, &r->worker->bufs);
    r->info->cluster = NULL;
    nu_cluster_info_unref(&r->settings);
    nu_cluster_unref(&r->cluster);
}

static const struct nu_http_filter_ops filter_ops = {
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
    .on_local_reply = on_local_reply,
    .on_stream_complete = on_stream_complete,
    .on_destroy = on_destroy,
    .on_downstream_high = on_downstream_high,
    .on_downstream_low = on_downstream_low,
};

void nu_router_attach(const struct nu_http_filter_conf *conf, struct nu_http_stream *s)
{
    struct nu_arena *a = nu_http_stream_arena(s);
    struct router *r = nu_arena_new(a, struct router);
    r->base.ops = &filter_ops;
    r->conf = (const struct nu_router_conf *)(const void *)conf;
    r->worker = nu_http_stream_worker(s);
    r->info = nu_http_stream_info(s);
    nu_timer_init(&r->response_timer, on_response_timer);
    nu_timer_init(&r->per_try_timer, on_per_try_timer);
    nu_timer_init(&r->duration_timer, on_duration_timer);
    nu_attempt_init(&r->up, &attempt_ops, r->worker, a, r->info);
    nu_http_stream_add_filter(s, &r->base);
}
