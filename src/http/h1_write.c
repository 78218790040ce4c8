/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h1_write.h"

#include "codec/h1/encode.h"

static bool proper_case(const struct nu_h1_options *opt)
{
    return opt->proper_case || (opt->preserve_case && opt->preserve_case_default == NU_FORMATTER_PROPER_CASE);
}

static uint8_t *put_field(uint8_t *at, bool proper, const struct nu_header *e)
{
    if (e->original_name.ptr != NULL)
        return nu_h1_put_field(at, e->original_name, e->value);
    return proper ? nu_h1_put_field_proper(at, e->name, e->value) : nu_h1_put_field(at, e->name, e->value);
}

static size_t fields_size(const struct nu_http_headers *h)
{
    size_t n = 0;
    nu_headers_foreach(e, h)
        n += e->name.len + e->value.len + 4;
    return n;
}

/* Whether the field stands in its head as we would write it: name, ": ", a value that nobody has changed, CR LF. */
static bool as_received(const struct nu_header *e)
{
    const char *name_end = e->name.ptr + e->name.len, *value_end = e->value.ptr + e->value.len;
    return e->in_head && e->value.ptr == name_end + 2 && memcmp(name_end, ": ", 2) == 0 &&
           memcmp(value_end, "\r\n", 2) == 0;
}

/* Fields that are as received and lie one behind the other are copied as one piece. */
static uint8_t *put_fields(uint8_t *at, const struct nu_h1_options *opt, const struct nu_http_headers *h)
{
    bool proper = proper_case(opt);
    nu_str run = NU_STR("");
    nu_headers_foreach(e, h) {
        if (nu_unlikely(e->id == NU_HDR_TRANSFER_ENCODING))
            continue;
        bool same = !proper && as_received(e);
        size_t line = e->name.len + e->value.len + 4;
        if (same && e->name.ptr == run.ptr + run.len) {
            run.len += line;
            continue;
        }
        at = nu_h1_put(at, run);
        run = same ? nu_str_make(e->name.ptr, line) : NU_STR("");
        if (!same)
            at = put_field(at, proper, e);
    }
    return nu_h1_put(at, run);
}

static uint8_t *put_framing(uint8_t *at, bool proper, nu_str line)
{
    ssize_t colon = nu_str_find(line, ':');
    if (!proper || colon < 0)
        return nu_h1_put(at, line);
    return nu_h1_put_field_proper(at, nu_str_first(line, (size_t)colon),
                                  nu_str_make(line.ptr + colon + 2, line.len - (size_t)colon - 4));
}

void h1_write_head(struct nu_conn *c, struct h1_writer *w, const struct nu_h1_options *opt,
                   const struct h1_head_lines *lines, const struct nu_http_headers *h)
{
    struct nu_buf *out = nu_conn_out(c);
    const struct nu_header host = {
        .name = NU_STR("host"), .value = lines->host, .original_name = lines->host_name};
    size_t size = fields_size(h) + lines->framing.len + lines->host.len + sizeof("host: \r\n\r\n");
    for (unsigned i = 0; i < lines->n_parts; i++)
        size += lines->parts[i].len;
    uint8_t *start = nu_buf_reserve(out, &c->worker->bufs, size);
    uint8_t *at = start;
    for (unsigned i = 0; i < lines->n_parts; i++)
        at = nu_h1_put(at, lines->parts[i]);
    if (lines->host.ptr != NULL)
        at = put_field(at, proper_case(opt), &host);
    at = put_fields(at, opt, h);
    at = put_framing(at, proper_case(opt), lines->framing);
    *at++ = '\r';
    *at++ = '\n';
    nu_buf_commit(out, (size_t)(at - start));
    w->head_bytes += (uint64_t)(at - start);
    w->bytes += (uint64_t)(at - start);
    nu_conn_written(c);
}

void h1_write_data(struct nu_conn *c, struct h1_writer *w, struct nu_buf *data, bool end)
{
    struct nu_buf *out = nu_conn_out(c);
    struct nu_buf_pool *pool = &c->worker->bufs;
    size_t before = out->len;
    if (data->len > 0 && w->chunked) {
        uint8_t *start = nu_buf_reserve(out, pool, NU_H1_CHUNK_HEAD);
        nu_buf_commit(out, (size_t)(nu_h1_put_chunk_head(start, data->len) - start));
        nu_buf_join(out, data, pool);
        nu_buf_add_str(out, pool, end ? NU_STR("\r\n0\r\n\r\n") : NU_STR("\r\n"));
    } else {
        nu_buf_join(out, data, pool);
        if (end && w->chunked)
            nu_buf_add_str(out, pool, NU_STR("0\r\n\r\n"));
    }
    w->bytes += out->len - before;
    if (end)
        w->state = H1_WRITE_DONE;
    if (out->len != before)
        nu_conn_written(c);
}

void h1_write_trailers(struct nu_conn *c, struct h1_writer *w, const struct nu_h1_options *opt,
                       const struct nu_http_headers *t)
{
    struct nu_buf *out = nu_conn_out(c);
    w->state = H1_WRITE_DONE;
    if (!w->chunked)
        return;
    bool write = opt->enable_trailers;
    size_t size = (write ? fields_size(t) : 0) + sizeof("0\r\n\r\n");
    uint8_t *start = nu_buf_reserve(out, &c->worker->bufs, size);
    uint8_t *at = nu_h1_put(start, NU_STR("0\r\n"));
    if (write)
        at = put_fields(at, opt, t);
    at = nu_h1_put(at, NU_STR("\r\n"));
    nu_buf_commit(out, (size_t)(at - start));
    w->bytes += (uint64_t)(at - start);
    nu_conn_written(c);
}
