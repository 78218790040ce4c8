/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/pb/print.h"
#include "codec/pb/redact.h"
#include "codec/pb/test_priv.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.nu.h"
#include "envoy/service/discovery/v3/discovery.nu.h"

static void hides_what_is_sensitive(void **state)
{
    struct fixture *f = *state;
    struct nu_pb_msg *m = load(f,
                               "version_info: seen\n"
                               "resources:\n"
                               "- '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n"
                               "  name: a\n"
                               "  tls_certificate: {certificate_chain: {filename: seen}, private_key: {filename: hidden},"
                               " pkcs12: {inline_bytes: aGlkZGVu}, password: {inline_string: hidden}}\n"
                               "- '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n"
                               "  name: b\n"
                               "  session_ticket_keys: {keys: [{filename: hidden}, {environment_variable: hidden}]}\n"
                               "- '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n"
                               "  name: c\n"
                               "  generic_secret: {secret: {inline_string: hidden}, secrets: {seen: {inline_string: hidden}}}\n",
                               &envoy_service_discovery_v3_DiscoveryResponse_type);
    struct nu_sb sb = {0};
    nu_pb_redact(m);
    nu_pb_print_json(&sb, m, &(struct nu_pb_print_options){0});
    nu_str text = nu_sb_str(&sb);
    size_t n_seen = 0, n_redacted = 0;
    assert_true(nu_str_search(text, NU_STR("hidden")) < 0);
    assert_true(nu_str_search(text, NU_STR("aGlkZGVu")) < 0);
    for (size_t i = 0; i < text.len; i++) {
        n_seen += nu_str_starts(nu_str_skip(text, i), NU_STR("\"seen\""));
        n_redacted += nu_str_starts(nu_str_skip(text, i), NU_STR("\"[redacted]\""));
    }
    assert_int_equal(n_seen, 3);
    assert_int_equal(n_redacted, 6);
    assert_true(nu_str_search(text, NU_STR("W3JlZGFjdGVkXQ==")) > 0);
    nu_sb_free(&sb);
}

static void leaves_the_rest_alone(void **state)
{
    struct fixture *f = *state;
    const char *yaml = "name: a\nvalidation_context: {trusted_ca: {filename: ca}, crl: {inline_string: x}, max_verify_depth: 3}";
    struct nu_pb_msg *m = load(f, yaml, &envoy_extensions_transport_sockets_tls_v3_Secret_type);
    struct nu_sb before = {0}, after = {0};
    nu_pb_print_json(&before, m, &(struct nu_pb_print_options){0});
    nu_pb_redact(m);
    nu_pb_redact(NULL);
    nu_pb_print_json(&after, m, &(struct nu_pb_print_options){0});
    assert_true(nu_str_eq(nu_sb_str(&before), nu_sb_str(&after)));
    nu_sb_free(&before);
    nu_sb_free(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hides_what_is_sensitive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaves_the_rest_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
