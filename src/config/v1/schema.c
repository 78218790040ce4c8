/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks v1 objects against the tables of their keys. All v1 objects refuse unknown keys, as Envoy's schemas did. */
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "config/v1/v1_priv.h"

static void report(struct v1 *c, enum nu_diag_kind kind, struct nu_pos pos, const char *fmt, va_list ap)
{
    char text[512];
    vsnprintf(text, sizeof(text), fmt, ap);
    nu_diag_add(c->diags, kind, c->doc->file, pos, nu_sb_str(&c->path), "%s", text);
}

void v1_error(struct v1 *c, struct nu_pos pos, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(c, NU_DIAG_ERROR, pos, fmt, ap);
    va_end(ap);
}

void v1_unsupported(struct v1 *c, struct nu_pos pos, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(c, NU_DIAG_UNSUPPORTED, pos, fmt, ap);
    va_end(ap);
}

void v1_warn(struct v1 *c, struct nu_pos pos, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(c, NU_DIAG_WARNING, pos, fmt, ap);
    va_end(ap);
}

size_t v1_enter(struct v1 *c, const char *name, ssize_t index)
{
    size_t mark = c->path.len;
    if (name[0] != '\0' && mark > 0)
        nu_sb_char(&c->path, '.');
    nu_sb_add(&c->path, nu_str_from(name));
    if (index >= 0)
        nu_sb_printf(&c->path, "[%zd]", index);
    return mark;
}

void v1_leave(struct v1 *c, size_t mark)
{
    c->path.len = mark;
}

/* A name without its unit: "timeout" for timeout_ms. */
static bool lacks_end(nu_str text, nu_str name)
{
    return text.len > 3 && name.len > text.len && nu_str_starts(name, text) && name.ptr[text.len] == '_';
}

const char *v1_nearest(nu_str text, const char *const *names, size_t n)
{
    unsigned best = text.len < 4 ? 2 : text.len < 8 ? 3 : 4; /* one more than is near */
    const char *found = NULL;
    for (size_t i = 0; i < n; i++) {
        if (lacks_end(text, nu_str_from(names[i])))
            return names[i];
        unsigned distance = nu_str_distance(text, nu_str_from(names[i]), best - 1);
        if (distance < best) {
            best = distance;
            found = names[i];
        }
    }
    return found;
}

static void unknown_key(struct v1 *c, const struct nu_tree_member *m, const struct v1_schema *schema)
{
    const char *names[V1_MAX_KEYS];
    for (size_t i = 0; i < schema->n; i++)
        names[i] = schema->keys[i].name;
    const char *near = v1_nearest(m->key, names, schema->n);
    nu_str key = nu_str_first(m->key, 80);
    if (nu_tree_has_curly_quote(m->key))
        v1_error(c, m->key_pos, "the key %.*s is in typographic quotes (from a copied article?); straight quotes are \" and '",
                 NU_STR_ARG(key));
    else
        v1_error(c, m->key_pos, "unknown key \"%.*s\" in %s%s%s%s", NU_STR_ARG(key), schema->what,
                 near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
}

static const char *type_name(enum v1_type type)
{
    switch (type) {
    case V1_STRING:
        return "a string";
    case V1_INT:
        return "a whole number that is not negative";
    case V1_BOOL:
        return "true or false";
    case V1_MAP:
        return "a map";
    case V1_LIST:
        return "a list";
    }
    return "?";
}

static bool has_type(const struct nu_tree *t, enum v1_type type)
{
    int64_t v;
    switch (type) {
    case V1_STRING:
        return t->kind == NU_TREE_STRING;
    case V1_INT:
        return t->kind == NU_TREE_NUMBER && nu_str_to_i64(t->u.text, &v) && v >= 0;
    case V1_BOOL:
        return t->kind == NU_TREE_BOOL;
    case V1_MAP:
        return t->kind == NU_TREE_MAP;
    case V1_LIST:
        return t->kind == NU_TREE_LIST;
    }
    return false;
}

static bool wrong_type(struct v1 *c, const struct nu_tree *t, const char *wanted)
{
    if (t->kind == NU_TREE_STRING || t->kind == NU_TREE_NUMBER) {
        nu_str text = nu_str_first(t->u.text, 80);
        bool text_kind = t->kind == NU_TREE_STRING;
        v1_error(c, t->pos, "must be %s, not %s%.*s%s%s", wanted, text_kind ? "\"" : "", NU_STR_ARG(text),
                 text_kind ? "\"" : "", nu_tree_has_curly_quote(text) ? "; straight quotes are \" and '" : "");
    } else {
        v1_error(c, t->pos, "must be %s, not %s", wanted, nu_tree_kind_name(t->kind));
    }
    return false;
}

static bool check_strings(struct v1 *c, const struct nu_tree *list)
{
    bool ok = true;
    for (size_t i = 0; i < list->u.list.n; i++) {
        if (list->u.list.items[i]->kind == NU_TREE_STRING)
            continue;
        size_t mark = v1_enter(c, "", (ssize_t)i);
        ok = wrong_type(c, list->u.list.items[i], "a string");
        v1_leave(c, mark);
    }
    return ok;
}

static bool check_value(struct v1 *c, const struct v1_key *key, const struct nu_tree *t)
{
    if (!has_type(t, key->type))
        return wrong_type(c, t, type_name(key->type));
    if ((key->flags & V1_STRINGS) != 0 && !check_strings(c, t))
        return false;
    bool empty = (key->type == V1_STRING && t->u.text.len == 0) || (key->type == V1_LIST && t->u.list.n == 0);
    if ((key->flags & V1_NONEMPTY) != 0 && empty) {
        v1_error(c, t->pos, "must not be empty");
        return false;
    }
    int64_t number = 0;
    if (key->type == V1_INT && nu_str_to_i64(t->u.text, &number) && (key->flags & V1_NONEMPTY) != 0 && number == 0) {
        v1_error(c, t->pos, "must be more than 0");
        return false;
    }
    if ((key->flags & V1_PERCENT) != 0 && number > 100) {
        v1_error(c, t->pos, "must be a percentage, 0 to 100, not %.*s", NU_STR_ARG(t->u.text));
        return false;
    }
    return true;
}

static void take_member(struct v1 *c, struct v1_obj *o, const struct nu_tree_member *m, const struct v1_schema *schema)
{
    size_t k = 0;
    while (k < schema->n && !nu_str_eq(m->key, nu_str_from(schema->keys[k].name)))
        k++;
    if (k == schema->n) {
        unknown_key(c, m, schema);
        return;
    }
    const struct v1_key *key = &schema->keys[k];
    size_t mark = v1_enter(c, key->name, -1);
    /* What merely switches off what is not there yet may stand. */
    bool is_off = key->type == V1_BOOL && m->value->kind == NU_TREE_BOOL && !m->value->u.boolean;
    if ((key->flags & V1_UNSUPPORTED) != 0 && !is_off) {
        v1_unsupported(c, m->key_pos, "\"%s\" of %s is not supported yet", key->name, schema->what);
        o->m[k] = m; /* present, so that nothing complains of its absence; nobody reads it */
    } else if (check_value(c, key, m->value)) {
        o->m[k] = m;
    }
    v1_leave(c, mark);
}

static bool is_written(const struct nu_tree *t, const char *name)
{
    return nu_tree_find(t, nu_str_from(name)) != NULL;
}

bool v1_open(struct v1 *c, struct v1_obj *o, const struct nu_tree *t, const struct v1_schema *schema)
{
    NU_ASSERT(schema->n <= V1_MAX_KEYS);
    *o = (struct v1_obj){.tree = t};
    if (t->kind != NU_TREE_MAP)
        return wrong_type(c, t, "a map");
    for (size_t i = 0; i < t->u.map.n; i++)
        take_member(c, o, &t->u.map.members[i], schema);
    for (size_t k = 0; k < schema->n; k++) {
        if ((schema->keys[k].flags & V1_REQUIRED) != 0 && !is_written(t, schema->keys[k].name))
            v1_error(c, t->pos, "%s needs \"%s\"", schema->what, schema->keys[k].name);
    }
    return true;
}

int64_t v1_int_or(const struct nu_tree_member *m, int64_t otherwise)
{
    int64_t v;
    return m != NULL && nu_str_to_i64(m->value->u.text, &v) ? v : otherwise;
}

static void unknown_word(struct v1 *c, const struct nu_tree *t, const struct v1_word *words)
{
    struct nu_sb all = {0};
    for (const struct v1_word *w = words; w->v1 != NULL; w++)
        nu_sb_printf(&all, "%s\"%s\"", w == words ? "" : w[1].v1 == NULL ? " or " : ", ", w->v1);
    nu_str text = nu_str_first(t->u.text, 80);
    v1_error(c, t->pos, "must be %s, not \"%.*s\"", nu_sb_cstr(&all), NU_STR_ARG(text));
    nu_sb_free(&all);
}

const char *v1_word(struct v1 *c, const struct nu_tree_member *m, const struct v1_word *words)
{
    if (m == NULL)
        return NULL;
    char name[80];
    snprintf(name, sizeof(name), "%.*s", NU_STR_ARG(nu_str_first(m->key, 79)));
    size_t mark = v1_enter(c, name, -1);
    const struct v1_word *w = words;
    while (w->v1 != NULL && !nu_str_eq(m->value->u.text, nu_str_from(w->v1)))
        w++;
    if (w->v1 == NULL)
        unknown_word(c, m->value, words);
    else if (w->v3 == NULL)
        v1_unsupported(c, m->value->pos, "\"%s\" is not supported yet", w->v1);
    v1_leave(c, mark);
    return w->v3;
}
