/* SPDX-License-Identifier: Apache-2.0
 *
 * Fractions from config that a runtime key may override: how many requests something happens to. */
#ifndef NU_HTTP_FRACTION_H
#define NU_HTTP_FRACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct nu_runtime;
struct envoy_config_core_v3_RuntimeFractionalPercent;
struct envoy_type_v3_FractionalPercent;

/* core.v3.RuntimeFractionalPercent, or a type.v3.FractionalPercent and a key from elsewhere. */
struct nu_fraction {
    nu_str key; /* empty: none */
    uint32_t numerator, denominator;
};

/* The key is copied into the arena. m == NULL: `fallback` of 100, without a key. */
struct nu_fraction nu_fraction_build(struct nu_arena *a, const struct envoy_config_core_v3_RuntimeFractionalPercent *m,
                                     uint32_t fallback);
/* Without a key. m == NULL: never. */
struct nu_fraction nu_fraction_percent(const struct envoy_type_v3_FractionalPercent *m);
/* Whether it happens this time: random_value % denominator < numerator, of the key where the runtime has it. */
bool nu_fraction_hit(const struct nu_fraction *f, const struct nu_runtime *rt, uint64_t random_value);

#endif
