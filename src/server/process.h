/* SPDX-License-Identifier: Apache-2.0
 *
 * The process: what is made once at start, what a reload replaces, and how it ends. Main thread. */
#ifndef NU_SERVER_PROCESS_H
#define NU_SERVER_PROCESS_H

#include "admin/admin.h"
#include "config/bootstrap.h"
#include "event/loop.h"
#include "net/server.h"
#include "server/file_watch.h"
#include "server/options.h"
#include "server/user.h"

struct nu_process {
    struct nu_server server;
    struct nu_options options;
    struct nu_user user; /* name == NULL: as it is */
    struct nu_admin_options admin_options;
    struct nu_admin_hooks hooks;
    struct nu_admin *admin;
    enum nu_server_state state;
    struct nu_scope *scope; /* server. */
    struct nu_scope *overload_scope;
    struct nu_watchdog *watchdog; /* NULL: not serving yet */

    /* The configuration in effect. */
    struct nu_arena conf_arena;   /* of conf: as long as the process */
    struct nu_process_conf conf;
    struct nu_sb bootstrap;       /* wire bytes of the message, for /config_dump */
    uint64_t bootstrap_wall_ns;
    uint64_t rest_hash;           /* of what a reload cannot change */
    struct nu_timer hidden_timer; /* clusters that are gone wait for connections that drain */
    struct nu_scope *config_scope; /* config_reload.; NULL: never reloaded */
    struct nu_reload *reload;     /* under way; NULL: none */
    bool reload_again;            /* SIGHUP while one was under way */

    struct nu_watch signals;      /* signalfd */
    struct nu_timer flush_timer;  /* statistics */
    struct nu_timer end_timer;    /* --drain-on-sigterm: looks whether all connections are gone */
    uint64_t end_deadline_ms;
    struct nu_file_watch *config_watch, *runtime_watch; /* NULL: none */
    uint64_t started_ns;          /* monotonic */
    int exit_code;
    bool ending;
};

/* Runs the program with these options; the exit code. */
int nu_process_run(const struct nu_options *o);

/* ---- server/reload.c ---- */

/* Puts the built resources into effect the first time: clusters, then listeners (which do not listen yet). */
bool nu_process_first_apply(struct nu_process *p, struct nu_resources *r, struct nu_diags *d);
/* Reads the configuration again and applies what changed; what is wrong is logged, and nothing changes then. */
void nu_process_reload(struct nu_process *p);
/* Keeps the message as what is in effect. */
void nu_process_note_bootstrap(struct nu_process *p, const struct envoy_config_bootstrap_v3_Bootstrap *msg);
/* --service-node, --service-cluster, --service-zone and what Envoy fills in: into msg->node. In `a`. */
void nu_process_override_node(const struct nu_process *p, struct nu_arena *a,
                              const struct envoy_config_bootstrap_v3_Bootstrap *msg);
/* Forgets a reload under way. */
void nu_process_reload_free(struct nu_process *p);

/* ---- server/drain.c ---- */

/* SIGTERM: ends at once, or as --drain-on-sigterm says. */
void nu_process_on_term(struct nu_process *p);
/* POST /drain_listeners. */
void nu_process_drain_listeners(struct nu_process *p, bool graceful, bool skip_exit, bool inbound_only);
/* The loop ends after this turn. */
void nu_process_quit(struct nu_process *p, int code);

/* ---- server/stats.c ---- */

void nu_process_stats_init(struct nu_process *p);
/* Gauges and histograms as of now. */
void nu_process_stats_flush(struct nu_process *p);
/* From when on the process serves. */
void nu_process_stats_live(struct nu_process *p);

/* ---- server/report.c ---- */

struct nu_diags;
/* What is wrong with a configuration, a line each, or as one JSON object. */
void nu_report_text(const struct nu_diags *d, struct nu_sb *out);
void nu_report_json(const struct nu_diags *d, nu_str config, struct nu_sb *out);
/* Everything into the log: errors and warnings. */
void nu_report_log(const struct nu_diags *d);

#endif
