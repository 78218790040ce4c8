/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/redirect.h"
#include "router/rewrite.h"
#include "router/shadow.h"
#include "router/test_table.h"

static struct nu_arena arena;

static struct nu_http_headers *request(const char *host, const char *path)
{
    struct nu_http_headers *h = nu_headers_new(&arena, false);
    h->method = NU_STR("GET");
    h->scheme = NU_STR("http");
    h->authority = nu_str_from(host);
    h->path = nu_str_from(path);
    nu_headers_add_id(h, NU_HDR_X_FORWARDED_PROTO, NU_STR("http"));
    return h;
}

/* The table of one route. */
static struct nu_route_table *table_of(const char *match, const char *action)
{
    nu_str error;
    nu_str yaml = nu_arena_printf(&arena, "virtual_hosts: [{name: v, domains: ['*'], routes: [{match: {%s}, %s}]}]", match,
                                  action);
    struct nu_route_table *t = test_table(yaml.ptr, &arena, &error);
    if (t == NULL)
        fail_msg("%s: %.*s", action, NU_STR_ARG(error));
    return t;
}

static void assert_text(nu_str got, const char *want, const char *what)
{
    if (!nu_str_eq(got, nu_str_from(want)))
        fail_msg("%s: got %.*s, want %s", what, NU_STR_ARG(got), want);
}

static void paths_are_rewritten_and_the_query_stays(void **state)
{
    (void)state;
    static const struct {
        const char *match, *rewrite, *path, *want;
    } rows[] = {
        {"prefix: /api", "prefix_rewrite: /", "/api/x?q=1", "//x?q=1"},
        {"prefix: /api/", "prefix_rewrite: /", "/api/x?q=1", "/x?q=1"},
        {"path: /a", "prefix_rewrite: /b", "/a?q", "/b?q"},
        {"path_separated_prefix: /a/b", "prefix_rewrite: /c", "/a/b/d", "/c/d"},
        {"prefix: /API, case_sensitive: false", "prefix_rewrite: /v", "/api/x", "/v/x"},
        {"safe_regex: {regex: '/r.*'}", "prefix_rewrite: /s", "/rrr?q", "/s?q"},
        {"prefix: /", "regex_rewrite: {pattern: {regex: '/([^/]+)/([^/]+)'}, substitution: '/\\2/\\1'}", "/a/b/c?x=/a/b",
         "/b/a/c?x=/a/b"},
        {"prefix: /", "regex_rewrite: {pattern: {regex: 'zz'}, substitution: w}", "/none", "/none"},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        nu_str action = nu_arena_printf(&arena, "route: {cluster: a, %s}", rows[i].rewrite);
        struct nu_route_table *t = table_of(rows[i].match, action.ptr);
        struct nu_http_headers *h = request("h", rows[i].path);
        nu_route_rewrite_path(&t->vhosts[0].routes[0], h, true);
        assert_text(h->path, rows[i].want, rows[i].rewrite);
        assert_text(nu_headers_get_id(h, NU_HDR_ENVOY_ORIGINAL_PATH), rows[i].path, "original path");
        nu_route_table_unref(&t);
    }
}

static void hosts_are_rewritten_and_kept(void **state)
{
    (void)state;
    static const struct {
        const char *action, *want, *xfh;
    } rows[] = {
        {"host_rewrite_literal: new", "new", NULL},
        {"host_rewrite_literal: new, append_x_forwarded_host: true", "new", "old:80"},
        {"host_rewrite_header: x-host", "from-header", NULL},
        {"host_rewrite_path_regex: {pattern: {regex: '^/(.+)/.+$'}, substitution: '\\1'}", "tenant", NULL},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        nu_str action = nu_arena_printf(&arena, "route: {cluster: a, %s}", rows[i].action);
        struct nu_route_table *t = table_of("prefix: /", action.ptr);
        struct nu_http_headers *h = request("old:80", "/tenant/x");
        nu_headers_add(h, NU_STR("x-host"), NU_STR("from-header"));
        struct nu_stream_info info = {.arena = &arena};
        nu_route_request_headers(&t->vhosts[0].routes[0], NULL, h, &info, true);
        assert_text(h->authority, rows[i].want, rows[i].action);
        assert_text(nu_headers_get_id(h, NU_HDR_ENVOY_ORIGINAL_HOST), "old:80", "original host");
        assert_int_equal(nu_headers_has_id(h, NU_HDR_X_FORWARDED_HOST), rows[i].xfh != NULL);
        if (rows[i].xfh != NULL)
            assert_text(nu_headers_get_id(h, NU_HDR_X_FORWARDED_HOST), rows[i].xfh, "x-forwarded-host");
        nu_route_table_unref(&t);
    }
    struct nu_http_headers *h = request("b", "/");
    nu_headers_add_id(h, NU_HDR_X_FORWARDED_HOST, NU_STR("a, b"));
    nu_rewrite_authority(h, NU_STR("c"), true, false);
    assert_text(nu_headers_get_id(h, NU_HDR_X_FORWARDED_HOST), "a, b", "a host that was the last one is not added");
}

static void redirects_change_what_they_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *redirect, *host, *path, *want;
    } rows[] = {
        {"https_redirect: true", "h:80", "/a?b", "https://h/a?b"},
        {"https_redirect: true", "h:8080", "/a?b", "https://h:8080/a?b"},
        {"https_redirect: true, port_redirect: 443", "h:8080", "/", "https://h:443/"},
        {"https_redirect: true", "[::1]:80", "/", "https://[::1]/"},
        {"https_redirect: true", "[::1]", "/", "https://[::1]/"},
        {"scheme_redirect: ftp", "h", "/", "ftp://h/"},
        {"host_redirect: o", "h:1", "/a?b", "http://o/a?b"},
        {"path_redirect: /n", "h", "/a?b", "http://h/n?b"},
        {"path_redirect: '/n?c'", "h", "/a?b", "http://h/n?c"},
        {"path_redirect: /n, strip_query: true", "h", "/a?b", "http://h/n"},
        {"path_redirect: '/n?c', strip_query: true", "h", "/a?b", "http://h/n?c"},
        {"prefix_rewrite: /p", "h", "/a?b", "http://h/pa?b"},
        {"regex_rewrite: {pattern: {regex: '^/(.)$'}, substitution: '/\\1\\1'}", "h", "/a?b", "http://h/aa?b"},
        {"strip_query: true", "h", "/a?b", "http://h/a"},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        nu_str action = nu_arena_printf(&arena, "redirect: {%s}", rows[i].redirect);
        struct nu_route_table *t = table_of("prefix: /", action.ptr);
        const struct nu_route_entry *e = &t->vhosts[0].routes[0];
        struct nu_http_headers *h = request(rows[i].host, rows[i].path);
        nu_route_rewrite_path(e, h, false);
        assert_text(nu_redirect_location(e->direct->redirect, h, &arena), rows[i].want, rows[i].redirect);
        nu_route_table_unref(&t);
    }
    assert_text(nu_route_https_location(request("h:80", "/a?b"), &arena), "https://h:80/a?b", "require_tls");
}

static void headers_change_from_the_most_specific_level_on(void **state)
{
    (void)state;
    static const char *const levels =
        "request_headers_to_add: [{header: {key: x, value: table}}]\n"
        "virtual_hosts:\n"
        "- name: v\n"
        "  domains: ['*']\n"
        "  request_headers_to_add: [{header: {key: x, value: vhost}}]\n"
        "  request_headers_to_remove: [gone]\n"
        "  routes:\n"
        "  - match: {prefix: /}\n"
        "    request_headers_to_add: [{header: {key: x, value: route}}]\n"
        "    route: {weighted_clusters: {clusters: [{name: a, weight: 1, request_headers_to_add: [{header: {key: x, value: "
        "weighted}}]}]}}\n";
    static const char *const want[] = {"weighted,route,vhost,table", "weighted,table,vhost,route"};
    for (int i = 0; i < 2; i++) {
        nu_str error, yaml = nu_arena_printf(&arena, "most_specific_header_mutations_wins: %s\n%s", i ? "true" : "false",
                                             levels);
        struct nu_route_table *t = test_table(yaml.ptr, &arena, &error);
        assert_non_null(t);
        const struct nu_route_entry *e = &t->vhosts[0].routes[0];
        struct nu_http_headers *h = request("h", "/");
        nu_headers_add(h, NU_STR("gone"), NU_STR("1"));
        struct nu_stream_info info = {.arena = &arena};
        nu_route_request_headers(e, &e->route.action->weighted[0], h, &info, true);
        assert_text(nu_headers_get_all(h, NU_STR("x"), &arena), want[i], "order");
        assert_null(nu_headers_get(h, NU_STR("gone")).ptr);
        nu_route_table_unref(&t);
    }
}

static void mirrors_get_a_host_of_their_own(void **state)
{
    (void)state;
    assert_text(nu_shadow_host(NU_STR("h"), &arena), "h-shadow", "name");
    assert_text(nu_shadow_host(NU_STR("h:80"), &arena), "h-shadow:80", "port");
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
        cmocka_unit_test(paths_are_rewritten_and_the_query_stays),
        cmocka_unit_test(hosts_are_rewritten_and_kept),
        cmocka_unit_test(redirects_change_what_they_are_told),
        cmocka_unit_test(headers_change_from_the_most_specific_level_on),
        cmocka_unit_test(mirrors_get_a_host_of_their_own),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
