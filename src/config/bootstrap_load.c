/* SPDX-License-Identifier: Apache-2.0
 *
 * Files and texts to one Bootstrap message. Several inputs are merged as trees, by protobuf's rules for merging: scalars
 * of the later one win, lists are joined, messages are merged field by field. */
#include <errno.h>

#include "base/err.h"
#include "codec/pb/load.h"
#include "codec/pb/wire.h"
#include "config/bootstrap.h"
#include "config/v1/v1.h"
#include "envoy/config/bootstrap/v3/bootstrap.nu.h"
#include "net/data_source.h"

static void fail(struct nu_diags *d, nu_str file, const char *what, const char *why)
{
    nu_diag_add(d, NU_DIAG_ERROR, file, (struct nu_pos){0}, NU_STR(""), "%s%s%s", what, why != NULL ? ": " : "",
                why != NULL ? why : "");
}

static bool read_file(struct nu_arena *a, struct nu_diags *d, nu_str path, nu_str *out)
{
    int err = nu_file_read(a, nu_arena_cstr(a, path), NU_TREE_MAX_BYTES, out);
    if (err == 0)
        return true;
    if (err == NU_ERR_LIMIT)
        fail(d, path, "the file is too large", NULL);
    else
        fail(d, path, errno == ENOENT ? "Invalid path: there is no such file" : "cannot be read", strerror(errno));
    return false;
}

/* ---- merging ---- */

/* Whether two keys are one field: names may be snake_case or lowerCamelCase. */
static bool same_key(nu_str a, nu_str b)
{
    size_t i = 0, k = 0;
    while (i < a.len && k < b.len) {
        i += a.ptr[i] == '_';
        k += b.ptr[k] == '_';
        if (i == a.len || k == b.len || nu_ascii_lower(a.ptr[i]) != nu_ascii_lower(b.ptr[k]))
            break;
        i++;
        k++;
    }
    return i == a.len && k == b.len;
}

static struct nu_tree_member *find_member(struct nu_tree *t, nu_str key)
{
    for (size_t i = 0; i < t->u.map.n; i++)
        if (same_key(t->u.map.members[i].key, key))
            return &t->u.map.members[i];
    return NULL;
}

static struct nu_tree *merge(struct nu_arena *a, struct nu_tree *under, struct nu_tree *over);

static struct nu_tree *merge_maps(struct nu_arena *a, const struct nu_tree *under, const struct nu_tree *over)
{
    struct nu_tree *t = nu_arena_new(a, struct nu_tree);
    *t = *under;
    t->u.map.members = nu_arena_array(a, struct nu_tree_member, under->u.map.n + over->u.map.n);
    if (under->u.map.n > 0)
        memcpy(t->u.map.members, under->u.map.members, under->u.map.n * sizeof(t->u.map.members[0]));
    for (size_t i = 0; i < over->u.map.n; i++) {
        const struct nu_tree_member *m = &over->u.map.members[i];
        struct nu_tree_member *at = find_member(t, m->key);
        if (at != NULL)
            at->value = merge(a, at->value, m->value);
        else
            t->u.map.members[t->u.map.n++] = *m;
    }
    t->size = under->size + over->size;
    return t;
}

static struct nu_tree *merge_lists(struct nu_arena *a, const struct nu_tree *under, const struct nu_tree *over)
{
    struct nu_tree *t = nu_arena_new(a, struct nu_tree);
    *t = *under;
    t->u.list.n = under->u.list.n + over->u.list.n;
    t->u.list.items = nu_arena_array(a, struct nu_tree *, t->u.list.n);
    for (size_t i = 0; i < t->u.list.n; i++)
        t->u.list.items[i] =
            i < under->u.list.n ? under->u.list.items[i] : over->u.list.items[i - under->u.list.n];
    t->size = under->size + over->size;
    return t;
}

/* What holds an extension's configuration is replaced whole. */
static bool is_any(const struct nu_tree *t)
{
    return nu_tree_get(t, NU_STR("@type")) != NULL;
}

static struct nu_tree *merge(struct nu_arena *a, struct nu_tree *under, struct nu_tree *over)
{
    if (over->kind == NU_TREE_NULL)
        return under;
    if (under->kind == NU_TREE_MAP && over->kind == NU_TREE_MAP && !is_any(over))
        return merge_maps(a, under, over);
    if (under->kind == NU_TREE_LIST && over->kind == NU_TREE_LIST)
        return merge_lists(a, under, over);
    return over;
}

/* ---- reading ---- */

static bool ends_with(nu_str path, const char *suffix)
{
    return nu_str_ends(path, nu_str_from(suffix));
}

static struct nu_tree *read_tree(struct nu_arena *a, struct nu_diags *d, nu_str path, bool *was_v1)
{
    nu_str text;
    if (ends_with(path, ".pb_text")) {
        nu_diag_add(d, NU_DIAG_UNSUPPORTED, path, (struct nu_pos){0}, NU_STR(""),
                    "text protobuf (.pb_text) is not supported; write YAML, JSON or binary protobuf (.pb)");
        return NULL;
    }
    if (!read_file(a, d, path, &text))
        return NULL;
    struct nu_tree *t = nu_config_parse(a, d, path, text, NU_TEXT_BY_NAME);
    if (t == NULL || !nu_v1_recognise(t))
        return t;
    *was_v1 = true;
    return nu_v1_translate(a, d, t);
}

struct nu_tree *nu_bootstrap_tree(struct nu_arena *a, struct nu_diags *d, const struct nu_bootstrap_source *source,
                                  bool *was_v1)
{
    struct nu_tree *t = NULL;
    *was_v1 = false;
    if (source->path.len > 0) {
        t = read_tree(a, d, source->path, was_v1);
        if (t == NULL)
            return NULL;
    }
    if (source->inline_text.len == 0)
        return t;
    struct nu_tree *over = nu_config_parse(a, d, NU_STR("--config-yaml"), source->inline_text, NU_TEXT_YAML);
    if (over == NULL || t == NULL)
        return over;
    return merge(a, t, over);
}

static const struct envoy_config_bootstrap_v3_Bootstrap *load_wire(struct nu_arena *a, struct nu_diags *d,
                                                                   const struct nu_bootstrap_source *source)
{
    nu_str bytes;
    if (source->inline_text.len > 0) {
        nu_diag_add(d, NU_DIAG_UNSUPPORTED, source->path, (struct nu_pos){0}, NU_STR(""),
                    "--config-yaml over binary protobuf is not supported yet");
        return NULL;
    }
    if (!read_file(a, d, source->path, &bytes))
        return NULL;
    struct nu_pb_wire_options o = {.unknown = source->allow_unknown ? NU_PB_UNKNOWN_WARN : NU_PB_UNKNOWN_ERROR};
    struct nu_pb_msg *m = nu_pb_decode(a, d, source->path, bytes, &envoy_config_bootstrap_v3_Bootstrap_type, &o);
    if (m != NULL)
        nu_pb_validate(a, d, m);
    return (const void *)m;
}

const struct envoy_config_bootstrap_v3_Bootstrap *nu_bootstrap_load(struct nu_arena *a, struct nu_diags *d,
                                                                    const struct nu_bootstrap_source *source)
{
    bool was_v1;
    d->allow_unknown = source->allow_unknown;
    if (ends_with(source->path, ".pb"))
        return load_wire(a, d, source);
    struct nu_tree *t = nu_bootstrap_tree(a, d, source, &was_v1);
    if (t == NULL)
        return NULL;
    return (const void *)nu_pb_load(a, d, t, &envoy_config_bootstrap_v3_Bootstrap_type);
}
