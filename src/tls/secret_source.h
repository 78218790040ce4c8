/* SPDX-License-Identifier: Apache-2.0
 *
 * What a source of secrets does (SDS): one object for each secret that it fetches, which delivers what came. Main thread. */
#ifndef NU_TLS_SECRET_SOURCE_H
#define NU_TLS_SECRET_SOURCE_H

#include "tls/secret.h"

struct envoy_config_core_v3_ConfigSource;
struct google_protobuf_Any;
struct nu_dir_watcher;
struct nu_secret_source;

struct nu_secret_source_ops {
    /* Begins to fetch s (its name, its kind), and may deliver before it returns. NULL: reported on m. */
    struct nu_secret_source *(*start)(struct nu_factory *f, struct nu_secret *s, const struct envoy_config_core_v3_ConfigSource *m);
    /* Ends it; nothing is delivered any more. */
    void (*stop)(struct nu_secret_source *source);
};

/* path and path_config_source. */
extern const struct nu_secret_source_ops nu_secret_file_source;

/* ---- what a source tells ---- */

/* It tries to get something: sds.<name>.update_attempt. */
void nu_secret_attempt(struct nu_secret *s);
/* It could not: logged, and counted as update_failure. */
void nu_secret_failed(struct nu_secret *s, nu_str why);
/* The first answer did not come in time: init_fetch_timeout. */
void nu_secret_fetch_timeout(struct nu_secret *s);
/* Something came: the resources of a DiscoveryResponse, of which one must be the secret, and how many were removed (delta).
 * Copied. `d` has what was wrong with them when they were read. Counted as update_success or, with the reason in the log, as
 * update_rejected; then the value stays what it was. Returns the reason; empty: taken. The text lives in `a`. */
nu_str nu_secret_deliver(struct nu_secret *s, struct google_protobuf_Any *const *resources, size_t n, size_t n_removed,
                         nu_str version, const struct nu_diags *d, struct nu_arena *a);

/* For sources that watch files. */
struct nu_dir_watcher *nu_secret_watcher(struct nu_secret *s);
struct nu_server *nu_secret_server(struct nu_secret *s);

#endif
