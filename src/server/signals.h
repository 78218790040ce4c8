/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals as events of the main loop (signalfd), so that no code runs in a signal handler. */
#ifndef NU_SERVER_SIGNALS_H
#define NU_SERVER_SIGNALS_H

#include <signal.h>

#include "event/loop.h"

/* Before any thread is made: blocks TERM, INT, HUP and USR1 for all threads, ignores PIPE. */
void nu_signals_block(void);
/* on_signal(sig, arg) is called on the loop. One process has one watch. */
void nu_signals_watch(struct nu_watch *w, struct nu_loop *loop, void (*on_signal)(int sig, void *arg), void *arg);
/* Harmless when not watched (fd -1). */
void nu_signals_unwatch(struct nu_watch *w, struct nu_loop *loop);

#endif
