/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "base/assert.h"

uint64_t nu_hash64(nu_str key)
{
    return XXH3_64bits(key.ptr != NULL ? key.ptr : "", key.len);
}

uint32_t nu_hash32(nu_str key)
{
    return (uint32_t)nu_hash64(key);
}

uint64_t nu_xxh64(nu_str key, uint64_t seed)
{
    return XXH64(key.ptr != NULL ? key.ptr : "", key.len, seed);
}

/* The slot that holds the key, or the free slot where it would go. cap > n, so a free one exists. */
static struct nu_map_slot *find(const struct nu_map *m, nu_str key, uint32_t hash)
{
    uint32_t mask = m->cap - 1;
    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
        struct nu_map_slot *s = &m->slots[i];
        if (s->key.ptr == NULL || (s->hash == hash && nu_str_eq(s->key, key)))
            return s;
    }
}

static void resize(struct nu_map *m, uint32_t cap)
{
    struct nu_map old = *m;
    m->slots = nu_calloc(cap, sizeof(*m->slots));
    m->cap = cap;
    nu_map_foreach(s, &old)
        *find(m, s->key, s->hash) = *s;
    nu_free(old.slots);
}

void nu_map_reserve(struct nu_map *m, size_t n)
{
    uint32_t cap = m->cap > 0 ? m->cap : 8;
    NU_ASSERT(n < UINT32_MAX / 4);
    while (cap * 3 / 4 < n)
        cap *= 2;
    if (cap != m->cap)
        resize(m, cap);
}

void *nu_map_get(const struct nu_map *m, nu_str key)
{
    return m->n > 0 ? find(m, key, nu_hash32(key))->value : NULL;
}

void *nu_map_put(struct nu_map *m, nu_str key, void *value)
{
    NU_ASSERT(value != NULL);
    nu_map_reserve(m, (size_t)m->n + 1);
    if (key.ptr == NULL)
        key.ptr = "";
    uint32_t hash = nu_hash32(key);
    struct nu_map_slot *s = find(m, key, hash);
    void *old = s->value;
    if (s->key.ptr == NULL)
        m->n++;
    *s = (struct nu_map_slot){.key = key, .value = value, .hash = hash};
    return old;
}

void *nu_map_del(struct nu_map *m, nu_str key)
{
    if (m->n == 0)
        return NULL;
    struct nu_map_slot *s = find(m, key, nu_hash32(key));
    void *old = s->value;
    if (s->key.ptr == NULL)
        return NULL;
    m->n--;
    /* Backward shift: no tombstones, lookups stay short. */
    uint32_t mask = m->cap - 1, hole = (uint32_t)(s - m->slots);
    for (uint32_t i = (hole + 1) & mask; m->slots[i].key.ptr != NULL; i = (i + 1) & mask) {
        uint32_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct nu_map_slot){0};
    return old;
}

void nu_map_free(struct nu_map *m)
{
    nu_free(m->slots);
    *m = (struct nu_map){0};
}
