/* SPDX-License-Identifier: Apache-2.0 */
#include "http/query.h"

#include <stdlib.h>

static const char digits[] = "0123456789ABCDEF";

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char l = nu_ascii_lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

static bool may_be_written(unsigned char c)
{
    return c > ' ' && c != 0x7f;
}

/* %XX of bytes that may stand in a request line. */
static nu_str decode(struct nu_arena *a, nu_str s)
{
    if (nu_str_find(s, '%') < 0)
        return s;
    char *out = nu_arena_alloc(a, s.len);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        int high = i + 2 < s.len && s.ptr[i] == '%' ? hex_value(s.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_value(s.ptr[i + 2]) : -1;
        if (low >= 0 && may_be_written((unsigned char)(high * 16 + low))) {
            out[n++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[n++] = s.ptr[i];
        }
    }
    return nu_str_make(out, n);
}

/* application/x-www-form-urlencoded's set, with %20 for the space. */
static bool is_plain(char c)
{
    char l = nu_ascii_lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '*' || c == '-' || c == '.' || c == '_';
}

static nu_str encode(struct nu_arena *a, nu_str s, bool (*keep)(char c))
{
    char *out = nu_arena_alloc(a, s.len * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (keep(s.ptr[i])) {
            out[n++] = s.ptr[i];
            continue;
        }
        out[n++] = '%';
        out[n++] = digits[c >> 4];
        out[n++] = digits[c & 15];
    }
    return nu_str_make(out, n);
}

static bool keep_writable(char c)
{
    return may_be_written((unsigned char)c);
}

static void add(struct nu_query *q, nu_str key, nu_str value)
{
    if (q->n == q->cap) {
        size_t cap = q->cap > 0 ? q->cap * 2 : 8;
        struct nu_query_item *items = nu_arena_array(q->arena, struct nu_query_item, cap);
        if (q->n > 0)
            memcpy(items, q->items, q->n * sizeof(items[0]));
        q->items = items;
        q->cap = cap;
    }
    q->items[q->n] = (struct nu_query_item){.key = key, .value = value, .order = q->n};
    q->n++;
}

void nu_query_parse(struct nu_query *q, struct nu_arena *a, nu_str path)
{
    ssize_t mark = nu_str_find(path, '?');
    *q = (struct nu_query){.arena = a};
    nu_str rest = mark >= 0 ? nu_str_skip(path, (size_t)mark + 1) : NU_STR("");
    while (rest.len > 0) {
        nu_str pair = nu_str_next(&rest, '&');
        ssize_t eq = nu_str_find(pair, '=');
        nu_str key = eq >= 0 ? nu_str_first(pair, (size_t)eq) : pair;
        nu_str value = eq >= 0 ? nu_str_skip(pair, (size_t)eq + 1) : NU_STR("");
        add(q, decode(a, key), decode(a, value));
    }
}

static bool has(const struct nu_query *q, nu_str key)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->items[i].key.ptr != NULL && nu_str_eq(q->items[i].key, key))
            return true;
    return false;
}

static void drop(struct nu_query *q, nu_str key)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->items[i].key.ptr != NULL && nu_str_eq(q->items[i].key, key))
            q->items[i].key = NU_STR_NONE;
}

void nu_query_change(struct nu_query *q, enum nu_query_action action, nu_str key, nu_str value)
{
    bool exists = has(q, key);
    if ((action == NU_QUERY_ADD_IF_ABSENT && exists) || (action == NU_QUERY_OVERWRITE_IF_EXISTS && !exists))
        return;
    if (action != NU_QUERY_APPEND)
        drop(q, key);
    if (action != NU_QUERY_REMOVE)
        add(q, key, encode(q->arena, value, is_plain));
}

static int compare(const void *a, const void *b)
{
    const struct nu_query_item *x = a, *y = b;
    int c = nu_str_cmp(x->key, y->key);
    if (c != 0)
        return c;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void compact(struct nu_query *q)
{
    size_t n = 0;
    for (size_t i = 0; i < q->n; i++)
        if (q->items[i].key.ptr != NULL)
            q->items[n++] = q->items[i];
    q->n = n;
}

nu_str nu_query_path(struct nu_query *q, nu_str path)
{
    ssize_t mark = nu_str_find(path, '?');
    nu_str before = mark >= 0 ? nu_str_first(path, (size_t)mark) : path;
    compact(q);
    if (q->n == 0)
        return before;
    qsort(q->items, q->n, sizeof(q->items[0]), compare);
    nu_str *parts = nu_arena_array(q->arena, nu_str, q->n * 4 + 1);
    size_t n = 0;
    parts[n++] = before;
    for (size_t i = 0; i < q->n; i++) {
        parts[n++] = i == 0 ? NU_STR("?") : NU_STR("&");
        parts[n++] = encode(q->arena, q->items[i].key, keep_writable);
        parts[n++] = NU_STR("=");
        parts[n++] = q->items[i].value;
    }
    return nu_arena_concat(q->arena, parts, n);
}
