/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "router/domains.h"

static char names[32][32];

static void *tag(int i)
{
    (void)snprintf(names[i], sizeof names[i], "%d", i);
    return names[i];
}

static void the_most_specific_domain_wins(void **state)
{
    (void)state;
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    struct nu_domains d = {0};
    const char *domains[] = {"*", "a.example", "*.example", "*.b.example", "*-x.example", "api.*", "api.v1.*", "UPPER.Case",
                             "h:8080"};
    for (int i = 0; i < (int)NU_ARRAY_LEN(domains); i++)
        assert_int_equal(nu_domains_add(&d, &a, nu_str_from(domains[i]), tag(i)), NU_DOMAIN_ADDED);
    static const struct {
        const char *host;
        int want;
    } rows[] = {
        {"a.example", 1}, {"A.EXAMPLE", 1}, {"z.example", 2}, {"z.b.example", 3}, {"b.example", 2},
        {".example", 0}, {"q-x.example", 4}, {"-x.example", 2}, {"api.com", 5}, {"api.v1.com", 6}, {"api.", 0},
        {"upper.case", 7}, {"h:8080", 8}, {"h", 0}, {"a.example:80", 0}, {"", 0}, {"api.z.example", 2},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++)
        assert_string_equal(nu_domains_find(&d, nu_str_from(rows[i].host)), names[rows[i].want]);
    assert_string_equal(nu_domains_find(&d, NU_STR_NONE), names[0]);
    nu_domains_free(&d);
    nu_arena_clear(&a);
}

static void duplicates_are_refused_per_kind(void **state)
{
    (void)state;
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    struct nu_domains d = {0};
    assert_int_equal(nu_domains_add(&d, &a, NU_STR("a.b"), tag(0)), NU_DOMAIN_ADDED);
    assert_int_equal(nu_domains_add(&d, &a, NU_STR("A.b"), tag(1)), NU_DOMAIN_DUPLICATE);
    assert_int_equal(nu_domains_add(&d, &a, NU_STR("*a.b"), tag(1)), NU_DOMAIN_ADDED);
    assert_int_equal(nu_domains_add(&d, &a, NU_STR("*A.b"), tag(1)), NU_DOMAIN_DUPLICATE);
    assert_int_equal(nu_domains_add(&d, &a, NU_STR("a.b*"), tag(1)), NU_DOMAIN_ADDED);
    assert_int_equal(nu_domains_add(&d, &a, NU_STR("a.b*"), tag(1)), NU_DOMAIN_DUPLICATE);
    assert_int_equal(nu_domains_add(&d, &a, NU_STR("*"), tag(1)), NU_DOMAIN_ADDED);
    assert_int_equal(nu_domains_add(&d, &a, NU_STR("*"), tag(1)), NU_DOMAIN_SECOND_ANY);
    nu_domains_free(&d);
    nu_arena_clear(&a);
}

static void without_a_match_there_is_none(void **state)
{
    (void)state;
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    struct nu_domains d = {0};
    assert_null(nu_domains_find(&d, NU_STR("x")));
    assert_int_equal(nu_domains_add(&d, &a, NU_STR("a.b"), tag(0)), NU_DOMAIN_ADDED);
    assert_null(nu_domains_find(&d, NU_STR("x")));
    assert_null(nu_domains_find(&d, NU_STR_NONE));
    nu_domains_free(&d);
    nu_arena_clear(&a);
}

static void a_port_is_found_behind_names_and_addresses(void **state)
{
    (void)state;
    assert_int_equal(nu_host_port_start(NU_STR("a.b:80")), 3);
    assert_int_equal(nu_host_port_start(NU_STR("a.b")), 3);
    assert_int_equal(nu_host_port_start(NU_STR("a.b:")), 4);
    assert_int_equal(nu_host_port_start(NU_STR("a.b:x")), 5);
    assert_int_equal(nu_host_port_start(NU_STR("[::1]")), 5);
    assert_int_equal(nu_host_port_start(NU_STR("[::1]:443")), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_specific_domain_wins),
        cmocka_unit_test(duplicates_are_refused_per_kind),
        cmocka_unit_test(without_a_match_there_is_none),
        cmocka_unit_test(a_port_is_found_behind_names_and_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
