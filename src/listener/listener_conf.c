/* SPDX-License-Identifier: Apache-2.0 */
#include "listener/listener_conf.h"

#include "base/alloc.h"
#include "stats/stats.h"

struct nu_listener_conf *nu_listener_conf_new(void)
{
    struct nu_listener_conf *c = nu_new(struct nu_listener_conf);
    nu_ref_init(&c->refs);
    nu_arena_init(&c->arena, NULL);
    c->bind_to_port = true;
    return c;
}

struct nu_listener_conf *nu_listener_conf_ref(struct nu_listener_conf *c)
{
    nu_ref_take(&c->refs);
    return c;
}

static void drop_scopes(struct nu_listener_conf *c)
{
    if (c->scope == NULL)
        return;
    nu_scope_unref(&c->scope);
    nu_scope_unref(&c->config_scope);
    for (unsigned i = 0; i <= c->workers->n; i++)
        nu_scope_unref(&c->worker_scopes[i]);
}

static void destroy(struct nu_listener_conf *c)
{
    drop_scopes(c);
    for (size_t i = 0; c->bound != NULL && i < c->n_addresses; i++)
        nu_address_unref(&c->bound[i]);
    for (size_t i = 0; i < c->n_chains; i++)
        nu_filter_chain_unref(&c->chains[i]);
    nu_filter_chain_unref(&c->default_chain);
    for (size_t i = 0; i < c->n_addresses; i++)
        nu_address_unref(&c->addresses[i]);
    nu_arena_clear(&c->arena);
    nu_free(c);
}

static void on_dispose(struct nu_post *p)
{
    destroy(nu_container_of(p, struct nu_listener_conf, dispose));
}

void nu_listener_conf_unref(struct nu_listener_conf **cp)
{
    struct nu_listener_conf *c = nu_take(cp);
    if (c == NULL || !nu_ref_drop(&c->refs))
        return;
    if (c->workers == NULL)
        destroy(c);
    else
        nu_loop_post(nu_workers_main(c->workers)->loop, &c->dispose, on_dispose);
}

struct nu_filter_chain *nu_filter_chain_new(void)
{
    struct nu_filter_chain *c = nu_new(struct nu_filter_chain);
    nu_ref_init(&c->refs);
    nu_arena_init(&c->arena, NULL);
    c->transport = &nu_raw_buffer;
    return c;
}

struct nu_filter_chain *nu_filter_chain_ref(struct nu_filter_chain *c)
{
    nu_ref_take(&c->refs);
    return c;
}

void nu_filter_chain_unref(struct nu_filter_chain **cp)
{
    struct nu_filter_chain *c = nu_take(cp);
    if (c == NULL || !nu_ref_drop(&c->refs))
        return;
    nu_arena_clear(&c->arena);
    nu_free(c);
}
