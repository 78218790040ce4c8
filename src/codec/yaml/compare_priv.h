/* SPDX-License-Identifier: Apache-2.0
 *
 * Both readers of YAML on one text: what the fast one takes must be what libyaml makes of it, node by node. For
 * *_test.c and *_fuzz.c only. */
#ifndef NU_CODEC_YAML_COMPARE_PRIV_H
#define NU_CODEC_YAML_COMPARE_PRIV_H

#include <stdio.h>

#include "base/assert.h"
#include "codec/yaml/readers.h"

static inline bool nu_yaml_same_pos(struct nu_pos a, struct nu_pos b)
{
    return a.line == b.line && a.column == b.column;
}

/* The first node of `a` that is not the same in `b`; NULL: all are. */
static inline const struct nu_tree *nu_yaml_difference(const struct nu_tree *a, const struct nu_tree *b)
{
    const struct nu_tree *found = NULL;
    if (a->kind != b->kind || !nu_yaml_same_pos(a->pos, b->pos) || a->size != b->size)
        return a;
    switch (a->kind) {
    case NU_TREE_NULL:
        return NULL;
    case NU_TREE_BOOL:
        return a->u.boolean == b->u.boolean ? NULL : a;
    case NU_TREE_NUMBER:
    case NU_TREE_STRING:
        return nu_str_eq(a->u.text, b->u.text) && a->u.text.ptr[a->u.text.len] == '\0' ? NULL : a;
    case NU_TREE_MAP:
        if (a->u.map.n != b->u.map.n)
            return a;
        for (size_t i = 0; i < a->u.map.n && found == NULL; i++) {
            const struct nu_tree_member *m = &a->u.map.members[i], *n = &b->u.map.members[i];
            if (!nu_str_eq(m->key, n->key) || m->key.ptr[m->key.len] != '\0' || !nu_yaml_same_pos(m->key_pos, n->key_pos) ||
                m->twice != n->twice)
                return a;
            found = nu_yaml_difference(m->value, n->value);
        }
        return found;
    case NU_TREE_LIST:
        if (a->u.list.n != b->u.list.n)
            return a;
        for (size_t i = 0; i < a->u.list.n && found == NULL; i++)
            found = nu_yaml_difference(a->u.list.items[i], b->u.list.items[i]);
        return found;
    }
    return a;
}

/* Reads the text both ways; whether the fast reader took it. `wrong`: NULL, or what is not as libyaml has it. */
static inline bool nu_yaml_compare(nu_str text, const char **wrong)
{
    static char where[64];
    struct nu_arena a;
    struct nu_diags d;
    nu_arena_init(&a, NULL);
    nu_diags_init(&d);
    *wrong = NULL;
    const struct nu_tree *fast = nu_yaml_read_plain(&a, NU_STR("x"), text);
    if (fast != NULL) {
        const struct nu_tree *full = nu_yaml_read_full(&a, &d, NU_STR("x"), text);
        const struct nu_tree *other = full != NULL ? nu_yaml_difference(fast, full) : fast;
        if (other != NULL) {
            snprintf(where, sizeof(where), "%u:%u differs", other->pos.line, other->pos.column);
            *wrong = where;
        } else if (d.n > 0) {
            *wrong = "there is something to report";
        }
    }
    nu_diags_clear(&d);
    nu_arena_clear(&a);
    return fast != NULL;
}

#endif
