/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/test_table.h"

static struct nu_arena arena;

/* A request in one line: "GET host /path name:value|name:value". */
static struct nu_http_headers *request(const char *line)
{
    struct nu_http_headers *h = nu_headers_new(&arena, false);
    nu_str rest = nu_arena_str(&arena, nu_str_from(line));
    h->method = nu_str_next(&rest, ' ');
    h->authority = nu_str_next(&rest, ' ');
    h->scheme = NU_STR("http");
    nu_str path = nu_str_next(&rest, ' ');
    if (!nu_str_eq(path, NU_STR("-")))
        h->path = path;
    while (rest.ptr != NULL && rest.len > 0) {
        nu_str value = nu_str_next(&rest, '|'), name = nu_str_next(&value, ':');
        (void)nu_headers_add_wire(h, name, value);
    }
    return h;
}

struct row {
    const char *request, *want; /* route's name; "-": none; "=": no virtual host */
    uint64_t random;
};

static void check(const char *yaml, const struct row *rows, size_t n)
{
    nu_str error;
    struct nu_route_table *t = test_table(yaml, &arena, &error);
    if (t == NULL)
        fail_msg("%.*s", NU_STR_ARG(error));
    for (size_t i = 0; i < n; i++) {
        struct nu_route_match m;
        nu_route_lookup(t, request(rows[i].request), NULL, NULL, rows[i].random, &m);
        nu_str got = m.vhost == NULL   ? NU_STR("=")
                     : m.tls_redirect  ? NU_STR("tls")
                     : m.route == NULL ? NU_STR("-")
                     : m.weighted      ? m.weighted->name
                                       : m.route->name;
        if (!nu_str_eq(got, nu_str_from(rows[i].want)))
            fail_msg("%s: %.*s, not %s", rows[i].request, NU_STR_ARG(got), rows[i].want);
    }
    nu_route_table_unref(&t);
}
#define CHECK(yaml, ...)                                                                           \
    do {                                                                                           \
        static const struct row rows_[] = {__VA_ARGS__};                                           \
        check((yaml), rows_, NU_ARRAY_LEN(rows_));                                                 \
    } while (0)

static void the_first_route_whose_path_matches_wins(void **state)
{
    (void)state;
    CHECK("virtual_hosts:\n"
          "- name: v\n"
          "  domains: ['*']\n"
          "  routes:\n"
          "  - {name: query, match: {prefix: '/q?x'}, route: {cluster: a}}\n"
          "  - {name: exact, match: {path: /exact}, route: {cluster: a}}\n"
          "  - {name: nocase, match: {path: /CaSe, case_sensitive: false}, route: {cluster: a}}\n"
          "  - {name: nocaseprefix, match: {prefix: /PrE, case_sensitive: false}, route: {cluster: a}}\n"
          "  - {name: segments, match: {path_separated_prefix: /api/v1}, route: {cluster: a}}\n"
          "  - {name: regex, match: {safe_regex: {regex: '/r/[0-9]+'}}, route: {cluster: a}}\n"
          "  - {name: prefix, match: {prefix: /p}, route: {cluster: a}}\n"
          "  - {name: connect, match: {connect_matcher: {}}, route: {cluster: a}}\n",
          {"GET h /exact", "exact", 0}, {"GET h /exact?x=1", "exact", 0}, {"GET h /exact/", "-", 0},
          {"GET h /exact#f", "exact", 0}, {"GET h /case", "nocase", 0}, {"GET h /pRE-x", "nocaseprefix", 0},
          {"GET h /api/v1", "segments", 0}, {"GET h /api/v1/x", "segments", 0}, {"GET h /api/v1?x", "segments", 0},
          {"GET h /api/v12", "-", 0}, {"GET h /r/12", "regex", 0}, {"GET h /r/12?a", "regex", 0},
          {"GET h /r/12/x", "-", 0}, {"GET h /px", "prefix", 0}, {"GET h /q?x", "-", 0}, {"CONNECT h:80 -", "connect", 0},
          {"GET h /", "-", 0});
}

/* What a route's kind, text and a path say, written down once more. */
static bool expected(const char *kind, const char *text, const char *path)
{
    size_t n = strlen(text), m = strcspn(path, "?#");
    bool starts = m >= n && memcmp(path, text, n) == 0;
    return starts && (strcmp(kind, "prefix") == 0 || m == n || (strcmp(kind, "path") != 0 && path[n] == '/'));
}

static void paths_of_every_length_match_as_they_should(void **state)
{
    (void)state;
    static const char *const kinds[] = {"prefix", "path", "path_separated_prefix"};
    static const char *const texts[] = {"/",         "/a",         "/abcdef",          "/abcdefg",
                                        "/abcdefgh", "/abcdefghi", "/abcdefgh/234567", "/Xbcdefgh/23456789"};
    static const char *const paths[] = {
        "/",         "/a",         "/a/",         "/ab",          "/abcde",     "/abcdef",     "/abcdef/",
        "/abcdefg",  "/abcdefG",   "/abcdefg/",   "/abcdefg?h",   "/abcdefgh",  "/abcdefgX",   "/Xbcdefgh",
        "/abcdefghi", "/abcdefgh/", "/abcdefgh?i", "/abcdefghi/j", "/abcdefgh/234567", "/abcdefgh/234568",
        "/Xbcdefgh/234567", "/Xbcdefgh/23456789", "/abcdefgh/23456789", "/Xbcdefgh/2345678", "/Xbcdefgh/23456789/a#b",
    };
    for (size_t k = 0; k < NU_ARRAY_LEN(kinds); k++) {
        for (size_t i = k == 2 ? 1 : 0; i < NU_ARRAY_LEN(texts); i++) {
            nu_str error, yaml = nu_arena_printf(&arena,
                                                 "virtual_hosts: [{name: v, domains: ['*'], routes: ["
                                                 "{name: r, match: {%s: '%s'}, route: {cluster: a}}]}]",
                                                 kinds[k], texts[i]);
            struct nu_route_table *t = test_table(yaml.ptr, &arena, &error);
            if (t == NULL)
                fail_msg("%.*s", NU_STR_ARG(error));
            for (size_t p = 0; p < NU_ARRAY_LEN(paths); p++) {
                struct nu_route_match m;
                nu_str line = nu_arena_printf(&arena, "GET h %s", paths[p]);
                nu_route_lookup(t, request(line.ptr), NULL, NULL, 0, &m);
                if ((m.route != NULL) != expected(kinds[k], texts[i], paths[p]))
                    fail_msg("%s %s, %s", kinds[k], texts[i], paths[p]);
            }
            nu_route_table_unref(&t);
        }
    }
}

static void all_conditions_must_hold(void **state)
{
    (void)state;
    CHECK("virtual_hosts:\n"
          "- name: v\n"
          "  domains: ['*']\n"
          "  routes:\n"
          "  - {name: header, match: {prefix: /, headers: [{name: x-a, string_match: {exact: '1'}}, {name: ':method', "
          "string_match: {exact: POST}}]}, route: {cluster: a}}\n"
          "  - {name: query, match: {prefix: /, query_parameters: [{name: q, string_match: {prefix: z}}]}, route: "
          "{cluster: a}}\n"
          "  - {name: present, match: {prefix: /, query_parameters: [{name: w, present_match: true}]}, route: {cluster: "
          "a}}\n"
          "  - {name: cookie, match: {prefix: /, cookies: [{name: c, string_match: {exact: v}}]}, route: {cluster: a}}\n"
          "  - {name: grpc, match: {prefix: /, grpc: {}}, route: {cluster: a}}\n",
          {"POST h / x-a:1", "header", 0}, {"GET h / x-a:1", "-", 0}, {"POST h / x-a:2", "-", 0},
          {"GET h /?q=zz", "query", 0}, {"GET h /?q=y", "-", 0}, {"GET h /?w", "present", 0},
          {"GET h / cookie:b=1; c=v", "cookie", 0}, {"GET h / cookie:c=w", "-", 0},
          {"POST h / content-type:application/grpc", "grpc", 0},
          {"POST h / content-type:application/grpc+proto", "grpc", 0}, {"POST h / content-type:application/grpcx", "-", 0});
}

static void fractions_and_weights_follow_the_random_value(void **state)
{
    (void)state;
    CHECK("virtual_hosts:\n"
          "- name: v\n"
          "  domains: ['*']\n"
          "  routes:\n"
          "  - {name: some, match: {prefix: /f, runtime_fraction: {default_value: {numerator: 20, denominator: HUNDRED}}}, "
          "route: {cluster: a}}\n"
          "  - {name: never, match: {prefix: /n, runtime_fraction: {default_value: {numerator: 0}}}, route: {cluster: a}}\n"
          "  - {match: {prefix: /w}, route: {weighted_clusters: {clusters: [{name: a, weight: 30}, {name: b, weight: "
          "70}]}}}\n",
          {"GET h /f", "some", 0}, {"GET h /f", "some", 119}, {"GET h /f", "-", 20}, {"GET h /n", "-", 0},
          {"GET h /w", "a", 0}, {"GET h /w", "a", 29}, {"GET h /w", "b", 30}, {"GET h /w", "b", 199},
          {"GET h /w", "a", 200});
}

static void hosts_choose_the_virtual_host(void **state)
{
    (void)state;
    CHECK("virtual_hosts:\n"
          "- {name: v1, domains: [one.example, '*.two.example'], routes: [{name: r1, match: {prefix: /}, route: {cluster: "
          "a}}]}\n"
          "- {name: v2, domains: [tls.example], require_tls: ALL, routes: [{name: r2, match: {prefix: /}, route: {cluster: "
          "a}}]}\n"
          "- {name: v3, domains: [ext.example], require_tls: EXTERNAL_ONLY, routes: [{name: r3, match: {prefix: /}, "
          "route: {cluster: a}}]}\n",
          {"GET one.example /", "r1", 0}, {"GET ONE.example /", "r1", 0}, {"GET x.two.example /", "r1", 0},
          {"GET one.example:80 /", "=", 0}, {"GET three /", "=", 0}, {"GET tls.example /", "tls", 0},
          {"GET tls.example / x-forwarded-proto:https", "r2", 0}, {"GET ext.example /", "tls", 0},
          {"GET ext.example / x-envoy-internal:true", "r3", 0});
    CHECK("ignore_port_in_host_matching: true\n"
          "virtual_hosts:\n"
          "- {name: v1, domains: [one.example], routes: [{name: r1, match: {prefix: /}, route: {cluster: a}}]}\n",
          {"GET one.example:80 /", "r1", 0}, {"GET one.example /", "r1", 0}, {"GET one.example:x /", "=", 0});
}

static void ten_thousand_virtual_hosts_are_found(void **state)
{
    (void)state;
    struct nu_sb sb = {0};
    nu_sb_lit(&sb, "virtual_hosts:\n");
    for (int i = 0; i < 10000; i++)
        nu_sb_printf(&sb, "- {name: v%d, domains: [h%d.example, '*.w%d.example'], routes: [{name: r%d, match: {prefix: /}, "
                          "route: {cluster: a}}]}\n", i, i, i, i);
    nu_str error;
    struct nu_route_table *t = test_table(nu_sb_cstr(&sb), &arena, &error);
    assert_non_null(t);
    nu_sb_free(&sb);
    for (int i = 0; i < 10000; i += 999) {
        char line[64], want[16];
        struct nu_route_match m;
        (void)snprintf(line, sizeof line, i % 2 == 0 ? "GET h%d.example /" : "GET a.b.w%d.example /", i);
        (void)snprintf(want, sizeof want, "r%d", i);
        nu_route_lookup(t, request(line), NULL, NULL, 0, &m);
        assert_non_null(m.route);
        assert_true(nu_str_eq(m.route->name, nu_str_from(want)));
    }
    nu_route_table_unref(&t);
}

/* What Envoy refuses; `part` is of the message. */
static void mistakes_are_refused_with_a_reason(void **state)
{
    (void)state;
#define VHOST "virtual_hosts:\n- name: v\n  domains: [x]\n"
#define ROUTE(r) VHOST "  routes:\n  - {match: {prefix: /}, route: " r "}\n"
    static const struct {
        const char *yaml, *part;
    } rows[] = {
        {"virtual_hosts: [{name: a, domains: [x]}, {name: b, domains: [X]}]", "duplicate entry of domain X"},
        {"virtual_hosts: [{name: a, domains: ['*']}, {name: b, domains: ['*']}]", "only a single wildcard domain"},
        {ROUTE("{cluster: zz}"), "unknown cluster 'zz'"},
        {ROUTE("{weighted_clusters: {clusters: [{name: zz, weight: 1}]}}"), "unknown weighted cluster 'zz'"},
        {ROUTE("{weighted_clusters: {clusters: [{name: a, weight: 0}]}}"), "sum of weights"},
        {ROUTE("{weighted_clusters: {clusters: [{name: a, weight: 4294967295}, {name: a, weight: 1}]}}"), "exceeds"},
        {ROUTE("{weighted_clusters: {clusters: [{weight: 1}]}}"), "name or cluster_header"},
        {ROUTE("{cluster: a, request_mirror_policies: [{cluster: zz}]}"), "unknown shadow cluster 'zz'"},
        {ROUTE("{cluster: a, request_mirror_policies: [{}]}"), "exactly one of cluster"},
        {ROUTE("{cluster: a, prefix_rewrite: /b, regex_rewrite: {pattern: {regex: a}, substitution: b}}"),
         "only one of prefix_rewrite"},
        {ROUTE("{cluster: a, retry_policy: {retry_back_off: {base_interval: 1s, max_interval: 0.5s}}}"), "base_interval"},
        {ROUTE("{cluster: a, retry_policy: {retry_host_predicate: [{name: foo}]}}"), "envoy.retry_host_predicates"},
        {ROUTE("{cluster: a, internal_redirect_policy: {response_headers_to_copy: ['host']}}"), "cannot be copied"},
        {ROUTE("{cluster: a, upgrade_configs: [{upgrade_type: websocket}, {upgrade_type: WebSocket}]}"),
         "duplicate upgrade"},
        {ROUTE("{cluster: a, upgrade_configs: [{upgrade_type: websocket, connect_config: {}}]}"), "ConnectConfig"},
        {ROUTE("{cluster: a, host_rewrite_path_regex: {pattern: {regex: 'a('}, substitution: b}}"), "a("},
        {VHOST "  virtual_clusters: [{name: c}]\n", "virtual clusters must define 'headers'"},
        {VHOST "  routes: [{match: {prefix: /}, direct_response: {status: 200, body: {filename: /nonexistent}}}]\n",
         "/nonexistent"},
        {"max_direct_response_body_size_bytes: 3\n" VHOST
         "  routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: abcd}}}]\n",
         "larger than 3 bytes"},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        nu_str error;
        struct nu_route_table *t = test_table(rows[i].yaml, &arena, &error);
        if (t != NULL || nu_str_search_nocase(error, nu_str_from(rows[i].part)) < 0)
            fail_msg("%s: %.*s", rows[i].yaml, NU_STR_ARG(error));
    }
}

static void unusual_but_right_is_taken(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "name: nothing",
        "validate_clusters: false\nvirtual_hosts: [{name: a, domains: [x], routes: [{match: {prefix: /}, route: {cluster: "
        "zz}}]}]",
        "virtual_hosts: [{name: a, domains: ['']}, {name: a, domains: ['a*b']}]",
        "virtual_hosts: [{name: a, domains: [x], routes: [{match: {prefix: /}, redirect: {}}]}]",
        "virtual_hosts: [{name: a, domains: [x], routes: [{match: {connect_matcher: {}}, route: {cluster: a, "
        "prefix_rewrite: /x}}]}]",
        "virtual_hosts: [{name: a, domains: [x], routes: [{match: {prefix: /}, route: {cluster: a, "
        "internal_redirect_policy: {redirect_response_codes: [200, 302]}}}]}]",
        "virtual_hosts: [{name: a, domains: [x], typed_per_filter_config: {z: {'@type': "
        "type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}}]",
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        nu_str error;
        struct nu_route_table *t = test_table(rows[i], &arena, &error);
        if (t == NULL)
            fail_msg("%s: %.*s", rows[i], NU_STR_ARG(error));
        nu_route_table_unref(&t);
    }
}

static int setup(void **state)
{
    (void)state;
    nu_arena_init(&arena, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nu_arena_clear(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_route_whose_path_matches_wins),
        cmocka_unit_test(paths_of_every_length_match_as_they_should),
        cmocka_unit_test(all_conditions_must_hold),
        cmocka_unit_test(fractions_and_weights_follow_the_random_value),
        cmocka_unit_test(hosts_choose_the_virtual_host),
        cmocka_unit_test(ten_thousand_virtual_hosts_are_found),
        cmocka_unit_test(mistakes_are_refused_with_a_reason),
        cmocka_unit_test(unusual_but_right_is_taken),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
