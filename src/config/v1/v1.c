/* SPDX-License-Identifier: Apache-2.0
 *
 * Recognises v1 and translates what stands at the top of the file. */
#include "config/v1/v1_priv.h"

/* A listener of v1: its address is a text (v3: a message), or a bare port; its filters are not in a chain. */
static bool is_v1_listener(const struct nu_tree *t)
{
    const struct nu_tree *address = nu_tree_get(t, NU_STR("address"));
    if (address != NULL)
        return address->kind == NU_TREE_STRING;
    return nu_tree_get(t, NU_STR("port")) != NULL || nu_tree_get(t, NU_STR("filters")) != NULL;
}

bool nu_v1_recognise(const struct nu_tree *tree)
{
    if (nu_tree_get(tree, NU_STR("static_resources")) != NULL || nu_tree_get(tree, NU_STR("dynamic_resources")) != NULL)
        return false;
    if (nu_tree_get(nu_tree_get(tree, NU_STR("cluster_manager")), NU_STR("clusters")) != NULL)
        return true;
    const struct nu_tree *listeners = nu_tree_get(tree, NU_STR("listeners"));
    return listeners != NULL && listeners->kind == NU_TREE_LIST && listeners->u.list.n > 0 &&
           is_v1_listener(listeners->u.list.items[0]);
}

enum {
    B_LISTENERS,
    B_LDS,
    B_ADMIN,
    B_CLUSTERS,
    B_FLAGS,
    B_STATSD_UDP,
    B_STATSD_PORT,
    B_STATSD_TCP,
    B_FLUSH,
    B_MISS,
    B_MEGAMISS,
    B_KILL,
    B_MULTIKILL,
    B_TRACING,
    B_RATE_LIMIT,
    B_RUNTIME,
};
static const struct v1_key top_keys[] = {
    [B_LISTENERS] = {"listeners", V1_LIST, V1_REQUIRED},
    [B_LDS] = {"lds", V1_MAP, V1_UNSUPPORTED},
    [B_ADMIN] = {"admin", V1_MAP, V1_REQUIRED},
    [B_CLUSTERS] = {"cluster_manager", V1_MAP, V1_REQUIRED},
    [B_FLAGS] = {"flags_path", V1_STRING, V1_UNSUPPORTED},
    [B_STATSD_UDP] = {"statsd_udp_ip_address", V1_STRING, V1_UNSUPPORTED},
    [B_STATSD_PORT] = {"statsd_local_udp_port", V1_INT, V1_UNSUPPORTED},
    [B_STATSD_TCP] = {"statsd_tcp_cluster_name", V1_STRING, V1_UNSUPPORTED},
    [B_FLUSH] = {"stats_flush_interval_ms", V1_INT, 0},
    [B_MISS] = {"watchdog_miss_timeout_ms", V1_INT, 0},
    [B_MEGAMISS] = {"watchdog_megamiss_timeout_ms", V1_INT, 0},
    [B_KILL] = {"watchdog_kill_timeout_ms", V1_INT, 0},
    [B_MULTIKILL] = {"watchdog_multikill_timeout_ms", V1_INT, 0},
    [B_TRACING] = {"tracing", V1_MAP, V1_UNSUPPORTED},
    [B_RATE_LIMIT] = {"rate_limit_service", V1_MAP, V1_UNSUPPORTED},
    [B_RUNTIME] = {"runtime", V1_MAP, 0},
};
static const struct v1_schema top_schema = V1_SCHEMA("a v1 configuration", top_keys);

enum { A_LOG, A_PROFILE, A_ADDRESS, A_PORT };
static const struct v1_key admin_keys[] = {
    [A_LOG] = {"access_log_path", V1_STRING, V1_REQUIRED},
    [A_PROFILE] = {"profile_path", V1_STRING, 0},
    [A_ADDRESS] = {"address", V1_STRING, 0},
    [A_PORT] = {"port", V1_INT, 0},
};
static const struct v1_schema admin_schema = V1_SCHEMA("v1 admin", admin_keys);

enum { M_CLUSTERS, M_SDS, M_LOCAL, M_OUTLIER, M_CDS };
static const struct v1_key manager_keys[] = {
    [M_CLUSTERS] = {"clusters", V1_LIST, V1_REQUIRED},
    [M_SDS] = {"sds", V1_MAP, V1_UNSUPPORTED},
    [M_LOCAL] = {"local_cluster_name", V1_STRING, V1_UNSUPPORTED},
    [M_OUTLIER] = {"outlier_detection", V1_MAP, V1_UNSUPPORTED},
    [M_CDS] = {"cds", V1_MAP, V1_UNSUPPORTED},
};
static const struct v1_schema manager_schema = V1_SCHEMA("v1 cluster_manager", manager_keys);

enum { R_ROOT, R_SUBDIRECTORY, R_OVERRIDE };
static const struct v1_key runtime_keys[] = {
    [R_ROOT] = {"symlink_root", V1_STRING, V1_REQUIRED},
    [R_SUBDIRECTORY] = {"subdirectory", V1_STRING, V1_REQUIRED},
    [R_OVERRIDE] = {"override_subdirectory", V1_STRING, 0},
};
static const struct v1_schema runtime_schema = V1_SCHEMA("v1 runtime", runtime_keys);

static void listeners(struct v1 *c, struct nu_tree *resources, const struct nu_tree_member *m)
{
    struct nu_tree *list = v1_put_list(c, resources, "listeners", m->value->pos);
    for (size_t i = 0; i < v1_count(m); i++) {
        size_t mark = v1_enter(c, "listeners", (ssize_t)i);
        v1_listener(c, list, m->value->u.list.items[i]);
        v1_leave(c, mark);
    }
}

static void cluster_manager(struct v1 *c, struct nu_tree *resources, const struct nu_tree_member *m)
{
    struct v1_obj o;
    size_t in_manager = v1_enter(c, "cluster_manager", -1);
    if (v1_open(c, &o, m->value, &manager_schema) && o.m[M_CLUSTERS] != NULL) {
        const struct nu_tree *clusters = o.m[M_CLUSTERS]->value;
        struct nu_tree *list = v1_put_list(c, resources, "clusters", clusters->pos);
        for (size_t i = 0; i < clusters->u.list.n; i++) {
            size_t mark = v1_enter(c, "clusters", (ssize_t)i);
            v1_cluster(c, list, clusters->u.list.items[i]);
            v1_leave(c, mark);
        }
    }
    v1_leave(c, in_manager);
}

static void admin(struct v1 *c, struct nu_tree *out, const struct nu_tree_member *m)
{
    struct v1_obj o;
    size_t in_admin = v1_enter(c, "admin", -1);
    if (v1_open(c, &o, m->value, &admin_schema)) {
        struct nu_tree *t = v1_put_map(c, out, "admin", m->value->pos);
        if (v1_text(o.m[A_LOG]).len > 0)
            v1_add_file_log(c, v1_put_list(c, t, "access_log", o.m[A_LOG]->value->pos), o.m[A_LOG]->value);
        v1_copy(c, t, "profile_path", o.m[A_PROFILE]);
        bool has_address = nu_tree_find(m->value, NU_STR("address")) != NULL;
        size_t mark = v1_enter(c, has_address ? "address" : "port", -1);
        if (o.m[A_ADDRESS] != NULL)
            (void)v1_put_address(c, t, o.m[A_ADDRESS]->value, V1_IP);
        else if (o.m[A_PORT] != NULL && !has_address)
            v1_put_any_address(c, t, o.m[A_PORT]);
        v1_leave(c, mark);
        if (!has_address && nu_tree_find(m->value, NU_STR("port")) == NULL)
            v1_error(c, m->value->pos, "v1 admin needs \"address\"");
        if (has_address && o.m[A_PORT] != NULL)
            v1_error(c, o.m[A_PORT]->key_pos, "\"address\" and \"port\" exclude each other");
    }
    v1_leave(c, in_admin);
}

/* A layer of the disk: name, root, folder. */
static struct nu_tree *disk_layer(struct v1 *c, struct nu_tree *layers, const char *name, const struct nu_tree_member *root,
                                  const struct nu_tree_member *folder, struct nu_pos pos)
{
    struct nu_tree *layer = v1_add_map(c, layers, pos);
    v1_put_lit(c, layer, "name", pos, name);
    struct nu_tree *disk = v1_put_map(c, layer, "disk_layer", pos);
    v1_copy(c, disk, "symlink_root", root);
    v1_copy(c, disk, "subdirectory", folder);
    return disk;
}

/* The override folder has one folder per service cluster. An admin layer has always been on top. */
static void runtime(struct v1 *c, struct nu_tree *out, const struct nu_tree_member *m)
{
    struct v1_obj o;
    struct nu_pos pos = m->value->pos;
    size_t mark = v1_enter(c, "runtime", -1);
    if (v1_open(c, &o, m->value, &runtime_schema)) {
        struct nu_tree *layers = v1_put_list(c, v1_put_map(c, out, "layered_runtime", pos), "layers", pos);
        disk_layer(c, layers, "root", o.m[R_ROOT], o.m[R_SUBDIRECTORY], pos);
        if (v1_text(o.m[R_OVERRIDE]).len > 0) {
            struct nu_tree *disk = disk_layer(c, layers, "override", o.m[R_ROOT], o.m[R_OVERRIDE], pos);
            v1_put(c, disk, "append_service_cluster", v1_bool(c, pos, true));
        }
        struct nu_tree *layer = v1_add_map(c, layers, pos);
        v1_put_lit(c, layer, "name", pos, "admin");
        v1_put_map(c, layer, "admin_layer", pos);
    }
    v1_leave(c, mark);
}

/* v1 has one for all threads. */
static void watchdogs(struct v1 *c, struct nu_tree *out, const struct v1_obj *o)
{
    static const struct {
        unsigned key;
        const char *name;
    } fields[] = {{B_MISS, "miss_timeout"}, {B_MEGAMISS, "megamiss_timeout"}, {B_KILL, "kill_timeout"},
                  {B_MULTIKILL, "multikill_timeout"}};
    static const char *const threads[] = {"main_thread_watchdog", "worker_watchdog"};
    const struct nu_tree_member *any = NULL;
    for (unsigned i = 0; i < NU_ARRAY_LEN(fields) && any == NULL; i++)
        any = o->m[fields[i].key];
    if (any == NULL)
        return;
    struct nu_tree *both = v1_put_map(c, out, "watchdogs", any->value->pos);
    for (unsigned t = 0; t < NU_ARRAY_LEN(threads); t++) {
        struct nu_tree *one = v1_put_map(c, both, threads[t], any->value->pos);
        for (unsigned i = 0; i < NU_ARRAY_LEN(fields); i++)
            v1_copy_ms(c, one, fields[i].name, o->m[fields[i].key]);
    }
}

/* Fills in the sizes, which are not known while nodes grow. v1's own nodes have theirs. */
static uint32_t measure(struct nu_tree *t)
{
    uint64_t size = 1;
    if (t->size > 1)
        return t->size;
    if (t->kind == NU_TREE_MAP) {
        for (size_t i = 0; i < t->u.map.n; i++)
            size += measure(t->u.map.members[i].value);
    } else if (t->kind == NU_TREE_LIST) {
        for (size_t i = 0; i < t->u.list.n; i++)
            size += measure(t->u.list.items[i]);
    }
    t->size = size > NU_TREE_MAX_NODES ? NU_TREE_MAX_NODES : (uint32_t)size;
    return t->size;
}

static void top(struct v1 *c, struct nu_tree *out, const struct nu_tree *v1)
{
    struct v1_obj o;
    if (!v1_open(c, &o, v1, &top_schema))
        return;
    struct nu_tree *resources = v1_put_map(c, out, "static_resources", v1->pos);
    if (o.m[B_LISTENERS] != NULL)
        listeners(c, resources, o.m[B_LISTENERS]);
    if (o.m[B_CLUSTERS] != NULL)
        cluster_manager(c, resources, o.m[B_CLUSTERS]);
    if (o.m[B_ADMIN] != NULL)
        admin(c, out, o.m[B_ADMIN]);
    v1_copy_ms(c, out, "stats_flush_interval", o.m[B_FLUSH]);
    watchdogs(c, out, &o);
    if (o.m[B_RUNTIME] != NULL)
        runtime(c, out, o.m[B_RUNTIME]);
}

struct nu_tree *nu_v1_translate(struct nu_arena *a, struct nu_diags *d, const struct nu_tree *v1)
{
    struct v1 c = {.arena = a, .diags = d, .doc = v1->doc};
    struct nu_tree *out = v1_map(&c, v1->pos);
    top(&c, out, v1);
    if (measure(out) == NU_TREE_MAX_NODES)
        v1_error(&c, v1->pos, "grows to more than %u values in today's form", NU_TREE_MAX_NODES);
    nu_sb_free(&c.path);
    return out;
}
