/* SPDX-License-Identifier: Apache-2.0
 *
 * Sources of contexts, see tls/transport.h. */
#include "base/alloc.h"
#include "base/log.h"
#include "codec/pb/pb.h"
#include "codec/pb/wire.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.nu.h"
#include "net/server.h"
#include "tls/source_stats.h"
#include "tls/tls_process.h"
#include "tls/tls_stats.h"
#include "tls/transport.h"

typedef struct envoy_extensions_transport_sockets_tls_v3_DownstreamTlsContext downstream_msg;
typedef struct envoy_extensions_transport_sockets_tls_v3_UpstreamTlsContext upstream_msg;

/* ---- contexts ---- */

static void drop_context(void *old)
{
    struct nu_tls_context *c = old;
    nu_tls_context_unref(&c);
}

struct nu_tls_context *nu_tls_source_context(struct nu_tls_source *s, const struct nu_worker *w)
{
    struct nu_tls_context *c = nu_slot_get(&s->slot);
    if (nu_likely(c != NULL))
        return nu_tls_context_ref(c);
    if (s->factory_scope != NULL)
        nu_stat_inc(s->factory_scope, w->index,
                    s->server ? NU_TLS_SOURCE_downstream_context_secrets_not_ready
                              : NU_TLS_SOURCE_upstream_context_secrets_not_ready);
    return NULL;
}

bool nu_tls_source_wants_host_name(const struct nu_tls_source *s)
{
    return s->auto_host_sni;
}

static bool build(struct nu_factory *f, struct nu_tls_source *s, const void *msg, struct nu_tls_context **out)
{
    return s->server ? nu_tls_server_context_build(f, s, msg, out) : nu_tls_client_context_build(f, s, msg, out);
}

/* ---- secrets ---- */

static void log_errors(const struct nu_diags *d)
{
    for (size_t i = 0; i < d->n; i++)
        nu_log(secret, NU_LOG_WARN, "a new secret is no good, the old one stays: %.*s", NU_STR_ARG(d->items[i].text));
}

static void note_expiry(struct nu_tls_source *s, const struct nu_tls_context *c)
{
    if (c != NULL && s->scope != NULL)
        nu_tls_expiry_set(&s->expiry, s->scope, c);
}

static bool rebuild(struct nu_tls_source *s)
{
    struct nu_arena arena;
    struct nu_diags diags;
    struct nu_tls_context *c = NULL;
    nu_arena_init(&arena, NULL);
    nu_diags_init(&diags);
    struct nu_factory f = {.arena = &arena, .diags = &diags, .server = s->process->server};
    const struct nu_pb_type *type = s->server ? &envoy_extensions_transport_sockets_tls_v3_DownstreamTlsContext_type
                                              : &envoy_extensions_transport_sockets_tls_v3_UpstreamTlsContext_type;
    const struct nu_pb_msg *msg =
        nu_pb_decode(&arena, &diags, NU_STR(""), nu_str_make(s->message, s->message_len), type, NULL);
    bool ok = msg != NULL && build(&f, s, msg, &c);
    if (!ok)
        log_errors(&diags);
    nu_diags_clear(&diags);
    nu_arena_clear(&arena);
    if (!ok)
        return false;
    note_expiry(s, c);
    nu_slot_publish(s->process->server->workers, &s->slot, c, drop_context);
    if (s->factory_scope != NULL)
        nu_stat_inc(s->factory_scope, nu_workers_main(s->process->server->workers)->index,
                    NU_TLS_SOURCE_ssl_context_update_by_sds);
    return true;
}

static bool on_secret(struct nu_secret_user *u, struct nu_secret *secret)
{
    (void)secret;
    return rebuild(nu_container_of(u, struct nu_tls_source_secret, user)->source);
}

static void add_secret(struct nu_tls_source *s, struct nu_secret *secret)
{
    s->secrets = nu_realloc(s->secrets, (s->n_secrets + 1) * sizeof(*s->secrets));
    s->secrets[s->n_secrets++] =
        (struct nu_tls_source_secret){.user = {.secret = secret, .on_value = on_secret}, .source = s};
}

struct nu_secret *nu_tls_source_secret(struct nu_factory *f, struct nu_tls_source *s, size_t k, const void *config,
                                       enum nu_secret_kind kind)
{
    NU_ASSERT(k <= s->n_secrets);
    if (k < s->n_secrets)
        return s->secrets[k].user.secret;
    struct nu_secret *secret = nu_secrets_get(f, config, kind);
    if (secret != NULL)
        add_secret(s, secret);
    return secret;
}

bool nu_tls_source_watch(struct nu_factory *f, struct nu_tls_source *s, size_t k, const void *msg, enum nu_secret_kind kind)
{
    if (k < s->n_secrets)
        return true;
    const struct nu_pb_msg *head = msg;
    struct nu_sb wire = {0};
    nu_pb_encode(&wire, msg);
    void *copy = nu_pb_decode(&s->arena, f->diags, nu_pb_file(msg), nu_sb_str(&wire), head->type, NULL);
    nu_sb_free(&wire);
    struct envoy_extensions_transport_sockets_tls_v3_Secret *m =
        NU_PB_NEW(&s->arena, envoy_extensions_transport_sockets_tls_v3_Secret);
    if (kind == NU_SECRET_CERTIFICATE) {
        m->type_case = envoy_extensions_transport_sockets_tls_v3_Secret_tls_certificate_case;
        m->tls_certificate = copy;
    } else {
        m->type_case = envoy_extensions_transport_sockets_tls_v3_Secret_validation_context_case;
        m->validation_context = copy;
    }
    struct nu_secret *secret = copy != NULL ? nu_secrets_anonymous(f, m) : NULL;
    if (secret == NULL)
        return false;
    add_secret(s, secret);
    return true;
}

static void subscribe(struct nu_tls_source *s, const void *msg)
{
    if (s->n_secrets == 0)
        return;
    struct nu_sb wire = {0};
    nu_pb_encode(&wire, msg);
    s->message = (uint8_t *)wire.ptr;
    s->message_len = wire.len;
    for (size_t i = 0; i < s->n_secrets; i++)
        nu_secret_subscribe(s->secrets[i].user.secret, &s->secrets[i].user);
}

/* ---- life ---- */

static void free_source(struct nu_tls_source *s)
{
    struct nu_tls_context *c = nu_slot_get(&s->slot);
    for (size_t i = 0; i < s->n_secrets; i++) {
        if (s->message != NULL)
            nu_secret_unsubscribe(&s->secrets[i].user);
        nu_secret_unref(&s->secrets[i].user.secret);
    }
    nu_list_remove(&s->node);
    nu_tls_context_unref(&c);
    nu_scope_unref(&s->scope);
    nu_scope_unref(&s->factory_scope);
    nu_tls_expiry_clear(&s->expiry);
    nu_arena_clear(&s->arena);
    nu_free(s->secrets);
    nu_free(s->message);
    nu_free(s);
}

static void on_posted(struct nu_post *p)
{
    free_source(nu_container_of(p, struct nu_tls_source, post));
}

/* The snapshot's last reference may go on any thread. */
static void release(void *arg)
{
    struct nu_tls_source *s = arg;
    nu_loop_post(nu_workers_main(s->process->server->workers)->loop, &s->post, on_posted);
}

static struct nu_scope *get_scope(struct nu_factory *f, bool server, const char *what, const struct nu_stat_layout *layout)
{
    struct nu_stat_tag tag = {server ? NU_STR("envoy.listener_address") : NU_STR("envoy.cluster_name"),
                              server ? f->stat_address : f->stat_cluster};
    const char *owner = server ? "listener" : "cluster";
    nu_str prefix = nu_arena_printf(f->arena, "%s.%.*s.%s.", owner, NU_STR_ARG(tag.value), what);
    nu_str tag_prefix = nu_arena_printf(f->arena, "%s.%s.", owner, what);
    return nu_scope_get(f->server->stats, layout, prefix, tag_prefix, &tag, 1);
}

static void keep_server_names(const struct nu_factory *f, struct nu_tls_source *s)
{
    s->server_names = nu_arena_array(&s->arena, nu_str, f->n_server_names);
    s->n_server_names = f->n_server_names;
    for (size_t i = 0; i < f->n_server_names; i++)
        s->server_names[i] = nu_arena_str(&s->arena, f->server_names[i]);
}

static const struct nu_transport_conf *make(struct nu_factory *f, const void *msg, bool server)
{
    struct nu_tls_source *s = nu_new(struct nu_tls_source);
    struct nu_tls_context *c = NULL;
    nu_arena_init_sized(&s->arena, 256);
    s->process = nu_tls_process(f->server);
    s->server = server;
    nu_list_push_back(&s->process->sources, &s->node);
    keep_server_names(f, s);
    if (!f->validate_only && f->server->stats != NULL) {
        s->scope = get_scope(f, server, "ssl", &nu_tls_layout);
        s->factory_scope = get_scope(f, server, server ? "server_ssl_socket_factory" : "client_ssl_socket_factory",
                                     &nu_tls_source_layout);
    }
    if (!build(f, s, msg, &c)) {
        free_source(s);
        return NULL;
    }
    atomic_store(&s->slot.current, c); /* nobody reads it yet */
    note_expiry(s, c);
    subscribe(s, msg);
    s->auto_host_sni = !server && ((const upstream_msg *)msg)->auto_host_sni;
    struct nu_tls_transport *t = nu_arena_new(f->arena, struct nu_tls_transport);
    t->base.ops = server ? &nu_tls_ops : &nu_tls_client_ops;
    t->base.secure = true;
    t->source = s;
    nu_arena_on_clear(f->arena, release, s);
    return &t->base;
}

const struct nu_transport_conf *nu_tls_downstream_new(struct nu_factory *f, const downstream_msg *m)
{
    return make(f, m, true);
}

const struct nu_transport_conf *nu_tls_upstream_new(struct nu_factory *f, const upstream_msg *m)
{
    return make(f, m, false);
}

void nu_tls_contexts_each(struct nu_server *server, void (*fn)(const struct nu_tls_context *c, void *arg), void *arg)
{
    if (server->tls == NULL)
        return;
    nu_list_foreach(n, &server->tls->sources) {
        const struct nu_tls_context *c = nu_slot_get(&nu_list_entry(n, struct nu_tls_source, node)->slot);
        if (c != NULL)
            fn(c, arg);
    }
}
