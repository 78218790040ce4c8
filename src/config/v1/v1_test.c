/* SPDX-License-Identifier: Apache-2.0
 *
 * Snippets of v1 and the v3 that they become. Each snippet is put into a whole configuration, translated, and also loaded
 * as a Bootstrap, so that what is made is valid by the API's rules. */
#include "config/v1/v1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/json/json.h"
#include "codec/pb/load.h"
#include "codec/yaml/print.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"

/* Where a snippet stands in a configuration, and what of the result is compared. */
struct place {
    const char *before, *after;
    const char *path[12]; /* keys, or indices */
};

#define ADMIN "'admin': {'access_log_path': '/dev/null', 'address': 'tcp://127.0.0.1:0'}"
#define CLUSTERS                                                                                                              \
    "'cluster_manager': {'clusters': [{'name': 's', 'type': 'static', 'connect_timeout_ms': 1, 'lb_type': 'random', "         \
    "'hosts': [{'url': 'tcp://127.0.0.1:1'}]}]}"
#define HCM                                                                                                                   \
    "{'listeners': [{'address': 'tcp://127.0.0.1:80', 'filters': [{'name': 'http_connection_manager', 'config': "             \
    "{'codec_type': 'auto', 'stat_prefix': 'x'"
#define HCM_END "}}]}], " ADMIN ", " CLUSTERS "}"
#define ROUTER ", 'filters': [{'name': 'router', 'config': {}}]"
#define NO_ROUTES ", 'route_config': {'virtual_hosts': []}"
#define TO_FILTER "static_resources", "listeners", "0", "filter_chains", "0", "filters", "0", "typed_config"

static const struct place in_cluster = {
    "{'listeners': [], " ADMIN ", 'cluster_manager': {'clusters': [{'name': 'c', 'connect_timeout_ms': 1500, ",
    "}]}}", {"static_resources", "clusters", "0"}};
static const struct place in_listener = {"{'listeners': [{", "}], " ADMIN ", " CLUSTERS "}",
                                         {"static_resources", "listeners", "0"}};
static const struct place in_hcm = {HCM ROUTER NO_ROUTES ", ", HCM_END, {TO_FILTER}};
static const struct place in_filters = {HCM NO_ROUTES ", 'filters': [", "]" HCM_END, {TO_FILTER, "http_filters"}};
static const struct place in_route_config = {HCM ROUTER ", 'route_config': {", "}" HCM_END, {TO_FILTER, "route_config"}};
static const struct place in_host = {
    HCM ROUTER ", 'route_config': {'virtual_hosts': [{'name': 'h', 'domains': ['*'], ", "}]}" HCM_END,
    {TO_FILTER, "route_config", "virtual_hosts", "0"}};
static const struct place in_route = {
    HCM ROUTER ", 'route_config': {'virtual_hosts': [{'name': 'h', 'domains': ['*'], 'routes': [{", "}]}]}" HCM_END,
    {TO_FILTER, "route_config", "virtual_hosts", "0"}};
static const struct place in_log_filter = {HCM ROUTER NO_ROUTES ", 'access_log': [{'path': '/x', 'filter': {", "}}]" HCM_END,
                                           {TO_FILTER, "access_log", "0", "filter"}};
static const struct place in_top = {"{'listeners': [], 'cluster_manager': {'clusters': []}, ", "}", {NULL}};
static const struct place in_tcp = {
    "{'listeners': [{'address': 'tcp://127.0.0.1:80', 'filters': [{'name': 'tcp_proxy', 'config': {'stat_prefix': 't', ",
    "}}]}], " ADMIN ", " CLUSTERS "}", {"static_resources", "listeners", "0", "filter_chains"}};

struct run {
    struct nu_arena arena;
    struct nu_diags diags;
    struct nu_sb text, out;
    const struct nu_tree *tree;
};

static void start(struct run *r, const struct place *place, const char *snippet)
{
    *r = (struct run){0};
    nu_arena_init(&r->arena, NULL);
    nu_diags_init(&r->diags);
    nu_sb_printf(&r->text, "%s%s%s", place->before, snippet, place->after);
    const struct nu_tree *v1 = nu_json_read(&r->arena, &r->diags, NU_STR("x.json"), nu_sb_str(&r->text));
    if (v1 == NULL)
        fail_msg("%s: %.*s", nu_sb_cstr(&r->text), NU_STR_ARG(r->diags.items[0].text));
    assert_true(nu_v1_recognise(v1));
    r->tree = nu_v1_translate(&r->arena, &r->diags, v1);
    assert_non_null(r->tree);
}

static void end(struct run *r)
{
    nu_sb_free(&r->text);
    nu_sb_free(&r->out);
    nu_diags_clear(&r->diags);
    nu_arena_clear(&r->arena);
}

static void no_errors(const struct run *r)
{
    for (size_t i = 0; i < r->diags.n; i++) {
        if (r->diags.items[i].kind != NU_DIAG_WARNING)
            fail_msg("%s\n%.*s: %.*s", r->text.ptr, NU_STR_ARG(r->diags.items[i].path), NU_STR_ARG(r->diags.items[i].text));
    }
}

static const struct nu_tree *follow(const struct nu_tree *t, const char *const *path)
{
    for (; *path != NULL; path++) {
        if (t->kind == NU_TREE_LIST)
            t = t->u.list.items[(*path)[0] - '0'];
        else
            t = nu_tree_get(t, nu_str_from(*path));
        assert_non_null(t);
    }
    return t;
}

/* The snippet becomes `want`: all of the place's part, or (when it begins with "...") lines of it. */
static void becomes(const struct place *place, const char *snippet, const char *want)
{
    struct run r;
    start(&r, place, snippet);
    no_errors(&r);
    (void)nu_pb_load(&r.arena, &r.diags, r.tree, &envoy_config_bootstrap_v3_Bootstrap_type);
    no_errors(&r);
    nu_yaml_print(&r.out, follow(r.tree, place->path));
    if (strncmp(want, "...", 3) != 0)
        assert_string_equal(nu_sb_cstr(&r.out), want);
    else if (strstr(nu_sb_cstr(&r.out), want + 3) == NULL)
        fail_msg("no\n%s\nin\n%s", want + 3, nu_sb_cstr(&r.out));
    end(&r);
}

/* The snippet is refused: a report of this kind has the path and the text. */
static void refused(const struct place *place, const char *snippet, enum nu_diag_kind kind, const char *path, const char *text)
{
    struct run r;
    bool found = false;
    start(&r, place, snippet);
    for (size_t i = 0; i < r.diags.n; i++) {
        const struct nu_diag *d = &r.diags.items[i];
        found |= d->kind == kind && nu_str_ends(d->path, nu_str_from(path)) && nu_str_search(d->text, nu_str_from(text)) >= 0 &&
                 d->pos.line > 0 && nu_str_eq(d->file, NU_STR("x.json"));
        nu_sb_printf(&r.out, "%d %.*s: %.*s\n", (int)d->kind, NU_STR_ARG(d->path), NU_STR_ARG(d->text));
    }
    if (!found)
        fail_msg("no %d %s: %s in\n%s", (int)kind, path, text, nu_sb_cstr(&r.out));
    assert_true(kind == NU_DIAG_WARNING || nu_diags_failed(&r.diags));
    /* Loading what could be translated is allowed, and finds its way. */
    (void)nu_pb_load(&r.arena, &r.diags, r.tree, &envoy_config_bootstrap_v3_Bootstrap_type);
    end(&r);
}

static void recognises_v1_by_its_shape(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool is_v1;
    } cases[] = {
        {"{'cluster_manager': {'clusters': []}}", true},
        {"{'listeners': [{'address': 'tcp://0.0.0.0:80'}]}", true},
        {"{'listeners': [{'port': 80}]}", true},
        {"{'listeners': [{'filters': []}]}", true},
        {"{'static_resources': {}, 'cluster_manager': {'local_cluster_name': 'x'}}", false},
        {"{'static_resources': {}, 'cluster_manager': {'clusters': []}}", false},
        {"{'listeners': [{'address': {'socket_address': {}}, 'filter_chains': []}]}", false},
        {"{'listeners': []}", false},
        {"{'admin': {}}", false},
        {"[]", false},
        {"3", false},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        struct nu_arena a;
        struct nu_diags d;
        nu_arena_init(&a, NULL);
        nu_diags_init(&d);
        const struct nu_tree *t = nu_json_read(&a, &d, NU_STR("x.json"), nu_str_from(cases[i].json));
        assert_int_equal(nu_v1_recognise(t), cases[i].is_v1);
        nu_diags_clear(&d);
        nu_arena_clear(&a);
    }
}

#define HTTP_OPTIONS                                                                                                          \
    "typed_extension_protocol_options:\n"                                                                                     \
    "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n"                                                             \
    "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n"                             \
    "    common_http_protocol_options:\n"                                                                                     \
    "      idle_timeout: 0s\n"

static void translates_clusters(void **state)
{
    (void)state;
    becomes(&in_cluster, "'type': 'static', 'lb_type': 'round_robin', 'hosts': [{'url': 'tcp://127.0.0.1:5000'}, {'url': 'unix:///x'}]",
            "name: c\n"
            "type: STATIC\n"
            "connect_timeout: 1.5s\n"
            "lb_policy: ROUND_ROBIN\n"
            "load_assignment:\n"
            "  cluster_name: c\n"
            "  endpoints:\n"
            "  - lb_endpoints:\n"
            "    - endpoint:\n"
            "        address:\n"
            "          socket_address:\n"
            "            address: 127.0.0.1\n"
            "            port_value: 5000\n"
            "    - endpoint:\n"
            "        address:\n"
            "          pipe:\n"
            "            path: /x\n" HTTP_OPTIONS "    explicit_http_config:\n      http_protocol_options: {}\n");
    becomes(&in_cluster, "'type': 'strict_dns', 'lb_type': 'weighted_least_request', 'hosts': [{'url': 'tcp://a.b:80'}]",
            "...type: STRICT_DNS\ndns_lookup_family: V4_ONLY\nconnect_timeout: 1.5s\nlb_policy: LEAST_REQUEST\n");
    becomes(&in_cluster, "'type': 'logical_dns', 'lb_type': 'random', 'hosts': [{'url': 'tcp://[::1]:80'}], 'dns_lookup_family': 'auto'",
            "...type: LOGICAL_DNS\ndns_lookup_family: AUTO\nconnect_timeout: 1.5s\nlb_policy: RANDOM\n");
    becomes(&in_cluster,
            "'type': 'logical_dns', 'lb_type': 'least_request', 'hosts': [{'url': 'tcp://a:80'}], 'dns_refresh_rate_ms': 250, "
            "'dns_resolvers': ['127.0.0.1:53', 'tcp://[::1]:54']",
            "...cluster_type:\n"
            "  name: envoy.clusters.dns\n"
            "  typed_config:\n"
            "    \"@type\": type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster\n"
            "    dns_refresh_rate: 0.25s\n"
            "    all_addresses_in_single_endpoint: true\n"
            "    dns_lookup_family: V4_ONLY\n"
            "    typed_dns_resolver_config:\n"
            "      name: envoy.network.dns_resolver.cares\n"
            "      typed_config:\n"
            "        \"@type\": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig\n"
            "        resolvers:\n"
            "        - socket_address:\n"
            "            address: 127.0.0.1\n"
            "            port_value: 53\n"
            "        - socket_address:\n"
            "            address: \"::1\"\n"
            "            port_value: 54\n");
    becomes(&in_cluster,
            "'type': 'static', 'lb_type': 'random', 'hosts': [{'url': 'tcp://127.0.0.1:1'}], 'max_requests_per_connection': 7, "
            "'circuit_breakers': {'default': {'max_connections': 1, 'max_retries': 2}, 'high': {}}, 'alt_stat_name': 'z'",
            "...circuit_breakers:\n"
            "  thresholds:\n"
            "  - priority: DEFAULT\n"
            "    max_connections: 1\n"
            "    max_retries: 2\n"
            "  - priority: HIGH\n" HTTP_OPTIONS "      max_requests_per_connection: 7\n");
}

static void refuses_clusters(void **state)
{
    (void)state;
#define HOST "'hosts': [{'url': 'tcp://127.0.0.1:1'}]"
#define PLAIN "'type': 'static', 'lb_type': 'random', "
    static const struct {
        const char *snippet;
        enum nu_diag_kind kind;
        const char *path, *text;
    } cases[] = {
        {PLAIN HOST ", 'dns_refresh_rate_ms': 5", NU_DIAG_WARNING, "clusters[0]", "has no effect on a static cluster"},
        {PLAIN "'hosts': [{'url': 'tcp://name:1'}]", NU_DIAG_ERROR, "clusters[0].hosts[0]", "\"name\" is not an IP address"},
        {PLAIN "'hosts': [{'url': 'tcp://127.0.0.1'}]", NU_DIAG_ERROR, "hosts[0]", "is not an address"},
        {PLAIN "'hosts': [{'url': 'tcp://127.0.0.1:65536'}]", NU_DIAG_ERROR, "hosts[0]", "is not an address"},
        {PLAIN "'hosts': [{'url': 'tcp://::1:80'}]", NU_DIAG_ERROR, "hosts[0]", "is not an address"},
        {PLAIN "'hosts': [{'url': 'http://127.0.0.1:80'}]", NU_DIAG_ERROR, "hosts[0]", "tcp:// or unix://"},
        {PLAIN "'hosts': [{}]", NU_DIAG_ERROR, "hosts[0]", "a v1 host needs \"url\""},
        {PLAIN "'hosts': ['tcp://127.0.0.1:80']", NU_DIAG_ERROR, "hosts[0]", "must be a map, not \"tcp://127.0.0.1:80\""},
        {PLAIN "'hosts': []", NU_DIAG_ERROR, "clusters[0].hosts", "must not be empty"},
        {"'type': 'static', 'lb_type': 'random'", NU_DIAG_ERROR, "clusters[0]", "a cluster of type static needs \"hosts\""},
        {"'type': 'strict_dns', 'lb_type': 'random', 'hosts': [{'url': 'unix:///x'}]", NU_DIAG_ERROR, "hosts[0]", "type static"},
        {"'type': 'static', 'lb_type': 'sideways', " HOST, NU_DIAG_ERROR, "lb_type", "must be \"round_robin\", "},
        {"'type': 'sds', 'lb_type': 'random'", NU_DIAG_UNSUPPORTED, "type", "\"sds\" is not supported yet"},
        {"'type': 'original_dst', 'lb_type': 'original_dst_lb'", NU_DIAG_UNSUPPORTED, "lb_type", "is not supported yet"},
        {"'type': 'static', 'lb_type': 'ring_hash', " HOST, NU_DIAG_UNSUPPORTED, "lb_type", "\"ring_hash\" is not supported yet"},
        {"'type': 'static', " HOST, NU_DIAG_ERROR, "clusters[0]", "a v1 cluster needs \"lb_type\""},
        {PLAIN HOST ", 'ssl_context': {'ca_cert_fil': 'a'}", NU_DIAG_ERROR, "clusters[0].ssl_context",
         "unknown key \"ca_cert_fil\" in the ssl_context of a v1 cluster; did you mean \"ca_cert_file\"?"},
        {PLAIN HOST ", 'ssl_context': {'verify_subject_alt_name': 'a'}", NU_DIAG_ERROR, "verify_subject_alt_name", "must be a list"},
        {PLAIN HOST ", 'health_check': {}", NU_DIAG_UNSUPPORTED, "health_check", "not supported yet"},
        {PLAIN HOST ", 'outlier_detection': {}", NU_DIAG_UNSUPPORTED, "outlier_detection", "not supported yet"},
        {PLAIN HOST ", 'features': 'http2'", NU_DIAG_UNSUPPORTED, "features", "not supported yet"},
        {PLAIN HOST ", 'conect_timeout_ms': 5", NU_DIAG_ERROR, "clusters[0]",
         "unknown key \"conect_timeout_ms\" in a v1 cluster; did you mean \"connect_timeout_ms\"?"},
        {PLAIN HOST ", 'max_requests_per_connection': '5'", NU_DIAG_ERROR, "max_requests_per_connection",
         "must be a whole number that is not negative, not \"5\""},
        {PLAIN HOST ", 'max_requests_per_connection': 0", NU_DIAG_ERROR, "max_requests_per_connection", "more than 0"},
        {PLAIN HOST ", 'max_requests_per_connection': 1.5", NU_DIAG_ERROR, "max_requests_per_connection", "not 1.5"},
        {PLAIN HOST ", 'max_requests_per_connection': -1", NU_DIAG_ERROR, "max_requests_per_connection", "not -1"},
        {PLAIN HOST ", 'circuit_breakers': {'low': {}}", NU_DIAG_ERROR, "circuit_breakers", "unknown key \"low\""},
        {PLAIN HOST ", 'circuit_breakers': {'high': {'max_x': 1}}", NU_DIAG_ERROR, "circuit_breakers.high", "unknown key \"max_x\""},
        {PLAIN HOST ", '\xe2\x80\x9cname\xe2\x80\x9d': 1", NU_DIAG_ERROR, "clusters[0]", "typographic quotes"},
        {"'type': '\xe2\x80\x9cstatic\xe2\x80\x9d', 'lb_type': 'random', " HOST, NU_DIAG_ERROR, "type", "must be \"static\""},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++)
        refused(&in_cluster, cases[i].snippet, cases[i].kind, cases[i].path, cases[i].text);
}

static void translates_listeners(void **state)
{
    (void)state;
    becomes(&in_listener,
            "'name': 'l', 'address': 'tcp://[::1]:80', 'filters': [], 'bind_to_port': false, 'use_proxy_proto': true, "
            "'per_connection_buffer_limit_bytes': 10, 'drain_type': 'modify_only', 'use_original_dst': false",
            "name: l\n"
            "address:\n"
            "  socket_address:\n"
            "    address: \"::1\"\n"
            "    port_value: 80\n"
            "per_connection_buffer_limit_bytes: 10\n"
            "drain_type: MODIFY_ONLY\n"
            "bind_to_port: false\n"
            "listener_filters:\n"
            "- name: envoy.filters.listener.proxy_protocol\n"
            "  typed_config:\n"
            "    \"@type\": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol\n"
            "    disallowed_versions:\n"
            "    - V2\n"
            "filter_chains:\n"
            "- filters: []\n");
    becomes(&in_listener, "'port': 8080, 'filters': [{'type': 'both', 'name': 'echo', 'config': {}}]",
            "address:\n"
            "  socket_address:\n"
            "    address: 0.0.0.0\n"
            "    port_value: 8080\n"
            "filter_chains:\n"
            "- filters:\n"
            "  - name: envoy.filters.network.echo\n"
            "    typed_config:\n"
            "      \"@type\": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo\n");
    becomes(&in_listener, "'address': 'unix:///run/x', 'filters': []", "...address:\n  pipe:\n    path: /run/x\n");
    refused(&in_listener, "'filters': []", NU_DIAG_ERROR, "listeners[0]", "a v1 listener needs \"address\"");
    refused(&in_listener, "'address': 'tcp://0.0.0.0:1'", NU_DIAG_ERROR, "listeners[0]", "a v1 listener needs \"filters\"");
    refused(&in_listener, "'address': 'tcp://0.0.0.0:1', 'port': 1, 'filters': []", NU_DIAG_ERROR, "listeners[0]", "exclude");
    refused(&in_listener, "'address': 'tcp://localhost:1', 'filters': []", NU_DIAG_ERROR, "listeners[0].address", "not an IP");
    refused(&in_listener, "'port': 70000, 'filters': []", NU_DIAG_ERROR, "listeners[0]", "at most 65535");
    refused(&in_listener, "'port': 1, 'filters': [], 'ssl_context': {'cert_chain_file': 'a'}", NU_DIAG_ERROR, "listeners[0].ssl_context",
            "the ssl_context of a v1 listener needs \"private_key_file\"");
    refused(&in_listener,
            "'port': 1, 'filters': [], 'ssl_context': {'cert_chain_file': 'a', 'private_key_file': 'b', 'alt_alpn_protocols': 'x'}",
            NU_DIAG_UNSUPPORTED, "alt_alpn_protocols", "not supported yet");
    refused(&in_listener, "'port': 1, 'filters': [{'name': 'client_ssl_auth', 'config': {}}]", NU_DIAG_UNSUPPORTED, "filters[0]",
            "the network filter \"client_ssl_auth\" is not supported yet");
    refused(&in_listener, "'port': 1, 'filters': [], 'use_original_dst': true", NU_DIAG_UNSUPPORTED, "use_original_dst", "yet");
    refused(&in_listener, "'port': 1, 'filters': [{'name': 'redis_proxy', 'config': {}}]", NU_DIAG_UNSUPPORTED, "filters[0]",
            "the network filter \"redis_proxy\" is not supported yet");
    refused(&in_listener, "'port': 1, 'filters': [{'name': 'ecko', 'config': {}}]", NU_DIAG_ERROR, "filters[0]",
            "unknown network filter \"ecko\"; did you mean \"echo\"?");
    refused(&in_listener, "'port': 1, 'filters': [{'name': 'echo', 'config': {'a': 1}}]", NU_DIAG_ERROR, "filters[0].config",
            "unknown key \"a\"");
    refused(&in_listener, "'port': 1, 'filters': [{'name': 'echo', 'type': 'sideways'}]", NU_DIAG_ERROR, "type", "\"read\"");
}

static void translates_the_connection_manager(void **state)
{
    (void)state;
    becomes(&in_hcm, "'add_user_agent': true",
            "...add_user_agent: true\n"
            "common_http_protocol_options:\n"
            "  idle_timeout: 0s\n"
            "stream_idle_timeout: 0s\n"
            "http_protocol_options:\n"
            "  allow_absolute_url: false\n"
            "internal_address_config:\n"
            "  cidr_ranges:\n"
            "  - address_prefix: 10.0.0.0\n"
            "    prefix_len: 8\n");
    becomes(&in_hcm,
            "'idle_timeout_s': 90, 'http1_settings': {'allow_absolute_url': true}, 'server_name': 'me', 'drain_timeout_ms': 5",
            "...common_http_protocol_options:\n"
            "  idle_timeout: 90s\n"
            "stream_idle_timeout: 0s\n"
            "http_protocol_options:\n"
            "  allow_absolute_url: true\n"
            "server_name: me\n"
            "drain_timeout: 0.005s\n");
    becomes(&in_hcm,
            "'use_remote_address': true, 'generate_request_id': false, 'forward_client_cert': 'sanitize_set', "
            "'set_current_client_cert_details': ['Subject', 'SAN']",
            "...generate_request_id: false\n"
            "forward_client_cert_details: SANITIZE_SET\n"
            "set_current_client_cert_details:\n"
            "  subject: true\n"
            "  uri: true\n");
    becomes(&in_hcm, "'access_log': [{'path': '/x'}, {'path': '/y', 'format': '%DOWNSTREAM_ADDRESS% %PROTOCOL%%\\n'}]",
            "...access_log:\n"
            "- name: envoy.access_loggers.file\n"
            "  typed_config:\n"
            "    \"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog\n"
            "    path: /x\n"
            "- name: envoy.access_loggers.file\n"
            "  typed_config:\n"
            "    \"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog\n"
            "    path: /y\n"
            "    log_format:\n"
            "      text_format_source:\n"
            "        inline_string: \"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %PROTOCOL%%\\n\"\n");
    refused(&in_hcm, "'tracing': {}", NU_DIAG_UNSUPPORTED, "tracing", "not supported yet");
    refused(&in_hcm, "'rds': {}", NU_DIAG_ERROR, "filters[0].config", "exactly one of \"route_config\" and \"rds\"");
    refused(&in_hcm, "'http2_settings': {}", NU_DIAG_UNSUPPORTED, "http2_settings", "not supported yet");
    refused(&in_hcm, "'set_current_client_cert_details': ['Cert']", NU_DIAG_ERROR, "filters[0].config", "not \"Cert\"");
    refused(&in_hcm, "'forward_client_cert': 'x'", NU_DIAG_ERROR, "forward_client_cert", "must be \"sanitize\"");
    refused(&in_hcm, "'idle_timeout_s': 'x'", NU_DIAG_ERROR, "idle_timeout_s", "must be a whole number");
}

static void translates_log_filters(void **state)
{
    (void)state;
    becomes(&in_log_filter, "'type': 'status_code', 'op': '>=', 'value': 500, 'runtime_key': 'k'",
            "status_code_filter:\n"
            "  comparison:\n"
            "    op: GE\n"
            "    value:\n"
            "      default_value: 500\n"
            "      runtime_key: k\n");
    becomes(&in_log_filter, "'type': 'duration', 'op': '=', 'value': 5",
            "duration_filter:\n  comparison:\n    op: EQ\n    value:\n      default_value: 5\n");
    becomes(&in_log_filter,
            "'type': 'logical_and', 'filters': [{'type': 'not_healthcheck'}, {'type': 'logical_or', 'filters': "
            "[{'type': 'runtime', 'key': 'a'}, {'type': 'not_healthcheck'}]}]",
            "and_filter:\n"
            "  filters:\n"
            "  - not_health_check_filter: {}\n"
            "  - or_filter:\n"
            "      filters:\n"
            "      - runtime_filter:\n"
            "          runtime_key: a\n"
            "      - not_health_check_filter: {}\n");
    refused(&in_log_filter, "'type': 'logical_and', 'filters': []", NU_DIAG_ERROR, "filter", "at least two");
    refused(&in_log_filter, "'type': 'statuscode'", NU_DIAG_ERROR, "filter", "did you mean \"status_code\"?");
    refused(&in_log_filter, "'type': 'status_code', 'op': '<', 'value': 1", NU_DIAG_ERROR, "op", "must be \">=\" or \"=\"");
    refused(&in_log_filter, "'op': '='", NU_DIAG_ERROR, "filter", "needs \"type\"");
}

static void translates_http_filters(void **state)
{
    (void)state;
    becomes(&in_filters, "{'name': 'buffer', 'config': {'max_request_bytes': 9, 'max_request_time_s': 3}}",
            "- name: envoy.filters.http.buffer\n"
            "  typed_config:\n"
            "    \"@type\": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer\n"
            "    max_request_bytes: 9\n");
    becomes(&in_filters,
            "{'name': 'fault', 'config': {'abort': {'abort_percent': 10, 'http_status': 503}, 'delay': {'type': 'fixed', "
            "'fixed_delay_percent': 5, 'fixed_duration_ms': 20}, 'upstream_cluster': 's', 'headers': [{'name': 'x'}], "
            "'downstream_nodes': ['n']}}",
            "- name: envoy.filters.http.fault\n"
            "  typed_config:\n"
            "    \"@type\": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault\n"
            "    abort:\n"
            "      http_status: 503\n"
            "      percentage:\n"
            "        numerator: 10\n"
            "        denominator: HUNDRED\n"
            "    delay:\n"
            "      fixed_delay: 0.02s\n"
            "      percentage:\n"
            "        numerator: 5\n"
            "        denominator: HUNDRED\n"
            "    upstream_cluster: s\n"
            "    headers:\n"
            "    - name: x\n"
            "      present_match: true\n"
            "    downstream_nodes:\n"
            "    - \"n\"\n");
    becomes(&in_filters, "{'name': 'health_check', 'config': {'pass_through_mode': true, 'endpoint': '/h', 'cache_time_ms': 5}}",
            "- name: envoy.filters.http.health_check\n"
            "  typed_config:\n"
            "    \"@type\": type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck\n"
            "    pass_through_mode: true\n"
            "    headers:\n"
            "    - name: \":path\"\n"
            "      string_match:\n"
            "        exact: /h\n"
            "    cache_time: 0.005s\n");
    becomes(&in_filters, "{'name': 'cors', 'config': {}}, {'name': 'router', 'config': {'dynamic_stats': false}}",
            "...Router\n    dynamic_stats: false\n");
    refused(&in_filters, "", NU_DIAG_ERROR, "config.filters", "must not be empty");
    refused(&in_filters, "{'name': 'lua', 'config': {}}", NU_DIAG_UNSUPPORTED, "filters[0]", "HTTP filter \"lua\" is not supported");
    refused(&in_filters, "{'name': 'rooter', 'config': {}}", NU_DIAG_ERROR, "filters[0]", "did you mean \"router\"?");
    refused(&in_filters, "{'name': 'fault', 'config': {}}", NU_DIAG_ERROR, "config", "needs \"abort\" or \"delay\"");
    refused(&in_filters, "{'name': 'fault', 'config': {'abort': {'abort_percent': 101, 'http_status': 500}}}", NU_DIAG_ERROR,
            "abort.abort_percent", "0 to 100");
    refused(&in_filters, "{'name': 'fault', 'config': {'delay': {'type': 'wild', 'fixed_delay_percent': 1, "
                         "'fixed_duration_ms': 1}}}",
            NU_DIAG_ERROR, "delay.type", "\"fixed\"");
    refused(&in_filters, "{'name': 'router', 'config': {'start_child_span': true}}", NU_DIAG_UNSUPPORTED, "start_child_span", "yet");
}

static void buffer_time_is_the_request_timeout(void **state)
{
    (void)state;
    struct place place = in_filters;
    place.path[8] = "request_timeout";
    becomes(&place, "{'name': 'buffer', 'config': {'max_request_bytes': 9, 'max_request_time_s': 3}}", "3s\n");
}

static void translates_virtual_hosts(void **state)
{
    (void)state;
    becomes(&in_route_config,
            "'validate_clusters': false, 'virtual_hosts': [], 'internal_only_headers': ['x-i'], 'response_headers_to_add': "
            "[{'key': 'x-a', 'value': 'b'}], 'response_headers_to_remove': ['x-r'], 'request_headers_to_add': [{'key': 'x-ip', "
            "'value': '%CLIENT_IP%'}]",
            "validate_clusters: false\n"
            "virtual_hosts: []\n"
            "internal_only_headers:\n"
            "- x-i\n"
            "response_headers_to_add:\n"
            "- header:\n"
            "    key: x-a\n"
            "    value: b\n"
            "response_headers_to_remove:\n"
            "- x-r\n"
            "request_headers_to_add:\n"
            "- header:\n"
            "    key: x-ip\n"
            "    value: \"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%\"\n");
    becomes(&in_host,
            "'routes': [], 'require_ssl': 'external_only', 'virtual_clusters': [{'pattern': '/a', 'name': 'v', 'method': 'GET'}, "
            "{'pattern': '/b', 'name': 'w'}], 'cors': {'allow_origin': ['*'], 'allow_methods': 'GET', 'allow_credentials': true}",
            "name: h\n"
            "domains:\n"
            "- \"*\"\n"
            "require_tls: EXTERNAL_ONLY\n"
            "routes: []\n"
            "virtual_clusters:\n"
            "- name: v\n"
            "  headers:\n"
            "  - name: \":path\"\n"
            "    string_match:\n"
            "      safe_regex:\n"
            "        regex: /a\n"
            "  - name: \":method\"\n"
            "    string_match:\n"
            "      exact: GET\n"
            "- name: w\n"
            "  headers:\n"
            "  - name: \":path\"\n"
            "    string_match:\n"
            "      safe_regex:\n"
            "        regex: /b\n"
            "typed_per_filter_config:\n"
            "  envoy.filters.http.cors:\n"
            "    \"@type\": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy\n"
            "    allow_origin_string_match:\n"
            "    - exact: \"*\"\n"
            "    allow_methods: GET\n"
            "    allow_credentials: true\n");
    refused(&in_host, "'routes': [], 'cors': {'enabled': true}", NU_DIAG_ERROR, "cors", "unknown key \"enabled\"");
    refused(&in_host, "'routes': [], 'rate_limits': []", NU_DIAG_UNSUPPORTED, "rate_limits", "not supported yet");
    refused(&in_host, "'routes': [], 'require_ssl': 'some'", NU_DIAG_ERROR, "require_ssl", "\"all\" or \"external_only\"");
    refused(&in_host, "'domains': [], 'routes': []", NU_DIAG_ERROR, "domains", "must not be empty");
    refused(&in_host, "'domains': [1], 'routes': []", NU_DIAG_ERROR, "virtual_hosts[0].domains[0]", "must be a string, not 1");
}

#define FOUND "    cluster_not_found_response_code: NOT_FOUND\n"
#define HOST_HEAD "name: h\ndomains:\n- \"*\"\nroutes:\n- match:\n"

static void translates_routes(void **state)
{
    (void)state;
    becomes(&in_route, "'timeout_ms': 0, 'prefix': '/a', 'cluster': 's'",
            HOST_HEAD "    prefix: /a\n  route:\n    cluster: s\n" FOUND "    timeout: 0s\n");
    becomes(&in_route, "'path': '/a', 'cluster_header': 'x-c', 'case_sensitive': false, 'prefix_rewrite': '/', 'host_rewrite': 'h'",
            HOST_HEAD "    path: /a\n    case_sensitive: false\n  route:\n    cluster_header: x-c\n" FOUND
                      "    prefix_rewrite: /\n    host_rewrite_literal: h\n");
    becomes(&in_route,
            "'regex': '/[a-z]', 'auto_host_rewrite': true, 'priority': 'high', 'use_websocket': true, 'weighted_clusters': "
            "{'runtime_key_prefix': 'k', 'clusters': [{'name': 's', 'weight': 100}, {'name': 's', 'weight': 0}]}",
            HOST_HEAD "    safe_regex:\n"
                      "      regex: \"/[a-z]\"\n"
                      "  route:\n"
                      "    weighted_clusters:\n"
                      "      clusters:\n"
                      "      - name: s\n"
                      "        weight: 100\n"
                      "      - name: s\n"
                      "        weight: 0\n"
                      "      runtime_key_prefix: k\n" FOUND "    auto_host_rewrite: true\n"
                      "    priority: HIGH\n"
                      "    upgrade_configs:\n"
                      "    - upgrade_type: websocket\n");
    becomes(&in_route, "'prefix': '/', 'host_redirect': 'a.b', 'path_redirect': '/n'",
            HOST_HEAD "    prefix: /\n"
                      "  redirect:\n"
                      "    host_redirect: a.b\n"
                      "    path_redirect: /n\n"
                      "    strip_query: true\n");
    becomes(&in_route,
            "'prefix': '/', 'cluster': 's', 'runtime': {'key': 'r', 'default': 10}, 'retry_policy': {'retry_on': '5xx', "
            "'num_retries': 3, 'per_try_timeout_ms': 100}, 'shadow': {'cluster': 's'}, 'cors': {'enabled': false}, "
            "'request_headers_to_add': [{'key': 'a', 'value': ''}], 'opaque_config': {'k': 'v'}, 'decorator': {'operation': 'o'}",
            HOST_HEAD "    prefix: /\n"
                      "    runtime_fraction:\n"
                      "      default_value:\n"
                      "        numerator: 10\n"
                      "        denominator: HUNDRED\n"
                      "      runtime_key: r\n"
                      "  route:\n"
                      "    cluster: s\n" FOUND "    retry_policy:\n"
                      "      retry_on: \"5xx\"\n"
                      "      num_retries: 3\n"
                      "      per_try_timeout: 0.1s\n"
                      "    request_mirror_policies:\n"
                      "    - cluster: s\n"
                      "  request_headers_to_add:\n"
                      "  - header:\n"
                      "      key: a\n"
                      "      value: \"\"\n"
                      "  metadata:\n"
                      "    filter_metadata:\n"
                      "      envoy.filters.http.router:\n"
                      "        k: v\n"
                      "  typed_per_filter_config:\n"
                      "    envoy.filters.http.cors:\n"
                      "      \"@type\": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy\n"
                      "      filter_enabled:\n"
                      "        default_value:\n"
                      "          numerator: 0\n"
                      "          denominator: HUNDRED\n"
                      "  decorator:\n"
                      "    operation: o\n");
    becomes(&in_route,
            "'prefix': '/', 'cluster': 's', 'content_type': 'application/grpc', 'headers': [{'name': 'a'}, {'name': 'b', 'value': "
            "'c'}, {'name': 'd', 'value': 'e+', 'regex': true}, {'name': 'f', 'range_match': {'start': -1, 'end': 2}}], "
            "'query_parameters': [{'name': 'g', 'value': ''}, {'name': 'h', 'value': 'i', 'regex': true}]",
            HOST_HEAD "    prefix: /\n"
                      "    headers:\n"
                      "    - name: content-type\n"
                      "      string_match:\n"
                      "        exact: application/grpc\n"
                      "    - name: a\n"
                      "      present_match: true\n"
                      "    - name: b\n"
                      "      string_match:\n"
                      "        exact: c\n"
                      "    - name: d\n"
                      "      string_match:\n"
                      "        safe_regex:\n"
                      "          regex: e+\n"
                      "    - name: f\n"
                      "      range_match:\n"
                      "        start: -1\n"
                      "        end: 2\n"
                      "    query_parameters:\n"
                      "    - name: g\n"
                      "      present_match: true\n"
                      "    - name: h\n"
                      "      string_match:\n"
                      "        safe_regex:\n"
                      "          regex: i\n"
                      "  route:\n"
                      "    cluster: s\n" FOUND);
}

static void refuses_routes(void **state)
{
    (void)state;
    static const struct {
        const char *snippet;
        enum nu_diag_kind kind;
        const char *path, *text;
    } cases[] = {
        {"'prefix': '/'", NU_DIAG_ERROR, "routes[0]", "needs exactly one of \"cluster\""},
        {"'cluster': 's'", NU_DIAG_ERROR, "routes[0]", "needs exactly one of \"prefix\""},
        {"'prefix': '/', 'path': '/', 'cluster': 's'", NU_DIAG_ERROR, "routes[0]", "needs exactly one of \"prefix\""},
        {"'prefix': '/', 'cluster': 's', 'cluster_header': 'x'", NU_DIAG_ERROR, "routes[0]", "exactly one of \"cluster\""},
        {"'prefix': '/', 'cluster': 's', 'host_redirect': 'x'", NU_DIAG_ERROR, "routes[0]", "not both"},
        {"'prefix': '/', 'cluster': 's', 'host_rewrite': 'x', 'auto_host_rewrite': true", NU_DIAG_ERROR, "routes[0]", "exclude"},
        {"'prefix': '/', 'weighted_clusters': {'clusters': [{'name': 's', 'weight': 99}]}", NU_DIAG_ERROR, "routes[0]",
         "must add up to 100, not 99"},
        {"'prefix': '/', 'cluster': 's', 'runtime': {'key': 'x'}", NU_DIAG_ERROR, "routes[0].runtime", "needs \"default\""},
        {"'prefix': '/', 'cluster': 's', 'retry_policy': {}", NU_DIAG_ERROR, "routes[0].retry_policy", "needs \"retry_on\""},
        {"'prefix': '/', 'cluster': 's', 'shadow': {'cluster': 's', 'runtime_key': 'x'}", NU_DIAG_WARNING, "routes[0]",
         "10,000ths"},
        {"'prefix': '/', 'cluster': 's', 'hash_policy': {'header_name': 'x'}", NU_DIAG_UNSUPPORTED, "hash_policy", "yet"},
        {"'prefix': '/', 'cluster': 's', 'rate_limits': []", NU_DIAG_UNSUPPORTED, "rate_limits", "yet"},
        {"'prefix': '/', 'cluster': 's', 'opaque_config': {'a': 1}", NU_DIAG_ERROR, "routes[0]", "takes strings"},
        {"'prefix': '/', 'cluster': 's', 'timeout': 5", NU_DIAG_ERROR, "routes[0]", "did you mean \"timeout_ms\"?"},
        {"'prefix': '/', 'cluster': 's', 'headers': [{'name': 'x', 'range_match': {'start': 1}}]", NU_DIAG_ERROR, "headers[0]",
         "a range_match is"},
        {"'prefix': '/', 'cluster': 's', 'headers': [{'name': 'x', 'value': 'y', 'range_match': {'start': 1, 'end': 2}}]",
         NU_DIAG_ERROR, "headers[0]", "exclude each other"},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++)
        refused(&in_route, cases[i].snippet, cases[i].kind, cases[i].path, cases[i].text);
}

static void translates_the_top(void **state)
{
    (void)state;
    becomes(&in_top,
            "'admin': {'access_log_path': '/l', 'port': 9}, 'stats_flush_interval_ms': 1250, "
            "'watchdog_miss_timeout_ms': 300, 'watchdog_kill_timeout_ms': 0, 'runtime': {'symlink_root': '/r', "
            "'subdirectory': 's', 'override_subdirectory': 'o'}",
            "static_resources:\n"
            "  listeners: []\n"
            "  clusters: []\n"
            "admin:\n"
            "  access_log:\n"
            "  - name: envoy.access_loggers.file\n"
            "    typed_config:\n"
            "      \"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog\n"
            "      path: /l\n"
            "  address:\n"
            "    socket_address:\n"
            "      address: 0.0.0.0\n"
            "      port_value: 9\n"
            "stats_flush_interval: 1.25s\n"
            "watchdogs:\n"
            "  main_thread_watchdog:\n"
            "    miss_timeout: 0.3s\n"
            "    kill_timeout: 0s\n"
            "  worker_watchdog:\n"
            "    miss_timeout: 0.3s\n"
            "    kill_timeout: 0s\n"
            "layered_runtime:\n"
            "  layers:\n"
            "  - name: root\n"
            "    disk_layer:\n"
            "      symlink_root: /r\n"
            "      subdirectory: s\n"
            "  - name: override\n"
            "    disk_layer:\n"
            "      symlink_root: /r\n"
            "      subdirectory: o\n"
            "      append_service_cluster: true\n"
            "  - name: admin\n"
            "    admin_layer: {}\n");
    refused(&in_top, "'admin': {'access_log_path': '/l'}", NU_DIAG_ERROR, "admin", "needs \"address\"");
    refused(&in_top, "'stats_flush_interval_ms': 5", NU_DIAG_ERROR, "", "a v1 configuration needs \"admin\"");
    refused(&in_top, ADMIN ", 'tracing': {}", NU_DIAG_UNSUPPORTED, "tracing", "not supported yet");
    refused(&in_top, ADMIN ", 'lds': {}", NU_DIAG_UNSUPPORTED, "lds", "not supported yet");
    refused(&in_top, ADMIN ", 'statsd_udp_ip_address': '127.0.0.1:1'", NU_DIAG_UNSUPPORTED, "statsd_udp_ip_address", "yet");
    refused(&in_top, ADMIN ", 'listener': []", NU_DIAG_ERROR, "", "did you mean \"listeners\"?");
}

/* The chain that v3 takes for a connection: the most specific of each dimension, in order, without going back. */
struct connection {
    unsigned dest_port, source_port;
    const char *dest_ip, *source_ip;
};

static bool in_range(const struct nu_tree *match, const char *key, const char *ip, size_t *bits_out)
{
    const struct nu_tree *list = nu_tree_get(match, nu_str_from(key));
    if (list == NULL) {
        *bits_out = 0;
        return true;
    }
    const struct nu_tree *range = list->u.list.items[0];
    uint64_t bits;
    assert_true(nu_str_to_u64(nu_tree_get(range, NU_STR("prefix_len"))->u.text, &bits));
    nu_str prefix = nu_tree_get(range, NU_STR("address_prefix"))->u.text;
    *bits_out = 1 + bits;
    /* The tests' prefixes end at a byte; so text decides. */
    size_t dots = bits / 8, n = 0;
    while (n < prefix.len && (dots > 0 || bits == 32)) {
        dots -= prefix.ptr[n++] == '.';
        if (dots == 0 && bits != 32)
            break;
    }
    return strncmp(ip, prefix.ptr, n) == 0 && (bits != 32 || strlen(ip) == prefix.len);
}

static bool has_source_port(const struct nu_tree *match, unsigned port, size_t *score)
{
    const struct nu_tree *list = nu_tree_get(match, NU_STR("source_ports"));
    *score = list != NULL;
    for (size_t i = 0; list != NULL && i < list->u.list.n; i++) {
        uint64_t v;
        if (nu_str_to_u64(list->u.list.items[i]->u.text, &v) && v == port)
            return true;
    }
    return list == NULL;
}

static const char *choose(const struct nu_tree *chains, const struct connection *c)
{
    const struct nu_tree *best = NULL;
    size_t best_score[4] = {0};
    for (size_t i = 0; i < chains->u.list.n; i++) {
        const struct nu_tree *match = nu_tree_get(chains->u.list.items[i], NU_STR("filter_chain_match"));
        size_t score[4];
        uint64_t port = 0;
        const struct nu_tree *dest = nu_tree_get(match, NU_STR("destination_port"));
        if (dest != NULL && (!nu_str_to_u64(dest->u.text, &port) || port != c->dest_port))
            continue;
        score[0] = dest != NULL;
        if (!in_range(match, "prefix_ranges", c->dest_ip, &score[1]) ||
            !in_range(match, "source_prefix_ranges", c->source_ip, &score[2]) ||
            !has_source_port(match, c->source_port, &score[3]))
            continue;
        size_t k = 0;
        while (k < 3 && score[k] == best_score[k])
            k++;
        if (best == NULL || score[k] > best_score[k]) {
            best = chains->u.list.items[i];
            memcpy(best_score, score, sizeof(score));
        }
    }
    if (best == NULL)
        return "";
    const struct nu_tree *filters = nu_tree_get(best, NU_STR("filters"));
    return nu_tree_get(nu_tree_get(filters->u.list.items[filters->u.list.n - 1], NU_STR("typed_config")), NU_STR("cluster"))
        ->u.text.ptr;
}

static void tcp_routes_decide_as_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *routes;
        struct connection connection;
        const char *cluster; /* "": closed */
    } cases[] = {
        {"{'cluster': 'a'}", {80, 1, "1.2.3.4", "5.6.7.8"}, "a"},
        {"{'cluster': 'a'}, {'cluster': 'b', 'destination_ports': '80'}", {80, 1, "1.2.3.4", "5.6.7.8"}, "a"},
        {"{'cluster': 'a', 'destination_ports': '1-80, 90'}, {'cluster': 'b'}", {80, 1, "1.2.3.4", "5.6.7.8"}, "a"},
        {"{'cluster': 'a', 'destination_ports': '1-80,90'}, {'cluster': 'b'}", {90, 1, "1.2.3.4", "5.6.7.8"}, "a"},
        {"{'cluster': 'a', 'destination_ports': '1-80,90'}, {'cluster': 'b'}", {81, 1, "1.2.3.4", "5.6.7.8"}, "b"},
        {"{'cluster': 'a', 'destination_ports': '0-65535'}, {'cluster': 'b'}", {81, 1, "1.2.3.4", "5.6.7.8"}, "a"},
        /* a wide prefix before a narrow one */
        {"{'cluster': 'a', 'destination_ip_list': ['10.0.0.0/8']}, {'cluster': 'b', 'destination_ip_list': ['10.1.0.0/16']}",
         {80, 1, "10.1.0.1", "5.6.7.8"}, "a"},
        {"{'cluster': 'b', 'destination_ip_list': ['10.1.0.0/16']}, {'cluster': 'a', 'destination_ip_list': ['10.0.0.0/8']}",
         {80, 1, "10.1.0.1", "5.6.7.8"}, "b"},
        {"{'cluster': 'b', 'destination_ip_list': ['10.1.0.0/16']}, {'cluster': 'a', 'destination_ip_list': ['10.0.0.0/8']}",
         {80, 1, "10.2.0.1", "5.6.7.8"}, "a"},
        {"{'cluster': 'b', 'destination_ip_list': ['10.1.0.0/16']}", {80, 1, "10.2.0.1", "5.6.7.8"}, ""},
        /* v3 would prefer the port, v1 goes by order */
        {"{'cluster': 'a', 'source_ip_list': ['5.6.0.0/16']}, {'cluster': 'b', 'destination_ports': '80'}",
         {80, 1, "1.2.3.4", "5.6.7.8"}, "a"},
        {"{'cluster': 'a', 'source_ip_list': ['5.6.0.0/16']}, {'cluster': 'b', 'destination_ports': '80'}",
         {80, 1, "1.2.3.4", "5.7.7.8"}, "b"},
        {"{'cluster': 'a', 'source_ip_list': ['5.6.0.0/16']}, {'cluster': 'b', 'destination_ports': '80'}",
         {81, 1, "1.2.3.4", "5.7.7.8"}, ""},
        /* no way back from a port that matches to another dimension */
        {"{'cluster': 'a', 'destination_ports': '80', 'source_ports': '7'}, {'cluster': 'b', 'source_ports': '8'}",
         {80, 8, "1.2.3.4", "5.6.7.8"}, "b"},
        {"{'cluster': 'a', 'destination_ports': '80', 'source_ports': '7'}, {'cluster': 'b', 'source_ports': '8'}",
         {80, 9, "1.2.3.4", "5.6.7.8"}, ""},
        {"{'cluster': 'a', 'source_ports': '7'}, {'cluster': 'b', 'source_ports': '1-10'}, {'cluster': 'c'}",
         {80, 7, "1.2.3.4", "5.6.7.8"}, "a"},
        {"{'cluster': 'a', 'source_ports': '7'}, {'cluster': 'b', 'source_ports': '1-10'}, {'cluster': 'c'}",
         {80, 10, "1.2.3.4", "5.6.7.8"}, "b"},
        {"{'cluster': 'a', 'source_ports': '7'}, {'cluster': 'b', 'source_ports': '1-10'}, {'cluster': 'c'}",
         {80, 11, "1.2.3.4", "5.6.7.8"}, "c"},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        struct run r;
        char snippet[512];
        snprintf(snippet, sizeof(snippet), "'route_config': {'routes': [%s]}", cases[i].routes);
        start(&r, &in_tcp, snippet);
        no_errors(&r);
        assert_string_equal(choose(follow(r.tree, in_tcp.path), &cases[i].connection), cases[i].cluster);
        end(&r);
    }
}

static void translates_tcp_proxy(void **state)
{
    (void)state;
#define TCP_HEAD                                                                                                              \
    "  - name: envoy.filters.network.tcp_proxy\n"                                                                             \
    "    typed_config:\n"                                                                                                     \
    "      \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy\n"                           \
    "      stat_prefix: t\n"
    becomes(&in_tcp, "'cluster': 's'", "- filters:\n" TCP_HEAD "      cluster: s\n      idle_timeout: 0s\n");
    becomes(&in_tcp, "'route_config': {'routes': [{'cluster': 's', 'destination_ports': '80', 'source_ip_list': ['::1/128']}]}",
            "- filter_chain_match:\n"
            "    destination_port: 80\n"
            "    source_prefix_ranges:\n"
            "    - address_prefix: \"::1\"\n"
            "      prefix_len: 128\n"
            "  filters:\n" TCP_HEAD "      cluster: s\n      idle_timeout: 0s\n");
    becomes(&in_tcp, "'route_config': {'routes': []}", "- filters: []\n");
    refused(&in_tcp, "'cluster': 's', 'route_config': {'routes': []}", NU_DIAG_ERROR, "config", "only one of");
    refused(&in_tcp, "'access_log': []", NU_DIAG_ERROR, "config", "needs \"route_config\"");
    refused(&in_tcp, "'route_config': {'routes': [{}]}", NU_DIAG_ERROR, "route_config.routes[0]", "needs \"cluster\"");
    refused(&in_tcp, "'route_config': {'routes': [{'cluster': 's', 'destination_ports': '1-'}]}", NU_DIAG_ERROR, "routes[0]",
            "not a list of ports");
    refused(&in_tcp, "'route_config': {'routes': [{'cluster': 's', 'source_ip_list': ['1.2.3.4']}]}", NU_DIAG_ERROR, "routes[0]",
            "not a range of addresses");
    refused(&in_tcp, "'route_config': {'routes': [{'cluster': 's', 'destination_ports': '1-5000'}]}", NU_DIAG_UNSUPPORTED,
            "route_config", "more than 4096 filter chains");
}

/* What the loader finds later stands at the place in the v1 file. */
static void later_reports_point_into_the_v1_file(void **state)
{
    (void)state;
    struct run r;
    start(&r, &in_cluster, "'type': 'static', 'lb_type': 'random', 'hosts': [{'url': 'tcp://127.0.0.1:1'}],\n"
                           "'per_connection_buffer_limit_bytes': 99999999999");
    no_errors(&r);
    (void)nu_pb_load(&r.arena, &r.diags, r.tree, &envoy_config_bootstrap_v3_Bootstrap_type);
    assert_int_equal(r.diags.n_errors, 1);
    assert_int_equal(r.diags.items[0].pos.line, 2);
    assert_int_equal(r.diags.items[0].pos.column, 38);
    end(&r);
}

#define HASH "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"

static void ssl_contexts_become_transports(void **state)
{
    (void)state;
    becomes(&in_listener,
            "'address': 'tcp://0.0.0.0:1', 'filters': [], 'ssl_context': {'cert_chain_file': '/c', 'private_key_file': '/k', "
            "'alpn_protocols': 'h2,http/1.1', 'ca_cert_file': '/ca', 'require_client_certificate': true, "
            "'verify_certificate_hash': '" HASH "', 'verify_subject_alt_name': ['spiffe://a'], 'crl_file': '/crl', "
            "'cipher_suites': '[A|B]:C', 'ecdh_curves': 'X25519:P-256', 'session_ticket_key_paths': ['/t1', '/t2']}",
            "...  transport_socket:\n"
            "    name: envoy.transport_sockets.tls\n"
            "    typed_config:\n"
            "      \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext\n"
            "      common_tls_context:\n"
            "        tls_params:\n"
            "          cipher_suites:\n"
            "          - \"[A|B]\"\n"
            "          - C\n"
            "          ecdh_curves:\n"
            "          - X25519\n"
            "          - P-256\n"
            "        tls_certificates:\n"
            "        - certificate_chain:\n"
            "            filename: /c\n"
            "          private_key:\n"
            "            filename: /k\n"
            "        validation_context:\n"
            "          trusted_ca:\n"
            "            filename: /ca\n"
            "          verify_certificate_hash:\n"
            "          - " HASH "\n"
            "          match_typed_subject_alt_names:\n"
            "          - san_type: DNS\n"
            "            matcher:\n"
            "              exact: spiffe://a\n"
            "          - san_type: URI\n"
            "            matcher:\n"
            "              exact: spiffe://a\n"
            "          crl:\n"
            "            filename: /crl\n"
            "        alpn_protocols:\n"
            "        - h2\n"
            "        - http/1.1\n"
            "      require_client_certificate: true\n"
            "      session_ticket_keys:\n"
            "        keys:\n"
            "        - filename: /t1\n"
            "        - filename: /t2\n");
    becomes(&in_cluster,
            PLAIN HOST ", 'ssl_context': {'sni': 'a.b', 'ca_cert_file': '/ca', 'cert_chain_file': '', 'ecdh_curves': 'P-256'}",
            "...transport_socket:\n"
            "  name: envoy.transport_sockets.tls\n"
            "  typed_config:\n"
            "    \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n"
            "    common_tls_context:\n"
            "      tls_params:\n"
            "        ecdh_curves:\n"
            "        - P-256\n"
            "      validation_context:\n"
            "        trusted_ca:\n"
            "          filename: /ca\n"
            "    sni: a.b\n");
    becomes(&in_cluster, PLAIN HOST ", 'ssl_context': {}",
            "...transport_socket:\n"
            "  name: envoy.transport_sockets.tls\n"
            "  typed_config:\n"
            "    \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n"
            "    common_tls_context: {}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recognises_v1_by_its_shape),
        cmocka_unit_test(ssl_contexts_become_transports),
        cmocka_unit_test(translates_clusters),
        cmocka_unit_test(refuses_clusters),
        cmocka_unit_test(translates_listeners),
        cmocka_unit_test(translates_the_connection_manager),
        cmocka_unit_test(translates_log_filters),
        cmocka_unit_test(translates_http_filters),
        cmocka_unit_test(buffer_time_is_the_request_timeout),
        cmocka_unit_test(translates_virtual_hosts),
        cmocka_unit_test(translates_routes),
        cmocka_unit_test(refuses_routes),
        cmocka_unit_test(translates_the_top),
        cmocka_unit_test(tcp_routes_decide_as_in_order),
        cmocka_unit_test(translates_tcp_proxy),
        cmocka_unit_test(later_reports_point_into_the_v1_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
