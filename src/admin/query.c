/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/query.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char l = nu_ascii_lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

nu_str nu_percent_decode(struct nu_arena *a, nu_str s)
{
    char *to = nu_arena_alloc(a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        int high = s.ptr[i] == '%' && i + 2 < s.len ? hex(s.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex(s.ptr[i + 2]) : -1;
        if (low >= 0) {
            to[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            to[n++] = s.ptr[i];
        }
    }
    to[n] = '\0';
    return nu_str_make(to, n);
}

static bool has(const struct nu_params *p, nu_str name)
{
    for (size_t i = 0; i < p->n; i++)
        if (nu_str_eq(p->items[i].name, name))
            return true;
    return false;
}

static void add(struct nu_arena *a, struct nu_params *p, nu_str part)
{
    ssize_t equals = nu_str_find(part, '=');
    nu_str name = nu_percent_decode(a, equals >= 0 ? nu_str_first(part, (size_t)equals) : part);
    nu_str value = equals >= 0 ? nu_percent_decode(a, nu_str_skip(part, (size_t)equals + 1)) : NU_STR("");
    if (!has(p, name))
        p->items[p->n++] = (struct nu_param){.name = name, .value = value};
}

struct nu_params nu_params_parse(struct nu_arena *a, nu_str text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.len && n < NU_PARAMS_MAX; i++)
        n += text.ptr[i] == '&';
    struct nu_params p = {.items = nu_arena_array(a, struct nu_param, n)};
    if (text.len == 0)
        return p;
    while (text.ptr != NULL && p.n < n)
        add(a, &p, nu_str_next(&text, '&'));
    return p;
}

nu_str nu_param_get(const struct nu_params *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (nu_str_eq(p->items[i].name, nu_str_from(name)))
            return p->items[i].value;
    return NU_STR_NONE;
}
