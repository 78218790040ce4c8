/* SPDX-License-Identifier: Apache-2.0
 *
 * Access logs of v1: always files, each with an optional format and filter. */
#include "config/v1/v1_priv.h"

enum { L_PATH, L_FORMAT, L_FILTER };
static const struct v1_key log_keys[] = {
    [L_PATH] = {"path", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
    [L_FORMAT] = {"format", V1_STRING, 0},
    [L_FILTER] = {"filter", V1_MAP, 0},
};
static const struct v1_schema log_schema = V1_SCHEMA("a v1 access log", log_keys);

enum { F_TYPE, F_OP, F_VALUE, F_RUNTIME_KEY };
static const struct v1_key compare_keys[] = {
    [F_TYPE] = {"type", V1_STRING, V1_REQUIRED},
    [F_OP] = {"op", V1_STRING, V1_REQUIRED},
    [F_VALUE] = {"value", V1_INT, V1_REQUIRED},
    [F_RUNTIME_KEY] = {"runtime_key", V1_STRING, 0},
};
static const struct v1_schema compare_schema = V1_SCHEMA("a v1 access log filter", compare_keys);

enum { R_TYPE, R_KEY };
static const struct v1_key runtime_keys[] = {
    [R_TYPE] = {"type", V1_STRING, V1_REQUIRED},
    [R_KEY] = {"key", V1_STRING, V1_REQUIRED | V1_NONEMPTY},
};
static const struct v1_schema runtime_schema = V1_SCHEMA("a v1 runtime filter of an access log", runtime_keys);

enum { G_TYPE, G_FILTERS };
static const struct v1_key logical_keys[] = {
    [G_TYPE] = {"type", V1_STRING, V1_REQUIRED},
    [G_FILTERS] = {"filters", V1_LIST, V1_REQUIRED},
};
static const struct v1_schema logical_schema = V1_SCHEMA("a v1 logical filter of an access log", logical_keys);

static const struct v1_key empty_keys[] = {{"type", V1_STRING, V1_REQUIRED}};
static const struct v1_schema empty_schema = V1_SCHEMA("a v1 access log filter", empty_keys);

static const struct v1_word ops[] = {{">=", "GE"}, {"=", "EQ"}, {NULL, NULL}};

static void log_filter(struct v1 *c, struct nu_tree *out, struct nu_tree *t);

static void compare_filter(struct v1 *c, struct nu_tree *out, const char *v3, const struct nu_tree *t)
{
    struct v1_obj o;
    if (!v1_open(c, &o, t, &compare_schema))
        return;
    struct nu_tree *comparison = v1_put_map(c, v1_put_map(c, out, v3, t->pos), "comparison", t->pos);
    v1_copy_word(c, comparison, "op", o.m[F_OP], ops);
    struct nu_tree *value = v1_put_map(c, comparison, "value", t->pos);
    v1_copy(c, value, "default_value", o.m[F_VALUE]);
    v1_copy(c, value, "runtime_key", o.m[F_RUNTIME_KEY]);
}

/* v1: sampled by the key's percentage, 0 where it is not set; so is v3 without percent_sampled. */
static void runtime_filter(struct v1 *c, struct nu_tree *out, const char *v3, const struct nu_tree *t)
{
    struct v1_obj o;
    if (v1_open(c, &o, t, &runtime_schema))
        v1_copy(c, v1_put_map(c, out, v3, t->pos), "runtime_key", o.m[R_KEY]);
}

static void empty_filter(struct v1 *c, struct nu_tree *out, const char *v3, const struct nu_tree *t)
{
    struct v1_obj o;
    if (v1_open(c, &o, t, &empty_schema))
        v1_put_map(c, out, v3, t->pos);
}

static void logical_filter(struct v1 *c, struct nu_tree *out, const char *v3, const struct nu_tree *t)
{
    struct v1_obj o;
    if (!v1_open(c, &o, t, &logical_schema) || o.m[G_FILTERS] == NULL)
        return;
    if (v1_count(o.m[G_FILTERS]) < 2)
        v1_error(c, o.m[G_FILTERS]->value->pos, "a logical filter needs at least two filters");
    struct nu_tree *list = v1_put_list(c, v1_put_map(c, out, v3, t->pos), "filters", t->pos);
    for (size_t i = 0; i < v1_count(o.m[G_FILTERS]); i++) {
        struct nu_tree *item = o.m[G_FILTERS]->value->u.list.items[i];
        size_t mark = v1_enter(c, "filters", (ssize_t)i);
        log_filter(c, v1_add_map(c, list, item->pos), item);
        v1_leave(c, mark);
    }
}

static const struct {
    const char *v1, *v3;
    void (*translate)(struct v1 *c, struct nu_tree *out, const char *v3, const struct nu_tree *t);
} filter_types[] = {
    {"status_code", "status_code_filter", compare_filter},
    {"duration", "duration_filter", compare_filter},
    {"not_healthcheck", "not_health_check_filter", empty_filter},
    {"traceable_request", "traceable_filter", empty_filter}, /* refused by the loader until there is tracing */
    {"runtime", "runtime_filter", runtime_filter},
    {"logical_and", "and_filter", logical_filter},
    {"logical_or", "or_filter", logical_filter},
};

/* Nesting is bounded by that of the tree. */
static void log_filter(struct v1 *c, struct nu_tree *out, struct nu_tree *t)
{
    const char *names[NU_ARRAY_LEN(filter_types)];
    const struct nu_tree *type = nu_tree_get(t, NU_STR("type"));
    if (type == NULL || type->kind != NU_TREE_STRING) {
        v1_error(c, t->pos, "a v1 access log filter needs \"type\", a string");
        return;
    }
    for (size_t i = 0; i < NU_ARRAY_LEN(filter_types); i++) {
        names[i] = filter_types[i].v1;
        if (nu_str_eq(type->u.text, nu_str_from(names[i]))) {
            filter_types[i].translate(c, out, filter_types[i].v3, t);
            return;
        }
    }
    const char *near = v1_nearest(type->u.text, names, NU_ARRAY_LEN(names));
    v1_error(c, type->pos, "unknown access log filter \"%.*s\"%s%s%s", NU_STR_ARG(nu_str_first(type->u.text, 80)),
             near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
}

struct nu_tree *v1_add_file_log(struct v1 *c, struct nu_tree *list, struct nu_tree *path)
{
    struct nu_tree *log = v1_add_map(c, list, path->pos);
    v1_put_lit(c, log, "name", path->pos, "envoy.access_loggers.file");
    struct nu_tree *file =
        v1_put_any(c, log, "typed_config", path->pos, "envoy.extensions.access_loggers.file.v3.FileAccessLog");
    v1_put(c, file, "path", path);
    return log;
}

static void access_log(struct v1 *c, struct nu_tree *list, const struct nu_tree *t)
{
    struct v1_obj o;
    if (!v1_open(c, &o, t, &log_schema) || o.m[L_PATH] == NULL)
        return;
    struct nu_tree *log = v1_add_file_log(c, list, o.m[L_PATH]->value);
    if (o.m[L_FILTER] != NULL) {
        size_t mark = v1_enter(c, "filter", -1);
        log_filter(c, v1_put_map(c, log, "filter", o.m[L_FILTER]->value->pos), o.m[L_FILTER]->value);
        v1_leave(c, mark);
    }
    if (v1_text(o.m[L_FORMAT]).len > 0) {
        struct nu_tree *format = o.m[L_FORMAT]->value, *file = nu_tree_find(log, NU_STR("typed_config"))->value;
        struct nu_tree *source =
            v1_put_map(c, v1_put_map(c, file, "log_format", format->pos), "text_format_source", format->pos);
        v1_put(c, source, "inline_string", v1_format(c, format));
    }
}

void v1_access_logs(struct v1 *c, struct nu_tree *map, const struct nu_tree_member *logs)
{
    if (logs == NULL)
        return;
    struct nu_tree *list = v1_put_list(c, map, "access_log", logs->value->pos);
    for (size_t i = 0; i < v1_count(logs); i++) {
        size_t mark = v1_enter(c, "access_log", (ssize_t)i);
        access_log(c, list, logs->value->u.list.items[i]);
        v1_leave(c, mark);
    }
}
