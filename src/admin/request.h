/* SPDX-License-Identifier: Apache-2.0
 *
 * A request to the admin interface, as its handlers see it, and the table of handlers. A handler runs when the whole
 * request is there, on the main thread; it writes its answer into `out` at once, or sets `more` to be asked for it in
 * pieces while the client takes them. */
#ifndef NU_ADMIN_REQUEST_H
#define NU_ADMIN_REQUEST_H

#include "admin/admin.h"
#include "admin/query.h"
#include "http/matchers.h"

struct nu_admin {
    struct nu_server *server;
    const struct nu_admin_hooks *hooks;
    nu_str profile_path;
    /* bootstrap.admin.allow_paths; the arena is the listener's snapshot's */
    struct nu_string_matcher *allow_paths;
    size_t n_allow_paths;
};

struct nu_admin_request {
    struct nu_admin *admin;
    struct nu_arena *arena;      /* the stream's */
    nu_str method, path;         /* path without its query */
    nu_str path_and_query;
    struct nu_params params;     /* of the query, or of a form in the body */
    /* The answer. */
    unsigned status;             /* 200 */
    nu_str content_type;         /* NU_ADMIN_TEXT */
    struct nu_sb out;            /* the beginning of the body */
    /* Appends about `bytes` more; false: that was the last of it. NULL: `out` is all. */
    bool (*more)(struct nu_admin_request *r, struct nu_sb *sb, size_t bytes);
    /* Gives up what the handler keeps for `more`; NULL: nothing. Called once, also when the client went away. */
    void (*done)(struct nu_admin_request *r);
    void *state;                 /* the handler's own */
};

#define NU_ADMIN_TEXT NU_STR("text/plain; charset=UTF-8")
#define NU_ADMIN_PLAIN NU_STR("text/plain") /* /config_dump's errors */
#define NU_ADMIN_JSON NU_STR("application/json")
#define NU_ADMIN_HTML NU_STR("text/html; charset=UTF-8")

/* Sets the status and appends a text. */
void nu_admin_fail(struct nu_admin_request *r, unsigned status, const char *fmt, ...) NU_PRINTF(3, 4);

/* One parameter of an endpoint, for /help and the forms of /. */
struct nu_admin_param {
    const char *name, *help;
    const char *choices; /* "y, n"; NULL: free text, or a switch: */
    bool is_switch;      /* its presence is what counts */
};

struct nu_admin_endpoint {
    const char *path, *help;
    bool mutates; /* wants POST */
    void (*run)(struct nu_admin_request *r);
    const struct nu_admin_param *params;
    size_t n_params;
};

/* Sorted by path. */
extern const struct nu_admin_endpoint nu_admin_endpoints[];
extern const size_t nu_admin_n_endpoints;

/* By path; NULL: no such endpoint. */
const struct nu_admin_endpoint *nu_admin_endpoint(nu_str path);

/* Chooses the handler by path and runs it; unknown paths, wrong methods and paths that are not allowed are answered, too. */
void nu_admin_dispatch(struct nu_admin_request *r);
/* Ends a request's answer: runs done, frees out. */
void nu_admin_request_clear(struct nu_admin_request *r);

/* Handlers. */
void nu_admin_help(struct nu_admin_request *r);                 /* dispatch.c */
void nu_admin_home(struct nu_admin_request *r);                 /* home.c */
void nu_admin_clusters(struct nu_admin_request *r);             /* clusters.c */
void nu_admin_config_dump(struct nu_admin_request *r);          /* config_dump.c */
void nu_admin_listeners(struct nu_admin_request *r);            /* listeners.c */
void nu_admin_logging(struct nu_admin_request *r);              /* logging.c */
void nu_admin_stats(struct nu_admin_request *r);                /* stats.c */
void nu_admin_stats_prometheus(struct nu_admin_request *r);
void nu_admin_reset_counters(struct nu_admin_request *r);
void nu_admin_server_info(struct nu_admin_request *r);          /* server_info.c */
void nu_admin_runtime(struct nu_admin_request *r);              /* process.c: the rest */
void nu_admin_runtime_modify(struct nu_admin_request *r);
void nu_admin_ready(struct nu_admin_request *r);
void nu_admin_quit(struct nu_admin_request *r);
void nu_admin_drain_listeners(struct nu_admin_request *r);
void nu_admin_healthcheck_fail(struct nu_admin_request *r);
void nu_admin_healthcheck_ok(struct nu_admin_request *r);
void nu_admin_reopen_logs(struct nu_admin_request *r);
void nu_admin_memory(struct nu_admin_request *r);
void nu_admin_certs(struct nu_admin_request *r);
void nu_admin_contention(struct nu_admin_request *r);
void nu_admin_hot_restart_version(struct nu_admin_request *r);
void nu_admin_init_dump(struct nu_admin_request *r);

#endif
