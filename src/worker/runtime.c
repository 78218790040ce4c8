/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers hold texts; a snapshot holds the winning value of each key, understood once. */
#include "worker/runtime.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "worker/runtime_priv.h"
#include "worker/runtime_stats.h"
#include "worker/worker.h"

enum layer_kind { LAYER_STATIC, LAYER_ADMIN, LAYER_DISK };

struct entry {
    nu_str key, value; /* own memory, in text */
    char text[];
};

struct layer {
    enum layer_kind kind;
    char *name;
    char *dir;           /* disk */
    struct nu_map keys;  /* struct entry */
};

struct snapshot {
    struct nu_arena arena;
    struct nu_map keys; /* struct nu_runtime_value */
};

struct nu_runtime {
    struct nu_workers *all;
    struct layer *layers;
    int n_layers, admin;
    struct nu_slot current; /* NULL: no key at all */
    struct nu_scope *scope; /* NULL: no statistics (tests) */
};

/* ---- layers ---- */

static void layer_clear(struct layer *l)
{
    nu_map_foreach(slot, &l->keys) nu_free(slot->value);
    nu_map_free(&l->keys);
}

static void layer_del(struct layer *l, nu_str key)
{
    nu_free(nu_map_del(&l->keys, key));
}

static void layer_put(struct layer *l, nu_str key, nu_str value)
{
    layer_del(l, key);
    struct entry *e = nu_alloc(sizeof(*e) + key.len + value.len + 1);
    e->key = nu_str_make(e->text, key.len);
    e->value = nu_str_make(e->text + key.len, value.len);
    memcpy(e->text, key.ptr, key.len);
    if (value.len > 0)
        memcpy(e->text + key.len, value.ptr, value.len);
    nu_map_put(&l->keys, e->key, e);
}

static int add_layer(struct nu_runtime *rt, enum layer_kind kind, nu_str name)
{
    size_t n = (size_t)rt->n_layers + 1;
    rt->layers = nu_realloc(rt->layers, n * sizeof(*rt->layers));
    char *copy = nu_zalloc(name.len + 1);
    memcpy(copy, name.ptr != NULL ? name.ptr : "", name.len);
    rt->layers[rt->n_layers] = (struct layer){.kind = kind, .name = copy};
    return rt->n_layers++;
}

struct nu_runtime *nu_runtime_new(struct nu_workers *all)
{
    struct nu_runtime *rt = nu_new(struct nu_runtime);
    rt->all = all;
    rt->admin = -1;
    if (all->stats != NULL)
        rt->scope = nu_scope_get(all->stats, &nu_runtime_layout, NU_STR("runtime."), NU_STR("runtime."), NULL, 0);
    return rt;
}

static void drop_snapshot(void *p)
{
    struct snapshot *s = p;
    nu_map_free(&s->keys);
    nu_arena_clear(&s->arena);
    nu_free(s);
}

void nu_runtime_free(struct nu_runtime **rtp)
{
    struct nu_runtime *rt = nu_take(rtp);
    if (rt == NULL)
        return;
    for (int i = 0; i < rt->n_layers; i++) {
        layer_clear(&rt->layers[i]);
        nu_free(rt->layers[i].name);
        nu_free(rt->layers[i].dir);
    }
    nu_free(rt->layers);
    if (nu_slot_get(&rt->current) != NULL)
        drop_snapshot(nu_slot_get(&rt->current));
    nu_scope_unref(&rt->scope);
    nu_free(rt);
}

int nu_runtime_add_static(struct nu_runtime *rt, nu_str name)
{
    return add_layer(rt, LAYER_STATIC, name);
}

int nu_runtime_add_admin(struct nu_runtime *rt, nu_str name)
{
    return rt->admin = add_layer(rt, LAYER_ADMIN, name);
}

int nu_runtime_admin_layer(const struct nu_runtime *rt)
{
    return rt->admin;
}

int nu_runtime_add_disk(struct nu_runtime *rt, nu_str name, nu_str root, nu_str subdirectory, bool append_cluster,
                        nu_str cluster)
{
    int i = add_layer(rt, LAYER_DISK, name);
    struct nu_sb path = {0};
    nu_sb_add(&path, root);
    if (subdirectory.len > 0) {
        nu_sb_char(&path, '/');
        nu_sb_add(&path, subdirectory);
    }
    if (append_cluster) {
        nu_sb_char(&path, '/');
        nu_sb_add(&path, cluster);
    }
    (void)nu_sb_cstr(&path);
    rt->layers[i].dir = path.ptr; /* the builder's memory is ours now */
    return i;
}

void nu_runtime_set(struct nu_runtime *rt, int layer, nu_str key, nu_str value)
{
    NU_ASSERT(layer >= 0 && layer < rt->n_layers);
    if (value.len == 0 && rt->layers[layer].kind == LAYER_ADMIN) /* /runtime_modify?key= takes the override away */
        layer_del(&rt->layers[layer], key);
    else
        layer_put(&rt->layers[layer], key, value);
}

void nu_runtime_clear(struct nu_runtime *rt, int layer)
{
    NU_ASSERT(layer >= 0 && layer < rt->n_layers);
    layer_clear(&rt->layers[layer]);
}

/* ---- publishing ---- */

static void on_file(nu_str key, nu_str value, void *arg)
{
    layer_put(arg, key, value);
}

static void count(struct nu_runtime *rt, unsigned stat)
{
    if (rt->scope != NULL)
        nu_stat_inc(rt->scope, rt->all->n, stat);
}

static void gauge(struct nu_runtime *rt, unsigned stat, uint64_t v)
{
    if (rt->scope != NULL)
        nu_gauge_set(rt->scope, rt->all->n, stat, v);
}

static bool read_disk(struct layer *l)
{
    layer_clear(l);
    if (nu_runtime_read_dir(l->dir, on_file, l))
        return true;
    nu_log(runtime, NU_LOG_DEBUG, "runtime folder '%s' cannot be read", l->dir);
    return false;
}

static void merge(struct snapshot *s, const struct layer *l)
{
    nu_map_foreach(slot, &l->keys) {
        const struct entry *e = slot->value;
        struct nu_runtime_value *v = nu_arena_new(&s->arena, struct nu_runtime_value);
        nu_str text = nu_arena_str(&s->arena, e->value);
        nu_runtime_parse(text, v);
        if (nu_map_get(&s->keys, e->key) == NULL)
            nu_map_put(&s->keys, nu_arena_str(&s->arena, e->key), v);
        else
            *(struct nu_runtime_value *)nu_map_get(&s->keys, e->key) = *v;
    }
}

void nu_runtime_publish(struct nu_runtime *rt)
{
    struct snapshot *s = nu_new(struct snapshot);
    unsigned n_disk = 0;
    nu_arena_init(&s->arena, NULL);
    for (int i = 0; i < rt->n_layers; i++) {
        if (rt->layers[i].kind == LAYER_DISK)
            n_disk += read_disk(&rt->layers[i]);
        merge(s, &rt->layers[i]);
    }
    gauge(rt, NU_RUNTIME_num_keys, s->keys.n);
    gauge(rt, NU_RUNTIME_num_layers, (uint64_t)rt->n_layers);
    gauge(rt, NU_RUNTIME_admin_overrides_active, rt->admin >= 0 && rt->layers[rt->admin].keys.n > 0);
    count(rt, NU_RUNTIME_load_success);
    /* The second disk layer was the override directory once. */
    count(rt, n_disk > 1 ? NU_RUNTIME_override_dir_exists : NU_RUNTIME_override_dir_not_exists);
    if (s->keys.n == 0) { /* the common case costs nothing */
        drop_snapshot(s);
        s = NULL;
    }
    nu_slot_publish(rt->all, &rt->current, s, drop_snapshot);
}

/* ---- reading ---- */

static const struct nu_runtime_value *get(const struct nu_runtime *rt, nu_str key)
{
    const struct snapshot *s = rt != NULL ? nu_slot_get(&rt->current) : NULL;
    return s != NULL ? nu_map_get(&s->keys, key) : NULL;
}

bool nu_runtime_has_keys(const struct nu_runtime *rt)
{
    return rt != NULL && nu_slot_get(&rt->current) != NULL;
}

uint64_t nu_runtime_u64(const struct nu_runtime *rt, nu_str key, uint64_t fallback)
{
    const struct nu_runtime_value *v = get(rt, key);
    return v != NULL && v->has_u64 ? v->u64 : fallback;
}

bool nu_runtime_bool(const struct nu_runtime *rt, nu_str key, bool fallback)
{
    const struct nu_runtime_value *v = get(rt, key);
    return v != NULL && v->has_bool ? v->boolean : fallback;
}

double nu_runtime_double(const struct nu_runtime *rt, nu_str key, double fallback)
{
    const struct nu_runtime_value *v = get(rt, key);
    return v != NULL && v->has_number ? v->number : fallback;
}

bool nu_runtime_percent(const struct nu_runtime *rt, nu_str key, uint64_t fallback_percent, uint64_t random)
{
    uint64_t percent = nu_runtime_u64(rt, key, fallback_percent);
    return random % 100 < nu_min(percent, (uint64_t)100);
}

bool nu_runtime_fraction(const struct nu_runtime *rt, nu_str key, uint32_t numerator, uint32_t denominator,
                         uint64_t random)
{
    const struct nu_runtime_value *v = get(rt, key);
    if (v != NULL && v->has_fraction)
        return random % v->denominator < v->numerator;
    if (v != NULL && v->has_u64)
        return random % 100 < v->u64;
    return random % denominator < numerator;
}

/* ---- /runtime ---- */

static void dump_entry(const struct nu_runtime *rt, nu_str key, struct nu_sb *out)
{
    nu_str final = NU_STR("");
    nu_sb_json_str(out, key);
    nu_sb_lit(out, ": {\n   \"layer_values\": [\n");
    for (int i = 0; i < rt->n_layers; i++) {
        const struct entry *e = nu_map_get(&rt->layers[i].keys, key);
        nu_sb_lit(out, "    ");
        nu_sb_json_str(out, e != NULL ? e->value : NU_STR(""));
        nu_sb_add(out, i + 1 < rt->n_layers ? NU_STR(",\n") : NU_STR("\n"));
        if (e != NULL)
            final = e->value;
    }
    nu_sb_lit(out, "   ],\n   \"final_value\": ");
    nu_sb_json_str(out, final);
    nu_sb_lit(out, "\n  }");
}

static int compare_keys(const void *a, const void *b)
{
    const nu_str *x = a, *y = b;
    return nu_str_cmp(*x, *y);
}

static void dump_layers(const struct nu_runtime *rt, struct nu_sb *out)
{
    nu_sb_lit(out, "{\n \"layers\": [");
    for (int i = 0; i < rt->n_layers; i++) {
        nu_sb_add(out, i > 0 ? NU_STR(",\n  ") : NU_STR("\n  "));
        nu_sb_json_str(out, nu_str_from(rt->layers[i].name));
    }
    nu_sb_add(out, rt->n_layers > 0 ? NU_STR("\n ],\n") : NU_STR("],\n"));
}

void nu_runtime_dump(const struct nu_runtime *rt, struct nu_sb *out)
{
    const struct snapshot *s = nu_slot_get(&rt->current);
    uint32_t n = 0, n_keys = s != NULL ? s->keys.n : 0;
    nu_str *keys = nu_calloc(n_keys + 1u, sizeof(*keys));
    if (s != NULL)
        nu_map_foreach(slot, &s->keys) keys[n++] = slot->key;
    qsort(keys, n, sizeof(keys[0]), compare_keys);
    dump_layers(rt, out);
    nu_sb_lit(out, " \"entries\": {");
    for (uint32_t i = 0; i < n; i++) {
        nu_sb_add(out, i > 0 ? NU_STR(",\n  ") : NU_STR("\n  "));
        dump_entry(rt, keys[i], out);
    }
    nu_sb_add(out, n > 0 ? NU_STR("\n }\n}\n") : NU_STR("}\n}\n"));
    nu_free(keys);
}
