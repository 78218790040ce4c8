/* SPDX-License-Identifier: Apache-2.0
 *
 * Dynamic tables (RFC 7541 s2.3.2, s4). Names and values lie one behind the other in the order of their arrival, so that
 * each is in one piece; when the end of the memory is reached, what is alive moves to the beginning of another piece of the
 * right size. At least a third of it is free then, which is what makes moving cheap: no byte is moved more than twice for
 * each byte that is added. */
#include "base/alloc.h"
#include "base/assert.h"
#include "codec/h2/hpack_priv.h"

enum { FEWEST_BYTES = 128, FEWEST_ENTRIES = 4 };

static uint32_t live_begin(const struct nu_hpack_table *t)
{
    return t->n > 0 ? hpack_entry(t, t->n - 1)->at : t->bytes_end;
}

static void drop_oldest(struct nu_hpack_table *t)
{
    const struct nu_hpack_entry *e = hpack_entry(t, t->n - 1);
    t->size -= e->name_len + e->value_len + NU_HPACK_OVERHEAD;
    t->n--;
}

static void evict(struct nu_hpack_table *t, uint32_t max)
{
    while (t->size > max)
        drop_oldest(t);
}

void hpack_table_resize(struct nu_hpack_table *t, uint32_t max)
{
    t->max_size = max;
    evict(t, max);
}

/* Puts what is alive at the beginning of new memory of `cap` bytes; the old memory is returned. */
static uint8_t *move_bytes(struct nu_hpack_table *t, uint32_t cap)
{
    uint32_t begin = live_begin(t), len = t->bytes_end - begin;
    uint8_t *old = t->bytes, *to = nu_alloc(cap);
    if (len > 0)
        memcpy(to, old + begin, len);
    for (uint32_t age = 0; age < t->n; age++)
        hpack_entry(t, age)->at -= begin;
    t->bytes = to;
    t->bytes_cap = cap;
    t->bytes_end = len;
    return old;
}

static void resize_ring(struct nu_hpack_table *t, uint32_t cap)
{
    struct nu_hpack_entry *to = nu_calloc(cap, sizeof(*to));
    for (uint32_t age = 0; age < t->n; age++)
        to[(t->newest - 1 - age) & (cap - 1)] = *hpack_entry(t, age);
    nu_free(t->entries);
    t->entries = to;
    t->entries_cap = cap;
}

static void append(struct nu_hpack_table *t, nu_str s)
{
    if (s.len > 0)
        memcpy(t->bytes + t->bytes_end, s.ptr, s.len);
    t->bytes_end += (uint32_t)s.len;
}

/* Whether s may be the name of an entry, be it one that is gone by now. */
static bool lies_in(const struct nu_hpack_table *t, nu_str s)
{
    return (uintptr_t)s.ptr - (uintptr_t)t->bytes < t->bytes_cap;
}

static uint32_t power_of_two(uint32_t at_least)
{
    return at_least <= 1 ? 1 : 1u << (32 - __builtin_clz(at_least - 1));
}

struct nu_hpack_entry *hpack_table_add(struct nu_hpack_table *t, nu_str name, nu_str value)
{
    uint64_t size = (uint64_t)name.len + value.len + NU_HPACK_OVERHEAD;
    uint8_t *old = NULL;
    if (size > t->max_size) {
        evict(t, 0);
        return NULL;
    }
    evict(t, t->max_size - (uint32_t)size);
    uint32_t len = (uint32_t)(name.len + value.len);
    if (t->n == 0 && !lies_in(t, name))
        t->bytes_end = 0;
    if (t->bytes == NULL || t->bytes_cap - t->bytes_end < len) {
        uint32_t want = t->bytes_end - live_begin(t) + len;
        old = move_bytes(t, nu_max(power_of_two(want + want / 2), (uint32_t)FEWEST_BYTES));
    }
    if (t->n == t->entries_cap)
        resize_ring(t, nu_max(2 * t->entries_cap, (uint32_t)FEWEST_ENTRIES));
    uint32_t at = t->bytes_end;
    append(t, name); /* it may lie in the old memory */
    append(t, value);
    nu_free(old);
    t->newest++;
    t->n++;
    t->size += (uint32_t)size;
    struct nu_hpack_entry *e = hpack_entry(t, 0);
    *e = (struct nu_hpack_entry){.at = at, .name_len = (uint32_t)name.len, .value_len = (uint32_t)value.len};
    return e;
}

void hpack_table_clear(struct nu_hpack_table *t)
{
    nu_free(t->bytes);
    nu_free(t->entries);
    *t = (struct nu_hpack_table){.max_size = t->max_size};
}

void nu_hpack_table_trim(struct nu_hpack_table *t)
{
    uint32_t len = t->bytes_end - live_begin(t);
    if (t->n == 0) {
        uint32_t newest = t->newest;
        hpack_table_clear(t);
        t->newest = newest;
        return;
    }
    if (t->bytes_cap - len >= 64)
        nu_free(move_bytes(t, nu_max(len, 1u)));
    if (power_of_two(t->n) < t->entries_cap)
        resize_ring(t, power_of_two(t->n));
}
