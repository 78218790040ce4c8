/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/snapshot.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/regex.h"
#include "stats/stats_priv.h"

/* ---- order ---- */

/* The character at i of a name in two parts; -1: past its end. */
static int char_at(const struct nu_metric *m, size_t i)
{
    if (i < m->scope->prefix.len)
        return (unsigned char)m->scope->prefix.ptr[i];
    i -= m->scope->prefix.len;
    return i < m->leaf_len ? (unsigned char)m->leaf[i] : -1;
}

static int compare(const struct nu_metric *a, const struct nu_metric *b)
{
    if ((a->kind == NU_STAT_HISTOGRAM) != (b->kind == NU_STAT_HISTOGRAM))
        return a->kind == NU_STAT_HISTOGRAM ? 1 : -1;
    if (a->scope == b->scope)
        return nu_str_cmp(nu_metric_leaf(a), nu_metric_leaf(b));
    size_t common = nu_min(a->scope->prefix.len, b->scope->prefix.len);
    int order = memcmp(a->scope->prefix.ptr, b->scope->prefix.ptr, common);
    if (order != 0)
        return order;
    for (size_t i = common;; i++) {
        int x = char_at(a, i), y = char_at(b, i);
        if (x != y || x < 0)
            return x - y;
    }
}

/* Length of the ordered run that begins at i. */
static size_t run_length(const struct nu_metric *m, size_t i, size_t n)
{
    size_t end = i + 1;
    while (end < n && compare(&m[end - 1], &m[end]) <= 0)
        end++;
    return end - i;
}

static size_t merge_runs(const struct nu_metric *a, size_t na, size_t nb, struct nu_metric *out)
{
    const struct nu_metric *b = a + na;
    size_t i = 0, k = 0, n = 0;
    while (i < na && k < nb)
        out[n++] = compare(&a[i], &b[k]) <= 0 ? a[i++] : b[k++];
    while (i < na)
        out[n++] = a[i++];
    while (k < nb)
        out[n++] = b[k++];
    return n;
}

/* Merge sort by the runs that are there: what comes scope by scope is almost in order. */
static void sort(struct nu_metric *m, size_t n)
{
    if (n < 2 || run_length(m, 0, n) == n)
        return;
    struct nu_metric *spare = nu_calloc(n, sizeof(*m)), *from = m, *to = spare;
    while (run_length(from, 0, n) < n) {
        for (size_t i = 0; i < n;) {
            size_t a = run_length(from, i, n);
            size_t b = i + a < n ? run_length(from, i + a, n) : 0;
            i += merge_runs(from + i, a, b, to + i);
        }
        struct nu_metric *swap = from;
        from = to;
        to = swap;
    }
    if (from != m)
        memcpy(m, from, n * sizeof(*m));
    nu_free(spare);
}

/* ---- collecting ---- */

struct collect {
    struct nu_snapshot *snap;
    const struct nu_stats_query *q;
    struct nu_sb name;
    struct nu_scope *scope;
    nu_str family; /* of response codes: the prefix of their names */
    uint64_t completed, classes[10];
};

static bool wanted(struct collect *c, const struct nu_metric *m)
{
    const struct nu_stats_query *q = c->q;
    if ((q->used_only && !m->used) || (q->kinds != 0 && (q->kinds & 1u << m->kind) == 0))
        return false;
    if (q->filter == NULL && q->matcher == NULL)
        return true;
    c->name.len = 0;
    nu_metric_name(m, &c->name);
    if (q->matcher != NULL && !q->matcher->shows(q->matcher, nu_sb_str(&c->name)))
        return false;
    return q->filter == NULL || nu_regex_partial_match(q->filter, nu_sb_str(&c->name)) != q->invert;
}

static void add(struct collect *c, const struct nu_metric *m)
{
    struct nu_snapshot *snap = c->snap;
    if (!wanted(c, m))
        return;
    if (snap->n == snap->cap) {
        snap->cap = nu_max(snap->cap * 2, (size_t)1024);
        snap->items = nu_realloc(snap->items, snap->cap * sizeof(*snap->items));
    }
    snap->items[snap->n++] = *m;
}

static void add_number(struct collect *c, nu_str leaf, enum nu_stat_kind kind, uint64_t value, bool used)
{
    add(c, &(struct nu_metric){.scope = c->scope,
                               .leaf = leaf.ptr,
                               .leaf_len = (uint16_t)nu_min(leaf.len, (size_t)UINT16_MAX),
                               .kind = (uint8_t)kind,
                               .value = value,
                               .used = used});
}

static void add_hist(struct collect *c, nu_str leaf, unsigned unit, const struct nu_hist_flushed *f)
{
    add(c, &(struct nu_metric){.scope = c->scope,
                               .leaf = leaf.ptr,
                               .leaf_len = (uint16_t)nu_min(leaf.len, (size_t)UINT16_MAX),
                               .kind = NU_STAT_HISTOGRAM,
                               .unit = (uint8_t)unit,
                               .hist = f,
                               .used = f != NULL});
}

static void add_code(unsigned code, uint64_t n, void *arg)
{
    struct collect *c = arg;
    c->completed += n;
    c->classes[code / 100 % 10] += n;
    add_number(c, nu_arena_printf(&c->snap->arena, "%.*s%u", NU_STR_ARG(c->family), code), NU_STAT_COUNTER, n, true);
}

/* "<family>200", "<family>2xx", "<family>completed". */
static void add_codes(struct collect *c, unsigned index)
{
    c->family = nu_str_from(c->scope->layout->defs[index].name);
    c->completed = 0;
    memset(c->classes, 0, sizeof(c->classes));
    nu_stat_each_code(c->scope, index, add_code, c);
    for (unsigned i = 0; i < NU_ARRAY_LEN(c->classes); i++)
        if (c->classes[i] > 0)
            add_number(c, nu_arena_printf(&c->snap->arena, "%.*s%uxx", NU_STR_ARG(c->family), i), NU_STAT_COUNTER,
                       c->classes[i], true);
    if (c->completed > 0 || c->scope->layout->defs[index].unit != 0)
        add_number(c, nu_arena_printf(&c->snap->arena, "%.*scompleted", NU_STR_ARG(c->family)), NU_STAT_COUNTER,
                   c->completed, c->completed > 0);
}

static void add_dyn(nu_str name, uint64_t n, void *arg)
{
    add_number(arg, name, NU_STAT_COUNTER, n, true);
}

static bool hidden(const struct nu_scope *s, const struct nu_stat_def *d, bool used)
{
    bool other = false;
    if ((d->kind & NU_STAT_LAZY) == 0 || used)
        return false;
    if (nu_stat_def_kind(d) == NU_STAT_COUNTER && d->unit != 0)
        (void)nu_stat_read(s, d->unit, &other);
    return !other;
}

static void add_static(struct collect *c, unsigned i)
{
    const struct nu_stat_def *d = &c->scope->layout->defs[i];
    enum nu_stat_kind kind = nu_stat_def_kind(d);
    if (kind == NU_STAT_CODES) {
        add_codes(c, i);
        return;
    }
    if (kind == NU_STAT_HISTOGRAM) {
        const struct nu_hist_flushed *f = nu_stat_flushed(c->scope, i);
        if (!hidden(c->scope, d, f != NULL || nu_stat_has_hist(c->scope, i)))
            add_hist(c, nu_str_from(d->name), d->unit, f);
        return;
    }
    bool used = false;
    uint64_t value = nu_stat_read(c->scope, i, &used);
    if (!hidden(c->scope, d, used))
        add_number(c, nu_str_from(d->name), kind, value, used);
}

static bool has_item(const struct nu_snapshot *snap, size_t from, nu_str leaf)
{
    for (size_t i = from; i < snap->n; i++)
        if (nu_str_eq(nu_metric_leaf(&snap->items[i]), leaf))
            return true;
    return false;
}

/* Dynamic histograms: those of the last flush, and the names of newer ones. */
static void add_dyn_hists(struct collect *c, const struct nu_scope *s)
{
    size_t first = c->snap->n;
    for (const struct nu_hist_flushed *f = s->flushed; f != NULL; f = f->next)
        if (f->name.ptr != NULL)
            add_hist(c, f->name, NU_UNIT_MS, f);
    for (unsigned i = 0; i < nu_stats_n_slabs(s->stats); i++) {
        const struct nu_stat_slab *slab = nu_scope_slab_of(s, i);
        const struct nu_dyn_count *d = slab != NULL ? atomic_load_explicit(&slab->dyn, memory_order_acquire) : NULL;
        for (; d != NULL; d = atomic_load_explicit(&d->next, memory_order_acquire))
            if (d->hist != NULL && !has_item(c->snap, first, d->name))
                add_hist(c, d->name, NU_UNIT_MS, NULL);
    }
}

static void collect_scope(struct collect *c, struct nu_scope *s)
{
    struct nu_snapshot *snap = c->snap;
    size_t before = snap->n;
    c->scope = s;
    for (unsigned i = 0; i < s->layout->n; i++)
        add_static(c, i);
    nu_stat_each_dyn(s, add_dyn, c);
    add_dyn_hists(c, s);
    sort(snap->items + before, snap->n - before);
}

/* ---- all scopes ---- */

static void list_scope(struct nu_scope *s, void *arg)
{
    struct nu_snapshot *snap = arg;
    if (snap->n_scopes == snap->cap_scopes) {
        snap->cap_scopes = nu_max(snap->cap_scopes * 2, (size_t)64);
        snap->scopes = nu_realloc(snap->scopes, snap->cap_scopes * sizeof(struct nu_scope *));
    }
    snap->scopes[snap->n_scopes++] = nu_scope_ref(s);
}

static int by_prefix(const void *a, const void *b)
{
    const struct nu_scope *const *x = a, *const *y = b;
    return nu_str_cmp((*x)->prefix, (*y)->prefix);
}

/* ---- texts ---- */

static void count_text(nu_str name, nu_str value, void *arg)
{
    (void)name;
    (void)value;
    ++((struct collect *)arg)->snap->n_texts;
}

static void add_text(nu_str name, nu_str value, void *arg)
{
    struct collect *c = arg;
    struct nu_snapshot *snap = c->snap;
    if (c->q->matcher != NULL && !c->q->matcher->shows(c->q->matcher, name))
        return;
    if (c->q->filter != NULL && nu_regex_partial_match(c->q->filter, name) == c->q->invert)
        return;
    snap->texts[snap->n_texts++] =
        (struct nu_text_metric){.name = nu_arena_str(&snap->arena, name), .value = nu_arena_str(&snap->arena, value)};
}

static int by_name(const void *a, const void *b)
{
    const struct nu_text_metric *x = a, *y = b;
    return nu_str_cmp(x->name, y->name);
}

static void collect_texts(struct collect *c, struct nu_stats *st)
{
    struct nu_snapshot *snap = c->snap;
    if (c->q->kinds != 0 && (c->q->kinds & 1u << NU_STAT_TEXT) == 0)
        return;
    nu_stats_each_text(st, count_text, c);
    if (snap->n_texts == 0)
        return;
    snap->texts = nu_arena_array(&snap->arena, struct nu_text_metric, snap->n_texts);
    snap->n_texts = 0;
    nu_stats_each_text(st, add_text, c);
    qsort(snap->texts, snap->n_texts, sizeof(snap->texts[0]), by_name);
}

void nu_snapshot_take(struct nu_snapshot *snap, struct nu_stats *st, const struct nu_stats_query *q)
{
    struct collect c = {.snap = snap, .q = q};
    *snap = (struct nu_snapshot){0};
    nu_arena_init(&snap->arena, NULL);
    collect_texts(&c, st);
    nu_stats_each_scope(st, list_scope, snap);
    if (snap->n_scopes > 0)
        qsort(snap->scopes, snap->n_scopes, sizeof(struct nu_scope *), by_prefix);
    for (size_t i = 0; i < snap->n_scopes; i++)
        collect_scope(&c, snap->scopes[i]);
    sort(snap->items, snap->n);
    while (snap->n_numbers < snap->n && snap->items[snap->n_numbers].kind != NU_STAT_HISTOGRAM)
        snap->n_numbers++;
    nu_sb_free(&c.name);
}

void nu_snapshot_free(struct nu_snapshot *snap)
{
    for (size_t i = 0; i < snap->n_scopes; i++)
        nu_scope_unref(&snap->scopes[i]);
    nu_free(snap->scopes);
    nu_free(snap->items);
    nu_arena_clear(&snap->arena);
    *snap = (struct nu_snapshot){0};
}

/* ---- what a name's end says ---- */

/* http.*.fault.(downstream_cluster): the one part of a name that only a request knows. */
static bool is_fault(nu_str prefix)
{
    unsigned dots = 0;
    if (!nu_str_ends(prefix, NU_STR(".fault.")) || !nu_str_starts(prefix, NU_STR("http.")))
        return false;
    for (size_t i = 0; i < prefix.len; i++)
        dots += prefix.ptr[i] == '.';
    return dots == 3;
}

/* listener.*.ssl.ciphers.(cipher) and the like; a cluster's ciphers have another tag. */
static bool is_of_tls(const struct nu_metric *m, nu_str leaf, struct nu_leaf_tag *t)
{
    static const struct {
        nu_str family, tag;
    } families[] = {{NU_STR_INIT("ciphers"), NU_STR_INIT("envoy.ssl_cipher")},
                    {NU_STR_INIT("curves"), NU_STR_INIT("envoy.ssl_curve")},
                    {NU_STR_INIT("sigalgs"), NU_STR_INIT("envoy.ssl_sigalg")},
                    {NU_STR_INIT("versions"), NU_STR_INIT("envoy.ssl_version")}};
    nu_str rest = leaf, family = nu_str_next(&rest, '.');
    for (size_t i = 0; i < NU_ARRAY_LEN(families); i++) {
        if (!nu_str_eq(family, families[i].family))
            continue;
        bool of_cluster = i == 0 && nu_str_starts(m->scope->prefix, NU_STR("cluster."));
        t->name = of_cluster ? NU_STR("cipher_suite") : families[i].tag;
        t->value = rest;
        t->stem = family;
        return true;
    }
    return false;
}

struct nu_leaf_tag nu_leaf_tag_of(const struct nu_metric *m)
{
    nu_str leaf = nu_metric_leaf(m);
    struct nu_leaf_tag t = {.stem = leaf, .end = NU_STR("")};
    if (nu_unlikely(is_fault(m->scope->prefix)) && nu_str_find(leaf, '.') >= 0) {
        t.name = NU_STR("envoy.fault_downstream_cluster");
        t.value = nu_str_next(&t.stem, '.');
        t.in_front = true;
        return t;
    }
    if (nu_unlikely(nu_str_ends(m->scope->prefix, NU_STR(".ssl."))) && is_of_tls(m, leaf, &t))
        return t;
    if (leaf.len < 7)
        return t;
    const char *tail = leaf.ptr + leaf.len - 3;
    if (memcmp(tail - 4, "_rq_", 4) != 0 || !nu_ascii_digit(tail[0]))
        return t;
    if (tail[1] == 'x' && tail[2] == 'x') {
        t.name = NU_STR("envoy.response_code_class");
        t.value = nu_str_make(tail, 1);
        t.stem = nu_str_first(leaf, leaf.len - 3);
        t.end = NU_STR("xx");
    } else if (nu_ascii_digit(tail[1]) && nu_ascii_digit(tail[2])) {
        t.name = NU_STR("envoy.response_code");
        t.value = nu_str_make(tail, 3);
        t.stem = nu_str_first(leaf, leaf.len - 4);
    }
    return t;
}
