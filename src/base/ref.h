/* SPDX-License-Identifier: Apache-2.0
 *
 * Reference counts of what threads share: configuration snapshots, clusters, hosts. */
#ifndef NU_BASE_REF_H
#define NU_BASE_REF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

struct nu_ref {
    _Atomic uint32_t n;
};

static inline void nu_ref_init(struct nu_ref *r)
{
    atomic_init(&r->n, 1);
}

static inline void nu_ref_take(struct nu_ref *r)
{
    uint32_t before = atomic_fetch_add_explicit(&r->n, 1, memory_order_relaxed);
    NU_ASSERT_SLOW(before > 0);
    (void)before;
}

/* true: that was the last one, the caller destroys. */
static inline bool nu_ref_drop(struct nu_ref *r)
{
    uint32_t before = atomic_fetch_sub_explicit(&r->n, 1, memory_order_acq_rel);
    NU_ASSERT(before > 0);
    return before == 1;
}

#endif
