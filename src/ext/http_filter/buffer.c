/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.http.buffer: holds a request back until it is complete; a larger one than max_request_bytes is answered
 * with 413 by the chain. What came without a length gets a content-length. */
#include "codec/pb/pb.h"
#include "envoy/extensions/filters/http/buffer/v3/buffer.nu.h"
#include "http/filter.h"

struct buffer_conf {
    struct nu_http_filter_conf base;
    bool disabled; /* for this route */
    uint32_t max_bytes;
};

struct buffer {
    struct nu_http_filter base;
    const struct buffer_conf *conf;
    struct nu_http_headers *request; /* of a request that is held; NULL: not ours */
    uint64_t n_bytes;
};

static struct buffer *of(struct nu_http_filter *f)
{
    return nu_container_of(f, struct buffer, base);
}

static enum nu_headers_status decode_headers(struct nu_http_filter *f, struct nu_http_headers *h, bool end)
{
    struct buffer *b = of(f);
    if (end)
        return NU_HEADERS_CONTINUE;
    const struct buffer_conf *route = nu_http_filter_route_conf(f);
    const struct buffer_conf *conf = route != NULL ? route : b->conf;
    if (conf->disabled)
        return NU_HEADERS_CONTINUE;
    nu_http_stream_set_buffer_limit(f->stream, conf->max_bytes);
    b->request = h;
    return NU_HEADERS_STOP;
}

static void add_length(struct buffer *b)
{
    if (b->request == NULL || nu_headers_has_id(b->request, NU_HDR_CONTENT_LENGTH))
        return;
    char *text = nu_arena_alloc(nu_http_stream_arena(b->base.stream), 20);
    nu_headers_add_id(b->request, NU_HDR_CONTENT_LENGTH, nu_str_make(text, nu_u64_to_text(text, b->n_bytes)));
}

static enum nu_data_status decode_data(struct nu_http_filter *f, struct nu_buf *data, bool end)
{
    struct buffer *b = of(f);
    if (b->request == NULL)
        return NU_DATA_CONTINUE;
    b->n_bytes += data->len;
    if (!end)
        return NU_DATA_STOP_BUFFER;
    add_length(b);
    return NU_DATA_CONTINUE;
}

static enum nu_trailers_status decode_trailers(struct nu_http_filter *f, struct nu_http_headers *t)
{
    (void)t;
    add_length(of(f));
    return NU_TRAILERS_CONTINUE;
}

static const struct nu_http_filter_ops filter_ops = {
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
};

static void attach(const struct nu_http_filter_conf *conf, struct nu_http_stream *s)
{
    struct buffer *b = nu_arena_new(nu_http_stream_arena(s), struct buffer);
    b->base.ops = &filter_ops;
    b->conf = (const struct buffer_conf *)(const void *)conf;
    nu_http_stream_add_filter(s, &b->base);
}

/* ---- configuration ---- */

typedef struct envoy_extensions_filters_http_buffer_v3_Buffer buffer_msg;

static struct buffer_conf *build(struct nu_factory *f, const buffer_msg *m)
{
    if (m == NULL || m->max_request_bytes == NULL) /* the API's rules have said so */
        return NULL;
    struct buffer_conf *c = nu_arena_new(f->arena, struct buffer_conf);
    c->max_bytes = *m->max_request_bytes;
    return c;
}

static const struct nu_http_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg, nu_str stat_prefix)
{
    struct buffer_conf *c = build(f, NU_PB_AS(msg, envoy_extensions_filters_http_buffer_v3_Buffer));
    (void)stat_prefix;
    if (c == NULL)
        return NULL;
    c->base.attach = attach;
    return &c->base;
}

static const void *create_route(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const struct envoy_extensions_filters_http_buffer_v3_BufferPerRoute *m =
        NU_PB_AS(msg, envoy_extensions_filters_http_buffer_v3_BufferPerRoute);
    if (m == NULL || m->buffer != NULL)
        return build(f, m != NULL ? m->buffer : NULL);
    struct buffer_conf *c = nu_arena_new(f->arena, struct buffer_conf);
    c->disabled = true;
    return c;
}

static const struct nu_http_filter_factory factory = {.create = create, .create_route = create_route};

const struct nu_extension nu_ext_http_filter_buffer = {
    .category = "envoy.filters.http",
    .name = "envoy.filters.http.buffer",
    .config_type = &envoy_extensions_filters_http_buffer_v3_Buffer_type,
    .route_config_type = &envoy_extensions_filters_http_buffer_v3_BufferPerRoute_type,
    .ops = &factory,
};
