/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "codec/pb/test_priv.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.nu.h"
#include "google/protobuf/wrappers.nu.h"

/* What the typed_config of a filter holds. */
static const struct nu_pb_msg *held(struct fixture *f, const char *any)
{
    char text[1024];
    snprintf(text, sizeof(text), "{name: x, typed_config: {%s}}", any);
    const struct envoy_config_listener_v3_Filter *filter = (const void *)load(f, text, &envoy_config_listener_v3_Filter_type);
    assert_non_null(filter->typed_config);
    return filter->typed_config->msg;
}

static void fields_beside_the_type(void **state)
{
    const struct nu_pb_msg *m = held(
        *state, "\"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: s, cluster: c");
    const struct envoy_extensions_filters_network_tcp_proxy_v3_TcpProxy *t =
        NU_PB_AS(m, envoy_extensions_filters_network_tcp_proxy_v3_TcpProxy);
    expect_no_errors(*state);
    assert_non_null(t);
    assert_true(nu_str_eq(t->cluster, NU_STR("c")));
    assert_null(NU_PB_AS(m, envoy_config_listener_v3_Filter));
    /* The rules of what is held are checked, too. */
    (void)held(*state, "\"@type\": a/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, cluster: c");
    expect_report(*state, NU_DIAG_ERROR, "typed_config.stat_prefix: must not be empty");
}

static void value_form(void **state)
{
    const struct google_protobuf_UInt32Value *n = (const void *)held(
        *state, "\"@type\": type.googleapis.com/google.protobuf.UInt32Value, value: 5");
    expect_no_errors(*state);
    assert_int_equal(n->value, 5);
    const struct google_protobuf_Duration *d = (const void *)held(
        *state, "\"@type\": type.googleapis.com/google.protobuf.Duration, value: 1.5s");
    assert_int_equal(d->nanos, 500000000);
    const struct google_protobuf_Struct *s = (const void *)held(
        *state, "\"@type\": type.googleapis.com/google.protobuf.Struct, value: {a: 1}");
    assert_int_equal(s->n_fields, 1);
    expect_no_errors(*state);
    (void)held(*state, "\"@type\": type.googleapis.com/google.protobuf.Struct, value: {}, x: 1");
    expect_report(*state, NU_DIAG_ERROR, "unknown field \"x\": what this type holds stands under \"value\"");
}

static void wrong_types(void **state)
{
    assert_null(held(*state, "stat_prefix: s"));
    expect_report(*state, NU_DIAG_ERROR, "\"@type\" is missing");
    assert_null(held(*state, "\"@type\": TcpProxy"));
    expect_report(*state, NU_DIAG_ERROR, "typed_config.@type: must be a type URL");
    assert_null(held(*state, "\"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxi"));
    expect_report(*state, NU_DIAG_ERROR, "did you mean \"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy\"?");
    assert_null(held(*state, "\"@type\": type.googleapis.com/envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy"));
    expect_report(*state, NU_DIAG_UNSUPPORTED, "envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy is not supported yet");
    /* The entries of a map are no messages of their own. */
    assert_null(held(*state, "\"@type\": type.googleapis.com/google.protobuf.Struct.FieldsEntry"));
    expect_report(*state, NU_DIAG_ERROR, "no such type");
    assert_null(held(*state, ""));
    expect_no_errors(*state);
}

static void typed_struct(void **state)
{
    static const char *const types[] = {"xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"};
    for (size_t i = 0; i < NU_ARRAY_LEN(types); i++) {
        char text[512];
        snprintf(text, sizeof(text), "\"@type\": type.googleapis.com/%s, type_url: "
                 "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, value: {cluster: c, statPrefix: s}",
                 types[i]);
        const struct envoy_extensions_filters_network_tcp_proxy_v3_TcpProxy *t =
            NU_PB_AS(held(*state, text), envoy_extensions_filters_network_tcp_proxy_v3_TcpProxy);
        expect_no_errors(*state);
        assert_non_null(t);
        assert_true(nu_str_eq(t->cluster, NU_STR("c")));
    }
    (void)held(*state, "\"@type\": a/xds.type.v3.TypedStruct, type_url: a/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, "
                       "value: {clusterr: c}");
    expect_report(*state, NU_DIAG_ERROR, "did you mean \"cluster\"?");
    (void)held(*state, "\"@type\": a/xds.type.v3.TypedStruct, type_url: a/b.C");
    expect_report(*state, NU_DIAG_ERROR, "no such type: \"a/b.C\"");
    (void)held(*state, "\"@type\": a/xds.type.v3.TypedStruct, values: {}");
    expect_report(*state, NU_DIAG_ERROR, "unknown field \"values\" in a TypedStruct");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_beside_the_type, set_up, tear_down),
        cmocka_unit_test_setup_teardown(value_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_types, set_up, tear_down),
        cmocka_unit_test_setup_teardown(typed_struct, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
