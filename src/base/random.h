/* SPDX-License-Identifier: Apache-2.0
 *
 * xoshiro256++: fast, not for secrets. One generator per worker, seeded from the kernel. */
#ifndef NU_BASE_RANDOM_H
#define NU_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct nu_random {
    uint64_t s[4];
};

/* Seeds from getrandom(2). */
void nu_random_init(struct nu_random *r);
/* A fixed sequence, for tests. */
void nu_random_seed(struct nu_random *r, uint64_t seed);
uint64_t nu_random_u64(struct nu_random *r);
/* Uniform in [0, n); n > 0. */
static inline uint64_t nu_random_below(struct nu_random *r, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)nu_random_u64(r) * n) >> 64);
}

#endif
