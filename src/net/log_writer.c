/* SPDX-License-Identifier: Apache-2.0
 *
 * Each file has one buffer per worker, written by that worker under the buffer's own lock, which the writer thread holds
 * only to swap the buffer for an empty one: a worker never waits for a disk. */
#include "net/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/map.h"
#include "base/ref.h"
#include "net/filesystem_stats.h"

/* Bytes that may wait in one worker's buffer; lines over it are dropped and counted. */
#define MAX_WAITING (4u << 20)

struct lane {
    pthread_mutex_t lock;
    struct nu_sb lines;
};

struct nu_log_file {
    struct nu_ref refs;
    struct nu_log_writer *writer;
    struct nu_list node;
    nu_str path;
    _Atomic bool reopen;
    int fd;             /* writer thread, and main before the first line */
    bool close_fd;      /* not stdout or stderr */
    bool dead;          /* no reference: the writer thread flushes and frees it */
    struct lane lanes[]; /* one per worker, main last */
};

struct nu_log_writer {
    struct nu_workers *all;
    struct nu_scope *scope;
    nu_ms flush;
    size_t min_bytes;
    pthread_t thread;
    pthread_mutex_t lock; /* files, stop, urgent */
    pthread_cond_t wake;
    struct nu_list files;
    struct nu_map by_path;
    bool stop;
    _Atomic bool urgent; /* somebody has enough for a write */
    uint64_t asked, served; /* flushes wanted by nu_log_writer_flush and done */
    pthread_cond_t flushed;
};

struct nu_sb *nu_log_writer_scratch(struct nu_worker *w)
{
    return &w->line;
}

static unsigned main_slab(const struct nu_log_writer *lw)
{
    return lw->all->n;
}

/* ---- writer thread ---- */

static void count(struct nu_log_writer *lw, unsigned index)
{
    nu_stat_inc(lw->scope, main_slab(lw) + 1, index); /* the writer thread has a slab of its own */
}

static void write_all(struct nu_log_file *f, const struct nu_sb *lines)
{
    size_t done = 0;
    while (done < lines->len && f->fd >= 0) {
        ssize_t n = write(f->fd, lines->ptr + done, lines->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) { /* a full disk: these lines are lost, the next ones are tried again */
            count(f->writer, NU_FS_write_failed);
            return;
        }
        done += (size_t)n;
    }
    count(f->writer, NU_FS_write_completed);
}

static void reopen_file(struct nu_log_file *f)
{
    if (!atomic_exchange(&f->reopen, false) || !f->close_fd)
        return;
    int fd = open(f->path.ptr, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) {
        count(f->writer, NU_FS_reopen_failed);
        return;
    }
    close(f->fd);
    f->fd = fd;
}

static void drain_lane(struct nu_log_file *f, struct lane *l)
{
    struct nu_sb taken;
    pthread_mutex_lock(&l->lock);
    taken = l->lines;
    l->lines = (struct nu_sb){0};
    pthread_mutex_unlock(&l->lock);
    if (taken.len > 0)
        write_all(f, &taken);
    nu_sb_free(&taken);
}

static void drain_file(struct nu_log_file *f)
{
    for (unsigned i = 0; i <= f->writer->all->n; i++)
        drain_lane(f, &f->lanes[i]);
    reopen_file(f); /* what was logged before the request goes to the old file */
}

static void file_free(struct nu_log_file *f)
{
    if (f->close_fd && f->fd >= 0)
        close(f->fd);
    for (unsigned i = 0; i <= f->writer->all->n; i++) {
        pthread_mutex_destroy(&f->lanes[i].lock);
        nu_sb_free(&f->lanes[i].lines);
    }
    nu_free(f);
}

static void drain_files(struct nu_log_writer *lw)
{
    /* Files leave the list only here: walking it without the lock would race with additions, so they are few and the
     * lock is held; workers do not take it. */
    pthread_mutex_lock(&lw->lock);
    nu_list_foreach(node, &lw->files) {
        struct nu_log_file *f = nu_list_entry(node, struct nu_log_file, node);
        drain_file(f);
        if (f->dead) {
            nu_list_remove(node);
            file_free(f);
        }
    }
    lw->served = lw->asked;
    pthread_cond_broadcast(&lw->flushed);
    pthread_mutex_unlock(&lw->lock);
}

static void wait_for_work(struct nu_log_writer *lw)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += lw->flush.v / 1000;
    until.tv_nsec += (long)(lw->flush.v % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&lw->lock);
    bool timed_out = false;
    while (!atomic_load(&lw->urgent) && !lw->stop && !timed_out)
        timed_out = pthread_cond_timedwait(&lw->wake, &lw->lock, &until) == ETIMEDOUT;
    atomic_store(&lw->urgent, false);
    pthread_mutex_unlock(&lw->lock);
    if (timed_out)
        count(lw, NU_FS_flushed_by_timer);
}

static void *writer_main(void *arg)
{
    struct nu_log_writer *lw = arg;
    bool stop = false;
    pthread_setname_np(pthread_self(), "log_writer");
    while (!stop) {
        wait_for_work(lw);
        pthread_mutex_lock(&lw->lock);
        stop = lw->stop;
        pthread_mutex_unlock(&lw->lock);
        drain_files(lw);
    }
    return NULL;
}

/* From a worker: never waits. When the lock is taken the writer is at work, and looks at `urgent` before it sleeps. */
static void wake_soon(struct nu_log_writer *lw)
{
    atomic_store(&lw->urgent, true);
    if (pthread_mutex_trylock(&lw->lock) != 0)
        return;
    pthread_cond_signal(&lw->wake);
    pthread_mutex_unlock(&lw->lock);
}

static void wake(struct nu_log_writer *lw)
{
    pthread_mutex_lock(&lw->lock);
    atomic_store(&lw->urgent, true);
    pthread_cond_signal(&lw->wake);
    pthread_mutex_unlock(&lw->lock);
}

/* ---- main thread ---- */

struct nu_log_writer *nu_log_writer_new(struct nu_workers *all, nu_ms flush, size_t min_bytes)
{
    struct nu_log_writer *lw = nu_new(struct nu_log_writer);
    pthread_condattr_t attr;
    lw->all = all;
    lw->flush = flush;
    lw->min_bytes = min_bytes;
    lw->scope = nu_scope_get(all->stats, &nu_filesystem_layout, NU_STR("filesystem."), NU_STR("filesystem."), NULL, 0);
    nu_list_init(&lw->files);
    pthread_mutex_init(&lw->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&lw->wake, &attr);
    pthread_cond_init(&lw->flushed, &attr);
    pthread_condattr_destroy(&attr);
    int err = pthread_create(&lw->thread, NULL, writer_main, lw);
    NU_ASSERT(err == 0);
    return lw;
}

void nu_log_writer_free(struct nu_log_writer **lwp)
{
    struct nu_log_writer *lw = nu_take(lwp);
    if (lw == NULL)
        return;
    pthread_mutex_lock(&lw->lock);
    lw->stop = true;
    pthread_cond_signal(&lw->wake);
    pthread_mutex_unlock(&lw->lock);
    pthread_join(lw->thread, NULL);
    nu_list_foreach(node, &lw->files)
        file_free(nu_list_entry(node, struct nu_log_file, node));
    nu_map_free(&lw->by_path);
    nu_scope_unref(&lw->scope);
    pthread_cond_destroy(&lw->wake);
    pthread_cond_destroy(&lw->flushed);
    pthread_mutex_destroy(&lw->lock);
    nu_free(lw);
}

static int open_path(nu_str path, const char *cpath, bool *close_fd)
{
    *close_fd = false;
    if (nu_str_eq(path, NU_STR("/dev/stdout")))
        return STDOUT_FILENO;
    if (nu_str_eq(path, NU_STR("/dev/stderr")))
        return STDERR_FILENO;
    *close_fd = true;
    return open(cpath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

struct nu_log_file *nu_log_file_open(struct nu_log_writer *lw, nu_str path)
{
    unsigned lanes = lw->all->n + 1;
    struct nu_log_file *f = nu_map_get(&lw->by_path, path);
    if (f != NULL)
        return nu_log_file_ref(f);
    f = nu_zalloc(sizeof(*f) + lanes * sizeof(f->lanes[0]) + path.len + 1);
    char *own = (char *)(f->lanes + lanes);
    memcpy(own, path.ptr, path.len);
    nu_ref_init(&f->refs);
    f->writer = lw;
    f->path = nu_str_make(own, path.len);
    f->fd = open_path(path, own, &f->close_fd);
    if (f->fd < 0) {
        int saved = errno;
        nu_free(f);
        errno = saved;
        return NULL;
    }
    for (unsigned i = 0; i < lanes; i++)
        pthread_mutex_init(&f->lanes[i].lock, NULL);
    nu_map_put(&lw->by_path, f->path, f);
    pthread_mutex_lock(&lw->lock);
    nu_list_push_back(&lw->files, &f->node);
    pthread_mutex_unlock(&lw->lock);
    return f;
}

struct nu_log_file *nu_log_file_ref(struct nu_log_file *f)
{
    nu_ref_take(&f->refs);
    return f;
}

void nu_log_file_unref(struct nu_log_file **fp)
{
    struct nu_log_file *f = nu_take(fp);
    if (f == NULL || !nu_ref_drop(&f->refs))
        return;
    struct nu_log_writer *lw = f->writer;
    nu_map_del(&lw->by_path, f->path);
    pthread_mutex_lock(&lw->lock);
    f->dead = true;
    pthread_mutex_unlock(&lw->lock);
    wake(lw);
}

void nu_log_writer_reopen(struct nu_log_writer *lw)
{
    pthread_mutex_lock(&lw->lock);
    nu_list_foreach(node, &lw->files)
        atomic_store(&nu_list_entry(node, struct nu_log_file, node)->reopen, true);
    pthread_mutex_unlock(&lw->lock);
    wake(lw);
}

void nu_log_writer_flush(struct nu_log_writer *lw)
{
    pthread_mutex_lock(&lw->lock);
    uint64_t mine = ++lw->asked;
    atomic_store(&lw->urgent, true);
    pthread_cond_signal(&lw->wake);
    while (lw->served < mine)
        pthread_cond_wait(&lw->flushed, &lw->lock);
    pthread_mutex_unlock(&lw->lock);
}

/* ---- workers ---- */

void nu_log_file_write(struct nu_log_file *f, struct nu_worker *w, nu_str line)
{
    struct lane *l = &f->lanes[w->index];
    bool dropped = false, full = false;
    pthread_mutex_lock(&l->lock);
    if (l->lines.len + line.len > MAX_WAITING) {
        dropped = true;
    } else {
        full = l->lines.len < f->writer->min_bytes && l->lines.len + line.len >= f->writer->min_bytes;
        nu_sb_add(&l->lines, line);
    }
    pthread_mutex_unlock(&l->lock);
    nu_stat_inc(f->writer->scope, w->index, dropped ? NU_FS_write_failed : NU_FS_write_buffered);
    if (full)
        wake_soon(f->writer);
}
