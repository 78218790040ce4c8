/* SPDX-License-Identifier: Apache-2.0
 *
 * What the process uses of memory, for statistics and /memory. */
#ifndef NU_BASE_MEMORY_USE_H
#define NU_BASE_MEMORY_USE_H

#include <stdint.h>

/* Bytes. */
struct nu_memory_use {
    uint64_t allocated; /* given out by the heap */
    uint64_t heap;      /* what the heap has of the system */
    uint64_t heap_free; /* of that, not given out */
    uint64_t cached;    /* of that, in caches for small blocks */
    uint64_t resident;  /* of the process */
};

/* Any thread; reads /proc. With an allocator other than glibc's (a sanitizer's) `allocated` and `heap` are `resident`. */
struct nu_memory_use nu_memory_use(void);

#endif
