/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the renderers. */
#ifndef NU_STATS_OUTPUT_PRIV_H
#define NU_STATS_OUTPUT_PRIV_H

#include "stats/histogram.h"
#include "stats/output.h"

#define NU_N_QUANTILES 10
extern const double nu_quantiles[NU_N_QUANTILES]; /* 0 to 1 */

struct nu_prom_group; /* output_prometheus.c */

struct nu_stats_output {
    struct nu_snapshot snap;
    const struct nu_stats_conf *conf;
    enum nu_stats_format format;
    enum nu_hist_mode mode;
    size_t at; /* the next item */
    bool begun, ended;
    struct nu_sb name; /* scratch */
    /* Prometheus: items in the order of output, and what they belong to. */
    struct nu_prom_group *groups;
    uint32_t *order, *group_of;
    size_t n_groups;
    uint32_t last_group;
};

struct nu_bounds {
    const double *v;
    size_t n;
};
/* The bucket bounds of a histogram. */
struct nu_bounds nu_hist_bounds(struct nu_stats_output *o, const struct nu_metric *m);
/* Quantiles of the interval or of all values; NaN when there is none. */
void nu_metric_quantiles(const struct nu_metric *m, bool interval, double out[NU_N_QUANTILES]);
/* Values up to a bound; the count in the bucket below it alone when disjoint. */
uint64_t nu_metric_bucket(const struct nu_metric *m, bool interval, struct nu_bounds b, size_t i, bool disjoint);

void nu_text_item(struct nu_stats_output *o, struct nu_sb *sb, const struct nu_metric *m);
void nu_json_text(struct nu_sb *sb, const struct nu_text_metric *t, bool first);
void nu_json_item(struct nu_stats_output *o, struct nu_sb *sb, size_t i);
void nu_json_end(struct nu_stats_output *o, struct nu_sb *sb);
void nu_prom_prepare(struct nu_stats_output *o);
void nu_prom_item(struct nu_stats_output *o, struct nu_sb *sb, size_t i);
void nu_prom_free(struct nu_stats_output *o);

#endif
