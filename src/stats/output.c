/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/output.h"

#include <math.h>

#include "base/alloc.h"
#include "stats/number.h"
#include "stats/output_priv.h"

const double nu_quantiles[NU_N_QUANTILES] = {0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1};

static const double default_bounds[] = {0.5,  1,    5,     10,    25,    50,     100,    250,     500,    1000,
                                        2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};

static const struct nu_stats_conf no_conf;

/* ---- histograms ---- */

struct nu_bounds nu_hist_bounds(struct nu_stats_output *o, const struct nu_metric *m)
{
    if (o->conf->n_buckets > 0) {
        o->name.len = 0;
        nu_metric_name(m, &o->name);
    }
    for (size_t i = 0; i < o->conf->n_buckets; i++) {
        const struct nu_bucket_rule *r = &o->conf->buckets[i];
        if (r->match.fn(r->match.arg, nu_sb_str(&o->name)))
            return (struct nu_bounds){.v = r->bounds, .n = r->n};
    }
    return (struct nu_bounds){.v = default_bounds, .n = NU_ARRAY_LEN(default_bounds)};
}

static const struct nu_hist *hist_of(const struct nu_metric *m, bool interval)
{
    if (m->hist == NULL)
        return NULL;
    return interval ? m->hist->interval : m->hist->total;
}

void nu_metric_quantiles(const struct nu_metric *m, bool interval, double out[NU_N_QUANTILES])
{
    const struct nu_hist *h = hist_of(m, interval);
    if (h != NULL) {
        nu_hist_quantiles(h, nu_quantiles, NU_N_QUANTILES, out);
        return;
    }
    for (unsigned i = 0; i < NU_N_QUANTILES; i++)
        out[i] = (double)NAN;
}

uint64_t nu_metric_bucket(const struct nu_metric *m, bool interval, struct nu_bounds b, size_t i, bool disjoint)
{
    const struct nu_hist *h = hist_of(m, interval);
    if (h == NULL)
        return 0;
    uint64_t n = nu_hist_count_upto(h, b.v[i]);
    return disjoint && i > 0 ? n - nu_hist_count_upto(h, b.v[i - 1]) : n;
}

/* ---- text ---- */

static void text_summary(struct nu_sb *sb, const struct nu_metric *m)
{
    double all[NU_N_QUANTILES], now[NU_N_QUANTILES];
    nu_metric_quantiles(m, false, all);
    nu_metric_quantiles(m, true, now);
    for (unsigned i = 0; i < NU_N_QUANTILES; i++) {
        nu_sb_add(sb, i > 0 ? NU_STR(" P") : NU_STR("P"));
        nu_sb_double(sb, nu_quantiles[i] * 100);
        nu_sb_char(sb, '(');
        nu_sb_double(sb, now[i]);
        nu_sb_char(sb, ',');
        nu_sb_double(sb, all[i]);
        nu_sb_char(sb, ')');
    }
}

static void text_buckets(struct nu_stats_output *o, struct nu_sb *sb, const struct nu_metric *m)
{
    bool disjoint = o->mode == NU_HIST_DISJOINT;
    struct nu_bounds b = nu_hist_bounds(o, m);
    for (size_t i = 0; i < b.n; i++)
        nu_sb_printf(sb, "%sB%g(%llu,%llu)", i > 0 ? " " : "", b.v[i],
                     (unsigned long long)nu_metric_bucket(m, true, b, i, disjoint),
                     (unsigned long long)nu_metric_bucket(m, false, b, i, disjoint));
}

struct bins {
    struct nu_sb *sb;
    bool any;
};

static void text_bin(double lower, double width, uint64_t n, void *arg)
{
    struct bins *b = arg;
    if (b->any)
        nu_sb_lit(b->sb, ", ");
    b->any = true;
    nu_sb_printf(b->sb, "%g,%g:", lower, width); /* six digits: Envoy's text has 510 where its JSON has 509.99999999999994 */
    nu_sb_u64(b->sb, n);
}

static void text_details(struct nu_sb *sb, const struct nu_metric *m)
{
    nu_sb_lit(sb, "\n  totals=");
    nu_hist_each_bin(hist_of(m, false), text_bin, &(struct bins){.sb = sb});
    nu_sb_lit(sb, "\n  intervals=");
    nu_hist_each_bin(hist_of(m, true), text_bin, &(struct bins){.sb = sb});
    nu_sb_lit(sb, "\n  summary=");
    text_summary(sb, m);
}

void nu_text_item(struct nu_stats_output *o, struct nu_sb *sb, const struct nu_metric *m)
{
    nu_metric_name(m, sb);
    if (m->kind != NU_STAT_HISTOGRAM) {
        nu_sb_lit(sb, ": ");
        nu_sb_u64(sb, m->value);
    } else if (m->hist == NULL) {
        nu_sb_lit(sb, ": No recorded values");
    } else if (o->mode == NU_HIST_DETAILED) {
        nu_sb_char(sb, ':');
        text_details(sb, m);
    } else {
        nu_sb_lit(sb, ": ");
        if (o->mode == NU_HIST_SUMMARY)
            text_summary(sb, m);
        else
            text_buckets(o, sb, m);
    }
    nu_sb_char(sb, '\n');
}

/* ---- all ---- */

struct nu_stats_output *nu_stats_output_new(struct nu_stats *st, const struct nu_stats_conf *conf,
                                            const struct nu_stats_query *q, enum nu_stats_format format,
                                            enum nu_hist_mode mode)
{
    struct nu_stats_output *o = nu_new(struct nu_stats_output);
    struct nu_stats_query full = *q;
    o->conf = conf != NULL ? conf : &no_conf;
    o->format = format;
    o->mode = mode;
    full.matcher = o->conf->matcher;
    nu_snapshot_take(&o->snap, st, &full);
    if (format == NU_STATS_PROMETHEUS)
        nu_prom_prepare(o);
    return o;
}

static void text_line(struct nu_sb *sb, const struct nu_text_metric *t)
{
    nu_sb_add(sb, t->name);
    nu_sb_lit(sb, ": \"");
    nu_sb_add(sb, t->value);
    nu_sb_lit(sb, "\"\n");
}

static void begin(struct nu_stats_output *o, struct nu_sb *sb)
{
    if (o->format == NU_STATS_JSON)
        nu_sb_lit(sb, "{\"stats\":[");
    for (size_t i = 0; i < o->snap.n_texts; i++) {
        if (o->format == NU_STATS_JSON)
            nu_json_text(sb, &o->snap.texts[i], i == 0);
        else if (o->format == NU_STATS_TEXT)
            text_line(sb, &o->snap.texts[i]);
    }
    o->begun = true;
}

static void end(struct nu_stats_output *o, struct nu_sb *sb)
{
    if (o->format == NU_STATS_JSON)
        nu_json_end(o, sb);
    o->ended = true;
}

static void item(struct nu_stats_output *o, struct nu_sb *sb, size_t i)
{
    switch (o->format) {
    case NU_STATS_TEXT:
        nu_text_item(o, sb, &o->snap.items[i]);
        break;
    case NU_STATS_JSON:
        nu_json_item(o, sb, i);
        break;
    case NU_STATS_PROMETHEUS:
        nu_prom_item(o, sb, i);
        break;
    }
}

bool nu_stats_output_more(struct nu_stats_output *o, struct nu_sb *sb, size_t bytes)
{
    size_t before = sb->len;
    if (!o->begun)
        begin(o, sb);
    while (o->at < o->snap.n && sb->len - before < bytes)
        item(o, sb, o->at++);
    if (o->at == o->snap.n && !o->ended)
        end(o, sb);
    return o->at < o->snap.n;
}

void nu_stats_output_free(struct nu_stats_output **op)
{
    struct nu_stats_output *o = nu_take(op);
    if (o == NULL)
        return;
    nu_prom_free(o);
    nu_snapshot_free(&o->snap);
    nu_sb_free(&o->name);
    nu_free(o);
}
