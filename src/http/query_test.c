/* SPDX-License-Identifier: Apache-2.0 */
#include "http/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct change {
    const char *path;
    enum nu_query_action action;
    const char *key, *value, *want;
} changes[] = {
    {"/p?a=1&b=2&a=3", NU_QUERY_APPEND, "a", "new", "/p?a=1&a=3&a=new&b=2"},
    {"/p", NU_QUERY_APPEND, "a", "new", "/p?a=new"},
    {"/p?", NU_QUERY_APPEND, "a", "new", "/p?a=new"},
    {"/p?a=1&b=2&a=3", NU_QUERY_ADD_IF_ABSENT, "a", "new", "/p?a=1&a=3&b=2"},
    {"/p?b=1", NU_QUERY_ADD_IF_ABSENT, "a", "new", "/p?a=new&b=1"},
    {"/p?a=1&b=2&a=3", NU_QUERY_OVERWRITE_OR_ADD, "a", "new", "/p?a=new&b=2"},
    {"/p", NU_QUERY_OVERWRITE_OR_ADD, "a", "new", "/p?a=new"},
    {"/p?a=1&b=2&a=3", NU_QUERY_OVERWRITE_IF_EXISTS, "a", "new", "/p?a=new&b=2"},
    {"/p?", NU_QUERY_OVERWRITE_IF_EXISTS, "a", "new", "/p"},
    {"/p?a=1&b=2&a=3", NU_QUERY_REMOVE, "a", "", "/p?b=2"},
    {"/p?a=1", NU_QUERY_REMOVE, "a", "", "/p"},
    {"/p?%61=1", NU_QUERY_REMOVE, "a", "", "/p"},
    {"/p?&&a=1&&b=", NU_QUERY_REMOVE, "a", "", "/p?=&=&=&b="},
    {"/p?b&c=d=e", NU_QUERY_REMOVE, "a", "", "/p?b=&c=d=e"},
    {"/p?c=%26&d=%zz&e=%2", NU_QUERY_REMOVE, "a", "", "/p?c=&&d=%zz&e=%2"},
    {"/p?x=%0d%0aHost:%20a&y=%00%7f", NU_QUERY_REMOVE, "a", "", "/p?x=%0d%0aHost:%20a&y=%00%7f"},
    {"/p", NU_QUERY_APPEND, "n v", "a b&c/\xc3\xbc~-._*", "/p?n%20v=a%20b%26c%2F%C3%BC%7E-._*"},
    {"/p", NU_QUERY_APPEND, "a", "\r\n", "/p?a=%0D%0A"},
};

static void changes_a_query(void **state)
{
    (void)state;
    for (size_t i = 0; i < NU_ARRAY_LEN(changes); i++) {
        const struct change *c = &changes[i];
        struct nu_arena a;
        struct nu_query q;
        char got[256];
        nu_arena_init(&a, NULL);
        nu_str path = nu_arena_str(&a, nu_str_from(c->path));
        nu_query_parse(&q, &a, path);
        nu_query_change(&q, c->action, nu_str_from(c->key), nu_str_from(c->value));
        snprintf(got, sizeof got, "%.*s", NU_STR_ARG(nu_query_path(&q, path)));
        assert_string_equal(got, c->want);
        nu_arena_clear(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(changes_a_query)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
