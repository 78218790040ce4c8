/* SPDX-License-Identifier: Apache-2.0
 *
 * What test/codec cannot ask Google's protobuf: limits, reports, unknown fields, what an Any holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/pb/hash.h"
#include "codec/pb/test_priv.h"
#include "codec/pb/wire.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.nu.h"

#define BYTES(literal) NU_STR(literal)

static struct nu_pb_msg *decode(struct fixture *f, const struct nu_pb_type *type, nu_str bytes,
                                const struct nu_pb_wire_options *options)
{
    forget(f);
    return nu_pb_decode(&f->arena, &f->diags, NU_STR("x.pb"), bytes, type, options);
}

/* Tag and length in front of bytes, in the arena. */
static nu_str field(struct fixture *f, unsigned number, nu_str bytes)
{
    struct nu_sb sb = {0};
    nu_sb_char(&sb, (char)(number << 3 | 2));
    for (size_t n = bytes.len;; n >>= 7) {
        nu_sb_char(&sb, (char)(n < 0x80 ? n : (n & 0x7f) | 0x80));
        if (n < 0x80)
            break;
    }
    nu_sb_add(&sb, bytes);
    nu_str out = nu_arena_str(&f->arena, nu_sb_str(&sb));
    nu_sb_free(&sb);
    return out;
}

static nu_str join(struct fixture *f, nu_str a, nu_str b)
{
    return nu_arena_concat(&f->arena, (nu_str[]){a, b}, 2);
}

static void unknown_numbers(void **state)
{
    struct fixture *f = *state;
    const struct nu_pb_type *node = &envoy_config_core_v3_Node_type;
    nu_str bytes = BYTES("\x0a\x01"
                         "a\x98\x3f\x05"); /* id, and number 1011 */
    assert_non_null(decode(f, node, bytes, NULL));
    expect_report(f, NU_DIAG_ERROR, "unknown field number 1011 in envoy.config.core.v3.Node");
    assert_true(nu_str_eq(found(f, NU_DIAG_ERROR, "1011")->file, NU_STR("x.pb")));
    const struct nu_pb_wire_options warn = {.unknown = NU_PB_UNKNOWN_WARN}, ignore = {.unknown = NU_PB_UNKNOWN_IGNORE};
    const struct envoy_config_core_v3_Node *n = (const void *)decode(f, node, bytes, &warn);
    expect_no_errors(f);
    expect_report(f, NU_DIAG_WARNING, "unknown field number 1011");
    assert_true(nu_str_eq(n->id, NU_STR("a")));
    assert_non_null(decode(f, node, bytes, &ignore));
    assert_int_equal(f->diags.n, 0);
    /* A known number of another wire type is unknown as well. */
    assert_non_null(decode(f, node, BYTES("\x08\x01"), NULL));
    expect_report(f, NU_DIAG_ERROR, "field 1 of envoy.config.core.v3.Node has another type on the wire");
}

/* Fields that Envoy has are never dropped, whatever the options say. */
static void absent_fields(void **state)
{
    struct fixture *f = *state;
    const struct nu_pb_wire_options ignore = {.unknown = NU_PB_UNKNOWN_IGNORE};
    assert_non_null(decode(f, &envoy_config_bootstrap_v3_Bootstrap_type, BYTES("\x72\x00"), &ignore)); /* 14 */
    expect_report(f, NU_DIAG_UNSUPPORTED, "field \"hds_config\" of envoy.config.bootstrap.v3.Bootstrap is not supported yet");
}

static void groups(void **state)
{
    struct fixture *f = *state;
    const struct nu_pb_wire_options ignore = {.unknown = NU_PB_UNKNOWN_IGNORE};
    const struct nu_pb_type *node = &envoy_config_core_v3_Node_type;
    /* 1011 { 1: 5  1012 { }  2: "a" } */
    nu_str good = BYTES("\x9b\x3f\x08\x05\xa3\x3f\xa4\x3f\x12\x01"
                        "a\x9c\x3f");
    assert_non_null(decode(f, node, good, &ignore));
    expect_no_errors(f);
    assert_null(decode(f, node, BYTES("\x9b\x3f\x08\x05"), &ignore));          /* no end */
    assert_null(decode(f, node, BYTES("\x9b\x3f\xa4\x3f"), &ignore));          /* the end of another */
    assert_null(decode(f, node, BYTES("\x9c\x3f"), &ignore));                  /* no start */
}

static void malformed(void **state)
{
    struct fixture *f = *state;
    static const nu_str cases[] = {
        NU_STR_INIT("\x0a"),                                         /* a tag without value */
        NU_STR_INIT("\x0a\x05"                                       /* a length beyond the end */
                    "ab"),
        NU_STR_INIT("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* a length of 2^64 - 1 */
        NU_STR_INIT("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), /* a varint of more than 64 bits */
        NU_STR_INIT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), /* a varint of eleven bytes */
        NU_STR_INIT("\x02\x00"),                                     /* number 0 */
        NU_STR_INIT("\x0e\x00"),                                     /* wire type 6 */
        NU_STR_INIT("\x1a\x02\x0a\x05"),                             /* inside a message */
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        assert_null(decode(f, &envoy_config_core_v3_Node_type, cases[i], NULL));
        expect_report(f, NU_DIAG_ERROR, "not protobuf: ");
        assert_int_equal(f->diags.n, 1);
    }
    assert_null(decode(f, &envoy_config_core_v3_Node_type, cases[7], NULL));
    expect_report(f, NU_DIAG_ERROR, "metadata: not protobuf: a map entry is cut off at byte 4");
    assert_non_null(decode(f, &envoy_config_core_v3_Node_type, BYTES("\x0a\x01\xff"), NULL));
    expect_report(f, NU_DIAG_ERROR, "id: must be UTF-8");
}

static void limits(void **state)
{
    struct fixture *f = *state;
    nu_str bytes = BYTES("");
    /* A Value holds a list that holds a Value: two messages a level. */
    for (int i = 0; i < 60; i++)
        bytes = field(f, 6, field(f, 1, bytes));
    assert_null(decode(f, &google_protobuf_Value_type, bytes, NULL));
    expect_report(f, NU_DIAG_ERROR, "messages nested deeper than 100 levels");
    const struct nu_pb_wire_options deep = {.max_depth = 200}, few = {.max_values = 3}, small = {.max_bytes = 4};
    assert_non_null(decode(f, &google_protobuf_Value_type, bytes, &deep));
    /* So is what an Any holds. */
    bytes = BYTES("");
    for (int i = 0; i < 60; i++)
        bytes = join(f, field(f, 1, NU_STR("a/google.protobuf.Any")), field(f, 2, bytes));
    assert_non_null(decode(f, &google_protobuf_Any_type, bytes, NULL));
    for (int i = 0; i < 60; i++)
        bytes = join(f, field(f, 1, NU_STR("a/google.protobuf.Any")), field(f, 2, bytes));
    assert_null(decode(f, &google_protobuf_Any_type, bytes, NULL));
    expect_report(f, NU_DIAG_ERROR, "messages nested deeper than 100 levels");
    bytes = BYTES("\x0a\x00\x0a\x00\x0a\x00\x0a\x00");
    assert_non_null(decode(f, &google_protobuf_ListValue_type, bytes, NULL));
    assert_null(decode(f, &google_protobuf_ListValue_type, bytes, &few));
    expect_report(f, NU_DIAG_ERROR, "more than 3 values");
    assert_null(decode(f, &google_protobuf_ListValue_type, bytes, &small));
    expect_report(f, NU_DIAG_ERROR, "larger than 4 bytes");
}

/* A key that comes twice: the last value, in the place of the first, which knows where it hangs. */
static void map_keys(void **state)
{
    struct fixture *f = *state;
    nu_str x = join(f, field(f, 1, NU_STR("a")), field(f, 2, field(f, 3, NU_STR("x"))));
    nu_str y = join(f, field(f, 1, NU_STR("b")), field(f, 2, field(f, 3, NU_STR("y"))));
    nu_str z = join(f, field(f, 1, NU_STR("a")), field(f, 2, field(f, 3, NU_STR("z"))));
    nu_str none = field(f, 1, NU_STR("c")); /* without a value */
    nu_str all = join(f, join(f, field(f, 1, x), field(f, 1, y)), join(f, field(f, 1, z), field(f, 1, none)));
    const struct google_protobuf_Struct *s = (const void *)decode(f, &google_protobuf_Struct_type, all, NULL);
    expect_no_errors(f);
    assert_int_equal(s->n_fields, 3);
    assert_true(nu_str_eq(s->fields[0].key, NU_STR("a")));
    assert_true(nu_str_eq(s->fields[0].value->string_value, NU_STR("z")));
    assert_true(nu_str_eq(nu_pb_path(&f->arena, s->fields[1].value), NU_STR("fields[\"b\"]")));
    assert_int_equal(s->fields[2].value->pb.parent_index, 2);
    assert_non_null(s->fields[2].value);
}

/* The last member of a oneof holds, and the one before is gone. */
static void oneof_members(void **state)
{
    struct fixture *f = *state;
    nu_str bytes = join(f, field(f, 3, NU_STR("text")), field(f, 5, field(f, 1, BYTES(""))));
    const struct google_protobuf_Value *v = (const void *)decode(f, &google_protobuf_Value_type, bytes, NULL);
    assert_int_equal(v->kind_case, google_protobuf_Value_struct_value_case);
    assert_null(v->string_value.ptr);
    v = (const void *)decode(f, &google_protobuf_Value_type, join(f, bytes, field(f, 3, NU_STR("more"))), NULL);
    assert_int_equal(v->kind_case, google_protobuf_Value_string_value_case);
    assert_null(v->struct_value);
}

static void what_an_any_holds(void **state)
{
    struct fixture *f = *state;
    nu_str url = NU_STR("type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy");
    nu_str tcp = join(f, field(f, 1, NU_STR("s")), field(f, 2, NU_STR("c")));
    const struct google_protobuf_Any *any = (const void *)decode(
        f, &google_protobuf_Any_type, join(f, field(f, 2, tcp), field(f, 1, url)), NULL);
    expect_no_errors(f);
    const struct envoy_extensions_filters_network_tcp_proxy_v3_TcpProxy *t =
        NU_PB_AS(any->msg, envoy_extensions_filters_network_tcp_proxy_v3_TcpProxy);
    assert_true(nu_str_eq(t->cluster, NU_STR("c")));
    uint64_t wanted = nu_pb_hash(any);
    /* A TypedStruct stands for the message that it describes. */
    nu_str entry = join(f, field(f, 1, NU_STR("cluster")), field(f, 2, field(f, 3, NU_STR("c"))));
    nu_str prefix = join(f, field(f, 1, NU_STR("stat_prefix")), field(f, 2, field(f, 3, NU_STR("s"))));
    nu_str content = join(f, field(f, 1, entry), field(f, 1, prefix));
    nu_str typed = join(f, field(f, 1, url), field(f, 2, content));
    nu_str outer = join(f, field(f, 1, NU_STR("a/xds.type.v3.TypedStruct")), field(f, 2, typed));
    any = (const void *)decode(f, &google_protobuf_Any_type, outer, NULL);
    expect_no_errors(f);
    assert_int_equal(nu_pb_hash(any), wanted);
    /* Not there, misspelt, no URL. */
    (void)decode(f, &google_protobuf_Any_type,
                 field(f, 1, NU_STR("a/envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy")), NULL);
    expect_report(f, NU_DIAG_UNSUPPORTED, "is not supported yet");
    (void)decode(f, &google_protobuf_Any_type, field(f, 1, NU_STR("a/google.protobuf.Anny")), NULL);
    expect_report(f, NU_DIAG_ERROR, "did you mean \"google.protobuf.Any\"?");
    (void)decode(f, &google_protobuf_Any_type, field(f, 2, NU_STR("x")), NULL);
    expect_report(f, NU_DIAG_ERROR, "type_url: must be a type URL");
    (void)decode(f, &google_protobuf_Any_type, BYTES(""), NULL);
    expect_no_errors(f);
}

/* is_optional, which stands behind, allows a type that is not there. */
static void an_optional_any_may_be_of_any_type(void **state)
{
    struct fixture *f = *state;
    const struct nu_pb_type *type = &envoy_config_route_v3_FilterConfig_type;
    nu_str config = field(f, 1, join(f, field(f, 1, NU_STR("a/b.C")), field(f, 2, NU_STR("x"))));
    const struct envoy_config_route_v3_FilterConfig *m = (const void *)decode(f, type, join(f, config, BYTES("\x10\x01")), NULL);
    expect_no_errors(f);
    assert_true(m->is_optional);
    assert_null(m->config->msg);
    assert_true(nu_str_eq(m->config->value, NU_STR("x")));
    (void)decode(f, type, join(f, config, BYTES("\x10\x01\x10\x00")), NULL); /* the last one counts */
    expect_report(f, NU_DIAG_ERROR, "no such type");
    (void)decode(f, type, config, NULL);
    expect_report(f, NU_DIAG_ERROR, "no such type");
    (void)decode(f, type, join(f, config, BYTES("\x10")), NULL);
    expect_report(f, NU_DIAG_ERROR, "no such type");
}

/* A bootstrap as a file, with the API's rules. */
static void bootstrap_from_wire(void **state)
{
    struct fixture *f = *state;
    struct nu_sb bytes = {0};
    const struct nu_pb_type *type = &envoy_config_bootstrap_v3_Bootstrap_type;
    const struct nu_pb_msg *m = load(f, "static_resources: {clusters: [{name: a, connect_timeout: 1s}]}", type);
    nu_pb_encode(&bytes, m);
    const struct nu_pb_msg *again = nu_pb_load_wire(&f->arena, &f->diags, NU_STR("b.pb"), nu_sb_str(&bytes), type);
    expect_no_errors(f);
    assert_int_equal(nu_pb_hash(again), nu_pb_hash(m));
    forget(f);
    assert_non_null(nu_pb_load_wire(&f->arena, &f->diags, NU_STR("b.pb"), field(f, 2, field(f, 2, BYTES(""))), type));
    expect_report(f, NU_DIAG_ERROR, "static_resources.clusters[0].name: must not be empty");
    assert_true(nu_str_eq(f->diags.items[0].file, NU_STR("b.pb")));
    forget(f);
    assert_null(nu_pb_load_wire(&f->arena, &f->diags, NU_STR("b.pb"), NU_STR("static_resources: {}"), type));
    expect_report(f, NU_DIAG_ERROR, "not protobuf");
    nu_sb_free(&bytes);
}

static void negative_durations(void **state)
{
    struct fixture *f = *state;
    nu_str bytes = field(f, 4, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    (void)decode(f, &envoy_config_cluster_v3_Cluster_type, bytes, NULL);
    expect_report(f, NU_DIAG_ERROR, "connect_timeout: must not be negative");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unknown_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(absent_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(groups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(malformed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(map_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(oneof_members, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_an_any_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_optional_any_may_be_of_any_type, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bootstrap_from_wire, set_up, tear_down),
        cmocka_unit_test_setup_teardown(negative_durations, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
