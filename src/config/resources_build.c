/* SPDX-License-Identifier: Apache-2.0
 *
 * static_resources: all clusters, then all listeners, since routes are checked against the clusters' names. */
#include "base/alloc.h"
#include "codec/pb/pb.h"
#include "codec/pb/wire.h"
#include "config/bootstrap.h"
#include "config/listener_build.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"
#include "envoy/config/cluster/v3/cluster.nu.h"
#include "envoy/config/listener/v3/listener.nu.h"
#include "listener/listener_conf.h"
#include "net/server.h"
#include "tls/secret.h"
#include "upstream/cluster_build.h"

typedef struct envoy_config_bootstrap_v3_Bootstrap bootstrap_msg;

static bool has_cluster(const struct nu_factory *f, nu_str name)
{
    return nu_map_get(f->clusters, name) != NULL;
}

static void note_message(struct nu_cluster_build *b, const struct envoy_config_cluster_v3_Cluster *msg)
{
    struct nu_sb bytes = {0};
    nu_pb_encode(&bytes, msg);
    b->message = nu_alloc(bytes.len + 1);
    memcpy(b->message, nu_sb_str(&bytes).ptr, bytes.len);
    b->message_len = bytes.len;
    nu_sb_free(&bytes);
}

/* Before what refers to them. */
static void build_secrets(struct nu_factory *f, const bootstrap_msg *msg)
{
    for (size_t i = 0; i < msg->static_resources->n_secrets; i++)
        (void)nu_secrets_add_static(f, f->server->secrets, msg->static_resources->secrets[i]); /* reports */
}

/* cluster_manager.upstream_bind_config stands in for what a cluster does not say itself. */
static struct nu_cluster_build *build_cluster(struct nu_factory *f, const bootstrap_msg *msg,
                                              struct envoy_config_cluster_v3_Cluster *c)
{
    struct envoy_config_core_v3_BindConfig *own = c->upstream_bind_config;
    if (own == NULL && msg->cluster_manager != NULL)
        c->upstream_bind_config = msg->cluster_manager->upstream_bind_config;
    struct nu_cluster_build *b = nu_cluster_build(f, c);
    if (b != NULL)
        note_message(b, c);
    c->upstream_bind_config = own;
    return b;
}

static void build_clusters(struct nu_factory *f, const bootstrap_msg *msg, struct nu_resources *out)
{
    size_t n = msg->static_resources->n_clusters;
    out->clusters = nu_calloc(n + 1, sizeof(struct nu_cluster_build *));
    nu_map_reserve(&out->cluster_names, n);
    for (size_t i = 0; i < n; i++) {
        struct envoy_config_cluster_v3_Cluster *c = msg->static_resources->clusters[i];
        if (nu_map_put(&out->cluster_names, c->name.ptr != NULL ? c->name : NU_STR(""), c) != NULL)
            nu_pb_error(f->diags, c, "name", "cluster manager: duplicate cluster '%.*s'", NU_STR_ARG(c->name));
        struct nu_cluster_build *b = build_cluster(f, msg, c);
        if (b != NULL)
            out->clusters[out->n_clusters++] = b;
    }
}

static void build_listeners(struct nu_factory *f, const bootstrap_msg *msg, struct nu_resources *out)
{
    size_t n = msg->static_resources->n_listeners;
    out->listeners = nu_calloc(n + 1, sizeof(struct nu_listener_conf *));
    for (size_t i = 0; i < n; i++) {
        struct envoy_config_listener_v3_Listener *l = msg->static_resources->listeners[i];
        struct nu_listener_conf *c = nu_listener_build(f, l);
        if (c == NULL)
            continue;
        if (nu_map_get(&out->listener_names, c->name) != NULL) {
            nu_pb_warn(f->diags, l, "name", "there is a listener '%.*s' before; as in Envoy, the first one counts",
                       NU_STR_ARG(c->name));
            nu_listener_conf_unref(&c);
            continue;
        }
        nu_map_put(&out->listener_names, c->name, l);
        out->listeners[out->n_listeners++] = c;
    }
}

bool nu_resources_build(struct nu_factory *outer, const bootstrap_msg *msg, struct nu_resources *out)
{
    size_t errors = outer->diags->n_errors;
    struct nu_factory f = *outer;
    f.diags->building = true;
    *out = (struct nu_resources){0};
    out->secrets = outer->server->secrets;
    nu_secrets_stage(out->secrets);
    if (msg->static_resources == NULL)
        return true;
    f.has_cluster = has_cluster;
    f.clusters = &out->cluster_names;
    build_secrets(&f, msg);
    build_clusters(&f, msg, out);
    build_listeners(&f, msg, out);
    if (f.diags->n_errors == errors)
        return true;
    nu_resources_drop(out);
    return false;
}

void nu_resources_drop(struct nu_resources *r)
{
    if (r->secrets != NULL)
        nu_secrets_unstage(r->secrets);
    for (size_t i = 0; i < r->n_clusters; i++)
        nu_cluster_build_drop(&r->clusters[i]);
    for (size_t i = 0; i < r->n_listeners; i++)
        nu_listener_conf_unref(&r->listeners[i]);
    nu_free(r->clusters);
    nu_free(r->listeners);
    nu_map_free(&r->cluster_names);
    nu_map_free(&r->listener_names);
    *r = (struct nu_resources){0};
}
