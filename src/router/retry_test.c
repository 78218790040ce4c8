/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/retry.h"
#include "router/test_table.h"
#include "worker/worker.h"

static struct nu_arena arena;

static struct nu_http_headers *response(unsigned status, const char *name, const char *value)
{
    struct nu_http_headers *h = nu_headers_new(&arena, true);
    h->status = (uint16_t)status;
    if (name != NULL)
        (void)nu_headers_add_wire(h, nu_str_from(name), nu_str_from(value));
    return h;
}

static void words_become_conditions(void **state)
{
    (void)state;
    assert_int_equal(nu_retry_parse_on(NU_STR("5xx, reset,nonsense"), false), NU_RETRY(5XX) | NU_RETRY(RESET));
    assert_int_equal(nu_retry_parse_on(NU_STR("cancelled"), false), 0);
    assert_int_equal(nu_retry_parse_on(NU_STR("cancelled,5xx"), true), NU_RETRY(GRPC_CANCELLED));
    assert_int_equal(nu_retry_parse_on(NU_STR_NONE, false), 0);
}

static void responses_are_retried_on_their_conditions(void **state)
{
    (void)state;
    static uint32_t codes[] = {418};
    struct nu_retry_policy p = {.codes = codes, .n_codes = 1};
    static const struct {
        uint32_t on;
        unsigned status;
        const char *name, *value;
        bool want;
    } rows[] = {
        {NU_RETRY(5XX), 500, NULL, NULL, true},
        {NU_RETRY(5XX), 499, NULL, NULL, false},
        {NU_RETRY(GATEWAY_ERROR), 502, NULL, NULL, true},
        {NU_RETRY(GATEWAY_ERROR), 504, NULL, NULL, true},
        {NU_RETRY(GATEWAY_ERROR), 500, NULL, NULL, false},
        {NU_RETRY(RETRIABLE_4XX), 409, NULL, NULL, true},
        {NU_RETRY(RETRIABLE_4XX), 400, NULL, NULL, false},
        {NU_RETRY(RETRIABLE_STATUS_CODES), 418, NULL, NULL, true},
        {NU_RETRY(RETRIABLE_STATUS_CODES), 200, NULL, NULL, false},
        {NU_RETRY(RETRIABLE_HEADERS), 200, "x-again", "", true},
        {NU_RETRY(RETRIABLE_HEADERS), 200, "x-other", "", false},
        {NU_RETRY(5XX), 503, "x-envoy-ratelimited", "true", false},
        {NU_RETRY(ENVOY_RATELIMITED), 429, "x-envoy-ratelimited", "true", true},
        {NU_RETRY(GRPC_UNAVAILABLE), 200, "grpc-status", "14", true},
        {NU_RETRY(GRPC_UNAVAILABLE), 200, "grpc-status", "13", false},
        {NU_RETRY(CONNECT_FAILURE) | NU_RETRY(RESET), 503, NULL, NULL, false},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        struct nu_retry r = {.policy = &p, .on = rows[i].on, .header_names = NU_STR("a, X-Again")};
        if (nu_retry_would_headers(&r, response(rows[i].status, rows[i].name, rows[i].value)) != rows[i].want)
            fail_msg("row %zu: %u", i, rows[i].status);
    }
}

static void resets_are_retried_on_their_conditions(void **state)
{
    (void)state;
    static const struct {
        uint32_t on;
        enum nu_reset_reason why;
        bool started, want;
    } rows[] = {
        {NU_RETRY(5XX), NU_RESET_CONN_TERMINATION, true, true},
        {NU_RETRY(GATEWAY_ERROR), NU_RESET_LOCAL, true, true},
        {NU_RETRY(5XX) | NU_RETRY(RESET), NU_RESET_OVERFLOW, false, false},
        {NU_RETRY(RESET), NU_RESET_REMOTE_CONNECT_FAILURE, false, true},
        {NU_RETRY(CONNECT_FAILURE), NU_RESET_REMOTE_CONNECT_FAILURE, false, true},
        {NU_RETRY(CONNECT_FAILURE), NU_RESET_CONNECT_TIMEOUT, false, true},
        {NU_RETRY(CONNECT_FAILURE), NU_RESET_CONN_TERMINATION, true, false},
        {NU_RETRY(REFUSED_STREAM), NU_RESET_REMOTE_REFUSED, true, true},
        {NU_RETRY(REFUSED_STREAM), NU_RESET_REMOTE, true, false},
        {NU_RETRY(RESET_BEFORE_REQUEST), NU_RESET_CONN_TERMINATION, false, true},
        {NU_RETRY(RESET_BEFORE_REQUEST), NU_RESET_CONN_TERMINATION, true, false},
        {NU_RETRY(RETRIABLE_4XX), NU_RESET_CONN_TERMINATION, true, false},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        struct nu_retry r = {.on = rows[i].on};
        if (nu_retry_would_reset(&r, rows[i].why, rows[i].started) != rows[i].want)
            fail_msg("row %zu", i);
    }
}

static void reset_headers_say_when_to_come_back(void **state)
{
    (void)state;
    struct nu_reset_header headers[] = {{NU_STR("retry-after"), false}, {NU_STR("x-reset"), true}};
    struct nu_retry_policy p = {.reset_headers = headers, .n_reset_headers = 2, .reset_max_interval = NU_SECONDS(300)};
    assert_int_equal(nu_retry_reset_interval(&p, response(429, "retry-after", "5"), 1000), 5000);
    assert_int_equal(nu_retry_reset_interval(&p, response(429, "retry-after", "301"), 1000), 0);
    assert_int_equal(nu_retry_reset_interval(&p, response(429, "retry-after", "soon"), 1000), 0);
    assert_int_equal(nu_retry_reset_interval(&p, response(429, "x-reset", "1007"), 1000), 7000);
    assert_int_equal(nu_retry_reset_interval(&p, response(429, "x-reset", "999"), 1000), 0);
    assert_int_equal(nu_retry_reset_interval(&p, response(429, NULL, NULL), 1000), 0);
}

static void nothing_again(struct nu_retry *r)
{
    (void)r;
}

static void request_headers_ask_for_retries_and_go(void **state)
{
    (void)state;
    struct nu_workers *all = nu_workers_new(1);
    struct nu_worker *w = &all->workers[0];
    struct nu_http_headers *h = nu_headers_new(&arena, false);
    nu_headers_add_id(h, NU_HDR_ENVOY_MAX_RETRIES, NU_STR("7"));
    assert_null(nu_retry_new(&arena, NULL, h, w, NULL, NULL, NULL, NU_PRIORITY_DEFAULT, nothing_again));
    nu_headers_add_id(h, NU_HDR_ENVOY_MAX_RETRIES, NU_STR("7"));
    nu_headers_add_id(h, NU_HDR_ENVOY_RETRY_ON, NU_STR("retriable-status-codes"));
    nu_headers_add_id(h, NU_HDR_ENVOY_RETRIABLE_STATUS_CODES, NU_STR("418, 419"));
    struct nu_retry *r = nu_retry_new(&arena, NULL, h, w, NULL, NULL, NULL, NU_PRIORITY_DEFAULT, nothing_again);
    assert_non_null(r);
    assert_int_equal(r->remaining, 7);
    assert_true(nu_retry_would_headers(r, response(419, NULL, NULL)));
    assert_false(nu_retry_would_headers(r, response(420, NULL, NULL)));
    assert_false(nu_headers_has_id(h, NU_HDR_ENVOY_RETRY_ON));
    assert_false(nu_headers_has_id(h, NU_HDR_ENVOY_MAX_RETRIES));
    assert_false(nu_headers_has_id(h, NU_HDR_ENVOY_RETRIABLE_STATUS_CODES));
    nu_retry_end(r);
    nu_workers_free(&all);
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
        cmocka_unit_test(words_become_conditions),
        cmocka_unit_test(responses_are_retried_on_their_conditions),
        cmocka_unit_test(resets_are_retried_on_their_conditions),
        cmocka_unit_test(reset_headers_say_when_to_come_back),
        cmocka_unit_test(request_headers_ask_for_retries_and_go),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
