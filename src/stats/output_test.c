/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/regex.h"
#include "stats/output.h"

enum { TOTAL, ACTIVE, TIME, CODES_, LATE, LATE_TOO, XX, N };
static const struct nu_stat_def defs[] = {
    [TOTAL] = {"upstream_cx_total", "", NU_STAT_COUNTER, 0},
    [ACTIVE] = {"upstream_cx_active", "", NU_STAT_GAUGE, 0},
    [TIME] = {"connect_ms", "", NU_STAT_HISTOGRAM, NU_UNIT_MS},
    [CODES_] = {"upstream_rq_", "", NU_STAT_CODES, 0},
    [LATE] = {"upstream_rq_time", "", NU_STAT_HISTOGRAM | NU_STAT_LAZY, NU_UNIT_MS},
    [LATE_TOO] = {"http1.flood", "", NU_STAT_COUNTER | NU_STAT_LAZY, XX},
    [XX] = {"downstream_rq_5xx", "", NU_STAT_COUNTER, 0},
};
static const struct nu_stat_layout layout = {.defs = defs, .n = N};

struct rig {
    struct nu_stats *st;
    struct nu_scope *a, *ab;
    struct nu_sb out;
};

static int make(void **state)
{
    struct rig *r = nu_new(struct rig);
    r->st = nu_stats_new(2);
    /* listed out of order, and one prefix begins with the other */
    const struct nu_stat_tag ab[] = {{NU_STR("envoy.listener_address"), NU_STR("x")},
                                     {NU_STR("envoy.worker_id"), NU_STR("0")}};
    const struct nu_stat_tag a = {NU_STR("envoy.cluster_name"), NU_STR("a\"b")};
    r->ab = nu_scope_get(r->st, &layout, NU_STR("c.a.sub."), NU_STR("c.sub."), ab, 2);
    r->a = nu_scope_get(r->st, &layout, NU_STR("c.a."), NU_STR("c."), &a, 1);
    *state = r;
    return 0;
}

static int drop(void **state)
{
    struct rig *r = *state;
    nu_scope_unref(&r->a);
    nu_scope_unref(&r->ab);
    nu_stats_free(&r->st);
    nu_sb_free(&r->out);
    nu_free(r);
    return 0;
}

static const char *render(struct rig *r, const struct nu_stats_conf *conf, struct nu_stats_query q,
                          enum nu_stats_format format, enum nu_hist_mode mode)
{
    struct nu_stats_output *o = nu_stats_output_new(r->st, conf, &q, format, mode);
    r->out.len = 0;
    while (nu_stats_output_more(o, &r->out, 1))
        ;
    assert_false(nu_stats_output_more(o, &r->out, 1));
    nu_stats_output_free(&o);
    return nu_sb_cstr(&r->out);
}

#define ALL ((struct nu_stats_query){0})

static void text_is_sorted_by_name_with_histograms_at_the_end(void **state)
{
    struct rig *r = *state;
    nu_stat_inc(r->a, 0, TOTAL);
    nu_stat_code(r->a, 1, CODES_, 404);
    nu_stat_code(r->a, 0, CODES_, 404);
    assert_string_equal(render(r, NULL, ALL, NU_STATS_TEXT, NU_HIST_SUMMARY),
                        "c.a.downstream_rq_5xx: 0\n"
                        "c.a.sub.downstream_rq_5xx: 0\n"
                        "c.a.sub.upstream_cx_active: 0\n"
                        "c.a.sub.upstream_cx_total: 0\n"
                        "c.a.upstream_cx_active: 0\n"
                        "c.a.upstream_cx_total: 1\n"
                        "c.a.upstream_rq_404: 2\n"
                        "c.a.upstream_rq_4xx: 2\n"
                        "c.a.upstream_rq_completed: 2\n"
                        "c.a.connect_ms: No recorded values\n"
                        "c.a.sub.connect_ms: No recorded values\n");
}

static void what_envoy_makes_late_is_shown_late(void **state)
{
    struct rig *r = *state;
    nu_hist_record(r->a, 0, LATE, 3);
    nu_stat_inc(r->a, 0, XX);
    const char *text = render(r, NULL, ALL, NU_STATS_TEXT, NU_HIST_SUMMARY);
    assert_non_null(strstr(text, "c.a.http1.flood: 0\n"));
    assert_non_null(strstr(text, "c.a.upstream_rq_time: No recorded values\n"));
    assert_null(strstr(text, "sub.http1"));
    assert_null(strstr(text, "sub.upstream_rq_time"));
}

static void used_only_and_filters_leave_things_out(void **state)
{
    struct rig *r = *state;
    nu_stat_inc(r->a, 0, TOTAL);
    nu_gauge_set(r->ab, 1, ACTIVE, 0);
    assert_string_equal(render(r, NULL, (struct nu_stats_query){.used_only = true}, NU_STATS_TEXT, NU_HIST_SUMMARY),
                        "c.a.sub.upstream_cx_active: 0\nc.a.upstream_cx_total: 1\n");
    struct nu_regex *re = nu_regex_new(NU_STR("sub.*cx_t"), NULL, 0);
    assert_string_equal(render(r, NULL, (struct nu_stats_query){.filter = re}, NU_STATS_TEXT, NU_HIST_SUMMARY),
                        "c.a.sub.upstream_cx_total: 0\n");
    const char *inverted =
        render(r, NULL, (struct nu_stats_query){.filter = re, .invert = true}, NU_STATS_TEXT, NU_HIST_SUMMARY);
    assert_null(strstr(inverted, "c.a.sub.upstream_cx_total"));
    nu_regex_free(re);
    assert_string_equal(
        render(r, NULL, (struct nu_stats_query){.kinds = 1u << NU_STAT_GAUGE}, NU_STATS_TEXT, NU_HIST_SUMMARY),
        "c.a.sub.upstream_cx_active: 0\nc.a.upstream_cx_active: 0\n");
}

static struct nu_stats_query histograms(void)
{
    return (struct nu_stats_query){.kinds = 1u << NU_STAT_HISTOGRAM, .used_only = true};
}

static void record(struct rig *r)
{
    nu_hist_record(r->a, 0, TIME, 0);
    nu_hist_record(r->a, 1, TIME, 1);
    nu_stats_flush(r->st);
    nu_hist_record(r->a, 0, TIME, 295);
    nu_stats_flush(r->st);
}

static void histograms_as_text(void **state)
{
    struct rig *r = *state;
    record(r);
    assert_string_equal(render(r, NULL, histograms(), NU_STATS_TEXT, NU_HIST_SUMMARY),
                        "c.a.connect_ms: P0(295,0) P25(295,0) P50(295,1.05) P75(295,295) P90(295,295) P95(295,295) "
                        "P99(295,295) P99.5(295,295) P99.9(295,295) P100(295,295)\n");
    assert_string_equal(render(r, NULL, histograms(), NU_STATS_TEXT, NU_HIST_CUMULATIVE),
                        "c.a.connect_ms: B0.5(0,1) B1(0,2) B5(0,2) B10(0,2) B25(0,2) B50(0,2) B100(0,2) B250(0,2) "
                        "B500(1,3) B1000(1,3) B2500(1,3) B5000(1,3) B10000(1,3) B30000(1,3) B60000(1,3) B300000(1,3) "
                        "B600000(1,3) B1.8e+06(1,3) B3.6e+06(1,3)\n");
    assert_non_null(
        strstr(render(r, NULL, histograms(), NU_STATS_TEXT, NU_HIST_DISJOINT),
               "B0.5(0,1) B1(0,1) B5(0,0) B10(0,0) B25(0,0) B50(0,0) B100(0,0) B250(0,0) B500(1,1) B1000(0,0)"));
    assert_non_null(
        strstr(render(r, NULL, histograms(), NU_STATS_TEXT, NU_HIST_DETAILED),
               "c.a.connect_ms:\n  totals=0,0:1, 1,0.1:1, 290,10:1\n  intervals=290,10:1\n  summary=P0(295,0) "));
}

static void histograms_as_json(void **state)
{
    struct rig *r = *state;
    struct nu_stats_query q = {.kinds = 1u << NU_STAT_HISTOGRAM};
    nu_hist_record(r->a, 0, TIME, 17);
    nu_stats_flush(r->st);
    nu_stats_flush(r->st);
    const char *text = render(r, NULL, q, NU_STATS_JSON, NU_HIST_SUMMARY);
    assert_true(
        nu_str_starts(nu_str_from(text),
                      NU_STR("{\"stats\":[{\"histograms\":{\"supported_quantiles\":[0,25,50,75,90,95,99,99.5,99.9,100],"
                             "\"computed_quantiles\":[{\"name\":\"c.a.connect_ms\",\"values\":[{\"cumulative\":17.5,"
                             "\"interval\":null},")));
    assert_non_null(
        strstr(text, "{\"name\":\"c.a.sub.connect_ms\",\"values\":[{\"cumulative\":null,\"interval\":null},"));
    assert_true(nu_str_ends(nu_str_from(text), NU_STR("\"interval\":null}]}]}}]}")));
    text = render(r, NULL, q, NU_STATS_JSON, NU_HIST_CUMULATIVE);
    assert_true(
        nu_str_starts(nu_str_from(text),
                      NU_STR("{\"stats\":[{\"histograms\":[{\"name\":\"c.a.connect_ms\",\"buckets\":[{\"upper_bound\":"
                             "0.5,\"interval\":0,\"cumulative\":0},")));
    assert_non_null(strstr(text, "{\"upper_bound\":3e+05,\"interval\":0,\"cumulative\":1}"));
    assert_true(nu_str_ends(nu_str_from(text), NU_STR("}]}]}]}")));
    text = render(r, NULL, q, NU_STATS_JSON, NU_HIST_DETAILED);
    assert_non_null(strstr(text,
                           "\"details\":[{\"name\":\"c.a.connect_ms\",\"totals\":[{\"lower_bound\":17,\"width\":1,"
                           "\"count\":1}],\"intervals\":[],\"percentiles\":[{\"cumulative\":17.5,\"interval\":null}"));
}

static void numbers_as_json(void **state)
{
    struct rig *r = *state;
    nu_stat_inc(r->a, 0, TOTAL);
    nu_gauge_add(r->a, 0, ACTIVE, 3);
    assert_string_equal(render(r, NULL, (struct nu_stats_query){.used_only = true}, NU_STATS_JSON, NU_HIST_SUMMARY),
                        "{\"stats\":[{\"name\":\"c.a.upstream_cx_active\",\"value\":3},"
                        "{\"name\":\"c.a.upstream_cx_total\",\"value\":1}]}");
    struct nu_stats_query none = {.kinds = 1u << 30};
    assert_string_equal(render(r, NULL, none, NU_STATS_JSON, NU_HIST_SUMMARY), "{\"stats\":[]}");
}

static void prometheus_groups_by_tag_extracted_name(void **state)
{
    struct rig *r = *state;
    nu_stat_add(r->a, 0, TOTAL, 2);
    nu_stat_add(r->ab, 0, XX, 4);
    nu_stat_code(r->a, 0, CODES_, 200);
    nu_gauge_set(r->a, 1, ACTIVE, 7);
    struct nu_stats_query used = {.used_only = true};
    assert_string_equal(render(r, NULL, used, NU_STATS_PROMETHEUS, NU_HIST_CUMULATIVE),
                        "# TYPE envoy_c_sub_downstream_rq_xx counter\n"
                        "envoy_c_sub_downstream_rq_xx{envoy_response_code_class=\"5\",envoy_worker_id=\"0\","
                        "envoy_listener_address=\"x\"} 4\n"
                        "# TYPE envoy_c_upstream_cx_total counter\n"
                        "envoy_c_upstream_cx_total{envoy_cluster_name=\"a\\\"b\"} 2\n"
                        "# TYPE envoy_c_upstream_rq counter\n"
                        "envoy_c_upstream_rq{envoy_response_code=\"200\",envoy_cluster_name=\"a\\\"b\"} 1\n"
                        "# TYPE envoy_c_upstream_rq_completed counter\n"
                        "envoy_c_upstream_rq_completed{envoy_cluster_name=\"a\\\"b\"} 1\n"
                        "# TYPE envoy_c_upstream_rq_xx counter\n"
                        "envoy_c_upstream_rq_xx{envoy_response_code_class=\"2\",envoy_cluster_name=\"a\\\"b\"} 1\n"
                        "# TYPE envoy_c_upstream_cx_active gauge\n"
                        "envoy_c_upstream_cx_active{envoy_cluster_name=\"a\\\"b\"} 7\n");
}

static void prometheus_histograms(void **state)
{
    struct rig *r = *state;
    nu_hist_record(r->a, 0, TIME, 1);
    nu_stats_flush(r->st);
    const char *text = render(r, NULL, histograms(), NU_STATS_PROMETHEUS, NU_HIST_CUMULATIVE);
    assert_non_null(strstr(text, "# TYPE envoy_c_connect_ms histogram\n"
                                 "envoy_c_connect_ms_bucket{envoy_cluster_name=\"a\\\"b\",le=\"0.5\"} 0\n"
                                 "envoy_c_connect_ms_bucket{envoy_cluster_name=\"a\\\"b\",le=\"1\"} 1\n"));
    assert_non_null(strstr(text,
                           "envoy_c_connect_ms_bucket{envoy_cluster_name=\"a\\\"b\",le=\"3600000\"} 1\n"
                           "envoy_c_connect_ms_bucket{envoy_cluster_name=\"a\\\"b\",le=\"+Inf\"} 1\n"
                           "envoy_c_connect_ms_sum{envoy_cluster_name=\"a\\\"b\"} 1.0476190476190476719153821250075\n"
                           "envoy_c_connect_ms_count{envoy_cluster_name=\"a\\\"b\"} 1\n"));
    text = render(r, NULL, histograms(), NU_STATS_PROMETHEUS, NU_HIST_SUMMARY);
    assert_non_null(strstr(text, "# TYPE envoy_c_connect_ms summary\n"
                                 "envoy_c_connect_ms{envoy_cluster_name=\"a\\\"b\",quantile=\"0\"} 1.05"));
    assert_non_null(strstr(text, "quantile=\"0.995\"} 1.05"));
}

static bool is_connect(const void *arg, nu_str name)
{
    return nu_str_ends(name, nu_str_from(arg));
}

static void the_user_may_choose_buckets_and_tags(void **state)
{
    struct rig *r = *state;
    static const double bounds[] = {1.05, 3};
    struct nu_regex *re = nu_regex_new(NU_STR("_(cx)"), NULL, 0),
                    *first = nu_regex_new(NU_STR("^c\\.((a)\\.)"), NULL, 0);
    const struct nu_tag_rule tags[] = {{.name = NU_STR("fixed"), .fixed = NU_STR("fx")},
                                       {.name = NU_STR("my.tag"), .regex = first},
                                       {.name = NU_STR("kind"), .regex = re, .anywhere = true}};
    const struct nu_bucket_rule buckets = {.match = {is_connect, "connect_ms"}, .bounds = bounds, .n = 2};
    struct nu_stats_conf conf = {.tags = tags, .n_tags = 3, .buckets = &buckets, .n_buckets = 1};
    nu_stat_inc(r->a, 0, TOTAL);
    nu_hist_record(r->a, 0, TIME, 1);
    nu_stats_flush(r->st);
    struct nu_stats_query used = {.used_only = true};
    const char *text = render(r, &conf, used, NU_STATS_PROMETHEUS, NU_HIST_CUMULATIVE);
    assert_true(nu_str_starts(
        nu_str_from(text),
        NU_STR("# TYPE envoy_c_upstream__total counter\n"
               "envoy_c_upstream__total{fixed=\"fx\",kind=\"cx\",envoy_cluster_name=\"a\\\"b\",my_tag=\"a\"} 1\n"
               "# TYPE envoy_c_connect_ms histogram\n")));
    assert_non_null(strstr(text, "le=\"1.0500000000000000444089209850063\"} 1\n"));
    conf.no_default_tags = true;
    text = render(r, &conf, used, NU_STATS_PROMETHEUS, NU_HIST_CUMULATIVE);
    assert_non_null(strstr(text, "envoy_c_upstream__total{fixed=\"fx\",kind=\"cx\",my_tag=\"a\"} 1\n"));
    nu_regex_free(re);
    nu_regex_free(first);
}

static void no_statistics_make_empty_answers(void **state)
{
    (void)state;
    struct rig r = {.st = nu_stats_new(1)};
    assert_string_equal(render(&r, NULL, ALL, NU_STATS_TEXT, NU_HIST_SUMMARY), "");
    assert_string_equal(render(&r, NULL, ALL, NU_STATS_PROMETHEUS, NU_HIST_SUMMARY), "");
    nu_stats_free(&r.st);
    nu_sb_free(&r.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(text_is_sorted_by_name_with_histograms_at_the_end, make, drop),
        cmocka_unit_test_setup_teardown(what_envoy_makes_late_is_shown_late, make, drop),
        cmocka_unit_test_setup_teardown(used_only_and_filters_leave_things_out, make, drop),
        cmocka_unit_test_setup_teardown(histograms_as_text, make, drop),
        cmocka_unit_test_setup_teardown(histograms_as_json, make, drop),
        cmocka_unit_test_setup_teardown(numbers_as_json, make, drop),
        cmocka_unit_test_setup_teardown(prometheus_groups_by_tag_extracted_name, make, drop),
        cmocka_unit_test_setup_teardown(prometheus_histograms, make, drop),
        cmocka_unit_test_setup_teardown(the_user_may_choose_buckets_and_tags, make, drop),
        cmocka_unit_test(no_statistics_make_empty_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
