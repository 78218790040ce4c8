/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/runtime_priv.h"

/* The word after `"name" :` in a JSON or YAML mapping of one level; ptr NULL: not there. */
static nu_str member(nu_str text, nu_str name)
{
    ssize_t at = nu_str_search(text, name);
    if (at < 0)
        return NU_STR_NONE;
    nu_str rest = nu_str_skip(text, (size_t)at + name.len);
    ssize_t colon = nu_str_find(rest, ':');
    if (colon < 0)
        return NU_STR_NONE;
    rest = nu_str_trim(nu_str_skip(rest, (size_t)colon + 1));
    size_t n = 0;
    while (n < rest.len && strchr(",}\n\r", rest.ptr[n]) == NULL)
        n++;
    rest = nu_str_trim(nu_str_first(rest, n));
    if (rest.len >= 2 && (rest.ptr[0] == '"' || rest.ptr[0] == '\'') && rest.ptr[rest.len - 1] == rest.ptr[0])
        rest = nu_str_first(nu_str_skip(rest, 1), rest.len - 2);
    return rest;
}

static uint32_t denominator_of(nu_str name)
{
    if (name.ptr == NULL || nu_str_eq(name, NU_STR("HUNDRED")) || nu_str_eq(name, NU_STR("0")))
        return 100;
    if (nu_str_eq(name, NU_STR("TEN_THOUSAND")) || nu_str_eq(name, NU_STR("1")))
        return 10000;
    if (nu_str_eq(name, NU_STR("MILLION")) || nu_str_eq(name, NU_STR("2")))
        return 1000000;
    return 0;
}

static void parse_fraction(nu_str text, struct nu_runtime_value *v)
{
    nu_str top = member(text, NU_STR("numerator")), bottom = member(text, NU_STR("denominator"));
    uint64_t n = 0;
    if (top.ptr == NULL && bottom.ptr == NULL)
        return;
    if (top.ptr != NULL && (!nu_str_to_u64(top, &n) || n > UINT32_MAX))
        return;
    uint32_t d = denominator_of(bottom);
    if (d == 0)
        return;
    v->has_fraction = true;
    v->numerator = (uint32_t)n;
    v->denominator = d;
}

void nu_runtime_parse(nu_str text, struct nu_runtime_value *v)
{
    *v = (struct nu_runtime_value){.text = text};
    nu_str s = nu_str_trim(text);
    v->has_u64 = nu_str_to_u64(s, &v->u64);
    v->has_number = nu_str_to_double(s, &v->number);
    if (nu_str_eq_nocase(s, NU_STR("true")) || nu_str_eq_nocase(s, NU_STR("false"))) {
        v->has_bool = true;
        v->boolean = s.len == 4;
    }
    if (!v->has_number && !v->has_bool)
        parse_fraction(s, v);
}
