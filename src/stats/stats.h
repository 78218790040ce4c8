/* SPDX-License-Identifier: Apache-2.0
 *
 * Statistics, stored. A scope ("cluster.foo.") has a static layout, declared once in a .def file, and one slab of cells
 * per worker (and one for the main thread), allocated when first written. A slab has one writer, its own thread, which
 * adds with plain stores; the main thread reads all slabs and merges. Names are composed on output (stats/snapshot.h).
 *
 * A .def file has lines of COUNTER(field, "doc"), GAUGE(field, "doc"), HISTOGRAM(field, UNIT, "doc"), the same with _AS
 * for a dotted name (COUNTER_AS(field, "a.b", "doc")), CODES(field, "prefix", "doc") for response-code families
 * ("<prefix>200", "<prefix>2xx", "<prefix>completed"), and HISTOGRAM_SEEN, COUNTER_WITH for what is only shown at times
 * (stats/rows.h).
 *
 * Readers: stats/snapshot.h (sorted, filtered), stats/output.h (text, JSON, Prometheus). */
#ifndef NU_STATS_STATS_H
#define NU_STATS_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/ref.h"
#include "base/str.h"

struct nu_stats;
struct nu_hist;

enum nu_stat_kind { NU_STAT_COUNTER, NU_STAT_GAUGE, NU_STAT_HISTOGRAM, NU_STAT_CODES, NU_STAT_TEXT };
enum nu_stat_unit { NU_UNIT_NONE, NU_UNIT_MS, NU_UNIT_US, NU_UNIT_BYTES, NU_UNIT_PERCENT };

/* Flag in nu_stat_def.kind: shown only when it was written itself, or, when unit is not 0, when the counter with that
 * index was. Envoy makes such statistics late. */
#define NU_STAT_LAZY 0x80u

struct nu_stat_def {
    const char *name;
    const char *doc;
    uint8_t kind, unit; /* kind: enum nu_stat_kind, maybe with NU_STAT_LAZY */
};

static inline enum nu_stat_kind nu_stat_def_kind(const struct nu_stat_def *d)
{
    return (enum nu_stat_kind)(d->kind & ~NU_STAT_LAZY);
}

struct nu_stat_layout {
    const struct nu_stat_def *defs;
    uint16_t n;
};

/* Rows of a layout's definition table and of its index enum: see stats/rows.h. */

struct nu_stat_tag {
    nu_str name;  /* "envoy.cluster_name" */
    nu_str value; /* "foo" */
};

/* Response codes of one family: a chain of small blocks, written by one thread. */
struct nu_code_counts {
    struct {
        _Atomic uint32_t code;
        _Atomic uint64_t n;
    } e[6];
    _Atomic(struct nu_code_counts *) next;
};

/* A counter or histogram whose name is only known at run time. */
struct nu_dyn_count {
    _Atomic(struct nu_dyn_count *) next;
    nu_str name;
    _Atomic uint64_t n;
    struct nu_hist *hist; /* NULL: a counter */
};

/* A histogram as of the last flush: all values, and those since the flush before. Main thread. */
struct nu_hist_flushed {
    struct nu_hist_flushed *next;
    nu_str name; /* of a dynamic one; ptr == NULL: defs[index] */
    unsigned index;
    struct nu_hist *total, *interval;
};

/* Copies a part of names (a cluster's name, an address) as Envoy shows it: ':' is '_'. to: room for name.len bytes. */
static inline nu_str nu_stat_clean(char *to, nu_str name)
{
    for (size_t i = 0; i < name.len; i++)
        to[i] = (char)(name.ptr[i] == ':' ? '_' : name.ptr[i]);
    return nu_str_make(to, name.len);
}

struct nu_stat_slab {
    _Atomic(struct nu_dyn_count *) dyn;
    uint32_t n_dyn;
    _Atomic uint64_t cells[]; /* counter: value; gauge: twice the delta, bit 0: touched; histogram, codes: a pointer */
};

struct nu_scope {
    struct nu_ref refs;
    struct nu_list node; /* nu_stats */
    struct nu_stats *stats;
    const struct nu_stat_layout *layout;
    nu_str prefix;     /* "cluster.foo." */
    nu_str tag_prefix; /* the same without tag values: "cluster." */
    const struct nu_stat_tag *tags;
    unsigned n_tags;
    struct nu_hist_flushed *flushed;        /* main thread */
    _Atomic(struct nu_stat_slab *) slabs[]; /* one per worker, the main thread's last */
};

/* The store. n_slabs == workers + 2: one each, the main thread (index workers), the writer thread of log files. */
struct nu_stats *nu_stats_new(unsigned n_slabs);
void nu_stats_free(struct nu_stats **st);
unsigned nu_stats_n_slabs(const struct nu_stats *st);

/* Main thread. The scope with that prefix and layout (the same one when it exists: identity by name), with a reference.
 * Strings are copied; tags are put into the order that Envoy prints them in. A scope whose last reference goes is
 * forgotten, with its counts. */
struct nu_scope *nu_scope_get(struct nu_stats *st, const struct nu_stat_layout *layout, nu_str prefix,
                              nu_str tag_prefix, const struct nu_stat_tag *tags, unsigned n_tags);
struct nu_scope *nu_scope_ref(struct nu_scope *s);
void nu_scope_unref(struct nu_scope **s);

/* Slow paths. */
struct nu_stat_slab *nu_scope_materialise(struct nu_scope *s, unsigned slab);

static inline struct nu_stat_slab *nu_scope_slab(struct nu_scope *s, unsigned slab)
{
    struct nu_stat_slab *p = atomic_load_explicit(&s->slabs[slab], memory_order_relaxed);
    return nu_likely(p != NULL) ? p : nu_scope_materialise(s, slab);
}

static inline void nu_cell_add(_Atomic uint64_t *cell, uint64_t n)
{
    atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n, memory_order_relaxed);
}

/* Counters. slab: the calling worker's index. */
static inline void nu_stat_add(struct nu_scope *s, unsigned slab, unsigned index, uint64_t n)
{
    NU_ASSERT_SLOW(nu_stat_def_kind(&s->layout->defs[index]) == NU_STAT_COUNTER);
    nu_cell_add(&nu_scope_slab(s, slab)->cells[index], n);
}
static inline void nu_stat_inc(struct nu_scope *s, unsigned slab, unsigned index)
{
    nu_stat_add(s, slab, index, 1);
}

/* Gauges: each slab holds its part, the sum counts. */
static inline void nu_gauge_add(struct nu_scope *s, unsigned slab, unsigned index, uint64_t n)
{
    NU_ASSERT_SLOW(nu_stat_def_kind(&s->layout->defs[index]) == NU_STAT_GAUGE);
    _Atomic uint64_t *cell = &nu_scope_slab(s, slab)->cells[index];
    uint64_t v = atomic_load_explicit(cell, memory_order_relaxed);
    atomic_store_explicit(cell, (v + 2 * n) | 1, memory_order_relaxed);
}
static inline void nu_gauge_sub(struct nu_scope *s, unsigned slab, unsigned index, uint64_t n)
{
    nu_gauge_add(s, slab, index, 0 - n);
}
/* Sets the slab's part: for gauges that only the main thread writes. */
static inline void nu_gauge_set(struct nu_scope *s, unsigned slab, unsigned index, uint64_t v)
{
    NU_ASSERT_SLOW(nu_stat_def_kind(&s->layout->defs[index]) == NU_STAT_GAUGE);
    atomic_store_explicit(&nu_scope_slab(s, slab)->cells[index], 2 * v | 1, memory_order_relaxed);
}

/* The same for any 64 bits (hashes, the largest time): a slab holds but 63. For scopes that only the main thread writes. */
void nu_gauge_set_wide(struct nu_scope *s, unsigned index, uint64_t v);

/* Histograms: one value in the unit of the layout. */
void nu_hist_record(struct nu_scope *s, unsigned slab, unsigned index, uint64_t value);

/* One response with this code in the family `index`. */
void nu_stat_code(struct nu_scope *s, unsigned slab, unsigned index, unsigned code);

/* A counter with a name that is only known now ("zone.a.b.upstream_rq_2xx"). At most NU_STATS_MAX_DYNAMIC a scope and
 * slab; more are dropped and counted. */
#define NU_STATS_MAX_DYNAMIC 1024u
void nu_stat_dyn_add(struct nu_scope *s, unsigned slab, nu_str name, uint64_t n);
/* The same for a histogram. */
void nu_hist_dyn_record(struct nu_scope *s, unsigned slab, nu_str name, uint64_t value);

/* A text readout: a name with a text ("sds.foo.version_text"). Embed in the owner, zeroed; main thread. */
struct nu_stat_text {
    struct nu_list node; /* nu_stats; linked from the first set on */
    char *name, *value;
};
/* Shown from now on, with this value. Copies both; the name does not change. */
void nu_stat_text_set(struct nu_stats *st, struct nu_stat_text *t, nu_str name, nu_str value);
/* Not any more; harmless when it never was. */
void nu_stat_text_end(struct nu_stat_text *t);

/* ---- reading: main thread ---- */

/* A counter's or gauge's merged value; used: ever written. */
uint64_t nu_stat_read(const struct nu_scope *s, unsigned index, bool *used);
/* Sum of a family's counts of codes in [from, to]. */
uint64_t nu_stat_read_codes(const struct nu_scope *s, unsigned index, unsigned from, unsigned to);
/* Calls fn for each code of the family that was seen, merged. */
void nu_stat_each_code(const struct nu_scope *s, unsigned index, void (*fn)(unsigned code, uint64_t n, void *arg),
                       void *arg);
/* Calls fn for each dynamic counter, merged by name. (Dynamic histograms: scope->flushed.) */
void nu_stat_each_dyn(const struct nu_scope *s, void (*fn)(nu_str name, uint64_t n, void *arg), void *arg);
/* Each flush interval: what histograms have recorded becomes visible to readers, and the next interval begins. */
void nu_stats_flush(struct nu_stats *st);
/* A histogram as of the last flush; NULL: nothing recorded until then. */
const struct nu_hist_flushed *nu_stat_flushed(const struct nu_scope *s, unsigned index);
/* Adds the slabs' histograms to `into`; false: nothing was ever recorded. */
bool nu_stat_read_hist(const struct nu_scope *s, unsigned index, struct nu_hist *into);
/* Calls fn for each scope, in no order. */
void nu_stats_each_scope(struct nu_stats *st, void (*fn)(struct nu_scope *s, void *arg), void *arg);
/* Calls fn for each text readout, in no order. */
void nu_stats_each_text(struct nu_stats *st, void (*fn)(nu_str name, nu_str value, void *arg), void *arg);
/* The dropped dynamic names so far. */
uint64_t nu_stats_dropped(const struct nu_stats *st);
/* /reset_counters: counters begin at zero again (gauges and histograms stay). */
void nu_stats_reset_counters(struct nu_stats *st);

#endif
