/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS as a transport: bytes of the stream in records of the socket.
 *
 * Reading takes all that the socket has into a block borrowed for the call, and opens the records in it straight into the
 * connection's buffer; what is left of a record that has not come completely is the library's to keep. Writing seals records of
 * up to 16 KiB, small slices gathered into one, and sends several at once. Ends as Envoy's: the peer's close_notify and its FIN
 * without one both end its side in order; ours is ended by close_notify alone. */
#include "tls/transport.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "net/conn_priv.h"
#include "tls/tls_conn.h"
#include "tls/tls_process.h"

#define RECORD 16384u
/* One read: four full records and their overhead. */
#define READ_SIZE (4u * (RECORD + 256u + 5u))
/* Records of one write before they are sent. */
#define WRITE_SHARE (4u * RECORD)

static const struct nu_tls_transport *transport_of(const struct nu_conn *c)
{
    return (const struct nu_tls_transport *)c->transport; /* base is first */
}

static struct nu_tls_io *io_of(const struct nu_conn *c)
{
    return nu_tls_process_io(transport_of(c)->source->process, c->worker);
}

/* ---- life ---- */

static void on_arena_clear(void *arg)
{
    struct nu_tls_conn *t = arg;
    nu_tls_handshake_free(t);
    nu_tls_spill_clear(io_of(t->conn), t);
    SSL_free(t->info.ssl);
    nu_tls_context_unref(&t->ctx);
}

static void on_attach(struct nu_conn *c, const struct nu_transport_conf *conf)
{
    (void)conf;
    struct nu_tls_conn *t = nu_arena_new(&c->arena, struct nu_tls_conn);
    t->conn = c;
    c->transport_state = t;
    nu_arena_on_clear(&c->arena, on_arena_clear, t);
}

static void *fail(struct nu_tls_conn *t, nu_str why)
{
    t->failed = 1;
    nu_conn_details_edit(t->conn->info)->transport_failure = why;
    return NULL;
}

/* The SSL of the connection, with the newest context; NULL: there is none, and the record says why. */
static SSL *make_ssl(struct nu_conn *c, struct nu_tls_conn *t)
{
    struct nu_tls_source *source = transport_of(c)->source;
    t->ctx = nu_tls_source_context(source, c->worker);
    if (t->ctx == NULL)
        return fail(t, NU_STR("TLS error: Secret is not supplied by SDS"));
    SSL *ssl = SSL_new(t->ctx->ctxs[0]);
    NU_ASSERT(ssl != NULL);
    BIO *bio = io_of(c)->bio;
    BIO_up_ref(bio);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_shed_handshake_config(ssl, 1);
    return ssl;
}

/* Listener filters may have read what is ciphertext of ours. */
static void take_early(struct nu_conn *c, struct nu_tls_conn *t)
{
    if (c->in.len == 0)
        return;
    t->spill = nu_new(struct nu_tls_spill);
    nu_buf_move(&t->spill->in, &c->in);
}

static void on_connected(struct nu_conn *c)
{
    struct nu_tls_conn *t = nu_tls_conn_of(c);
    take_early(c, t);
    t->hs = nu_new(struct nu_tls_handshake);
    t->hs->conn = t;
    t->info.ssl = make_ssl(c, t);
    if (t->info.ssl != NULL && t->ctx->server)
        SSL_set_accept_state(t->info.ssl);
    else if (t->info.ssl != NULL && !nu_tls_client_prepare(t))
        t->failed = 1;
    /* A client speaks first, when the turn's writes go out; what has no context closes then. */
    c->readable |= t->spill != NULL || t->failed;
    if (c->readable)
        nu_conn_queue_read(c);
}

/* ---- reading ---- */

static struct nu_io_result result(enum nu_io_status status, size_t n)
{
    return (struct nu_io_result){.status = status, .n = n};
}

/* Room for what the ciphertext at hand may hold. */
static uint8_t *reserve(struct nu_tls_io *io, struct nu_tls_conn *t, struct nu_buf *to, size_t *room)
{
    size_t coming = io->n_in + (size_t)SSL_pending(t->info.ssl);
    size_t want = coming <= NU_BUF_PACKED ? NU_BUF_PACKED : nu_min(coming, NU_BLOCK_LARGE - sizeof(struct nu_block));
    return nu_buf_reserve_some(to, &io->worker->bufs, nu_min(coming, (size_t)NU_BUF_PACKED), want, room);
}

/* Opens the records at hand. END: close_notify. */
static enum nu_io_status open_records(struct nu_tls_io *io, struct nu_tls_conn *t, struct nu_buf *to, size_t *got)
{
    while (io->n_in > 0 || SSL_pending(t->info.ssl) > 0) {
        size_t room;
        uint8_t *at = reserve(io, t, to, &room);
        int n = SSL_read(t->info.ssl, at, (int)room);
        nu_buf_commit(to, n > 0 ? (size_t)n : 0);
        if (n > 0) {
            *got += (size_t)n;
            continue;
        }
        switch (SSL_get_error(t->info.ssl, n)) {
        case SSL_ERROR_WANT_READ:
            return NU_IO_AGAIN;
        case SSL_ERROR_ZERO_RETURN:
            t->read_closed = 1;
            io->n_in = 0; /* nothing counts after it */
            return NU_IO_END;
        default:
            nu_tls_drain_errors(t);
            t->failed = 1;
            io->n_in = 0;
            return NU_IO_ERROR;
        }
    }
    return NU_IO_AGAIN;
}

/* The handshake's part of a read. false: the read is over with *out. */
static bool read_handshake(struct nu_tls_io *io, struct nu_tls_conn *t, bool more, struct nu_io_result *out)
{
    struct nu_conn *c = t->conn;
    enum nu_tls_step step = nu_tls_step(io, t);
    const uint8_t *in = io->in;
    size_t n = io->n_in;
    *out = result(more ? NU_IO_OK : NU_IO_AGAIN, 0);
    if (step == NU_TLS_STEP_WAIT)
        return false;
    io->n_in = 0;
    nu_tls_io_end(io);
    if (step == NU_TLS_STEP_DONE)
        nu_tls_finish(io, t);
    nu_tls_io_begin(io, t, in, step == NU_TLS_STEP_DONE && nu_conn_is_open(c) ? n : 0);
    if (step == NU_TLS_STEP_DONE)
        return nu_conn_is_open(c);
    *out = result(NU_IO_ERROR, 0);
    return false;
}

static struct nu_io_result read_ciphertext(struct nu_tls_io *io, struct nu_tls_conn *t, struct nu_buf *to, bool more)
{
    struct nu_io_result r;
    size_t got = 0;
    if (t->hs != NULL && !read_handshake(io, t, more, &r))
        return r;
    enum nu_io_status status = open_records(io, t, to, &got);
    return result(status == NU_IO_AGAIN && more ? NU_IO_OK : status, got);
}

/* What was kept of earlier reads, in one piece; 0: nothing. */
static size_t take_spill(struct nu_tls_io *io, struct nu_tls_conn *t, uint8_t *to, size_t room)
{
    if (t->spill == NULL || t->spill->in.len == 0)
        return 0;
    size_t n = nu_min(t->spill->in.len, room);
    nu_buf_copy_out(&t->spill->in, 0, to, n);
    nu_buf_drain(&t->spill->in, &io->worker->bufs, n);
    if (t->spill->in.len == 0 && t->spill->out.len == 0)
        nu_tls_spill_clear(io, t);
    return n;
}

/* Without a handshake that is through, the end of the connection is no end in order. */
static struct nu_io_result at_end(struct nu_tls_conn *t)
{
    t->read_closed = 1;
    return result(t->hs != NULL ? NU_IO_ERROR : NU_IO_END, 0);
}

static struct nu_io_result read_failed(struct nu_tls_conn *t)
{
    if (errno == EAGAIN || errno == EINTR)
        return result(NU_IO_AGAIN, 0);
    t->conn->error = errno;
    t->failed = 1;
    nu_tls_system_error(t, errno);
    return result(NU_IO_ERROR, 0);
}

static struct nu_io_result tls_read(struct nu_conn *c, struct nu_buf *to, size_t limit)
{
    struct nu_tls_conn *t = nu_tls_conn_of(c);
    if (nu_unlikely(t->failed))
        return result(NU_IO_ERROR, 0);
    struct nu_tls_io *io = io_of(c);
    if (nu_unlikely(t->hs != NULL) && !nu_tls_may_step(io, t))
        return result(NU_IO_AGAIN, 0);
    if (nu_unlikely(t->read_closed))
        return result(NU_IO_AGAIN, 0); /* nothing after it counts */
    struct nu_block *b = nu_block_new(&c->worker->bufs, READ_SIZE);
    size_t room = limit < NU_BUF_PACKED ? NU_BUF_PACKED : nu_min(limit, (size_t)READ_SIZE);
    size_t n = nu_unlikely(t->spill != NULL) ? take_spill(io, t, b->data, room) : 0;
    bool more = n > 0, step = t->hs != NULL && t->hs->push;
    struct nu_io_result r = result(NU_IO_AGAIN, 0);
    if (n == 0 && !step) {
        ssize_t k = recv(nu_conn_fd(c), b->data, room, 0);
        n = k > 0 ? (size_t)k : 0;
        if (k <= 0)
            r = k == 0 ? at_end(t) : read_failed(t);
        more = n == room || c->peer_fin;
    }
    if (n > 0 || step) {
        nu_tls_io_begin(io, t, b->data, n);
        r = read_ciphertext(io, t, to, more || step);
        nu_tls_io_end(io);
    }
    nu_block_unref(b);
    return r;
}

/* ---- writing ---- */

/* The bytes of the next record: where they lie when that is in one piece, else gathered in `scratch`. */
static const uint8_t *next_record(const struct nu_buf *from, uint8_t *scratch, size_t *n)
{
    *n = nu_min(from->len, (size_t)RECORD);
    if (from->head->len >= *n)
        return from->head->ptr;
    nu_buf_copy_out(from, 0, scratch, *n);
    return scratch;
}

/* Seals and sends; false: what the library says is wrong, or the socket's error. */
static bool seal_all(struct nu_tls_io *io, struct nu_tls_conn *t, struct nu_buf *from, size_t *done)
{
    struct nu_block *scratch = NULL;
    bool ok = true, more = true;
    if (from->head != NULL && from->head->len < nu_min(from->len, (size_t)RECORD))
        scratch = nu_block_new(&io->worker->bufs, RECORD);
    while (ok && more && from->len > 0) {
        if (scratch == NULL && from->head->len < nu_min(from->len, (size_t)RECORD))
            scratch = nu_block_new(&io->worker->bufs, RECORD);
        size_t n;
        const uint8_t *bytes = next_record(from, scratch != NULL ? scratch->data : NULL, &n);
        ok = SSL_write(t->info.ssl, bytes, (int)n) == (int)n;
        if (!ok)
            break;
        nu_buf_drain(from, &io->worker->bufs, n);
        *done += n;
        if (io->n_out >= WRITE_SHARE)
            more = nu_tls_io_flush(io);
        more = more && !t->conn->transport_holds;
    }
    if (scratch != NULL)
        nu_block_unref(scratch);
    return ok;
}

static struct nu_io_result write_failed(struct nu_tls_conn *t, size_t done)
{
    t->failed = 1;
    if (t->conn->error != 0)
        nu_tls_system_error(t, t->conn->error);
    else
        nu_tls_drain_errors(t);
    return result(NU_IO_ERROR, done);
}

static void send_close_notify(struct nu_tls_conn *t)
{
    t->write_closed = 1;
    (void)SSL_shutdown(t->info.ssl);
    ERR_clear_error();
}

static struct nu_io_result write_handshake(struct nu_tls_io *io, struct nu_tls_conn *t)
{
    if (!t->hs->push || !nu_tls_may_step(io, t))
        return result(NU_IO_AGAIN, 0);
    nu_tls_io_begin(io, t, NULL, 0);
    enum nu_tls_step step = nu_tls_step(io, t);
    nu_tls_io_end(io);
    if (step == NU_TLS_STEP_DONE)
        nu_tls_finish(io, t);
    return result(step == NU_TLS_STEP_FAILED ? NU_IO_ERROR : NU_IO_AGAIN, 0);
}

static struct nu_io_result tls_write(struct nu_conn *c, struct nu_buf *from, bool end)
{
    struct nu_tls_conn *t = nu_tls_conn_of(c);
    struct nu_tls_io *io = io_of(c);
    size_t done = 0;
    if (nu_unlikely(t->failed))
        return result(NU_IO_ERROR, 0);
    if (nu_unlikely(t->spill != NULL) && !nu_tls_io_unspill(io, t))
        return c->error != 0 ? write_failed(t, 0) : result(NU_IO_AGAIN, 0);
    if (nu_unlikely(t->hs != NULL))
        return write_handshake(io, t);
    nu_tls_io_begin(io, t, NULL, 0);
    io->straight = from->len <= RECORD && !end;
    bool ok = seal_all(io, t, from, &done);
    if (ok && end && from->len == 0 && !t->write_closed)
        send_close_notify(t);
    nu_tls_io_end(io);
    if (nu_unlikely(!ok || c->error != 0))
        return write_failed(t, done);
    return result(c->transport_holds ? NU_IO_AGAIN : NU_IO_OK, done);
}

/* Envoy says close_notify whenever a handshake was through, unless it failed since. */
static void on_close(struct nu_conn *c, bool abrupt)
{
    struct nu_tls_conn *t = nu_tls_conn_of(c);
    if (t->hs != NULL) {
        nu_tls_handshake_free(t);
        return;
    }
    if (t->info.ssl == NULL || t->failed || t->write_closed || c->error != 0 || (abrupt && !t->read_closed))
        return;
    struct nu_tls_io *io = io_of(c);
    nu_tls_io_begin(io, t, NULL, 0);
    send_close_notify(t);
    nu_tls_io_end(io);
}

const struct nu_transport_ops nu_tls_client_ops = {
    .name = "tls",
    .on_attach = on_attach,
    .on_connected = on_connected,
    .read = tls_read,
    .write = tls_write,
    .on_close = on_close,
    .pool_key = nu_tls_pool_key,
    .preamble = nu_tls_preamble,
    .set_preamble = nu_tls_set_preamble,
};

const struct nu_transport_ops nu_tls_ops = {
    .name = "tls",
    .on_attach = on_attach,
    .on_connected = on_connected,
    .read = tls_read,
    .write = tls_write,
    .on_close = on_close,
};
