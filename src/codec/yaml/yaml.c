/* SPDX-License-Identifier: Apache-2.0
 *
 * All of YAML. Events of libyaml are taken one by one; nesting is recursion, bounded by NU_TREE_MAX_DEPTH. An alias shares the node
 * of its anchor, and the size that the tree keeps per node bounds what the sharing expands to. */
#include "codec/yaml/yaml.h"

#include <stdlib.h>
#include <yaml.h>

#include "base/map.h"
#include "codec/yaml/readers.h"
#include "codec/yaml/scalar.h"

struct reader {
    yaml_parser_t parser;
    struct nu_tree_builder b;
    struct nu_map anchors; /* name -> node; a node that is still open is not there */
    unsigned depth;
};

static struct nu_tree *read_node(struct reader *r, const yaml_event_t *e);

static struct nu_pos pos_of(yaml_mark_t mark)
{
    return (struct nu_pos){.line = (uint32_t)mark.line + 1, .column = (uint32_t)mark.column + 1};
}

/* What mends the mistakes that libyaml reports most. */
static const struct {
    const char *problem, *hint;
} hints[] = {
    {"found character that cannot start any token",
     "; a value that begins with @, ` or % needs quotes, and indentation is spaces, not tabs"},
    {"mapping values are not allowed in this context",
     "; a value that has \": \" in it needs quotes, and keys of one map the same indentation"},
    {"did not find expected alphabetic or numeric character", "; a value that begins with * or & needs quotes"},
    {"found a tab character that violates indentation", "; indentation is spaces, not tabs"},
    {"did not find expected key", "; keys of one map need the same indentation"},
    {"did not find expected '-' indicator", "; items of one list need the same indentation"},
};

static const char *hint_for(const char *problem)
{
    for (size_t i = 0; problem != NULL && i < NU_ARRAY_LEN(hints); i++)
        if (strcmp(problem, hints[i].problem) == 0)
            return hints[i].hint;
    return "";
}

static bool next_event(struct reader *r, yaml_event_t *e)
{
    if (r->b.failed)
        return false;
    if (yaml_parser_parse(&r->parser, e))
        return true;
    const yaml_parser_t *p = &r->parser;
    yaml_mark_t mark = p->problem_mark;
    if (p->error == YAML_READER_ERROR)
        mark = p->mark;
    nu_tree_fail(&r->b, pos_of(mark), "not YAML: %s%s%s%s", p->problem != NULL ? p->problem : "unreadable",
                 p->context != NULL ? " " : "", p->context != NULL ? p->context : "", hint_for(p->problem));
    return false;
}

static struct nu_tree *read_scalar(struct reader *r, const yaml_event_t *e)
{
    nu_str text = nu_str_make(e->data.scalar.value, e->data.scalar.length);
    struct nu_pos pos = pos_of(e->start_mark);
    const char *tag = (const char *)e->data.scalar.tag;
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && (tag == NULL || strcmp(tag, "!") != 0);
    if (plain || (tag != NULL && strcmp(tag, "!") != 0))
        return nu_yaml_typed_scalar(&r->b, text, pos);
    struct nu_tree *t = nu_tree_new(&r->b, NU_TREE_STRING, pos);
    t->u.text = nu_arena_str(r->b.arena, text);
    return t;
}

static struct nu_tree *read_alias(struct reader *r, const yaml_event_t *e)
{
    nu_str name = nu_str_from((const char *)e->data.alias.anchor);
    struct nu_tree *t = nu_map_get(&r->anchors, name);
    if (t == NULL)
        nu_tree_fail(&r->b, pos_of(e->start_mark), "no anchor \"&%.*s\" before this alias", NU_STR_ARG(name));
    return t;
}

/* The key of a map: the text of a scalar, whatever its type. */
static bool read_key(struct reader *r, const yaml_event_t *e, nu_str *key)
{
    if (e->type == YAML_SCALAR_EVENT) {
        nu_str text = nu_str_make(e->data.scalar.value, e->data.scalar.length);
        *key = nu_arena_str(r->b.arena, text);
        if (e->data.scalar.anchor != NULL) {
            struct nu_tree *t = read_scalar(r, e);
            nu_map_put(&r->anchors, nu_arena_str(r->b.arena, nu_str_from((const char *)e->data.scalar.anchor)), t);
        }
        return true;
    }
    if (e->type == YAML_ALIAS_EVENT) {
        const struct nu_tree *t = read_alias(r, e);
        if (t != NULL && (t->kind == NU_TREE_STRING || t->kind == NU_TREE_NUMBER)) {
            *key = t->u.text;
            return true;
        }
    }
    nu_tree_fail(&r->b, pos_of(e->start_mark), "the key of a map must be a string");
    return false;
}

static struct nu_tree *read_map(struct reader *r, const yaml_event_t *start)
{
    struct nu_tree *t = nu_tree_new(&r->b, NU_TREE_MAP, pos_of(start->start_mark));
    size_t from = r->b.n;
    for (;;) {
        yaml_event_t key_event, value_event;
        nu_str key;
        if (!next_event(r, &key_event))
            return NULL;
        if (key_event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&key_event);
            break;
        }
        bool ok = read_key(r, &key_event, &key);
        struct nu_pos key_pos = pos_of(key_event.start_mark);
        yaml_event_delete(&key_event);
        if (!ok || !next_event(r, &value_event))
            return NULL;
        struct nu_tree *value = read_node(r, &value_event);
        yaml_event_delete(&value_event);
        if (value == NULL)
            return NULL;
        nu_tree_push(&r->b, key, key_pos, value);
    }
    nu_tree_close(&r->b, t, from);
    return t;
}

static struct nu_tree *read_list(struct reader *r, const yaml_event_t *start)
{
    struct nu_tree *t = nu_tree_new(&r->b, NU_TREE_LIST, pos_of(start->start_mark));
    size_t from = r->b.n;
    for (;;) {
        yaml_event_t e;
        if (!next_event(r, &e))
            return NULL;
        if (e.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&e);
            break;
        }
        struct nu_tree *item = read_node(r, &e);
        yaml_event_delete(&e);
        if (item == NULL)
            return NULL;
        nu_tree_push(&r->b, NU_STR(""), (struct nu_pos){0}, item);
    }
    nu_tree_close(&r->b, t, from);
    return t;
}

static struct nu_tree *read_node(struct reader *r, const yaml_event_t *e)
{
    struct nu_tree *t = NULL;
    const yaml_char_t *anchor = NULL;
    if (r->depth >= NU_TREE_MAX_DEPTH) {
        nu_tree_fail(&r->b, pos_of(e->start_mark), "nested deeper than %u levels", NU_TREE_MAX_DEPTH);
        return NULL;
    }
    r->depth++;
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        t = read_alias(r, e);
        break;
    case YAML_SCALAR_EVENT:
        anchor = e->data.scalar.anchor;
        t = read_scalar(r, e);
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = e->data.mapping_start.anchor;
        t = read_map(r, e);
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = e->data.sequence_start.anchor;
        t = read_list(r, e);
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
    default:
        nu_tree_fail(&r->b, pos_of(e->start_mark), "not YAML: a value is missing");
        break;
    }
    r->depth--;
    if (t != NULL && anchor != NULL)
        nu_map_put(&r->anchors, nu_arena_str(r->b.arena, nu_str_from((const char *)anchor)), t);
    return r->b.failed ? NULL : t;
}

/* Up to the root of the first document. */
static struct nu_tree *read_document(struct reader *r)
{
    for (;;) {
        yaml_event_t e;
        if (!next_event(r, &e))
            return NULL;
        if (e.type == YAML_STREAM_START_EVENT || e.type == YAML_DOCUMENT_START_EVENT) {
            yaml_event_delete(&e);
            continue;
        }
        if (e.type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&e);
            nu_tree_fail(&r->b, (struct nu_pos){1, 1}, "the configuration is empty");
            return NULL;
        }
        struct nu_tree *t = read_node(r, &e);
        yaml_event_delete(&e);
        return t;
    }
}

/* What follows the root must be well-formed up to the end of the document. */
static bool read_rest(struct reader *r)
{
    yaml_event_t e;
    if (!next_event(r, &e))
        return false;
    yaml_event_delete(&e);
    return true;
}

/* Bytes that are not UTF-8 read as spaces, as they do in Envoy (libyaml would refuse them); surrogates are refused. The
 * result is `text` itself or lives in the arena. */
static nu_str mend_utf8(struct reader *r, nu_str text)
{
    bool utf16 = text.len >= 2 && ((uint8_t)text.ptr[0] ^ (uint8_t)text.ptr[1]) == 1 && (uint8_t)text.ptr[0] >= 0xfe;
    const uint8_t *p = (const uint8_t *)text.ptr, *end = p + text.len;
    struct nu_pos pos = {1, 1};
    char *mended = NULL;
    while (!utf16 && p < end) {
        size_t n = nu_tree_utf8_len(p, end);
        bool surrogate = n == 0 && *p == 0xed && end - p > 2 && (p[1] & 0xe0) == 0xa0;
        if (n == 0 && !surrogate) {
            if (mended == NULL) {
                mended = nu_arena_cstr(r->b.arena, text);
                nu_diag_add(r->b.diags, NU_DIAG_WARNING, r->b.doc->file, pos, NU_STR(""),
                            "not UTF-8: such bytes are read as spaces");
            }
            mended[p - (const uint8_t *)text.ptr] = ' ';
        }
        pos.column++;
        if (*p == '\n')
            pos = (struct nu_pos){pos.line + 1, 1};
        p += nu_max(n, (size_t)1);
    }
    return mended != NULL ? nu_str_make(mended, text.len) : text;
}

struct nu_tree *nu_yaml_read_full(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str text)
{
    struct reader r = {0};
    struct nu_tree *t = NULL;
    nu_tree_builder_init(&r.b, a, d, file);
    if (text.len > NU_TREE_MAX_BYTES) {
        nu_tree_fail(&r.b, (struct nu_pos){0}, "larger than %u bytes", NU_TREE_MAX_BYTES);
    } else if (!yaml_parser_initialize(&r.parser)) {
        abort(); /* out of memory */
    } else {
        text = mend_utf8(&r, text);
        yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.ptr, text.len);
        t = read_document(&r);
        if (t != NULL && !read_rest(&r))
            t = NULL;
        yaml_parser_delete(&r.parser);
    }
    nu_map_free(&r.anchors);
    nu_tree_builder_free(&r.b);
    return r.b.failed ? NULL : t;
}

struct nu_tree *nu_yaml_read(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str text)
{
    struct nu_tree *t = nu_yaml_read_plain(a, file, text);
    return t != NULL ? t : nu_yaml_read_full(a, d, file, text);
}
