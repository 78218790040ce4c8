/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of tls/secret share: secret.c (which there are, who uses them), secret_value.c (what they say), secret_sds.c
 * (new values from sources, and of files). */
#ifndef NU_TLS_SECRET_PRIV_H
#define NU_TLS_SECRET_PRIV_H

#include <openssl/sha.h>

#include "base/list.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.nu.h"
#include "event/dir_watch.h"
#include "stats/stats.h"
#include "tls/secret_source.h"

typedef struct envoy_extensions_transport_sockets_tls_v3_Secret secret_msg;
typedef struct envoy_config_core_v3_DataSource source_msg;
typedef struct envoy_config_core_v3_WatchedDirectory directory_msg;

struct nu_dir_watcher;

/* ---- secret_value.c ---- */

/* One value, on the heap with an arena of its own. */
struct nu_secret_value {
    struct nu_arena arena;
    const secret_msg *given; /* as it was delivered */
    const secret_msg *msg;   /* the same with the files in it; static secrets: `given` */
    uint8_t files[SHA256_DIGEST_LENGTH]; /* of what the files had in them */
};

/* Copies m; from_sds: with the files that it names. NULL: reported on f->diags (files that cannot be read, an empty CA). */
struct nu_secret_value *nu_secret_value_new(struct nu_factory *f, const secret_msg *m, bool from_sds);
void nu_secret_value_free(struct nu_secret_value **v);

/* Whether it can be used at all, as far as that can be told without its users. false: reported on m. */
bool nu_secret_check(struct nu_factory *f, const secret_msg *m);
/* The field of the oneof that a kind wants, and its name in Envoy's messages ("TlsCertificate"). */
int nu_secret_case(enum nu_secret_kind kind);
const char *nu_secret_kind_name(enum nu_secret_kind kind);

/* Calls fn for each file that m names. */
void nu_secret_each_file(const secret_msg *m, void (*fn)(nu_str path, void *arg), void *arg);
/* NULL: none. */
const directory_msg *nu_secret_watched_directory(const secret_msg *m);

/* ---- secret.c ---- */

struct nu_secret_entry;

struct nu_secret_watch {
    struct nu_dir_watch watch;
    struct nu_secret_entry *entry;
};

struct nu_secret_entry {
    struct nu_secret s;
    struct nu_list node; /* nu_secrets.entries */
    struct nu_secrets *all;
    unsigned refs;
    struct nu_arena arena;          /* of the name */
    uint64_t source_hash;           /* of the ConfigSource; 0: none */
    struct nu_secret_value *current;

    struct nu_secret_watch *watches; /* of files */
    size_t n_watches;

    /* static: */
    bool listed;                  /* in effect, which is a reference */
    bool staged;                  /* in the configuration that is being read */
    struct nu_secret_value *next; /* which says something else; NULL: the same */
    const secret_msg *staged_msg; /* as read, with places for reports; until staging ends */
    bool checked;                 /* that one can be used */

    /* from SDS: */
    const struct nu_secret_source_ops *ops; /* NULL: not fetching */
    struct nu_secret_source *source;
    struct nu_scope *scope;
    struct nu_stat_text version_text; /* sds.<name>.version_text */
    uint64_t tried_hash; /* of the last value that came, taken or not */
    nu_str version;      /* on the heap */
};

struct nu_secrets {
    struct nu_server *server;
    struct nu_dir_watcher *watcher; /* NULL: nobody watches yet */
    struct nu_list entries;
    bool staging;
};

/* sds.<name>.version_text; only with a scope. */
void nu_secret_note_version(struct nu_secret_entry *e, nu_str version);

static inline struct nu_secret_entry *nu_secret_entry_of(struct nu_secret *s)
{
    return nu_container_of(s, struct nu_secret_entry, s);
}

/* ---- secret_sds.c ---- */

/* Makes `v` the value and tells the users; gives back the one before. false: a user refused; the value before is back, and `v`
 * is gone. */
bool nu_secret_take(struct nu_secret_entry *e, struct nu_secret_value *v);
/* Watches the files of the current value (from SDS), or its watched_directory. false: reported. */
bool nu_secret_watch_files(struct nu_secret_entry *e, struct nu_factory *f);
void nu_secret_unwatch_files(struct nu_secret_entry *e);
/* The text of what was reported first; "unknown" when nothing was. In `a`. */
nu_str nu_secret_why(const struct nu_diags *d, struct nu_arena *a);

#endif
