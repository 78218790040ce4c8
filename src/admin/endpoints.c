/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of endpoints, sorted by path; names and texts of /help are Envoy's. What Envoy has and we do not: profilers and
 * heap dumps (they belong to its allocator), symbol table lookups (there is no symbol table). */
#include "admin/request.h"

#define PARAMS(list) .params = list, .n_params = NU_ARRAY_LEN(list)

#define USED_ONLY                                                                                                      \
    {.name = "usedonly", .help = "Only include stats that have been written by system since restart", .is_switch = true}
#define FILTER {.name = "filter", .help = "Regular expression (Google re2) for filtering stats"}
#define INVERT {.name = "invert_filter", .help = "Invert the filter regex", .is_switch = true}

static const struct nu_admin_param clusters_params[] = {
    {.name = "filter", .help = "Regular expression (Google re2) for filtering clusters by name"},
    {.name = "format", .help = "File format to use", .choices = "text, json"},
};
static const struct nu_admin_param config_dump_params[] = {
    {.name = "resource", .help = "The resource to dump"},
    {.name = "mask",
     .help = "The mask to apply. When both resource and mask are specified, the mask is applied to every element in the "
             "desired repeated field so that only a subset of fields are returned. The mask is parsed as a "
             "Protobuf::FieldMask"},
    {.name = "name_regex",
     .help = "Dump only the currently loaded configurations whose names match the specified regex. Can be used with both "
             "resource and mask query parameters."},
    {.name = "include_eds",
     .help = "Dump currently loaded configuration including EDS. See the response definition for more information",
     .is_switch = true},
};
static const struct nu_admin_param drain_params[] = {
    {.name = "graceful",
     .help = "When draining listeners, enter a graceful drain period prior to closing listeners. This behaviour and "
             "duration is configurable via server options or CLI",
     .is_switch = true},
    {.name = "skip_exit",
     .help = "When draining listeners, drain the connections but never stop the listeners. The graceful parameter has no "
             "effect when this is set, since the drain period only delays stopping the listeners",
     .is_switch = true},
    {.name = "inboundonly",
     .help = "Drains all inbound listeners. traffic_direction field in envoy_v3_api_msg_config.listener.v3.Listener is used "
             "to determine whether a listener is inbound or outbound.",
     .is_switch = true},
};
static const struct nu_admin_param init_dump_params[] = {
    {.name = "mask",
     .help = "The desired component to dump unready targets. The mask is parsed as a Protobuf::FieldMask. For example, get "
             "the unready targets of all listeners with /init_dump?mask=listener`"},
};
static const struct nu_admin_param listeners_params[] = {
    {.name = "format", .help = "File format to use", .choices = "text, json"},
};
static const struct nu_admin_param logging_params[] = {
    {.name = "paths",
     .help = "Change multiple logging levels by setting to <logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>. "
             "If fine grain logging is enabled, use __FILE__ or a glob experision as the logger name. For example, "
             "source/common*:warning"},
    {.name = "group",
     .help = "Change given logger group to desired level, set to <logger_group_name>:<desired_level>. logger_group_name "
             "must be a logger name."},
    {.name = "level",
     .help = "desired logging level, this will change all loggers's level",
     .choices = ", trace, debug, info, warning, error, critical, off"},
};
static const struct nu_admin_param stats_params[] = {
    USED_ONLY,
    FILTER,
    INVERT,
    {.name = "format", .help = "Format to use", .choices = "html, active-html, text, json"},
    {.name = "type", .help = "Stat types to include.", .choices = "All, Counters, Histograms, Gauges, TextReadouts"},
    {.name = "histogram_buckets",
     .help = "Histogram bucket display mode",
     .choices = "cumulative, disjoint, detailed, summary"},
};
static const struct nu_admin_param prometheus_params[] = {
    USED_ONLY,
    {.name = "text_readouts",
     .help = "Render text_readouts as new gaugues with value 0 (increases Prometheus data size)",
     .is_switch = true},
    FILTER,
    INVERT,
    {.name = "histogram_buckets", .help = "Histogram bucket display mode", .choices = "cumulative, summary"},
};

const struct nu_admin_endpoint nu_admin_endpoints[] = {
    {.path = "/", .help = "Admin home page", .run = nu_admin_home},
    {.path = "/certs", .help = "print certs on machine", .run = nu_admin_certs},
    {.path = "/clusters", .help = "upstream cluster status", .run = nu_admin_clusters, PARAMS(clusters_params)},
    {.path = "/config_dump",
     .help = "dump current Envoy configs",
     .run = nu_admin_config_dump,
     PARAMS(config_dump_params)},
    {.path = "/contention",
     .help = "dump current Envoy mutex contention stats (if enabled)",
     .run = nu_admin_contention},
    {.path = "/drain_listeners",
     .help = "drain listeners",
     .mutates = true,
     .run = nu_admin_drain_listeners,
     PARAMS(drain_params)},
    {.path = "/healthcheck/fail",
     .help = "cause the server to fail health checks",
     .mutates = true,
     .run = nu_admin_healthcheck_fail},
    {.path = "/healthcheck/ok",
     .help = "cause the server to pass health checks",
     .mutates = true,
     .run = nu_admin_healthcheck_ok},
    {.path = "/help", .help = "print out list of admin commands", .run = nu_admin_help},
    {.path = "/hot_restart_version",
     .help = "print the hot restart compatibility version",
     .run = nu_admin_hot_restart_version},
    {.path = "/init_dump",
     .help = "dump current Envoy init manager information (experimental)",
     .run = nu_admin_init_dump,
     PARAMS(init_dump_params)},
    {.path = "/listeners", .help = "print listener info", .run = nu_admin_listeners, PARAMS(listeners_params)},
    {.path = "/logging",
     .help = "query/change logging levels",
     .mutates = true,
     .run = nu_admin_logging,
     PARAMS(logging_params)},
    {.path = "/memory", .help = "print current allocation/heap usage", .run = nu_admin_memory},
    {.path = "/quitquitquit", .help = "exit the server", .mutates = true, .run = nu_admin_quit},
    {.path = "/ready",
     .help = "print server state, return 200 if LIVE, otherwise return 503",
     .run = nu_admin_ready},
    {.path = "/reopen_logs", .help = "reopen access logs", .mutates = true, .run = nu_admin_reopen_logs},
    {.path = "/reset_counters",
     .help = "reset all counters to zero",
     .mutates = true,
     .run = nu_admin_reset_counters},
    {.path = "/runtime", .help = "print runtime values", .run = nu_admin_runtime},
    {.path = "/runtime_modify",
     .help = "Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty "
             "string as the value. Note that deletion only applies to overrides added via this endpoint; values loaded from "
             "disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...",
     .mutates = true,
     .run = nu_admin_runtime_modify},
    {.path = "/server_info", .help = "print server version/status information", .run = nu_admin_server_info},
    {.path = "/stats", .help = "print server stats", .run = nu_admin_stats, PARAMS(stats_params)},
    {.path = "/stats/prometheus",
     .help = "print server stats in prometheus format",
     .run = nu_admin_stats_prometheus,
     PARAMS(prometheus_params)},
};
const size_t nu_admin_n_endpoints = NU_ARRAY_LEN(nu_admin_endpoints);
