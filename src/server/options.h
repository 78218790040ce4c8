/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: Envoy's flags (reference: `envoy --help`) and our own. */
#ifndef NU_SERVER_OPTIONS_H
#define NU_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sb.h"
#include "base/str.h"

enum nu_mode { NU_RUN_SERVE, NU_RUN_VALIDATE, NU_RUN_INIT_ONLY };

#define NU_MAX_STATS_TAGS 64u

/* Texts are borrowed from argv. */
struct nu_options {
    const char *config_path;   /* NULL: none */
    const char *config_yaml;   /* NULL: none */
    enum nu_mode mode;
    bool output_json;          /* --output json: what validation found, for tools */
    bool edge_profile;         /* --profile edge: what is not set has the values for untrusted clients */
    bool watch;                /* --watch: apply the file again when it changes */
    unsigned concurrency;      /* worker threads, at least 1 */
    const char *log_level;
    const char *component_log_level; /* "a:debug,b:info"; NULL: none */
    const char *log_path;      /* NULL: stderr */
    const char *log_format;    /* spdlog's pattern language */
    const char *admin_address_path; /* NULL: none */
    const char *service_cluster, *service_node, *service_zone; /* NULL: what the configuration says */
    bool allow_unknown_static_fields;
    uint64_t drain_time_s;     /* 600 */
    bool drain_immediate;      /* --drain-strategy immediate */
    uint64_t drain_on_sigterm_s; /* 0: SIGTERM ends at once */
    uint64_t file_flush_interval_ms, file_flush_min_kb;
    bool local_address_v6;     /* --local-address-ip-version v6 */
    bool enable_core_dump;
    bool disable_hot_restart, cpuset_threads;
    const char *stats_tags[NU_MAX_STATS_TAGS]; /* "key:value" */
    unsigned n_stats_tags;
    const char *user;          /* whose rights the process has once sockets are bound; NULL: keeps its own */
    const char *migrate;       /* `nuncio migrate FILE`; NULL: not asked for */
    const char *program;       /* argv[0] */
};

enum nu_options_result {
    NU_OPTIONS_OK,
    NU_OPTIONS_SAID, /* --help, --version: `out` has the text, the program ends with 0 */
    NU_OPTIONS_BAD,  /* `out` says why, the program ends with 1 */
};

/* Reads the command line. */
enum nu_options_result nu_options_parse(int argc, char **argv, struct nu_options *o, struct nu_sb *out);

/* CPUs that this process may use. */
unsigned nu_cpu_count(void);

#endif
