/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/headers.h"

static void assert_str(nu_str got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}

static void finds_every_known_name(void **state)
{
    (void)state;
    for (int id = 1; id < NU_N_HDR; id++)
        assert_int_equal(nu_hdr_lookup(nu_hdr_names[id]), id);
    assert_int_equal(nu_hdr_lookup(NU_STR("x-nobody")), NU_HDR_OTHER);
    assert_int_equal(nu_hdr_lookup(NU_STR("")), NU_HDR_OTHER);
    assert_int_equal(nu_hdr_lookup(NU_STR("Host")), NU_HDR_OTHER);
}

static void joins_inline_headers_and_keeps_others_apart(void **state)
{
    struct nu_arena a;
    (void)state;
    nu_arena_init(&a, NULL);
    struct nu_http_headers *h = nu_headers_new(&a, false);
    nu_headers_add_wire(h, NU_STR("accept"), NU_STR("a"));
    nu_headers_add_wire(h, NU_STR("accept"), NU_STR("b"));
    nu_headers_add_wire(h, NU_STR("cookie"), NU_STR("c=1"));
    nu_headers_add_wire(h, NU_STR("cookie"), NU_STR("d=2"));
    nu_headers_add_wire(h, NU_STR("x-a"), NU_STR("1"));
    nu_headers_add_wire(h, NU_STR("x-a"), NU_STR("2"));
    assert_int_equal(h->n_live, 5);
    assert_str(nu_headers_get(h, NU_STR("accept")), "a,b");
    assert_str(nu_headers_get_all(h, NU_STR("x-a"), &a), "1,2");
    assert_str(nu_headers_get(h, NU_STR("cookie")), "c=1");
    nu_arena_clear(&a);
}

static void sets_and_removes_all_of_a_name(void **state)
{
    struct nu_arena a;
    (void)state;
    nu_arena_init(&a, NULL);
    struct nu_http_headers *h = nu_headers_new(&a, true);
    for (int i = 0; i < 40; i++)
        nu_headers_add(h, NU_STR("set-cookie"), NU_STR("x"));
    nu_headers_set(h, NU_STR("set-cookie"), NU_STR("one"));
    assert_int_equal(h->n_live, 1);
    assert_int_equal(nu_headers_remove(h, NU_STR("set-cookie")), 1);
    assert_false(nu_headers_has_id(h, NU_HDR_SET_COOKIE));
    nu_headers_add(h, NU_STR("x-envoy-a"), NU_STR("1"));
    nu_headers_add_id(h, NU_HDR_ENVOY_OVERLOADED, NU_STR("true"));
    nu_headers_add_id(h, NU_HDR_DATE, NU_STR("d"));
    nu_headers_remove_prefix(h, NU_STR("x-envoy-"));
    assert_int_equal(h->n_live, 1);
    assert_false(nu_headers_has_id(h, NU_HDR_ENVOY_OVERLOADED));
    nu_arena_clear(&a);
}

static void copies_deeply(void **state)
{
    struct nu_arena a, b;
    (void)state;
    nu_arena_init(&a, NULL);
    nu_arena_init(&b, NULL);
    struct nu_http_headers *h = nu_headers_new(&a, false);
    h->method = NU_STR("GET");
    h->authority = NU_STR("h");
    nu_headers_add(h, nu_arena_str(&a, NU_STR("x-name")), nu_arena_str(&a, NU_STR("v")));
    struct nu_http_headers *copy = nu_headers_copy(h, &b);
    nu_arena_clear(&a);
    assert_str(nu_headers_get(copy, NU_STR("x-name")), "v");
    assert_str(nu_headers_get(copy, NU_STR("host")), "h");
    assert_true(copy->path.ptr == NULL);
    nu_arena_clear(&b);
}

static void recognises_upgrades_and_grpc(void **state)
{
    struct nu_arena a;
    (void)state;
    nu_arena_init(&a, NULL);
    struct nu_http_headers *h = nu_headers_new(&a, false);
    nu_headers_add(h, NU_STR("upgrade"), NU_STR("websocket"));
    assert_false(nu_headers_is_upgrade(h));
    nu_headers_add(h, NU_STR("connection"), NU_STR("keep-alive, Upgrade"));
    assert_true(nu_headers_is_upgrade(h));
    nu_headers_add(h, NU_STR("content-type"), NU_STR("application/grpc-web"));
    assert_false(nu_headers_is_grpc(h));
    nu_headers_set(h, NU_STR("content-type"), NU_STR("application/grpc+proto"));
    assert_true(nu_headers_is_grpc(h));
    nu_arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_known_name),
        cmocka_unit_test(joins_inline_headers_and_keeps_others_apart),
        cmocka_unit_test(sets_and_removes_all_of_a_name),
        cmocka_unit_test(copies_deeply),
        cmocka_unit_test(recognises_upgrades_and_grpc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
