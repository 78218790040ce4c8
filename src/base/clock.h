/* SPDX-License-Identifier: Apache-2.0
 *
 * Time values. nu_ms is a duration in its own type, so that a bare number does not compile where a duration is
 * wanted. Instants are nanoseconds: monotonic for timers and durations, wall clock for what people read. */
#ifndef NU_BASE_CLOCK_H
#define NU_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef struct nu_ms {
    int64_t v;
} nu_ms;

#define NU_MS(n) ((nu_ms){.v = (n)})
#define NU_SECONDS(n) ((nu_ms){.v = (int64_t)(n) * 1000})

#define NU_NS_PER_MS 1000000ull
#define NU_NS_PER_SEC 1000000000ull

static inline bool nu_ms_is_zero(nu_ms d)
{
    return d.v == 0;
}

static inline uint64_t nu_clock_monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NU_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static inline uint64_t nu_clock_wall_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * NU_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

#endif
