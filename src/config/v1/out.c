/* SPDX-License-Identifier: Apache-2.0
 *
 * Builds v3 nodes. Maps and lists grow by doubling within the arena: full when the count is a power of two. */
#include <stdio.h>

#include "config/v1/v1_priv.h"

static struct nu_tree *node(struct v1 *c, enum nu_tree_kind kind, struct nu_pos pos)
{
    struct nu_tree *t = nu_arena_new(c->arena, struct nu_tree);
    t->kind = kind;
    t->pos = pos;
    t->doc = c->doc;
    t->size = 1;
    return t;
}

struct nu_tree *v1_map(struct v1 *c, struct nu_pos pos)
{
    return node(c, NU_TREE_MAP, pos);
}

struct nu_tree *v1_list(struct v1 *c, struct nu_pos pos)
{
    return node(c, NU_TREE_LIST, pos);
}

struct nu_tree *v1_str(struct v1 *c, struct nu_pos pos, nu_str text)
{
    struct nu_tree *t = node(c, NU_TREE_STRING, pos);
    t->u.text = nu_arena_str(c->arena, text);
    return t;
}

struct nu_tree *v1_num(struct v1 *c, struct nu_pos pos, uint64_t value)
{
    char text[20];
    struct nu_tree *t = node(c, NU_TREE_NUMBER, pos);
    t->u.text = nu_arena_str(c->arena, nu_str_make(text, nu_u64_to_text(text, value)));
    return t;
}

struct nu_tree *v1_bool(struct v1 *c, struct nu_pos pos, bool value)
{
    struct nu_tree *t = node(c, NU_TREE_BOOL, pos);
    t->u.boolean = value;
    return t;
}

struct nu_tree *v1_ms(struct v1 *c, struct nu_pos pos, int64_t ms)
{
    char text[40];
    int n = snprintf(text, sizeof(text), "%lld.%03lld", (long long)(ms / 1000), (long long)(ms % 1000));
    while (text[n - 1] == '0')
        n--;
    n -= text[n - 1] == '.';
    text[n++] = 's';
    return v1_str(c, pos, nu_str_make(text, (size_t)n));
}

static bool is_full(size_t n)
{
    return (n & (n - 1)) == 0;
}

void v1_put(struct v1 *c, struct nu_tree *map, const char *key, struct nu_tree *value)
{
    size_t n = map->u.map.n;
    if (is_full(n)) {
        struct nu_tree_member *more = nu_arena_array(c->arena, struct nu_tree_member, n > 0 ? n * 2 : 1);
        if (n > 0)
            memcpy(more, map->u.map.members, n * sizeof(*more));
        map->u.map.members = more;
    }
    map->u.map.members[n] = (struct nu_tree_member){.key = nu_str_from(key), .key_pos = value->pos, .value = value};
    map->u.map.n = n + 1;
}

void v1_add(struct v1 *c, struct nu_tree *list, struct nu_tree *item)
{
    size_t n = list->u.list.n;
    if (is_full(n)) {
        struct nu_tree **more = nu_arena_array(c->arena, struct nu_tree *, n > 0 ? n * 2 : 1);
        if (n > 0)
            memcpy(more, list->u.list.items, n * sizeof(struct nu_tree *));
        list->u.list.items = more;
    }
    list->u.list.items[n] = item;
    list->u.list.n = n + 1;
}

struct nu_tree *v1_put_map(struct v1 *c, struct nu_tree *map, const char *key, struct nu_pos pos)
{
    struct nu_tree *t = v1_map(c, pos);
    v1_put(c, map, key, t);
    return t;
}

struct nu_tree *v1_put_list(struct v1 *c, struct nu_tree *map, const char *key, struct nu_pos pos)
{
    struct nu_tree *t = v1_list(c, pos);
    v1_put(c, map, key, t);
    return t;
}

struct nu_tree *v1_add_map(struct v1 *c, struct nu_tree *list, struct nu_pos pos)
{
    struct nu_tree *t = v1_map(c, pos);
    v1_add(c, list, t);
    return t;
}

void v1_put_lit(struct v1 *c, struct nu_tree *map, const char *key, struct nu_pos pos, const char *text)
{
    v1_put(c, map, key, v1_str(c, pos, nu_str_from(text)));
}

struct nu_tree *v1_put_any(struct v1 *c, struct nu_tree *map, const char *key, struct nu_pos pos, const char *type)
{
    struct nu_tree *any = v1_put_map(c, map, key, pos), *url = node(c, NU_TREE_STRING, pos);
    url->u.text = nu_arena_printf(c->arena, "type.googleapis.com/%s", type);
    v1_put(c, any, "@type", url);
    return any;
}

struct nu_tree *v1_add_ext(struct v1 *c, struct nu_tree *list, struct nu_pos pos, const char *name, const char *type)
{
    struct nu_tree *ext = v1_add_map(c, list, pos);
    v1_put_lit(c, ext, "name", pos, name);
    return v1_put_any(c, ext, "typed_config", pos, type);
}

void v1_copy(struct v1 *c, struct nu_tree *map, const char *key, const struct nu_tree_member *m)
{
    if (m != NULL)
        v1_put(c, map, key, m->value);
}

void v1_copy_ms(struct v1 *c, struct nu_tree *map, const char *key, const struct nu_tree_member *m)
{
    if (m != NULL)
        v1_put(c, map, key, v1_ms(c, m->value->pos, v1_int_or(m, 0)));
}

void v1_copy_word(struct v1 *c, struct nu_tree *map, const char *key, const struct nu_tree_member *m,
                  const struct v1_word *words)
{
    const char *word = v1_word(c, m, words);
    if (word != NULL)
        v1_put_lit(c, map, key, m->value->pos, word);
}

void v1_put_percent(struct v1 *c, struct nu_tree *map, const char *key, struct nu_pos pos, uint64_t numerator)
{
    struct nu_tree *percent = v1_put_map(c, map, key, pos);
    v1_put(c, percent, "numerator", v1_num(c, pos, numerator));
    v1_put_lit(c, percent, "denominator", pos, "HUNDRED");
}
