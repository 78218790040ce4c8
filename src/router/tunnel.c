/* SPDX-License-Identifier: Apache-2.0
 *
 * A TCP connection as a stream: for CONNECT requests that end in this proxy (connect_config). What the client sends after the
 * head goes to the connection, what comes back is the response's body. */
#include "net/filter.h"
#include "router/attempt.h"
#include "worker/worker.h"

/* In the connection's arena. */
struct tunnel {
    struct nu_net_filter filter;
    struct nu_codec_stream codec;
    uint64_t received, sent;
    bool ended_here, ended_there;
};

static struct tunnel *of(const struct nu_codec_stream *s)
{
    return (struct tunnel *)((uintptr_t)s - offsetof(struct tunnel, codec));
}

static struct tunnel *of_filter(struct nu_net_filter *f)
{
    return nu_container_of(f, struct tunnel, filter);
}

/* Both directions are through: nobody is told any more. */
static void close_if_done(struct tunnel *t)
{
    if (!t->ended_here || !t->ended_there)
        return;
    t->codec.user = NULL;
    nu_conn_close(t->filter.conn, NU_CLOSE_FLUSH);
}

/* ---- the connection tells ---- */

static enum nu_filter_status on_data(struct nu_net_filter *f, struct nu_buf *data, bool end)
{
    struct tunnel *t = of_filter(f);
    struct nu_stream_user *u = t->codec.user;
    t->received += data->len;
    t->ended_there = t->ended_there || end;
    if (u != NULL)
        u->ops->on_data(u, data, end);
    nu_buf_clear(data, &f->conn->worker->bufs);
    close_if_done(t);
    return NU_FILTER_STOP;
}

static void on_event(struct nu_net_filter *f, enum nu_conn_event ev)
{
    struct tunnel *t = of_filter(f);
    struct nu_stream_user *u = t->codec.user;
    if (ev == NU_CONN_CONNECTED || u == NULL)
        return;
    t->codec.user = NULL;
    u->ops->on_reset(u, NU_RESET_CONN_TERMINATION, NU_STR(""));
}

static void on_high(struct nu_net_filter *f)
{
    struct nu_stream_user *u = of_filter(f)->codec.user;
    if (u != NULL)
        u->ops->on_high(u);
}

static void on_low(struct nu_net_filter *f)
{
    struct nu_stream_user *u = of_filter(f)->codec.user;
    if (u != NULL)
        u->ops->on_low(u);
}

static const struct nu_net_filter_ops filter_ops = {
    .on_data = on_data, .on_event = on_event, .on_high = on_high, .on_low = on_low};

/* ---- the attempt asks ---- */

static void send_headers(struct nu_codec_stream *s, const struct nu_http_headers *h, bool end)
{
    struct nu_buf nothing = {0};
    (void)h;
    if (end)
        s->ops->data(s, &nothing, true);
}

static void send_informational(struct nu_codec_stream *s, const struct nu_http_headers *h)
{
    (void)s;
    (void)h;
}

static void send_data(struct nu_codec_stream *s, struct nu_buf *data, bool end)
{
    struct tunnel *t = of(s);
    t->sent += data->len;
    t->ended_here = t->ended_here || end;
    nu_conn_write(t->filter.conn, data, end);
    close_if_done(t);
}

static void send_trailers(struct nu_codec_stream *s, const struct nu_http_headers *h)
{
    send_headers(s, h, true);
}

static void reset(struct nu_codec_stream *s, enum nu_reset_reason why)
{
    (void)why;
    s->user = NULL;
    nu_conn_close(of(s)->filter.conn, NU_CLOSE_NOW);
}

static void read_pause(struct nu_codec_stream *s)
{
    nu_conn_read_pause(of(s)->filter.conn);
}

static void read_resume(struct nu_codec_stream *s)
{
    nu_conn_read_resume(of(s)->filter.conn);
}

static void wire_bytes(const struct nu_codec_stream *s, uint64_t *wire_in, uint64_t *wire_out, uint64_t *head_in,
                       uint64_t *head_out)
{
    const struct tunnel *t = of(s);
    *wire_in = t->received;
    *wire_out = t->sent;
    *head_in = *head_out = 0;
}

static const struct nu_codec_stream_ops codec_ops = {
    .headers = send_headers,
    .informational = send_informational,
    .data = send_data,
    .trailers = send_trailers,
    .reset = reset,
    .read_pause = read_pause,
    .read_resume = read_resume,
    .bytes = wire_bytes,
};

struct nu_codec_stream *nu_tunnel_new(struct nu_conn *c, struct nu_stream_user *user)
{
    struct tunnel *t = nu_arena_new(&c->arena, struct tunnel);
    t->filter.ops = &filter_ops;
    t->codec = (struct nu_codec_stream){.ops = &codec_ops, .user = user};
    c->half_close = 1;
    nu_conn_add_filter(c, &t->filter);
    return &t->codec;
}

void nu_tunnel_answer(struct nu_codec_stream *s)
{
    struct tunnel *t = of(s);
    struct nu_stream_user *u = s->user;
    struct nu_http_headers *h = nu_headers_new(u->arena, true);
    h->status = 200;
    u->ops->on_headers(u, h, false);
    if (s->user != NULL)
        nu_conn_start(t->filter.conn);
}
