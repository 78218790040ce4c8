/* SPDX-License-Identifier: Apache-2.0
 *
 * Hierarchical timer wheel, the loop's own: four levels of 64 slots, 1 ms, 64 ms, 4 s and 4.4 min wide. Arm and
 * cancel are O(1). A timer whose deadline moved later stays in its slot and is placed again when the slot comes up. */
#ifndef NU_EVENT_TIMER_H
#define NU_EVENT_TIMER_H

#include "event/loop.h"

#define NU_WHEEL_BITS 6
#define NU_WHEEL_SLOTS (1u << NU_WHEEL_BITS)
#define NU_WHEEL_LEVELS 4

struct nu_wheel {
    uint64_t now_ms; /* all slots before this time have fired */
    uint64_t busy[NU_WHEEL_LEVELS]; /* bit per slot that may hold timers */
    struct nu_list slots[NU_WHEEL_LEVELS][NU_WHEEL_SLOTS];
    unsigned n;
};

void nu_wheel_init(struct nu_wheel *w, uint64_t now_ms);
void nu_wheel_arm(struct nu_wheel *w, struct nu_timer *t, uint64_t deadline_ms);
void nu_wheel_cancel(struct nu_wheel *w, struct nu_timer *t);
/* Fires everything due at now_ms. */
void nu_wheel_advance(struct nu_wheel *w, uint64_t now_ms);
/* Milliseconds until something may be due; -1: no timers. Never late, may be early. */
int64_t nu_wheel_wait_ms(const struct nu_wheel *w, uint64_t now_ms);

#endif
