/* SPDX-License-Identifier: Apache-2.0
 *
 * A sorted, filtered view of all statistics at one moment, for output. Main thread. A snapshot keeps the scopes that it
 * shows; histograms are as of the last flush. */
#ifndef NU_STATS_SNAPSHOT_H
#define NU_STATS_SNAPSHOT_H

#include "base/arena.h"
#include "base/sb.h"
#include "stats/stats.h"

struct nu_regex;

/* Decides which statistics exist (stats_config.stats_matcher); NULL: all. */
struct nu_stats_matcher {
    bool (*shows)(const struct nu_stats_matcher *m, nu_str name);
};

struct nu_stats_query {
    bool used_only;
    const struct nu_regex *filter; /* found anywhere in the name; NULL: all */
    bool invert;                   /* what the filter does not find */
    unsigned kinds;                /* 1u << NU_STAT_COUNTER | ...; 0: all */
    const struct nu_stats_matcher *matcher;
};

/* One statistic. Its name is the scope's prefix and the leaf. */
struct nu_metric {
    const struct nu_scope *scope;
    const char *leaf;
    union {
        uint64_t value;                     /* counter, gauge */
        const struct nu_hist_flushed *hist; /* histogram; NULL: nothing recorded */
    };
    uint16_t leaf_len;
    uint8_t kind, unit;
    bool used;
};

struct nu_text_metric {
    nu_str name, value; /* in the snapshot's arena */
};

/* items: counters and gauges by name, then histograms by name. texts: by name; Envoy shows them first. */
struct nu_snapshot {
    struct nu_text_metric *texts;
    size_t n_texts;
    struct nu_arena arena;
    struct nu_metric *items;
    size_t n, cap;
    size_t n_numbers; /* the first that are counters or gauges */
    struct nu_scope **scopes;
    size_t n_scopes, cap_scopes;
};

void nu_snapshot_take(struct nu_snapshot *snap, struct nu_stats *st, const struct nu_stats_query *q);
void nu_snapshot_free(struct nu_snapshot *snap);

static inline nu_str nu_metric_leaf(const struct nu_metric *m)
{
    return nu_str_make(m->leaf, m->leaf_len);
}
/* Appends the full name. */
static inline void nu_metric_name(const struct nu_metric *m, struct nu_sb *sb)
{
    nu_sb_add(sb, m->scope->prefix);
    nu_sb_add(sb, nu_metric_leaf(m));
}

/* What only the leaf tells: the response code or class that it ends in (cuts "_200" off "..._rq_200", turns "..._rq_2xx" into
 * "..._rq_xx"), the downstream cluster of a fault that it begins with, a cipher or the like of TLS ("ciphers.X"). */
struct nu_leaf_tag {
    nu_str name;  /* "envoy.response_code", "envoy.response_code_class"; ptr == NULL: none */
    nu_str value; /* "200", "2" */
    nu_str stem;  /* what is left of the leaf, and: */
    nu_str end;   /* "xx" or nothing */
    bool in_front; /* the value was what the leaf began with */
};
struct nu_leaf_tag nu_leaf_tag_of(const struct nu_metric *m);

#endif
