/* SPDX-License-Identifier: Apache-2.0
 *
 * Relaxed shared counters, for host activity and circuit breakers: exact sums, no ordering. */
#ifndef NU_BASE_ATOMIC_H
#define NU_BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdint.h>

struct nu_atomic_u64 {
    _Atomic uint64_t v;
};
struct nu_atomic_u32 {
    _Atomic uint32_t v;
};

static inline uint64_t nu_atomic_u64_get(const struct nu_atomic_u64 *a)
{
    return atomic_load_explicit(&a->v, memory_order_relaxed);
}
static inline void nu_atomic_u64_set(struct nu_atomic_u64 *a, uint64_t v)
{
    atomic_store_explicit(&a->v, v, memory_order_relaxed);
}
/* Returns the value after. */
static inline uint64_t nu_atomic_u64_add(struct nu_atomic_u64 *a, uint64_t n)
{
    return atomic_fetch_add_explicit(&a->v, n, memory_order_relaxed) + n;
}
static inline uint64_t nu_atomic_u64_sub(struct nu_atomic_u64 *a, uint64_t n)
{
    return atomic_fetch_sub_explicit(&a->v, n, memory_order_relaxed) - n;
}
static inline uint32_t nu_atomic_u32_get(const struct nu_atomic_u32 *a)
{
    return atomic_load_explicit(&a->v, memory_order_relaxed);
}
static inline void nu_atomic_u32_set(struct nu_atomic_u32 *a, uint32_t v)
{
    atomic_store_explicit(&a->v, v, memory_order_relaxed);
}
static inline uint32_t nu_atomic_u32_add(struct nu_atomic_u32 *a, uint32_t n)
{
    return atomic_fetch_add_explicit(&a->v, n, memory_order_relaxed) + n;
}
static inline uint32_t nu_atomic_u32_sub(struct nu_atomic_u32 *a, uint32_t n)
{
    return atomic_fetch_sub_explicit(&a->v, n, memory_order_relaxed) - n;
}
/* Stores v; returns what was there before. */
static inline uint32_t nu_atomic_u32_swap(struct nu_atomic_u32 *a, uint32_t v)
{
    return atomic_exchange_explicit(&a->v, v, memory_order_relaxed);
}

#endif
