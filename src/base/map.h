/* SPDX-License-Identifier: Apache-2.0
 *
 * Hash map from byte strings to pointers: open addressing, power-of-two capacity, XXH3. Keys are borrowed: they
 * must live as long as the entry. Iteration order is not defined. */
#ifndef NU_BASE_MAP_H
#define NU_BASE_MAP_H

#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

struct nu_map_slot {
    nu_str key; /* ptr == NULL: free */
    void *value;
    uint32_t hash;
};

/* Zero-initialise; holds no memory until the first insert. */
struct nu_map {
    struct nu_map_slot *slots;
    uint32_t n, cap;
};

/* XXH3, low 32 bits. */
uint32_t nu_hash32(nu_str key);
/* XXH3; and XXH64 with seed 0 for results that Envoy makes visible (ring hash, maglev, route hash). */
uint64_t nu_hash64(nu_str key);
uint64_t nu_xxh64(nu_str key, uint64_t seed);

/* The value, or NULL. */
void *nu_map_get(const struct nu_map *m, nu_str key);
/* Adds or replaces; returns the old value or NULL. `value` is not NULL. */
void *nu_map_put(struct nu_map *m, nu_str key, void *value);
/* Takes out; returns the value or NULL. */
void *nu_map_del(struct nu_map *m, nu_str key);
/* Makes room for n entries without further growth. */
void nu_map_reserve(struct nu_map *m, size_t n);
/* Frees the table, not the values. */
void nu_map_free(struct nu_map *m);

/* Walks all entries; the body must not change the map. */
#define nu_map_foreach(slot, m)                                                                    \
    for (struct nu_map_slot *slot = (m)->slots; slot < (m)->slots + (m)->cap; slot++)              \
        if (slot->key.ptr != NULL)

#endif
