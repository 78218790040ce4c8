/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/cluster.h"

#include "base/alloc.h"
#include "net/server.h"
#include "stats/stats.h"
#include "upstream/cluster_priv.h"
#include "worker/worker.h"

struct nu_cluster *nu_cluster_ref(struct nu_cluster *c)
{
    nu_ref_take(&c->refs);
    return c;
}

static void destroy(struct nu_post *p)
{
    struct nu_cluster *c = nu_container_of(p, struct nu_cluster, destroy);
    NU_ASSERT(nu_slot_get(&c->info) == NULL && nu_slot_get(&c->hosts) == NULL);
    nu_cluster_scope_free(c);
    nu_free(c);
}

void nu_cluster_unref(struct nu_cluster **cp)
{
    struct nu_cluster *c = nu_take(cp);
    if (c == NULL || !nu_ref_drop(&c->refs))
        return;
    /* The scope belongs to the main thread. */
    nu_loop_post(nu_workers_main(c->server->workers)->loop, &c->destroy, destroy);
}

struct nu_cluster_info *nu_cluster_info_ref(struct nu_cluster_info *i)
{
    nu_ref_take(&i->refs);
    return i;
}

void nu_cluster_info_unref(struct nu_cluster_info **ip)
{
    struct nu_cluster_info *i = nu_take(ip);
    if (i == NULL || !nu_ref_drop(&i->refs))
        return;
    nu_arena_clear(&i->arena);
    nu_free(i);
}

static nu_str put_text(char **to, nu_str s)
{
    nu_str copy = nu_str_make(memcpy(*to, s.ptr, s.len), s.len);
    *to += s.len;
    return copy;
}

struct nu_cluster *nu_cluster_new(struct nu_server *server, nu_str name, nu_str stat_name)
{
    size_t locals = ((size_t)server->workers->n + 1) * sizeof(void *);
    struct nu_cluster *c = nu_zalloc(sizeof(*c) + locals + name.len + stat_name.len);
    char *text = (char *)c + sizeof(*c) + locals;
    nu_ref_init(&c->refs);
    c->server = server;
    c->name = put_text(&text, name);
    c->stat_name = nu_stat_clean(text, stat_name);
    nu_cluster_scope_make(c);
    return c;
}
