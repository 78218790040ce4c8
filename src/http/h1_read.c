/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h1_read.h"

#include "base/alloc.h"
#include "codec/h1/chars.h"
#include "http/http1_stats.h"

static void unref_block(void *arg)
{
    nu_block_unref(arg);
}

static void count(const struct nu_conn *c, const struct nu_h1_options *opt, unsigned index, uint64_t n)
{
    if (opt->http1_scope != NULL && n > 0)
        nu_stat_add(opt->http1_scope, c->worker->index, index, n);
}

static struct nu_h1_rules rules_of(const struct nu_h1_options *opt, bool request)
{
    return (struct nu_h1_rules){
        .request = request,
        .allow_custom_methods = opt->allow_custom_methods,
        .allow_chunked_length = opt->allow_chunked_length,
        .keep_case = opt->preserve_case,
        .underscores = (uint8_t)opt->underscores,
        .max_fields = opt->max_headers_count,
    };
}

/* Room for as many fields as there are lines: a few on the stack, else the heap; never more than the limit allows. */
static void make_some_room(struct h1_head *out)
{
    out->many = NULL;
    out->parsed.fields = out->few;
    out->parsed.cap = H1_FEW_FIELDS;
}

static int make_room(struct h1_head *out, uint32_t lines, const struct nu_h1_options *opt)
{
    uint32_t fields = lines > 2 ? lines - 2 : 0;
    make_some_room(out);
    if (fields <= H1_FEW_FIELDS)
        return 0;
    if (fields > opt->max_headers_count)
        return NU_H1_ERR_TOO_MANY_FIELDS;
    out->many = nu_calloc(fields, sizeof(*out->many));
    out->parsed.fields = out->many;
    out->parsed.cap = fields;
    return 0;
}

void h1_head_done(struct h1_head *head)
{
    nu_free(head->many);
    head->many = NULL;
}

/* One CRLF before a request line is skipped (RFC 9112 s2.2). */
static void skip_leading_crlf(struct nu_conn *c, struct nu_buf *in)
{
    char two[2];
    if (in->len < 1)
        return;
    nu_buf_copy_out(in, 0, two, nu_min(in->len, sizeof(two)));
    if (two[0] == '\n')
        nu_buf_drain(in, &c->worker->bufs, 1);
    else if (two[0] == '\r' && in->len > 1 && two[1] == '\n')
        nu_buf_drain(in, &c->worker->bufs, 2);
}

/* Finds the end of a head (or of trailers) at the front of `in`; the bytes are contiguous then. */
static ssize_t find_end(struct nu_h1_scan *scan, struct nu_conn *c, struct nu_buf *in, const struct nu_h1_options *opt,
                        bool request, const uint8_t **base)
{
    size_t max = (size_t)opt->max_head_bytes + 1;
    size_t n = nu_min(in->head->len, max);
    *base = in->head->ptr;
    ssize_t end = nu_h1_scan(scan, *base, n, opt->max_head_bytes, request);
    if (end != 0 || nu_likely(n == in->len) || n == max)
        return end;
    n = nu_min(in->len, max); /* it goes on in the next slices */
    *base = nu_buf_linearize(in, &c->worker->bufs, n);
    return nu_h1_scan(scan, *base, n, opt->max_head_bytes, request);
}

/* The usual case: the head has come whole, in one slice, and has no fault. Its length, or 0. */
static size_t read_whole(const struct nu_h1_scan *scan, const struct nu_buf *in, const struct nu_h1_rules *rules, size_t max,
                         struct h1_head *out)
{
    const struct nu_slice *first = in->head;
    if (scan->pos != 0)
        return 0;
    make_some_room(out);
    return nu_h1_parse_whole(&out->parsed, rules, (uint8_t *)(uintptr_t)first->ptr, nu_min(first->len, max));
}

/* The same in steps, over what may come byte by byte. The head's length; 0: more is needed; or an error. */
static ssize_t read_in_steps(struct nu_h1_scan *scan, struct nu_conn *c, struct nu_buf *in, const struct nu_h1_options *opt,
                             const struct nu_h1_rules *rules, struct h1_head *out)
{
    const uint8_t *base;
    ssize_t end = find_end(scan, c, in, opt, rules->request, &base);
    if (end <= 0)
        return end;
    int err = make_room(out, scan->lines, opt);
    if (err == 0)
        err = nu_h1_parse(&out->parsed, rules, (uint8_t *)(uintptr_t)base, (size_t)end);
    if (err == NU_H1_ERR_UNDERSCORE)
        count(c, opt, NU_HTTP1_requests_rejected_with_underscores_in_headers, 1);
    if (err == 0)
        return end;
    count(c, opt, NU_HTTP1_dropped_headers_with_underscores, out->parsed.n_underscore_dropped);
    h1_head_done(out);
    return err;
}

int h1_read_head(struct nu_h1_scan *scan, struct nu_conn *c, struct nu_buf *in, const struct nu_h1_options *opt,
                 bool request, struct h1_head *out)
{
    const struct nu_h1_rules rules = rules_of(opt, request);
    if (request && scan->pos == 0)
        skip_leading_crlf(c, in);
    if (in->len == 0)
        return 0;
    ssize_t end = (ssize_t)read_whole(scan, in, &rules, opt->max_head_bytes, out);
    if (nu_unlikely(end == 0))
        end = read_in_steps(scan, c, in, opt, &rules, out);
    if (end <= 0)
        return (int)end;
    count(c, opt, NU_HTTP1_dropped_headers_with_underscores, out->parsed.n_underscore_dropped);
    out->base = (uint8_t *)(uintptr_t)in->head->ptr; /* the block is this connection's own */
    out->len = (size_t)end;
    out->block = in->head->block;
    return 1;
}

static nu_str lower_copy(struct nu_arena *a, nu_str name)
{
    char *p = nu_arena_alloc(a, name.len);
    for (size_t i = 0; i < name.len; i++)
        p[i] = (char)nu_h1_token[(uint8_t)name.ptr[i]];
    return nu_str_make(p, name.len);
}

static void add_authority(struct nu_http_headers *h, nu_str value)
{
    nu_str parts[] = {h->authority, NU_STR(","), value};
    h->authority = h->authority.ptr == NULL ? value : nu_arena_concat(h->arena, parts, 3);
}

/* preserve_case: the name as it came goes along. */
static void add_keeping_case(struct nu_http_headers *h, nu_str original, nu_str value)
{
    nu_str name = lower_copy(h->arena, original);
    if (!h->response && nu_str_eq(name, NU_STR("host"))) {
        add_authority(h, value);
        h->host_name = original;
        return;
    }
    struct nu_header *e = nu_headers_add_wire(h, name, value);
    if (e->original_name.ptr == NULL)
        e->original_name = original;
}

static void add_fields(struct nu_http_headers *h, const struct nu_h1_options *opt, const struct nu_h1_head *p,
                       const uint8_t *base)
{
    bool preserve_case = opt->preserve_case;
    nu_headers_reserve(h, p->n + 16);
    for (const struct nu_h1_field *f = p->fields; f < p->fields + p->n; f++) {
        nu_str name = nu_str_make(base + f->name, f->name_len), value = nu_str_make(base + f->value, f->value_len);
        if (nu_unlikely(preserve_case))
            add_keeping_case(h, name, value);
        else if (!h->response && name.len == 4 && memcmp(name.ptr, "host", 4) == 0)
            add_authority(h, value);
        else
            nu_headers_add_wire(h, name, value)->in_head = true;
    }
}

void h1_head_take(struct h1_reader *r, struct nu_conn *c, struct nu_buf *in, const struct nu_h1_options *opt,
                  struct h1_head *head, struct nu_http_headers *h)
{
    add_fields(h, opt, &head->parsed, head->base);
    if (head->parsed.chunked && !head->parsed.has_length) /* allow_chunked_length: a length beside the coding is void */
        nu_headers_remove_id(h, NU_HDR_CONTENT_LENGTH);
    nu_arena_on_clear(h->arena, unref_block, nu_block_ref(head->block));
    nu_buf_drain(in, &c->worker->bufs, head->len);
    r->head_bytes += head->len;
    r->bytes += head->len;
    r->scan = (struct nu_h1_scan){0};
    h1_head_done(head);
}

/* ---- bodies ---- */

static int read_length(struct h1_reader *r, struct nu_conn *c, struct nu_buf *in, struct nu_buf *data)
{
    struct nu_h1_body *b = &r->body;
    size_t n = b->framing == NU_H1_UNTIL_CLOSE || b->left > in->len ? in->len : (size_t)b->left;
    nu_buf_move_n(data, in, &c->worker->bufs, n);
    r->bytes += n;
    if (b->framing == NU_H1_UNTIL_CLOSE)
        return H1_READ_MORE;
    b->left -= n;
    b->done = b->left == 0;
    return b->done ? H1_READ_END : H1_READ_MORE;
}

/* Field lines after the last chunk (RFC 9112 s7.1.2), bounded like a head. */
static int read_trailers(struct h1_reader *r, struct nu_conn *c, struct nu_buf *in, const struct nu_h1_options *opt,
                         struct nu_arena *arena, bool request, struct nu_http_headers **trailers)
{
    const uint8_t *base;
    struct h1_head head;
    struct nu_h1_rules rules = rules_of(opt, request);
    if (in->len == 0)
        return H1_READ_MORE;
    r->scan.start_checked = true;
    ssize_t end = find_end(&r->scan, c, in, opt, request, &base);
    if (end <= 0)
        return end == NU_H1_ERR_HEAD_TOO_LARGE ? NU_H1_ERR_TRAILERS_TOO_LARGE : (int)end;
    head.base = (uint8_t *)(uintptr_t)base;
    head.len = (size_t)end;
    head.block = in->head->block;
    int err = make_room(&head, r->scan.lines + 1, opt);
    head.parsed.n = head.parsed.n_underscore_dropped = 0;
    head.parsed.has_length = head.parsed.has_transfer_encoding = head.parsed.chunked = false;
    if (err == 0)
        err = nu_h1_parse_fields(&head.parsed, &rules, head.base, head.len);
    if (err == 0 && opt->enable_trailers && trailers != NULL && head.parsed.n > 0) {
        *trailers = nu_headers_new(arena, true);
        h1_head_take(r, c, in, opt, &head, *trailers);
    } else {
        h1_head_done(&head);
        if (err == 0)
            nu_buf_drain(in, &c->worker->bufs, head.len);
        r->bytes += head.len;
    }
    r->scan = (struct nu_h1_scan){0};
    r->body.done = true;
    return err != 0 ? err : H1_READ_END;
}

int h1_read_body(struct h1_reader *r, struct nu_conn *c, struct nu_buf *in, const struct nu_h1_options *opt,
                 struct nu_arena *arena, bool request, struct nu_buf *data, struct nu_http_headers **trailers)
{
    struct nu_buf_pool *pool = &c->worker->bufs;
    if (r->body.done)
        return H1_READ_END;
    if (r->body.framing != NU_H1_CHUNKED)
        return read_length(r, c, in, data);
    while (in->len > 0 && r->body.state != NU_H1_CHUNK_TRAILERS) {
        const uint8_t *span;
        size_t used, len;
        int event = nu_h1_body_decode(&r->body, in->head->ptr, in->head->len, &used, &span, &len);
        if (event < 0)
            return event;
        nu_buf_drain(in, pool, used - len);
        nu_buf_move_n(data, in, pool, len);
        r->bytes += used;
    }
    if (r->body.state != NU_H1_CHUNK_TRAILERS)
        return H1_READ_MORE;
    return read_trailers(r, c, in, opt, arena, request, trailers);
}
