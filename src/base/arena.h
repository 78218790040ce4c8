/* SPDX-License-Identifier: Apache-2.0
 *
 * Arenas: memory that ends together. A connection, a stream, a configuration snapshot each own one. Chunks come
 * from a chunk cache (one per worker, so that a stream's arena costs no malloc) or from the heap. What needs
 * more than its memory given back (a timer, an fd, a reference) registers a cleanup; cleanups run in reverse
 * order of registration when the arena ends. Not thread-safe: an arena belongs to one thread at a time. */
#ifndef NU_BASE_ARENA_H
#define NU_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

struct nu_arena_chunk;
struct nu_arena_cleanup;

/* Bytes of a cached chunk, its header included. */
#define NU_ARENA_CHUNK 4096u

/* A stack of spare chunks, each one page. Zero-initialise. Pages of chunks that were not used for a while go back to the
 * system (nu_arena_cache_trim); their addresses stay. */
struct nu_arena_cache {
    void **spare;        /* [n], room for all there are */
    void **slabs;        /* what they were cut from */
    unsigned n, n_slabs;
    unsigned n_cold;     /* the lowest of them have no memory */
    unsigned low;        /* the least that were spare since the last trim */
};

struct nu_arena {
    struct nu_arena_chunk *chunk; /* newest first */
    struct nu_arena_cleanup *cleanups;
    struct nu_arena_cache *cache; /* may be NULL: heap */
    uint8_t *next, *end;          /* free part of the newest chunk */
    uint32_t chunk_size;          /* of the next chunk, its header included; 0: NU_ARENA_CHUNK */
    bool growing;                 /* each chunk is twice as large as the one before, up to a huge page */
};

/* An arena that holds no memory yet. `cache` is borrowed and must outlive the arena; NULL: heap. */
void nu_arena_init(struct nu_arena *a, struct nu_arena_cache *cache);

/* The same with smaller (or larger) chunks of the heap: for what lives long and holds little, as an idle connection. */
void nu_arena_init_sized(struct nu_arena *a, uint32_t chunk_size);

/* Heap chunks that begin with chunk_size (a power of two) and grow: for what may be large and goes soon, as a configuration
 * that is being read. */
void nu_arena_init_growing(struct nu_arena *a, uint32_t chunk_size);

/* Runs the cleanups only. */
void nu_arena_clean_up(struct nu_arena *a);
/* Runs the cleanups, gives all memory back, leaves the arena empty and usable. */
void nu_arena_clear(struct nu_arena *a);

/* Frees the cache's memory; no arena may use it any more. */
void nu_arena_cache_clear(struct nu_arena_cache *c);
/* Gives back the pages of chunks that were spare all the time since the last call (idle: that are spare now), but for
 * `keep` of them. */
void nu_arena_cache_trim(struct nu_arena_cache *c, unsigned keep, bool idle);

/* Slow path of nu_arena_alloc: a new chunk. */
void *nu_arena_alloc_slow(struct nu_arena *a, size_t size, size_t align);

/* Uninitialised memory, aligned for any type; never NULL. */
__attribute__((malloc, returns_nonnull)) static inline void *nu_arena_alloc(struct nu_arena *a,
                                                                            size_t size)
{
    size_t rounded = (size + (size == 0) + 15u) & ~(size_t)15u; /* nothing still has an address */
    if (nu_likely(rounded - 1 < (size_t)(a->end - a->next))) { /* 0: of no bytes, or too many */
        void *p = a->next;
        a->next += rounded;
        return p;
    }
    return nu_arena_alloc_slow(a, size, 16);
}

/* The same, zeroed. */
__attribute__((malloc, returns_nonnull)) static inline void *nu_arena_zalloc(struct nu_arena *a,
                                                                             size_t size)
{
    return memset(nu_arena_alloc(a, size), 0, size);
}

#define nu_arena_new(a, type) ((type *)nu_arena_zalloc((a), sizeof(type)))
/* An array of n zeroed elements; aborts on overflow. */
#define nu_arena_array(a, type, n) ((type *)nu_arena_calloc((a), (n), sizeof(type)))
void *nu_arena_calloc(struct nu_arena *a, size_t n, size_t size);

/* Copies; the result is also NUL-terminated. */
nu_str nu_arena_str(struct nu_arena *a, nu_str s);
char *nu_arena_cstr(struct nu_arena *a, nu_str s);
nu_str nu_arena_printf(struct nu_arena *a, const char *fmt, ...) NU_PRINTF(2, 3);
nu_str nu_arena_vprintf(struct nu_arena *a, const char *fmt, va_list ap) NU_PRINTF(2, 0);
/* `n` strings joined without separator. */
nu_str nu_arena_concat(struct nu_arena *a, const nu_str *parts, size_t n);

/* Calls fn(arg) when the arena is cleared. */
void nu_arena_on_clear(struct nu_arena *a, void (*fn)(void *arg), void *arg);

#endif
