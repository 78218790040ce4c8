/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree that YAML and JSON are read into: maps, lists and scalars with their places in the text. It lives in the
 * arena it was read into and is immutable, except that aliases share nodes. */
#ifndef NU_CODEC_TREE_H
#define NU_CODEC_TREE_H

#include "base/arena.h"
#include "base/diag.h"

enum nu_tree_kind {
    NU_TREE_NULL,
    NU_TREE_BOOL,
    NU_TREE_NUMBER, /* text is the number as written (YAML: normalised to decimal) */
    NU_TREE_STRING,
    NU_TREE_MAP,
    NU_TREE_LIST,
};

struct nu_tree_doc {
    nu_str file;
};

struct nu_tree_member {
    nu_str key;
    struct nu_pos key_pos;
    struct nu_tree *value;
};

struct nu_tree {
    enum nu_tree_kind kind;
    struct nu_pos pos;
    const struct nu_tree_doc *doc;
    union {
        bool boolean;
        nu_str text; /* NUMBER, STRING */
        struct {
            struct nu_tree_member *members;
            size_t n;
        } map;
        struct {
            struct nu_tree **items;
            size_t n;
        } list;
    } u;
};

/* "a map", "a list", "a string", ... for messages. */
const char *nu_tree_kind_name(enum nu_tree_kind kind);

/* The member of a map by key; NULL: none, or not a map. */
const struct nu_tree_member *nu_tree_find(const struct nu_tree *t, nu_str key);
const struct nu_tree *nu_tree_get(const struct nu_tree *t, nu_str key);

#endif
