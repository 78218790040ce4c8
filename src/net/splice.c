/* SPDX-License-Identifier: Apache-2.0 */
#include "net/splice.h"

#include <unistd.h>

#include "base/assert.h"
#include "net/conn_priv.h"
#include "net/filter.h"

/* A turn's share: nothing is copied, so it need not fit into a cache. */
#define SHARE (1u << 20)
/* A read of fewer bytes would have been cheaper to copy; after some of them in a row the splice ends. */
#define FEW NU_BLOCK_SMALL
#define MAX_FEW 4
#define UNLOAD_STEP (NU_BLOCK_LARGE / 2)

/* ---- beginning and end ---- */

static bool filters_do_not_mind(const struct nu_conn *from, const struct nu_conn *to)
{
    unsigned readers = 0;
    for (const struct nu_net_filter *f = from->filters_head; f != NULL; f = f->next)
        readers += f->ops->on_data != NULL;
    return readers == 1 && !nu_conn_has_write_filters(to);
}

static struct nu_splice *splice_of(struct nu_conn *c)
{
    if (c->splice == NULL)
        c->splice = nu_arena_new(&c->arena, struct nu_splice);
    return c->splice;
}

void nu_conn_splice(struct nu_conn *from, struct nu_conn *to)
{
    if (from->splice != NULL && (from->splice->to != NULL || from->splice->refused))
        return;
    if (from->transport->ops->splice_in == NULL || to->transport->ops->splice_out == NULL)
        return;
    if (!nu_conn_is_open(from) || !nu_conn_is_open(to) || !filters_do_not_mind(from, to))
        return;
    struct nu_splice *reader = splice_of(from), *writer = splice_of(to);
    NU_ASSERT(writer->from == NULL);
    reader->to = to;
    reader->n_few = 0;
    writer->from = from;
}

/* The reader goes on at once: what the pipe still holds no longer concerns it. */
static void go_on(struct nu_conn *from)
{
    if (!from->splice->stalled)
        return;
    from->splice->stalled = false;
    if (nu_conn_can_read(from))
        nu_conn_queue_read(from);
}

void nu_splice_stop(struct nu_conn *from)
{
    struct nu_conn *to = from->splice->to;
    if (to == NULL)
        return;
    to->splice->from = NULL;
    from->splice->to = NULL;
    go_on(from);
}

static void refuse(struct nu_conn *from)
{
    from->splice->refused = true;
    nu_splice_stop(from);
}

void nu_splice_end(struct nu_conn *c)
{
    struct nu_splice *s = c->splice;
    if (s == NULL)
        return;
    nu_splice_stop(c);
    if (s->from != NULL)
        nu_splice_stop(s->from);
    if (s->pipe != NULL)
        nu_pipe_give(&c->worker->pipes, &s->pipe, false);
    s->piped = 0;
}

static void give_back_if_empty(struct nu_conn *to)
{
    struct nu_splice *s = to->splice;
    if (s->piped > 0)
        return;
    if (s->pipe != NULL)
        nu_pipe_give(&to->worker->pipes, &s->pipe, true);
    if (s->from != NULL)
        go_on(s->from);
}

/* ---- reading ---- */

bool nu_splice_is_on(const struct nu_conn *c)
{
    if (c->splice == NULL || c->splice->to == NULL || c->in.len > 0)
        return false;
    const struct nu_conn *to = c->splice->to;
    return to->state == NU_CONN_OPEN && to->transport_up && !to->write_end;
}

/* As far as the watermark, but a read is never small. */
static size_t room_of(const struct nu_conn *to)
{
    size_t held = nu_conn_pending(to);
    if (to->buffer_limit == 0)
        return SHARE;
    size_t left = to->buffer_limit > held ? to->buffer_limit - held : 0;
    return nu_min(nu_max(left, (size_t)NU_BLOCK_LARGE), (size_t)SHARE);
}

struct nu_io_result nu_splice_read(struct nu_conn *c)
{
    struct nu_splice *s = c->splice, *writer = s->to->splice;
    if (writer->pipe == NULL)
        writer->pipe = nu_pipe_take(&c->worker->pipes);
    if (writer->pipe == NULL) { /* perhaps there is one next time */
        nu_splice_stop(c);
        return (struct nu_io_result){.status = NU_IO_REFUSED};
    }
    struct nu_io_result r = c->transport->ops->splice_in(c, writer->pipe->in, room_of(s->to));
    writer->piped += r.n;
    if (r.status == NU_IO_AGAIN && writer->piped > 0) { /* the socket is empty or the pipe full: the kernel does not say */
        s->stalled = true;
        return (struct nu_io_result){.status = NU_IO_OK};
    }
    give_back_if_empty(s->to);
    if (r.status == NU_IO_REFUSED)
        refuse(c);
    else if (r.status == NU_IO_OK && (s->n_few = r.n < FEW ? s->n_few + 1 : 0) == MAX_FEW)
        nu_splice_stop(c);
    return r;
}

void nu_splice_mute(struct nu_conn *c)
{
    if (c->splice->to == NULL || c->splice->muted)
        return;
    c->splice->muted = true;
    nu_loop_hear_readable(c->worker->loop, &c->watch, false);
}

void nu_splice_unmute(struct nu_conn *c)
{
    if (!c->splice->muted)
        return;
    c->splice->muted = false;
    nu_loop_hear_readable(c->worker->loop, &c->watch, true);
}

/* ---- writing ---- */

void nu_splice_unload(struct nu_conn *c)
{
    struct nu_splice *s = c->splice;
    while (s->piped > 0) {
        size_t room = nu_min(s->piped, (size_t)UNLOAD_STEP);
        uint8_t *at = nu_buf_reserve(&c->out, &c->worker->bufs, room);
        ssize_t n = read(s->pipe->out, at, room);
        NU_ASSERT(n > 0); /* they are in the kernel's memory already */
        nu_buf_commit(&c->out, (size_t)n);
        s->piped -= (size_t)n;
    }
    give_back_if_empty(c);
}

struct nu_io_result nu_splice_write(struct nu_conn *c)
{
    struct nu_splice *s = c->splice;
    struct nu_io_result r = {.status = NU_IO_OK};
    size_t done = 0;
    while (s->piped > 0 && r.status == NU_IO_OK) {
        r = c->transport->ops->splice_out(c, s->pipe->out, s->piped);
        s->piped -= r.n;
        done += r.n;
    }
    if (r.status == NU_IO_REFUSED) {
        if (s->from != NULL)
            refuse(s->from);
        nu_splice_unload(c);
    }
    give_back_if_empty(c);
    r.n = done;
    return r;
}
