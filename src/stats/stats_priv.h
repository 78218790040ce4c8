/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of stats/ and their tests. */
#ifndef NU_STATS_STATS_PRIV_H
#define NU_STATS_STATS_PRIV_H

#include "base/sb.h"
#include "stats/stats.h"

/* What a thread wrote; NULL: nothing. */
static inline struct nu_stat_slab *nu_scope_slab_of(const struct nu_scope *s, unsigned i)
{
    return atomic_load_explicit(&s->slabs[i], memory_order_acquire);
}

/* The object behind a histogram's or code family's cell; NULL: none yet. */
static inline void *nu_stat_cell_pointer(const struct nu_stat_slab *slab, unsigned index)
{
    return (void *)(uintptr_t)atomic_load_explicit(&slab->cells[index], memory_order_acquire);
}

/* Into the order in which Envoy prints them. */
void nu_stat_tags_sort(struct nu_stat_tag *tags, unsigned n);
#define NU_STAT_MAX_TAGS 4u
/* The tags of a scope's names as Envoy finds them: by patterns whose variable parts end at the next dot. Writes what is left
 * of the prefix to `rest`; returns how many. Values point into prefix. */
unsigned nu_stat_tags_split(nu_str prefix, struct nu_stat_tag out[NU_STAT_MAX_TAGS], struct nu_sb *rest);
/* Whether nu_stat_tags_split finds what was given: no value has a dot, but for an address of a listener. */
bool nu_stat_tags_are_plain(const struct nu_stat_tag *tags, unsigned n);

/* Whether the tag is found anywhere in a name (response codes, workers): such tags come before the user's fixed ones.
 */
bool nu_stat_tag_is_first(nu_str name);

/* Whether anything was recorded, flushed or not. */
bool nu_stat_has_hist(const struct nu_scope *s, unsigned index);
/* Frees scope->flushed. */
void nu_stat_flushed_free(struct nu_scope *s);

#endif
