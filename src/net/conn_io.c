/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes of a connection. The socket is edge-triggered: `readable` and `writable` remember what the kernel said until
 * a call comes up short. Reads happen as soon as the socket is ready; what they got is offered to the filters when all
 * that is ready has been read, and writes happen once at the end of the turn; but much is offered and written at once. A
 * connection that has more to read than one turn's share goes on behind the others. */
#include <errno.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "net/conn_priv.h"
#include "stats/stats.h"

/* One turn's share of a connection: what fits into a large block, so that what is read is still in the cache when it is
 * written. */
#define READ_SHARE (NU_BLOCK_LARGE - 1024u)

/* A read of so much is offered and sent before the next connection is read: at the end of the turn, after all that the others
 * bring, it would not be in the cache any more; and this way they all read into the same block. */
#define BULK 32768u

static void read_task(struct nu_task *t);
static void flush_task(struct nu_task *t);

void nu_conn_queue_flush(struct nu_conn *c)
{
    nu_loop_flush(c->worker->loop, &c->flush_task, flush_task);
}

void nu_conn_queue_read(struct nu_conn *c)
{
    nu_loop_soon(c->worker->loop, &c->soon_task, read_task);
}

static bool can_offer(const struct nu_conn *c)
{
    return c->started && c->read_pauses == 0;
}

bool nu_conn_can_read(const struct nu_conn *c)
{
    if (c->state != NU_CONN_OPEN || !c->readable)
        return false;
    if (!c->transport_up) /* a handshake goes on whoever pauses */
        return true;
    return can_offer(c) && !nu_splice_stalled(c) && (c->buffer_limit == 0 || c->in.len < c->buffer_limit);
}

/* ---- counting ---- */

static void move_gauge(struct nu_conn *c, uint16_t index, uint32_t *counted, size_t now)
{
    uint32_t value = (uint32_t)nu_min(now, (size_t)UINT32_MAX);
    if (value == *counted)
        return;
    nu_gauge_add(c->stats->scope, c->worker->index, index, (uint64_t)value - *counted);
    *counted = value;
}

void nu_conn_count_buffers(struct nu_conn *c, size_t in, size_t out)
{
    if (c->stats == NULL)
        return;
    move_gauge(c, c->stats->rx_buffered, &c->counted_in, in);
    move_gauge(c, c->stats->tx_buffered, &c->counted_out, out);
}

void nu_conn_count_read(struct nu_conn *c, size_t n)
{
    c->bytes_in += n;
    if (c->stats != NULL && n > 0)
        nu_stat_add(c->stats->scope, c->worker->index, c->stats->rx_total, n);
}

void nu_conn_count_written(struct nu_conn *c, size_t n)
{
    c->bytes_out += n;
    if (c->stats != NULL && n > 0)
        nu_stat_add(c->stats->scope, c->worker->index, c->stats->tx_total, n);
}

/* ---- reading ---- */

enum read_end { READ_MORE, READ_FIN, READ_FAILED };

/* Reads one turn's share into c->in. When a handshake ends in the middle, what comes after it is for those who may have
 * paused. */
static enum read_end fill(struct nu_conn *c, size_t *got)
{
    bool was_up = c->transport_up;
    while (c->readable && *got < READ_SHARE) {
        struct nu_io_result r = c->transport->ops->read(c, &c->in, READ_SHARE - *got);
        *got += r.n;
        if (r.status == NU_IO_OK && (was_up || nu_conn_can_read(c)))
            continue;
        if (r.status == NU_IO_OK)
            break;
        c->readable = 0;
        if (r.status == NU_IO_END)
            return READ_FIN;
        if (r.status == NU_IO_ERROR)
            return READ_FAILED;
    }
    return READ_MORE;
}

/* Reads one turn's share past the filters. false: a read into c->in has to tell what there is: nothing, the peer's end, or
 * urgent data, before which splice(2) stops as if there were nothing. */
static bool pass(struct nu_conn *c, enum read_end *how)
{
    struct nu_conn *to = c->splice->to;
    struct nu_io_result r = nu_splice_read(c);
    if (r.status == NU_IO_REFUSED || r.status == NU_IO_AGAIN)
        return false;
    if (r.status == NU_IO_ERROR) {
        c->readable = 0;
        *how = READ_FAILED;
    }
    if (r.n > 0) {
        nu_conn_count_read(c, r.n);
        nu_filters_on_passed(c, r.n);
        nu_conn_written(to);
    }
    return true;
}

static void offer(struct nu_conn *c, bool end)
{
    c->redispatch = 0;
    nu_filters_on_data(c, end);
}

static void both_ends_closed(struct nu_conn *c)
{
    if (c->read_end && c->write_end_sent && nu_conn_pending(c) == 0)
        nu_conn_end(c, NU_CONN_REMOTE_CLOSE, false);
}

static void after_read(struct nu_conn *c, enum read_end how)
{
    if (!nu_conn_is_open(c))
        return;
    if (how == READ_FAILED || (how == READ_FIN && !c->half_close)) {
        c->reset |= how == READ_FAILED && c->error != 0; /* else the transport's own failure */
        nu_conn_end(c, NU_CONN_REMOTE_CLOSE, false);
        return;
    }
    if (how == READ_FIN)
        both_ends_closed(c);
    else if (nu_conn_can_read(c))
        nu_conn_queue_flush(c); /* which queues the next read for the next turn */
}

/* Reads one turn's share, into c->in or past the filters. */
static enum read_end read_share(struct nu_conn *c)
{
    size_t got = 0;
    enum read_end how = READ_MORE;
    bool can = nu_conn_can_read(c);
    if (can && c->splice != NULL)
        nu_splice_unmute(c);
    if (can && !(nu_splice_is_on(c) && pass(c, &how)))
        how = fill(c, &got);
    nu_conn_count_read(c, got);
    c->read_full = got >= READ_SHARE;
    if (got > 0)
        c->redispatch = 1;
    return how;
}

/* Offers c->in to the filters, and ends what the read ended. */
static void offer_read(struct nu_conn *c, enum read_end how)
{
    c->offer_due = 0;
    if (how == READ_FIN && c->half_close)
        c->read_end = c->redispatch = 1;
    if (c->redispatch && can_offer(c) && nu_conn_is_open(c) && (c->in.len > 0 || c->read_end))
        offer(c, c->read_end);
    if (nu_conn_is_open(c))
        nu_conn_count_buffers(c, c->in.len, nu_conn_pending(c));
    after_read(c, how);
}

/* What came is offered when all that is ready has been read: between two system calls for each connection, most of the code
 * that parses and forwards would have left the processor's cache. */
static void read_ahead(struct nu_conn *c)
{
    enum read_end how = read_share(c);
    bool bulk = c->in.len >= BULK;
    c->offer_due = how == READ_MORE && !bulk;
    if (c->offer_due) {
        nu_conn_queue_read(c);
        return;
    }
    offer_read(c, how);
    if (bulk)
        nu_loop_flush_early(c->worker->loop);
}

/* Unless it is queued: then it reads its share later in this turn. */
static void read_once(struct nu_conn *c)
{
    if (!nu_task_queued(&c->soon_task))
        offer_read(c, read_share(c));
}

static void read_task(struct nu_task *t)
{
    struct nu_conn *c = nu_container_of(t, struct nu_conn, soon_task);
    if (c->state == NU_CONN_OPEN && (can_offer(c) || !c->transport_up))
        offer_read(c, c->offer_due ? READ_MORE : read_share(c));
    else
        c->offer_due = 0;
}

void nu_conn_redispatch(struct nu_conn *c)
{
    c->redispatch = 1;
    if (nu_conn_is_open(c))
        nu_conn_queue_read(c);
}

/* ---- writing ---- */

static void check_low(struct nu_conn *c)
{
    if (!c->above_high || nu_conn_pending(c) > c->buffer_limit / 2)
        return;
    c->above_high = 0;
    if (nu_conn_is_open(c))
        nu_filters_on_low(c);
}

/* The write buffer of a closing connection is empty. */
static void flushed_while_closing(struct nu_conn *c)
{
    if (c->close_type != NU_CLOSE_FLUSH_DELAY || nu_ms_is_zero(c->delayed_close)) {
        nu_conn_end(c, NU_CONN_LOCAL_CLOSE, false);
        return;
    }
    nu_buf_clear(&c->in, &c->worker->bufs); /* nobody will read it, and many may be waiting here */
    nu_conn_count_buffers(c, 0, nu_conn_pending(c));
    if (!c->write_end_sent) {
        struct nu_io_result r = c->transport->ops->write(c, &c->out, true);
        c->write_end_sent = r.status != NU_IO_AGAIN;
        nu_conn_arm_delayed_close(c);
    }
}

struct nu_io_result nu_conn_put(struct nu_conn *c, bool end)
{
    const struct nu_transport_ops *ops = c->transport->ops;
    bool piped = c->splice != NULL && c->splice->piped > 0;
    struct nu_io_result r = ops->write(c, &c->out, end && !piped);
    if (!piped || r.status != NU_IO_OK)
        return r;
    size_t done = r.n;
    r = nu_splice_write(c);
    done += r.n;
    if (r.status == NU_IO_REFUSED || (r.status == NU_IO_OK && end)) {
        r = ops->write(c, &c->out, end);
        done += r.n;
    }
    return (struct nu_io_result){.status = r.status, .n = done};
}

static void write_some(struct nu_conn *c, bool end)
{
    struct nu_io_result r = nu_conn_put(c, end);
    nu_conn_count_written(c, r.n);
    if (c->state == NU_CONN_CLOSED) /* the transport became ready, and its owner had changed its mind */
        return;
    bool late = c->write_waits && r.n > 0;
    c->write_waits = r.status == NU_IO_AGAIN;
    if (r.status == NU_IO_AGAIN)
        c->writable = 0;
    if (r.status == NU_IO_ERROR) {
        c->reset |= c->error != 0;
        nu_conn_end(c, NU_CONN_REMOTE_CLOSE, false);
        return;
    }
    if (end && r.status == NU_IO_OK)
        c->write_end_sent = 1;
    if (c->state == NU_CONN_CLOSING && r.n > 0 && nu_conn_pending(c) > 0)
        nu_conn_arm_delayed_close(c);
    nu_conn_count_buffers(c, c->in.len, nu_conn_pending(c));
    if (late)
        nu_filters_on_late_write(c);
    check_low(c);
}

static bool wants_write(const struct nu_conn *c)
{
    return nu_conn_pending(c) > 0 || c->transport_holds || !c->transport_up || (c->write_end && !c->write_end_sent);
}

void nu_conn_write_now(struct nu_conn *c)
{
    if (c->state != NU_CONN_OPEN && c->state != NU_CONN_CLOSING)
        return;
    if (!c->writable)
        nu_conn_count_buffers(c, c->in.len, nu_conn_pending(c));
    else if (wants_write(c))
        write_some(c, c->write_end && !c->write_end_sent);
    if (nu_conn_pending(c) > 0 || c->transport_holds)
        return;
    if (c->state == NU_CONN_CLOSING)
        flushed_while_closing(c);
    else if (c->state == NU_CONN_OPEN && c->write_end_sent && c->read_end)
        nu_conn_end(c, NU_CONN_LOCAL_CLOSE, false);
}

/* Envoy closes a connection whose peer has sent FIN while nobody reads, unless half-close is on or the owner asked not
 * to be told. */
static bool early_close_matters(const struct nu_conn *c)
{
    return !c->half_close && !c->no_early_close;
}

static void flush_task(struct nu_task *t)
{
    struct nu_conn *c = nu_container_of(t, struct nu_conn, flush_task);
    nu_conn_write_now(c);
    if (nu_conn_can_read(c))
        nu_conn_queue_read(c);
    else if (c->state == NU_CONN_OPEN && c->peer_fin && c->read_pauses > 0 && early_close_matters(c))
        nu_conn_end(c, NU_CONN_REMOTE_CLOSE, false);
}

void nu_conn_written(struct nu_conn *c)
{
    if (c->buffer_limit > 0 && !c->above_high && nu_conn_pending(c) > c->buffer_limit) {
        c->above_high = 1;
        nu_filters_on_high(c);
    }
    if (c->state == NU_CONN_OPEN)
        nu_conn_queue_flush(c);
}

void nu_conn_write(struct nu_conn *c, struct nu_buf *data, bool end)
{
    if (!nu_conn_is_open(c) || c->write_end) {
        nu_buf_clear(data, &c->worker->bufs);
        return;
    }
    if (!nu_filters_on_write(c, data, end) || !nu_conn_is_open(c))
        return;
    if (end)
        c->write_end = 1;
    if (c->splice != NULL && data->len > 0)
        nu_splice_unload(c);
    nu_buf_move(&c->out, data);
    nu_conn_written(c);
}

/* ---- readiness ---- */

static void note_error(struct nu_conn *c)
{
    socklen_t len = sizeof(c->error);
    c->reset = 1;
    if (getsockopt(c->watch.fd, SOL_SOCKET, SO_ERROR, &c->error, &len) != 0 || c->error == 0)
        c->error = ECONNRESET;
}

/* The peer ended its side while nobody reads. */
static void on_early_close(struct nu_conn *c, uint32_t ready)
{
    if (c->state == NU_CONN_CLOSING) {
        if (c->half_close && (ready & (NU_FD_ERROR | NU_HANGUP)) == 0)
            return;
        nu_conn_write_now(c);
        if (c->state == NU_CONN_CLOSING)
            nu_conn_end(c, NU_CONN_REMOTE_CLOSE, false);
        return;
    }
    if (c->read_pauses == 0)
        return;
    bool broken = (ready & NU_FD_ERROR) != 0;
    if (broken)
        note_error(c);
    if (broken || early_close_matters(c))
        nu_conn_end(c, NU_CONN_REMOTE_CLOSE, false);
}

void nu_conn_on_ready(struct nu_watch *w, uint32_t ready)
{
    struct nu_conn *c = nu_container_of(w, struct nu_conn, watch);
    if (ready & (NU_WRITABLE | NU_FD_ERROR | NU_HANGUP))
        c->writable = 1;
    if (ready & (NU_READABLE | NU_PEER_CLOSED | NU_FD_ERROR | NU_HANGUP))
        c->readable = 1;
    if (ready & (NU_PEER_CLOSED | NU_FD_ERROR | NU_HANGUP))
        c->peer_fin = 1;
    c->urgent |= (ready & NU_URGENT) != 0;
    if (c->state == NU_CONN_CONNECTING) {
        nu_conn_finish_connect(c, ready);
        if (c->state != NU_CONN_OPEN)
            return;
    }
    if (c->splice != NULL && (ready & NU_FD_ERROR))
        nu_splice_stop(c); /* what came before the reset is read at once, as far as the watermark */
    if (nu_conn_can_read(c) && c->transport_up && c->splice == NULL && !c->peer_fin)
        read_ahead(c);
    else if (nu_conn_can_read(c))
        read_once(c);
    else if (c->splice != NULL && c->state == NU_CONN_OPEN && (ready & NU_READABLE))
        nu_splice_mute(c);
    if (c->peer_fin && c->state != NU_CONN_CLOSED)
        on_early_close(c, ready);
    if (c->writable && c->state != NU_CONN_CLOSED && (wants_write(c) || c->state == NU_CONN_CLOSING))
        nu_conn_queue_flush(c);
}

void nu_conn_read_pause(struct nu_conn *c)
{
    NU_ASSERT(c->read_pauses < UINT16_MAX);
    c->read_pauses++;
    if (c->read_pauses == 1 && c->peer_fin && early_close_matters(c) && c->state == NU_CONN_OPEN)
        nu_conn_queue_flush(c); /* the FIN that came already closes it, as a later one would */
}

void nu_conn_read_resume(struct nu_conn *c)
{
    NU_ASSERT(c->read_pauses > 0);
    if (--c->read_pauses > 0 || c->state != NU_CONN_OPEN)
        return;
    if (c->in.len > 0)
        c->redispatch = 1;
    if (c->redispatch || c->readable)
        nu_conn_queue_read(c);
}
