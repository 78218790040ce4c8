/* SPDX-License-Identifier: Apache-2.0
 *
 * layered_runtime: layers of keys from their messages. A static layer is a Struct; nested keys are joined with dots. */
#include <math.h>
#include <unistd.h>

#include "codec/pb/pb.h"
#include "codec/pb/print.h"
#include "config/bootstrap.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"
#include "google/protobuf/struct.nu.h"
#include "worker/runtime.h"

typedef struct envoy_config_bootstrap_v3_RuntimeLayer layer_msg;

struct walk {
    struct nu_factory *f;
    const layer_msg *layer;
    struct nu_runtime *rt; /* NULL: only checked */
    int index;
    struct nu_sb value; /* scratch */
};

static void walk_struct(struct walk *w, const struct google_protobuf_Struct *s, nu_str prefix);

static void put(struct walk *w, nu_str key, nu_str value)
{
    if (w->rt != NULL)
        nu_runtime_set(w->rt, w->index, key, value);
}

/* A FractionalPercent stands as a Struct. */
static bool is_fraction(const struct google_protobuf_Struct *s)
{
    for (size_t i = 0; i < s->n_fields; i++)
        if (nu_str_eq(s->fields[i].key, NU_STR("numerator")) || nu_str_eq(s->fields[i].key, NU_STR("denominator")))
            return true;
    return false;
}

static void put_number(struct walk *w, nu_str key, double v)
{
    w->value.len = 0;
    if (floor(v) == v && fabs(v) < 1e15)
        nu_sb_printf(&w->value, "%.0f", v);
    else
        nu_sb_printf(&w->value, "%.6g", v);
    put(w, key, nu_sb_str(&w->value));
}

static void walk_value(struct walk *w, const struct google_protobuf_Value *v, nu_str key)
{
    switch (v->kind_case) {
    case google_protobuf_Value_number_value_case:
        put_number(w, key, v->number_value);
        break;
    case google_protobuf_Value_string_value_case:
        put(w, key, v->string_value);
        break;
    case google_protobuf_Value_bool_value_case:
        put(w, key, v->bool_value ? NU_STR("true") : NU_STR("false"));
        break;
    case google_protobuf_Value_struct_value_case:
        if (!is_fraction(v->struct_value)) {
            walk_struct(w, v->struct_value, key);
            break;
        }
        w->value.len = 0;
        nu_pb_print_json(&w->value, v->struct_value, &(struct nu_pb_print_options){.compact = true});
        put(w, key, nu_sb_str(&w->value));
        break;
    default:
        nu_pb_error(w->f->diags, w->layer, "static_layer", "Invalid runtime entry value for %.*s: lists and null mean nothing here",
                    NU_STR_ARG(key));
        break;
    }
}

static void walk_struct(struct walk *w, const struct google_protobuf_Struct *s, nu_str prefix)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        nu_str key = s->fields[i].key;
        if (prefix.len > 0)
            key = nu_arena_printf(w->f->arena, "%.*s.%.*s", NU_STR_ARG(prefix), NU_STR_ARG(key));
        if (s->fields[i].value != NULL)
            walk_value(w, s->fields[i].value, key);
    }
}

static void build_layer(struct walk *w, const layer_msg *m, nu_str cluster)
{
    switch (m->layer_specifier_case) {
    case envoy_config_bootstrap_v3_RuntimeLayer_static_layer_case:
        if (w->rt != NULL)
            w->index = nu_runtime_add_static(w->rt, m->name);
        walk_struct(w, m->static_layer, NU_STR(""));
        break;
    case envoy_config_bootstrap_v3_RuntimeLayer_admin_layer_case:
        if (w->rt != NULL)
            nu_runtime_add_admin(w->rt, m->name);
        break;
    case envoy_config_bootstrap_v3_RuntimeLayer_disk_layer_case:
        if (access(nu_arena_cstr(w->f->arena, m->disk_layer->symlink_root), F_OK) != 0)
            nu_pb_error(w->f->diags, m->disk_layer, "symlink_root", "there is no '%.*s': it cannot be watched",
                        NU_STR_ARG(m->disk_layer->symlink_root));
        if (w->rt != NULL)
            nu_runtime_add_disk(w->rt, m->name, m->disk_layer->symlink_root, m->disk_layer->subdirectory,
                                m->disk_layer->append_service_cluster, cluster);
        break;
    default: /* the rules have said so */
        break;
    }
}

void nu_runtime_layers_build(struct nu_factory *f, const struct envoy_config_bootstrap_v3_Bootstrap *msg,
                             struct nu_runtime *rt, nu_str cluster)
{
    const struct envoy_config_bootstrap_v3_LayeredRuntime *lr = msg->layered_runtime;
    struct nu_map names = {0};
    size_t n_admin = 0;
    for (size_t i = 0; lr != NULL && i < lr->n_layers; i++) {
        layer_msg *m = lr->layers[i];
        struct walk w = {.f = f, .layer = m, .rt = rt};
        if (nu_map_put(&names, m->name, m) != NULL)
            nu_pb_error(f->diags, m, "name", "Duplicate layer name: %.*s", NU_STR_ARG(m->name));
        if (m->layer_specifier_case == envoy_config_bootstrap_v3_RuntimeLayer_admin_layer_case && n_admin++ > 0)
            nu_pb_error(f->diags, m, NULL, "Too many admin layers specified in LayeredRuntime, at most one may be specified");
        build_layer(&w, m, cluster);
        nu_sb_free(&w.value);
    }
    nu_map_free(&names);
}

size_t nu_runtime_roots(const struct envoy_config_bootstrap_v3_Bootstrap *msg, nu_str *out, size_t max)
{
    const struct envoy_config_bootstrap_v3_LayeredRuntime *lr = msg->layered_runtime;
    size_t n = 0;
    for (size_t i = 0; lr != NULL && i < lr->n_layers && n < max; i++)
        if (lr->layers[i]->layer_specifier_case == envoy_config_bootstrap_v3_RuntimeLayer_disk_layer_case)
            out[n++] = lr->layers[i]->disk_layer->symlink_root;
    return n;
}
