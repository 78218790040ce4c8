/* SPDX-License-Identifier: Apache-2.0 */
#include "server/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct nu_options o;
static char said[8192];

static enum nu_options_result parse(int argc, const char *const *argv)
{
    struct nu_sb out = {0};
    enum nu_options_result r = nu_options_parse(argc, (char **)(uintptr_t)argv, &o, &out);
    nu_str text = nu_sb_str(&out);
    assert_true(text.len < sizeof(said));
    memcpy(said, text.ptr, text.len);
    said[text.len] = '\0';
    nu_sb_free(&out);
    return r;
}

#define PARSE(...)                                                                                 \
    __extension__({                                                                                \
        const char *argv_[] = {"nuncio", __VA_ARGS__};                                             \
        parse((int)NU_ARRAY_LEN(argv_), argv_);                                                    \
    })

static void values_and_defaults(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-c", "a.yaml", "--mode=validate", "--concurrency", "0", "--drain-strategy", "immediate"),
                     NU_OPTIONS_OK);
    assert_string_equal(o.config_path, "a.yaml");
    assert_int_equal(o.mode, NU_RUN_VALIDATE);
    assert_int_equal(o.concurrency, 1);
    assert_true(o.drain_immediate);
    assert_int_equal(o.drain_time_s, 600);
    assert_int_equal(o.file_flush_interval_ms, 10000);
    assert_false(o.edge_profile);
    assert_int_equal(PARSE("-c", "a.yaml", "--profile", "edge", "--user", "nobody"), NU_OPTIONS_OK);
    assert_true(o.edge_profile);
    assert_string_equal(o.user, "nobody");
    assert_int_equal(PARSE("-ca.yaml", "-ldebug", "--stats-tag", "a:b", "--stats-tag", "c:d:e"), NU_OPTIONS_OK);
    assert_string_equal(o.log_level, "debug");
    assert_int_equal(o.n_stats_tags, 2);
    assert_int_equal(PARSE("-c", "a.yaml", "--", "--bogus"), NU_OPTIONS_OK);
}

static void bad(const char *flag, const char *value, const char *want)
{
    const char *argv[] = {"nuncio", "-c", "a", flag, value};
    assert_int_equal(parse(value != NULL ? 5 : 4, argv), NU_OPTIONS_BAD);
    if (strstr(said, want) == NULL)
        fail_msg("%s: wanted \"%s\", got \"%s\"", flag, want, said);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    bad("--bogus", NULL, "unknown option --bogus");
    bad("--concurency", "2", "did you mean --concurrency?");
    bad("--concurrency", "two", "must be a whole number");
    bad("--concurrency", NULL, "needs a value");
    bad("--mode", "fast", "one of serve|validate");
    bad("--log-level", "loud", "not a level");
    bad("--watch=yes", NULL, "takes no value");
    bad("--base-id", "3", "not supported");
    bad("--use-dynamic-base-id", NULL, "not supported");
    bad("--stats-tag", "novalue", "KEY:VALUE");
    bad("stray", NULL, "unexpected argument");
    assert_int_equal(parse(1, (const char *const[]){"nuncio"}), NU_OPTIONS_BAD);
    assert_non_null(strstr(said, "At least one of --config-path or --config-yaml"));
}

static void what_only_says_something(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--help"), NU_OPTIONS_SAID);
    assert_non_null(strstr(said, "--drain-on-sigterm SECONDS"));
    assert_int_equal(PARSE("--version"), NU_OPTIONS_SAID);
    assert_non_null(strstr(said, "nuncio  version: "));
    assert_int_equal(PARSE("--hot-restart-version"), NU_OPTIONS_SAID);
    assert_string_equal(said, "11.104\n");
    assert_int_equal(PARSE("migrate", "x.json"), NU_OPTIONS_OK);
    assert_string_equal(o.migrate, "x.json");
    assert_int_equal(PARSE("migrate"), NU_OPTIONS_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_and_defaults), cmocka_unit_test(what_is_wrong_is_said),
                                       cmocka_unit_test(what_only_says_something)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
