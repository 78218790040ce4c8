/* SPDX-License-Identifier: Apache-2.0
 *
 * Look-ups in the descriptor tables. */
#include "codec/pb/desc.h"

/* Binary search for `name` among n texts; text_at gives the offset of the i-th. Returns n when absent. */
static size_t find_name(nu_str name, size_t n, uint32_t (*text_at)(size_t i))
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = nu_str_cmp(nu_pb_name(text_at(mid)), name);
        if (order == 0)
            return mid;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return n;
}

static uint32_t type_name_at(size_t i)
{
    return nu_pb_types[i].name;
}

static uint32_t absent_name_at(size_t i)
{
    return nu_pb_absent_types[i];
}

const struct nu_pb_type *nu_pb_find_type(nu_str full_name)
{
    size_t i = find_name(full_name, nu_pb_n_types, type_name_at);
    return i < nu_pb_n_types ? &nu_pb_types[i] : NULL;
}

bool nu_pb_is_absent_type(nu_str full_name)
{
    return find_name(full_name, nu_pb_n_absent_types, absent_name_at) < nu_pb_n_absent_types;
}

/* Whether the text at an offset of nu_pb_names is `name`. */
static bool is_name(uint32_t offset, nu_str name)
{
    const char *at = nu_pb_names + offset;
    for (size_t i = 0; i < name.len; i++)
        if (at[i] != name.ptr[i] || at[i] == '\0')
            return false;
    return at[name.len] == '\0';
}

const struct nu_pb_field *nu_pb_find_field(const struct nu_pb_type *type, nu_str name)
{
    char first = name.len > 0 ? name.ptr[0] : '\0';
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct nu_pb_field *f = nu_pb_field_at(type, i);
        if (nu_pb_names[f->name] != first) /* that of both spellings */
            continue;
        if (is_name(f->name, name) || is_name(f->json_name, name))
            return f;
    }
    return NULL;
}

const struct nu_pb_field *nu_pb_find_number(const struct nu_pb_type *type, uint32_t number)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        if (nu_pb_field_at(type, i)->number == number)
            return nu_pb_field_at(type, i);
    }
    return NULL;
}

nu_str nu_pb_enum_name(const struct nu_pb_enum *e, int32_t number)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct nu_pb_enum_value *v = &nu_pb_enum_values[e->first + i];
        if (v->number == number)
            return nu_pb_name(v->name);
    }
    return NU_STR_NONE;
}
