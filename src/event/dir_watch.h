/* SPDX-License-Identifier: Apache-2.0
 *
 * Hears of files that are moved into place in a directory: new contents that are renamed over the old file, or a symbolic link
 * that is (Kubernetes' ..data). This is inotify; where that does not work (some network file systems), poll. One loop. */
#ifndef NU_EVENT_DIR_WATCH_H
#define NU_EVENT_DIR_WATCH_H

#include "base/str.h"
#include "event/loop.h"

struct nu_dir_watcher;

/* Embed in the owner; on_event finds it with nu_container_of. It may end this watch or others. What happens several times
 * before the loop looks is told once. */
struct nu_dir_watch {
    struct nu_list node;
    struct nu_dir_watcher *watcher; /* NULL: not watching */
    int wd;
    bool modified, due;
    char *name; /* NULL: any */
    void (*on_event)(struct nu_dir_watch *w);
};

/* Costs a descriptor when the first watch begins. */
struct nu_dir_watcher *nu_dir_watcher_new(struct nu_loop *loop);
/* All watches must have ended. */
void nu_dir_watcher_free(struct nu_dir_watcher **d);

/* Watches a directory for entries of that name (empty: of any) that are moved into it; `modified`: also for those that are
 * written to. Strings are copied. 0, or a negative error (errno tells; the directory may not be there). */
NU_NODISCARD int nu_dir_watch_begin(struct nu_dir_watcher *d, struct nu_dir_watch *w, nu_str dir, nu_str name, bool modified,
                                    void (*on_event)(struct nu_dir_watch *w));
/* Harmless when it is not watching. No event is told after this. */
void nu_dir_watch_end(struct nu_dir_watch *w);

#endif
