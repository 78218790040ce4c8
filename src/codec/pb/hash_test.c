/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/pb/hash.h"
#include "codec/pb/test_priv.h"

static uint64_t hash(struct fixture *f, const char *yaml)
{
    uint64_t h = nu_pb_hash(load(f, yaml, &envoy_config_cluster_v3_Cluster_type));
    expect_no_errors(f);
    return h;
}

/* What is written differently and means the same. */
static void same(void **state)
{
    static const char *const pairs[][2] = {
        {"{name: a, connect_timeout: 1s}", "connectTimeout: {seconds: 1}\nname: \"a\""},
        {"{name: a, type: STATIC}", "{name: a, type: 0}"},
        {"{name: a, per_connection_buffer_limit_bytes: 5}", "{name: a, per_connection_buffer_limit_bytes: {value: 5}}"},
        {"{name: a, lb_policy: ROUND_ROBIN}", "{name: a}"},
        {"{name: a, metadata: {filter_metadata: {x: {p: 1}, y: {q: 2}}}}",
         "{name: a, metadata: {filter_metadata: {y: {q: 2}, x: {p: 1}}}}"},
        {"{name: a, circuit_breakers: {thresholds: {max_connections: 1}}}",
         "{name: a, circuit_breakers: {thresholds: [{max_connections: 1}]}}"},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(pairs); i++)
        assert_int_equal(hash(*state, pairs[i][0]), hash(*state, pairs[i][1]));
}

/* Presence counts, and so do the order of lists and the type of what an Any holds. */
static void different(void **state)
{
#define OPTIONS "{name: a, typed_extension_protocol_options: {x: {\"@type\": type.googleapis.com/envoy.extensions."
    static const char *const texts[] = {
        "{name: a}",
        "{name: b}",
        "{name: a, alt_stat_name: a}",
        "{name: \"\", alt_stat_name: a, type: 0}",
        "{name: a, connect_timeout: 0s}",
        "{name: a, connect_timeout: 1s}",
        "{name: a, connect_timeout: 0.000000001s}",
        "{name: a, per_connection_buffer_limit_bytes: 0}",
        "{name: a, type: STATIC}",
        "{name: a, type: STRICT_DNS}",
        "{name: a, load_assignment: {cluster_name: a}}",
        "{name: a, load_assignment: {cluster_name: a, endpoints: [{}, {priority: 1}]}}",
        "{name: a, load_assignment: {cluster_name: a, endpoints: [{priority: 1}, {}]}}",
        "{name: a, metadata: {}}",
        "{name: a, metadata: {filter_metadata: {x: {p: 1}}}}",
        "{name: a, metadata: {filter_metadata: {x: {p: \"1\"}}}}",
        "{name: a, metadata: {filter_metadata: {x: {p: on}}}}",
        "{name: a, metadata: {filter_metadata: {x: {p: ~}}}}",
        "{name: a, metadata: {filter_metadata: {p: {x: 1}}}}",
        OPTIONS "upstreams.tcp.v3.TcpProtocolOptions}}}",
        OPTIONS "upstreams.tcp.v3.TcpProtocolOptions, idle_timeout: 1s}}}",
        OPTIONS "filters.http.router.v3.Router}}}",
    };
    uint64_t seen[NU_ARRAY_LEN(texts)];
    for (size_t i = 0; i < NU_ARRAY_LEN(texts); i++) {
        seen[i] = nu_pb_hash(load(*state, texts[i], &envoy_config_cluster_v3_Cluster_type));
        for (size_t k = 0; k < i; k++)
            if (seen[i] == seen[k])
                fail_msg("%s and %s have the same hash", texts[i], texts[k]);
    }
}

static void without_fields(void **state)
{
    static const char *const without[] = {"alt_stat_name", "connect_timeout", NULL};
    const struct nu_pb_type *type = &envoy_config_cluster_v3_Cluster_type;
    struct nu_pb_msg *a = load(*state, "{name: a, alt_stat_name: x, connect_timeout: 1s}", type);
    struct nu_pb_msg *b = load(*state, "{name: a}", type), *c = load(*state, "{name: c}", type);
    assert_int_not_equal(nu_pb_hash(a), nu_pb_hash(b));
    assert_int_equal(nu_pb_hash_without(a, without), nu_pb_hash_without(b, without));
    assert_int_not_equal(nu_pb_hash_without(a, without), nu_pb_hash_without(c, without));
    assert_int_equal(nu_pb_hash(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(different, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_fields, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
