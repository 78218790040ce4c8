/* SPDX-License-Identifier: Apache-2.0
 *
 * How a secret gets a new value: from what its source delivers, or because the files that it names were replaced. Whatever is
 * wrong with the new one, the old one stays, and something counts. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "codec/pb/hash.h"
#include "codec/pb/pb.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/service/discovery/v3/discovery.nu.h"
#include "google/protobuf/any.nu.h"
#include "net/server.h"
#include "tls/sds_stats.h"
#include "tls/secret_priv.h"
#include "worker/worker.h"

static unsigned slab(const struct nu_secret_entry *e)
{
    return e->all->server->workers->n; /* the main thread's */
}

static void count(struct nu_secret_entry *e, unsigned index)
{
    if (e->scope != NULL)
        nu_stat_inc(e->scope, slab(e), index);
}

nu_str nu_secret_why(const struct nu_diags *d, struct nu_arena *a)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->items[i].kind != NU_DIAG_WARNING)
            return nu_arena_str(a, d->items[i].text);
    return NU_STR("unknown");
}

/* ---- users ---- */

/* Until one refuses, who is returned. */
static struct nu_secret_user *tell(struct nu_secret *s, const struct nu_secret_user *until)
{
    for (struct nu_secret_user *u = s->users; u != until; u = u->next)
        if (!u->on_value(u, s))
            return u;
    return NULL;
}

bool nu_secret_take(struct nu_secret_entry *e, struct nu_secret_value *v)
{
    struct nu_secret_value *before = e->current;
    e->current = v;
    e->s.value = v->msg;
    const struct nu_secret_user *refused = tell(&e->s, NULL);
    if (refused == NULL) {
        nu_secret_value_free(&before);
        e->s.updated_wall_ns = nu_clock_wall_ns();
        return true;
    }
    e->current = before;
    e->s.value = before != NULL ? before->msg : NULL;
    if (before != NULL)
        (void)tell(&e->s, refused);
    nu_secret_value_free(&v);
    return false;
}

/* ---- files ---- */

static void rotation_failed(struct nu_secret_entry *e, nu_str why)
{
    count(e, NU_SDS_key_rotation_failed);
    nu_log(secret, NU_LOG_WARN, "Failed to reload certificates of '%.*s': %.*s", NU_STR_ARG(e->s.name), NU_STR_ARG(why));
}

static void read_again(struct nu_secret_entry *e, struct nu_factory *f)
{
    struct nu_secret_value *v = nu_secret_value_new(f, e->current->given, e->source_hash != 0);
    if (v == NULL) {
        rotation_failed(e, nu_secret_why(f->diags, f->arena));
        return;
    }
    if (memcmp(v->files, e->current->files, sizeof(v->files)) == 0) {
        nu_secret_value_free(&v);
        return;
    }
    if (!nu_secret_check(f, v->msg)) {
        rotation_failed(e, nu_secret_why(f->diags, f->arena));
        nu_secret_value_free(&v);
        return;
    }
    if (!nu_secret_take(e, v))
        rotation_failed(e, NU_STR("the new contents cannot be used"));
    else
        nu_log(secret, NU_LOG_DEBUG, "the files of secret '%.*s' have new contents, which are in use now", NU_STR_ARG(e->s.name));
}

static void on_file_event(struct nu_dir_watch *w)
{
    struct nu_secret_entry *e = nu_container_of(w, struct nu_secret_watch, watch)->entry;
    struct nu_arena arena;
    struct nu_diags diags;
    nu_arena_init(&arena, NULL);
    nu_diags_init(&diags);
    struct nu_factory f = {.arena = &arena, .diags = &diags, .server = e->all->server};
    read_again(e, &f);
    nu_diags_clear(&diags);
    nu_arena_clear(&arena);
}

void nu_secret_unwatch_files(struct nu_secret_entry *e)
{
    for (size_t i = 0; i < e->n_watches; i++)
        nu_dir_watch_end(&e->watches[i].watch);
    nu_free(e->watches);
    e->watches = NULL;
    e->n_watches = 0;
}

static bool watch(struct nu_secret_entry *e, struct nu_factory *f, nu_str dir, bool modified, const void *owner)
{
    struct nu_secret_watch *w = &e->watches[e->n_watches];
    w->entry = e;
    if (nu_dir_watch_begin(nu_secret_watcher(&e->s), &w->watch, dir, NU_STR(""), modified, on_file_event) != 0) {
        nu_pb_error(f->diags, owner, NULL, "unable to add filesystem watch for file %.*s: %s", NU_STR_ARG(dir), strerror(errno));
        return false;
    }
    e->n_watches++;
    return true;
}

static void count_file(nu_str path, void *arg)
{
    (void)path;
    ++*(size_t *)arg;
}

struct file_watching {
    struct nu_secret_entry *e;
    struct nu_factory *f;
    bool ok;
};

/* Its directory: what is replaced may be a link on the way to the file (Kubernetes). */
static void watch_file(nu_str path, void *arg)
{
    struct file_watching *w = arg;
    ssize_t slash = nu_str_rfind(path, '/');
    nu_str dir = slash < 0 ? NU_STR(".") : nu_str_first(path, (size_t)slash + 1);
    w->ok = watch(w->e, w->f, dir, false, w->e->current->given) && w->ok;
}

/* As in Envoy, each file is watched, if they are in the same directory or not: a failed rotation counts for each. Watches are
 * not moved in place, since the one that calls may be among them. */
bool nu_secret_watch_files(struct nu_secret_entry *e, struct nu_factory *f)
{
    const secret_msg *given = e->current->given;
    const directory_msg *dir = nu_secret_watched_directory(given);
    struct file_watching w = {.e = e, .f = f, .ok = true};
    size_t n = 0;
    nu_secret_unwatch_files(e);
    if (dir == NULL && e->source_hash == 0)
        return true; /* static ones are only watched when that is asked for */
    nu_secret_each_file(given, count_file, &n);
    if (n == 0)
        return true;
    e->watches = nu_calloc(dir != NULL ? 1 : n, sizeof(*e->watches));
    if (dir != NULL)
        return watch(e, f, dir->path, dir->watch_modify, dir);
    nu_secret_each_file(given, watch_file, &w);
    return w.ok;
}

/* ---- what sources tell ---- */

void nu_secret_attempt(struct nu_secret *s)
{
    count(nu_secret_entry_of(s), NU_SDS_update_attempt);
}

void nu_secret_failed(struct nu_secret *s, nu_str why)
{
    count(nu_secret_entry_of(s), NU_SDS_update_failure);
    nu_log(secret, NU_LOG_WARN, "sds: cannot get the secret '%.*s': %.*s", NU_STR_ARG(s->name), NU_STR_ARG(why));
}

void nu_secret_fetch_timeout(struct nu_secret *s)
{
    count(nu_secret_entry_of(s), NU_SDS_init_fetch_timeout);
    nu_log(secret, NU_LOG_WARN, "sds: the secret '%.*s' did not come in time", NU_STR_ARG(s->name));
}

/* The one secret in what came; NULL: *why. */
static const secret_msg *find_secret(const struct nu_secret *s, struct google_protobuf_Any *const *resources, size_t n,
                                     size_t n_removed, struct nu_arena *a, nu_str *why)
{
    if (n + n_removed == 0) {
        *why = nu_arena_printf(a, "Missing SDS resources for %.*s in onConfigUpdate()", NU_STR_ARG(s->name));
        return NULL;
    }
    if (n != 1) {
        *why = nu_arena_printf(a,
                               "Unexpected SDS secrets length for %.*s, number of added resources %zu, number of removed "
                               "resources %zu. Expected sum is 1",
                               NU_STR_ARG(s->name), n, n_removed);
        return NULL;
    }
    const struct google_protobuf_Any *any = resources[0];
    const struct envoy_service_discovery_v3_Resource *wrapper =
        NU_PB_AS(any->msg, envoy_service_discovery_v3_Resource);
    if (wrapper != NULL && wrapper->resource != NULL)
        any = wrapper->resource;
    const secret_msg *m = NU_PB_AS(any->msg, envoy_extensions_transport_sockets_tls_v3_Secret);
    if (m == NULL)
        *why = nu_arena_printf(a, "the resource is not a Secret but %.*s", NU_STR_ARG(any->type_url));
    else if (!nu_str_eq(m->name, s->name))
        *why = nu_arena_printf(a, "Unexpected SDS secret (expecting %.*s): %.*s", NU_STR_ARG(s->name), NU_STR_ARG(m->name));
    else if (m->type_case != nu_secret_case(s->kind))
        *why = nu_arena_printf(a, "the secret %.*s is not a %s", NU_STR_ARG(s->name), nu_secret_kind_name(s->kind));
    else
        return m;
    return NULL;
}

/* "" when taken. */
static nu_str take_message(struct nu_secret_entry *e, const secret_msg *m, struct nu_factory *f)
{
    uint64_t hash = nu_pb_hash(m);
    if (hash == e->tried_hash && e->current != NULL && nu_pb_hash(e->current->given) == hash)
        return NU_STR("");
    e->tried_hash = hash;
    struct nu_secret_value *v = nu_secret_value_new(f, m, true);
    if (v == NULL || !nu_secret_check(f, v->msg)) {
        nu_secret_value_free(&v);
        return nu_secret_why(f->diags, f->arena);
    }
    if (!nu_secret_take(e, v))
        return NU_STR("it cannot be used");
    if (!nu_secret_watch_files(e, f))
        nu_log(secret, NU_LOG_WARN, "sds: secret '%.*s': %.*s", NU_STR_ARG(e->s.name),
               NU_STR_ARG(nu_secret_why(f->diags, f->arena)));
    return NU_STR("");
}

static void note_success(struct nu_secret_entry *e, nu_str version)
{
    nu_free((void *)(uintptr_t)e->version.ptr);
    char *copy = nu_alloc(version.len + 1);
    if (version.len > 0)
        memcpy(copy, version.ptr, version.len);
    e->version = e->s.version = nu_str_make(copy, version.len);
    e->s.updated_wall_ns = nu_clock_wall_ns();
    count(e, NU_SDS_update_success);
    if (e->scope == NULL)
        return;
    nu_gauge_set(e->scope, slab(e), NU_SDS_update_time, e->s.updated_wall_ns / NU_NS_PER_MS);
    nu_gauge_set_wide(e->scope, NU_SDS_version, nu_xxh64(version, 0));
    nu_secret_note_version(e, version);
}

nu_str nu_secret_deliver(struct nu_secret *s, struct google_protobuf_Any *const *resources, size_t n, size_t n_removed,
                         nu_str version, const struct nu_diags *read_diags, struct nu_arena *a)
{
    struct nu_secret_entry *e = nu_secret_entry_of(s);
    struct nu_diags diags;
    nu_str why = NU_STR("");
    nu_diags_init(&diags);
    struct nu_factory f = {.arena = a, .diags = &diags, .server = e->all->server};
    if (nu_diags_failed(read_diags)) {
        why = nu_secret_why(read_diags, a);
    } else {
        const secret_msg *m = find_secret(s, resources, n, n_removed, a, &why);
        if (m != NULL)
            why = take_message(e, m, &f);
    }
    nu_diags_clear(&diags);
    if (why.len == 0) {
        note_success(e, version);
        return why;
    }
    count(e, NU_SDS_update_rejected);
    nu_log(secret, NU_LOG_WARN, "sds: secret '%.*s' config rejected: %.*s", NU_STR_ARG(s->name), NU_STR_ARG(why));
    return why;
}
