/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/tree.h"

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
