/* SPDX-License-Identifier: Apache-2.0
 *
 * The iteration of HTTP filters, Envoy's rules: each filter of a direction is offered headers, data and trailers in order;
 * one that stops holds back what comes (buffered here, bounded) until it continues. Decode walks head to tail, encode tail
 * to head; both are the same code. What leaves the encode direction goes to the codec (http/stream.c); the decode
 * direction ends in the terminal filter. */
#include "base/assert.h"
#include "http/hcm_stats.h"
#include "http/stream_priv.h"

enum { /* struct nu_http_filter's decode_state and encode_state */
    ITER_MASK = 3,
    ITER_CONTINUE = 0,
    ITER_STOP_SINGLE = 1,        /* stopped for this part; the next part is offered */
    ITER_STOP_ALL_BUFFER = 2,    /* stopped for everything */
    ITER_STOP_ALL_WATERMARK = 3,
    HEADERS_CONTINUED = 4,       /* the headers went on to the next filter */
    FROM_CURRENT = 8,            /* on continuing, this filter sees the buffered data itself */
    CONTINUE_PENDING = 16,       /* it continued while on the stack */
};

static uint8_t *state_of(struct nu_http_filter *f, enum chain_dir d)
{
    return d == DIR_DECODE ? &f->decode_state : &f->encode_state;
}

static bool *on_stack(struct nu_http_filter *f, enum chain_dir d)
{
    return d == DIR_DECODE ? &f->on_stack_decode : &f->on_stack_encode;
}

static bool *saw_end(struct nu_http_filter *f, enum chain_dir d)
{
    return d == DIR_DECODE ? &f->decode_saw_end : &f->encode_saw_end;
}

static struct nu_http_filter *first(const struct nu_http_stream *s, enum chain_dir d)
{
    return d == DIR_DECODE ? s->head : s->tail;
}

static struct nu_http_filter *after(const struct nu_http_filter *f, enum chain_dir d)
{
    return d == DIR_DECODE ? f->next : f->prev;
}

static unsigned iteration(struct nu_http_filter *f, enum chain_dir d)
{
    return *state_of(f, d) & ITER_MASK;
}

static void set_iteration(struct nu_http_filter *f, enum chain_dir d, unsigned to)
{
    uint8_t *st = state_of(f, d);
    *st = (uint8_t)((*st & ~(unsigned)ITER_MASK) | to);
}

static bool stopped_all(struct nu_http_filter *f, enum chain_dir d)
{
    return iteration(f, d) >= ITER_STOP_ALL_BUFFER;
}

/* Whether nothing may go on in this direction: the stream ended, or (decode) a local reply took over. */
static bool gone(const struct nu_http_stream *s, enum chain_dir d)
{
    return s->phase != STREAM_ACTIVE || s->dir[d].aborted;
}

/* ---- calling a filter ---- */

static void enter(struct nu_http_stream *s, enum chain_dir d, struct nu_http_filter *f)
{
    s->dir[d].at = f;
    *on_stack(f, d) = true;
}

/* Leaves the filter; a local reply that it asked for is sent now. true: the chain may go on. */
static bool leave(struct nu_http_stream *s, enum chain_dir d, struct nu_http_filter *f, struct nu_http_filter *outer)
{
    s->dir[d].at = outer;
    *on_stack(f, d) = false;
    if (nu_unlikely(s->pending_reply != NULL && s->dir[DIR_DECODE].at == NULL)) {
        const struct nu_local_reply *r = s->pending_reply;
        s->pending_reply = NULL;
        nu_http_stream_local_reply(s, r);
    }
    return !gone(s, d);
}

static void tell_complete(struct nu_http_filter *f, enum chain_dir d)
{
    void (*done)(struct nu_http_filter *) = d == DIR_DECODE ? f->ops->decode_complete : f->ops->encode_complete;
    if (done != NULL)
        done(f);
}

static bool take_pending_continue(struct nu_http_filter *f, enum chain_dir d)
{
    uint8_t *st = state_of(f, d);
    bool pending = (*st & CONTINUE_PENDING) != 0;
    *st = (uint8_t)(*st & ~CONTINUE_PENDING);
    return pending;
}

static void chain_continue(struct nu_http_filter *f, enum chain_dir d);

/* ---- the buffer of a direction ---- */

static void pause_sender(struct nu_http_stream *s, enum chain_dir d)
{
    if (d == DIR_DECODE)
        stream_pause_request(s);
    else
        stream_downstream_high(s);
}

static void resume_sender(struct nu_http_stream *s, enum chain_dir d)
{
    if (d == DIR_DECODE)
        stream_resume_request(s);
    else
        stream_downstream_low(s);
}

static void check_low(struct nu_http_stream *s, enum chain_dir d)
{
    struct chain *c = &s->dir[d];
    if (c->above_high && c->buffered.len <= s->buffer_limit / 2) {
        c->above_high = false;
        resume_sender(s, d);
    }
}

static void too_large(struct nu_http_stream *s, enum chain_dir d)
{
    static const struct nu_local_reply request_too_large = {
        .status = 413,
        .body = NU_STR_INIT("Payload Too Large"),
        .details = NU_STR_INIT("request_payload_too_large"),
        .grpc_status = -1,
    };
    static const struct nu_local_reply response_too_large = {
        .status = 500,
        .body = NU_STR_INIT("Internal Server Error"),
        .details = NU_STR_INIT("response_payload_too_large"),
        .grpc_status = -1,
    };
    nu_stat_inc(s->conf->scope, s->info.worker->index,
                d == DIR_DECODE ? NU_HCM_downstream_rq_too_large : NU_HCM_rs_too_large);
    if (d == DIR_ENCODE && nu_http_stream_responded(s))
        nu_http_stream_reset(s, NU_STR("response_payload_too_large"));
    else
        nu_http_stream_local_reply(s, d == DIR_DECODE ? &request_too_large : &response_too_large);
}

static void hold(struct nu_http_stream *s, enum chain_dir d, struct nu_buf *data)
{
    struct chain *c = &s->dir[d];
    c->has_buffered = true;
    if (data != &c->buffered)
        nu_buf_move(&c->buffered, data);
    if (s->buffer_limit == 0 || c->buffered.len <= s->buffer_limit || c->above_high)
        return;
    if (!c->streaming) {
        too_large(s, d);
        return;
    }
    c->above_high = true;
    pause_sender(s, d);
}

void chain_drop_buffer(struct nu_http_stream *s, enum chain_dir d)
{
    struct chain *c = &s->dir[d];
    nu_buf_clear(&c->buffered, &s->hc->filter.conn->worker->bufs);
    c->has_buffered = false;
    check_low(s, d);
}

/* ---- headers ---- */

static enum nu_headers_status call_headers(struct nu_http_filter *f, enum chain_dir d, struct nu_http_headers *h,
                                           bool end)
{
    enum nu_headers_status (*op)(struct nu_http_filter *, struct nu_http_headers *, bool) =
        d == DIR_DECODE ? f->ops->decode_headers : f->ops->encode_headers;
    return op != NULL ? op(f, h, end) : NU_HEADERS_CONTINUE;
}

/* Records what the filter answered; true: the headers go on. */
static bool after_headers(struct nu_http_filter *f, enum chain_dir d, enum nu_headers_status status)
{
    switch (status) {
    case NU_HEADERS_CONTINUE:
    case NU_HEADERS_CONTINUE_NO_END:
        *state_of(f, d) |= HEADERS_CONTINUED;
        return true;
    case NU_HEADERS_STOP:
        set_iteration(f, d, ITER_STOP_SINGLE);
        return false;
    case NU_HEADERS_STOP_ALL_BUFFER:
        set_iteration(f, d, ITER_STOP_ALL_BUFFER);
        return false;
    case NU_HEADERS_STOP_ALL_WATERMARK:
        set_iteration(f, d, ITER_STOP_ALL_WATERMARK);
        return false;
    }
    NU_UNREACHABLE();
}

/* A filter added a body to a message that had only headers: those behind it get it now. */
static void continue_added_data(struct nu_http_filter *adder, enum chain_dir d)
{
    if (adder == NULL || gone(adder->stream, d))
        return;
    set_iteration(adder, d, ITER_STOP_SINGLE);
    chain_continue(adder, d);
}

void chain_headers(struct nu_http_stream *s, enum chain_dir d, struct nu_http_filter *from, bool end)
{
    struct chain *c = &s->dir[d];
    struct nu_http_filter *adder = NULL;
    struct nu_http_filter *f = from != NULL ? after(from, d) : first(s, d);
    c->started = true;
    if (from == NULL)
        c->saw_end = end;
    for (; f != NULL; f = after(f, d)) {
        struct nu_http_filter *outer = c->at;
        bool filter_end = end && adder == NULL;
        *saw_end(f, d) = filter_end;
        enter(s, d, f);
        enum nu_headers_status status = call_headers(f, d, c->headers, filter_end);
        if (!leave(s, d, f, outer))
            return;
        if (filter_end)
            tell_complete(f, d);
        if (status == NU_HEADERS_CONTINUE_NO_END)
            end = false;
        bool on = after_headers(f, d, status);
        if (!on && take_pending_continue(f, d)) {
            chain_continue(f, d);
            return;
        }
        if (!on && (after(f, d) != NULL || d == DIR_ENCODE)) {
            continue_added_data(adder, d);
            return;
        }
        if (filter_end && c->has_buffered && adder == NULL)
            adder = f;
    }
    if (d == DIR_ENCODE)
        stream_encode_headers(s, c->headers, end && adder == NULL);
    continue_added_data(adder, d);
}

/* ---- data ---- */

static enum nu_data_status call_data(struct nu_http_filter *f, enum chain_dir d, struct nu_buf *data, bool end)
{
    enum nu_data_status (*op)(struct nu_http_filter *, struct nu_buf *, bool) =
        d == DIR_DECODE ? f->ops->decode_data : f->ops->encode_data;
    return op != NULL ? op(f, data, end) : NU_DATA_CONTINUE;
}

/* true: the data goes on to the next filter. */
static bool after_data(struct nu_http_stream *s, struct nu_http_filter *f, enum chain_dir d, enum nu_data_status status,
                       struct nu_buf *data, bool end)
{
    struct chain *c = &s->dir[d];
    if (status == NU_DATA_CONTINUE) {
        if (iteration(f, d) != ITER_STOP_SINGLE)
            return true;
        hold(s, d, data); /* it held earlier parts: they go first, together with this */
        chain_continue(f, d);
        return false;
    }
    set_iteration(f, d, ITER_STOP_SINGLE);
    if (status != NU_DATA_STOP_NO_BUFFER) {
        c->streaming = status == NU_DATA_STOP_WATERMARK;
        hold(s, d, data);
    } else if (end && c->trailers == NULL) {
        c->has_buffered = true; /* an empty end must go on when the filter continues */
    }
    if (take_pending_continue(f, d))
        chain_continue(f, d);
    return false;
}

static void run_data(struct nu_http_stream *s, enum chain_dir d, struct nu_http_filter *f, struct nu_buf *data,
                     bool end)
{
    struct chain *c = &s->dir[d];
    for (; f != NULL; f = after(f, d)) {
        struct nu_http_filter *outer = c->at;
        if (stopped_all(f, d)) {
            c->streaming = iteration(f, d) == ITER_STOP_ALL_WATERMARK;
            hold(s, d, data);
            return;
        }
        if (*saw_end(f, d)) /* its message ended before: what a filter behind it added is not for it */
            return;
        bool filter_end = end && c->trailers == NULL;
        *saw_end(f, d) = filter_end;
        enter(s, d, f);
        enum nu_data_status status = call_data(f, d, data, filter_end);
        if (!leave(s, d, f, outer))
            return;
        if (filter_end)
            tell_complete(f, d);
        if (!after_data(s, f, d, status, data, filter_end))
            return;
    }
    if (d == DIR_ENCODE)
        stream_encode_data(s, data, end && c->trailers == NULL);
}

void chain_data(struct nu_http_stream *s, enum chain_dir d, struct nu_http_filter *from, struct nu_buf *data, bool end)
{
    if (gone(s, d))
        return;
    if (end)
        s->dir[d].saw_end = true;
    run_data(s, d, from != NULL ? after(from, d) : first(s, d), data, end);
}

/* ---- trailers ---- */

static enum nu_trailers_status call_trailers(struct nu_http_filter *f, enum chain_dir d, struct nu_http_headers *t)
{
    enum nu_trailers_status (*op)(struct nu_http_filter *, struct nu_http_headers *) =
        d == DIR_DECODE ? f->ops->decode_trailers : f->ops->encode_trailers;
    return op != NULL ? op(f, t) : NU_TRAILERS_CONTINUE;
}

static void run_trailers(struct nu_http_stream *s, enum chain_dir d, struct nu_http_filter *f)
{
    struct chain *c = &s->dir[d];
    for (; f != NULL; f = after(f, d)) {
        struct nu_http_filter *outer = c->at;
        if (stopped_all(f, d))
            return;
        *saw_end(f, d) = true;
        enter(s, d, f);
        enum nu_trailers_status status = call_trailers(f, d, c->trailers);
        if (!leave(s, d, f, outer))
            return;
        tell_complete(f, d);
        if (status == NU_TRAILERS_STOP) {
            set_iteration(f, d, ITER_STOP_SINGLE);
            if (take_pending_continue(f, d))
                chain_continue(f, d);
            return;
        }
        if (iteration(f, d) == ITER_STOP_SINGLE) { /* it held headers or data: they go first */
            chain_continue(f, d);
            return;
        }
    }
    if (d == DIR_ENCODE)
        stream_encode_trailers(s, c->trailers);
}

void chain_trailers(struct nu_http_stream *s, enum chain_dir d, struct nu_http_filter *from)
{
    if (gone(s, d))
        return;
    s->dir[d].saw_end = true;
    run_trailers(s, d, from != NULL ? after(from, d) : first(s, d));
}

/* ---- continuing ---- */

static void release_buffered(struct nu_http_stream *s, struct nu_http_filter *f, enum chain_dir d, bool end)
{
    struct chain *c = &s->dir[d];
    struct nu_http_filter *start = (*state_of(f, d) & FROM_CURRENT) != 0 ? f : after(f, d);
    struct nu_buf *data = &c->buffered;
    c->has_buffered = false;
    run_data(s, d, start, data, end);
    if (s->phase == STREAM_ACTIVE)
        check_low(s, d);
}

static void chain_continue(struct nu_http_filter *f, enum chain_dir d)
{
    struct nu_http_stream *s = f->stream;
    struct chain *c = &s->dir[d];
    uint8_t *st = state_of(f, d);
    if (gone(s, d))
        return;
    if (*on_stack(f, d)) {
        *st |= CONTINUE_PENDING;
        return;
    }
    if (iteration(f, d) == ITER_CONTINUE)
        return;
    if (stopped_all(f, d))
        *st |= FROM_CURRENT;
    set_iteration(f, d, ITER_CONTINUE);
    if ((*st & HEADERS_CONTINUED) == 0) {
        *st |= HEADERS_CONTINUED;
        chain_headers(s, d, f, c->saw_end && !c->has_buffered && c->trailers == NULL);
        if (gone(s, d))
            return;
    }
    bool had_trailers = c->trailers != NULL;
    if (c->has_buffered)
        release_buffered(s, f, d, c->saw_end && !had_trailers);
    if (had_trailers && !gone(s, d))
        run_trailers(s, d, (*st & FROM_CURRENT) != 0 ? f : after(f, d));
    *st = (uint8_t)(*st & ~FROM_CURRENT);
}

void nu_http_filter_continue_decode(struct nu_http_filter *f)
{
    chain_continue(f, DIR_DECODE);
}

void nu_http_filter_continue_encode(struct nu_http_filter *f)
{
    chain_continue(f, DIR_ENCODE);
}

/* ---- what filters add and change ---- */

static struct nu_buf *buffer_of(struct nu_http_filter *f, enum chain_dir d)
{
    struct chain *c = &f->stream->dir[d];
    return c->has_buffered ? &c->buffered : NULL;
}

struct nu_buf *nu_http_filter_decode_buffer(struct nu_http_filter *f)
{
    return buffer_of(f, DIR_DECODE);
}

struct nu_buf *nu_http_filter_encode_buffer(struct nu_http_filter *f)
{
    return buffer_of(f, DIR_ENCODE);
}

static void add_data(struct nu_http_filter *f, enum chain_dir d, struct nu_buf *data, bool streaming)
{
    struct nu_http_stream *s = f->stream;
    s->dir[d].streaming = streaming;
    if (*on_stack(f, d) || iteration(f, d) != ITER_CONTINUE)
        hold(s, d, data);
    else
        chain_data(s, d, f, data, false);
}

void nu_http_filter_add_decoded(struct nu_http_filter *f, struct nu_buf *data, bool streaming)
{
    add_data(f, DIR_DECODE, data, streaming);
}

void nu_http_filter_add_encoded(struct nu_http_filter *f, struct nu_buf *data, bool streaming)
{
    add_data(f, DIR_ENCODE, data, streaming);
}

static void inject(struct nu_http_filter *f, enum chain_dir d, struct nu_buf *data, bool end)
{
    uint8_t *st = state_of(f, d);
    struct nu_http_stream *s = f->stream;
    if (gone(s, d))
        return;
    if ((*st & HEADERS_CONTINUED) == 0) {
        *st |= HEADERS_CONTINUED;
        set_iteration(f, d, ITER_CONTINUE);
        chain_headers(s, d, f, false);
    }
    chain_data(s, d, f, data, end);
}

void nu_http_filter_inject_decoded(struct nu_http_filter *f, struct nu_buf *data, bool end)
{
    inject(f, DIR_DECODE, data, end);
}

void nu_http_filter_inject_encoded(struct nu_http_filter *f, struct nu_buf *data, bool end)
{
    inject(f, DIR_ENCODE, data, end);
}

/* ---- 1xx ---- */

void chain_informational(struct nu_http_stream *s, struct nu_http_headers *h)
{
    for (struct nu_http_filter *f = first(s, DIR_ENCODE); f != NULL; f = after(f, DIR_ENCODE)) {
        struct nu_http_filter *outer = s->dir[DIR_ENCODE].at;
        if (f->ops->encode_informational == NULL)
            continue;
        enter(s, DIR_ENCODE, f);
        enum nu_headers_status status = f->ops->encode_informational(f, h);
        if (!leave(s, DIR_ENCODE, f, outer) || status != NU_HEADERS_CONTINUE)
            return;
    }
    stream_encode_informational(s, h);
}
