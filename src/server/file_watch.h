/* SPDX-License-Identifier: Apache-2.0
 *
 * Notices that a file is another one: its contents, or what a chain of symbolic links leads to. Looks at the file from time
 * to time, which finds every way of replacing it (rename, swapped links, network file systems); a change is told when the
 * file has been the same twice, so that half-written ones are seldom read. Main loop. */
#ifndef NU_SERVER_FILE_WATCH_H
#define NU_SERVER_FILE_WATCH_H

#include "event/loop.h"
#include "worker/worker.h"

struct nu_file_watch;

/* Paths are copied. on_change(arg) is called for a change of any of them. */
struct nu_file_watch *nu_file_watch_new(struct nu_loop *loop, const char *const *paths, size_t n,
                                        void (*on_change)(void *arg), void *arg);
void nu_file_watch_free(struct nu_file_watch **w);

#endif
