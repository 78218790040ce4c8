/* SPDX-License-Identifier: Apache-2.0 */
#include "http/stream_limiter.h"

#include "worker/worker.h"

#define FILL_INTERVAL NU_MS(50)

static struct nu_worker *worker_of(const struct nu_stream_limiter *l)
{
    return nu_http_stream_worker(l->filter->stream);
}

/* Takes at most `wanted` tokens. */
static size_t take_tokens(struct nu_stream_limiter *l, size_t wanted)
{
    uint64_t now = nu_loop_now_ns(worker_of(l)->loop);
    l->tokens += (double)(now - l->filled_ns) / 1e9 * l->bytes_per_second;
    l->filled_ns = now;
    if (l->tokens > l->bytes_per_second)
        l->tokens = l->bytes_per_second;
    size_t got = l->tokens >= (double)wanted ? wanted : (size_t)l->tokens;
    l->tokens -= (double)got;
    return got;
}

static void check_marks(struct nu_stream_limiter *l)
{
    uint64_t limit = nu_http_stream_buffer_limit(l->filter->stream);
    if (limit == 0)
        return;
    if (!l->paused && l->held.len > limit) {
        l->paused = true;
        nu_http_stream_pause_response(l->filter->stream);
    } else if (l->paused && l->held.len <= limit / 2) {
        l->paused = false;
        nu_http_stream_resume_response(l->filter->stream);
    }
}

/* What is sent may end the stream, which ends the limiter: everything else comes first. */
static void on_timer(struct nu_timer *t)
{
    struct nu_stream_limiter *l = nu_container_of(t, struct nu_stream_limiter, timer);
    struct nu_worker *w = worker_of(l);
    struct nu_buf out = {0};
    nu_buf_move_n(&out, &l->held, &w->bufs, take_tokens(l, l->held.len));
    bool empty = l->held.len == 0;
    bool end = empty && l->saw_end && !l->saw_trailers;
    if (!empty)
        nu_timer_arm(w->loop, &l->timer, FILL_INTERVAL);
    check_marks(l);
    bool trailers = empty && l->saw_trailers;
    if (out.len > 0 || end)
        nu_http_filter_inject_encoded(l->filter, &out, end);
    nu_buf_clear(&out, &w->bufs); /* of a stream that ended meanwhile */
    if (trailers)
        nu_http_filter_continue_encode(l->filter);
}

void nu_stream_limiter_init(struct nu_stream_limiter *l, struct nu_http_filter *f, uint64_t kib_per_second)
{
    *l = (struct nu_stream_limiter){.filter = f, .bytes_per_second = (double)kib_per_second * 1024};
    l->tokens = l->bytes_per_second * (double)FILL_INTERVAL.v / 1000;
    l->filled_ns = nu_loop_now_ns(worker_of(l)->loop);
    nu_timer_init(&l->timer, on_timer);
}

/* The timer sends, not this: from encode_data the end of the stream cannot be taken back when not all may go. */
void nu_stream_limiter_data(struct nu_stream_limiter *l, struct nu_buf *data, bool end)
{
    nu_buf_move(&l->held, data);
    l->saw_end = end;
    if (!nu_timer_armed(&l->timer))
        nu_timer_arm(worker_of(l)->loop, &l->timer, NU_MS(0));
    check_marks(l);
}

enum nu_trailers_status nu_stream_limiter_trailers(struct nu_stream_limiter *l)
{
    l->saw_end = l->saw_trailers = true;
    return l->held.len > 0 ? NU_TRAILERS_STOP : NU_TRAILERS_CONTINUE;
}

void nu_stream_limiter_end(struct nu_stream_limiter *l)
{
    nu_timer_cancel(worker_of(l)->loop, &l->timer);
    nu_buf_clear(&l->held, &worker_of(l)->bufs);
}
