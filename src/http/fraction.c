/* SPDX-License-Identifier: Apache-2.0 */
#include "http/fraction.h"

#include "base/attr.h"
#include "envoy/config/core/v3/base.nu.h"
#include "envoy/type/v3/percent.nu.h"
#include "worker/runtime.h"

struct nu_fraction nu_fraction_percent(const struct envoy_type_v3_FractionalPercent *m)
{
    static const uint32_t denominators[] = {100, 10000, 1000000};
    struct nu_fraction out = {.key = NU_STR(""), .numerator = 0, .denominator = 100};
    if (m == NULL)
        return out;
    size_t d = (size_t)m->denominator;
    out.numerator = m->numerator;
    out.denominator = denominators[d < NU_ARRAY_LEN(denominators) ? d : 0];
    return out;
}

struct nu_fraction nu_fraction_build(struct nu_arena *a, const struct envoy_config_core_v3_RuntimeFractionalPercent *m,
                                     uint32_t fallback)
{
    if (m == NULL)
        return (struct nu_fraction){.key = NU_STR(""), .numerator = fallback, .denominator = 100};
    struct nu_fraction out = nu_fraction_percent(m->default_value);
    out.key = nu_arena_str(a, m->runtime_key);
    return out;
}

bool nu_fraction_hit(const struct nu_fraction *f, const struct nu_runtime *rt, uint64_t random_value)
{
    if (f->key.len > 0)
        return nu_runtime_fraction(rt, f->key, f->numerator, f->denominator, random_value);
    return random_value % f->denominator < f->numerator;
}
