/* SPDX-License-Identifier: Apache-2.0 */
#include "net/extension.h"

#include "base/alloc.h"
#include "codec/pb/pb.h"
#include "google/protobuf/any.nu.h"
#include "net/server.h"
#include "stats/stats.h"
#include "worker/worker.h"

/* The full name behind the last '/' of a type URL. */
static nu_str bare_type(nu_str url)
{
    ssize_t slash = nu_str_rfind(url, '/');
    return slash < 0 ? url : nu_str_skip(url, (size_t)slash + 1);
}

static bool has_type(const struct nu_pb_type *type, nu_str name)
{
    return type != NULL && nu_str_eq(nu_pb_name(type->name), name);
}

static bool in_category(const struct nu_extension *e, const char *category)
{
    return strcmp(e->category, category) == 0;
}

const struct nu_extension *nu_extension_by_type(const char *category, nu_str type_name)
{
    nu_str name = bare_type(type_name);
    for (const struct nu_extension *const *e = nu_extensions; *e != NULL; e++)
        if (in_category(*e, category) && has_type((*e)->config_type, name))
            return *e;
    return NULL;
}

const struct nu_extension *nu_extension_by_route_type(const char *category, nu_str type_name)
{
    nu_str name = bare_type(type_name);
    for (const struct nu_extension *const *e = nu_extensions; *e != NULL; e++)
        if (in_category(*e, category) && has_type((*e)->route_config_type, name))
            return *e;
    return NULL;
}

const struct nu_extension *nu_extension_by_name(const char *category, nu_str name)
{
    for (const struct nu_extension *const *e = nu_extensions; *e != NULL; e++)
        if (in_category(*e, category) && nu_str_eq(nu_str_from((*e)->name), name))
            return *e;
    return NULL;
}

const struct nu_extension *nu_extension_resolve(const struct nu_factory *f, const char *category, const void *owner,
                                                const char *field, const struct google_protobuf_Any *any)
{
    if (any == NULL || any->type_url.len == 0) {
        nu_pb_error(f->diags, owner, any != NULL ? field : NULL,
                    "an extension of %s needs a typed_config with a type URL", category);
        return NULL;
    }
    if (any->msg == NULL && nu_diags_failed(f->diags)) /* the loader has said what is wrong with it */
        return NULL;
    const struct nu_extension *e = nu_extension_by_type(category, any->type_url);
    if (e == NULL || any->msg == NULL) {
        nu_str name = bare_type(any->type_url);
        bool known = nu_pb_find_type(name) != NULL && any->msg == NULL;
        (known ? nu_pb_error : nu_pb_unsupported)(f->diags, owner, field,
                                                  "there is no extension of %s with the config type %.*s", category,
                                                  NU_STR_ARG(name));
        return NULL;
    }
    return e;
}

bool nu_extension_made(const struct nu_factory *f, const struct nu_extension *e, const void *owner, const void *made)
{
    if (made == NULL && e != NULL && !nu_diags_failed(f->diags))
        nu_pb_error(f->diags, owner, NULL, "%s cannot be made of this configuration, and does not say why", e->name);
    return made != NULL;
}

/* ---- statistics of what a factory makes ---- */

struct kept_scope {
    struct nu_post post;
    struct nu_scope *scope;
    struct nu_workers *workers; /* NULL: there is one thread */
};

static void drop_scope(struct nu_post *p)
{
    struct kept_scope *k = nu_container_of(p, struct kept_scope, post);
    nu_scope_unref(&k->scope);
    nu_free(k);
}

static void send_scope_home(void *arg)
{
    struct kept_scope *k = arg;
    if (k->workers != NULL)
        nu_loop_post(nu_workers_main(k->workers)->loop, &k->post, drop_scope);
    else
        drop_scope(&k->post);
}

struct nu_scope *nu_factory_keep_scope(struct nu_factory *f, struct nu_scope *s)
{
    struct kept_scope *k = nu_new(struct kept_scope);
    k->scope = s;
    k->workers = f->server->workers;
    nu_arena_on_clear(f->arena, send_scope_home, k);
    return s;
}
