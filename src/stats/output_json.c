/* SPDX-License-Identifier: Apache-2.0
 *
 * {"stats":[{"name":..,"value":..}, ..., {"histograms":..}]} */
#include "stats/number.h"
#include "stats/output_priv.h"

static void name_of(struct nu_stats_output *o, struct nu_sb *sb, const struct nu_metric *m)
{
    o->name.len = 0;
    nu_metric_name(m, &o->name);
    nu_sb_lit(sb, "{\"name\":");
    nu_sb_json_str(sb, nu_sb_str(&o->name));
}

static void percents(struct nu_sb *sb)
{
    for (unsigned i = 0; i < NU_N_QUANTILES; i++) {
        if (i > 0)
            nu_sb_char(sb, ',');
        nu_sb_json_double(sb, nu_quantiles[i] * 100);
    }
}

/* What comes before the first histogram. */
static void open_histograms(struct nu_stats_output *o, struct nu_sb *sb)
{
    nu_sb_lit(sb, "{\"histograms\":");
    if (o->mode == NU_HIST_CUMULATIVE || o->mode == NU_HIST_DISJOINT) {
        nu_sb_char(sb, '[');
        return;
    }
    nu_sb_add(sb, o->mode == NU_HIST_DETAILED ? NU_STR("{\"supported_percentiles\":[")
                                              : NU_STR("{\"supported_quantiles\":["));
    percents(sb);
    nu_sb_add(sb, o->mode == NU_HIST_DETAILED ? NU_STR("],\"details\":[") : NU_STR("],\"computed_quantiles\":["));
}

static void quantiles(struct nu_sb *sb, const struct nu_metric *m)
{
    double all[NU_N_QUANTILES], now[NU_N_QUANTILES];
    nu_metric_quantiles(m, false, all);
    nu_metric_quantiles(m, true, now);
    for (unsigned i = 0; i < NU_N_QUANTILES; i++) {
        nu_sb_add(sb, i > 0 ? NU_STR(",{\"cumulative\":") : NU_STR("{\"cumulative\":"));
        nu_sb_json_double(sb, all[i]);
        nu_sb_lit(sb, ",\"interval\":");
        nu_sb_json_double(sb, now[i]);
        nu_sb_char(sb, '}');
    }
}

static void buckets(struct nu_stats_output *o, struct nu_sb *sb, const struct nu_metric *m)
{
    bool disjoint = o->mode == NU_HIST_DISJOINT;
    struct nu_bounds b = nu_hist_bounds(o, m);
    for (size_t i = 0; i < b.n; i++) {
        nu_sb_add(sb, i > 0 ? NU_STR(",{\"upper_bound\":") : NU_STR("{\"upper_bound\":"));
        nu_sb_json_double(sb, b.v[i]);
        nu_sb_printf(sb, ",\"interval\":%llu,\"cumulative\":%llu}",
                     (unsigned long long)nu_metric_bucket(m, true, b, i, disjoint),
                     (unsigned long long)nu_metric_bucket(m, false, b, i, disjoint));
    }
}

struct bins {
    struct nu_sb *sb;
    bool any;
};

static void bin(double lower, double width, uint64_t n, void *arg)
{
    struct bins *b = arg;
    if (b->any)
        nu_sb_char(b->sb, ',');
    b->any = true;
    nu_sb_lit(b->sb, "{\"lower_bound\":");
    nu_sb_json_double(b->sb, lower);
    nu_sb_lit(b->sb, ",\"width\":");
    nu_sb_json_double(b->sb, width);
    nu_sb_lit(b->sb, ",\"count\":");
    nu_sb_u64(b->sb, n);
    nu_sb_char(b->sb, '}');
}

static void details(struct nu_sb *sb, const struct nu_metric *m)
{
    nu_sb_lit(sb, ",\"totals\":[");
    if (m->hist != NULL)
        nu_hist_each_bin(m->hist->total, bin, &(struct bins){.sb = sb});
    nu_sb_lit(sb, "],\"intervals\":[");
    if (m->hist != NULL)
        nu_hist_each_bin(m->hist->interval, bin, &(struct bins){.sb = sb});
    nu_sb_lit(sb, "],\"percentiles\":[");
    quantiles(sb, m);
}

static void histogram(struct nu_stats_output *o, struct nu_sb *sb, const struct nu_metric *m)
{
    name_of(o, sb, m);
    if (o->mode == NU_HIST_SUMMARY) {
        nu_sb_lit(sb, ",\"values\":[");
        quantiles(sb, m);
    } else if (o->mode == NU_HIST_DETAILED) {
        details(sb, m);
    } else {
        nu_sb_lit(sb, ",\"buckets\":[");
        buckets(o, sb, m);
    }
    nu_sb_lit(sb, "]}");
}

void nu_json_text(struct nu_sb *sb, const struct nu_text_metric *t, bool first)
{
    if (!first)
        nu_sb_char(sb, ',');
    nu_sb_lit(sb, "{\"name\":");
    nu_sb_json_str(sb, t->name);
    nu_sb_lit(sb, ",\"value\":");
    nu_sb_json_str(sb, t->value);
    nu_sb_char(sb, '}');
}

void nu_json_item(struct nu_stats_output *o, struct nu_sb *sb, size_t i)
{
    const struct nu_metric *m = &o->snap.items[i];
    if (i > 0 || o->snap.n_texts > 0)
        nu_sb_char(sb, ',');
    if (m->kind == NU_STAT_HISTOGRAM) {
        if (i == o->snap.n_numbers)
            open_histograms(o, sb);
        histogram(o, sb, m);
        return;
    }
    name_of(o, sb, m);
    nu_sb_lit(sb, ",\"value\":");
    nu_sb_u64(sb, m->value);
    nu_sb_char(sb, '}');
}

void nu_json_end(struct nu_stats_output *o, struct nu_sb *sb)
{
    if (o->snap.n > o->snap.n_numbers)
        nu_sb_add(sb, o->mode == NU_HIST_CUMULATIVE || o->mode == NU_HIST_DISJOINT ? NU_STR("]}") : NU_STR("]}}"));
    nu_sb_lit(sb, "]}");
}
