/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/tree.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/map.h"

const char *nu_tree_kind_name(enum nu_tree_kind kind)
{
    switch (kind) {
    case NU_TREE_NULL:
        return "null";
    case NU_TREE_BOOL:
        return "a boolean";
    case NU_TREE_NUMBER:
        return "a number";
    case NU_TREE_STRING:
        return "a string";
    case NU_TREE_MAP:
        return "a map";
    case NU_TREE_LIST:
        return "a list";
    }
    return "?";
}

const struct nu_tree_member *nu_tree_find(const struct nu_tree *t, nu_str key)
{
    if (t == NULL || t->kind != NU_TREE_MAP)
        return NULL;
    for (size_t i = 0; i < t->u.map.n; i++) {
        if (nu_str_eq(t->u.map.members[i].key, key))
            return &t->u.map.members[i];
    }
    return NULL;
}

const struct nu_tree *nu_tree_get(const struct nu_tree *t, nu_str key)
{
    const struct nu_tree_member *m = nu_tree_find(t, key);
    return m != NULL ? m->value : NULL;
}

bool nu_tree_starts_curly(nu_str text)
{
    return text.len >= 3 && memcmp(text.ptr, "\xe2\x80", 2) == 0 && (uint8_t)text.ptr[2] >= 0x98 &&
           (uint8_t)text.ptr[2] <= 0x9f;
}

size_t nu_tree_utf8_len(const uint8_t *p, const uint8_t *end)
{
    if (*p < 0x80)
        return 1;
    size_t more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
    if (*p < 0xc2 || *p > 0xf4 || (size_t)(end - p) <= more)
        return 0;
    /* neither overlong forms nor surrogates */
    uint8_t lo = *p == 0xe0 ? 0xa0 : *p == 0xf0 ? 0x90 : 0x80, hi = *p == 0xed ? 0x9f : *p == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i <= more; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return more + 1;
}

bool nu_tree_is_utf8(nu_str text)
{
    const uint8_t *p = (const uint8_t *)text.ptr, *end = p + text.len;
    while (p < end) {
        size_t n = nu_tree_utf8_len(p, end);
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

bool nu_tree_has_curly_quote(nu_str text)
{
    for (size_t i = 0; i + 2 < text.len; i++) {
        if (text.ptr[i] == '\xe2' && nu_tree_starts_curly(nu_str_skip(text, i)))
            return true;
    }
    return false;
}

void nu_tree_builder_init(struct nu_tree_builder *b, struct nu_arena *a, struct nu_diags *d, nu_str file)
{
    struct nu_tree_doc *doc = nu_arena_new(a, struct nu_tree_doc);
    doc->file = nu_arena_str(a, file);
    *b = (struct nu_tree_builder){.arena = a, .diags = d, .doc = doc};
}

void nu_tree_builder_free(struct nu_tree_builder *b)
{
    nu_free(b->members);
    b->members = NULL;
}

struct nu_tree *nu_tree_new(struct nu_tree_builder *b, enum nu_tree_kind kind, struct nu_pos pos)
{
    struct nu_tree *t = nu_arena_new(b->arena, struct nu_tree);
    t->kind = kind;
    t->pos = pos;
    t->doc = b->doc;
    t->size = 1;
    if (++b->nodes > NU_TREE_MAX_NODES)
        nu_tree_fail(b, pos, "more than %u values", NU_TREE_MAX_NODES);
    return t;
}

void nu_tree_push(struct nu_tree_builder *b, nu_str key, struct nu_pos key_pos, struct nu_tree *value)
{
    if (b->n == b->cap) {
        b->cap = b->cap > 0 ? b->cap * 2 : 64;
        b->members = nu_realloc(b->members, b->cap * sizeof(*b->members));
    }
    b->members[b->n++] = (struct nu_tree_member){.key = key, .key_pos = key_pos, .value = value};
}

/* The earlier member with the same key, or NULL. Large maps (a map<string, ...> of the API) use a hash table. */
static struct nu_tree_member *earlier(struct nu_map *seen, struct nu_tree_member *members, size_t n, nu_str key)
{
    if (n >= 16)
        return nu_map_get(seen, key);
    for (size_t i = 0; i < n; i++) {
        if (nu_str_eq(members[i].key, key))
            return &members[i];
    }
    return NULL;
}

static void close_map(struct nu_tree_builder *b, struct nu_tree *t, const struct nu_tree_member *from, size_t n)
{
    struct nu_map seen = {0};
    struct nu_tree_member *to = nu_arena_alloc(b->arena, n * sizeof(*to));
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct nu_tree_member *before = earlier(&seen, to, kept, from[i].key);
        if (before != NULL) {
            nu_diag_add(b->diags, NU_DIAG_WARNING, b->doc->file, from[i].key_pos, NU_STR(""),
                        "\"%.*s\" is written twice in one map; this one holds, not that of line %u",
                        NU_STR_ARG(from[i].key), before->key_pos.line);
            *before = from[i];
            before->twice = b->json;
            continue;
        }
        to[kept++] = from[i];
        if (n >= 16) {
            /* From the 16th member on the table answers; fill it with all before. */
            for (size_t k = kept == 16 ? 0 : kept - 1; kept >= 16 && k < kept; k++)
                nu_map_put(&seen, to[k].key, &to[k]);
        }
    }
    nu_map_free(&seen);
    t->u.map.members = to;
    t->u.map.n = kept;
}

void nu_tree_close(struct nu_tree_builder *b, struct nu_tree *t, size_t from)
{
    size_t n = b->n - from;
    uint64_t size = 1;
    for (size_t i = from; i < b->n; i++)
        size += b->members[i].value->size;
    if (size > NU_TREE_MAX_NODES) {
        nu_tree_fail(b, t->pos, "aliases expand to more than %u values", NU_TREE_MAX_NODES);
        size = NU_TREE_MAX_NODES;
    }
    t->size = (uint32_t)size;
    if (t->kind == NU_TREE_MAP) {
        close_map(b, t, b->members + from, n);
    } else {
        t->u.list.items = nu_arena_alloc(b->arena, n * sizeof(struct nu_tree *));
        t->u.list.n = n;
        for (size_t i = 0; i < n; i++)
            t->u.list.items[i] = b->members[from + i].value;
    }
    b->n = from;
}

void nu_tree_fail(struct nu_tree_builder *b, struct nu_pos pos, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    if (b->failed)
        return; /* what follows a syntax error is noise */
    b->failed = true;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    nu_diag_add(b->diags, NU_DIAG_ERROR, b->doc->file, pos, NU_STR(""), "%s", text);
}
