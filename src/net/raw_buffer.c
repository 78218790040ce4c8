/* SPDX-License-Identifier: Apache-2.0
 *
 * The transport that adds nothing: bytes of the socket are the bytes of the stream. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>

#include "net/conn.h"

/* Vectors of one sendmsg(2): 64 full blocks are more than a socket takes at once. */
#define MAX_IOV 64
/* How much a read asks for follows what the last one got: few bytes share a block with other connections', what does not fit
 * gets a block of its own, bulk a large one. */
enum read_size { READ_PACKED, READ_BLOCK, READ_BULK };

static const struct {
    uint32_t min; /* a block with less room than this at its end is left as it is */
    uint32_t want;
    uint32_t few; /* a read of fewer bytes takes the size below next time */
} read_sizes[] = {
    [READ_PACKED] = {NU_BUF_PACKED, NU_BUF_PACKED, 0},
    [READ_BLOCK] = {NU_BUF_PACKED, NU_BLOCK_SMALL - sizeof(struct nu_block), NU_BUF_PACKED / 2},
    [READ_BULK] = {NU_BLOCK_SMALL, NU_BLOCK_LARGE - sizeof(struct nu_block), NU_BLOCK_SMALL / 2},
};

static void choose_next_read(struct nu_conn *c, size_t got, size_t room)
{
    if (got == room && c->read_size < READ_BULK)
        c->read_size = room > NU_BLOCK_SMALL / 2 ? READ_BULK : READ_BLOCK;
    else if (got < read_sizes[c->read_size].few)
        c->read_size--;
}

/* A read that came up short emptied the socket: no second call is needed, unless a FIN is known to wait behind it, or it may
 * have stopped before urgent data. */
static struct nu_io_result raw_read(struct nu_conn *c, struct nu_buf *to, size_t limit)
{
    size_t room;
    uint8_t *at = nu_buf_reserve_some(to, &c->worker->bufs, read_sizes[c->read_size].min, read_sizes[c->read_size].want,
                                      &room);
    if (room > limit)
        room = nu_max(limit, (size_t)NU_BUF_PACKED);
    ssize_t n = recv(c->watch.fd, at, room, 0);
    nu_buf_commit(to, n > 0 ? (size_t)n : 0);
    if (n > 0) {
        choose_next_read(c, (size_t)n, room);
        bool more = (size_t)n == room || c->peer_fin || c->urgent;
        return (struct nu_io_result){.status = more ? NU_IO_OK : NU_IO_AGAIN, .n = (size_t)n};
    }
    if (n == 0)
        return (struct nu_io_result){.status = NU_IO_END};
    if (errno == EAGAIN || errno == EINTR)
        return (struct nu_io_result){.status = NU_IO_AGAIN};
    c->error = errno;
    return (struct nu_io_result){.status = NU_IO_ERROR};
}

static ssize_t send_some(int fd, const struct nu_buf *from, size_t *asked)
{
    if (from->head->next == NULL) {
        *asked = from->head->len;
        return send(fd, from->head->ptr, from->head->len, MSG_NOSIGNAL);
    }
    struct iovec iov[MAX_IOV];
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = nu_buf_iov(from, iov, MAX_IOV)};
    *asked = 0;
    for (size_t i = 0; i < msg.msg_iovlen; i++)
        *asked += iov[i].iov_len;
    return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static struct nu_io_result raw_write(struct nu_conn *c, struct nu_buf *from, bool end)
{
    size_t done = 0;
    while (from->len > 0) {
        size_t asked;
        ssize_t n = send_some(c->watch.fd, from, &asked);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            c->error = errno;
            return (struct nu_io_result){.status = NU_IO_ERROR, .n = done};
        }
        if (n > 0) {
            nu_buf_drain(from, &c->worker->bufs, (size_t)n);
            done += (size_t)n;
        }
        if (n < 0 || (size_t)n < asked)
            return (struct nu_io_result){.status = NU_IO_AGAIN, .n = done};
    }
    if (end)
        shutdown(c->watch.fd, SHUT_WR);
    return (struct nu_io_result){.status = NU_IO_OK, .n = done};
}

/* Errors of splice(2) itself, which say nothing about the connection. */
static bool cannot_splice(int err)
{
    return err == EINVAL || err == ENOSYS || err == EOPNOTSUPP || err == EPERM || err == EACCES || err == ENOMEM;
}

/* n == 0: the peer's end, which a read will tell. */
static struct nu_io_result splice_result(struct nu_conn *c, ssize_t n)
{
    if (n > 0)
        return (struct nu_io_result){.status = NU_IO_OK, .n = (size_t)n};
    if (n == 0 || cannot_splice(errno))
        return (struct nu_io_result){.status = NU_IO_REFUSED};
    if (errno == EAGAIN)
        return (struct nu_io_result){.status = NU_IO_AGAIN};
    if (errno == EINTR)
        return (struct nu_io_result){.status = NU_IO_OK};
    c->error = errno;
    return (struct nu_io_result){.status = NU_IO_ERROR};
}

static struct nu_io_result raw_splice_in(struct nu_conn *c, int pipe, size_t limit)
{
    return splice_result(c, splice(c->watch.fd, NULL, pipe, NULL, limit, SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
}

static struct nu_io_result raw_splice_out(struct nu_conn *c, int pipe, size_t n)
{
    return splice_result(c, splice(pipe, NULL, c->watch.fd, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
}

static const struct nu_transport_ops raw_ops = {
    .name = "raw_buffer",
    .on_connected = nu_conn_transport_ready,
    .read = raw_read,
    .write = raw_write,
    .splice_in = raw_splice_in,
    .splice_out = raw_splice_out,
};

const struct nu_transport_conf nu_raw_buffer = {.ops = &raw_ops};
