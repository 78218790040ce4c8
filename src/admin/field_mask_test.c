/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/field_mask.h"
#include "codec/pb/print.h"
#include "envoy/config/cluster/v3/cluster.nu.h"
#include "envoy/config/endpoint/v3/endpoint.nu.h"
#include "google/protobuf/duration.nu.h"

typedef struct envoy_config_cluster_v3_Cluster cluster_msg;

static void only_what_a_type_has_is_valid(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool want;
    } rows[] = {
        {"name", true},
        {"connect_timeout", true},
        {"load_assignment", true},
        {"load_assignment.cluster_name", true},
        {"load_assignment.endpoints", true},
        {"load_assignment.endpoints.locality", false}, /* below a list */
        {"name.x", false},
        {"connectTimeout", false},
        {"zap", false},
        {"", false},
        {"load_assignment.", false},
        {".name", false},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++)
        assert_int_equal(nu_field_mask_path_valid(&envoy_config_cluster_v3_Cluster_type, nu_str_from(rows[i].path)),
                         rows[i].want);
}

static cluster_msg *cluster(struct nu_arena *a)
{
    cluster_msg *c = NU_PB_NEW(a, envoy_config_cluster_v3_Cluster);
    c->name = NU_STR("one");
    c->alt_stat_name = NU_STR("other");
    c->cluster_discovery_type_case = envoy_config_cluster_v3_Cluster_type_case;
    c->type = envoy_config_cluster_v3_Cluster_DiscoveryType_STRICT_DNS;
    c->connect_timeout = NU_PB_NEW(a, google_protobuf_Duration);
    c->load_assignment = NU_PB_NEW(a, envoy_config_endpoint_v3_ClusterLoadAssignment);
    c->load_assignment->cluster_name = NU_STR("one");
    c->load_assignment->policy = NU_PB_NEW(a, envoy_config_endpoint_v3_ClusterLoadAssignment_Policy);
    return c;
}

static void what_no_path_names_goes(void **state)
{
    (void)state;
    static const struct {
        const char *mask, *want;
    } rows[] = {
        {"name", "{\"name\":\"one\"}"},
        {"name,type", "{\"name\":\"one\",\"type\":\"STRICT_DNS\"}"},
        {"connect_timeout", "{\"connect_timeout\":\"0s\"}"},
        {"load_assignment.cluster_name", "{\"load_assignment\":{\"cluster_name\":\"one\"}}"},
        {"load_assignment.policy,load_assignment.cluster_name",
         "{\"load_assignment\":{\"cluster_name\":\"one\",\"policy\":{}}}"},
        {"load_assignment.cluster_name,load_assignment",
         "{\"load_assignment\":{\"cluster_name\":\"one\",\"policy\":{}}}"},
        {"lb_policy", "{}"},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        struct nu_arena a;
        struct nu_sb sb = {0};
        nu_arena_init(&a, NULL);
        cluster_msg *c = cluster(&a);
        struct nu_field_mask m = nu_field_mask_parse(&a, nu_str_from(rows[i].mask));
        nu_field_mask_trim(c, &m);
        nu_pb_print_json(&sb, c, &(struct nu_pb_print_options){.compact = true});
        assert_string_equal(nu_sb_cstr(&sb), rows[i].want);
        nu_sb_free(&sb);
        nu_arena_clear(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_a_type_has_is_valid),
        cmocka_unit_test(what_no_path_names_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
