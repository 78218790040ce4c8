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

/* Hostile input ends here. Protobuf's own limit for JSON is the same depth; nodes are counted as if every alias were
 * written out. */
#define NU_TREE_MAX_DEPTH 100u
#define NU_TREE_MAX_NODES 20000000u
#define NU_TREE_MAX_BYTES (256u << 20)

struct nu_tree_doc {
    nu_str file;
};

struct nu_tree_member {
    nu_str key;
    struct nu_pos key_pos;
    struct nu_tree *value;
    bool twice; /* JSON: the key stands in this map more than once (YAML: the last one simply holds) */
};

struct nu_tree {
    enum nu_tree_kind kind;
    struct nu_pos pos;
    const struct nu_tree_doc *doc;
    uint32_t size; /* nodes below and including this one, aliases expanded */
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

/* Bytes of the well-formed UTF-8 sequence (RFC 3629) at p, which is before end; 0: there is none. */
size_t nu_tree_utf8_len(const uint8_t *p, const uint8_t *end);
bool nu_tree_is_utf8(nu_str text);

/* Whether the text has a typographic quote (the ones that articles and chats put in place of " and '). */
bool nu_tree_has_curly_quote(nu_str text);
/* Whether the text begins with one. */
bool nu_tree_starts_curly(nu_str text);

/* Building: members and items grow in a list that is copied into the arena when complete. */
struct nu_tree_builder {
    struct nu_arena *arena;
    struct nu_diags *diags;
    const struct nu_tree_doc *doc;
    struct nu_tree_member *members; /* heap stack, shared by all open maps and lists */
    size_t n, cap;
    uint32_t nodes;
    bool json;
    bool failed;
};

void nu_tree_builder_init(struct nu_tree_builder *b, struct nu_arena *a, struct nu_diags *d, nu_str file);
void nu_tree_builder_free(struct nu_tree_builder *b);
/* A node of the builder's arena; counts towards the limit. */
struct nu_tree *nu_tree_new(struct nu_tree_builder *b, enum nu_tree_kind kind, struct nu_pos pos);
/* Adds a member (map) or, with an empty key, an item (list) on the stack. */
void nu_tree_push(struct nu_tree_builder *b, nu_str key, struct nu_pos key_pos, struct nu_tree *value);
/* Makes what was pushed since `from` the content of a map or a list. A key that occurs twice: the last one holds, as in
 * Envoy, and a warning tells. */
void nu_tree_close(struct nu_tree_builder *b, struct nu_tree *t, size_t from);
/* Adds an error and marks the builder failed. */
void nu_tree_fail(struct nu_tree_builder *b, struct nu_pos pos, const char *fmt, ...) NU_PRINTF(3, 4);

#endif
