/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/stats.h"

#include "base/alloc.h"
#include "base/map.h"
#include "stats/histogram.h"
#include "stats/stats_priv.h"

struct nu_stats {
    unsigned n_slabs;
    struct nu_list scopes, texts;
    struct nu_map by_prefix; /* prefix -> struct nu_scope; scopes with equal prefix and another layout are chained */
    _Atomic uint64_t dropped;
};

struct nu_stats *nu_stats_new(unsigned n_slabs)
{
    struct nu_stats *st = nu_new(struct nu_stats);
    st->n_slabs = n_slabs;
    nu_list_init(&st->scopes);
    nu_list_init(&st->texts);
    return st;
}

unsigned nu_stats_n_slabs(const struct nu_stats *st)
{
    return st->n_slabs;
}

uint64_t nu_stats_dropped(const struct nu_stats *st)
{
    return atomic_load_explicit(&st->dropped, memory_order_relaxed);
}

/* ---- scopes ---- */

/* A key that tells layouts apart: the layout's address and the prefix. */
static nu_str scope_key(char *dst, size_t cap, const struct nu_stat_layout *layout, nu_str prefix)
{
    size_t n = nu_min(prefix.len, cap - sizeof(layout));
    memcpy(dst, &layout, sizeof(layout));
    memcpy(dst + sizeof(layout), prefix.ptr, n);
    return nu_str_make(dst, n + sizeof(layout));
}

#define MAX_PREFIX 4096

/* An empty string may have no bytes to point at, which memcpy does not allow. */
static char *put(char *at, nu_str s)
{
    return s.len > 0 ? mempcpy(at, s.ptr, s.len) : at;
}

/* The scope, its key, strings and tags are one allocation: 10,000 clusters want to be small. */
static struct nu_scope *scope_new(struct nu_stats *st, const struct nu_stat_layout *layout, nu_str prefix,
                                  nu_str tag_prefix, const struct nu_stat_tag *tags, unsigned n_tags)
{
    size_t head = sizeof(struct nu_scope) + st->n_slabs * sizeof(_Atomic(struct nu_stat_slab *));
    size_t text = sizeof(layout) + prefix.len + tag_prefix.len;
    for (unsigned i = 0; i < n_tags; i++)
        text += tags[i].name.len + tags[i].value.len;
    struct nu_scope *s = nu_zalloc(head + n_tags * sizeof(*tags) + text);
    struct nu_stat_tag *own = (struct nu_stat_tag *)(void *)((char *)s + head);
    char *at = (char *)(own + n_tags);
    nu_ref_init(&s->refs);
    s->stats = st;
    s->layout = layout;
    memcpy(at, &layout, sizeof(layout));
    at += sizeof(layout);
    s->prefix = nu_str_make(at, prefix.len);
    at = put(at, prefix);
    s->tag_prefix = nu_str_make(at, tag_prefix.len);
    at = put(at, tag_prefix);
    for (unsigned i = 0; i < n_tags; i++) {
        own[i].name = nu_str_make(at, tags[i].name.len);
        at = put(at, tags[i].name);
        own[i].value = nu_str_make(at, tags[i].value.len);
        at = put(at, tags[i].value);
    }
    nu_stat_tags_sort(own, n_tags);
    s->tags = own;
    s->n_tags = n_tags;
    return s;
}

static nu_str own_key(const struct nu_scope *s)
{
    return nu_str_make(s->prefix.ptr - sizeof(s->layout), s->prefix.len + sizeof(s->layout));
}

struct nu_scope *nu_scope_get(struct nu_stats *st, const struct nu_stat_layout *layout, nu_str prefix,
                              nu_str tag_prefix, const struct nu_stat_tag *tags, unsigned n_tags)
{
    char key[MAX_PREFIX + sizeof(layout)];
    prefix = nu_str_first(prefix, MAX_PREFIX);
    struct nu_scope *s = nu_map_get(&st->by_prefix, scope_key(key, sizeof(key), layout, prefix));
    if (s != NULL)
        return nu_scope_ref(s);
    if (nu_likely(nu_stat_tags_are_plain(tags, n_tags))) {
        s = scope_new(st, layout, prefix, tag_prefix, tags, n_tags);
    } else {
        struct nu_stat_tag found[NU_STAT_MAX_TAGS];
        struct nu_sb rest = {0};
        n_tags = nu_stat_tags_split(prefix, found, &rest);
        s = scope_new(st, layout, prefix, nu_sb_str(&rest), found, n_tags);
        nu_sb_free(&rest);
    }
    nu_map_put(&st->by_prefix, own_key(s), s);
    nu_list_push_back(&st->scopes, &s->node);
    return s;
}

struct nu_scope *nu_scope_ref(struct nu_scope *s)
{
    nu_ref_take(&s->refs);
    return s;
}

static void codes_free(struct nu_code_counts *c)
{
    while (c != NULL) {
        struct nu_code_counts *next = atomic_load(&c->next);
        nu_free(c);
        c = next;
    }
}

static void slab_free(const struct nu_stat_layout *layout, struct nu_stat_slab *slab)
{
    if (slab == NULL)
        return;
    for (unsigned i = 0; i < layout->n; i++) {
        if (nu_stat_def_kind(&layout->defs[i]) == NU_STAT_CODES)
            codes_free(nu_stat_cell_pointer(slab, i));
        if (nu_stat_def_kind(&layout->defs[i]) == NU_STAT_HISTOGRAM && nu_stat_cell_pointer(slab, i) != NULL) {
            nu_hist_clear(nu_stat_cell_pointer(slab, i));
            nu_free(nu_stat_cell_pointer(slab, i));
        }
    }
    struct nu_dyn_count *d = atomic_load(&slab->dyn);
    while (d != NULL) {
        struct nu_dyn_count *next = atomic_load(&d->next);
        if (d->hist != NULL)
            nu_hist_clear(d->hist);
        nu_free(d->hist);
        nu_free(d);
        d = next;
    }
    nu_free(slab);
}

static void scope_destroy(struct nu_scope *s)
{
    nu_map_del(&s->stats->by_prefix, own_key(s));
    nu_list_remove(&s->node);
    for (unsigned i = 0; i < s->stats->n_slabs; i++)
        slab_free(s->layout, atomic_load(&s->slabs[i]));
    nu_stat_flushed_free(s);
    nu_free(s);
}

void nu_scope_unref(struct nu_scope **sp)
{
    struct nu_scope *s = nu_take(sp);
    if (s != NULL && nu_ref_drop(&s->refs))
        scope_destroy(s);
}

void nu_stats_free(struct nu_stats **stp)
{
    struct nu_stats *st = nu_take(stp);
    if (st == NULL)
        return;
    nu_list_foreach (node, &st->scopes)
        scope_destroy(nu_list_entry(node, struct nu_scope, node));
    nu_map_free(&st->by_prefix);
    nu_free(st);
}

static char *copy_text(nu_str s)
{
    char *p = nu_alloc(s.len + 1);
    if (s.len > 0)
        memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return p;
}

void nu_stat_text_set(struct nu_stats *st, struct nu_stat_text *t, nu_str name, nu_str value)
{
    if (t->name == NULL) {
        t->name = copy_text(name);
        nu_list_push_back(&st->texts, &t->node);
    }
    nu_free(t->value);
    t->value = copy_text(value);
}

void nu_stat_text_end(struct nu_stat_text *t)
{
    if (t->name == NULL)
        return;
    nu_list_remove(&t->node);
    nu_free(t->name);
    nu_free(t->value);
    *t = (struct nu_stat_text){0};
}

void nu_stats_each_text(struct nu_stats *st, void (*fn)(nu_str name, nu_str value, void *arg), void *arg)
{
    nu_list_foreach (node, &st->texts) {
        const struct nu_stat_text *t = nu_list_entry(node, struct nu_stat_text, node);
        fn(nu_str_from(t->name), nu_str_from(t->value), arg);
    }
}

struct nu_stat_slab *nu_scope_materialise(struct nu_scope *s, unsigned slab)
{
    NU_ASSERT(slab < s->stats->n_slabs);
    struct nu_stat_slab *p = nu_zalloc(sizeof(*p) + s->layout->n * sizeof(p->cells[0]));
    atomic_store_explicit(&s->slabs[slab], p, memory_order_release);
    return p;
}

/* ---- writing what is more than a number ---- */

static void *cell_object(struct nu_scope *s, unsigned slab, unsigned index, size_t size)
{
    _Atomic uint64_t *cell = &nu_scope_slab(s, slab)->cells[index];
    void *p = (void *)(uintptr_t)atomic_load_explicit(cell, memory_order_relaxed);
    if (nu_unlikely(p == NULL)) {
        p = nu_zalloc(size);
        atomic_store_explicit(cell, (uint64_t)(uintptr_t)p, memory_order_release);
    }
    return p;
}

void nu_hist_record(struct nu_scope *s, unsigned slab, unsigned index, uint64_t value)
{
    NU_ASSERT_SLOW(nu_stat_def_kind(&s->layout->defs[index]) == NU_STAT_HISTOGRAM);
    nu_hist_add(cell_object(s, slab, index, sizeof(struct nu_hist)), value);
}

void nu_stat_code(struct nu_scope *s, unsigned slab, unsigned index, unsigned code)
{
    NU_ASSERT_SLOW(nu_stat_def_kind(&s->layout->defs[index]) == NU_STAT_CODES);
    struct nu_code_counts *c = cell_object(s, slab, index, sizeof(*c));
    for (;;) {
        for (unsigned i = 0; i < NU_ARRAY_LEN(c->e); i++) {
            uint32_t here = atomic_load_explicit(&c->e[i].code, memory_order_relaxed);
            if (here == 0)
                atomic_store_explicit(&c->e[i].code, code, memory_order_relaxed);
            if (here == 0 || here == code) {
                nu_cell_add(&c->e[i].n, 1);
                return;
            }
        }
        struct nu_code_counts *next = atomic_load_explicit(&c->next, memory_order_relaxed);
        if (next == NULL) {
            next = nu_new(struct nu_code_counts);
            atomic_store_explicit(&c->next, next, memory_order_release);
        }
        c = next;
    }
}

/* The dynamic statistic of that name, made when it is new; NULL: there are too many. */
static struct nu_dyn_count *dyn_get(struct nu_scope *s, unsigned slab_index, nu_str name, bool histogram)
{
    struct nu_stat_slab *slab = nu_scope_slab(s, slab_index);
    struct nu_dyn_count *d = atomic_load_explicit(&slab->dyn, memory_order_relaxed);
    for (; d != NULL; d = atomic_load_explicit(&d->next, memory_order_relaxed))
        if ((d->hist != NULL) == histogram && nu_str_eq(d->name, name))
            return d;
    if (slab->n_dyn >= NU_STATS_MAX_DYNAMIC) {
        atomic_fetch_add_explicit(&s->stats->dropped, 1, memory_order_relaxed);
        return NULL;
    }
    d = nu_zalloc(sizeof(*d) + name.len);
    if (name.len > 0)
        memcpy(d + 1, name.ptr, name.len);
    d->name = nu_str_make(d + 1, name.len);
    d->hist = histogram ? nu_new(struct nu_hist) : NULL;
    atomic_init(&d->next, atomic_load_explicit(&slab->dyn, memory_order_relaxed));
    slab->n_dyn++;
    atomic_store_explicit(&slab->dyn, d, memory_order_release);
    return d;
}

void nu_stat_dyn_add(struct nu_scope *s, unsigned slab_index, nu_str name, uint64_t n)
{
    struct nu_dyn_count *d = dyn_get(s, slab_index, name, false);
    if (d != NULL)
        nu_cell_add(&d->n, n);
}

void nu_hist_dyn_record(struct nu_scope *s, unsigned slab_index, nu_str name, uint64_t value)
{
    struct nu_dyn_count *d = dyn_get(s, slab_index, name, true);
    if (d != NULL)
        nu_hist_add(d->hist, value);
}

/* ---- reading ---- */

uint64_t nu_stat_read(const struct nu_scope *s, unsigned index, bool *used)
{
    bool gauge = nu_stat_def_kind(&s->layout->defs[index]) == NU_STAT_GAUGE;
    uint64_t sum = 0;
    bool any = false;
    for (unsigned i = 0; i < s->stats->n_slabs; i++) {
        const struct nu_stat_slab *slab = nu_scope_slab_of(s, i);
        if (slab == NULL)
            continue;
        uint64_t v = atomic_load_explicit(&slab->cells[index], memory_order_relaxed);
        any = any || (gauge ? (v & 1) != 0 : v != 0);
        sum += gauge ? (uint64_t)((int64_t)v >> 1) : v;
    }
    if (used != NULL)
        *used = any;
    return sum;
}

void nu_gauge_set_wide(struct nu_scope *s, unsigned index, uint64_t v)
{
    int64_t third = (int64_t)v / 3;
    nu_gauge_set(s, 0, index, (uint64_t)third);
    nu_gauge_set(s, 1, index, (uint64_t)third);
    nu_gauge_set(s, 2, index, v - 2 * (uint64_t)third);
}

void nu_stat_each_code(const struct nu_scope *s, unsigned index, void (*fn)(unsigned code, uint64_t n, void *arg),
                       void *arg)
{
    uint64_t counts[1000];
    bool any = false;
    for (unsigned i = 0; i < s->stats->n_slabs && !any; i++)
        any = nu_scope_slab_of(s, i) != NULL && nu_stat_cell_pointer(nu_scope_slab_of(s, i), index) != NULL;
    if (!any)
        return;
    memset(counts, 0, sizeof(counts));
    for (unsigned i = 0; i < s->stats->n_slabs; i++) {
        const struct nu_stat_slab *slab = nu_scope_slab_of(s, i);
        const struct nu_code_counts *c = slab != NULL ? nu_stat_cell_pointer(slab, index) : NULL;
        for (; c != NULL; c = atomic_load_explicit(&c->next, memory_order_acquire))
            for (unsigned k = 0; k < NU_ARRAY_LEN(c->e); k++) {
                uint32_t code = atomic_load_explicit(&c->e[k].code, memory_order_relaxed);
                if (code > 0 && code < NU_ARRAY_LEN(counts))
                    counts[code] += atomic_load_explicit(&c->e[k].n, memory_order_relaxed);
            }
    }
    for (unsigned code = 0; code < NU_ARRAY_LEN(counts); code++)
        if (counts[code] > 0)
            fn(code, counts[code], arg);
}

struct code_range {
    unsigned from, to;
    uint64_t n;
};

static void add_in_range(unsigned code, uint64_t n, void *arg)
{
    struct code_range *r = arg;
    if (code >= r->from && code <= r->to)
        r->n += n;
}

uint64_t nu_stat_read_codes(const struct nu_scope *s, unsigned index, unsigned from, unsigned to)
{
    struct code_range r = {.from = from, .to = to};
    nu_stat_each_code(s, index, add_in_range, &r);
    return r.n;
}

void nu_stat_each_dyn(const struct nu_scope *s, void (*fn)(nu_str name, uint64_t n, void *arg), void *arg)
{
    struct nu_map merged = {0};
    uint64_t sums[NU_STATS_MAX_DYNAMIC]; /* of the first so many; a few threads with different names have more */
    uint32_t n = 0;
    for (unsigned i = 0; i < s->stats->n_slabs; i++) {
        const struct nu_stat_slab *slab = nu_scope_slab_of(s, i);
        struct nu_dyn_count *d = slab != NULL ? atomic_load_explicit(&slab->dyn, memory_order_acquire) : NULL;
        for (; d != NULL; d = atomic_load_explicit(&d->next, memory_order_acquire)) {
            if (d->hist != NULL)
                continue;
            uint64_t *sum = nu_map_get(&merged, d->name);
            if (sum == NULL && n < NU_STATS_MAX_DYNAMIC) {
                sum = &sums[n++];
                *sum = 0;
                nu_map_put(&merged, d->name, sum);
            }
            if (sum != NULL)
                *sum += atomic_load_explicit(&d->n, memory_order_relaxed);
        }
    }
    nu_map_foreach (slot, &merged)
        fn(slot->key, *(uint64_t *)slot->value, arg);
    nu_map_free(&merged);
}

bool nu_stat_read_hist(const struct nu_scope *s, unsigned index, struct nu_hist *into)
{
    bool any = false;
    for (unsigned i = 0; i < s->stats->n_slabs; i++) {
        const struct nu_stat_slab *slab = nu_scope_slab_of(s, i);
        const struct nu_hist *h = slab != NULL ? nu_stat_cell_pointer(slab, index) : NULL;
        if (h == NULL)
            continue;
        nu_hist_merge(into, h);
        any = true;
    }
    return any;
}

bool nu_stat_has_hist(const struct nu_scope *s, unsigned index)
{
    for (unsigned i = 0; i < s->stats->n_slabs; i++) {
        const struct nu_stat_slab *slab = nu_scope_slab_of(s, i);
        if (slab != NULL && nu_stat_cell_pointer(slab, index) != NULL)
            return true;
    }
    return false;
}

void nu_stats_each_scope(struct nu_stats *st, void (*fn)(struct nu_scope *s, void *arg), void *arg)
{
    nu_list_foreach (node, &st->scopes)
        fn(nu_list_entry(node, struct nu_scope, node), arg);
}

/* A racing increment of a worker may survive the reset; Envoy's has the same race. */
static void reset_scope(struct nu_scope *s, void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < s->stats->n_slabs; i++) {
        struct nu_stat_slab *slab = nu_scope_slab_of(s, i);
        if (slab == NULL)
            continue;
        for (unsigned k = 0; k < s->layout->n; k++) {
            if (nu_stat_def_kind(&s->layout->defs[k]) == NU_STAT_COUNTER)
                atomic_store_explicit(&slab->cells[k], 0, memory_order_relaxed);
            struct nu_code_counts *c =
                nu_stat_def_kind(&s->layout->defs[k]) == NU_STAT_CODES ? nu_stat_cell_pointer(slab, k) : NULL;
            for (; c != NULL; c = atomic_load(&c->next))
                for (unsigned e = 0; e < NU_ARRAY_LEN(c->e); e++)
                    atomic_store_explicit(&c->e[e].n, 0, memory_order_relaxed);
        }
        struct nu_dyn_count *d = atomic_load(&slab->dyn);
        for (; d != NULL; d = atomic_load(&d->next))
            atomic_store_explicit(&d->n, 0, memory_order_relaxed);
    }
}

void nu_stats_reset_counters(struct nu_stats *st)
{
    nu_stats_each_scope(st, reset_scope, NULL);
}
