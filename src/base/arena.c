/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"

_Static_assert(NU_ARENA_CHUNK == NU_PAGE, "a spare chunk is a page");

struct nu_arena_chunk {
    struct nu_arena_chunk *older;
    size_t size; /* of the whole chunk; NU_ARENA_CHUNK: of the cache, if there is one */
    _Alignas(16) uint8_t bytes[];
};

struct nu_arena_cleanup {
    struct nu_arena_cleanup *older;
    void (*fn)(void *arg);
    void *arg;
};

void nu_arena_init(struct nu_arena *a, struct nu_arena_cache *cache)
{
    *a = (struct nu_arena){.cache = cache};
}

void nu_arena_init_sized(struct nu_arena *a, uint32_t chunk_size)
{
    NU_ASSERT(chunk_size > sizeof(struct nu_arena_chunk));
    *a = (struct nu_arena){.chunk_size = chunk_size};
}

void nu_arena_init_growing(struct nu_arena *a, uint32_t chunk_size)
{
    nu_arena_init_sized(a, chunk_size);
    a->growing = true;
}

/* Chunks are cut from slabs, so that each is a page, whatever the heap has between them. */
#define SLAB_CHUNKS 16u

static void add_slab(struct nu_arena_cache *cache)
{
    uint8_t *slab = nu_alloc_pages(SLAB_CHUNKS);
    cache->slabs = nu_realloc(cache->slabs, (cache->n_slabs + 1) * sizeof(*cache->slabs));
    cache->slabs[cache->n_slabs++] = slab;
    cache->spare = nu_realloc(cache->spare, (size_t)cache->n_slabs * SLAB_CHUNKS * sizeof(*cache->spare));
    for (unsigned i = SLAB_CHUNKS; i-- > 0;)
        cache->spare[cache->n++] = slab + (size_t)i * NU_ARENA_CHUNK;
}

static struct nu_arena_chunk *chunk_get(struct nu_arena_cache *cache, size_t size)
{
    struct nu_arena_chunk *c;
    if (size == NU_ARENA_CHUNK && cache != NULL) {
        if (cache->n == 0)
            add_slab(cache);
        c = cache->spare[--cache->n];
        if (cache->n < cache->low)
            cache->low = cache->n;
    } else {
        c = size == NU_HUGE_PAGE ? nu_alloc_huge() : nu_alloc(size);
    }
    c->size = size;
    return c;
}

static void chunk_put(struct nu_arena_cache *cache, struct nu_arena_chunk *c)
{
    if (c->size == NU_HUGE_PAGE)
        nu_free_huge(c);
    else if (cache == NULL || c->size != NU_ARENA_CHUNK)
        nu_free(c);
    else
        cache->spare[cache->n++] = c;
}

void nu_arena_cache_trim(struct nu_arena_cache *cache, unsigned keep, bool idle)
{
    unsigned unused = idle ? cache->n : cache->low;
    cache->n_cold = nu_min(cache->n_cold, cache->low);
    while (cache->n_cold + keep < unused)
        nu_page_unneeded(cache->spare[cache->n_cold++]);
    cache->low = cache->n;
}

void *nu_arena_alloc_slow(struct nu_arena *a, size_t size, size_t align)
{
    size_t head = sizeof(struct nu_arena_chunk);
    NU_ASSERT(size < SIZE_MAX / 2);
    size = (nu_max(size, (size_t)1) + align - 1) & ~(align - 1);
    size_t whole = a->chunk_size != 0 ? a->chunk_size : NU_ARENA_CHUNK;
    bool large = size > whole - head;
    struct nu_arena_chunk *c = chunk_get(a->cache, large ? head + size : whole);
    if (large && a->chunk != NULL) { /* keep filling the current chunk: the large one goes behind it */
        c->older = a->chunk->older;
        a->chunk->older = c;
        return c->bytes;
    }
    if (a->growing && a->chunk_size < NU_HUGE_PAGE)
        a->chunk_size *= 2;
    c->older = a->chunk;
    a->chunk = c;
    a->next = c->bytes + size;
    a->end = (uint8_t *)c + c->size;
    return c->bytes;
}

void *nu_arena_calloc(struct nu_arena *a, size_t n, size_t size)
{
    size_t total;
    NU_ASSERT(!__builtin_mul_overflow(n, size, &total));
    return nu_arena_zalloc(a, total);
}

void nu_arena_clean_up(struct nu_arena *a)
{
    while (a->cleanups != NULL) {
        struct nu_arena_cleanup *c = a->cleanups;
        a->cleanups = c->older;
        c->fn(c->arg);
    }
}

void nu_arena_clear(struct nu_arena *a)
{
    nu_arena_clean_up(a);
    while (a->chunk != NULL) {
        struct nu_arena_chunk *c = a->chunk;
        a->chunk = c->older;
        chunk_put(a->cache, c);
    }
    a->next = a->end = NULL;
}

void nu_arena_cache_clear(struct nu_arena_cache *cache)
{
    for (unsigned i = 0; i < cache->n_slabs; i++)
        nu_free(cache->slabs[i]);
    nu_free(cache->slabs);
    nu_free(cache->spare);
    *cache = (struct nu_arena_cache){0};
}

char *nu_arena_cstr(struct nu_arena *a, nu_str s)
{
    char *p = nu_arena_alloc(a, s.len + 1);
    if (s.len > 0)
        memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return p;
}

nu_str nu_arena_str(struct nu_arena *a, nu_str s)
{
    return (nu_str){.ptr = nu_arena_cstr(a, s), .len = s.len};
}

nu_str nu_arena_vprintf(struct nu_arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    NU_ASSERT(n >= 0);
    char *p = nu_arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    return nu_str_make(p, (size_t)n);
}

nu_str nu_arena_printf(struct nu_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    nu_str s = nu_arena_vprintf(a, fmt, ap);
    va_end(ap);
    return s;
}

nu_str nu_arena_concat(struct nu_arena *a, const nu_str *parts, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += parts[i].len;
    char *p = nu_arena_alloc(a, total + 1);
    char *at = p;
    for (size_t i = 0; i < n; i++)
        if (parts[i].len > 0)
            at = (char *)mempcpy(at, parts[i].ptr, parts[i].len);
    *at = '\0';
    return nu_str_make(p, total);
}

void nu_arena_on_clear(struct nu_arena *a, void (*fn)(void *arg), void *arg)
{
    struct nu_arena_cleanup *c = nu_arena_alloc(a, sizeof(*c));
    *c = (struct nu_arena_cleanup){.older = a->cleanups, .fn = fn, .arg = arg};
    a->cleanups = c;
}
