/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/handshake.h"

#include "base/alloc.h"
#include "net/conn_priv.h"
#include "tls/tls_conn.h"
#include "tls/tls_stats.h"
#include "tls/transport.h"

/* ---- taking turns ---- */

static void arm_task(struct nu_task *task);

/* One handshake goes on. */
static void step_task(struct nu_task *task)
{
    struct nu_tls_io *io = nu_container_of(task, struct nu_tls_io, step_task);
    struct nu_list *n = nu_list_pop_front(&io->waiting);
    if (n == NULL)
        return;
    struct nu_tls_handshake *h = nu_list_entry(n, struct nu_tls_handshake, node);
    struct nu_conn *c = h->conn->conn;
    h->waiting = false;
    h->turn = true;
    c->readable = 1;
    nu_conn_queue_read(c); /* in this turn: soon tasks run until there are none */
    if (!nu_list_empty(&io->waiting))
        nu_loop_flush(io->worker->loop, &io->arm_task, arm_task);
}

/* At the end of a turn: for the next. */
static void arm_task(struct nu_task *task)
{
    struct nu_tls_io *io = nu_container_of(task, struct nu_tls_io, arm_task);
    nu_loop_soon(io->worker->loop, &io->step_task, step_task);
}

static bool is_cheap(const struct nu_tls_handshake *h)
{
    return h->flight_sent && !h->conn->ctx->asks_client;
}

bool nu_tls_may_step(struct nu_tls_io *io, struct nu_tls_conn *t)
{
    struct nu_tls_handshake *h = t->hs;
    uint64_t epoch = nu_loop_epoch(io->worker->loop);
    if (h->waiting || h->suspended != NULL)
        return false;
    if (h->turn || is_cheap(h)) {
        h->turn = false;
        return true;
    }
    if (io->step_epoch != epoch && nu_list_empty(&io->waiting)) {
        io->step_epoch = epoch;
        return true;
    }
    h->waiting = true;
    nu_list_push_back(&io->waiting, &h->node);
    nu_loop_flush(io->worker->loop, &io->arm_task, arm_task);
    return false;
}

/* ---- steps ---- */

static enum nu_tls_step suspend(struct nu_tls_handshake *h, const char *what)
{
    h->suspended = what;
    return NU_TLS_STEP_WAIT;
}

/* A server of TLS 1.3 that waits again has sent its flight, signature and all, unless it asked for another ClientHello. */
static bool has_done_its_part(const struct nu_tls_conn *t)
{
    return t->hs->cert != NULL && SSL_version(t->info.ssl) == TLS1_3_VERSION && !SSL_used_hello_retry_request(t->info.ssl);
}

enum nu_tls_step nu_tls_step(struct nu_tls_io *io, struct nu_tls_conn *t)
{
    (void)io;
    struct nu_tls_handshake *h = t->hs;
    h->push = false;
    int rc = SSL_do_handshake(t->info.ssl);
    if (rc == 1)
        return NU_TLS_STEP_DONE;
    switch (SSL_get_error(t->info.ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        h->flight_sent = has_done_its_part(t);
        return NU_TLS_STEP_WAIT;
    case SSL_ERROR_PENDING_CERTIFICATE:
        return suspend(h, "certificate");
    case SSL_ERROR_WANT_CERTIFICATE_VERIFY:
        return suspend(h, "verification");
    case SSL_ERROR_WANT_PRIVATE_KEY_OPERATION:
        return suspend(h, "private key");
    default:
        t->failed = 1;
        nu_tls_drain_errors(t);
        return NU_TLS_STEP_FAILED;
    }
}

void nu_tls_handshake_free(struct nu_tls_conn *t)
{
    struct nu_tls_handshake *h = t->hs;
    if (h == NULL)
        return;
    t->hs = NULL;
    if (h->waiting)
        nu_list_remove(&h->node);
    if (h->suspended != NULL && t->ctx->hooks != NULL && t->ctx->hooks->on_gone != NULL)
        t->ctx->hooks->on_gone(h);
    nu_free(h->signature);
    nu_free(h);
}

/* ---- the end ---- */

static void count_name(const struct nu_tls_conn *t, const char *family, const char *name)
{
    char buf[96];
    int n = snprintf(buf, sizeof(buf), "%s.%s", family, name);
    if (n > 0 && (size_t)n < sizeof(buf))
        nu_stat_dyn_add(t->ctx->scope, t->conn->worker->index, nu_str_make(buf, (size_t)n), 1);
}

static void count_done(const struct nu_tls_conn *t)
{
    const SSL *ssl = t->info.ssl;
    unsigned slab = t->conn->worker->index;
    if (t->ctx->scope == NULL)
        return;
    nu_stat_inc(t->ctx->scope, slab, NU_TLS_STAT_handshake);
    if (SSL_session_reused(ssl))
        nu_stat_inc(t->ctx->scope, slab, NU_TLS_STAT_session_reused);
    count_name(t, "ciphers", SSL_get_cipher_name(ssl));
    count_name(t, "versions", SSL_get_version(ssl));
    const char *name = SSL_get_group_id(ssl) != 0 ? SSL_get_group_name(SSL_get_group_id(ssl)) : NULL;
    if (name != NULL)
        count_name(t, "curves", name);
    uint16_t sigalg = SSL_get_peer_signature_algorithm(ssl);
    name = sigalg != 0 ? SSL_get_signature_algorithm_name(sigalg, 1) : NULL;
    if (name != NULL)
        count_name(t, "sigalgs", name);
    if (SSL_get0_peer_certificates(ssl) == NULL)
        nu_stat_inc(t->ctx->scope, slab, NU_TLS_STAT_no_certificate);
}

void nu_tls_finish(struct nu_tls_io *io, struct nu_tls_conn *t)
{
    struct nu_conn *c = t->conn;
    (void)io;
    count_done(t);
    const struct nu_tls_certificate *own = t->ctx->server ? t->hs->cert : t->ctx->n_certs > 0 ? &t->ctx->certs[0] : NULL;
    t->info.local = own != NULL ? own->leaf : NULL;
    t->info.validation = t->ctx->validation;
    t->info.done_ns = nu_loop_now_ns(c->worker->loop);
    c->info->has_tls = true;
    nu_tls_handshake_free(t);
    c->writable = 1; /* writes have been put off */
    c->readable = 1;
    nu_conn_queue_flush(c);
    nu_conn_transport_ready(c);
}

/* ---- suspended ---- */

struct nu_conn *nu_tls_handshake_conn(const struct nu_tls_handshake *h)
{
    return h->conn->conn;
}

static void go_on(struct nu_tls_handshake *h)
{
    struct nu_conn *c = h->conn->conn;
    h->suspended = NULL;
    h->push = true;
    c->readable = 1;
    nu_conn_queue_read(c);
}

void nu_tls_resume(struct nu_tls_handshake *h, enum nu_tls_answer answer, uint8_t alert)
{
    NU_ASSERT(answer == NU_TLS_YES || answer == NU_TLS_NO);
    if (h->choice == NU_TLS_LATER)
        h->choice = answer;
    else if (h->verdict == NU_TLS_LATER)
        h->verdict = answer;
    else if (h->key == NU_TLS_LATER)
        h->key = answer;
    h->alert = alert != 0 ? alert : SSL_AD_CERTIFICATE_UNKNOWN;
    go_on(h);
}

void nu_tls_resume_signed(struct nu_tls_handshake *h, const uint8_t *signature, size_t n)
{
    h->signature = nu_alloc(n);
    memcpy(h->signature, signature, n);
    h->n_signature = n;
    h->key = NU_TLS_YES;
    go_on(h);
}
