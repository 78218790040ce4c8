/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/io.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "tls/tls_conn.h"

/* Records that are sent together. */
#define GATHER (4u * 16384u + 4096u)

/* ---- the BIO ---- */

static int bio_read(BIO *b, char *to, int len)
{
    struct nu_tls_io *io = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (io->n_in == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    size_t n = nu_min((size_t)len, io->n_in);
    memcpy(to, io->in, n);
    io->in += n;
    io->n_in -= n;
    return (int)n;
}

static struct nu_tls_spill *spill_of(struct nu_tls_conn *t)
{
    if (t->spill == NULL)
        t->spill = nu_new(struct nu_tls_spill);
    return t->spill;
}

static void spill_out(struct nu_tls_io *io, const uint8_t *bytes, size_t n)
{
    struct nu_tls_spill *s = spill_of(io->conn);
    nu_buf_add(&s->out, &io->worker->bufs, bytes, n);
    io->conn->conn->transport_holds = 1;
}

/* How much of it the socket took. */
static size_t send_now(struct nu_tls_io *io, const uint8_t *bytes, size_t n)
{
    ssize_t sent;
    do {
        sent = send(nu_conn_fd(io->conn->conn), bytes, n, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return (size_t)sent;
    if (errno != EAGAIN)
        io->error = errno;
    return 0;
}

static bool holds(const struct nu_tls_io *io)
{
    return io->conn->spill != NULL && io->conn->spill->out.len > 0;
}

bool nu_tls_io_flush(struct nu_tls_io *io)
{
    size_t n = io->n_out;
    io->n_out = 0;
    if (n > 0 && !holds(io) && io->error == 0) {
        size_t sent = send_now(io, io->out->data, n);
        if (sent < n && io->error == 0)
            spill_out(io, io->out->data + sent, n - sent);
    } else if (n > 0 && io->error == 0) {
        spill_out(io, io->out->data, n);
    }
    return io->error == 0 && !holds(io);
}

/* Never refuses: a handshake message or an alert goes where there is room, at the latest into the spill. */
static int bio_write(BIO *b, const char *bytes, int len)
{
    struct nu_tls_io *io = BIO_get_data(b);
    const uint8_t *from = (const uint8_t *)bytes;
    size_t n = (size_t)len;
    BIO_clear_retry_flags(b);
    if (io->straight && io->n_out == 0 && !holds(io)) {
        size_t sent = io->error == 0 ? send_now(io, from, n) : n;
        if (sent < n && io->error == 0)
            spill_out(io, from + sent, n - sent);
        return len;
    }
    if (io->out != NULL && io->n_out + n > io->out->size)
        (void)nu_tls_io_flush(io);
    if (io->out == NULL)
        io->out = nu_block_new(&io->worker->bufs, nu_max((size_t)GATHER, n));
    if (n > io->out->size) {
        spill_out(io, from, n);
        return len;
    }
    memcpy(io->out->data + io->n_out, from, n);
    io->n_out += n;
    return len;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)b;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

struct nu_tls_io *nu_tls_io_new(struct nu_worker *w)
{
    struct nu_tls_io *io = nu_new(struct nu_tls_io);
    io->worker = w;
    io->step_epoch = UINT64_MAX;
    nu_list_init(&io->waiting);
    io->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "nuncio");
    NU_ASSERT(io->method != NULL);
    BIO_meth_set_read(io->method, bio_read);
    BIO_meth_set_write(io->method, bio_write);
    BIO_meth_set_ctrl(io->method, bio_ctrl);
    io->bio = BIO_new(io->method);
    NU_ASSERT(io->bio != NULL);
    BIO_set_data(io->bio, io);
    BIO_set_init(io->bio, 1);
    return io;
}

void nu_tls_io_free(struct nu_tls_io *io)
{
    if (io == NULL)
        return;
    BIO_free(io->bio);
    BIO_meth_free(io->method);
    nu_free(io);
}

/* ---- around calls ---- */

void nu_tls_io_begin(struct nu_tls_io *io, struct nu_tls_conn *t, const uint8_t *in, size_t n)
{
    NU_ASSERT(io->conn == NULL);
    io->conn = t;
    io->in = in;
    io->n_in = n;
    io->straight = false;
    io->error = 0;
}

void nu_tls_io_end(struct nu_tls_io *io)
{
    (void)nu_tls_io_flush(io);
    if (io->out != NULL)
        nu_block_unref(io->out);
    io->out = NULL;
    if (nu_unlikely(io->n_in > 0))
        nu_buf_add(&spill_of(io->conn)->in, &io->worker->bufs, io->in, io->n_in);
    io->in = NULL;
    io->n_in = 0;
    if (nu_unlikely(io->error != 0) && io->conn->conn->error == 0)
        io->conn->conn->error = io->error;
    io->conn = NULL;
}

bool nu_tls_io_unspill(struct nu_tls_io *io, struct nu_tls_conn *t)
{
    struct nu_buf *out = t->spill != NULL ? &t->spill->out : NULL;
    io->error = 0;
    io->conn = t;
    while (out != NULL && out->len > 0 && io->error == 0) {
        size_t asked = out->head->len, sent = send_now(io, out->head->ptr, asked);
        nu_buf_drain(out, &io->worker->bufs, sent);
        if (sent < asked)
            break;
    }
    io->conn = NULL;
    if (nu_unlikely(io->error != 0))
        t->conn->error = io->error;
    if (out != NULL && out->len > 0)
        return false;
    t->conn->transport_holds = 0;
    if (t->spill != NULL && t->spill->in.len == 0)
        nu_tls_spill_clear(io, t);
    return true;
}

void nu_tls_spill_clear(struct nu_tls_io *io, struct nu_tls_conn *t)
{
    if (t->spill == NULL)
        return;
    nu_buf_clear(&t->spill->in, &io->worker->bufs);
    nu_buf_clear(&t->spill->out, &io->worker->bufs);
    nu_free(t->spill);
    t->spill = NULL;
    t->conn->transport_holds = 0;
}
