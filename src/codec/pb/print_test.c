/* SPDX-License-Identifier: Apache-2.0
 *
 * The layout, byte by byte as Envoy's admin interface has it; test/codec compares the content with Google's protobuf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/pb/print.h"
#include "codec/pb/test_priv.h"

static void expect_json(const void *m, const struct nu_pb_print_options *options, const char *wanted)
{
    struct nu_sb out = {0};
    nu_pb_print_json(&out, m, options);
    assert_string_equal(nu_sb_cstr(&out), wanted);
    nu_sb_free(&out);
}

static const char listener[] =
    "name: l\n"
    "address: {socket_address: {address: 0.0.0.0, port_value: 0}}\n"
    "filter_chains: [{filters: [{name: t, typed_config: {\"@type\": "
    "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: s, cluster: c, "
    "idle_timeout: 0.25s, max_connect_attempts: 3}}, {name: e, typed_config: {\"@type\": "
    "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]}]\n"
    "per_connection_buffer_limit_bytes: 0\n"
    "metadata: {filter_metadata: {a.b: {list: [1, [], {}, [x, \"y\"]], \"on\": ~}}}\n";

static void json_layout(void **state)
{
    const struct nu_pb_msg *m = load(*state, listener, &envoy_config_listener_v3_Listener_type);
    expect_no_errors(*state);
    expect_json(m, NULL,
                "{\n"
                " \"name\": \"l\",\n"
                " \"address\": {\n"
                "  \"socket_address\": {\n"
                "   \"address\": \"0.0.0.0\",\n"
                "   \"port_value\": 0\n"
                "  }\n"
                " },\n"
                " \"filter_chains\": [\n"
                "  {\n"
                "   \"filters\": [\n"
                "    {\n"
                "     \"name\": \"t\",\n"
                "     \"typed_config\": {\n"
                "      \"@type\": \"type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy\",\n"
                "      \"stat_prefix\": \"s\",\n"
                "      \"cluster\": \"c\",\n"
                "      \"max_connect_attempts\": 3,\n"
                "      \"idle_timeout\": \"0.250s\"\n"
                "     }\n"
                "    },\n"
                "    {\n"
                "     \"name\": \"e\",\n"
                "     \"typed_config\": {\n"
                "      \"@type\": \"type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo\"\n"
                "     }\n"
                "    }\n"
                "   ]\n"
                "  }\n"
                " ],\n"
                " \"per_connection_buffer_limit_bytes\": 0,\n"
                " \"metadata\": {\n"
                "  \"filter_metadata\": {\n"
                "   \"a.b\": {\n"
                "    \"list\": [\n"
                "     1,\n"
                "     [],\n"
                "     {},\n"
                "     [\n"
                "      \"x\",\n"
                "      \"y\"\n"
                "     ]\n"
                "    ],\n"
                "    \"on\": null\n"
                "   }\n"
                "  }\n"
                " }\n"
                "}");
}

static void options(void **state)
{
    const struct nu_pb_print_options compact = {.compact = true}, any = {.as_any = true},
                                     inner = {.indent = 2, .as_any = true}, all = {.primitives = true};
    const struct nu_pb_msg *m = load(*state, "{id: a, metadata: {l: [1, {}]}}", &envoy_config_core_v3_Node_type);
    expect_json(m, &compact, "{\"id\":\"a\",\"metadata\":{\"l\":[1,{}]}}");
    m = load(*state, "{id: a}", &envoy_config_core_v3_Node_type);
    expect_json(m, &any, "{\n \"@type\": \"type.googleapis.com/envoy.config.core.v3.Node\",\n \"id\": \"a\"\n}");
    expect_json(m, &inner, "{\n   \"@type\": \"type.googleapis.com/envoy.config.core.v3.Node\",\n   \"id\": \"a\"\n  }");
    m = load(*state, "{address: a, port_value: 1}", &envoy_config_core_v3_SocketAddress_type);
    expect_json(m, &all,
                "{\n \"protocol\": \"TCP\",\n \"address\": \"a\",\n \"port_value\": 1,\n"
                " \"ipv4_compat\": false\n}");
    m = load(*state, "{}", &envoy_config_core_v3_Node_type);
    expect_json(m, NULL, "{}");
}

static void scalars(void **state)
{
    const struct nu_pb_msg *m = load(*state, "{level: -5, name: 9223372036854775807, buf_value: AP+A}", &envoy_config_core_v3_SocketOption_type);
    expect_no_errors(*state);
    expect_json(m, NULL, "{\n \"level\": \"-5\",\n \"name\": \"9223372036854775807\",\n \"buf_value\": \"AP+A\"\n}");
    m = load(*state, "{address: a, port_value: 1, protocol: 1}", &envoy_config_core_v3_SocketAddress_type);
    expect_json(m, NULL, "{\n \"protocol\": \"UDP\",\n \"address\": \"a\",\n \"port_value\": 1\n}");
    m = load_json(*state, "{\"metadata\":{\"a\":0.1,\"b\":1e22,\"c\":1e15,\"d\":123456789012345678,\"e\":0.3333333333333333,\"f\":-5}}",
                  &envoy_config_core_v3_Node_type);
    expect_json(m, &(struct nu_pb_print_options){.compact = true},
                "{\"metadata\":{\"a\":0.1,\"b\":1e+22,\"c\":1e+15,\"d\":1.2345678901234568e+17,\"e\":0.33333333333333331,\"f\":-5}}");
}

static void durations(void **state)
{
    static const char *const cases[][2] = {
        {"0s", "0s"},           {"1s", "1s"},         {"1.5s", "1.500s"}, {"0.000001s", "0.000001s"},
        {"0.0000010s", "0.000001s"}, {"0.000000001s", "0.000000001s"}, {"2.123456s", "2.123456s"},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        struct fixture *f = *state;
        const struct nu_pb_msg *m = load(f, nu_arena_printf(&f->arena, "{connect_timeout: %s, name: a}", cases[i][0]).ptr,
                                         &envoy_config_cluster_v3_Cluster_type);
        nu_str wanted = nu_arena_printf(&f->arena, "{\n \"name\": \"a\",\n \"connect_timeout\": \"%s\"\n}", cases[i][1]);
        expect_json(m, NULL, wanted.ptr);
    }
}

/* Envoy's escapes. */
static void strings(void **state)
{
    static const char *const json[][2] = {
        {"\"a\\\"\\\\/'\"", "\"a\\\"\\\\/'\""},
        {"\"\\u0000\\u0001\\b\\t\\n\\f\\r\\u007f\"", "\"\\u0000\\u0001\\b\\t\\n\\f\\r\\u007f\""},
        {"\"<&>\"", "\"\\u003c&\\u003e\""},
        {"\"\\u00a0\\u00ad\\u2028\\u00e9\\ud834\\udd73\\ud83d\\ude00\"",
         "\"\xc2\xa0\\u00ad\\u2028\xc3\xa9\\ud834\\udd73\xf0\x9f\x98\x80\""},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < NU_ARRAY_LEN(json); i++) {
        nu_str text = nu_arena_printf(&f->arena, "{\"id\": %s}", json[i][0]);
        nu_str wanted = nu_arena_printf(&f->arena, "{\"id\":%s}", json[i][1]);
        const struct nu_pb_msg *m = load_json(f, text.ptr, &envoy_config_core_v3_Node_type);
        expect_no_errors(f);
        expect_json(m, &(struct nu_pb_print_options){.compact = true}, wanted.ptr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(json_layout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(options, set_up, tear_down),
        cmocka_unit_test_setup_teardown(scalars, set_up, tear_down),
        cmocka_unit_test_setup_teardown(durations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strings, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
