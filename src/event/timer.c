/* SPDX-License-Identifier: Apache-2.0 */
#include "event/timer.h"

#include "base/assert.h"

#define SLOT_MASK (NU_WHEEL_SLOTS - 1)
/* Deadlines further away wait in the last slot of the top level and are placed again when it comes up. */
#define HORIZON_MS ((1ull << (NU_WHEEL_BITS * NU_WHEEL_LEVELS)) - 1)

void nu_wheel_init(struct nu_wheel *w, uint64_t now_ms)
{
    *w = (struct nu_wheel){.now_ms = now_ms};
    for (unsigned level = 0; level < NU_WHEEL_LEVELS; level++)
        for (unsigned i = 0; i < NU_WHEEL_SLOTS; i++)
            nu_list_init(&w->slots[level][i]);
}

/* A level holds what is due within its span, counted from the wheel's time: the lowest that does takes it. */
static void place(struct nu_wheel *w, struct nu_timer *t)
{
    uint64_t due = nu_max(t->deadline_ms, w->now_ms);
    uint64_t away = due - w->now_ms;
    if (away > HORIZON_MS) {
        away = HORIZON_MS;
        due = w->now_ms + HORIZON_MS;
    }
    unsigned level = 0;
    while (level < NU_WHEEL_LEVELS - 1 && (away >> (NU_WHEEL_BITS * (level + 1))) != 0)
        level++;
    unsigned slot = (unsigned)(due >> (NU_WHEEL_BITS * level)) & SLOT_MASK;
    nu_list_push_back(&w->slots[level][slot], &t->node);
    w->busy[level] |= 1ull << slot;
}

void nu_wheel_arm(struct nu_wheel *w, struct nu_timer *t, uint64_t deadline_ms)
{
    deadline_ms = nu_max(deadline_ms, (uint64_t)1); /* 0 says that it is not armed */
    if (t->deadline_ms != 0) {
        bool later = deadline_ms >= t->deadline_ms;
        t->deadline_ms = deadline_ms;
        if (later)
            return; /* placed again when its slot comes up */
        nu_list_remove(&t->node);
    } else {
        t->deadline_ms = deadline_ms;
        w->n++;
    }
    place(w, t);
}

void nu_wheel_cancel(struct nu_wheel *w, struct nu_timer *t)
{
    if (t->deadline_ms == 0)
        return;
    t->deadline_ms = 0;
    w->n--;
    nu_list_remove(&t->node);
}

static void run_slot(struct nu_wheel *w, unsigned level, unsigned slot, struct nu_list *due)
{
    struct nu_list taken;
    if ((w->busy[level] & (1ull << slot)) == 0)
        return;
    w->busy[level] &= ~(1ull << slot);
    nu_list_take_all(&w->slots[level][slot], &taken);
    nu_list_foreach(node, &taken) {
        struct nu_timer *t = nu_list_entry(node, struct nu_timer, node);
        nu_list_remove(node);
        if (t->deadline_ms <= w->now_ms)
            nu_list_push_back(due, node);
        else
            place(w, t);
    }
}

static void tick(struct nu_wheel *w, struct nu_list *due)
{
    for (unsigned level = NU_WHEEL_LEVELS - 1; level > 0; level--)
        if ((w->now_ms & ((1ull << (NU_WHEEL_BITS * level)) - 1)) == 0)
            run_slot(w, level, (unsigned)(w->now_ms >> (NU_WHEEL_BITS * level)) & SLOT_MASK, due);
    run_slot(w, 0, (unsigned)w->now_ms & SLOT_MASK, due);
}

static bool all_quiet(const struct nu_wheel *w)
{
    return (w->busy[0] | w->busy[1] | w->busy[2] | w->busy[3]) == 0;
}

void nu_wheel_advance(struct nu_wheel *w, uint64_t now_ms)
{
    struct nu_list due;
    nu_list_init(&due);
    while (w->now_ms < now_ms) {
        if (all_quiet(w)) {
            w->now_ms = now_ms;
            break;
        }
        if (w->busy[0] == 0) { /* nothing in this round: on to its end, where higher levels cascade */
            uint64_t round_end = w->now_ms | SLOT_MASK;
            w->now_ms = nu_min(round_end, now_ms - 1);
        }
        w->now_ms++;
        tick(w, &due);
    }
    struct nu_list *node;
    while ((node = nu_list_pop_front(&due)) != NULL) {
        struct nu_timer *t = nu_list_entry(node, struct nu_timer, node);
        if (t->deadline_ms > w->now_ms) { /* re-armed by another timer's callback */
            place(w, t);
            continue;
        }
        t->deadline_ms = 0;
        w->n--;
        t->on_fire(t);
    }
}

int64_t nu_wheel_wait_ms(const struct nu_wheel *w, uint64_t now_ms)
{
    if (all_quiet(w))
        return -1;
    uint64_t best = UINT64_MAX;
    for (unsigned level = 0; level < NU_WHEEL_LEVELS; level++) {
        if (w->busy[level] == 0)
            continue;
        unsigned shift = NU_WHEEL_BITS * level;
        uint64_t base = (w->now_ms >> shift) + 1;
        unsigned start = (unsigned)base & SLOT_MASK;
        uint64_t turned = start == 0 ? w->busy[level]
                                     : w->busy[level] >> start | w->busy[level] << (64 - start);
        uint64_t at = (base + (unsigned)__builtin_ctzll(turned)) << shift;
        best = nu_min(best, at);
    }
    return best <= now_ms ? 0 : (int64_t)(best - now_ms);
}
