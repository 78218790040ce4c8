/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that ends badly: resets, timeouts, no host. Each first asks whether to retry; else there is one reply (or, when
 * the response has begun, a reset downstream). Texts, flags and details are Envoy's. */
#include "net/log_ids.h"
#include "router/rewrite.h"
#include "router/router_priv.h"
#include "router/router_stats.h"
#include "router/vcluster_stats.h"
#include "upstream/cluster_stats.h"
#include "upstream/host.h"
#include "worker/worker.h"

#define LOG(r, text, ...) nu_log_stream(router, NU_LOG_DEBUG, (r)->info, text, ##__VA_ARGS__)

struct reply_args {
    struct router *r;
    bool overloaded;
};

static void add_reply_headers(struct nu_http_headers *h, void *arg)
{
    const struct reply_args *a = arg;
    struct router *r = a->r;
    if (a->overloaded && !r->conf->suppress_envoy_headers)
        nu_headers_set_id(h, NU_HDR_ENVOY_OVERLOADED, NU_STR("true"));
    router_add_attempt_count(r, h);
}

void router_reply(struct router *r, unsigned status, nu_str body, nu_str details, bool overloaded)
{
    /* In the arena: while a filter is on the stack the reply is made later. */
    struct reply_args *args = nu_arena_new(nu_http_stream_arena(r->base.stream), struct reply_args);
    *args = (struct reply_args){.r = r, .overloaded = overloaded};
    nu_http_stream_local_reply(r->base.stream, &(struct nu_local_reply){.status = status,
                                                                        .body = body,
                                                                        .details = details,
                                                                        .grpc_status = -1,
                                                                        .more = add_reply_headers,
                                                                        .arg = args});
}

void router_cleanup(struct router *r)
{
    struct nu_loop *loop = r->worker->loop;
    nu_timer_cancel(loop, &r->response_timer);
    nu_timer_cancel(loop, &r->per_try_timer);
    nu_timer_cancel(loop, &r->duration_timer);
    if (r->retry != NULL)
        nu_retry_end(r->retry);
    r->retry = NULL;
}

void router_no_healthy(struct router *r)
{
    LOG(r, "no healthy host in cluster '%.*s'", NU_STR_ARG(r->cluster != NULL ? r->cluster->name : NU_STR("")));
    nu_stream_info_flag(r->info, NU_FLAG_NO_HEALTHY_UPSTREAM);
    router_charge_code(r, 503, false);
    router_cleanup(r);
    router_reply(r, 503, NU_STR("no healthy upstream"), NU_STR("no_healthy_upstream"), false);
}

void router_body_too_large(struct router *r)
{
    router_cleanup(r);
    router_reply(r, 507, NU_STR("exceeded request buffer limit while retrying upstream"),
                 NU_STR("request_payload_exceeded_retry_buffer_limit"), false);
}

/* Counts an attempt that ended without an answer. */
static void charge_abort(struct router *r, unsigned code, bool dropped)
{
    if (r->response_started) {
        if (r->grpc_success_deferred) {
            (void)nu_atomic_u64_add(&r->up.host->stats.rq_error, 1);
            router_count(r, NU_ROUTER_STAT_rq_reset_after_downstream_response_started);
        }
        return;
    }
    router_charge_code(r, code, dropped);
    if (r->up.host != NULL && code / 100 != 5)
        (void)nu_atomic_u64_add(&r->up.host->stats.rq_error, 1);
}

/* The end for the client. */
static void fail(struct router *r, unsigned code, enum nu_response_flag flag, nu_str body, bool dropped, nu_str details)
{
    nu_stream_info_flag(r->info, flag);
    router_cleanup(r);
    router_reply(r, code, body, details, dropped);
}

static void fail_timeout(struct router *r, nu_str details)
{
    nu_str body = r->timeout_code == 504 ? NU_STR("upstream request timeout") : NU_STR("");
    fail(r, r->timeout_code, NU_FLAG_UPSTREAM_REQUEST_TIMEOUT, body, false, details);
}

void router_log_attempt(struct router *r, const struct nu_http_headers *response, unsigned code)
{
    if (r->conf->upstream_logs.n == 0 || r->up.host == NULL)
        return;
    uint16_t own = r->info->response_code;
    r->info->response_code = (uint16_t)code;
    const struct nu_log_entry e = {
        .info = r->info, .request = r->request, .response = response, .type = NU_LOG_NOT_SET};
    nu_access_logs_run(&r->conf->upstream_logs, &e);
    r->info->response_code = own;
}

/* true: another attempt will be made. */
static bool retries(struct router *r, enum nu_reset_reason why, bool request_started)
{
    if (r->response_started || r->retry == NULL)
        return false;
    switch (nu_retry_on_reset(r->retry, why, request_started)) {
    case NU_RETRY_YES:
        if (r->up.host != NULL)
            (void)nu_atomic_u64_add(&r->up.host->stats.rq_error, 1);
        router_log_attempt(r, NULL, 0);
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

static enum nu_response_flag flag_of(enum nu_reset_reason why)
{
    switch (why) {
    case NU_RESET_LOCAL_CONNECT_FAILURE:
    case NU_RESET_REMOTE_CONNECT_FAILURE:
    case NU_RESET_CONNECT_TIMEOUT:
        return NU_FLAG_UPSTREAM_CONNECTION_FAILURE;
    case NU_RESET_CONN_TERMINATION:
        return NU_FLAG_UPSTREAM_CONNECTION_TERMINATION;
    case NU_RESET_LOCAL:
    case NU_RESET_LOCAL_REFUSED:
        return NU_FLAG_LOCAL_RESET;
    case NU_RESET_OVERFLOW:
        return NU_FLAG_UPSTREAM_OVERFLOW;
    case NU_RESET_REMOTE:
    case NU_RESET_REMOTE_REFUSED:
    case NU_RESET_CONNECT_ERROR:
        return NU_FLAG_UPSTREAM_REMOTE_RESET;
    case NU_RESET_PROTOCOL_ERROR:
        return NU_FLAG_UPSTREAM_PROTOCOL_ERROR;
    case NU_RESET_OVERLOAD:
        return NU_FLAG_OVERLOAD_MANAGER_TERMINATED;
    }
    NU_UNREACHABLE();
}

/* Details have no white space. */
static nu_str without_spaces(nu_str s)
{
    char *p = (char *)(uintptr_t)s.ptr; /* made by us, in the arena */
    for (size_t i = 0; i < s.len; i++)
        if (p[i] == ' ' || p[i] == '\t' || p[i] == '\r' || p[i] == '\n')
            p[i] = '_';
    return s;
}

void router_on_reset(struct router *r, enum nu_reset_reason why, nu_str transport)
{
    struct nu_arena *a = nu_http_stream_arena(r->base.stream);
    bool dropped = why == NU_RESET_OVERFLOW;
    LOG(r, "upstream reset: %.*s%s%.*s", NU_STR_ARG(nu_reset_reason_text(why)), transport.len > 0 ? ", " : "",
        NU_STR_ARG(transport));
    nu_timer_cancel(r->worker->loop, &r->per_try_timer);
    nu_timer_cancel(r->worker->loop, &r->duration_timer);
    bool sent = r->info->upstream != NULL && r->info->upstream->first_tx_ns != 0;
    if (retries(r, why, sent))
        return;
    unsigned code = why == NU_RESET_PROTOCOL_ERROR ? 502 : 503;
    charge_abort(r, code, dropped);
    nu_str reason = nu_reset_reason_text(why);
    const char *before = r->is_retry ? "retried and the latest " : "";
    nu_str body = nu_arena_printf(a, "upstream connect error or disconnect/reset before headers. %sreset reason: %.*s",
                                  before, NU_STR_ARG(reason));
    nu_str text = nu_arena_printf(a, "upstream_reset_%s_response_started{%.*s%s%.*s}",
                                  r->response_started ? "after" : "before", NU_STR_ARG(reason),
                                  transport.len > 0 ? "|" : "", NU_STR_ARG(transport));
    fail(r, code, flag_of(why), body, dropped, without_spaces(text));
}

void router_on_response_timeout(struct router *r)
{
    LOG(r, "upstream timeout");
    if (r->up.state == NU_ATTEMPT_WAITING || r->up.state == NU_ATTEMPT_OPEN) {
        bool awaiting = !r->up.got_headers;
        router_count_cluster(r, NU_CLUSTER_upstream_rq_timeout);
        router_count_scopes(r, NU_VCLUSTER_upstream_rq_timeout);
        (void)nu_atomic_u64_add(&r->up.host->stats.rq_timeout, 1);
        if (awaiting)
            charge_abort(r, r->timeout_code, false);
        nu_attempt_reset(&r->up);
    }
    fail_timeout(r, NU_STR("response_timeout"));
}

void router_on_per_try_timeout(struct router *r)
{
    if (r->response_started)
        return;
    LOG(r, "upstream timeout of one attempt");
    bool sent = r->info->upstream != NULL && r->info->upstream->first_tx_ns != 0;
    router_count_cluster(r, NU_CLUSTER_upstream_rq_per_try_timeout);
    (void)nu_atomic_u64_add(&r->up.host->stats.rq_timeout, 1);
    nu_attempt_reset(&r->up);
    nu_timer_cancel(r->worker->loop, &r->duration_timer);
    if (retries(r, NU_RESET_LOCAL, sent))
        return;
    charge_abort(r, r->timeout_code, false);
    fail_timeout(r, NU_STR("upstream_per_try_timeout"));
}

void router_on_max_duration(struct router *r)
{
    LOG(r, "the longest duration of an upstream stream is over");
    bool sent = r->info->upstream != NULL && r->info->upstream->first_tx_ns != 0;
    router_count_cluster(r, NU_CLUSTER_upstream_rq_max_duration_reached);
    nu_attempt_reset(&r->up);
    nu_timer_cancel(r->worker->loop, &r->per_try_timer);
    if (retries(r, NU_RESET_LOCAL, sent))
        return;
    bool complete = nu_http_stream_request_complete(r->base.stream);
    fail(r, complete ? 504 : 408, NU_FLAG_UPSTREAM_MAX_STREAM_DURATION_REACHED,
         NU_STR("upstream max stream duration reached"), false, NU_STR("upstream_max_stream_duration_reached"));
}
