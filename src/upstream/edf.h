/* SPDX-License-Identifier: Apache-2.0
 *
 * Earliest-deadline-first schedule: items are picked in proportion to their weights, as evenly spread as possible.
 * Items are indices of a list that the caller keeps; equal deadlines go in the order of insertion, as in Envoy. */
#ifndef NU_UPSTREAM_EDF_H
#define NU_UPSTREAM_EDF_H

#include <stdint.h>

struct nu_edf;

/* The weight of an item now: > 0. */
typedef double (*nu_edf_weight)(const void *ctx, uint32_t item);

/* A schedule of items 0..n-1 as it is after `picks` picks, computed in O(n log n) whatever `picks` is. Items of weight 0
 * are left out; NULL when none is left. */
struct nu_edf *nu_edf_new(uint32_t n, nu_edf_weight weight, const void *ctx, uint64_t picks);
void nu_edf_free(struct nu_edf **e);
/* Picks the next item and schedules it again by its weight of now. O(log n). */
uint32_t nu_edf_pick(struct nu_edf *e, nu_edf_weight weight, const void *ctx);

#endif
