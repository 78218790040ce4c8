/* SPDX-License-Identifier: Apache-2.0
 *
 * Statistics as text, JSON or Prometheus' exposition format, byte for byte as Envoy's admin interface renders
 * them. Written in pieces, so that many clusters need not be in memory as text at once. Main thread. */
#ifndef NU_STATS_OUTPUT_H
#define NU_STATS_OUTPUT_H

#include "stats/snapshot.h"

/* stats_config, as far as output is concerned. A question about a name: */
struct nu_name_match {
    bool (*fn)(const void *arg, nu_str name);
    const void *arg;
};

struct nu_tag_rule { /* stats_tags */
    nu_str name;
    nu_str fixed;                 /* when regex is NULL */
    const struct nu_regex *regex; /* group 1 is cut out of the name; the value is group 2, or 1 */
    bool anywhere;                /* the regex does not begin with a literal "^x." */
};

struct nu_bucket_rule { /* histogram_bucket_settings: the first that matches */
    struct nu_name_match match;
    const double *bounds;
    size_t n;
};

struct nu_stats_conf {
    bool no_default_tags;
    const struct nu_tag_rule *tags;
    size_t n_tags;
    const struct nu_bucket_rule *buckets;
    size_t n_buckets;
    const struct nu_stats_matcher *matcher; /* NULL: all are shown */
};

enum nu_stats_format { NU_STATS_TEXT, NU_STATS_JSON, NU_STATS_PROMETHEUS };
enum nu_hist_mode { NU_HIST_SUMMARY, NU_HIST_CUMULATIVE, NU_HIST_DISJOINT, NU_HIST_DETAILED };

struct nu_stats_output;

/* Takes a snapshot (q->matcher comes from conf). Borrows conf (NULL: defaults) until freed, and q->filter during the
 * call. Prometheus has SUMMARY and CUMULATIVE only. */
struct nu_stats_output *nu_stats_output_new(struct nu_stats *st, const struct nu_stats_conf *conf,
                                            const struct nu_stats_query *q, enum nu_stats_format format,
                                            enum nu_hist_mode mode);
/* Appends about `bytes` (a little more); false: that was the last of it. */
bool nu_stats_output_more(struct nu_stats_output *o, struct nu_sb *sb, size_t bytes);
void nu_stats_output_free(struct nu_stats_output **o);

#endif
