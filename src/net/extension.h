/* SPDX-License-Identifier: Apache-2.0
 *
 * What configuration picks by name. Each extension is one file in src/ext/<category>/ that defines
 *
 *     const struct nu_extension nu_ext_http_filter_cors = {...};
 *
 * and one line in src/ext/EXTENSIONS, from which the build makes the registry table. config/ knows no extension; an
 * extension turns its own message into its own conf through the operations of its category. */
#ifndef NU_NET_EXTENSION_H
#define NU_NET_EXTENSION_H

#include <stdbool.h>

#include "base/diag.h"
#include "base/str.h"

struct google_protobuf_Any;
struct nu_factory;
struct nu_map;
struct nu_pb_type;

struct nu_extension {
    const char *category; /* Envoy's: "envoy.filters.http" */
    const char *name;     /* "envoy.filters.http.cors" */
    const struct nu_pb_type *config_type; /* message of typed_config; NULL: none */
    const struct nu_pb_type *route_config_type; /* message of typed_per_filter_config; NULL: none */
    const void *ops; /* the category's operations: struct nu_http_filter_factory, ... */
};

/* The generated table, NULL-terminated. */
extern const struct nu_extension *const nu_extensions[];

/* By category and by the type URL (or full message name) of its config; NULL when absent. Envoy picks by type URL
 * alone; the configured name is free text. */
const struct nu_extension *nu_extension_by_type(const char *category, nu_str type_name);
/* By category and by the type of its route-level config. */
const struct nu_extension *nu_extension_by_route_type(const char *category, nu_str type_name);
/* By category and name (for configs without typed_config). */
const struct nu_extension *nu_extension_by_name(const char *category, nu_str name);

/* Finds the extension of a typed_config, reporting on `owner`.`field` when it is missing or unknown (error) or not in
 * this build (unsupported). NULL: reported. */
const struct nu_extension *nu_extension_resolve(const struct nu_factory *f, const char *category, const void *owner,
                                                const char *field, const struct google_protobuf_Any *any);

/* Whether `e` made something of the configuration of `owner`. A factory reports why it returns NULL; where one did not, this
 * does, so that nothing is left out or replaced without a word. e NULL: nu_extension_resolve has reported. */
bool nu_extension_made(const struct nu_factory *f, const struct nu_extension *e, const void *owner, const void *made);

/* What a factory may use while it builds a conf. All borrowed; lives for the call, except what says otherwise. */
struct nu_factory {
    struct nu_arena *arena;   /* of the snapshot being built: the conf lives here */
    struct nu_diags *diags;   /* where to report; report with nu_pb_error(f->diags, msg, "field", ...) */
    struct nu_server *server; /* the process: see net/server.h */
    bool validate_only;       /* --mode validate: open nothing, start nothing */
    nu_str stat_cluster;      /* the cluster being built, as in its statistics ("a_b" for "a:b"); empty: none */
    nu_str stat_address;      /* the listener being built, as in its statistics ("127.0.0.1_10000"); empty: none */
    const nu_str *server_names; /* of the filter chain being built: its match's; NULL: none */
    size_t n_server_names;
    /* Whether the configuration being built has a cluster of that name; NULL: nobody can tell, do not ask. */
    bool (*has_cluster)(const struct nu_factory *f, nu_str name);
    const struct nu_map *clusters; /* for has_cluster: the names */
    bool recheck; /* clusters go away: filter chains that stay as they are must be checked against the rest, too */
};

struct nu_scope;
/* f->arena keeps the reference from now on. It may be cleared on any thread (a connection pool has a cluster's settings); the
 * scope goes on the main one. Returns s. */
struct nu_scope *nu_factory_keep_scope(struct nu_factory *f, struct nu_scope *s);

#endif
