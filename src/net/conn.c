/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a connection: made, connected, closed, freed. All memory of it is in its arena, the struct itself first:
 * an idle connection is one or two small heap chunks. */
#include "net/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/conn_priv.h"
#include "net/filter.h"
#include "net/listener_filter.h"
#include "net/log_ids.h"
#include "stats/stats.h"

/* Room in the first chunk of a connection for its owner's bookkeeping and its filters: what an HTTP/1 connection needs, so
 * that an idle one has one chunk with nothing to spare. Downstream: the listener's 48 bytes, the connection manager's 112, the
 * session's 80. Upstream: the pool's 224, the session's 160, the record's details. */
#define ROOM_DOWNSTREAM 240u
#define ROOM_UPSTREAM (384u + sizeof(struct nu_conn_details))
/* Later chunks. */
#define NEXT_CHUNK 480u
#define CHUNK_HEAD 16u

/* As the arena rounds. */
#define ROUNDED(size) (((size) + 15u) & ~(size_t)15u)
#define ROOM_CONN (CHUNK_HEAD + ROUNDED(sizeof(struct nu_conn)) + ROUNDED(sizeof(struct nu_conn_info)))

void nu_conn_arena_init(struct nu_arena *a)
{
    nu_arena_init_sized(a, ROOM_CONN + ROOM_DOWNSTREAM);
}

static struct nu_conn *make(struct nu_worker *w, struct nu_arena *arena, struct nu_conn_info *info,
                            const struct nu_transport_conf *transport, uint32_t limit)
{
    struct nu_conn *c = nu_arena_new(arena, struct nu_conn);
    c->info = info != NULL ? info : nu_arena_new(arena, struct nu_conn_info);
    c->arena = *arena;
    c->arena.chunk_size = NEXT_CHUNK;
    c->info->arena = &c->arena;
    c->worker = w;
    c->watch.fd = -1;
    c->transport = transport;
    c->buffer_limit = limit;
    if (c->info->id == 0)
        c->info->id = nu_worker_next_id(w);
    nu_list_push_back(&w->conns, &c->node);
    if (transport->ops->on_attach != NULL)
        transport->ops->on_attach(c, transport);
    return c;
}

struct nu_conn *nu_conn_accepted(struct nu_worker *w, int fd, const struct nu_transport_conf *transport,
                                 uint32_t limit)
{
    struct nu_arena arena;
    nu_conn_arena_init(&arena);
    struct nu_conn *c = make(w, &arena, NULL, transport, limit);
    c->watch.fd = fd;
    c->state = NU_CONN_OPEN;
    c->writable = 1;
    return c;
}

struct nu_conn *nu_conn_from_accepting(struct nu_accepting *a, const struct nu_transport_conf *transport,
                                       uint32_t limit)
{
    struct nu_conn *c = make(a->worker, &a->arena, a->info, transport, limit);
    c->watch.fd = a->fd;
    c->state = NU_CONN_OPEN;
    c->writable = 1;
    nu_buf_move(&c->in, &a->early);
    a->arena = (struct nu_arena){0};
    a->info = NULL;
    a->fd = -1;
    return c;
}

void nu_conn_start(struct nu_conn *c)
{
    NU_ASSERT(!c->started);
    c->started = 1;
    if (c->state == NU_CONN_OPEN && !c->watched) {
        c->watched = 1;
        nu_loop_watch(c->worker->loop, &c->watch, c->watch.fd, nu_conn_on_ready);
    }
    nu_filters_start(c);
    if (c->state == NU_CONN_OPEN && !c->transport_up && !c->upstream)
        c->transport->ops->on_connected(c);
    if (c->in.len > 0 || (c->readable && c->state == NU_CONN_OPEN))
        nu_conn_redispatch(c);
}

/* ---- connecting ---- */

static void on_connect_timeout(struct nu_timer *t)
{
    struct nu_conn *c = nu_container_of(t, struct nu_conn, timer);
    c->error = ETIMEDOUT;
    nu_conn_end(c, NU_CONN_REMOTE_CLOSE, false);
}

/* The failure that connect(2) told at once, reported when the caller is ready to hear it. */
static void on_failed_connect(struct nu_task *t)
{
    struct nu_conn *c = nu_container_of(t, struct nu_conn, soon_task);
    if (c->state == NU_CONN_CONNECTING)
        nu_conn_end(c, NU_CONN_REMOTE_CLOSE, false);
}

static void set_int(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value)); /* an option that fails costs speed only */
}

static void set_keepalive(int fd, const struct nu_connect_options *o)
{
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (o->keepalive_probes > 0)
        set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, o->keepalive_probes);
    if (o->keepalive_time_s > 0)
        set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, o->keepalive_time_s);
    if (o->keepalive_interval_s > 0)
        set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, o->keepalive_interval_s);
}

/* A socket that connects; or -1 and *err. *err may be set (refused at once) with a socket. */
static int open_socket(const struct nu_connect_options *o, int *err)
{
    struct sockaddr_storage to, from;
    int family = o->address->sock.family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *err = 0;
    if (fd < 0) {
        *err = errno;
        return -1;
    }
    if (family != AF_UNIX)
        set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (o->keepalive)
        set_keepalive(fd, o);
    if (o->source != NULL) {
        socklen_t len = nu_address_sockaddr(o->source, &from);
        if (bind(fd, (struct sockaddr *)&from, len) != 0)
            *err = errno;
    }
    socklen_t len = nu_address_sockaddr(o->address, &to);
    if (*err == 0 && connect(fd, (struct sockaddr *)&to, len) != 0 && errno != EINPROGRESS)
        *err = errno;
    return fd;
}

struct nu_conn *nu_conn_connect(struct nu_worker *w, const struct nu_connect_options *o)
{
    struct nu_arena arena;
    nu_arena_init_sized(&arena, ROOM_CONN + ROOM_UPSTREAM);
    struct nu_conn *c = make(w, &arena, NULL, o->transport, o->buffer_limit);
    c->upstream = 1;
    c->no_early_close = 1;
    c->state = NU_CONN_CONNECTING;
    c->info->remote = o->address->sock;
    int err;
    int fd = open_socket(o, &err);
    c->watch.fd = fd;
    nu_log_conn(connection, NU_LOG_DEBUG, c->info, "connects to %.*s", NU_STR_ARG(o->address->text));
    if (err != 0) {
        c->error = err;
        nu_conn_details_edit(c->info)->transport_failure =
            nu_arena_printf(&c->arena, "immediate connect error: %s|remote address:%.*s", strerror(err),
                            NU_STR_ARG(o->address->text));
        nu_loop_soon(w->loop, &c->soon_task, on_failed_connect);
        return c;
    }
    c->watched = 1;
    nu_loop_watch(w->loop, &c->watch, fd, nu_conn_on_ready);
    nu_timer_init(&c->timer, on_connect_timeout);
    if (o->timeout.v > 0)
        nu_timer_arm(w->loop, &c->timer, o->timeout);
    return c;
}

/* connect(2) is decided when the socket is writable; without an error event it has succeeded. */
void nu_conn_finish_connect(struct nu_conn *c, uint32_t ready)
{
    if (ready & (NU_FD_ERROR | NU_HANGUP)) {
        socklen_t len = sizeof(c->error);
        if (getsockopt(c->watch.fd, SOL_SOCKET, SO_ERROR, &c->error, &len) != 0 || c->error == 0)
            c->error = ECONNREFUSED;
        nu_conn_details_edit(c->info)->transport_failure =
            nu_arena_printf(&c->arena, "delayed connect error: %s", strerror(c->error));
        nu_log_conn(connection, NU_LOG_DEBUG, c->info, "%.*s", NU_STR_ARG(nu_conn_details(c->info)->transport_failure));
        nu_conn_end(c, NU_CONN_REMOTE_CLOSE, false);
        return;
    }
    if ((ready & NU_WRITABLE) == 0)
        return;
    c->state = NU_CONN_OPEN;
    nu_log_conn(connection, NU_LOG_DEBUG, c->info, "connected");
    c->transport->ops->on_connected(c);
    if (c->out.len > 0 || (c->state == NU_CONN_OPEN && !c->transport_up))
        nu_conn_queue_flush(c);
}

void nu_conn_local_sockaddr(const struct nu_conn *c, struct nu_sockaddr *out)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    *out = (struct nu_sockaddr){.family = AF_UNSPEC};
    if (c->watch.fd < 0 || getsockname(c->watch.fd, (struct sockaddr *)&ss, &len) != 0)
        return;
    if (ss.ss_family == AF_INET || ss.ss_family == AF_INET6)
        memcpy(out, &ss, sizeof(*out));
    else
        out->family = ss.ss_family;
}

/* The state of a transport that has told of TLS begins with what is known about it. */
const struct nu_tls_info *nu_conn_tls(const struct nu_conn_info *c)
{
    return c->has_tls ? nu_container_of(c->arena, struct nu_conn, arena)->transport_state : NULL;
}

struct nu_stream_info *nu_conn_stream_info(struct nu_conn *c)
{
    if (c->stream != NULL)
        return c->stream;
    struct nu_stream_info *si = nu_arena_new(&c->arena, struct nu_stream_info);
    si->worker = c->worker;
    si->arena = &c->arena;
    si->conn = c->info;
    si->metadata = nu_conn_details(c->info)->metadata; /* what listener filters found */
    si->id = c->info->id;
    si->start_ns = nu_loop_now_ns(c->worker->loop);
    si->start_wall_ns = nu_loop_wall_ns(c->worker->loop);
    c->stream = si;
    return si;
}

/* ---- events ---- */

static void tell(struct nu_conn *c, enum nu_conn_event ev)
{
    nu_filters_on_event(c, ev);
    for (struct nu_conn_watcher *w = c->watchers, *next; w != NULL; w = next) {
        next = w->next; /* a watcher may take itself out */
        w->on_event(w, c, ev);
    }
}

void nu_conn_transport_ready(struct nu_conn *c)
{
    NU_ASSERT(!c->transport_up);
    c->transport_up = 1;
    if (c->upstream)
        nu_timer_cancel(c->worker->loop, &c->timer);
    tell(c, NU_CONN_CONNECTED);
}

void nu_conn_watch(struct nu_conn *c, struct nu_conn_watcher *w)
{
    w->next = c->watchers;
    c->watchers = w;
}

void nu_conn_unwatch(struct nu_conn *c, struct nu_conn_watcher *w)
{
    for (struct nu_conn_watcher **at = &c->watchers; *at != NULL; at = &(*at)->next) {
        if (*at != w)
            continue;
        *at = w->next;
        return;
    }
}

/* ---- closing ---- */

static void on_delayed_close(struct nu_timer *t)
{
    struct nu_conn *c = nu_container_of(t, struct nu_conn, timer);
    if (c->stats != NULL && c->stats->delayed_close_timeout >= 0)
        nu_stat_inc(c->stats->scope, c->worker->index, (unsigned)c->stats->delayed_close_timeout);
    nu_conn_end(c, NU_CONN_LOCAL_CLOSE, false);
}

void nu_conn_arm_delayed_close(struct nu_conn *c)
{
    if (nu_ms_is_zero(c->delayed_close))
        return;
    if (c->timer.on_fire != on_delayed_close) {
        nu_timer_cancel(c->worker->loop, &c->timer);
        nu_timer_init(&c->timer, on_delayed_close);
    }
    nu_timer_arm(c->worker->loop, &c->timer, c->delayed_close);
}

static void free_conn(struct nu_task *t)
{
    struct nu_conn *c = nu_container_of(t, struct nu_conn, flush_task);
    struct nu_buf_pool *bufs = &c->worker->bufs;
    nu_filters_free(c);
    nu_buf_clear(&c->in, bufs);
    nu_buf_clear(&c->out, bufs);
    nu_arena_clean_up(&c->arena);
    for (struct nu_conn_watcher *w = c->watchers; w != NULL; w = w->next)
        if (w->on_free != NULL)
            w->on_free(w);
    struct nu_arena arena = c->arena; /* c lies in it */
    nu_arena_clear(&arena);
}

static void close_socket(struct nu_conn *c, enum nu_conn_event ev, bool reset)
{
    struct nu_loop *loop = c->worker->loop;
    if (c->transport->ops->on_close != NULL)
        c->transport->ops->on_close(c, reset || ev == NU_CONN_REMOTE_CLOSE);
    if (reset && c->watch.fd >= 0) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    nu_loop_close(loop, &c->watch);
}

void nu_conn_end(struct nu_conn *c, enum nu_conn_event ev, bool reset)
{
    struct nu_loop *loop = c->worker->loop;
    NU_ASSERT(c->state != NU_CONN_CLOSED);
    c->state = NU_CONN_CLOSED;
    nu_str why = nu_conn_details(c->info)->local_close_reason;
    nu_log_conn(connection, NU_LOG_DEBUG, c->info, "closed by %s%s%s%.*s",
                ev == NU_CONN_LOCAL_CLOSE ? "us" : "the peer", reset || c->reset ? " (reset)" : "",
                why.len > 0 ? ": " : "", NU_STR_ARG(why));
    c->local_closed = ev == NU_CONN_LOCAL_CLOSE;
    nu_timer_cancel(loop, &c->timer);
    close_socket(c, ev, reset);
    nu_loop_cancel_task(loop, &c->soon_task);
    nu_loop_cancel_task(loop, &c->flush_task);
    nu_list_remove(&c->node);
    nu_splice_end(c);
    nu_conn_count_buffers(c, 0, 0);
    tell(c, ev);
    nu_loop_defer(loop, &c->flush_task, free_conn);
}

static void begin_closing(struct nu_conn *c, enum nu_close_type type)
{
    if (c->state == NU_CONN_CLOSING) { /* asked again: only faster */
        if (type == NU_CLOSE_FLUSH && c->close_type == NU_CLOSE_FLUSH_DELAY)
            c->close_type = (uint8_t)type;
    } else {
        c->state = NU_CONN_CLOSING;
        c->close_type = (uint8_t)type;
        nu_conn_arm_delayed_close(c);
    }
    nu_conn_queue_flush(c);
}

void nu_conn_close_why(struct nu_conn *c, enum nu_close_type type, nu_str details)
{
    if (c->state == NU_CONN_CLOSED)
        return;
    if (details.ptr != NULL && nu_conn_details(c->info)->local_close_reason.ptr == NULL)
        nu_conn_details_edit(c->info)->local_close_reason = details;
    bool abort = type == NU_CLOSE_ABORT;
    /* Before that nothing can be flushed (Envoy's canFlushClose). */
    bool connected = c->state != NU_CONN_CONNECTING && (c->transport_up || !c->transport->secure);
    if (!abort && type != NU_CLOSE_NOW && connected) {
        begin_closing(c, type);
        return;
    }
    /* Nobody waits for the flush, but what the kernel takes now may go. */
    if (nu_conn_pending(c) > 0 && c->writable && connected)
        nu_conn_count_written(c, nu_conn_put(c, !abort).n);
    nu_conn_end(c, NU_CONN_LOCAL_CLOSE, abort);
}

void nu_conn_close(struct nu_conn *c, enum nu_close_type type)
{
    nu_conn_close_why(c, type, NU_STR_NONE);
}

void nu_conn_drain_all(struct nu_worker *w)
{
    nu_list_foreach(node, &w->conns) {
        struct nu_conn *c = nu_list_entry(node, struct nu_conn, node);
        for (struct nu_net_filter *f = c->filters_head; f != NULL && !c->upstream && nu_conn_is_open(c); f = f->next)
            if (f->ops->on_drain != NULL)
                f->ops->on_drain(f);
    }
}

void nu_conn_close_all(struct nu_worker *w)
{
    struct nu_list *n;
    while ((n = w->conns.next) != &w->conns)
        nu_conn_close(nu_list_entry(n, struct nu_conn, node), NU_CLOSE_NOW);
}
