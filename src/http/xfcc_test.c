/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/xfcc.h"

/* What Envoy's %XFCC_VALUE(key)% says to each; NULL: nothing. */
static const struct {
    const char *header, *key, *want;
} rows[] = {
    {"By=a;DNS=b;Subject=\"c\";URI=d", "URI", "d"},
    {"by=a,By=b", "By", "a"},
    {"Hash=1,By=b;DNS=x,DNS=y", "DNS", "x"},
    {"Subject=\"a,b;By=c\";By=d", "By", "d"},
    {"Subject=\"a,b;By=c\";By=d", "subject", "a,b;By=c"},
    {"Subject=\"a\\\"b\";DNS=c", "Subject", "a\"b"},
    {"Subject=\"a\\\"b\";DNS=c", "DNS", "c"},
    {"Subject=\"a\\\\\";By=x", "Subject", "a\\"},
    {"Subject=\"a\\\\\";By=x", "By", "x"},
    {"Subject=\"a", "Subject", NULL},
    {"By=;DNS=\"\";URI=\" x \"", "By", ""},
    {"By=;DNS=\"\";URI=\" x \"", "DNS", ""},
    {"By=;DNS=\"\";URI=\" x \"", "URI", " x "},
    {" By = a ; DNS= b", "By", "a"},
    {" By = a ; DNS= b", "DNS", "b"},
    {"By=\"a\"b;DNS=a\"b\"", "By", "\"a\"b"},
    {"By=\"a\"b;DNS=a\"b\"", "DNS", "a\"b\""},
    {"By=a=b;DNS", "By", "a=b"},
    {"By=a=b;DNS", "DNS", ""},
    {"Subject=\"x\\y\"", "Subject", "x\\y"},
    {"By=\"a\"\"b\"", "By", "a\"\"b"},
    {";;By=a,,DNS=b;", "DNS", "b"},
    {"[{\"by\":[\"x\"]}]", "by", NULL},
    {"By=\\\"a\\\";DNS=x", "By", "\"a\""},
    {"DNS=b;DNS=c", "DNS", "b"},
    {"DNS=\"a;b\"", "DNS", "a;b"},
    {"By=\"\";By=x", "By", ""},
    {"By=x\\", "By", "x\\"},
    {"\\", "By", NULL},
    {"", "By", NULL},
};

static void reads_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        struct nu_arena arena;
        nu_arena_init(&arena, NULL);
        print_message("%s of %s\n", rows[i].key, rows[i].header);
        nu_str got = nu_xfcc_value(nu_str_from(rows[i].header), nu_str_from(rows[i].key), &arena);
        if (rows[i].want == NULL) {
            assert_null(got.ptr);
        } else {
            assert_non_null(got.ptr);
            assert_int_equal(got.len, strlen(rows[i].want));
            assert_memory_equal(got.ptr, rows[i].want, got.len);
        }
        nu_arena_clear(&arena);
    }
}

static void plain_text_forwards_only_when_always(void **state)
{
    (void)state;
    for (int mode = NU_XFCC_SANITIZE; mode <= NU_XFCC_ALWAYS_FORWARD_ONLY; mode++) {
        struct nu_arena arena;
        nu_arena_init(&arena, NULL);
        struct nu_http_headers *h = nu_headers_new(&arena, false);
        nu_headers_add(h, NU_STR("x-forwarded-client-cert"), NU_STR("By=a"));
        nu_xfcc_apply(&(struct nu_xfcc_conf){.mode = (enum nu_xfcc_mode)mode}, NULL, h, &arena);
        nu_str left = nu_headers_get(h, NU_STR("x-forwarded-client-cert"));
        assert_int_equal(left.ptr != NULL, mode == NU_XFCC_ALWAYS_FORWARD_ONLY);
        nu_arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_values),
        cmocka_unit_test(plain_text_forwards_only_when_always),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
