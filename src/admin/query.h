/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters of a request: "?a=b&c" or a body of application/x-www-form-urlencoded. Names and values are percent-decoded;
 * '+' stays '+', as in Envoy. Of a name that repeats the first counts. */
#ifndef NU_ADMIN_QUERY_H
#define NU_ADMIN_QUERY_H

#include <stdbool.h>

#include "base/arena.h"

struct nu_param {
    nu_str name, value;
};

/* In order of first appearance, without repetitions. */
struct nu_params {
    struct nu_param *items;
    size_t n;
};

/* More are dropped: nobody needs them, and looking for repetitions costs. */
#define NU_PARAMS_MAX 1000u

/* Parses "a=b&c=d" (without '?'); in the arena. */
struct nu_params nu_params_parse(struct nu_arena *a, nu_str text);
/* The value ("" when the parameter has none); ptr == NULL: no such parameter. */
nu_str nu_param_get(const struct nu_params *p, const char *name);
static inline bool nu_param_has(const struct nu_params *p, const char *name)
{
    return nu_param_get(p, name).ptr != NULL;
}
/* Percent-decodes; what is not "%xx" stays. */
nu_str nu_percent_decode(struct nu_arena *a, nu_str s);

#endif
