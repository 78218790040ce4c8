/* SPDX-License-Identifier: Apache-2.0
 *
 * The listeners of the process, main thread. A batch is first prepared (duplicates, sockets), and only when all of it can
 * be had is any of it put into effect: workers get the new snapshots by post, in order. */
#include <errno.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/map.h"
#include "listener/connection_monitor_stats.h"
#include "listener/listener_config_stats.h"
#include "listener/listener_manager_stats.h"
#include "listener/listener_priv.h"
#include "listener/listener_stats.h"
#include "listener/listener_worker_stats.h"

/* How often a drain looks whether its connections are gone. */
#define DRAIN_CHECK_MS 200

/* Chains that drain: their connections are closed when the drain time is over. */
struct drain {
    struct nu_list node;
    struct nu_timer timer;
    struct nu_listener *listener;
    bool whole;                   /* the listener ends with it */
    uint64_t deadline_ms;
    unsigned checks;
    struct nu_filter_chain **chains; /* references */
    size_t n;
};

/* One snapshot of a batch, prepared. */
struct change {
    struct nu_listener_conf *conf;
    struct nu_listener *old; /* NULL: a new name */
    struct nu_listen_socket **sockets;
};

static void lm_count(struct nu_listener_manager *lm, unsigned index)
{
    nu_stat_inc(lm->scope, lm->server->workers->n, index);
}

static void lm_gauge(struct nu_listener_manager *lm, unsigned index, int64_t delta)
{
    nu_gauge_add(lm->scope, lm->server->workers->n, index, (uint64_t)delta);
}

struct nu_listener_manager *nu_listener_manager_new(struct nu_server *s)
{
    struct nu_listener_manager *lm = nu_new(struct nu_listener_manager);
    lm->server = s;
    nu_list_init(&lm->listeners);
    nu_list_init(&lm->draining);
    nu_list_init(&lm->sockets);
    nu_list_init(&lm->drains);
    nu_atomic_u64_set(&lm->global_limit, UINT64_MAX);
    lm->counts = nu_calloc((size_t)s->workers->n + 1, sizeof(*lm->counts));
    lm->scope = nu_scope_get(s->stats, &nu_listener_manager_layout, NU_STR("listener_manager."),
                             NU_STR("listener_manager."), NULL, 0);
    nu_timer_init(&lm->stop_timer, NULL);
    return lm;
}

/* The listener of the main thread (admin) has a name space of its own: no configuration can touch it. */
static struct nu_listener *find(struct nu_listener_manager *lm, nu_str name, bool on_main)
{
    nu_list_foreach(node, &lm->listeners) {
        struct nu_listener *l = nu_list_entry(node, struct nu_listener, node);
        if (l->conf->on_main == on_main && nu_str_eq(l->name, name))
            return l;
    }
    return NULL;
}

/* ---- telling the workers ---- */

struct order {
    struct nu_listener *listener;
    struct nu_listener_conf *conf; /* a reference */
    struct nu_listen_socket *const *sockets; /* those of now: old ones are given back behind this order */
    size_t n_sockets; /* 0: only the snapshot is taken */
};

static void update_step(struct nu_worker *w, void *arg)
{
    struct order *o = arg;
    nu_listener_worker_update(&o->listener->workers[w->index], o->conf, o->sockets, o->n_sockets);
}

static void order_done(void *arg)
{
    struct order *o = arg;
    nu_listener_conf_unref(&o->conf);
    nu_free(o);
}

/* Runs fn on each thread that serves the listener. */
static void each_worker(struct nu_listener *l, const struct nu_listener_conf *conf,
                        void (*fn)(struct nu_worker *w, void *arg), void (*done)(void *arg), void *arg)
{
    struct nu_workers *all = l->lm->server->workers;
    if (!conf->on_main) {
        nu_workers_each(all, fn, done, arg);
        return;
    }
    fn(nu_workers_main(all), arg);
    if (done != NULL)
        done(arg);
}

static void tell_workers(struct nu_listener *l)
{
    struct order *o = nu_new(struct order);
    o->listener = l;
    o->conf = nu_listener_conf_ref(l->conf);
    o->sockets = l->sockets;
    o->n_sockets = l->listening && l->conf->bind_to_port ? l->n_sockets : 0;
    each_worker(l, l->conf, update_step, order_done, o);
}

static void stop_step(struct nu_worker *w, void *arg)
{
    struct nu_listener *l = arg;
    nu_listener_worker_stop_accepting(&l->workers[w->index]);
}

/* ---- sockets of a listener ---- */

static void drop_sockets(struct nu_listen_socket **sockets, size_t n)
{
    for (size_t i = 0; i < n; i++)
        nu_listen_socket_unref(&sockets[i]);
    nu_free(sockets);
}

/* Sockets go only when no worker watches them any more. */
struct old_sockets {
    struct nu_listen_socket **sockets;
    size_t n;
};

static void nothing_step(struct nu_worker *w, void *arg)
{
    (void)w;
    (void)arg;
}

static void old_sockets_done(void *arg)
{
    struct old_sockets *o = arg;
    drop_sockets(o->sockets, o->n);
    nu_free(o);
}

static void drop_sockets_later(struct nu_listener *l, struct nu_listen_socket **sockets, size_t n)
{
    struct old_sockets *o = nu_new(struct old_sockets);
    *o = (struct old_sockets){.sockets = sockets, .n = n};
    each_worker(l, l->conf, nothing_step, old_sockets_done, o);
}

static bool start_listening(struct nu_listener *l, struct nu_sb *why)
{
    for (size_t i = 0; i < l->n_sockets; i++) {
        if (nu_listen_socket_listen(l->sockets[i]))
            continue;
        nu_sb_printf(why, "cannot listen on '%.*s': %s", NU_STR_ARG(l->sockets[i]->address->text), strerror(errno));
        return false;
    }
    l->listening = true;
    return true;
}

/* ---- draining ---- */

static void free_listener(struct nu_listener *l)
{
    for (unsigned i = 0; i <= l->lm->server->workers->n; i++)
        nu_listener_worker_clear(&l->workers[i]);
    nu_list_remove(&l->node);
    if (l->sockets != NULL)
        drop_sockets(l->sockets, l->n_sockets);
    nu_listener_conf_unref(&l->conf);
    char *name = (char *)(uintptr_t)l->name.ptr, *key = (char *)(uintptr_t)l->limit_key.ptr;
    nu_free(name);
    nu_free(key);
    nu_free(l);
}

/* The listener goes with the last of its drains: chains of it may have drained before it was removed. */
static void release(struct nu_listener *l)
{
    if (l->ended && l->n_drains == 0)
        free_listener(l);
}

static void free_drain(struct drain *d)
{
    nu_list_remove(&d->node);
    d->listener->n_drains--;
    for (size_t i = 0; i < d->n; i++)
        nu_filter_chain_unref(&d->chains[i]);
    nu_free(d->chains);
    nu_free(d);
}

static void close_step(struct nu_worker *w, void *arg)
{
    struct drain *d = arg;
    struct nu_listener_worker *lw = &d->listener->workers[w->index];
    nu_listener_worker_close(lw, d->chains, d->whole ? 0 : d->n);
    if (d->whole)
        nu_listener_worker_clear(lw);
}

/* Every worker has closed what drained. */
static void drain_done(void *arg)
{
    struct drain *d = arg;
    struct nu_listener *l = d->listener;
    if (d->whole) {
        lm_gauge(l->lm, NU_LM_total_listeners_draining, -1);
        l->ended = true;
    } else {
        lm_gauge(l->lm, NU_LM_total_filter_chains_draining, -(int64_t)d->n);
    }
    free_drain(d);
    release(l);
}

/* The time until the drain is looked at again. */
static nu_ms drain_check(const struct drain *d, uint64_t now_ms)
{
    uint64_t left = d->deadline_ms > now_ms ? d->deadline_ms - now_ms : 0;
    return NU_MS((int64_t)nu_min(left, (uint64_t)DRAIN_CHECK_MS));
}

/* Whether no connection is left that drains. */
static bool all_gone(const struct drain *d)
{
    if (d->whole) {
        uint32_t n = 0;
        for (unsigned i = 0; i <= d->listener->lm->server->workers->n; i++)
            n += nu_atomic_u32_get(&d->listener->workers[i].n_active);
        return n == 0 && d->checks > 1; /* accepting has stopped on each worker by then */
    }
    for (size_t i = 0; i < d->n; i++)
        if (atomic_load_explicit(&d->chains[i]->refs.n, memory_order_acquire) > 1)
            return false;
    return true;
}

static void on_drain_time(struct nu_timer *t)
{
    struct drain *d = nu_container_of(t, struct drain, timer);
    struct nu_loop *loop = nu_workers_main(d->listener->lm->server->workers)->loop;
    d->checks++;
    if (nu_loop_now_ms(loop) < d->deadline_ms && !all_gone(d)) {
        nu_timer_arm(loop, t, drain_check(d, nu_loop_now_ms(loop)));
        return;
    }
    each_worker(d->listener, d->listener->conf, close_step, drain_done, d);
}

static void drain_add(struct drain *d, struct nu_filter_chain *c, uint64_t now_ms)
{
    nu_drain_begin(&c->drain, now_ms);
    d->chains[d->n++] = nu_filter_chain_ref(c);
}

static bool still_there(const struct nu_filter_chain *c, const struct nu_listener_conf *next)
{
    if (next == NULL)
        return false;
    for (size_t i = 0; i < next->n_chains; i++)
        if (next->chains[i] == c)
            return true;
    return next->default_chain == c;
}

/* Drains the chains of `old` that `next` (NULL: the listener goes) does not have. */
static void begin_drain(struct nu_listener *l, const struct nu_listener_conf *old, const struct nu_listener_conf *next)
{
    struct nu_loop *loop = nu_workers_main(l->lm->server->workers)->loop;
    struct drain *d = nu_new(struct drain);
    d->listener = l;
    l->n_drains++;
    d->whole = next == NULL;
    d->chains = nu_calloc(old->n_chains + 1, sizeof(struct nu_filter_chain *));
    for (size_t i = 0; i < old->n_chains; i++)
        if (!still_there(old->chains[i], next))
            drain_add(d, old->chains[i], nu_loop_now_ms(loop));
    if (old->default_chain != NULL && !still_there(old->default_chain, next))
        drain_add(d, old->default_chain, nu_loop_now_ms(loop));
    nu_list_push_back(&l->lm->drains, &d->node);
    if (!d->whole && d->n == 0) { /* every chain stays */
        free_drain(d);
        return;
    }
    if (!d->whole)
        lm_gauge(l->lm, NU_LM_total_filter_chains_draining, (int64_t)d->n);
    d->deadline_ms = nu_loop_now_ms(loop) + l->lm->server->drain_time_ms;
    nu_timer_init(&d->timer, on_drain_time);
    nu_timer_arm(loop, &d->timer, drain_check(d, nu_loop_now_ms(loop)));
}

/* ---- preparing a batch ---- */

static void report(struct nu_diags *d, const struct nu_listener_conf *c, const char *what, nu_str detail)
{
    nu_diag_add(d, NU_DIAG_ERROR, c->file, c->pos, c->path, "error adding listener '%.*s': %s%.*s", NU_STR_ARG(c->name),
                what, NU_STR_ARG(detail));
}

static bool is_named(nu_str name, const nu_str *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (nu_str_eq(names[i], name))
            return true;
    return false;
}

static bool share_address(const struct nu_listener_conf *a, const struct nu_listener_conf *b)
{
    for (size_t i = 0; i < a->n_addresses; i++)
        for (size_t k = 0; k < b->n_addresses; k++)
            if (nu_address_eq(a->addresses[i], b->addresses[k]) &&
                (a->addresses[i]->sock.family == AF_UNIX || nu_sockaddr_port(&a->addresses[i]->sock) != 0) &&
                a->bind_to_port == b->bind_to_port)
                return true;
    return false;
}

static bool changed(const struct nu_listener *l, const struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (changes[i].old == l)
            return true;
    return false;
}

/* No two listeners of the result may have the same address. */
static bool check_addresses(struct nu_listener_manager *lm, const struct change *changes, size_t n,
                            const nu_str *remove, size_t n_remove, struct nu_diags *d)
{
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        const struct nu_listener_conf *other = NULL;
        for (size_t k = 0; k < i && other == NULL; k++)
            if (share_address(changes[i].conf, changes[k].conf))
                other = changes[k].conf;
        nu_list_foreach(node, &lm->listeners) {
            const struct nu_listener *l = nu_list_entry(node, struct nu_listener, node);
            bool goes = !l->conf->on_main && is_named(l->name, remove, n_remove);
            if (!changed(l, changes, n) && !goes && share_address(changes[i].conf, l->conf))
                other = l->conf;
        }
        if (other != NULL) {
            report(d, changes[i].conf, "has the same address as listener ", other->name);
            ok = false;
        }
    }
    return ok;
}

static bool get_sockets(struct nu_listener_manager *lm, struct change *ch, struct nu_diags *d)
{
    const struct nu_listener_conf *c = ch->conf;
    unsigned n_workers = c->on_main ? 1 : lm->server->workers->n;
    if (!c->bind_to_port)
        return true;
    ch->sockets = nu_calloc(c->n_addresses, sizeof(struct nu_listen_socket *));
    for (size_t i = 0; i < c->n_addresses; i++) {
        struct nu_sb why = {0};
        ch->sockets[i] = nu_listen_socket_get(&lm->sockets, c->addresses[i], &c->socket, n_workers,
                                              nu_hash64(c->name) + 2 * i + c->on_main, &why);
        if (ch->sockets[i] == NULL)
            report(d, c, "", nu_sb_str(&why));
        nu_sb_free(&why);
        if (ch->sockets[i] == NULL)
            return false;
    }
    return true;
}

static void drop_change(struct change *ch)
{
    if (ch->sockets != NULL)
        drop_sockets(ch->sockets, ch->conf->n_addresses);
    nu_listener_conf_unref(&ch->conf);
}

static bool prepare(struct nu_listener_manager *lm, struct change *changes, size_t n, const nu_str *remove,
                    size_t n_remove, struct nu_diags *d)
{
    bool ok = check_addresses(lm, changes, n, remove, n_remove, d);
    for (size_t i = 0; i < n && ok; i++)
        ok = get_sockets(lm, &changes[i], d);
    for (size_t i = 0; i < n && !ok; i++) {
        drop_change(&changes[i]);
        lm_count(lm, NU_LM_listener_create_failure);
    }
    return ok;
}

/* ---- putting a batch into effect ---- */

static struct nu_scope *worker_scope(struct nu_listener_manager *lm, const struct nu_listener_conf *c, unsigned i,
                                     const struct nu_stat_tag *address)
{
    struct nu_arena a;
    nu_arena_init(&a, NULL);
    bool main = i == lm->server->workers->n;
    nu_str who = main ? NU_STR("main_thread") : nu_arena_printf(&a, "worker_%u", i);
    nu_str prefix = nu_arena_printf(&a, "listener.%.*s.%.*s.", NU_STR_ARG(c->stat_name), NU_STR_ARG(who));
    struct nu_stat_tag tags[] = {*address, {NU_STR("envoy.worker_id"), nu_arena_printf(&a, "%u", i)}};
    nu_str plain = c->on_main ? prefix : NU_STR("listener.worker.");
    if (main && !c->on_main)
        plain = NU_STR("listener.main_thread.");
    struct nu_scope *s = nu_scope_get(lm->server->stats, &nu_listener_worker_layout, prefix, plain, tags,
                                      c->on_main ? 0 : main ? 1 : 2);
    nu_arena_clear(&a);
    return s;
}

static void make_scopes(struct nu_listener_manager *lm, struct nu_listener_conf *c)
{
    unsigned n = lm->server->workers->n;
    nu_str prefix = nu_arena_printf(&c->arena, "listener.%.*s.", NU_STR_ARG(c->stat_name));
    struct nu_stat_tag tag = {NU_STR("envoy.listener_address"), c->stat_name};
    c->workers = lm->server->workers;
    c->scope = nu_scope_get(lm->server->stats, &nu_listener_layout, prefix, c->on_main ? prefix : NU_STR("listener."),
                            &tag, c->on_main ? 0 : 1);
    if (!c->on_main)
        c->config_scope = nu_scope_get(lm->server->stats, &nu_listener_config_layout, prefix, NU_STR("listener."), &tag, 1);
    c->worker_scopes = nu_arena_array(&c->arena, struct nu_scope *, n + 1);
    for (unsigned i = 0; i <= n; i++)
        if (c->on_main == (i == n))
            c->worker_scopes[i] = worker_scope(lm, c, i, &tag);
}

static void note_bound(struct nu_listener_conf *c, struct nu_listen_socket **sockets)
{
    if (sockets == NULL)
        return;
    c->bound = nu_arena_array(&c->arena, struct nu_address *, c->n_addresses);
    for (size_t i = 0; i < c->n_addresses; i++)
        c->bound[i] = nu_address_ref(sockets[i]->address);
}

/* Heap text, also when it is empty. */
static nu_str own_text(const char *before, nu_str name, const char *after)
{
    struct nu_sb sb = {0};
    nu_sb_printf(&sb, "%s%.*s%s", before, NU_STR_ARG(name), after);
    (void)nu_sb_cstr(&sb);
    return nu_sb_str(&sb);
}

static struct nu_listener *listener_new(struct nu_listener_manager *lm, nu_str name)
{
    unsigned n = lm->server->workers->n;
    struct nu_listener *l = nu_zalloc(sizeof(*l) + (n + 1) * sizeof(l->workers[0]));
    l->lm = lm;
    l->name = own_text("", name, "");
    l->limit_key = own_text("envoy.resource_limits.listener.", name, ".connection_limit");
    for (unsigned i = 0; i <= n; i++) {
        struct nu_listener_worker *lw = &l->workers[i];
        lw->w = &lm->server->workers->workers[i];
        lw->listener = l;
        nu_list_init(&lw->accepting);
    }
    nu_list_push_back(&lm->listeners, &l->node);
    return l;
}

static void listen_or_log(struct nu_listener *l)
{
    struct nu_sb why = {0};
    if (!start_listening(l, &why))
        nu_log(config, NU_LOG_ERROR, "%.*s", NU_STR_ARG(nu_sb_str(&why)));
    nu_sb_free(&why);
}

static void commit_new(struct nu_listener_manager *lm, struct change *ch)
{
    struct nu_listener *l = listener_new(lm, ch->conf->name);
    l->conf = ch->conf;
    l->sockets = ch->sockets;
    l->n_sockets = ch->sockets != NULL ? ch->conf->n_addresses : 0;
    if (ch->conf->on_main) { /* answers before the workers do, and counts nowhere */
        listen_or_log(l);
        tell_workers(l);
        return;
    }
    lm_count(lm, NU_LM_listener_added);
    lm_gauge(lm, NU_LM_total_listeners_active, 1);
    if (!lm->started)
        return;
    listen_or_log(l);
    tell_workers(l);
}

static void commit_update(struct nu_listener_manager *lm, struct change *ch)
{
    struct nu_listener *l = ch->old;
    struct nu_listener_conf *old = l->conf;
    struct nu_listen_socket **old_sockets = l->sockets;
    size_t n_old = l->n_sockets;
    lm_count(lm, old->rest_hash == ch->conf->rest_hash ? NU_LM_listener_in_place_updated : NU_LM_listener_modified);
    l->conf = ch->conf;
    l->sockets = ch->sockets;
    l->n_sockets = ch->sockets != NULL ? ch->conf->n_addresses : 0;
    begin_drain(l, old, l->conf); /* before any worker serves the new chains: whoever sees those finds the old ones draining */
    if (lm->started && !l->stopped) {
        listen_or_log(l);
        tell_workers(l);
    }
    if (old_sockets != NULL)
        drop_sockets_later(l, old_sockets, n_old);
    nu_listener_conf_unref(&old);
}

static void commit(struct nu_listener_manager *lm, struct change *ch)
{
    make_scopes(lm, ch->conf);
    ch->conf->updated_wall_ns = nu_loop_wall_ns(nu_workers_main(lm->server->workers)->loop);
    note_bound(ch->conf, ch->sockets);
    for (unsigned i = 0; i < lm->server->workers->n && !ch->conf->on_main; i++)
        lm_count(lm, NU_LM_listener_create_success);
    if (ch->old == NULL)
        commit_new(lm, ch);
    else
        commit_update(lm, ch);
}

static void remove_listener(struct nu_listener_manager *lm, struct nu_listener *l)
{
    nu_list_remove(&l->node);
    nu_list_push_back(&lm->draining, &l->node);
    lm_count(lm, NU_LM_listener_removed);
    lm_gauge(lm, NU_LM_total_listeners_active, -1);
    lm_gauge(lm, NU_LM_total_listeners_draining, 1);
    each_worker(l, l->conf, stop_step, NULL, l);
    if (l->sockets != NULL)
        drop_sockets_later(l, nu_take(&l->sockets), l->n_sockets);
    l->n_sockets = 0;
    begin_drain(l, l->conf, NULL);
}

/* ---- batches ---- */

struct nu_listener_batch {
    const nu_str *remove; /* borrowed */
    size_t n_remove, n;
    struct change changes[];
};

struct nu_listener_batch *nu_listener_manager_prepare(struct nu_listener_manager *lm, struct nu_listener_conf **confs,
                                                      size_t n, const nu_str *remove, size_t n_remove,
                                                      struct nu_diags *d)
{
    struct nu_listener_batch *b = nu_zalloc(sizeof(*b) + n * sizeof(b->changes[0]));
    b->remove = remove;
    b->n_remove = n_remove;
    for (size_t i = 0; i < n; i++) {
        struct nu_listener *old = find(lm, confs[i]->name, confs[i]->on_main);
        if (old != NULL && old->conf->hash == confs[i]->hash)
            nu_listener_conf_unref(&confs[i]);
        else
            b->changes[b->n++] = (struct change){.conf = nu_take(&confs[i]), .old = old};
    }
    if (!prepare(lm, b->changes, b->n, remove, n_remove, d))
        nu_free(nu_take(&b));
    return b;
}

void nu_listener_manager_commit(struct nu_listener_manager *lm, struct nu_listener_batch **bp)
{
    struct nu_listener_batch *b = nu_take(bp);
    for (size_t i = 0; i < b->n_remove; i++) { /* first: a socket may go from a removed listener to a new one */
        struct nu_listener *l = find(lm, b->remove[i], false);
        if (l != NULL)
            remove_listener(lm, l);
    }
    for (size_t i = 0; i < b->n; i++)
        commit(lm, &b->changes[i]);
    nu_free(b);
}

void nu_listener_batch_drop(struct nu_listener_batch **bp)
{
    struct nu_listener_batch *b = nu_take(bp);
    for (size_t i = 0; b != NULL && i < b->n; i++)
        drop_change(&b->changes[i]);
    nu_free(b);
}

bool nu_listener_manager_apply(struct nu_listener_manager *lm, struct nu_listener_conf **confs, size_t n,
                               const nu_str *remove, size_t n_remove, struct nu_diags *d)
{
    struct nu_listener_batch *b = nu_listener_manager_prepare(lm, confs, n, remove, n_remove, d);
    if (b == NULL)
        return false;
    nu_listener_manager_commit(lm, &b);
    return true;
}

bool nu_listener_manager_start(struct nu_listener_manager *lm, struct nu_diags *d)
{
    bool ok = true;
    lm->started = true;
    nu_list_foreach(node, &lm->listeners) {
        struct nu_listener *l = nu_list_entry(node, struct nu_listener, node);
        struct nu_sb why = {0};
        if (l->conf->on_main)
            continue;
        if (start_listening(l, &why)) {
            tell_workers(l);
        } else {
            report(d, l->conf, "", nu_sb_str(&why));
            ok = false;
        }
        nu_sb_free(&why);
    }
    nu_gauge_set(lm->scope, lm->server->workers->n, NU_LM_workers_started, 1);
    return ok;
}

/* ---- asking ---- */

struct nu_filter_chain *nu_listener_manager_chain(struct nu_listener_manager *lm, nu_str listener, uint64_t rest_hash,
                                                  uint64_t chain_hash)
{
    const struct nu_listener *l = find(lm, listener, false);
    if (l == NULL || l->conf->rest_hash != rest_hash)
        return NULL;
    for (size_t i = 0; i < l->conf->n_chains; i++)
        if (l->conf->chains[i]->hash == chain_hash)
            return l->conf->chains[i];
    struct nu_filter_chain *def = l->conf->default_chain;
    return def != NULL && def->hash == chain_hash ? def : NULL;
}

void nu_listener_manager_each(struct nu_listener_manager *lm,
                              void (*fn)(const struct nu_listener_status *status, void *arg), void *arg)
{
    nu_list_foreach(node, &lm->listeners) {
        const struct nu_listener *l = nu_list_entry(node, struct nu_listener, node);
        struct nu_address **at = l->conf->bound != NULL ? l->conf->bound : l->conf->addresses;
        struct nu_listener_status status = {.name = l->name,
                                            .addresses = (const struct nu_address *const *)at,
                                            .n_addresses = l->conf->n_addresses,
                                            .conf = l->conf};
        if (!l->conf->on_main)
            fn(&status, arg);
    }
}

const struct nu_address *nu_listener_manager_main_address(struct nu_listener_manager *lm)
{
    nu_list_foreach(node, &lm->listeners) {
        const struct nu_listener *l = nu_list_entry(node, struct nu_listener, node);
        if (l->conf->on_main)
            return l->conf->bound != NULL ? l->conf->bound[0] : NULL;
    }
    return NULL;
}

bool nu_listener_manager_is_draining(const struct nu_listener_manager *lm)
{
    return !nu_list_empty(&lm->drains);
}

uint64_t nu_listener_manager_n_connections(const struct nu_listener_manager *lm)
{
    uint64_t n = 0;
    for (unsigned i = 0; i <= lm->server->workers->n; i++)
        n += nu_atomic_u32_get(&lm->counts[i].n);
    return n;
}

void nu_listener_manager_set_global_limit(struct nu_listener_manager *lm, uint64_t limit)
{
    static const nu_str prefix = NU_STR_INIT("overload.envoy.resource_monitors.global_downstream_max_connections.");
    nu_atomic_u64_set(&lm->global_limit, limit);
    if (limit == UINT64_MAX || lm->monitor_scope != NULL)
        return;
    lm->monitor_scope = nu_scope_get(lm->server->stats, &nu_cx_monitor_layout, prefix, prefix, NULL, 0);
    nu_gauge_set(lm->monitor_scope, lm->server->workers->n, NU_CX_MONITOR_pressure, 0);
}

/* ---- stopping ---- */

void nu_listener_manager_stop_listening(struct nu_listener_manager *lm, bool inbound_only)
{
    nu_list_foreach(node, &lm->listeners) {
        struct nu_listener *l = nu_list_entry(node, struct nu_listener, node);
        if (l->stopped || l->conf->on_main || (inbound_only && !l->conf->inbound))
            continue;
        l->stopped = true;
        lm_count(lm, NU_LM_listener_stopped);
        each_worker(l, l->conf, stop_step, NULL, l);
        if (l->sockets != NULL)
            drop_sockets_later(l, nu_take(&l->sockets), l->n_sockets);
        l->n_sockets = 0;
    }
}

static void on_stop_time(struct nu_timer *t)
{
    struct nu_listener_manager *lm = nu_container_of(t, struct nu_listener_manager, stop_timer);
    nu_listener_manager_stop_listening(lm, lm->stop_inbound_only);
}

void nu_listener_manager_drain(struct nu_listener_manager *lm, bool graceful, bool inbound_only)
{
    struct nu_loop *loop = nu_workers_main(lm->server->workers)->loop;
    if (!graceful) {
        nu_listener_manager_stop_listening(lm, inbound_only);
        return;
    }
    if (nu_timer_armed(&lm->stop_timer))
        return;
    lm->stop_inbound_only = inbound_only;
    nu_timer_init(&lm->stop_timer, on_stop_time);
    nu_timer_arm(loop, &lm->stop_timer, NU_MS((int64_t)lm->server->drain_time_ms));
}

/* ---- the end ---- */

static void free_all(struct nu_listener_manager *lm, struct nu_list *list)
{
    nu_list_foreach(node, list) {
        struct nu_listener *l = nu_list_entry(node, struct nu_listener, node);
        for (unsigned i = 0; i <= lm->server->workers->n; i++)
            nu_listener_worker_close(&l->workers[i], NULL, 0);
        free_listener(l);
    }
}

void nu_listener_manager_free(struct nu_listener_manager **lmp)
{
    struct nu_listener_manager *lm = nu_take(lmp);
    if (lm == NULL)
        return;
    struct nu_loop *loop = nu_workers_main(lm->server->workers)->loop;
    nu_timer_cancel(loop, &lm->stop_timer);
    nu_list_foreach(node, &lm->drains) {
        struct drain *d = nu_list_entry(node, struct drain, node);
        nu_timer_cancel(loop, &d->timer);
        free_drain(d);
    }
    free_all(lm, &lm->listeners);
    free_all(lm, &lm->draining);
    nu_scope_unref(&lm->scope);
    if (lm->monitor_scope != NULL)
        nu_scope_unref(&lm->monitor_scope);
    nu_free(lm->counts);
    nu_free(lm);
}
