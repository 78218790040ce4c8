/* SPDX-License-Identifier: Apache-2.0
 *
 * Which secrets there are, and who uses them. */
#include "tls/secret.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/sb.h"
#include "codec/pb/hash.h"
#include "codec/pb/pb.h"
#include "envoy/config/core/v3/config_source.nu.h"
#include "net/server.h"
#include "tls/sds_stats.h"
#include "tls/secret_priv.h"
#include "worker/worker.h"

typedef struct envoy_extensions_transport_sockets_tls_v3_SdsSecretConfig sds_msg;

struct nu_secrets *nu_secrets_new(struct nu_server *server)
{
    struct nu_secrets *s = nu_new(struct nu_secrets);
    s->server = server;
    nu_list_init(&s->entries);
    return s;
}

struct nu_dir_watcher *nu_secret_watcher(struct nu_secret *s)
{
    struct nu_secrets *all = nu_secret_entry_of(s)->all;
    if (all->watcher == NULL)
        all->watcher = nu_dir_watcher_new(nu_workers_main(all->server->workers)->loop);
    return all->watcher;
}

struct nu_server *nu_secret_server(struct nu_secret *s)
{
    return nu_secret_entry_of(s)->all->server;
}

/* ---- entries ---- */

static struct nu_secret_entry *new_entry(struct nu_secrets *all, enum nu_secret_kind kind, nu_str name)
{
    struct nu_secret_entry *e = nu_new(struct nu_secret_entry);
    nu_arena_init_sized(&e->arena, 256);
    e->all = all;
    e->refs = 1;
    e->s.kind = kind;
    e->s.name = nu_arena_str(&e->arena, name);
    nu_list_push_back(&all->entries, &e->node);
    return e;
}

static void free_entry(struct nu_secret_entry *e)
{
    NU_ASSERT(e->s.users == NULL);
    if (e->ops != NULL)
        e->ops->stop(e->source);
    nu_secret_unwatch_files(e);
    nu_list_remove(&e->node);
    nu_secret_value_free(&e->current);
    nu_secret_value_free(&e->next);
    nu_scope_unref(&e->scope);
    nu_stat_text_end(&e->version_text);
    nu_free((void *)(uintptr_t)e->version.ptr);
    nu_arena_clear(&e->arena);
    nu_free(e);
}

static void drop(struct nu_secret_entry *e)
{
    if (--e->refs == 0)
        free_entry(e);
}

static struct nu_secret *use(struct nu_secret_entry *e)
{
    e->refs++;
    return &e->s;
}

void nu_secret_unref(struct nu_secret **sp)
{
    struct nu_secret *s = nu_take(sp);
    if (s != NULL)
        drop(nu_secret_entry_of(s));
}

void nu_secret_subscribe(struct nu_secret *s, struct nu_secret_user *u)
{
    u->secret = s;
    u->next = s->users;
    s->users = u;
}

void nu_secret_unsubscribe(struct nu_secret_user *u)
{
    for (struct nu_secret_user **p = &u->secret->users; *p != NULL; p = &(*p)->next)
        if (*p == u) {
            *p = u->next;
            return;
        }
}

/* What the value is, in whose words; false: in none. */
static bool kind_of(const secret_msg *m, enum nu_secret_kind *kind)
{
    for (int k = NU_SECRET_CERTIFICATE; k <= NU_SECRET_GENERIC; k++)
        if (m->type_case == nu_secret_case((enum nu_secret_kind)k)) {
            *kind = (enum nu_secret_kind)k;
            return true;
        }
    return false;
}

static void set_first_value(struct nu_secret_entry *e, struct nu_secret_value *v)
{
    e->current = v;
    e->s.value = v->msg;
    e->s.updated_wall_ns = nu_clock_wall_ns();
}

/* ---- static secrets ---- */

static struct nu_secret_entry *find_static(struct nu_secrets *all, enum nu_secret_kind kind, nu_str name)
{
    nu_list_foreach(n, &all->entries) {
        struct nu_secret_entry *e = nu_list_entry(n, struct nu_secret_entry, node);
        if (e->s.is_static && (e->listed || e->staged) && e->s.kind == kind && nu_str_eq(e->s.name, name))
            return e;
    }
    return NULL;
}

void nu_secrets_stage(struct nu_secrets *all)
{
    nu_secrets_unstage(all);
    all->staging = true;
}

/* A new one has its value at once; one that is there keeps its old value until the commit. */
static bool stage_value(struct nu_factory *f, struct nu_secret_entry *e, const secret_msg *m)
{
    if (e->current != NULL && nu_pb_hash(e->current->given) == nu_pb_hash(m))
        return true;
    if (e->s.users != NULL && !nu_secret_check(f, m))
        return false;
    struct nu_secret_value *v = nu_secret_value_new(f, m, false);
    if (v == NULL)
        return false;
    if (e->current == NULL) {
        set_first_value(e, v);
        return f->validate_only || nu_secret_watch_files(e, f);
    }
    e->next = v;
    return true;
}

bool nu_secrets_add_static(struct nu_factory *f, struct nu_secrets *all, const secret_msg *m)
{
    enum nu_secret_kind kind;
    if (!kind_of(m, &kind)) {
        nu_pb_error(f->diags, m, NULL, "Secret type not implemented");
        return false;
    }
    struct nu_secret_entry *e = find_static(all, kind, m->name);
    if (e != NULL && e->staged) {
        nu_pb_error(f->diags, m, "name", "Duplicate static %s secret name %.*s", nu_secret_kind_name(kind), NU_STR_ARG(m->name));
        return false;
    }
    if (e == NULL) {
        e = new_entry(all, kind, m->name);
        e->s.is_static = true;
    } else {
        e->refs++;
    }
    e->staged = true; /* which is a reference */
    e->staged_msg = m;
    e->checked = false;
    return stage_value(f, e, m);
}

static struct nu_secret_entry *first_staged(struct nu_secrets *all)
{
    nu_list_foreach(n, &all->entries) {
        struct nu_secret_entry *e = nu_list_entry(n, struct nu_secret_entry, node);
        if (e->staged)
            return e;
    }
    return NULL;
}

void nu_secrets_unstage(struct nu_secrets *all)
{
    all->staging = false;
    for (struct nu_secret_entry *e; (e = first_staged(all)) != NULL;) {
        e->staged = false;
        e->staged_msg = NULL;
        nu_secret_value_free(&e->next);
        drop(e);
    }
}

/* Nothing may fail any more; a user that refuses what was checked keeps what it has. */
static void put_into_effect(struct nu_secret_entry *e)
{
    struct nu_secret_value *v = nu_take(&e->next);
    if (v != NULL && !nu_secret_take(e, v))
        nu_log(secret, NU_LOG_ERROR, "the new value of the static secret '%.*s' cannot be used: the old one stays",
               NU_STR_ARG(e->s.name));
    else if (v != NULL) {
        struct nu_diags d;
        nu_diags_init(&d);
        struct nu_factory f = {.arena = &e->arena, .diags = &d, .server = e->all->server};
        (void)nu_secret_watch_files(e, &f);
        nu_diags_clear(&d);
    }
}

void nu_secrets_commit(struct nu_secrets *all)
{
    struct nu_list *next;
    all->staging = false;
    for (struct nu_list *n = all->entries.next; n != &all->entries; n = next) {
        struct nu_secret_entry *e = nu_list_entry(n, struct nu_secret_entry, node);
        next = n->next;
        bool was = e->listed;
        e->listed = e->staged;
        e->staged = false;
        e->staged_msg = NULL;
        if (e->listed)
            put_into_effect(e);
        if (was) /* the reference of the list before; that of staging is the list's now */
            drop(e);
    }
}

static struct nu_secret *get_static(struct nu_factory *f, struct nu_secrets *all, const sds_msg *m, enum nu_secret_kind kind)
{
    struct nu_secret_entry *e = find_static(all, kind, m->name);
    if (e == NULL || !(all->staging ? e->staged : e->listed)) {
        nu_pb_error(f->diags, m, "name", "Unknown static %s: %.*s",
                    kind == NU_SECRET_VALIDATION ? "certificate validation context" : "secret", NU_STR_ARG(m->name));
        return NULL;
    }
    /* Said here, where it can be said at its place; those that nobody uses may be anything, as in Envoy. */
    if (e->staged_msg != NULL && !e->checked && !nu_secret_check(f, e->staged_msg))
        return NULL;
    e->checked = true;
    return use(e);
}

/* ---- secrets from SDS ---- */

static const struct nu_secret_source_ops *source_for(const struct envoy_config_core_v3_ConfigSource *m)
{
    switch (m->config_source_specifier_case) {
    case envoy_config_core_v3_ConfigSource_path_case:
    case envoy_config_core_v3_ConfigSource_path_config_source_case:
        return &nu_secret_file_source;
    default: /* reported by its rule, or when it was read */
        return NULL;
    }
}

static bool node_is_known(struct nu_factory *f, const sds_msg *m, enum nu_secret_kind kind)
{
    if (f->server->node_id.len > 0 && f->server->node_cluster.len > 0)
        return true;
    nu_pb_error(f->diags, m, "sds_config",
                "%sSdsApi: node 'id' and 'cluster' are required. Set it either in 'node' config or via --service-node and "
                "--service-cluster options.",
                nu_secret_kind_name(kind));
    return false;
}

static struct nu_scope *sds_scope(struct nu_server *server, nu_str name)
{
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    struct nu_stat_tag tag = {NU_STR("envoy.xds_resource_name"), nu_stat_clean(nu_arena_alloc(&a, name.len), name)};
    nu_str prefix = nu_arena_printf(&a, "sds.%.*s.", NU_STR_ARG(tag.value));
    struct nu_scope *scope = nu_scope_get(server->stats, &nu_sds_layout, prefix, NU_STR("sds."), &tag, 1);
    nu_arena_clear(&a);
    return scope;
}

void nu_secret_note_version(struct nu_secret_entry *e, nu_str version)
{
    struct nu_sb name = {0};
    nu_sb_add(&name, e->scope->prefix);
    nu_sb_lit(&name, "version_text");
    nu_stat_text_set(e->all->server->stats, &e->version_text, nu_sb_str(&name), version);
    nu_sb_free(&name);
}

static void begin_statistics(struct nu_secret_entry *e)
{
    e->scope = sds_scope(e->all->server, e->s.name);
    nu_secret_note_version(e, NU_STR(""));
}

static struct nu_secret_entry *find_dynamic(struct nu_secrets *all, enum nu_secret_kind kind, nu_str name, uint64_t source)
{
    nu_list_foreach(n, &all->entries) {
        struct nu_secret_entry *e = nu_list_entry(n, struct nu_secret_entry, node);
        if (e->source_hash == source && e->s.kind == kind && nu_str_eq(e->s.name, name))
            return e;
    }
    return NULL;
}

static struct nu_secret *get_dynamic(struct nu_factory *f, struct nu_secrets *all, const sds_msg *m, enum nu_secret_kind kind)
{
    const struct nu_secret_source_ops *ops = source_for(m->sds_config);
    if (ops == NULL || !node_is_known(f, m, kind))
        return NULL;
    uint64_t hash = nu_pb_hash(m->sds_config) | 1;
    struct nu_secret_entry *e = find_dynamic(all, kind, m->name, hash);
    if (e != NULL)
        return use(e);
    e = new_entry(all, kind, m->name);
    e->source_hash = hash;
    e->s.updated_wall_ns = nu_clock_wall_ns();
    if (!f->validate_only && f->server->stats != NULL)
        begin_statistics(e);
    e->source = ops->start(f, &e->s, m->sds_config);
    if (e->source == NULL) {
        drop(e);
        return NULL;
    }
    e->ops = ops;
    return &e->s;
}

struct nu_secret *nu_secrets_get(struct nu_factory *f, const sds_msg *m, enum nu_secret_kind kind)
{
    struct nu_secrets *all = f->server->secrets;
    return m->sds_config != NULL ? get_dynamic(f, all, m, kind) : get_static(f, all, m, kind);
}

struct nu_secret *nu_secrets_anonymous(struct nu_factory *f, const secret_msg *m)
{
    enum nu_secret_kind kind;
    bool known = kind_of(m, &kind);
    NU_ASSERT(known);
    if (!nu_secret_check(f, m))
        return NULL;
    struct nu_secret_value *v = nu_secret_value_new(f, m, false);
    if (v == NULL)
        return NULL;
    struct nu_secret_entry *e = new_entry(f->server->secrets, kind, NU_STR(""));
    set_first_value(e, v);
    if (f->validate_only || nu_secret_watch_files(e, f))
        return &e->s;
    drop(e);
    return NULL;
}

/* ---- all of them ---- */

void nu_secrets_each(struct nu_secrets *all, void (*fn)(const struct nu_secret *s, void *arg), void *arg)
{
    for (int is_static = 1; is_static >= 0; is_static--)
        nu_list_foreach(n, &all->entries) {
            const struct nu_secret_entry *e = nu_list_entry(n, struct nu_secret_entry, node);
            if (is_static ? e->listed : e->source_hash != 0)
                fn(&e->s, arg);
        }
}

void nu_secrets_free(struct nu_secrets **sp)
{
    struct nu_secrets *all = nu_take(sp);
    if (all == NULL)
        return;
    nu_secrets_unstage(all);
    nu_secrets_commit(all); /* of nothing: the list goes */
    NU_ASSERT(nu_list_empty(&all->entries));
    nu_dir_watcher_free(&all->watcher);
    nu_free(all);
}
