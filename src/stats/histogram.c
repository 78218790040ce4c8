/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/histogram.h"

#include <math.h>

#include "base/alloc.h"

static const uint64_t powers[NU_HIST_DECADES] = {1ull,
                                                 10ull,
                                                 100ull,
                                                 1000ull,
                                                 10000ull,
                                                 100000ull,
                                                 1000000ull,
                                                 10000000ull,
                                                 100000000ull,
                                                 1000000000ull,
                                                 10000000000ull,
                                                 100000000000ull,
                                                 1000000000000ull,
                                                 10000000000000ull,
                                                 100000000000000ull,
                                                 1000000000000000ull,
                                                 10000000000000000ull,
                                                 100000000000000000ull,
                                                 1000000000000000000ull,
                                                 10000000000000000000ull};

static uint64_t load(const _Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void add(_Atomic uint64_t *v, uint64_t n)
{
    atomic_store_explicit(v, load(v) + n, memory_order_relaxed);
}

static unsigned decade_of(uint64_t value)
{
    unsigned e = 0;
    while (e + 1 < NU_HIST_DECADES && value >= powers[e + 1])
        e++;
    return e;
}

static struct nu_hist_decade *decade(struct nu_hist *h, unsigned e)
{
    struct nu_hist_decade *d = atomic_load_explicit(&h->decades[e], memory_order_relaxed);
    if (d == NULL) {
        d = nu_new(struct nu_hist_decade);
        atomic_store_explicit(&h->decades[e], d, memory_order_release);
    }
    return d;
}

void nu_hist_add(struct nu_hist *h, uint64_t value)
{
    add(&h->sum, value);
    if (value == 0) {
        add(&h->zero, 1);
        return;
    }
    unsigned e = decade_of(value);
    uint64_t digits = e == 0 ? value * 10 : value / powers[e - 1]; /* 10..99 */
    add(&decade(h, e)->bins[digits - 10], 1);
}

static void combine(struct nu_hist *to, const struct nu_hist *from, uint64_t sign)
{
    add(&to->zero, sign * load(&from->zero));
    add(&to->sum, sign * load(&from->sum));
    for (unsigned e = 0; e < NU_HIST_DECADES; e++) {
        const struct nu_hist_decade *d = atomic_load_explicit(&from->decades[e], memory_order_acquire);
        if (d == NULL)
            continue;
        struct nu_hist_decade *mine = decade(to, e);
        for (unsigned i = 0; i < NU_HIST_BINS_PER_DECADE; i++)
            add(&mine->bins[i], sign * load(&d->bins[i]));
    }
}

void nu_hist_merge(struct nu_hist *to, const struct nu_hist *from)
{
    combine(to, from, 1);
}

void nu_hist_subtract(struct nu_hist *to, const struct nu_hist *what)
{
    combine(to, what, UINT64_MAX);
}

void nu_hist_clear(struct nu_hist *h)
{
    for (unsigned e = 0; e < NU_HIST_DECADES; e++)
        nu_free(atomic_load(&h->decades[e]));
    *h = (struct nu_hist){0};
}

void nu_hist_each_bin(const struct nu_hist *h, void (*fn)(double lower, double width, uint64_t n, void *arg), void *arg)
{
    uint64_t zero = load(&h->zero);
    if (zero > 0)
        fn(0, 0, zero, arg);
    for (unsigned e = 0; e < NU_HIST_DECADES; e++) {
        const struct nu_hist_decade *d = atomic_load_explicit(&h->decades[e], memory_order_acquire);
        double width = (double)powers[e] / 10;
        for (unsigned i = 0; d != NULL && i < NU_HIST_BINS_PER_DECADE; i++)
            if (load(&d->bins[i]) > 0)
                fn((double)(i + 10) / 10 * (double)powers[e], width, load(&d->bins[i]), arg);
    }
}

static void count_bin(double lower, double width, uint64_t n, void *arg)
{
    uint64_t *total = arg;
    (void)lower;
    (void)width;
    *total += n;
}

uint64_t nu_hist_count(const struct nu_hist *h)
{
    uint64_t total = 0;
    nu_hist_each_bin(h, count_bin, &total);
    return total;
}

static void sum_bin(double lower, double width, uint64_t n, void *arg)
{
    double *sum = arg;
    double upper = lower + width;
    if (upper > 0)
        *sum += 2 * lower * upper / (lower + upper) * (double)n;
}

double nu_hist_approx_sum(const struct nu_hist *h)
{
    double sum = 0;
    nu_hist_each_bin(h, sum_bin, &sum);
    return sum;
}

struct upto {
    double bound;
    uint64_t n;
};

static void upto_bin(double lower, double width, uint64_t n, void *arg)
{
    struct upto *b = arg;
    (void)width;
    if (lower <= b->bound)
        b->n += n;
}

uint64_t nu_hist_count_upto(const struct nu_hist *h, double bound)
{
    struct upto b = {.bound = bound};
    nu_hist_each_bin(h, upto_bin, &b);
    return b.n;
}

struct quantiles {
    const double *q;
    double *out;
    size_t n, at;
    double total, seen;
};

static void quantile_bin(double lower, double width, uint64_t n, void *arg)
{
    struct quantiles *s = arg;
    double before = s->seen;
    s->seen += (double)n;
    for (; s->at < s->n; s->at++) {
        double rank = fmax(ceil(s->q[s->at] * s->total), 1);
        if (rank > s->seen)
            return;
        s->out[s->at] = lower + width * (rank - before) / ((double)n + 1);
    }
}

void nu_hist_quantiles(const struct nu_hist *h, const double *q, size_t n, double *out)
{
    struct quantiles s = {.q = q, .out = out, .n = n, .total = (double)nu_hist_count(h)};
    for (size_t i = 0; i < n; i++)
        out[i] = (double)NAN;
    if (s.total > 0)
        nu_hist_each_bin(h, quantile_bin, &s);
}
