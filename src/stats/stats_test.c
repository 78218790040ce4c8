/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "stats/histogram.h"
#include "stats/number.h"
#include "stats/stats_priv.h"

enum { HITS, LEVEL, TIME, CODES_, LATE, LATE_TOO, N };
static const struct nu_stat_def defs[] = {
    [HITS] = {"hits", "", NU_STAT_COUNTER, 0},
    [LEVEL] = {"level", "", NU_STAT_GAUGE, 0},
    [TIME] = {"time", "", NU_STAT_HISTOGRAM, NU_UNIT_MS},
    [CODES_] = {"rq_", "", NU_STAT_CODES, 0},
    [LATE] = {"late", "", NU_STAT_HISTOGRAM | NU_STAT_LAZY, NU_UNIT_MS},
    [LATE_TOO] = {"late_too", "", NU_STAT_COUNTER | NU_STAT_LAZY, HITS},
};
static const struct nu_stat_layout layout = {.defs = defs, .n = N};

static struct nu_scope *scope(struct nu_stats *st, const char *prefix)
{
    return nu_scope_get(st, &layout, nu_str_from(prefix), NU_STR("t."), NULL, 0);
}

static void a_counter_is_the_sum_of_what_threads_wrote(void **state)
{
    (void)state;
    struct nu_stats *st = nu_stats_new(3);
    struct nu_scope *s = scope(st, "a.");
    bool used = true;
    assert_int_equal(nu_stat_read(s, HITS, &used), 0);
    assert_false(used);
    nu_stat_inc(s, 0, HITS);
    nu_stat_add(s, 2, HITS, 5);
    assert_int_equal(nu_stat_read(s, HITS, &used), 6);
    assert_true(used);
    nu_scope_unref(&s);
    nu_stats_free(&st);
}

static void a_gauge_may_fall_on_another_thread_than_it_rose(void **state)
{
    (void)state;
    struct nu_stats *st = nu_stats_new(2);
    struct nu_scope *s = scope(st, "a.");
    bool used = false;
    nu_gauge_add(s, 0, LEVEL, 2);
    nu_gauge_sub(s, 1, LEVEL, 2);
    assert_int_equal(nu_stat_read(s, LEVEL, &used), 0);
    assert_true(used);
    nu_gauge_set(s, 1, LEVEL, 40);
    assert_int_equal(nu_stat_read(s, LEVEL, NULL), 42);
    nu_scope_unref(&s);
    nu_stats_free(&st);
}

static void a_scope_is_the_same_one_as_long_as_somebody_holds_it(void **state)
{
    (void)state;
    struct nu_stats *st = nu_stats_new(1);
    struct nu_scope *first = scope(st, "a."), *second = scope(st, "a."), *other = scope(st, "b.");
    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, other);
    nu_stat_inc(first, 0, HITS);
    nu_scope_unref(&first);
    assert_null(first);
    assert_int_equal(nu_stat_read(second, HITS, NULL), 1);
    nu_scope_unref(&second);
    first = scope(st, "a.");
    assert_int_equal(nu_stat_read(first, HITS, NULL), 0);
    nu_scope_unref(&first);
    nu_scope_unref(&other);
    nu_stats_free(&st);
}

static void sum_codes(unsigned code, uint64_t n, void *arg)
{
    ((uint64_t *)arg)[code / 100] += n;
}

static void codes_are_counted_by_code(void **state)
{
    (void)state;
    struct nu_stats *st = nu_stats_new(2);
    struct nu_scope *s = scope(st, "a.");
    uint64_t by_class[10] = {0};
    for (unsigned code = 200; code < 220; code++)
        nu_stat_code(s, code % 2, CODES_, code);
    nu_stat_code(s, 0, CODES_, 503);
    nu_stat_each_code(s, CODES_, sum_codes, by_class);
    assert_int_equal(by_class[2], 20);
    assert_int_equal(by_class[5], 1);
    assert_int_equal(nu_stat_read_codes(s, CODES_, 200, 204), 5);
    nu_scope_unref(&s);
    nu_stats_free(&st);
}

static void count_dyn(nu_str name, uint64_t n, void *arg)
{
    uint64_t *sum = arg;
    sum[0]++;
    sum[1] += n;
    assert_true(nu_str_starts(name, NU_STR("zone.")));
}

static void names_that_are_only_known_at_run_time_are_bounded(void **state)
{
    (void)state;
    struct nu_stats *st = nu_stats_new(2);
    struct nu_scope *s = scope(st, "a.");
    uint64_t seen[2] = {0};
    char name[32];
    for (unsigned i = 0; i < NU_STATS_MAX_DYNAMIC + 3; i++) {
        int n = snprintf(name, sizeof(name), "zone.%u", i);
        nu_stat_dyn_add(s, 0, nu_str_make(name, (size_t)n), 1);
    }
    nu_stat_dyn_add(s, 1, NU_STR("zone.1"), 10);
    nu_hist_dyn_record(s, 1, NU_STR("zone.1"), 10);
    nu_stat_each_dyn(s, count_dyn, seen);
    assert_int_equal(seen[0], NU_STATS_MAX_DYNAMIC);
    assert_int_equal(seen[1], NU_STATS_MAX_DYNAMIC + 10);
    assert_int_equal(nu_stats_dropped(st), 3);
    nu_scope_unref(&s);
    nu_stats_free(&st);
}

static void reset_takes_counters_back_and_nothing_else(void **state)
{
    (void)state;
    struct nu_stats *st = nu_stats_new(1);
    struct nu_scope *s = scope(st, "a.");
    nu_stat_add(s, 0, HITS, 7);
    nu_gauge_add(s, 0, LEVEL, 7);
    nu_stat_code(s, 0, CODES_, 200);
    nu_hist_record(s, 0, TIME, 7);
    nu_stats_reset_counters(st);
    assert_int_equal(nu_stat_read(s, HITS, NULL), 0);
    assert_int_equal(nu_stat_read_codes(s, CODES_, 100, 599), 0);
    assert_int_equal(nu_stat_read(s, LEVEL, NULL), 7);
    nu_stats_flush(st);
    assert_int_equal(nu_hist_count(nu_stat_flushed(s, TIME)->total), 1);
    nu_scope_unref(&s);
    nu_stats_free(&st);
}

static void an_untouched_cluster_scope_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct nu_scope) + 3 * sizeof(void *) + sizeof(struct nu_stat_tag) + 80 < 300);
}

/* ---- histograms: the figures are Envoy's ---- */

static const double q[] = {0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1};

static void expect(struct nu_hist *h, const double *wanted)
{
    double out[NU_ARRAY_LEN(q)];
    nu_hist_quantiles(h, q, NU_ARRAY_LEN(q), out);
    for (size_t i = 0; i < NU_ARRAY_LEN(q); i++)
        assert_memory_equal(&out[i], &wanted[i], sizeof(double));
    nu_hist_clear(h);
}

static void quantiles_are_those_of_envoy(void **state)
{
    (void)state;
    struct nu_hist h = {0};
    for (int i = 0; i < 20; i++)
        nu_hist_add(&h, 1);
    expect(&h, (const double[]){1.0047619047619047, 1.0238095238095237, 1.0476190476190477, 1.0714285714285714,
                                1.0857142857142856, 1.0904761904761906, 1.0952380952380953, 1.0952380952380953,
                                1.0952380952380953, 1.0952380952380953});
    static const uint64_t times[] = {0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 3, 4, 4, 17};
    for (size_t i = 0; i < NU_ARRAY_LEN(times); i++)
        nu_hist_add(&h, times[i]);
    assert_true(fabs(nu_hist_approx_sum(&h) - 35.826858956593724769845721311867) < 1e-12);
    assert_int_equal(nu_hist_count_upto(&h, 0.5), 6);
    assert_int_equal(nu_hist_count_upto(&h, 1), 8);
    assert_int_equal(nu_hist_count_upto(&h, 5), 13);
    assert_int_equal(nu_hist_count_upto(&h, 25), 14);
    expect(&h, (const double[]){0, 0, 1.0333333333333334, 3.066666666666667, 4.066666666666666, 17.5, 17.5, 17.5, 17.5,
                                17.5});
    nu_hist_add(&h, 513);
    nu_hist_add(&h, 537);
    expect(&h, (const double[]){515, 515, 515, 535, 535, 535, 535, 535, 535, 535});
}

static void an_empty_histogram_has_no_quantiles(void **state)
{
    (void)state;
    struct nu_hist h = {0};
    double out[2];
    nu_hist_quantiles(&h, q, 2, out);
    assert_true(isnan(out[0]) && isnan(out[1]));
}

static void any_value_has_its_bin(void **state)
{
    (void)state;
    static const uint64_t values[] = {1, 9, 10, 11, 99, 100, 109, 110, 12345, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < NU_ARRAY_LEN(values); i++) {
        struct nu_hist h = {0};
        double out = 0;
        nu_hist_add(&h, values[i]);
        nu_hist_quantiles(&h, &q[2], 1, &out);
        assert_true(fabs(out - (double)values[i]) <= 0.1 * (double)values[i]);
        nu_hist_clear(&h);
    }
}

static void an_interval_ends_with_each_flush(void **state)
{
    (void)state;
    struct nu_stats *st = nu_stats_new(2);
    struct nu_scope *s = scope(st, "a.");
    assert_null(nu_stat_flushed(s, TIME));
    nu_hist_record(s, 0, TIME, 5);
    nu_hist_record(s, 1, TIME, 5000);
    assert_null(nu_stat_flushed(s, TIME));
    nu_stats_flush(st);
    assert_int_equal(nu_hist_count(nu_stat_flushed(s, TIME)->total), 2);
    assert_int_equal(nu_hist_count(nu_stat_flushed(s, TIME)->interval), 2);
    nu_hist_record(s, 1, TIME, 5000);
    nu_stats_flush(st);
    assert_int_equal(nu_hist_count(nu_stat_flushed(s, TIME)->total), 3);
    assert_int_equal(nu_hist_count(nu_stat_flushed(s, TIME)->interval), 1);
    nu_stats_flush(st);
    assert_int_equal(nu_hist_count(nu_stat_flushed(s, TIME)->interval), 0);
    nu_scope_unref(&s);
    nu_stats_free(&st);
}

static void numbers_are_as_short_as_they_can_be(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text, *json;
    } cases[] = {
        {0, "0", "0"},
        {1, "1", "1"},
        {99.9, "99.9", "99.9"},
        {1.0333333333333334, "1.0333333333333334", "1.0333333333333334"},
        {300000, "300000", "3e+05"},
        {1800000, "1800000", "1800000"},
        {60000, "60000", "60000"},
        {0.5, "0.5", "0.5"},
        {0.00001, "1e-05", "1e-05"},
        {1e22, "1e+22", "1e+22"},
    };
    struct nu_sb sb = {0};
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        sb.len = 0;
        nu_sb_double(&sb, cases[i].v);
        assert_string_equal(nu_sb_cstr(&sb), cases[i].text);
        sb.len = 0;
        nu_sb_json_double(&sb, cases[i].v);
        assert_string_equal(nu_sb_cstr(&sb), cases[i].json);
    }
    nu_sb_free(&sb);
}

static void tags_end_at_dots_as_envoys_do(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *rest, *tags; /* name=value in order */
    } cases[] = {
        {"cluster.a.b.", "cluster.b.", "envoy.cluster_name=a "},
        {"http.in.x.fault.", "http.x.fault.", "envoy.http_conn_manager_prefix=in "},
        {"listener.127.0.0.1_80.http.in.x.", "listener.http.x.",
         "envoy.http_conn_manager_prefix=in envoy.listener_address=127.0.0.1_80 "},
        {"listener./tmp/a.b.sock.http.in.", "listener.b.sock.http.",
         "envoy.http_conn_manager_prefix=in envoy.listener_address=/tmp/a "},
        {"listener.my.one.worker_0.", "listener.one.worker_0.", "envoy.listener_address=my "},
        {"vhost.v.host.vcluster.c.", "vhost.host.vcluster.c.", "envoy.virtual_host=v "},
        {"vhost.v.vcluster.c.x.", "vhost.vcluster.x.", "envoy.virtual_cluster=c envoy.virtual_host=v "},
        {"vhost.v.route.r.x.", "vhost.route.x.", "envoy.virtual_host=v envoy.route=r "},
        {"proxy_proto.pp.x.versions.v2.", "proxy_proto.x.versions.v2.", "envoy.proxy_protocol_prefix=pp "},
        {"other.a.b.", "other.a.b.", ""},
        {"listener.", "listener.", ""},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        struct nu_stat_tag tags[NU_STAT_MAX_TAGS];
        struct nu_sb rest = {0}, text = {0};
        unsigned n = nu_stat_tags_split(nu_str_from(cases[i].prefix), tags, &rest);
        for (unsigned k = 0; k < n; k++)
            nu_sb_printf(&text, "%.*s=%.*s ", NU_STR_ARG(tags[k].name), NU_STR_ARG(tags[k].value));
        assert_string_equal(nu_sb_cstr(&rest), cases[i].rest);
        assert_string_equal(nu_sb_cstr(&text), cases[i].tags);
        nu_sb_free(&rest);
        nu_sb_free(&text);
    }
    assert_true(nu_stat_tags_are_plain(&(struct nu_stat_tag){NU_STR("x"), NU_STR("127.0.0.1_80")}, 1));
    assert_false(nu_stat_tags_are_plain(&(struct nu_stat_tag){NU_STR("x"), NU_STR("127.0.0.1")}, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_is_the_sum_of_what_threads_wrote),
        cmocka_unit_test(a_gauge_may_fall_on_another_thread_than_it_rose),
        cmocka_unit_test(a_scope_is_the_same_one_as_long_as_somebody_holds_it),
        cmocka_unit_test(codes_are_counted_by_code),
        cmocka_unit_test(names_that_are_only_known_at_run_time_are_bounded),
        cmocka_unit_test(reset_takes_counters_back_and_nothing_else),
        cmocka_unit_test(an_untouched_cluster_scope_is_small),
        cmocka_unit_test(quantiles_are_those_of_envoy),
        cmocka_unit_test(an_empty_histogram_has_no_quantiles),
        cmocka_unit_test(any_value_has_its_bin),
        cmocka_unit_test(an_interval_ends_with_each_flush),
        cmocka_unit_test(numbers_are_as_short_as_they_can_be),
        cmocka_unit_test(tags_end_at_dots_as_envoys_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
