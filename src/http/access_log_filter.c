/* SPDX-License-Identifier: Apache-2.0 */
#include "http/access_log_filter.h"

#include "codec/pb/pb.h"
#include "envoy/config/accesslog/v3/accesslog.nu.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/type/v3/percent.nu.h"
#include "http/matchers.h"
#include "net/server.h"
#include "worker/runtime.h"
#include "worker/worker.h"

enum filter_kind { ON_STATUS, ON_DURATION, NOT_HEALTH_CHECK, ON_RUNTIME, ALL_OF, ANY_OF, ON_HEADER, ON_FLAGS };

struct nu_log_filter {
    enum filter_kind kind;
    const struct nu_runtime *runtime;
    int32_t op; /* ComparisonFilter.Op */
    uint64_t value;
    nu_str runtime_key;
    uint32_t numerator, denominator;
    bool independent;
    const struct nu_log_filter **parts;
    size_t n_parts;
    struct nu_header_matcher header;
    uint64_t flags; /* 0: any flag at all */
};

typedef struct envoy_config_accesslog_v3_AccessLogFilter filter_msg;

/* ---- from config ---- */

static void set_comparison(struct nu_factory *f, struct nu_log_filter *l,
                           const struct envoy_config_accesslog_v3_ComparisonFilter *c)
{
    l->op = c->op;
    l->value = c->value->default_value;
    l->runtime_key = nu_arena_str(f->arena, c->value->runtime_key);
}

static void set_runtime(struct nu_factory *f, struct nu_log_filter *l,
                        const struct envoy_config_accesslog_v3_RuntimeFilter *r)
{
    static const uint32_t denominators[] = {100, 10000, 1000000};
    l->runtime_key = nu_arena_str(f->arena, r->runtime_key);
    l->independent = r->use_independent_randomness;
    l->denominator = 100;
    if (r->percent_sampled == NULL)
        return;
    l->numerator = r->percent_sampled->numerator;
    if (r->percent_sampled->denominator >= 0 && r->percent_sampled->denominator < 3)
        l->denominator = denominators[r->percent_sampled->denominator];
}

static bool set_parts(struct nu_factory *f, struct nu_log_filter *l, filter_msg *const *msgs, size_t n)
{
    l->parts = nu_arena_array(f->arena, const struct nu_log_filter *, n);
    l->n_parts = n;
    for (size_t i = 0; i < n; i++)
        if ((l->parts[i] = nu_log_filter_build(f, msgs[i])) == NULL)
            return false;
    return true;
}

static uint64_t flag_bits(const struct envoy_config_accesslog_v3_ResponseFlagFilter *r)
{
    static const nu_str names[] = {
#define X(name, short_name, long_name) NU_STR_INIT(short_name),
        NU_RESPONSE_FLAGS(X)
#undef X
    };
    uint64_t bits = 0;
    for (size_t i = 0; i < r->n_flags; i++)
        for (unsigned k = 0; k < NU_ARRAY_LEN(names); k++)
            if (nu_str_eq(r->flags[i], names[k]))
                bits |= 1ull << k;
    return bits;
}

const struct nu_log_filter *nu_log_filter_build(struct nu_factory *f, const filter_msg *msg)
{
    struct nu_log_filter *l = nu_arena_new(f->arena, struct nu_log_filter);
    l->runtime = f->server->runtime;
    switch (msg->filter_specifier_case) {
    case envoy_config_accesslog_v3_AccessLogFilter_status_code_filter_case:
        l->kind = ON_STATUS;
        set_comparison(f, l, msg->status_code_filter->comparison);
        return l;
    case envoy_config_accesslog_v3_AccessLogFilter_duration_filter_case:
        l->kind = ON_DURATION;
        set_comparison(f, l, msg->duration_filter->comparison);
        return l;
    case envoy_config_accesslog_v3_AccessLogFilter_not_health_check_filter_case:
        l->kind = NOT_HEALTH_CHECK;
        return l;
    case envoy_config_accesslog_v3_AccessLogFilter_runtime_filter_case:
        l->kind = ON_RUNTIME;
        set_runtime(f, l, msg->runtime_filter);
        return l;
    case envoy_config_accesslog_v3_AccessLogFilter_and_filter_case:
        l->kind = ALL_OF;
        return set_parts(f, l, msg->and_filter->filters, msg->and_filter->n_filters) ? l : NULL;
    case envoy_config_accesslog_v3_AccessLogFilter_or_filter_case:
        l->kind = ANY_OF;
        return set_parts(f, l, msg->or_filter->filters, msg->or_filter->n_filters) ? l : NULL;
    case envoy_config_accesslog_v3_AccessLogFilter_header_filter_case:
        l->kind = ON_HEADER;
        return nu_header_matcher_build(f, msg->header_filter->header, &l->header) ? l : NULL;
    case envoy_config_accesslog_v3_AccessLogFilter_response_flag_filter_case:
        l->kind = ON_FLAGS;
        l->flags = flag_bits(msg->response_flag_filter);
        return l;
    default:
        return NULL; /* the API's rules have said so */
    }
}

/* ---- matching ---- */

static bool compare(const struct nu_log_filter *l, uint64_t v)
{
    uint64_t want = nu_runtime_u64(l->runtime, l->runtime_key, l->value);
    switch (l->op) {
    case envoy_config_accesslog_v3_ComparisonFilter_Op_EQ:
        return v == want;
    case envoy_config_accesslog_v3_ComparisonFilter_Op_GE:
        return v >= want;
    case envoy_config_accesslog_v3_ComparisonFilter_Op_LE:
        return v <= want;
    default:
        return v != want;
    }
}

/* A request id decides alike for all proxies on the way; without one the dice do. */
static uint64_t sample(const struct nu_log_filter *l, const struct nu_log_entry *e)
{
    uint64_t v;
    nu_str id = e->info->request_id;
    if (!l->independent && nu_str_hex_to_u64(nu_str_first(id, 8), &v))
        return v;
    return nu_random_u64(&e->info->worker->random);
}

static bool match_parts(const struct nu_log_filter *l, const struct nu_log_entry *e, bool any)
{
    for (size_t i = 0; i < l->n_parts; i++)
        if (nu_log_filter_match(l->parts[i], e) == any)
            return any;
    return !any;
}

bool nu_log_filter_match(const struct nu_log_filter *l, const struct nu_log_entry *e)
{
    const struct nu_stream_info *i = e->info;
    if (l == NULL)
        return true;
    switch (l->kind) {
    case ON_STATUS:
        return compare(l, i->response_code);
    case ON_DURATION:
        return i->end_ns != 0 && compare(l, (i->end_ns - i->start_ns) / NU_NS_PER_MS);
    case NOT_HEALTH_CHECK:
        return !i->health_check;
    case ON_RUNTIME:
        return nu_runtime_fraction(l->runtime, l->runtime_key, l->numerator, l->denominator, sample(l, e));
    case ALL_OF:
        return match_parts(l, e, false);
    case ANY_OF:
        return match_parts(l, e, true);
    case ON_HEADER:
        return e->request != NULL && nu_header_matcher_match(&l->header, e->request);
    case ON_FLAGS:
        return l->flags != 0 ? (i->flags & l->flags) != 0 : i->flags != 0;
    }
    return true;
}
