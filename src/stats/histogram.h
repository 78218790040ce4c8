/* SPDX-License-Identifier: Apache-2.0
 *
 * Log-linear histograms as circllhist's: a bin holds what agrees in its two most significant decimal digits. Values are
 * whole numbers. One writer; the main thread reads at any time and merges. */
#ifndef NU_STATS_HISTOGRAM_H
#define NU_STATS_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define NU_HIST_DECADES 20
#define NU_HIST_BINS_PER_DECADE 90

/* A decade: values [10^e, 10^(e+1)) in 90 bins; the first one also stands for 1..9 in steps of 0.1 as circllhist does.
 */
struct nu_hist_decade {
    _Atomic uint64_t bins[NU_HIST_BINS_PER_DECADE];
};

struct nu_hist {
    _Atomic uint64_t zero;
    _Atomic uint64_t sum;
    _Atomic(struct nu_hist_decade *) decades[NU_HIST_DECADES];
};

/* Records one value (single writer). */
void nu_hist_add(struct nu_hist *h, uint64_t value);
/* Adds `from` to `to` / takes `what` away from `to` (for intervals). */
void nu_hist_merge(struct nu_hist *to, const struct nu_hist *from);
void nu_hist_subtract(struct nu_hist *to, const struct nu_hist *what);
/* Frees the decades (not h). */
void nu_hist_clear(struct nu_hist *h);

uint64_t nu_hist_count(const struct nu_hist *h);
/* Approximate sum as circllhist's: each value counts as its bin's harmonic middle. */
double nu_hist_approx_sum(const struct nu_hist *h);
/* Values in bins that begin at or below `bound`, as Envoy counts its "le" buckets: whole numbers up to a whole bound.
 */
uint64_t nu_hist_count_upto(const struct nu_hist *h, double bound);
/* Quantiles q[i] in [0, 1], ascending; NaN when empty. The k-th of n values of a bin lies k/(n+1) of its width up. */
void nu_hist_quantiles(const struct nu_hist *h, const double *q, size_t n, double *out);
/* Calls fn for each non-empty bin in order: lower edge, width, count. */
void nu_hist_each_bin(const struct nu_hist *h, void (*fn)(double lower, double width, uint64_t n, void *arg),
                      void *arg);

#endif
