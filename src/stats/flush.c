/* SPDX-License-Identifier: Apache-2.0
 *
 * Histograms become visible when they are flushed: all that was recorded, and what is new since the last time. */
#include "base/alloc.h"
#include "stats/histogram.h"
#include "stats/stats_priv.h"

static struct nu_hist_flushed *flushed_find(const struct nu_scope *s, nu_str name, unsigned index)
{
    for (struct nu_hist_flushed *f = s->flushed; f != NULL; f = f->next)
        if (name.ptr == NULL ? f->name.ptr == NULL && f->index == index
                             : f->name.ptr != NULL && nu_str_eq(f->name, name))
            return f;
    return NULL;
}

const struct nu_hist_flushed *nu_stat_flushed(const struct nu_scope *s, unsigned index)
{
    return flushed_find(s, NU_STR_NONE, index);
}

static void flushed_free(struct nu_hist_flushed *f)
{
    nu_hist_clear(f->total);
    nu_hist_clear(f->interval);
    nu_free(f->total);
    nu_free(f->interval);
    nu_free(f);
}

void nu_stat_flushed_free(struct nu_scope *s)
{
    while (s->flushed != NULL) {
        struct nu_hist_flushed *f = s->flushed;
        s->flushed = f->next;
        flushed_free(f);
    }
}

/* Adds what one thread recorded so far to the interval, which flush_scope has emptied. */
static void gather(struct nu_scope *s, nu_str name, unsigned index, const struct nu_hist *h)
{
    struct nu_hist_flushed *f = flushed_find(s, name, index);
    if (f == NULL) {
        f = nu_zalloc(sizeof(*f) + name.len);
        if (name.ptr != NULL)
            f->name = nu_str_make(memcpy(f + 1, name.ptr, name.len), name.len);
        f->index = index;
        f->total = nu_new(struct nu_hist);
        f->interval = nu_new(struct nu_hist);
        f->next = s->flushed;
        s->flushed = f;
    }
    nu_hist_merge(f->interval, h);
}

static void gather_slab(struct nu_scope *s, const struct nu_stat_slab *slab)
{
    for (unsigned i = 0; i < s->layout->n; i++)
        if (nu_stat_def_kind(&s->layout->defs[i]) == NU_STAT_HISTOGRAM && nu_stat_cell_pointer(slab, i) != NULL)
            gather(s, NU_STR_NONE, i, nu_stat_cell_pointer(slab, i));
    const struct nu_dyn_count *d = atomic_load_explicit(&slab->dyn, memory_order_acquire);
    for (; d != NULL; d = atomic_load_explicit(&d->next, memory_order_acquire))
        if (d->hist != NULL)
            gather(s, d->name, 0, d->hist);
}

static void flush_scope(struct nu_scope *s, void *arg)
{
    unsigned n_slabs = *(const unsigned *)arg;
    for (struct nu_hist_flushed *f = s->flushed; f != NULL; f = f->next)
        nu_hist_clear(f->interval);
    for (unsigned i = 0; i < n_slabs; i++)
        if (nu_scope_slab_of(s, i) != NULL)
            gather_slab(s, nu_scope_slab_of(s, i));
    for (struct nu_hist_flushed *f = s->flushed; f != NULL; f = f->next) {
        nu_hist_subtract(f->interval, f->total);
        nu_hist_merge(f->total, f->interval);
    }
}

void nu_stats_flush(struct nu_stats *st)
{
    unsigned n_slabs = nu_stats_n_slabs(st);
    nu_stats_each_scope(st, flush_scope, &n_slabs);
}
