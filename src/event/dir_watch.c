/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel has one watch a directory and inotify descriptor, so that watches of one directory share a number and its mask. */
#include "event/dir_watch.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/err.h"

#define MASK_MOVED (IN_MOVED_TO | IN_ONLYDIR)
#define MASK_MODIFIED (IN_CLOSE_WRITE | IN_MODIFY)

struct nu_dir_watcher {
    struct nu_loop *loop;
    struct nu_watch watch; /* fd -1: not open */
    struct nu_list watches;
};

struct nu_dir_watcher *nu_dir_watcher_new(struct nu_loop *loop)
{
    struct nu_dir_watcher *d = nu_new(struct nu_dir_watcher);
    d->loop = loop;
    d->watch.fd = -1;
    nu_list_init(&d->watches);
    return d;
}

void nu_dir_watcher_free(struct nu_dir_watcher **dp)
{
    struct nu_dir_watcher *d = nu_take(dp);
    if (d == NULL)
        return;
    NU_ASSERT(nu_list_empty(&d->watches));
    if (d->watch.fd >= 0)
        nu_loop_close(d->loop, &d->watch);
    nu_free(d);
}

/* ---- events ---- */

static bool concerns(const struct nu_dir_watch *w, const struct inotify_event *e)
{
    if ((e->mask & IN_Q_OVERFLOW) != 0) /* some were lost: whose, nobody knows */
        return true;
    if (w->wd != e->wd || ((e->mask & IN_MOVED_TO) == 0 && !((e->mask & MASK_MODIFIED) != 0 && w->modified)))
        return false;
    return w->name == NULL || (e->len > 0 && strcmp(w->name, e->name) == 0);
}

static void note(struct nu_dir_watcher *d, const struct inotify_event *e)
{
    nu_list_foreach(n, &d->watches) {
        struct nu_dir_watch *w = nu_list_entry(n, struct nu_dir_watch, node);
        w->due |= concerns(w, e);
    }
}

/* From the beginning after each, since any watch may be gone then. */
static struct nu_dir_watch *first_due(struct nu_dir_watcher *d)
{
    nu_list_foreach(n, &d->watches) {
        struct nu_dir_watch *w = nu_list_entry(n, struct nu_dir_watch, node);
        if (w->due)
            return w;
    }
    return NULL;
}

static void on_ready(struct nu_watch *watch, uint32_t ready)
{
    (void)ready;
    struct nu_dir_watcher *d = nu_container_of(watch, struct nu_dir_watcher, watch);
    _Alignas(struct inotify_event) char buf[4096];
    ssize_t n;
    while ((n = read(watch->fd, buf, sizeof(buf))) > 0) {
        for (char *p = buf; p < buf + n;) {
            const struct inotify_event *e = (const struct inotify_event *)(const void *)p;
            note(d, e);
            p += sizeof(*e) + e->len;
        }
    }
    for (struct nu_dir_watch *w; (w = first_due(d)) != NULL;) {
        w->due = false;
        w->on_event(w);
    }
}

/* ---- watches ---- */

static int open_watcher(struct nu_dir_watcher *d)
{
    if (d->watch.fd >= 0)
        return 0;
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0)
        return NU_ERR_SYSTEM;
    nu_loop_watch_level(d->loop, &d->watch, fd, NU_READABLE, false, on_ready);
    return 0;
}

static char *copy(nu_str s)
{
    char *p = nu_alloc(s.len + 1);
    if (s.len > 0)
        memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return p;
}

int nu_dir_watch_begin(struct nu_dir_watcher *d, struct nu_dir_watch *w, nu_str dir, nu_str name, bool modified,
                       void (*on_event)(struct nu_dir_watch *w))
{
    *w = (struct nu_dir_watch){.modified = modified, .on_event = on_event};
    if (open_watcher(d) != 0)
        return NU_ERR_SYSTEM;
    char *path = copy(dir);
    w->wd = inotify_add_watch(d->watch.fd, path, IN_MASK_ADD | MASK_MOVED | (modified ? (uint32_t)MASK_MODIFIED : 0));
    nu_free(path);
    if (w->wd < 0)
        return NU_ERR_SYSTEM;
    w->watcher = d;
    w->name = name.len > 0 ? copy(name) : NULL;
    nu_list_push_back(&d->watches, &w->node);
    return 0;
}

static bool is_shared(const struct nu_dir_watcher *d, int wd)
{
    nu_list_foreach(n, &d->watches)
        if (nu_list_entry(n, struct nu_dir_watch, node)->wd == wd)
            return true;
    return false;
}

void nu_dir_watch_end(struct nu_dir_watch *w)
{
    struct nu_dir_watcher *d = nu_take(&w->watcher);
    if (d == NULL)
        return;
    nu_list_remove(&w->node);
    nu_free(w->name);
    w->name = NULL;
    if (!is_shared(d, w->wd))
        (void)inotify_rm_watch(d->watch.fd, w->wd); /* fails when the directory is gone */
}
