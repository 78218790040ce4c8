/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/edf.h"

#include <stdbool.h>

#include "base/alloc.h"

struct entry {
    double deadline;
    uint64_t order;
    uint32_t item;
};

struct nu_edf {
    double now;
    uint64_t next_order;
    uint32_t n;
    struct entry heap[];
};

static bool before(const struct entry *a, const struct entry *b)
{
    return a->deadline < b->deadline || (!(a->deadline > b->deadline) && a->order < b->order);
}

static void sift_up(struct nu_edf *e, uint32_t i)
{
    struct entry moving = e->heap[i];
    while (i > 0 && before(&moving, &e->heap[(i - 1) / 2])) {
        e->heap[i] = e->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    e->heap[i] = moving;
}

static void sift_down(struct nu_edf *e, uint32_t i)
{
    struct entry moving = e->heap[i];
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= e->n)
            break;
        if (child + 1 < e->n && before(&e->heap[child + 1], &e->heap[child]))
            child++;
        if (!before(&e->heap[child], &moving))
            break;
        e->heap[i] = e->heap[child];
        i = child;
    }
    e->heap[i] = moving;
}

static double weight_sum(uint32_t n, nu_edf_weight weight, const void *ctx)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += weight(ctx, i);
    return sum;
}

struct nu_edf *nu_edf_new(uint32_t n, nu_edf_weight weight, const void *ctx, uint64_t picks)
{
    double sum = weight_sum(n, weight, ctx);
    if (!(sum > 0))
        return NULL;
    struct nu_edf *e = nu_alloc(sizeof(*e) + n * sizeof(e->heap[0]));
    *e = (struct nu_edf){0};
    uint64_t done = 0;
    for (uint32_t i = 0; i < n; i++) {
        double w = weight(ctx, i);
        if (!(w > 0))
            continue;
        /* Each item's share of the picks, rounded down, is taken at once; the rest (fewer than n) is picked below. */
        uint64_t share = (uint64_t)((double)picks * w / sum);
        done += share;
        e->heap[e->n] = (struct entry){.deadline = (double)(share + 1) / w, .order = e->next_order++, .item = i};
        sift_up(e, e->n++);
    }
    for (uint32_t i = 0; done < picks && i < n; i++, done++)
        nu_edf_pick(e, weight, ctx);
    return e;
}

void nu_edf_free(struct nu_edf **ep)
{
    nu_free(nu_take(ep));
}

uint32_t nu_edf_pick(struct nu_edf *e, nu_edf_weight weight, const void *ctx)
{
    struct entry *top = &e->heap[0];
    uint32_t item = top->item;
    double w = weight(ctx, item);
    e->now = top->deadline;
    top->deadline = e->now + 1.0 / (w > 0 ? w : 1e-9);
    top->order = e->next_order++;
    sift_down(e, 0);
    return item;
}
