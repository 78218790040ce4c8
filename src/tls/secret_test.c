/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.nu.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.nu.h"
#include "net/server.h"
#include "stats/stats.h"
#include "tls/sds_stats.h"
#include "tls/secret.h"
#include "tls/test_load.h"
#include "tls/test_pki.h"
#include "worker/worker.h"

static struct test_load t;
static struct nu_server server;
static struct test_cert one, two;
static char dir[64];
#define A (&t.arena)

/* ---- the world ---- */

static const char *path(const char *name)
{
    return nu_arena_printf(A, "%s/%s", dir, name).ptr;
}

/* As it should be done: written beside, then moved over. */
static void put(const char *name, nu_str text)
{
    FILE *f = fopen(path("new"), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text.ptr, 1, text.len, f), text.len);
    fclose(f);
    assert_int_equal(rename(path("new"), path(name)), 0);
}

static void turn(void)
{
    nu_loop_turn(nu_workers_main(server.workers)->loop, NU_MS(0));
}

static int begin(void **state)
{
    (void)state;
    test_load_begin(&t);
    strcpy(dir, "/tmp/nuncio-sds-XXXXXX");
    assert_non_null(mkdtemp(dir));
    server = (struct nu_server){.node_id = NU_STR("n"), .node_cluster = NU_STR("c")};
    server.workers = nu_workers_new(1);
    server.stats = nu_stats_new(3);
    server.workers->stats = server.stats;
    server.secrets = nu_secrets_new(&server);
    t.f.server = &server;
    nu_log_levels[NU_LOG_MODULE_secret] = NU_LOG_OFF;
    one = test_cert(A, (struct test_spec){.cn = "one"});
    two = test_cert(A, (struct test_spec){.cn = "two"});
    return 0;
}

static int end(void **state)
{
    (void)state;
    nu_secrets_free(&server.secrets);
    turn();
    nu_workers_free(&server.workers);
    nu_stats_free(&server.stats);
    static const char *const names[] = {"sds.yaml", "c.pem", "k.pem", "ca.pem", "other"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(path(names[i]));
    rmdir(dir);
    test_load_end(&t);
    return 0;
}

/* ---- messages ---- */

static const struct envoy_extensions_transport_sockets_tls_v3_SdsSecretConfig *ref_to(const char *yaml)
{
    return test_message(&t, &envoy_extensions_transport_sockets_tls_v3_SdsSecretConfig_type, nu_str_from(yaml));
}

static struct nu_secret *get(const char *name, enum nu_secret_kind kind)
{
    nu_str yaml = nu_arena_printf(A, "name: %s\nsds_config: {path_config_source: {path: %s}, resource_api_version: V3}", name,
                                  path("sds.yaml"));
    return nu_secrets_get(&t.f, ref_to(yaml.ptr), kind);
}

static nu_str response(const char *version, const char *resources)
{
    return nu_arena_printf(A, "version_info: '%s'\nresources: [%s]", version, resources);
}

#define TYPE "'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"

static const char *inline_secret(const char *name, const struct test_cert *c, const struct test_cert *key)
{
    return nu_arena_printf(A,
                           "{" TYPE ", name: %s, tls_certificate: {certificate_chain: {inline_string: %s}, "
                           "private_key: {inline_string: %s}}}",
                           name, test_quote(A, c->pem), test_quote(A, key->key_pem))
        .ptr;
}

static const char *file_secret(const char *name, const char *more)
{
    return nu_arena_printf(A,
                           "{" TYPE ", name: %s, tls_certificate: {certificate_chain: {filename: %s}, "
                           "private_key: {filename: %s}%s}}",
                           name, path("c.pem"), path("k.pem"), more)
        .ptr;
}

static bool has(const struct nu_secret *s, const struct test_cert *c)
{
    const struct envoy_config_core_v3_DataSource *d = s->value->tls_certificate->certificate_chain;
    return nu_str_eq(d->specifier_case == 2 ? d->inline_bytes : d->inline_string, c->pem);
}

/* ---- users and counts ---- */

struct test_user {
    struct nu_secret_user u;
    unsigned n;
    bool refuses;
};

static bool on_value(struct nu_secret_user *u, struct nu_secret *s)
{
    struct test_user *user = nu_container_of(u, struct test_user, u);
    assert_non_null(s->value);
    user->n++;
    return !user->refuses;
}

static struct nu_scope *found;

static void look(struct nu_scope *s, void *arg)
{
    if (nu_str_eq(s->prefix, nu_str_from(arg)))
        found = s;
}

static uint64_t counted(const char *prefix, unsigned index)
{
    found = NULL;
    nu_stats_each_scope(server.stats, look, (void *)(uintptr_t)prefix);
    assert_non_null(found);
    return nu_stat_read(found, index, NULL);
}

static void counts(unsigned attempt, unsigned success, unsigned failure, unsigned rejected, unsigned rotation_failed)
{
    assert_int_equal(counted("sds.s.", NU_SDS_update_attempt), attempt);
    assert_int_equal(counted("sds.s.", NU_SDS_update_success), success);
    assert_int_equal(counted("sds.s.", NU_SDS_update_failure), failure);
    assert_int_equal(counted("sds.s.", NU_SDS_update_rejected), rejected);
    assert_int_equal(counted("sds.s.", NU_SDS_key_rotation_failed), rotation_failed);
}

/* ---- from SDS ---- */

static void reads_the_file_at_once(void **state)
{
    (void)state;
    put("sds.yaml", response("7", inline_secret("s", &one, &one)));
    struct nu_secret *s = get("s", NU_SECRET_CERTIFICATE), *same = get("s", NU_SECRET_CERTIFICATE);
    assert_non_null(s->value);
    assert_ptr_equal(s, same);
    assert_true(has(s, &one));
    assert_true(nu_str_eq(s->version, NU_STR("7")));
    counts(1, 1, 0, 0, 0);
    assert_int_equal(counted("sds.s.", NU_SDS_version), 1750302349509622455u); /* Envoy's, of "7" */
    nu_secret_unref(&s);
    nu_secret_unref(&same);
}

static void takes_what_is_moved_over_it(void **state)
{
    (void)state;
    struct test_user user = {.u.on_value = on_value};
    put("sds.yaml", response("1", inline_secret("s", &one, &one)));
    struct nu_secret *s = get("s", NU_SECRET_CERTIFICATE);
    nu_secret_subscribe(s, &user.u);
    put("sds.yaml", response("2", inline_secret("s", &one, &one))); /* another version of the same */
    turn();
    assert_int_equal(user.n, 0);
    assert_true(nu_str_eq(s->version, NU_STR("2")));
    put("sds.yaml", response("3", inline_secret("s", &two, &two)));
    turn();
    assert_int_equal(user.n, 1);
    assert_true(has(s, &two));
    counts(3, 3, 0, 0, 0);
    nu_secret_unsubscribe(&user.u);
    nu_secret_unref(&s);
}

static void keeps_the_old_value_when_the_new_one_is_bad(void **state)
{
    (void)state;
    struct test_user user = {.u.on_value = on_value};
    put("sds.yaml", response("1", inline_secret("s", &one, &one)));
    struct nu_secret *s = get("s", NU_SECRET_CERTIFICATE);
    nu_secret_subscribe(s, &user.u);
    const nu_str bad[] = {
        response("2", inline_secret("s", &one, &two)),
        response("2", inline_secret("other", &two, &two)),
        response("2", ""),
        response("2", nu_arena_printf(A, "%s, %s", inline_secret("s", &two, &two), inline_secret("o", &two, &two)).ptr),
        response("2", "{" TYPE ", name: s, validation_context: {}}"),
        response("2", "{'@type': type.googleapis.com/envoy.config.core.v3.DataSource, inline_string: x}"),
        response("2", "{" TYPE ", name: s, tls_certificate: {certificate_chain: {filename: /does/not/exist}}}"),
        response("2", "{" TYPE ", name: s, tls_certificate: {certificate_chain: {filename: ''}}}"),
    };
    enum { N = sizeof(bad) / sizeof(bad[0]) };
    for (unsigned i = 0; i < N; i++) {
        put("sds.yaml", bad[i]);
        turn();
        counts(i + 2, 1, 0, i + 1, 0);
    }
    put("sds.yaml", NU_STR("resources: ["));
    turn();
    counts(N + 2, 1, 1, N, 0);
    assert_int_equal(user.n, 0);
    assert_true(has(s, &one));
    assert_true(nu_str_eq(s->version, NU_STR("1")));
    nu_secret_unsubscribe(&user.u);
    nu_secret_unref(&s);
}

static void gives_the_old_value_back_when_a_user_refuses(void **state)
{
    (void)state;
    struct test_user a = {.u.on_value = on_value, .refuses = true}, b = {.u.on_value = on_value};
    put("sds.yaml", response("1", inline_secret("s", &one, &one)));
    struct nu_secret *s = get("s", NU_SECRET_CERTIFICATE);
    nu_secret_subscribe(s, &a.u);
    nu_secret_subscribe(s, &b.u); /* is told first */
    put("sds.yaml", response("2", inline_secret("s", &two, &two)));
    turn();
    assert_true(has(s, &one));
    assert_int_equal(a.n, 1);
    assert_int_equal(b.n, 2);
    counts(2, 1, 0, 1, 0);
    a.refuses = false;
    put("sds.yaml", response("2", inline_secret("s", &two, &two)));
    turn();
    assert_true(has(s, &two));
    counts(3, 2, 0, 1, 0);
    nu_secret_unsubscribe(&a.u);
    nu_secret_unsubscribe(&b.u);
    nu_secret_unref(&s);
}

static void may_begin_without_a_value(void **state)
{
    (void)state;
    struct test_user user = {.u.on_value = on_value};
    put("sds.yaml", response("1", inline_secret("s", &one, &two)));
    struct nu_secret *s = get("s", NU_SECRET_CERTIFICATE);
    assert_non_null(s);
    assert_null(s->value);
    counts(1, 0, 0, 1, 0);
    nu_secret_subscribe(s, &user.u);
    put("sds.yaml", response("1", inline_secret("s", &one, &one)));
    turn();
    assert_int_equal(user.n, 1);
    assert_true(has(s, &one));
    nu_secret_unsubscribe(&user.u);
    nu_secret_unref(&s);
}

static void follows_the_files_that_a_secret_names(void **state)
{
    (void)state;
    const char *const ways[] = {"", nu_arena_printf(A, ", watched_directory: {path: %s}", dir).ptr};
    const unsigned per_move[] = {2, 1}; /* as Envoy: each of two files is watched, or the directory once */
    for (int i = 0; i < 2; i++) {
        struct test_user user = {.u.on_value = on_value};
        put("c.pem", one.pem);
        put("k.pem", one.key_pem);
        put("sds.yaml", response("1", file_secret("s", ways[i])));
        struct nu_secret *s = get("s", NU_SECRET_CERTIFICATE);
        turn();
        unsigned rejected = (unsigned)counted("sds.s.", NU_SDS_key_rotation_failed);
        nu_secret_subscribe(s, &user.u);
        assert_true(has(s, &one));
        put("c.pem", two.pem); /* which the key is not of */
        turn();
        assert_true(has(s, &one));
        assert_int_equal(counted("sds.s.", NU_SDS_key_rotation_failed), rejected + per_move[i]);
        put("k.pem", two.key_pem);
        turn();
        assert_true(has(s, &two));
        assert_int_equal(user.n, 1);
        put("other", NU_STR("x"));
        turn();
        assert_int_equal(user.n, 1);
        put("c.pem", NU_STR(""));
        turn();
        assert_true(has(s, &two));
        assert_int_equal(counted("sds.s.", NU_SDS_key_rotation_failed), rejected + 2 * per_move[i]);
        nu_secret_unsubscribe(&user.u);
        nu_secret_unref(&s);
        turn();
    }
}

static void polls_when_told_to(void **state)
{
    (void)state;
    put("sds.yaml", response("1", inline_secret("s", &one, &one)));
    nu_str yaml = nu_arena_printf(A, "name: s\nsds_config: {path_config_source: {path: %s, poll_interval: 0.001s}}",
                                  path("sds.yaml"));
    struct nu_secret *s = nu_secrets_get(&t.f, ref_to(yaml.ptr), NU_SECRET_CERTIFICATE);
    FILE *f = fopen(path("sds.yaml"), "w"); /* in place: no event */
    nu_str text = response("2", inline_secret("s", &two, &two));
    assert_int_equal(fwrite(text.ptr, 1, text.len, f), text.len);
    fclose(f);
    for (int i = 0; i < 1000 && !has(s, &two); i++)
        nu_loop_turn(nu_workers_main(server.workers)->loop, NU_MS(10));
    assert_true(has(s, &two));
    nu_secret_unref(&s);
}

static void refuses_what_cannot_be_fetched(void **state)
{
    (void)state;
    assert_null(get("s", NU_SECRET_CERTIFICATE));
    nu_str text = test_reported(&t);
    assert_true(nu_str_starts(text, NU_STR("paths must refer to an existing path in the system: '/tmp/nuncio-sds-")));
    server.node_id = NU_STR("");
    assert_null(get("s", NU_SECRET_VALIDATION));
    assert_true(nu_str_starts(test_reported(&t), NU_STR("CertificateValidationContextSdsApi: node 'id' and 'cluster' are required")));
    assert_null(nu_secrets_get(&t.f, ref_to("name: x"), NU_SECRET_CERTIFICATE));
    assert_string_equal(test_reported(&t).ptr, "Unknown static secret: x");
    assert_null(nu_secrets_get(&t.f, ref_to("name: x"), NU_SECRET_VALIDATION));
    assert_string_equal(test_reported(&t).ptr, "Unknown static certificate validation context: x");
}

/* ---- static ---- */

static const struct envoy_extensions_transport_sockets_tls_v3_Secret *static_secret(const char *name, const struct test_cert *c,
                                                                                    const struct test_cert *key)
{
    nu_str yaml = nu_arena_printf(A,
                                  "name: %s\ntls_certificate: {certificate_chain: {inline_string: %s}, "
                                  "private_key: {inline_string: %s}}",
                                  name, test_quote(A, c->pem), test_quote(A, key->key_pem));
    return test_message(&t, &envoy_extensions_transport_sockets_tls_v3_Secret_type, yaml);
}

static void static_ones_come_with_the_configuration(void **state)
{
    (void)state;
    struct test_user user = {.u.on_value = on_value};
    nu_secrets_stage(server.secrets);
    assert_true(nu_secrets_add_static(&t.f, server.secrets, static_secret("a", &one, &one)));
    assert_false(nu_secrets_add_static(&t.f, server.secrets, static_secret("a", &two, &two)));
    assert_string_equal(test_reported(&t).ptr, "Duplicate static TlsCertificate secret name a");
    assert_true(nu_secrets_add_static(&t.f, server.secrets, static_secret("bad", &one, &two)));
    struct nu_secret *s = nu_secrets_get(&t.f, ref_to("name: a"), NU_SECRET_CERTIFICATE);
    assert_true(has(s, &one));
    assert_null(nu_secrets_get(&t.f, ref_to("name: bad"), NU_SECRET_CERTIFICATE));
    assert_true(nu_str_starts(test_reported(&t), NU_STR("Failed to load private key from <inline>")));
    nu_secret_subscribe(s, &user.u);
    nu_secrets_commit(server.secrets);
    assert_int_equal(user.n, 0);

    /* A configuration that does not come into effect. */
    nu_secrets_stage(server.secrets);
    assert_true(nu_secrets_add_static(&t.f, server.secrets, static_secret("a", &two, &two)));
    assert_true(nu_secrets_add_static(&t.f, server.secrets, static_secret("b", &two, &two)));
    nu_secrets_unstage(server.secrets);
    assert_true(has(s, &one));
    assert_null(nu_secrets_get(&t.f, ref_to("name: b"), NU_SECRET_CERTIFICATE));
    (void)test_reported(&t);

    /* One that somebody uses must be good. */
    nu_secrets_stage(server.secrets);
    assert_false(nu_secrets_add_static(&t.f, server.secrets, static_secret("a", &two, &one)));
    (void)test_reported(&t);
    nu_secrets_unstage(server.secrets);

    nu_secrets_stage(server.secrets);
    assert_true(nu_secrets_add_static(&t.f, server.secrets, static_secret("a", &two, &two)));
    assert_true(has(s, &one));
    nu_secrets_commit(server.secrets);
    assert_true(has(s, &two));
    assert_int_equal(user.n, 1);

    nu_secrets_stage(server.secrets);
    nu_secrets_commit(server.secrets);
    assert_null(nu_secrets_get(&t.f, ref_to("name: a"), NU_SECRET_CERTIFICATE));
    (void)test_reported(&t);
    assert_true(has(s, &two)); /* who has it keeps it */
    nu_secret_unsubscribe(&user.u);
    nu_secret_unref(&s);
}

static void those_in_contexts_may_be_watched(void **state)
{
    (void)state;
    struct test_user user = {.u.on_value = on_value};
    put("c.pem", one.pem);
    put("k.pem", one.key_pem);
    nu_str yaml = nu_arena_printf(A, "tls_certificate: {certificate_chain: {filename: %s}, private_key: {filename: %s}, "
                                     "watched_directory: {path: %s}}",
                                  path("c.pem"), path("k.pem"), dir);
    struct nu_secret *s = nu_secrets_anonymous(
        &t.f, test_message(&t, &envoy_extensions_transport_sockets_tls_v3_Secret_type, yaml));
    assert_non_null(s);
    nu_secret_subscribe(s, &user.u);
    put("c.pem", two.pem);
    turn();
    assert_int_equal(user.n, 0);
    put("k.pem", two.key_pem);
    turn();
    assert_int_equal(user.n, 1);
    assert_int_equal(s->value->tls_certificate->certificate_chain->specifier_case, 1); /* still the file */
    nu_secret_unsubscribe(&user.u);
    nu_secret_unref(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_the_file_at_once, begin, end),
        cmocka_unit_test_setup_teardown(takes_what_is_moved_over_it, begin, end),
        cmocka_unit_test_setup_teardown(keeps_the_old_value_when_the_new_one_is_bad, begin, end),
        cmocka_unit_test_setup_teardown(gives_the_old_value_back_when_a_user_refuses, begin, end),
        cmocka_unit_test_setup_teardown(may_begin_without_a_value, begin, end),
        cmocka_unit_test_setup_teardown(follows_the_files_that_a_secret_names, begin, end),
        cmocka_unit_test_setup_teardown(polls_when_told_to, begin, end),
        cmocka_unit_test_setup_teardown(refuses_what_cannot_be_fetched, begin, end),
        cmocka_unit_test_setup_teardown(static_ones_come_with_the_configuration, begin, end),
        cmocka_unit_test_setup_teardown(those_in_contexts_may_be_watched, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
