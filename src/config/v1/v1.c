/* SPDX-License-Identifier: Apache-2.0
 *
 * Recognises v1 and translates what stands at the top of the file. */
#include "config/v1/v1.h"

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

struct nu_tree *nu_v1_translate(struct nu_arena *a, struct nu_diags *d, const struct nu_tree *v1)
{
    nu_diag_add(d, NU_DIAG_UNSUPPORTED, v1->doc->file, v1->pos, NU_STR(""),
                "Envoy's first configuration format (v1) is not supported yet");
    struct nu_tree *t = nu_arena_new(a, struct nu_tree);
    *t = (struct nu_tree){.kind = NU_TREE_MAP, .pos = v1->pos, .doc = v1->doc, .size = 1};
    return t;
}
