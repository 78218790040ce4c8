/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.http.fault: delays, aborts and slow responses on purpose. Which requests: by cluster, downstream node and
 * headers; how many: by percentages, which runtime keys (one set, or one for each downstream cluster) override. A delay
 * comes before an abort. */
#include "codec/pb/pb.h"
#include "envoy/extensions/filters/common/fault/v3/fault.nu.h"
#include "envoy/extensions/filters/http/fault/v3/fault.nu.h"
#include "ext/http_filter/fault_stats.h"
#include "http/filter.h"
#include "http/filter_scope.h"
#include "http/fraction.h"
#include "http/matchers.h"
#include "http/metadata.h"
#include "http/route.h"
#include "http/stream_limiter.h"
#include "net/duration.h"
#include "net/server.h"
#include "worker/runtime.h"
#include "worker/worker.h"

#define MAX_DELAY NU_SECONDS(365LL * 24 * 3600)

/* Where a fault's size comes from. */
enum source { NONE, FIXED, BY_HEADER };

struct settings {
    struct {
        enum source source;
        struct nu_fraction percent;
        nu_ms fixed;
    } delay;
    struct {
        enum source source;
        struct nu_fraction percent;
        int64_t http_status, grpc_status; /* -1: not given */
        nu_str body;
    } abort;
    struct {
        enum source source;
        struct nu_fraction percent;
        uint64_t kib_per_second;
    } rate;
    nu_str upstream_cluster; /* empty: any */
    struct nu_header_matchers headers;
    nu_str *downstream_nodes; /* none: any */
    size_t n_downstream_nodes;
    uint64_t max_active;
    nu_str delay_duration_key, http_status_key, grpc_status_key, max_active_key;
    bool no_cluster_stats; /* disable_downstream_cluster_stats */
    const struct google_protobuf_Struct *metadata;
};

struct fault_conf {
    struct nu_http_filter_conf base;
    struct nu_scope *scope;
    struct settings settings;
};

struct fault {
    struct nu_http_filter base;
    const struct fault_conf *conf;
    const struct settings *settings; /* the route's, or conf's own */
    struct nu_worker *worker;
    const struct nu_runtime *runtime;
    struct nu_http_headers *request;
    nu_str downstream_cluster; /* ptr == NULL: not told */
    struct nu_timer delay;
    struct nu_stream_limiter limiter;
    bool active;   /* counts in active_faults */
    bool limiting; /* the response's rate */
};

static struct fault *of(struct nu_http_filter *f)
{
    return nu_container_of(f, struct fault, base);
}

/* ---- counting ---- */

static void count(struct fault *f, unsigned index)
{
    nu_stat_inc(f->conf->scope, f->worker->index, index);
}

static void count_cluster(struct fault *f, const char *what)
{
    if (f->downstream_cluster.len == 0 || f->settings->no_cluster_stats)
        return;
    nu_str name = nu_arena_printf(nu_http_stream_arena(f->base.stream), "%.*s.%s", NU_STR_ARG(f->downstream_cluster),
                                  what);
    nu_stat_dyn_add(f->conf->scope, f->worker->index, name, 1);
}

/* A request counts once, however many faults it has; the limit is only looked at for the first. */
static bool begin_fault(struct fault *f)
{
    const struct settings *s = f->settings;
    if (f->active)
        return true;
    uint64_t max = nu_runtime_u64(f->runtime, s->max_active_key, s->max_active);
    if (max != UINT64_MAX && nu_stat_read(f->conf->scope, NU_FAULT_active_faults, NULL) >= max) {
        count(f, NU_FAULT_faults_overflow);
        return false;
    }
    f->active = true;
    nu_gauge_add(f->conf->scope, f->worker->index, NU_FAULT_active_faults, 1);
    return true;
}

static void end_fault(struct fault *f)
{
    if (f->active)
        nu_gauge_sub(f->conf->scope, f->worker->index, NU_FAULT_active_faults, 1);
    f->active = false;
}

static void note(struct fault *f, enum nu_response_flag flag)
{
    struct nu_stream_info *si = nu_http_stream_info(f->base.stream);
    nu_stream_info_flag(si, flag);
    nu_dynamic_metadata_set(si, f->base.entry->name, f->settings->metadata);
}

/* ---- numbers ---- */

/* A number in a request header; false: none. */
static bool header_number(struct fault *f, nu_str name, uint64_t *out)
{
    return nu_str_to_u64(nu_str_trim(nu_headers_get(f->request, name)), out);
}

/* The runtime key that the requests of one downstream cluster have for themselves. ptr == NULL: none. */
static nu_str cluster_key(struct fault *f, const char *what)
{
    if (f->downstream_cluster.ptr == NULL || !nu_runtime_has_keys(f->runtime))
        return NU_STR_NONE;
    return nu_arena_printf(nu_http_stream_arena(f->base.stream), "fault.http.%.*s.%s",
                           NU_STR_ARG(f->downstream_cluster), what);
}

/* A runtime value, of the downstream cluster where there is one. */
static uint64_t runtime_of_cluster(struct fault *f, nu_str key, const char *what, uint64_t fallback)
{
    nu_str own = cluster_key(f, what);
    return nu_runtime_u64(f->runtime, own.ptr != NULL ? own : key, fallback);
}

/* Whether it is this request's turn. A header may lower a percentage, where sizes come from headers, too. */
static bool is_hit(struct fault *f, const struct nu_fraction *percent, enum source source, nu_str header,
                   const char *what)
{
    struct nu_fraction p = *percent;
    uint64_t asked;
    if (source == NONE)
        return false;
    if (source == BY_HEADER && header_number(f, header, &asked) && asked < p.numerator)
        p.numerator = (uint32_t)asked;
    nu_str own = what != NULL ? cluster_key(f, what) : NU_STR_NONE;
    if (own.ptr != NULL)
        p.key = own;
    return nu_fraction_hit(&p, f->runtime, nu_random_u64(&f->worker->random));
}

/* ---- abort ---- */

struct abort_status {
    uint64_t http; /* 0: no abort */
    int grpc;      /* -1: none */
};

static struct abort_status http_abort(struct fault *f, uint64_t status)
{
    uint64_t said = runtime_of_cluster(f, f->settings->http_status_key, "abort.http_status", status);
    bool valid = said >= 200 && said < 600; /* of the runtime's there is no check earlier */
    return (struct abort_status){.http = valid ? said : status, .grpc = -1};
}

static struct abort_status grpc_abort(struct fault *f, uint64_t status)
{
    uint64_t said = runtime_of_cluster(f, f->settings->grpc_status_key, "abort.grpc_status", status);
    return (struct abort_status){.http = 200, .grpc = said <= INT32_MAX ? (int)said : 2};
}

static struct abort_status abort_status(struct fault *f)
{
    const struct settings *s = f->settings;
    uint64_t n;
    if (!is_hit(f, &s->abort.percent, s->abort.source, NU_STR("x-envoy-fault-abort-request-percentage"),
                "abort.abort_percent"))
        return (struct abort_status){.grpc = -1};
    if (s->abort.source == FIXED)
        return s->abort.http_status >= 0 ? http_abort(f, (uint64_t)s->abort.http_status)
                                         : grpc_abort(f, (uint64_t)s->abort.grpc_status);
    if (header_number(f, NU_STR("x-envoy-fault-abort-request"), &n) && n >= 200 && n < 600)
        return http_abort(f, n);
    if (header_number(f, NU_STR("x-envoy-fault-abort-grpc-request"), &n))
        return grpc_abort(f, n);
    return (struct abort_status){.grpc = -1};
}

static void do_abort(struct fault *f, struct abort_status a)
{
    const struct settings *s = f->settings;
    count(f, NU_FAULT_aborts_injected);
    count_cluster(f, "aborts_injected");
    note(f, NU_FLAG_FAULT_INJECTED);
    nu_http_stream_local_reply(f->base.stream,
                               &(struct nu_local_reply){
                                   .status = (unsigned)a.http,
                                   .body = s->abort.body.len > 0 ? s->abort.body : NU_STR("fault filter abort"),
                                   .details = NU_STR("fault_filter_abort"),
                                   .grpc_status = a.grpc,
                               });
}

/* ---- delay ---- */

static nu_ms delay_of(struct fault *f)
{
    const struct settings *s = f->settings;
    uint64_t ms = (uint64_t)s->delay.fixed.v;
    if (!is_hit(f, &s->delay.percent, s->delay.source, NU_STR("x-envoy-fault-delay-request-percentage"),
                "delay.fixed_delay_percent"))
        return NU_MS(0);
    if (s->delay.source == BY_HEADER && !header_number(f, NU_STR("x-envoy-fault-delay-request"), &ms))
        return NU_MS(0);
    ms = nu_runtime_u64(f->runtime, s->delay_duration_key, ms);
    nu_str own = cluster_key(f, "delay.fixed_duration_ms");
    if (own.ptr != NULL)
        ms = nu_runtime_u64(f->runtime, own, ms);
    return ms < (uint64_t)MAX_DELAY.v ? NU_MS((int64_t)ms) : MAX_DELAY;
}

static void on_delay_over(struct nu_timer *t)
{
    struct fault *f = nu_container_of(t, struct fault, delay);
    struct abort_status a = abort_status(f);
    nu_http_stream_activity(f->base.stream);
    if (a.http != 0) {
        do_abort(f, a);
        return;
    }
    if (f->settings->rate.source == NONE) /* nothing more can happen to it */
        end_fault(f);
    nu_http_filter_continue_decode(&f->base);
}

static bool begin_delay(struct fault *f)
{
    nu_ms delay = delay_of(f);
    if (delay.v <= 0 || !begin_fault(f))
        return false;
    nu_timer_arm(f->worker->loop, &f->delay, delay);
    count(f, NU_FAULT_delays_injected);
    count_cluster(f, "delays_injected");
    note(f, NU_FLAG_DELAY_INJECTED);
    return true;
}

/* ---- response rate ---- */

static void begin_limit(struct fault *f)
{
    const struct settings *s = f->settings;
    uint64_t rate = s->rate.kib_per_second;
    if (!is_hit(f, &s->rate.percent, s->rate.source, NU_STR("x-envoy-fault-throughput-response-percentage"), NULL))
        return;
    if (s->rate.source == BY_HEADER &&
        (!header_number(f, NU_STR("x-envoy-fault-throughput-response"), &rate) || rate == 0))
        return;
    if (!begin_fault(f))
        return;
    count(f, NU_FAULT_response_rl_injected);
    f->limiting = true;
    nu_stream_limiter_init(&f->limiter, &f->base, rate);
}

/* ---- the filter ---- */

static bool node_matches(const struct settings *s, const struct nu_http_headers *h)
{
    nu_str node = nu_headers_get_id(h, NU_HDR_ENVOY_DOWNSTREAM_SERVICE_NODE);
    for (size_t i = 0; i < s->n_downstream_nodes; i++)
        if (node.ptr != NULL && nu_str_eq(s->downstream_nodes[i], node))
            return true;
    return s->n_downstream_nodes == 0;
}

static bool concerns(struct fault *f)
{
    const struct settings *s = f->settings;
    const struct nu_route_match *m = nu_http_stream_route_match(f->base.stream);
    if (s->upstream_cluster.len > 0 && !nu_str_eq(nu_route_match_cluster(m, f->request), s->upstream_cluster))
        return false;
    return node_matches(s, f->request) && nu_header_matchers_match(&s->headers, f->request);
}

static enum nu_headers_status decode_headers(struct nu_http_filter *base, struct nu_http_headers *h, bool end)
{
    struct fault *f = of(base);
    (void)end;
    const struct settings *route = nu_http_filter_route_conf(base);
    f->settings = route != NULL ? route : &f->conf->settings;
    f->request = h;
    if (!concerns(f))
        return NU_HEADERS_CONTINUE;
    f->downstream_cluster = nu_headers_get_id(h, NU_HDR_ENVOY_DOWNSTREAM_SERVICE_CLUSTER);
    begin_limit(f);
    if (begin_delay(f))
        return NU_HEADERS_STOP;
    struct abort_status a = abort_status(f);
    if (a.http == 0 || !begin_fault(f))
        return NU_HEADERS_CONTINUE;
    do_abort(f, a);
    return NU_HEADERS_STOP;
}

static enum nu_data_status decode_data(struct nu_http_filter *base, struct nu_buf *data, bool end)
{
    (void)data;
    (void)end;
    return nu_timer_armed(&of(base)->delay) ? NU_DATA_STOP_WATERMARK : NU_DATA_CONTINUE;
}

static enum nu_trailers_status decode_trailers(struct nu_http_filter *base, struct nu_http_headers *t)
{
    (void)t;
    return nu_timer_armed(&of(base)->delay) ? NU_TRAILERS_STOP : NU_TRAILERS_CONTINUE;
}

static enum nu_data_status encode_data(struct nu_http_filter *base, struct nu_buf *data, bool end)
{
    struct fault *f = of(base);
    if (!f->limiting)
        return NU_DATA_CONTINUE;
    nu_stream_limiter_data(&f->limiter, data, end);
    return NU_DATA_STOP_NO_BUFFER;
}

static enum nu_trailers_status encode_trailers(struct nu_http_filter *base, struct nu_http_headers *t)
{
    struct fault *f = of(base);
    (void)t;
    return f->limiting ? nu_stream_limiter_trailers(&f->limiter) : NU_TRAILERS_CONTINUE;
}

static void on_destroy(struct nu_http_filter *base)
{
    struct fault *f = of(base);
    nu_timer_cancel(f->worker->loop, &f->delay);
    if (f->limiting)
        nu_stream_limiter_end(&f->limiter);
    end_fault(f);
}

static const struct nu_http_filter_ops filter_ops = {
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
    .encode_data = encode_data,
    .encode_trailers = encode_trailers,
    .on_destroy = on_destroy,
};

static void attach(const struct nu_http_filter_conf *conf, struct nu_http_stream *s)
{
    struct fault *f = nu_arena_new(nu_http_stream_arena(s), struct fault);
    f->base.ops = &filter_ops;
    f->conf = (const struct fault_conf *)(const void *)conf;
    f->worker = nu_http_stream_worker(s);
    f->runtime = nu_http_stream_server(s)->runtime;
    nu_timer_init(&f->delay, on_delay_over);
    nu_http_stream_add_filter(s, &f->base);
}

/* ---- configuration ---- */

typedef struct envoy_extensions_filters_http_fault_v3_HTTPFault fault_msg;

static nu_str key_or(struct nu_factory *f, nu_str key, const char *fallback)
{
    return nu_arena_str(f->arena, key.len > 0 ? key : nu_str_from(fallback));
}

static struct nu_fraction percent(struct nu_factory *f, const struct envoy_type_v3_FractionalPercent *m, nu_str key,
                                  const char *fallback)
{
    struct nu_fraction p = nu_fraction_percent(m);
    p.key = key_or(f, key, fallback);
    return p;
}

static void build_delay(struct nu_factory *f, const fault_msg *m, struct settings *s)
{
    const struct envoy_extensions_filters_common_fault_v3_FaultDelay *d = m->delay;
    s->delay_duration_key = key_or(f, m->delay_duration_runtime, "fault.http.delay.fixed_duration_ms");
    if (d == NULL)
        return;
    s->delay.source = d->fixed_delay != NULL ? FIXED : BY_HEADER;
    s->delay.fixed = nu_duration_or(d->fixed_delay, NU_MS(0));
    s->delay.percent = percent(f, d->percentage, m->delay_percent_runtime, "fault.http.delay.fixed_delay_percent");
}

static void build_abort(struct nu_factory *f, const fault_msg *m, struct settings *s)
{
    const struct envoy_extensions_filters_http_fault_v3_FaultAbort *a = m->abort;
    s->http_status_key = key_or(f, m->abort_http_status_runtime, "fault.http.abort.http_status");
    s->grpc_status_key = key_or(f, m->abort_grpc_status_runtime, "fault.http.abort.grpc_status");
    s->abort.http_status = s->abort.grpc_status = -1;
    if (a == NULL)
        return;
    s->abort.source = a->header_abort != NULL ? BY_HEADER : FIXED;
    if (a->error_type_case == envoy_extensions_filters_http_fault_v3_FaultAbort_http_status_case)
        s->abort.http_status = a->http_status;
    else if (a->error_type_case == envoy_extensions_filters_http_fault_v3_FaultAbort_grpc_status_case)
        s->abort.grpc_status = a->grpc_status;
    s->abort.body = nu_arena_str(f->arena, a->response_body);
    s->abort.percent = percent(f, a->percentage, m->abort_percent_runtime, "fault.http.abort.abort_percent");
}

static void build_rate(struct nu_factory *f, const fault_msg *m, struct settings *s)
{
    const struct envoy_extensions_filters_common_fault_v3_FaultRateLimit *r = m->response_rate_limit;
    if (r == NULL)
        return;
    s->rate.source = r->fixed_limit != NULL ? FIXED : BY_HEADER;
    s->rate.kib_per_second = r->fixed_limit != NULL ? r->fixed_limit->limit_kbps : 0;
    s->rate.percent = percent(f, r->percentage, m->response_rate_limit_percent_runtime,
                              "fault.http.rate_limit.response_percent");
}

static bool build(struct nu_factory *f, const struct nu_pb_msg *msg, struct settings *s)
{
    const fault_msg *m = NU_PB_AS(msg, envoy_extensions_filters_http_fault_v3_HTTPFault);
    if (m == NULL)
        return false;
    build_delay(f, m, s);
    build_abort(f, m, s);
    build_rate(f, m, s);
    s->upstream_cluster = nu_arena_str(f->arena, m->upstream_cluster);
    s->n_downstream_nodes = m->n_downstream_nodes;
    s->downstream_nodes = nu_arena_array(f->arena, nu_str, s->n_downstream_nodes);
    for (size_t i = 0; i < s->n_downstream_nodes; i++)
        s->downstream_nodes[i] = nu_arena_str(f->arena, m->downstream_nodes[i]);
    s->max_active = m->max_active_faults != NULL ? *m->max_active_faults : UINT64_MAX;
    s->max_active_key = key_or(f, m->max_active_faults_runtime, "fault.http.max_active_faults");
    s->no_cluster_stats = m->disable_downstream_cluster_stats;
    s->metadata = nu_struct_copy(f->arena, m->filter_metadata);
    return nu_header_matchers_build(f, m->headers, m->n_headers, &s->headers);
}

static const struct nu_http_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg, nu_str stat_prefix)
{
    struct fault_conf *c = nu_arena_new(f->arena, struct fault_conf);
    c->base.attach = attach;
    c->scope = nu_http_filter_scope(f, &nu_fault_layout, stat_prefix, "fault");
    return build(f, msg, &c->settings) ? &c->base : NULL;
}

static const void *create_route(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    struct settings *s = nu_arena_new(f->arena, struct settings);
    return build(f, msg, s) ? s : NULL;
}

static const struct nu_http_filter_factory factory = {.create = create, .create_route = create_route};

const struct nu_extension nu_ext_http_filter_fault = {
    .category = "envoy.filters.http",
    .name = "envoy.filters.http.fault",
    .config_type = &envoy_extensions_filters_http_fault_v3_HTTPFault_type,
    .route_config_type = &envoy_extensions_filters_http_fault_v3_HTTPFault_type,
    .ops = &factory,
};
