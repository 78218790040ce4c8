/* SPDX-License-Identifier: Apache-2.0
 *
 * Prometheus' text format. Statistics of one tag-extracted name ("cluster.upstream_rq_total") form one metric: all of
 * it stands together under its # TYPE line; counters come first, then gauges, then histograms, each by dotted name. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/regex.h"
#include "stats/number.h"
#include "stats/output_priv.h"
#include "stats/stats_priv.h"

struct nu_prom_group {
    nu_str key;  /* the kind's digit and the tag-extracted name */
    nu_str name; /* "envoy_cluster_upstream_rq_total" */
    uint32_t n, first;
};

/* ---- names ---- */

/* Cuts the user's tags out of a name; what default tags cut out already is not there any more. */
static void cut_custom(const struct nu_stats_output *o, const struct nu_metric *m, nu_str full, struct nu_sb *name)
{
    for (size_t i = 0; i < o->conf->n_tags; i++) {
        const struct nu_tag_rule *r = &o->conf->tags[i];
        nu_str g[3] = {NU_STR_NONE, NU_STR_NONE, NU_STR_NONE};
        if (r->regex == NULL || nu_regex_search(r->regex, full, g, 3) == 0 || g[1].len == 0)
            continue;
        size_t from_end = full.len - (size_t)(g[1].ptr - full.ptr);
        bool in_leaf = from_end <= m->leaf_len;
        if ((!in_leaf && m->scope->n_tags > 0 && !o->conf->no_default_tags) || from_end > name->len)
            continue;
        char *at = name->ptr + name->len - from_end;
        if (memcmp(at, g[1].ptr, g[1].len) != 0)
            continue;
        memmove(at, at + g[1].len, from_end - g[1].len);
        name->len -= g[1].len;
    }
}

static void extracted_name(struct nu_stats_output *o, const struct nu_metric *m, struct nu_sb *out)
{
    bool defaults = !o->conf->no_default_tags;
    struct nu_leaf_tag t = nu_leaf_tag_of(m);
    size_t before = out->len;
    nu_sb_add(out, defaults ? m->scope->tag_prefix : m->scope->prefix);
    nu_sb_add(out, defaults && t.in_front ? t.stem : nu_metric_leaf(m));
    if (o->conf->n_tags > 0) {
        struct nu_sb name = {0};
        nu_sb_add(&name, nu_str_skip(nu_sb_str(out), before));
        o->name.len = 0;
        nu_metric_name(m, &o->name);
        cut_custom(o, m, nu_sb_str(&o->name), &name);
        out->len = before;
        nu_sb_add(out, nu_sb_str(&name));
        nu_sb_free(&name);
    }
    if (defaults && t.name.ptr != NULL && !t.in_front) { /* "_rq_200" or "_rq_2xx" -> "_rq" or "_rq_xx" */
        out->len -= nu_metric_leaf(m).len - t.stem.len;
        nu_sb_add(out, t.end);
    }
}

static nu_str metric_name(struct nu_arena *a, nu_str dotted)
{
    nu_str s = nu_arena_printf(a, "envoy_%.*s", NU_STR_ARG(dotted));
    char *p = (char *)(uintptr_t)s.ptr;
    for (size_t i = 0; i < s.len; i++)
        if (!((p[i] >= '0' && p[i] <= '9') || (nu_ascii_lower(p[i]) >= 'a' && nu_ascii_lower(p[i]) <= 'z') ||
              p[i] == '_'))
            p[i] = '_';
    return s;
}

/* ---- groups ---- */

struct grouping {
    struct nu_map by_key; /* -> group index + 1 */
    size_t cap;
};

static uint32_t group_for(struct nu_stats_output *o, struct grouping *g, nu_str key)
{
    uintptr_t known = (uintptr_t)nu_map_get(&g->by_key, key);
    if (known != 0)
        return (uint32_t)(known - 1);
    if (o->n_groups == g->cap) {
        g->cap = nu_max(g->cap * 2, (size_t)256);
        o->groups = nu_realloc(o->groups, g->cap * sizeof(*o->groups));
    }
    struct nu_prom_group *p = &o->groups[o->n_groups++];
    *p = (struct nu_prom_group){.key = nu_arena_str(&o->snap.arena, key)};
    p->name = metric_name(&o->snap.arena, nu_str_skip(p->key, 1));
    nu_map_put(&g->by_key, p->key, (void *)(uintptr_t)o->n_groups);
    return (uint32_t)(o->n_groups - 1);
}

static int by_key(const void *a, const void *b)
{
    const struct nu_prom_group *const *x = a, *const *y = b;
    return nu_str_cmp((*x)->key, (*y)->key);
}

/* Gives each group its place, and each item its place in its group, where names are in order already. */
static void place(struct nu_stats_output *o)
{
    struct nu_prom_group **sorted = nu_calloc(o->n_groups, sizeof(struct nu_prom_group *));
    uint32_t next = 0;
    for (size_t i = 0; i < o->n_groups; i++)
        sorted[i] = &o->groups[i];
    qsort(sorted, o->n_groups, sizeof(struct nu_prom_group *), by_key);
    for (size_t i = 0; i < o->n_groups; i++) {
        sorted[i]->first = next;
        next += sorted[i]->n;
    }
    nu_free(sorted);
    for (size_t i = 0; i < o->snap.n; i++)
        o->order[o->groups[o->group_of[i]].first++] = (uint32_t)i;
}

void nu_prom_prepare(struct nu_stats_output *o)
{
    struct grouping g = {.cap = 0};
    struct nu_sb key = {0};
    o->last_group = UINT32_MAX;
    if (o->snap.n == 0)
        return;
    o->order = nu_calloc(o->snap.n, sizeof(*o->order));
    o->group_of = nu_calloc(o->snap.n, sizeof(*o->group_of));
    for (size_t i = 0; i < o->snap.n; i++) {
        key.len = 0;
        nu_sb_char(&key, (char)('0' + o->snap.items[i].kind));
        extracted_name(o, &o->snap.items[i], &key);
        o->group_of[i] = group_for(o, &g, nu_sb_str(&key));
        o->groups[o->group_of[i]].n++;
    }
    place(o);
    nu_map_free(&g.by_key);
    nu_sb_free(&key);
}

void nu_prom_free(struct nu_stats_output *o)
{
    nu_free(o->groups);
    nu_free(o->order);
    nu_free(o->group_of);
}

/* ---- tags ---- */

static void tag(struct nu_sb *sb, bool *any, nu_str name, nu_str value)
{
    if (*any)
        nu_sb_char(sb, ',');
    *any = true;
    for (size_t i = 0; i < name.len; i++)
        nu_sb_char(sb, name.ptr[i] == '.' || name.ptr[i] == '-' ? '_' : name.ptr[i]);
    nu_sb_lit(sb, "=\"");
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\n') {
            nu_sb_lit(sb, "\\n");
            continue;
        }
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            nu_sb_char(sb, '\\');
        nu_sb_char(sb, value.ptr[i]);
    }
    nu_sb_char(sb, '"');
}

static void scope_tags(const struct nu_metric *m, struct nu_sb *sb, bool *any, bool first)
{
    for (unsigned i = 0; i < m->scope->n_tags; i++)
        if (nu_stat_tag_is_first(m->scope->tags[i].name) == first)
            tag(sb, any, m->scope->tags[i].name, m->scope->tags[i].value);
}

static void regex_tags(struct nu_stats_output *o, const struct nu_metric *m, struct nu_sb *sb, bool *any, bool anywhere)
{
    for (size_t i = 0; i < o->conf->n_tags; i++) {
        const struct nu_tag_rule *r = &o->conf->tags[i];
        nu_str g[3] = {NU_STR_NONE, NU_STR_NONE, NU_STR_NONE};
        if (r->regex == NULL || r->anywhere != anywhere)
            continue;
        o->name.len = 0;
        nu_metric_name(m, &o->name);
        if (nu_regex_search(r->regex, nu_sb_str(&o->name), g, 3) > 1 && g[1].len > 0)
            tag(sb, any, r->name, g[2].ptr != NULL ? g[2] : g[1]);
    }
}

/* Envoy's order: found anywhere in the name, fixed, found at its beginning. */
static void tags(struct nu_stats_output *o, const struct nu_metric *m, struct nu_sb *sb)
{
    bool any = false, defaults = !o->conf->no_default_tags;
    struct nu_leaf_tag t = nu_leaf_tag_of(m);
    if (defaults && t.name.ptr != NULL && !t.in_front)
        tag(sb, &any, t.name, t.value);
    if (defaults)
        scope_tags(m, sb, &any, true);
    for (size_t i = 0; i < o->conf->n_tags; i++)
        if (o->conf->tags[i].regex == NULL)
            tag(sb, &any, o->conf->tags[i].name, o->conf->tags[i].fixed);
    regex_tags(o, m, sb, &any, true);
    if (defaults && t.in_front)
        tag(sb, &any, t.name, t.value);
    if (defaults)
        scope_tags(m, sb, &any, false);
    regex_tags(o, m, sb, &any, false);
}

/* ---- items ---- */

static void series(struct nu_sb *sb, nu_str name, nu_str suffix, nu_str tag_text, const char *label, nu_str value)
{
    nu_sb_add(sb, name);
    nu_sb_add(sb, suffix);
    nu_sb_char(sb, '{');
    nu_sb_add(sb, tag_text);
    if (label != NULL) {
        bool any = tag_text.len > 0;
        tag(sb, &any, nu_str_from(label), value);
    }
    nu_sb_lit(sb, "} ");
}

static void histogram(struct nu_stats_output *o, struct nu_sb *sb, const struct nu_metric *m, nu_str name,
                      nu_str tag_text)
{
    struct nu_bounds b = nu_hist_bounds(o, m);
    char text[64];
    for (size_t i = 0; i < b.n; i++) {
        int n = snprintf(text, sizeof(text), "%.32g", b.v[i]);
        series(sb, name, NU_STR("_bucket"), tag_text, "le", nu_str_make(text, (size_t)n));
        nu_sb_u64(sb, nu_metric_bucket(m, false, b, i, false));
        nu_sb_char(sb, '\n');
    }
    series(sb, name, NU_STR("_bucket"), tag_text, "le", NU_STR("+Inf"));
    nu_sb_u64(sb, m->hist != NULL ? nu_hist_count(m->hist->total) : 0);
    nu_sb_char(sb, '\n');
}

static void summary(struct nu_sb *sb, const struct nu_metric *m, nu_str name, nu_str tag_text)
{
    double q[NU_N_QUANTILES];
    struct nu_sb text = {0};
    nu_metric_quantiles(m, false, q);
    for (unsigned i = 0; i < NU_N_QUANTILES; i++) {
        text.len = 0;
        nu_sb_double(&text, nu_quantiles[i]);
        series(sb, name, NU_STR(""), tag_text, "quantile", nu_sb_str(&text));
        nu_sb_printf(sb, "%.32g\n", q[i]);
    }
    nu_sb_free(&text);
}

static void sum_and_count(struct nu_sb *sb, const struct nu_metric *m, nu_str name, nu_str tag_text)
{
    series(sb, name, NU_STR("_sum"), tag_text, NULL, NU_STR(""));
    nu_sb_printf(sb, "%.32g\n", m->hist != NULL ? nu_hist_approx_sum(m->hist->total) : 0.0);
    series(sb, name, NU_STR("_count"), tag_text, NULL, NU_STR(""));
    nu_sb_u64(sb, m->hist != NULL ? nu_hist_count(m->hist->total) : 0);
    nu_sb_char(sb, '\n');
}

static const char *type_name(const struct nu_stats_output *o, unsigned kind)
{
    if (kind == NU_STAT_HISTOGRAM)
        return o->mode == NU_HIST_SUMMARY ? "summary" : "histogram";
    return kind == NU_STAT_COUNTER ? "counter" : "gauge";
}

void nu_prom_item(struct nu_stats_output *o, struct nu_sb *sb, size_t i)
{
    const struct nu_metric *m = &o->snap.items[o->order[i]];
    uint32_t group = o->group_of[o->order[i]];
    nu_str name = o->groups[group].name;
    if (group != o->last_group)
        nu_sb_printf(sb, "# TYPE %.*s %s\n", NU_STR_ARG(name), type_name(o, m->kind));
    o->last_group = group;
    if (m->kind != NU_STAT_HISTOGRAM) {
        nu_sb_add(sb, name);
        nu_sb_char(sb, '{');
        tags(o, m, sb);
        nu_sb_lit(sb, "} ");
        nu_sb_u64(sb, m->value);
        nu_sb_char(sb, '\n');
        return;
    }
    struct nu_sb tag_text = {0};
    tags(o, m, &tag_text);
    if (o->mode == NU_HIST_SUMMARY)
        summary(sb, m, name, nu_sb_str(&tag_text));
    else
        histogram(o, sb, m, name, nu_sb_str(&tag_text));
    sum_and_count(sb, m, name, nu_sb_str(&tag_text));
    nu_sb_free(&tag_text);
}
