/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/pipes.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

/* More connections than this seldom have bytes on the way in one worker; the others copy. Two descriptors each. */
#define MAX_PIPES 128u
#define MAX_SPARE 16u
#define WANTED_SIZE (1 << 20)
/* The kernel's default. An unprivileged process that has many gets pipes of a page or two: not worth a system call. */
#define LEAST_SIZE (1 << 16)
/* After a pipe that could not be had the kernel is not asked for this many times. */
#define SKIP 63u

static void close_pipe(struct nu_pipes *p, struct nu_pipe *pipe)
{
    close(pipe->in);
    close(pipe->out);
    nu_free(pipe);
    p->n--;
}

/* A new descriptor has the lowest free number, so it tells how many are in use: half are left for connections. */
static bool too_high(int fd)
{
    struct rlimit l;
    return getrlimit(RLIMIT_NOFILE, &l) == 0 && (rlim_t)fd >= l.rlim_cur / 2;
}

static struct nu_pipe *try_to_open(struct nu_pipes *p)
{
    int fds[2];
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
        return NULL;
    struct nu_pipe *pipe = nu_new(struct nu_pipe);
    *pipe = (struct nu_pipe){.out = fds[0], .in = fds[1]};
    p->n++;
    bool tiny = fcntl(pipe->in, F_SETPIPE_SZ, WANTED_SIZE) < 0 && fcntl(pipe->in, F_GETPIPE_SZ) < LEAST_SIZE;
    if (tiny || too_high(pipe->in)) {
        close_pipe(p, pipe);
        return NULL;
    }
    return pipe;
}

static struct nu_pipe *open_pipe(struct nu_pipes *p)
{
    if (p->n >= MAX_PIPES)
        return NULL;
    if (p->n_skip > 0) {
        p->n_skip--;
        return NULL;
    }
    struct nu_pipe *pipe = try_to_open(p);
    if (pipe == NULL)
        p->n_skip = SKIP;
    return pipe;
}

struct nu_pipe *nu_pipe_take(struct nu_pipes *p)
{
    struct nu_pipe *pipe = p->spare;
    if (pipe == NULL)
        return open_pipe(p);
    p->spare = pipe->next;
    p->n_spare--;
    return pipe;
}

void nu_pipe_give(struct nu_pipes *p, struct nu_pipe **pipep, bool empty)
{
    struct nu_pipe *pipe = nu_take(pipep);
    NU_ASSERT(pipe != NULL);
    if (!empty || p->n_spare >= MAX_SPARE) {
        close_pipe(p, pipe);
        return;
    }
    pipe->next = p->spare;
    p->spare = pipe;
    p->n_spare++;
}

void nu_pipes_trim(struct nu_pipes *p, unsigned keep)
{
    while (p->n_spare > keep) {
        struct nu_pipe *pipe = p->spare;
        p->spare = pipe->next;
        p->n_spare--;
        close_pipe(p, pipe);
    }
}
