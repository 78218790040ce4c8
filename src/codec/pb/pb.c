/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a message is: its field path and its place in the text, and reports that say both. */
#include "codec/pb/pb.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/sb.h"
#include "codec/pb/load_priv.h"

/* Paths deeper than this are cut at the front; the loader refuses deeper messages long before. */
enum { MAX_DEPTH = 256 };

static void add_step(struct nu_sb *sb, const struct nu_pb_msg *m)
{
    const struct nu_pb_field *f = nu_pb_field_at(m->parent->type, m->parent_field);
    if (sb->len > 0)
        nu_sb_char(sb, '.');
    nu_sb_add(sb, nu_pb_name(f->name));
    if (f->label == NU_PB_REPEATED) {
        nu_sb_printf(sb, "[%u]", m->parent_index);
    } else if (f->label == NU_PB_MAP) {
        const char *entries;
        memcpy(&entries, (const char *)m->parent + f->offset, sizeof(entries));
        const struct nu_pb_type *entry = nu_pb_field_type(f);
        nu_str key = NU_STR("?");
        if (nu_pb_field_at(entry, 0)->kind == NU_PB_STRING)
            memcpy(&key, entries + m->parent_index * entry->size + nu_pb_field_at(entry, 0)->offset, sizeof(key));
        nu_sb_lit(sb, "[\"");
        nu_sb_add(sb, key);
        nu_sb_lit(sb, "\"]");
    }
}

static void add_path(struct nu_sb *sb, const struct nu_pb_msg *m)
{
    const struct nu_pb_msg *chain[MAX_DEPTH];
    size_t n = 0;
    for (; m != NULL && m->parent != NULL && n < MAX_DEPTH; m = m->parent)
        chain[n++] = m;
    while (n > 0) {
        const struct nu_pb_msg *step = chain[--n];
        /* What an Any holds hangs below the Any itself: no step of its own. */
        if (step->parent->type->well_known != NU_PB_ANY)
            add_step(sb, step);
    }
}

nu_str nu_pb_path(struct nu_arena *a, const void *msg)
{
    struct nu_sb sb = {0};
    add_path(&sb, (const struct nu_pb_msg *)msg);
    nu_str path = nu_arena_str(a, nu_sb_str(&sb));
    nu_sb_free(&sb);
    return path;
}

/* The nearest message upwards that came from a text. */
static const struct nu_tree *tree_of(const struct nu_pb_msg *m)
{
    while (m != NULL && m->tree == NULL)
        m = m->parent;
    return m != NULL ? m->tree : NULL;
}

const struct nu_tree_doc *nu_pb_doc(const void *msg)
{
    const struct nu_tree *t = tree_of((const struct nu_pb_msg *)msg);
    return t != NULL ? t->doc : NULL;
}

nu_str nu_pb_file(const void *msg)
{
    const struct nu_tree_doc *doc = nu_pb_doc(msg);
    return doc != NULL ? doc->file : NU_STR("");
}

struct nu_pos nu_pb_pos(const void *msg)
{
    const struct nu_tree *t = tree_of((const struct nu_pb_msg *)msg);
    return t != NULL ? t->pos : (struct nu_pos){0};
}

/* What is between the brackets of "name[3]", and of "name[\"key\"]" without the quotes. */
static nu_str in_brackets(nu_str field, size_t bracket)
{
    nu_str inner = nu_str_skip(field, bracket + 1);
    inner = nu_str_first(inner, inner.len > 0 ? inner.len - 1 : 0);
    bool quoted = inner.len >= 2 && inner.ptr[0] == '"' && inner.ptr[inner.len - 1] == '"';
    return quoted ? nu_str_make(inner.ptr + 1, inner.len - 2) : inner;
}

/* Of an element of a list or a map; the list's or map's own key when it has no such element. */
static struct nu_pos element_pos(const struct nu_tree_member *found, nu_str which)
{
    const struct nu_tree *t = found->value;
    uint64_t index;
    if (t->kind == NU_TREE_LIST && nu_str_to_u64(which, &index) && index < t->u.list.n)
        return t->u.list.items[index]->pos;
    const struct nu_tree_member *entry = t->kind == NU_TREE_MAP ? nu_tree_find(t, which) : NULL;
    return entry != NULL ? entry->key_pos : found->key_pos;
}

/* The place of a field: of its key when it was written, else of the message. `field` may end in "[index]" or "[\"key\"]". */
static struct nu_pos field_pos(const struct nu_pb_msg *m, nu_str field)
{
    ssize_t bracket = nu_str_find(field, '[');
    nu_str name = bracket >= 0 ? nu_str_first(field, (size_t)bracket) : field;
    const struct nu_tree_member *found = nu_tree_find(m->tree, name);
    const struct nu_pb_field *f = nu_pb_find_field(m->type, name);
    if (found == NULL && f != NULL)
        found = nu_tree_find(m->tree, nu_pb_name(f->json_name));
    if (found == NULL)
        return nu_pb_pos(m);
    return bracket >= 0 ? element_pos(found, in_brackets(field, (size_t)bracket)) : found->key_pos;
}

static void report_at(struct nu_diags *d, enum nu_diag_kind kind, const struct nu_pb_msg *m, const char *field,
                      struct nu_pos pos, const char *fmt, va_list ap)
{
    struct nu_sb path = {0};
    char text[1024];
    vsnprintf(text, sizeof(text), fmt, ap);
    add_path(&path, m);
    if (field != NULL) {
        if (path.len > 0)
            nu_sb_char(&path, '.');
        nu_sb_add(&path, nu_str_from(field));
    }
    nu_diag_add(d, kind, nu_pb_file(m), pos, nu_sb_str(&path), "%s", text);
    nu_sb_free(&path);
}

static void report(struct nu_diags *d, enum nu_diag_kind kind, const struct nu_pb_msg *m, const char *field,
                   const char *fmt, va_list ap)
{
    struct nu_pos pos = field != NULL ? field_pos(m, nu_str_from(field)) : nu_pb_pos(m);
    report_at(d, kind, m, field, pos, fmt, ap);
}

void nu_pb_report(struct nu_diags *d, enum nu_diag_kind kind, const void *msg, const char *field, struct nu_pos pos,
                  const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report_at(d, kind, (const struct nu_pb_msg *)msg, field, pos, fmt, ap);
    va_end(ap);
}

/* Whether a message, or one that it stands in closely, was not read completely. */
static bool is_doubtful(const struct nu_pb_msg *m)
{
    for (unsigned up = 0; m != NULL && up < 3; m = m->parent, up++)
        if (m->incomplete || m->partial)
            return true;
    return false;
}

void nu_pb_error(struct nu_diags *d, const void *msg, const char *field, const char *fmt, ...)
{
    va_list ap;
    if (d->building && d->n_errors > 0 && is_doubtful(msg))
        return;
    va_start(ap, fmt);
    report(d, NU_DIAG_ERROR, (const struct nu_pb_msg *)msg, field, fmt, ap);
    va_end(ap);
}

void nu_pb_unsupported(struct nu_diags *d, const void *msg, const char *field, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(d, NU_DIAG_UNSUPPORTED, (const struct nu_pb_msg *)msg, field, fmt, ap);
    va_end(ap);
}

void nu_pb_warn(struct nu_diags *d, const void *msg, const char *field, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(d, NU_DIAG_WARNING, (const struct nu_pb_msg *)msg, field, fmt, ap);
    va_end(ap);
}

void *nu_pb_new(struct nu_arena *a, const struct nu_pb_type *type)
{
    struct nu_pb_msg *m = nu_arena_zalloc(a, type->size);
    m->type = type;
    return m;
}
