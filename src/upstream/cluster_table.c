/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/cluster_table.h"

#include "base/alloc.h"
#include "base/map.h"

struct slots {
    uint32_t cap; /* a power of two, at most half used */
    struct nu_slot s[];
};

/* What stands where a cluster was: a probe goes on over it. */
static struct nu_cluster gone;

static struct slots *slots_new(uint32_t cap)
{
    struct slots *x = nu_zalloc(sizeof(*x) + cap * sizeof(x->s[0]));
    x->cap = cap;
    return x;
}

void nu_cluster_table_init(struct nu_cluster_table *t, struct nu_workers *all)
{
    *t = (struct nu_cluster_table){.all = all};
    nu_slot_publish(all, &t->current, slots_new(16), NULL);
}

void nu_cluster_table_clear(struct nu_cluster_table *t)
{
    nu_free(nu_slot_get(&t->current));
    *t = (struct nu_cluster_table){0};
}

struct nu_cluster *nu_cluster_table_find(const struct nu_cluster_table *t, nu_str name)
{
    const struct slots *x = nu_slot_get(&t->current);
    for (uint32_t i = nu_hash32(name);; i++) {
        struct nu_cluster *c = nu_slot_get(&x->s[i & (x->cap - 1)]);
        if (c == NULL)
            return NULL;
        if (c != &gone && nu_str_eq(c->name, name))
            return c;
    }
}

static void insert(struct nu_workers *all, struct slots *x, struct nu_cluster *c)
{
    uint32_t i = nu_hash32(c->name);
    while (nu_slot_get(&x->s[i & (x->cap - 1)]) != NULL)
        i++;
    nu_slot_publish(all, &x->s[i & (x->cap - 1)], c, NULL);
}

void nu_cluster_table_reserve(struct nu_cluster_table *t, size_t more)
{
    struct slots *old = nu_slot_get(&t->current);
    if ((t->n_used + more) * 2 <= old->cap)
        return;
    uint32_t cap = 16;
    while ((t->n + more) * 2 > cap)
        cap *= 2;
    struct slots *next = slots_new(cap);
    for (uint32_t i = 0; i < old->cap; i++) {
        struct nu_cluster *c = nu_slot_get(&old->s[i]);
        if (c != NULL && c != &gone)
            insert(t->all, next, c);
    }
    t->n_used = t->n;
    nu_slot_publish(t->all, &t->current, next, nu_free);
}

void nu_cluster_table_add(struct nu_cluster_table *t, struct nu_cluster *c)
{
    struct slots *x = nu_slot_get(&t->current);
    NU_ASSERT((t->n_used + 1) * 2 <= x->cap);
    t->n++;
    t->n_used++;
    insert(t->all, x, c);
}

void nu_cluster_table_remove(struct nu_cluster_table *t, struct nu_cluster *c)
{
    struct slots *x = nu_slot_get(&t->current);
    uint32_t i = nu_hash32(c->name);
    while (nu_slot_get(&x->s[i & (x->cap - 1)]) != c)
        i++;
    nu_slot_publish(t->all, &x->s[i & (x->cap - 1)], &gone, NULL);
    t->n--;
}

uint32_t nu_cluster_table_slots(const struct nu_cluster_table *t)
{
    return ((const struct slots *)nu_slot_get(&t->current))->cap;
}

struct nu_cluster *nu_cluster_table_at(const struct nu_cluster_table *t, uint32_t i)
{
    struct slots *x = nu_slot_get(&t->current);
    struct nu_cluster *c = nu_slot_get(&x->s[i]);
    return c != &gone ? c : NULL;
}
