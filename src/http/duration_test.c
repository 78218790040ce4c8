/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/route.h"

static void the_client_s_deadline_counts_where_the_route_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int64_t route, max, offset, want;
    } rows[] = {
        {NULL, -1, -1, -1, 7000},    {NULL, 5000, -1, -1, 5000},   {NULL, 0, -1, -1, 0},
        {"3S", 5000, -1, -1, 5000},  {"3S", 5000, 0, -1, 3000},    {"3S", 5000, 2000, -1, 2000},
        {"3S", -1, 0, 500, 2500},    {"100m", -1, 0, 500, 1},      {"1u", -1, 0, -1, 1},
        {"1500000n", -1, 0, -1, 2},  {"2M", -1, 0, -1, 120000},    {"1H", -1, 0, -1, 3600000},
        {"x", 5000, 0, -1, 5000},    {"S", 5000, 0, -1, 5000},     {"123456789S", 5000, 0, -1, 5000},
        {"3", 5000, 0, -1, 5000},    {"3s", 5000, 0, -1, 5000},
    };
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        struct nu_http_headers *h = nu_headers_new(&a, false);
        struct nu_route r = {.max_stream_duration = NU_MS(rows[i].route),
                             .grpc_timeout_max = NU_MS(rows[i].max),
                             .grpc_timeout_offset = NU_MS(rows[i].offset)};
        if (rows[i].header != NULL)
            nu_headers_add_id(h, NU_HDR_GRPC_TIMEOUT, nu_str_from(rows[i].header));
        assert_int_equal(nu_route_duration_limit(&r, h, NU_MS(7000)).v, rows[i].want);
    }
    assert_int_equal(nu_route_duration_limit(NULL, NULL, NU_MS(7000)).v, 7000);
    nu_arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_client_s_deadline_counts_where_the_route_says_so)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
