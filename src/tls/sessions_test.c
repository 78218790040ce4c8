/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static SSL_SESSION *make(SSL_CTX *ctx, uint16_t version)
{
    SSL_SESSION *s = SSL_SESSION_new(ctx);
    assert_int_equal(SSL_SESSION_set_protocol_version(s, version), 1);
    return s;
}

static void assert_next(struct nu_tls_sessions *s, unsigned worker, const char *name, const SSL_SESSION *want)
{
    SSL_SESSION *got = nu_tls_sessions_get(s, worker, nu_str_from(name));
    assert_ptr_equal(got, want);
    SSL_SESSION_free(got);
}

static void the_newest_of_a_name_first(void **state)
{
    (void)state;
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    struct nu_tls_sessions *s = nu_tls_sessions_new(2, 2);
    SSL_SESSION *a = make(ctx, TLS1_2_VERSION), *b = make(ctx, TLS1_2_VERSION), *c = make(ctx, TLS1_2_VERSION);
    nu_tls_sessions_put(s, 0, NU_STR("a"), a);
    nu_tls_sessions_put(s, 0, NU_STR("a"), b);
    assert_next(s, 0, "a", b);
    assert_next(s, 0, "a", b); /* again and again, before TLS 1.3 */
    assert_next(s, 0, "b", NULL);
    assert_next(s, 1, "a", NULL);
    nu_tls_sessions_put(s, 0, NU_STR(""), c); /* a is too much */
    assert_next(s, 0, "", c);
    assert_next(s, 0, "a", b);
    nu_tls_sessions_free(&s);
    SSL_CTX_free(ctx);
}

static void once_in_tls_1_3(void **state)
{
    (void)state;
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    struct nu_tls_sessions *s = nu_tls_sessions_new(1, 5);
    SSL_SESSION *a = make(ctx, TLS1_3_VERSION), *b = make(ctx, TLS1_3_VERSION);
    nu_tls_sessions_put(s, 0, NU_STR("n"), a);
    nu_tls_sessions_put(s, 0, NU_STR("n"), b);
    assert_next(s, 0, "n", b);
    assert_next(s, 0, "n", a);
    assert_next(s, 0, "n", NULL);
    nu_tls_sessions_free(&s);
    SSL_CTX_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_of_a_name_first),
        cmocka_unit_test(once_in_tls_1_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
