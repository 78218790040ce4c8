/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/cluster_list.h"
#include "upstream/test_rig.h"

static void a_cluster_as_text(void **state)
{
    (void)state;
    static const struct rig_endpoint endpoints[] = {
        {"127.0.0.1", 80, 3, 0, 0},
        {"127.0.0.2", 80, 1, 1, NU_HEALTH(FAILED_EDS_HEALTH) | NU_HEALTH(DEGRADED_OUTLIER_DETECTION)},
    };
    struct rig r;
    struct nu_sb sb = {0};
    rig_init(&r);
    struct nu_cluster *c = rig_cluster(&r, endpoints, 2, 2);
    nu_atomic_u64_set(&nu_cluster_hosts(c)->priorities[0].all[0]->stats.rq_total, 5);
    nu_cluster_text(&sb, c);
    assert_string_equal(nu_sb_cstr(&sb), "c::observability_name::c\n"
                                         "c::default_priority::max_connections::1024\n"
                                         "c::default_priority::max_pending_requests::1024\n"
                                         "c::default_priority::max_requests::1024\n"
                                         "c::default_priority::max_retries::3\n"
                                         "c::high_priority::max_connections::1024\n"
                                         "c::high_priority::max_pending_requests::1024\n"
                                         "c::high_priority::max_requests::1024\n"
                                         "c::high_priority::max_retries::3\n"
                                         "c::added_via_api::false\n"
                                         "c::127.0.0.1:80::cx_active::0\n"
                                         "c::127.0.0.1:80::cx_connect_fail::0\n"
                                         "c::127.0.0.1:80::cx_total::0\n"
                                         "c::127.0.0.1:80::rq_active::0\n"
                                         "c::127.0.0.1:80::rq_error::0\n"
                                         "c::127.0.0.1:80::rq_pending_active::0\n"
                                         "c::127.0.0.1:80::rq_success::0\n"
                                         "c::127.0.0.1:80::rq_timeout::0\n"
                                         "c::127.0.0.1:80::rq_total::5\n"
                                         "c::127.0.0.1:80::hostname::\n"
                                         "c::127.0.0.1:80::health_flags::healthy\n"
                                         "c::127.0.0.1:80::weight::3\n"
                                         "c::127.0.0.1:80::region::\n"
                                         "c::127.0.0.1:80::zone::z\n"
                                         "c::127.0.0.1:80::sub_zone::\n"
                                         "c::127.0.0.1:80::canary::false\n"
                                         "c::127.0.0.1:80::priority::0\n"
                                         "c::127.0.0.1:80::success_rate::-1\n"
                                         "c::127.0.0.1:80::local_origin_success_rate::-1\n"
                                         "c::127.0.0.2:80::cx_active::0\n"
                                         "c::127.0.0.2:80::cx_connect_fail::0\n"
                                         "c::127.0.0.2:80::cx_total::0\n"
                                         "c::127.0.0.2:80::rq_active::0\n"
                                         "c::127.0.0.2:80::rq_error::0\n"
                                         "c::127.0.0.2:80::rq_pending_active::0\n"
                                         "c::127.0.0.2:80::rq_success::0\n"
                                         "c::127.0.0.2:80::rq_timeout::0\n"
                                         "c::127.0.0.2:80::rq_total::0\n"
                                         "c::127.0.0.2:80::hostname::\n"
                                         "c::127.0.0.2:80::health_flags::/failed_eds_health/degraded_outlier_detection\n"
                                         "c::127.0.0.2:80::weight::1\n"
                                         "c::127.0.0.2:80::region::\n"
                                         "c::127.0.0.2:80::zone::z\n"
                                         "c::127.0.0.2:80::sub_zone::\n"
                                         "c::127.0.0.2:80::canary::false\n"
                                         "c::127.0.0.2:80::priority::1\n"
                                         "c::127.0.0.2:80::success_rate::-1\n"
                                         "c::127.0.0.2:80::local_origin_success_rate::-1\n");
    nu_sb_free(&sb);
    rig_end(&r);
}

static void a_removed_cluster_says_nothing_more(void **state)
{
    (void)state;
    static const struct rig_endpoint endpoints[] = {{"127.0.0.1", 80, 1, 0, 0}};
    const nu_str name = NU_STR("c");
    struct rig r;
    struct nu_sb sb = {0};
    struct nu_cluster_list list = {0};
    rig_init(&r);
    (void)rig_cluster(&r, endpoints, 1, 1);
    nu_cluster_list_fill(&list, r.server.clusters);
    assert_int_equal(list.n, 1);
    nu_cluster_manager_apply(r.server.clusters, NULL, 0, &name, 1);
    rig_run(&r);
    struct nu_json j = {.sb = &sb};
    nu_cluster_text(&sb, list.items[0]);
    nu_cluster_json(&j, list.items[0]);
    assert_int_equal(sb.len, 0);
    nu_cluster_list_clear(&list);
    nu_sb_free(&sb);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_as_text),
        cmocka_unit_test(a_removed_cluster_says_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
