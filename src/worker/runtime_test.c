/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/runtime_priv.h"
#include "worker/worker.h"

static void understands_values_as_envoy_does(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        bool u64, number, boolean, fraction;
    } cases[] = {
        {"50", true, true, false, false},    {"0.5", false, true, false, false}, {"true", false, false, true, false},
        {"False", false, false, true, false}, {"foo", false, false, false, false}, {"-1", false, true, false, false},
        {" 7 ", true, true, false, false},   {"{\"numerator\": 5, \"denominator\": \"TEN_THOUSAND\"}", false, false, false, true},
        {"numerator: 5\ndenominator: MILLION", false, false, false, true},
        {"{\"numerator\": 5, \"denominator\": \"FOO\"}", false, false, false, false},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        struct nu_runtime_value v;
        nu_runtime_parse(nu_str_from(cases[i].in), &v);
        assert_int_equal(v.has_u64, cases[i].u64);
        assert_int_equal(v.has_number, cases[i].number);
        assert_int_equal(v.has_bool, cases[i].boolean);
        assert_int_equal(v.has_fraction, cases[i].fraction);
    }
}

static void later_layers_win(void **state)
{
    (void)state;
    struct nu_workers *all = nu_workers_new(1);
    struct nu_runtime *rt = nu_runtime_new(all);
    nu_runtime_publish(rt);
    assert_false(nu_runtime_has_keys(rt));
    assert_int_equal(nu_runtime_u64(rt, NU_STR("a"), 3), 3);
    int low = nu_runtime_add_static(rt, NU_STR("low")), admin = nu_runtime_add_admin(rt, NU_STR("admin"));
    nu_runtime_set(rt, low, NU_STR("a"), NU_STR("10"));
    nu_runtime_set(rt, low, NU_STR("f"), NU_STR("{\"numerator\":1,\"denominator\":\"HUNDRED\"}"));
    nu_runtime_publish(rt);
    assert_int_equal(nu_runtime_u64(rt, NU_STR("a"), 3), 10);
    assert_true(nu_runtime_fraction(rt, NU_STR("f"), 0, 100, 100));
    assert_false(nu_runtime_fraction(rt, NU_STR("f"), 100, 100, 1));
    nu_runtime_set(rt, admin, NU_STR("a"), NU_STR("20"));
    nu_runtime_publish(rt);
    assert_int_equal(nu_runtime_u64(rt, NU_STR("a"), 3), 20);
    struct nu_sb out = {0};
    nu_runtime_dump(rt, &out);
    assert_non_null(strstr(nu_sb_cstr(&out), "\"final_value\": \"20\""));
    nu_sb_free(&out);
    nu_runtime_set(rt, admin, NU_STR("a"), NU_STR(""));
    nu_runtime_publish(rt);
    assert_int_equal(nu_runtime_u64(rt, NU_STR("a"), 3), 10);
    nu_loop_turn(nu_workers_main(all)->loop, NU_MS(0));
    nu_loop_turn(nu_workers_main(all)->loop, NU_MS(10));
    nu_runtime_free(&rt);
    nu_workers_free(&all);
}

static void reads_a_folder(void **state)
{
    (void)state;
    char dir[] = "/tmp/runtime_test_XXXXXX", path[128];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/health", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/health/min", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("# a comment\n12 \n\n", f);
    fclose(f);
    struct nu_workers *all = nu_workers_new(1);
    struct nu_runtime *rt = nu_runtime_new(all);
    nu_runtime_add_disk(rt, NU_STR("disk"), nu_str_from(dir), NU_STR(""), false, NU_STR(""));
    nu_runtime_publish(rt);
    assert_int_equal(nu_runtime_u64(rt, NU_STR("health.min"), 0), 12);
    unlink(path);
    snprintf(path, sizeof(path), "%s/health", dir);
    rmdir(path);
    rmdir(dir);
    nu_runtime_free(&rt);
    nu_workers_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(understands_values_as_envoy_does),
                                       cmocka_unit_test(later_layers_win), cmocka_unit_test(reads_a_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
