/* SPDX-License-Identifier: Apache-2.0
 *
 * Extensions that make nothing of their configuration and do not say why: that must not pass for a cluster without TLS or a
 * listener that is not there. The registry is this file's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/pb/load.h"
#include "config/cluster_build_priv.h"
#include "config/listener_build.h"
#include "envoy/config/cluster/v3/cluster.nu.h"
#include "envoy/config/listener/v3/listener.nu.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.nu.h"
#include "listener/listener.h"
#include "net/filter.h"
#include "net/listener_filter.h"
#include "net/server.h"
#include "net/transport.h"

/* ---- extensions ---- */

static bool reports;

static void *nothing(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    if (reports)
        nu_pb_error(f->diags, msg, NULL, "a reason");
    return NULL;
}

static const struct nu_transport_conf *no_transport(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    return nothing(f, msg);
}

static struct nu_net_filter_conf *no_filter(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    return nothing(f, msg);
}

static struct nu_listener_filter_conf *no_listener_filter(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    return nothing(f, msg);
}

static const struct nu_transport_factory transport = {.create = no_transport};
static const struct nu_net_filter_factory filter = {.create = no_filter, .terminal = true};
static const struct nu_listener_filter_factory listener_filter = {.create = no_listener_filter};

#define EXTENSION(category_, ops_)                                                                                             \
    &(const struct nu_extension){.category = category_,                                                                        \
                                 .name = "none of " category_,                                                                 \
                                 .config_type = &envoy_extensions_transport_sockets_raw_buffer_v3_RawBuffer_type,              \
                                 .ops = &(ops_)}

extern const struct nu_extension nu_ext_lb_round_robin; /* which clusters have unless told otherwise */

const struct nu_extension *const nu_extensions[] = {
    &nu_ext_lb_round_robin,
    EXTENSION("envoy.transport_sockets.upstream", transport),
    EXTENSION("envoy.transport_sockets.downstream", transport),
    EXTENSION("envoy.filters.network", filter),
    EXTENSION("envoy.filters.listener", listener_filter),
    NULL,
};

/* ---- what is said ---- */

#define CONFIG "{name: x, typed_config: {'@type': type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}"
#define PLACE "name: l, address: {socket_address: {address: 127.0.0.1, port_value: 0}}"

static bool build(struct nu_factory *f, const struct nu_pb_msg *m)
{
    if (m->type == &envoy_config_cluster_v3_Cluster_type)
        return nu_cluster_build(f, (const void *)m) != NULL;
    return nu_listener_build(f, (const void *)m) != NULL;
}

/* `who`: the extension that must be blamed once, and only when it did not report itself. */
static void refused(const struct nu_pb_type *type, const char *yaml, const char *who)
{
    struct nu_server server = {0};
    for (int i = 0; i < 2; i++) {
        struct nu_arena a;
        struct nu_diags d;
        unsigned blamed = 0, said = 0;
        reports = i == 1;
        nu_arena_init(&a, NULL);
        nu_diags_init(&d);
        struct nu_pb_msg *m = nu_pb_load_text(&a, &d, NU_STR("t.yaml"), nu_str_from(yaml), NU_TEXT_YAML, type);
        assert_non_null(m);
        assert_false(nu_diags_failed(&d));
        struct nu_factory f = {.arena = &a, .diags = &d, .server = &server, .validate_only = true};
        assert_false(build(&f, m));
        for (size_t k = 0; k < d.n; k++) {
            print_message("%.*s\n", NU_STR_ARG(d.items[k].text));
            said += nu_str_eq(d.items[k].text, NU_STR("a reason"));
            blamed += nu_str_starts(d.items[k].text, nu_str_from(who));
        }
        assert_int_equal(said, reports);
        assert_int_equal(blamed, !reports);
        nu_diags_clear(&d);
        nu_arena_clear(&a);
    }
}

static void a_transport_of_a_cluster(void **state)
{
    (void)state;
    refused(&envoy_config_cluster_v3_Cluster_type, "{name: a, type: STATIC, transport_socket: " CONFIG "}",
            "none of envoy.transport_sockets.upstream cannot be made");
}

static void a_transport_of_a_chain(void **state)
{
    (void)state;
    refused(&envoy_config_listener_v3_Listener_type, "{" PLACE ", filter_chains: [{transport_socket: " CONFIG "}]}",
            "none of envoy.transport_sockets.downstream cannot be made");
}

static void a_network_filter(void **state)
{
    (void)state;
    refused(&envoy_config_listener_v3_Listener_type, "{" PLACE ", filter_chains: [{filters: [" CONFIG "]}]}",
            "none of envoy.filters.network cannot be made");
}

static void a_listener_filter(void **state)
{
    (void)state;
    refused(&envoy_config_listener_v3_Listener_type, "{" PLACE ", listener_filters: [" CONFIG "], filter_chains: [{}]}",
            "none of envoy.filters.listener cannot be made");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transport_of_a_cluster),
        cmocka_unit_test(a_transport_of_a_chain),
        cmocka_unit_test(a_network_filter),
        cmocka_unit_test(a_listener_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
