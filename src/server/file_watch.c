/* SPDX-License-Identifier: Apache-2.0 */
#include "server/file_watch.h"

#include <sys/stat.h>

#include "base/alloc.h"

#define INTERVAL NU_MS(250)

struct mark {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec modified;
    bool there;
};

struct file {
    char *path;
    struct mark known, last; /* told of; seen the last time */
};

struct nu_file_watch {
    struct nu_loop *loop;
    struct nu_timer timer;
    void (*on_change)(void *arg);
    void *arg;
    size_t n;
    struct file files[];
};

static struct mark look(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return (struct mark){0};
    return (struct mark){.dev = st.st_dev, .ino = st.st_ino, .size = st.st_size, .modified = st.st_mtim, .there = true};
}

static bool same(const struct mark *a, const struct mark *b)
{
    return a->there == b->there && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

static void on_timer(struct nu_timer *t)
{
    struct nu_file_watch *w = nu_container_of(t, struct nu_file_watch, timer);
    bool changed = false;
    for (size_t i = 0; i < w->n; i++) {
        struct file *f = &w->files[i];
        struct mark now = look(f->path);
        if (now.there && same(&now, &f->last) && !same(&now, &f->known)) {
            f->known = now;
            changed = true;
        }
        f->last = now;
    }
    nu_timer_arm(w->loop, &w->timer, INTERVAL);
    if (changed)
        w->on_change(w->arg);
}

struct nu_file_watch *nu_file_watch_new(struct nu_loop *loop, const char *const *paths, size_t n,
                                        void (*on_change)(void *arg), void *arg)
{
    struct nu_file_watch *w = nu_zalloc(sizeof(*w) + n * sizeof(w->files[0]));
    w->loop = loop;
    w->on_change = on_change;
    w->arg = arg;
    w->n = n;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(paths[i]);
        w->files[i].path = memcpy(nu_zalloc(len + 1), paths[i], len);
        w->files[i].known = w->files[i].last = look(paths[i]);
    }
    nu_timer_init(&w->timer, on_timer);
    nu_timer_arm(loop, &w->timer, INTERVAL);
    return w;
}

void nu_file_watch_free(struct nu_file_watch **wp)
{
    struct nu_file_watch *w = nu_take(wp);
    if (w == NULL)
        return;
    nu_timer_cancel(w->loop, &w->timer);
    for (size_t i = 0; i < w->n; i++)
        nu_free(w->files[i].path);
    nu_free(w);
}
