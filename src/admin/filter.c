/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/filter.h"

#include "admin/request.h"
#include "worker/worker.h"

/* A body is only read for its form fields. */
#define MAX_BODY (1024u * 1024)
/* What a handler is asked for at once. */
#define PIECE (32u * 1024)

struct admin_filter {
    struct nu_http_filter base;
    struct nu_admin *admin;
    struct nu_worker *worker;
    struct nu_sb body;
    struct nu_admin_request request;
    struct nu_task task; /* answers, goes on writing: never from inside the chain */
    bool complete;       /* the request is; or it was refused */
    bool answered;       /* the handler has run */
    bool high, writing, ended;
};

static struct admin_filter *of(struct nu_http_filter *f)
{
    return nu_container_of(f, struct admin_filter, base);
}

/* ---- the answer ---- */

static void finish(struct admin_filter *f)
{
    f->ended = true;
    nu_admin_request_clear(&f->request);
}

/* One piece; false: nothing more to write now. */
static bool write_piece(struct admin_filter *f)
{
    struct nu_admin_request *r = &f->request;
    struct nu_buf data = {0};
    bool more = r->more != NULL && r->more(r, &r->out, PIECE);
    nu_buf_add_str(&data, &f->worker->bufs, nu_sb_str(&r->out));
    r->out.len = 0;
    f->ended = !more;
    nu_http_stream_respond_data(f->base.stream, &data, !more); /* the last piece may end the stream and this filter */
    return more;
}

static void write_pieces(struct admin_filter *f)
{
    if (f->writing || f->ended)
        return;
    f->writing = true;
    while (!f->high && !f->ended && write_piece(f))
        ;
    f->writing = false;
}

static void respond(struct admin_filter *f)
{
    struct nu_admin_request *r = &f->request;
    struct nu_http_headers *h = nu_headers_new(r->arena, true);
    bool head = nu_str_eq(r->method, NU_STR("HEAD"));
    h->status = (uint16_t)r->status;
    nu_headers_add_id(h, NU_HDR_CONTENT_TYPE, r->content_type);
    nu_headers_add_id(h, NU_HDR_CACHE_CONTROL, NU_STR("no-cache, max-age=0"));
    nu_headers_add(h, NU_STR("x-content-type-options"), NU_STR("nosniff"));
    if (head)
        finish(f);
    nu_http_stream_respond_headers(f->base.stream, h, head, NU_STR("admin_filter_response"));
    write_pieces(f);
}

/* ---- the request ---- */

static void parse(struct admin_filter *f, const struct nu_http_headers *h)
{
    struct nu_admin_request *r = &f->request;
    nu_str rest = h->path.ptr != NULL ? h->path : NU_STR("");
    r->path_and_query = rest;
    r->admin = f->admin;
    r->arena = nu_http_stream_arena(f->base.stream);
    r->method = h->method;
    r->path = nu_str_next(&rest, '?');
    if (rest.ptr != NULL)
        r->params = nu_params_parse(r->arena, rest);
    if (r->params.n == 0 &&
        nu_str_eq(nu_headers_get_id(h, NU_HDR_CONTENT_TYPE), NU_STR("application/x-www-form-urlencoded")))
        r->params = nu_params_parse(r->arena, nu_sb_str(&f->body));
}

static void on_task(struct nu_task *t)
{
    struct admin_filter *f = nu_container_of(t, struct admin_filter, task);
    if (f->answered) {
        write_pieces(f);
        return;
    }
    f->answered = true;
    parse(f, nu_http_stream_request(f->base.stream));
    nu_admin_dispatch(&f->request);
    respond(f);
}

static void run(struct admin_filter *f)
{
    if (!f->complete)
        nu_loop_soon(f->worker->loop, &f->task, on_task);
    f->complete = true;
}

static enum nu_headers_status decode_headers(struct nu_http_filter *base, struct nu_http_headers *h, bool end)
{
    (void)h;
    if (end)
        run(of(base));
    return NU_HEADERS_STOP;
}

static enum nu_data_status decode_data(struct nu_http_filter *base, struct nu_buf *data, bool end)
{
    static const struct nu_local_reply too_large = {
        .status = 413,
        .body = NU_STR_INIT("Payload Too Large"),
        .details = NU_STR_INIT("request_payload_too_large"),
        .grpc_status = -1,
    };
    struct admin_filter *f = of(base);
    if (f->complete)
        return NU_DATA_STOP_NO_BUFFER;
    if (data->len > MAX_BODY - f->body.len) {
        f->complete = true;
        nu_http_stream_local_reply(base->stream, &too_large);
        return NU_DATA_STOP_NO_BUFFER;
    }
    nu_sb_reserve(&f->body, data->len);
    nu_buf_copy_out(data, 0, f->body.ptr + f->body.len, data->len);
    f->body.len += data->len;
    nu_buf_clear(data, &f->worker->bufs);
    if (end)
        run(f);
    return NU_DATA_STOP_NO_BUFFER;
}

static enum nu_trailers_status decode_trailers(struct nu_http_filter *base, struct nu_http_headers *t)
{
    (void)t;
    run(of(base));
    return NU_TRAILERS_STOP;
}

/* ---- flow control and the end ---- */

static void on_downstream_high(struct nu_http_filter *base)
{
    of(base)->high = true;
}

static void on_downstream_low(struct nu_http_filter *base)
{
    struct admin_filter *f = of(base);
    f->high = false;
    if (f->answered && !f->ended)
        nu_loop_soon(f->worker->loop, &f->task, on_task);
}

static void on_destroy(struct nu_http_filter *base)
{
    struct admin_filter *f = of(base);
    f->ended = true;
    nu_loop_cancel_task(f->worker->loop, &f->task);
    nu_admin_request_clear(&f->request);
    nu_sb_free(&f->body);
}

static const struct nu_http_filter_ops filter_ops = {
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
    .on_downstream_high = on_downstream_high,
    .on_downstream_low = on_downstream_low,
    .on_destroy = on_destroy,
};

void nu_admin_filter_attach(const struct nu_http_filter_conf *conf, struct nu_http_stream *s)
{
    struct admin_filter *f = nu_arena_new(nu_http_stream_arena(s), struct admin_filter);
    f->base.ops = &filter_ops;
    f->admin = ((const struct nu_admin_filter_conf *)(const void *)conf)->admin;
    f->worker = nu_http_stream_worker(s);
    nu_http_stream_add_filter(s, &f->base);
}
