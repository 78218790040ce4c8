/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/pb/test_priv.h"
#include "envoy/config/core/v3/backoff.nu.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/config/metrics/v3/stats.nu.h"
#include "envoy/config/route/v3/route_components.nu.h"
#include "envoy/extensions/filters/http/health_check/v3/health_check.nu.h"

struct rule_case {
    const struct nu_pb_type *type;
    const char *text;
    const char *report; /* NULL: accepted */
};

#define TYPE(name) (&name##_type)

static void rules(void **state)
{
    const struct rule_case cases[] = {
        /* texts */
        {TYPE(envoy_config_core_v3_HeaderValue), "{key: a, value: b}", NULL},
        {TYPE(envoy_config_core_v3_HeaderValue), "{value: b}", "key: must not be empty"},
        {TYPE(envoy_config_core_v3_HeaderValue), "{key: \"a\\r\\nb: c\"}", "key: is no valid HTTP header name"},
        {TYPE(envoy_config_core_v3_HeaderValue), "{key: a, value: \"a\\nb\"}", "value: is no valid HTTP header value"},
        {TYPE(envoy_config_core_v3_HeaderValue), "{key: a b, value: \"\\tb\"}", NULL}, /* not strict */
        {TYPE(envoy_config_core_v3_HeaderValue), "{key: a, raw_value: AAEC}", NULL},
        {TYPE(envoy_config_core_v3_SchemeHeaderTransformation), "{scheme_to_overwrite: https}", NULL},
        {TYPE(envoy_config_core_v3_SchemeHeaderTransformation), "{scheme_to_overwrite: ftp}",
         "scheme_to_overwrite: must be one of \"http\", \"https\""},
        /* numbers */
        {TYPE(envoy_config_core_v3_SocketAddress), "{address: a, port_value: 65535}", NULL},
        {TYPE(envoy_config_core_v3_SocketAddress), "{address: a, port_value: 65536}", "port_value: must be at most 65535"},
        {TYPE(envoy_config_core_v3_SocketAddress), "{port_value: 1}", "address: must not be empty"},
        {TYPE(envoy_config_core_v3_HttpProtocolOptions), "{max_headers_count: 0}", "max_headers_count: must be at least 1"},
        {TYPE(envoy_config_core_v3_HttpProtocolOptions), "{max_response_headers_kb: 0}", "must be greater than 0"},
        {TYPE(envoy_config_core_v3_HttpProtocolOptions), "{max_response_headers_kb: 8193}", "must be at most 8192"},
        {TYPE(envoy_config_core_v3_HttpProtocolOptions), "{}", NULL},
        /* durations: bounds are of seconds */
        {TYPE(envoy_config_core_v3_BackoffStrategy), "{base_interval: 0.001s}", NULL},
        {TYPE(envoy_config_core_v3_BackoffStrategy), "{base_interval: 0.000999999s}",
         "base_interval: must be at least 0.001s"},
        {TYPE(envoy_config_core_v3_BackoffStrategy), "{}", "base_interval: is required"},
        {TYPE(envoy_config_core_v3_BackoffStrategy), "{base_interval: 1s, max_interval: 0s}",
         "max_interval: must be greater than 0s"},
        {TYPE(envoy_config_bootstrap_v3_Bootstrap), "{stats_flush_interval: 299.999999999s}", NULL},
        {TYPE(envoy_config_bootstrap_v3_Bootstrap), "{stats_flush_interval: 300s}", "must be less than 300s"},
        {TYPE(envoy_config_bootstrap_v3_Bootstrap), "{stats_flush_interval: 0s}", "must be at least 0.001s"},
        /* lists */
        {TYPE(envoy_config_route_v3_VirtualHost), "{name: a, domains: [b]}", NULL},
        {TYPE(envoy_config_route_v3_VirtualHost), "{name: a}", "domains: must have at least one item"},
        {TYPE(envoy_config_metrics_v3_HistogramBucketSettings), "{match: {exact: a}, buckets: [1, 2, 1]}",
         "buckets: its items must be unique: 0 and 2 are equal"},
        {TYPE(envoy_config_metrics_v3_HistogramBucketSettings), "{match: {exact: a}, buckets: [1, 0]}",
         "buckets[1]: must be greater than 0"},
        /* messages */
        {TYPE(envoy_config_route_v3_Route), "{route: {cluster: a}}", "match: is required"},
        {TYPE(envoy_config_route_v3_Route), "{match: {prefix: /}}", "is required"},
        {TYPE(envoy_config_route_v3_Route), "{match: {prefix: /}, route: {}}", "one of \"cluster\", \"cluster_header\""},
        /* a wrapper that is required */
        {TYPE(envoy_extensions_filters_http_health_check_v3_HealthCheck), "{}", "pass_through_mode: is required"},
        {TYPE(envoy_extensions_filters_http_health_check_v3_HealthCheck), "{pass_through_mode: false}", NULL},
        /* keys and values of maps */
        {TYPE(envoy_config_core_v3_Metadata), "{typed_filter_metadata: {\"\": {}}}", "typed_filter_metadata: must not be empty"},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        (void)load(*state, cases[i].text, cases[i].type);
        if (cases[i].report != NULL)
            expect_report(*state, NU_DIAG_ERROR, cases[i].report);
        else
            expect_no_errors(*state);
    }
}

/* Reports lead to the place of the value, and say the way to it through Any and maps. */
static void places(void **state)
{
    struct fixture *f = *state;
    (void)bootstrap(f, "static_resources:\n"
                       "  listeners:\n"
                       "  - address: {socket_address: {address: a, port_value: 1}}\n"
                       "    filter_chains:\n"
                       "    - filters:\n"
                       "      - name: h\n"
                       "        typed_config:\n"
                       "          \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy\n"
                       "          stat_prefix: s\n"
                       "          cluster: c\n"
                       "          max_connect_attempts: 0\n");
    const struct nu_diag *d = found(f, NU_DIAG_ERROR, "must be at least 1");
    assert_non_null(d);
    assert_int_equal(d->pos.line, 11);
    assert_int_equal(d->pos.column, 11);
    assert_true(nu_str_eq(
        d->path, NU_STR("static_resources.listeners[0].filter_chains[0].filters[0].typed_config.max_connect_attempts")));
}

/* Elements of lists and maps have places of their own. */
static void places_of_elements(void **state)
{
    struct fixture *f = *state;
    (void)bootstrap(f, "stats_config:\n"
                       "  histogram_bucket_settings:\n"
                       "  - match: {exact: a}\n"
                       "    buckets:\n"
                       "    - 1\n"
                       "    - 0\n");
    const struct nu_diag *d = found(f, NU_DIAG_ERROR, "buckets[1]: must be greater than 0");
    assert_int_equal(d->pos.line, 6);
    assert_int_equal(d->pos.column, 7);
    const struct nu_pb_msg *m = load(f, "filterMetadata:\n  a: {}\n  b]: {}\n", TYPE(envoy_config_core_v3_Metadata));
    nu_pb_warn(&f->diags, m, "filter_metadata[\"b]\"]", "one");
    assert_int_equal(found(f, NU_DIAG_WARNING, "one")->pos.line, 3);
    nu_pb_warn(&f->diags, m, "filter_metadata[\"c\"]", "other"); /* it is not there */
    assert_int_equal(found(f, NU_DIAG_WARNING, "other")->pos.line, 1);
}

/* All that is wrong is told in one run. */
static void many_at_once(void **state)
{
    struct fixture *f = *state;
    (void)bootstrap(f, "static_resources: {clusters: [{}, {name: b, type: X}, {name: c, foo: 1}]}\nstats_flush_interval: 0s\n");
    assert_int_equal(f->diags.n_errors, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(places_of_elements, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_at_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
