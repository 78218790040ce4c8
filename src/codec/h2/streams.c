/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams: finding them, what is known of those that are over, beginnings and ends (RFC 9113 s5.1).
 *
 * Of closed streams nothing is kept but two bits each for the last 64 identifiers: whether it was opened at all, and
 * whether we reset it. That tells a peer that breaks the protocol from one whose frames crossed with our RST_STREAM. */
#include "base/alloc.h"
#include "codec/h2/h2_priv.h"

/* ---- the table: chains by identifier ---- */

/* Those of one side are consecutive, which makes chains of one; the upper bits are in it for peers that leave gaps. */
static struct nu_h2_stream **chain_of(const struct nu_h2 *c, uint32_t id)
{
    uint32_t n = id >> 1, upper = n >> __builtin_ctz(c->table_cap);
    return &c->table[(n + upper * 0x9e3779b1u) & (c->table_cap - 1)];
}

struct nu_h2_stream *h2_find(const struct nu_h2 *c, uint32_t id)
{
    struct nu_h2_stream *s = *chain_of(c, id);
    while (s != NULL && s->id != id)
        s = s->chain;
    return s;
}

static void table_put(struct nu_h2 *c, struct nu_h2_stream *s)
{
    struct nu_h2_stream **chain = chain_of(c, s->id);
    s->chain = *chain;
    *chain = s;
}

static void table_grow(struct nu_h2 *c)
{
    struct nu_h2_stream **old = c->table;
    c->table_cap *= 2;
    c->table = nu_calloc(c->table_cap, sizeof(struct nu_h2_stream *));
    nu_list_foreach (l, &c->streams)
        table_put(c, nu_list_entry(l, struct nu_h2_stream, node));
    if (old != c->few)
        nu_free(old);
}

static void table_del(struct nu_h2 *c, const struct nu_h2_stream *s)
{
    struct nu_h2_stream **at = chain_of(c, s->id);
    while (*at != s)
        at = &(*at)->chain;
    *at = s->chain;
}

/* ---- those that are over ---- */

static uint32_t newest_id(const struct nu_h2 *c)
{
    return c->server ? c->last_peer_id : c->next_id - 2;
}

bool h2_is_idle(const struct nu_h2 *c, uint32_t id)
{
    /* Nobody pushes: even ones are never opened. */
    return (id & 1) == 0 || (c->server ? id > c->last_peer_id : id >= c->next_id);
}

void h2_note_opened(struct nu_h2 *c, uint32_t id)
{
    uint32_t steps = c->server ? (id - c->last_peer_id + 1) / 2 : 1;
    c->recent_opened = steps < 64 ? c->recent_opened << steps | 1 : 1;
    c->recent_reset = steps < 64 ? c->recent_reset << steps : 0;
    if (c->server)
        c->last_peer_id = id;
    else
        c->next_id = id + 2;
    c->n_opened++;
}

void h2_note_reset(struct nu_h2 *c, uint32_t id)
{
    uint32_t age = (newest_id(c) - id) / 2;
    if (age < 64)
        c->recent_reset |= 1ull << age;
}

enum h2_past h2_past_of(const struct nu_h2 *c, uint32_t id)
{
    uint32_t age = (newest_id(c) - id) / 2;
    if (age >= 64)
        return H2_PAST_LONG_AGO;
    if ((c->recent_reset >> age & 1) != 0)
        return H2_PAST_RESET_BY_US;
    return (c->recent_opened >> age & 1) != 0 ? H2_PAST_ENDED : H2_PAST_SKIPPED;
}

/* ---- beginning and end ---- */

bool h2_call(struct nu_h2 *c, struct nu_h2_stream *s, void (*fn)(struct nu_h2_stream *s))
{
    if (fn == NULL)
        return true;
    struct nu_h2_guard g = {.stream = s, .outer = c->guards};
    c->guards = &g;
    fn(s);
    c->guards = g.outer;
    return g.stream != NULL;
}

void h2_stream_begin(struct nu_h2 *c, struct nu_h2_stream *s, uint32_t id)
{
    s->conn = c;
    s->id = id;
    s->send_window = c->peer_initial_window;
    s->recv_window = c->opt->initial_stream_window_size;
    s->opened_ms = c->now_ms;
    if (c->n_streams++ == c->table_cap)
        table_grow(c);
    nu_list_push_back(&c->streams, &s->node);
    table_put(c, s);
}

static bool caused_by_peer(const struct nu_h2_reset *why)
{
    if (why == NULL)
        return false;
    switch (why->cause) {
    case NU_H2_RESET_REMOTE:
    case NU_H2_RESET_MESSAGE:
    case NU_H2_RESET_LIMIT:
    case NU_H2_RESET_FAULT:
        return true;
    case NU_H2_RESET_GOAWAY:
    case NU_H2_RESET_CONNECTION:
        break;
    }
    return false;
}

void h2_stream_close(struct nu_h2 *c, struct nu_h2_stream *s, const struct nu_h2_reset *why)
{
    NU_ASSERT(s->conn == c && !s->closed);
    s->closed = true;
    if (c->current == s)
        c->current = NULL;
    for (struct nu_h2_guard *g = c->guards; g != NULL; g = g->outer)
        if (g->stream == s)
            g->stream = NULL;
    if (c->block.stream_id == s->id)
        c->block.wanted = false;
    if (c->iter == &s->node)
        c->iter = s->node.next;
    nu_list_remove(&s->node);
    nu_list_remove(&s->ready);
    table_del(c, s);
    c->n_streams--;
    h2_drop_queue(c, s);
    nu_free(s->trailers);
    s->trailers = NULL;
    if (s->recv_held > 0)
        h2_consume_connection(c, s->recv_held);
    s->recv_held = 0;
    h2_track_closed(c, s, caused_by_peer(why));
    if (why != NULL)
        c->ops->on_reset(s, why);
    c->ops->on_closed(s);
}

static void reset_by_us(struct nu_h2 *c, struct nu_h2_stream *s, enum nu_h2_code code, const struct nu_h2_reset *why)
{
    h2_send_rst(c, s, s->id, code);
    h2_note_reset(c, s->id);
    h2_stream_close(c, s, why);
}

void h2_stream_error(struct nu_h2 *c, struct nu_h2_stream *s, enum nu_h2_code code, enum nu_h2_reset_cause cause,
                     nu_str details)
{
    const struct nu_h2_reset why = {.cause = cause, .code = code, .details = details};
    reset_by_us(c, s, code, &why);
}

void h2_message_error(struct nu_h2 *c, struct nu_h2_stream *s, nu_str details, nu_str reason)
{
    h2_count(c, NU_H2_COUNT_rx_messaging_error);
    if (c->opt->stream_error_on_invalid)
        h2_stream_error(c, s, NU_H2_PROTOCOL_ERROR, NU_H2_RESET_MESSAGE, details);
    else
        h2_protocol_error(c, NU_H2_PROTOCOL_ERROR, reason);
}

void nu_h2_reset(struct nu_h2_stream *s, enum nu_h2_code code)
{
    if (s->conn != NULL && !s->closed)
        reset_by_us(s->conn, s, code, NULL);
}

void h2_end_received(struct nu_h2 *c, struct nu_h2_stream *s)
{
    s->end_received = true;
    if (s->end_sent)
        h2_stream_close(c, s, NULL);
}

void h2_end_sent(struct nu_h2 *c, struct nu_h2_stream *s)
{
    s->end_sent = true;
    if (!h2_call(c, s, c->ops->on_end_sent))
        return;
    if (s->end_received && !(c->ending && c->current == s)) /* else the user is just being told, and it closes after that */
        h2_stream_close(c, s, NULL);
    else if (s->reset_after_end && !s->end_received)
        reset_by_us(c, s, (enum nu_h2_code)s->reset_code, NULL);
}

void nu_h2_reset_after_end(struct nu_h2_stream *s, enum nu_h2_code code)
{
    struct nu_h2 *c = s->conn;
    if (c == NULL || s->closed)
        return;
    NU_ASSERT(s->end_queued);
    if (s->end_received)
        return;
    if (s->end_sent) {
        reset_by_us(c, s, code, NULL);
        return;
    }
    s->reset_after_end = true;
    s->reset_code = code;
}

void h2_each_stream(struct nu_h2 *c, void (*fn)(struct nu_h2 *c, struct nu_h2_stream *s, int64_t arg), int64_t arg)
{
    bool nested = c->iter != NULL;
    for (struct nu_list *l = c->streams.next; l != &c->streams; l = c->iter) {
        c->iter = l->next;
        fn(c, nu_list_entry(l, struct nu_h2_stream, node), arg);
    }
    /* The only walk inside another is that of nu_h2_close, after which nothing is left. */
    c->iter = nested ? &c->streams : NULL;
}
