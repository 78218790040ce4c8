/* SPDX-License-Identifier: Apache-2.0
 *
 * One row per flag. A flag that cannot do anything yet has a row as well, so that it is refused by name. */
#include "server/options.h"

#include <sched.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/log.h"
#include "server/version.h"
#include "tls/library.h"

enum kind {
    TEXT,     /* const char * */
    NUMBER,   /* uint64_t */
    SWITCH,   /* bool */
    CHOICE,   /* one of the row's words, by position: enum or bool */
    LEVEL,    /* a log level, kept as text */
    TAG,      /* appended to stats_tags */
    ONLY_ZERO, /* takes 0, which is what we do anyway */
    REFUSED,  /* needs a value; not supported yet */
    REFUSED_SWITCH,
};

struct row {
    const char *name;
    char letter; /* 0: none */
    enum kind kind;
    size_t offset;
    const char *words[4]; /* CHOICE */
    const char *value;    /* the value's name in --help */
    const char *help;     /* NULL: not shown */
};

#define AT(field) offsetof(struct nu_options, field)

static const struct row rows[] = {
    {"config-path", 'c', TEXT, AT(config_path), {0}, "FILE", "configuration: .yaml, .yml, .json or .pb"},
    {"config-yaml", 0, TEXT, AT(config_yaml), {0}, "TEXT", "YAML or JSON that is merged over the file"},
    {"mode", 0, CHOICE, AT(mode), {"serve", "validate", "init_only"}, "serve|validate",
     "validate: load everything, say what is wrong, end"},
    {"output", 0, CHOICE, AT(output_json), {"text", "json"}, "text|json", "how --mode validate prints its findings"},
    {"profile", 0, CHOICE, AT(edge_profile), {"envoy", "edge"}, "envoy|edge",
     "what is not set: as Envoy (default), or as its guide for proxies at the edge wants"},
    {"watch", 0, SWITCH, AT(watch), {0}, NULL, "apply the configuration again whenever the file changes"},
    {"concurrency", 0, NUMBER, AT(concurrency), {0}, "N", "worker threads (default: one per CPU)"},
    {"log-level", 'l', LEVEL, AT(log_level), {0}, "LEVEL", "trace, debug, info, warning, error, critical or off"},
    {"component-log-level", 0, TEXT, AT(component_log_level), {0}, "A:LEVEL,B:LEVEL", "levels of single loggers"},
    {"log-path", 0, TEXT, AT(log_path), {0}, "FILE", "where the log goes (default: standard error)"},
    {"log-format", 0, TEXT, AT(log_format), {0}, "PATTERN", "form of log lines, in spdlog's pattern language"},
    {"admin-address-path", 0, TEXT, AT(admin_address_path), {0}, "FILE", "writes the admin interface's address there"},
    {"service-cluster", 0, TEXT, AT(service_cluster), {0}, "NAME", "overrides node.cluster"},
    {"service-node", 0, TEXT, AT(service_node), {0}, "NAME", "overrides node.id"},
    {"service-zone", 0, TEXT, AT(service_zone), {0}, "NAME", "overrides node.locality.zone"},
    {"allow-unknown-static-fields", 0, SWITCH, AT(allow_unknown_static_fields), {0}, NULL,
     "fields that nobody knows become warnings"},
    {"allow-unknown-fields", 0, SWITCH, AT(allow_unknown_static_fields), {0}, NULL, NULL},
    {"drain-time-s", 0, NUMBER, AT(drain_time_s), {0}, "SECONDS", "how long old listeners drain (default: 600)"},
    {"drain-strategy", 0, CHOICE, AT(drain_immediate), {"gradual", "immediate"}, "gradual|immediate",
     "whether connections are asked to end spread over that time, or at once"},
    {"drain-on-sigterm", 0, NUMBER, AT(drain_on_sigterm_s), {0}, "SECONDS",
     "on SIGTERM let requests in flight finish for at most so long"},
    {"file-flush-interval-msec", 0, NUMBER, AT(file_flush_interval_ms), {0}, "MS",
     "how often access logs are written (default: 10000)"},
    {"file-flush-min-size-kb", 0, NUMBER, AT(file_flush_min_kb), {0}, "KB",
     "log text that is written at once before that (default: 64)"},
    {"local-address-ip-version", 0, CHOICE, AT(local_address_v6), {"v4", "v6"}, "v4|v6",
     "family of the own address that x-forwarded-for gets"},
    {"stats-tag", 0, TAG, 0, {0}, "KEY:VALUE", "a fixed tag for all statistics; repeatable"},
    {"user", 0, TEXT, AT(user), {0}, "NAME", "runs as this user once its sockets are bound"},
    {"enable-core-dump", 0, SWITCH, AT(enable_core_dump), {0}, NULL, "lets core files be written: none are otherwise, as keys are in memory"},
    {"disable-hot-restart", 0, SWITCH, AT(disable_hot_restart), {0}, NULL, "taken: there is no hot restart yet"},
    {"cpuset-threads", 0, SWITCH, AT(cpuset_threads), {0}, NULL, "taken: only CPUs of the cpuset are counted anyway"},
    {"base-id", 0, ONLY_ZERO, 0, {0}, "0", "taken when 0: there is no hot restart yet"},
    {"restart-epoch", 0, ONLY_ZERO, 0, {0}, "0", "the same"},
    {"use-dynamic-base-id", 0, REFUSED_SWITCH, 0, {0}, NULL, NULL},
    {"base-id-path", 0, REFUSED, 0, {0}, NULL, NULL},
    {"parent-shutdown-time-s", 0, REFUSED, 0, {0}, NULL, NULL},
    {"skip-hot-restart-on-no-parent", 0, REFUSED_SWITCH, 0, {0}, NULL, NULL},
    {"skip-hot-restart-parent-stats", 0, REFUSED_SWITCH, 0, {0}, NULL, NULL},
    {"socket-path", 0, REFUSED, 0, {0}, NULL, NULL},
    {"socket-mode", 0, REFUSED, 0, {0}, NULL, NULL},
    {"reject-unknown-dynamic-fields", 0, REFUSED_SWITCH, 0, {0}, NULL, NULL},
    {"ignore-unknown-dynamic-fields", 0, REFUSED_SWITCH, 0, {0}, NULL, NULL},
    {"skip-deprecated-logs", 0, REFUSED_SWITCH, 0, {0}, NULL, NULL},
    {"disable-extensions", 0, REFUSED, 0, {0}, NULL, NULL},
    {"log-format-escaped", 0, REFUSED_SWITCH, 0, {0}, NULL, NULL},
    {"enable-fine-grain-logging", 0, REFUSED_SWITCH, 0, {0}, NULL, NULL},
    {"log-stacktrace-single-entry", 0, REFUSED_SWITCH, 0, {0}, NULL, NULL},
    {"enable-mutex-tracing", 0, REFUSED_SWITCH, 0, {0}, NULL, NULL},
};

unsigned nu_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}

/* ---- texts ---- */

static void print_help(struct nu_sb *out)
{
    nu_sb_lit(out, "nuncio, a proxy that speaks Envoy\n\n"
                   "usage: nuncio -c FILE [OPTION]...\n"
                   "       nuncio migrate FILE      print an Envoy v1 JSON configuration as v3 YAML\n\n");
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        const struct row *r = &rows[i];
        if (r->help == NULL)
            continue;
        size_t start = out->len;
        if (r->letter != 0)
            nu_sb_printf(out, "  -%c, ", r->letter);
        else
            nu_sb_lit(out, "      ");
        nu_sb_printf(out, "--%s%s%s", r->name, r->value != NULL ? " " : "", r->value != NULL ? r->value : "");
        nu_sb_printf(out, "%*s%s\n", out->len - start < 42 ? (int)(42 - (out->len - start)) : 1, "", r->help);
    }
    nu_sb_lit(out, "      --hot-restart-version               print it and end\n"
                   "      --version                           print it and end\n"
                   "  -h, --help                              print this and end\n\n"
                   "Signals: TERM and INT end, HUP reads the configuration again, USR1 opens logs again.\n");
}

static const struct row *find(nu_str name)
{
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++)
        if (nu_str_eq(name, nu_str_from(rows[i].name)))
            return &rows[i];
    return NULL;
}

static const struct row *nearest(nu_str name)
{
    const struct row *found = NULL;
    unsigned best = 4;
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        unsigned d = nu_str_distance(name, nu_str_from(rows[i].name), best - 1);
        if (d < best) {
            best = d;
            found = &rows[i];
        }
    }
    return found;
}

static enum nu_options_result unknown(const char *arg, nu_str name, struct nu_sb *out)
{
    const struct row *near = nearest(name);
    nu_sb_printf(out, "nuncio: unknown option %s", arg);
    if (near != NULL)
        nu_sb_printf(out, "; did you mean --%s?", near->name);
    nu_sb_lit(out, " (--help lists all)\n");
    return NU_OPTIONS_BAD;
}

/* ---- values ---- */

static bool set_number(const struct row *r, struct nu_options *o, const char *value, struct nu_sb *out)
{
    uint64_t v = 0;
    if (!nu_str_to_u64(nu_str_from(value), &v) || v > UINT32_MAX) {
        nu_sb_printf(out, "nuncio: --%s must be a whole number, not \"%s\"\n", r->name, value);
        return false;
    }
    if (r->offset == AT(concurrency)) {
        o->concurrency = v == 0 ? 1 : (unsigned)v;
        if (v <= 1024)
            return true;
        nu_sb_printf(out, "nuncio: --concurrency is at most 1024\n");
        return false;
    }
    *(uint64_t *)(void *)((char *)o + r->offset) = v;
    return true;
}

static bool set_choice(const struct row *r, struct nu_options *o, const char *value, struct nu_sb *out)
{
    for (unsigned i = 0; i < NU_ARRAY_LEN(r->words) && r->words[i] != NULL; i++) {
        if (strcmp(value, r->words[i]) != 0)
            continue;
        if (r->offset == AT(mode))
            o->mode = (enum nu_mode)i;
        else
            *(bool *)((char *)o + r->offset) = i != 0;
        return true;
    }
    nu_sb_printf(out, "nuncio: --%s is one of %s, not \"%s\"\n", r->name, r->value, value);
    return false;
}

static bool set_tag(struct nu_options *o, const char *value, struct nu_sb *out)
{
    const char *colon = strchr(value, ':');
    if (colon == NULL || colon == value) {
        nu_sb_printf(out, "nuncio: --stats-tag wants KEY:VALUE, not \"%s\"\n", value);
        return false;
    }
    for (const char *p = value; p < colon; p++)
        if ((*p < 'a' || *p > 'z') && (*p < 'A' || *p > 'Z') && (*p < '0' || *p > '9') && *p != '_' && *p != '.') {
            nu_sb_printf(out, "nuncio: --stats-tag: the key in \"%s\" may have letters, digits, '_' and '.' only\n", value);
            return false;
        }
    if (o->n_stats_tags == NU_MAX_STATS_TAGS) {
        nu_sb_printf(out, "nuncio: at most %u times --stats-tag\n", NU_MAX_STATS_TAGS);
        return false;
    }
    o->stats_tags[o->n_stats_tags++] = value;
    return true;
}

static bool refuse(const struct row *r, struct nu_sb *out)
{
    nu_sb_printf(out, "nuncio: --%s is not supported yet\n", r->name);
    return false;
}

static bool set(const struct row *r, struct nu_options *o, const char *value, struct nu_sb *out)
{
    enum nu_log_level level;
    switch (r->kind) {
    case TEXT:
        *(const char **)(void *)((char *)o + r->offset) = value;
        return true;
    case NUMBER:
        return set_number(r, o, value, out);
    case SWITCH:
        *(bool *)((char *)o + r->offset) = true;
        return true;
    case CHOICE:
        return set_choice(r, o, value, out);
    case LEVEL:
        o->log_level = value;
        if (nu_log_parse_level(nu_str_from(value), &level))
            return true;
        nu_sb_printf(out, "nuncio: --%s: '%s' is not a level; it is one of %s\n", r->name, value, r->help);
        return false;
    case TAG:
        return set_tag(o, value, out);
    case ONLY_ZERO:
        if (strcmp(value, "0") == 0)
            return true;
        nu_sb_printf(out, "nuncio: --%s %s is not supported yet: there is no hot restart\n", r->name, value);
        return false;
    case REFUSED:
    case REFUSED_SWITCH:
        return refuse(r, out);
    }
    return false;
}

static bool is_switch(const struct row *r)
{
    return r->kind == SWITCH || r->kind == REFUSED_SWITCH;
}

/* ---- the line ---- */

static enum nu_options_result said(const char *arg, const struct nu_options *o, struct nu_sb *out)
{
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
        print_help(out);
    } else if (strcmp(arg, "--version") == 0) {
        nu_sb_printf(out, "\n%s  version: %s\nnuncio " NU_VERSION ", %s\n\n", o->program, NU_ENVOY_VERSION, nu_tls_library());
    } else if (strcmp(arg, "--hot-restart-version") == 0) {
        nu_sb_lit(out, NU_HOT_RESTART_VERSION "\n");
    } else {
        return NU_OPTIONS_OK;
    }
    return NU_OPTIONS_SAID;
}

/* The row of "--name", "--name=value", "-c", "-cVALUE"; *value is the part within the argument or NULL. */
static const struct row *row_of(const char *arg, const char **value, nu_str *name)
{
    *value = NULL;
    if (strncmp(arg, "--", 2) == 0) {
        const char *equals = strchr(arg, '=');
        *name = nu_str_make(arg + 2, equals != NULL ? (size_t)(equals - arg - 2) : strlen(arg + 2));
        *value = equals != NULL ? equals + 1 : NULL;
        return find(*name);
    }
    *name = nu_str_from(arg);
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++)
        if (rows[i].letter != 0 && arg[1] == rows[i].letter) {
            *value = arg[2] != '\0' ? arg + 2 : NULL;
            return &rows[i];
        }
    return NULL;
}

static enum nu_options_result parse_flags(int argc, char **argv, struct nu_options *o, struct nu_sb *out)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *value;
        nu_str name;
        if (strcmp(arg, "--") == 0 || strcmp(arg, "--ignore_rest") == 0)
            break;
        enum nu_options_result r = said(arg, o, out);
        if (r != NU_OPTIONS_OK)
            return r;
        if (arg[0] != '-' || arg[1] == '\0') {
            nu_sb_printf(out, "nuncio: unexpected argument \"%s\" (the configuration is given with -c FILE)\n", arg);
            return NU_OPTIONS_BAD;
        }
        const struct row *row = row_of(arg, &value, &name);
        if (row == NULL)
            return unknown(arg, name, out);
        if (is_switch(row) && value != NULL) {
            nu_sb_printf(out, "nuncio: --%s takes no value\n", row->name);
            return NU_OPTIONS_BAD;
        }
        if (!is_switch(row) && value == NULL) {
            if (i + 1 >= argc) {
                nu_sb_printf(out, "nuncio: --%s needs a value\n", row->name);
                return NU_OPTIONS_BAD;
            }
            value = argv[++i];
        }
        if (!set(row, o, value, out))
            return NU_OPTIONS_BAD;
    }
    return NU_OPTIONS_OK;
}

enum nu_options_result nu_options_parse(int argc, char **argv, struct nu_options *o, struct nu_sb *out)
{
    *o = (struct nu_options){
        .concurrency = nu_cpu_count(),
        .log_level = "info",
        .drain_time_s = 600,
        .file_flush_interval_ms = 10000,
        .file_flush_min_kb = 64,
        .program = argc > 0 ? argv[0] : "nuncio",
    };
    if (argc > 1 && strcmp(argv[1], "migrate") == 0) {
        if (argc == 3 && argv[2][0] != '-') {
            o->migrate = argv[2];
            return NU_OPTIONS_OK;
        }
        nu_sb_lit(out, "usage: nuncio migrate FILE\n");
        return NU_OPTIONS_BAD;
    }
    enum nu_options_result r = parse_flags(argc, argv, o, out);
    if (r == NU_OPTIONS_OK && o->config_path == NULL && o->config_yaml == NULL) {
        nu_sb_lit(out, "nuncio: At least one of --config-path or --config-yaml should be given (nuncio -c envoy.yaml)\n");
        return NU_OPTIONS_BAD;
    }
    return r;
}
