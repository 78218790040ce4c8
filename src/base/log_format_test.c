/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *line(const char *pattern, const char *text)
{
    static char out[256];
    struct nu_log_record r = {.when = {.tv_sec = 86399, .tv_nsec = 7008009}, .thread = 42, .level = "info",
                              .module = "main", .file = "src/a/b.c", .line = 12, .text = text, .text_len = strlen(text)};
    assert_null(nu_log_format_check(pattern));
    size_t n = nu_log_format_line(pattern, &r, out, sizeof(out) - 1);
    out[n] = '\0';
    return out;
}

static void envoys_default(void **state)
{
    (void)state;
    assert_string_equal(line("[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v", "hello"),
                        "[1970-01-01 23:59:59.007][42][info][main] [src/a/b.c:12] hello");
}

static void parts_of_it(void **state)
{
    (void)state;
    assert_string_equal(line("%L %s %@ %f %F %E 100%%", "x"), "I b.c b.c:12 007008 007008009 86399 100%");
    assert_string_equal(line("%_|%j", "a\n\"b\\\t"), "a\\n\"b\\\t|a\\n\\\"b\\\\\\u0009");
    assert_string_equal(line("%6l|%-6l|%=6l|%2l", "x"), "  info|info  | info |info");
    assert_string_equal(line("%^%v%$", "coloured"), "coloured");
}

static void what_is_no_pattern(void **state)
{
    (void)state;
    assert_non_null(nu_log_format_check("%v %"));
    assert_non_null(nu_log_format_check("%q"));
    assert_non_null(nu_log_format_check("%999v"));
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(envoys_default), cmocka_unit_test(parts_of_it),
                                       cmocka_unit_test(what_is_no_pattern)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
