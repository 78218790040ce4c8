/* SPDX-License-Identifier: Apache-2.0
 *
 * Local replies: responses that the proxy makes itself. Status, body and headers, rewritten by local_reply_config; a gRPC
 * request gets a trailers-only answer with HTTP status 200 (Envoy's Utility::sendLocalReply). */
#include "http/local_reply.h"

#include "codec/pb/pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.nu.h"
#include "http/access_log_filter.h"
#include "http/stream_priv.h"
#include "net/data_source.h"

/* ---- from config ---- */

typedef struct envoy_extensions_filters_network_http_connection_manager_v3_LocalReplyConfig reply_msg;
typedef struct envoy_extensions_filters_network_http_connection_manager_v3_ResponseMapper mapper_msg;

static bool build_mapper(struct nu_factory *f, const mapper_msg *msg, struct nu_reply_mapper *m)
{
    *m = (struct nu_reply_mapper){.status = msg->status_code != NULL ? *msg->status_code : 0,
                                  .has_body = msg->body != NULL};
    m->filter = nu_log_filter_build(f, msg->filter);
    if (m->filter == NULL || !nu_data_source_read(f, msg->body, 0, &m->body))
        return false;
    if (msg->body_format_override != NULL &&
        (m->format = nu_formatter_build(f, msg->body_format_override)) == NULL)
        return false;
    m->headers = nu_header_mutations_build(f, msg, "headers_to_add", msg->headers_to_add, msg->n_headers_to_add, NULL,
                                           NULL, 0);
    return m->headers != NULL;
}

const struct nu_local_reply_conf *nu_local_reply_conf_build(struct nu_factory *f, const reply_msg *msg)
{
    struct nu_local_reply_conf *c = nu_arena_new(f->arena, struct nu_local_reply_conf);
    c->mappers = nu_arena_array(f->arena, struct nu_reply_mapper, msg->n_mappers);
    c->n_mappers = msg->n_mappers;
    for (size_t i = 0; i < msg->n_mappers; i++)
        if (!build_mapper(f, msg->mappers[i], &c->mappers[i]))
            return NULL;
    if (msg->body_format != NULL && (c->format = nu_formatter_build(f, msg->body_format)) == NULL)
        return NULL;
    return c;
}

/* ---- a reply ---- */

unsigned nu_grpc_status_of_http(unsigned status)
{
    switch (status) {
    case 400:
        return 13;
    case 401:
        return 16;
    case 403:
        return 7;
    case 404:
        return 12;
    case 429:
    case 502:
    case 503:
    case 504:
        return 14;
    default:
        return 2;
    }
}

static nu_str number(struct nu_arena *a, uint64_t v)
{
    char *text = nu_arena_alloc(a, 20);
    return nu_str_make(text, nu_u64_to_text(text, v));
}

/* grpc-message is percent-encoded (gRPC's HTTP/2 mapping). */
static nu_str percent_encode(struct nu_arena *a, nu_str s)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = nu_arena_alloc(a, s.len * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c >= ' ' && c < '~' && c != '%') { /* Envoy's set: "~" is encoded, too */
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '%';
        out[n++] = digits[c >> 4];
        out[n++] = digits[c & 15];
    }
    return nu_str_make(out, n);
}

/* The first mapper whose filter agrees changes status, body, headers; then the format makes the body. */
static void rewrite(struct nu_http_stream *s, struct nu_http_headers *h, nu_str *body, nu_str *content_type)
{
    const struct nu_local_reply_conf *conf = s->conf->local_reply;
    const struct nu_formatter *format = conf->format;
    struct nu_log_entry e = {.info = &s->info,
                             .request = s->dir[DIR_DECODE].headers,
                             .response = h,
                             .local_reply_body = *body};
    s->info.response_code = h->status;
    for (size_t i = 0; i < conf->n_mappers; i++) {
        const struct nu_reply_mapper *m = &conf->mappers[i];
        if (!nu_log_filter_match(m->filter, &e))
            continue;
        if (m->has_body)
            e.local_reply_body = m->body;
        nu_header_mutations_apply(m->headers, h, &e);
        if (m->status != 0) {
            h->status = (uint16_t)m->status;
            s->info.response_code = h->status;
        }
        if (m->format != NULL)
            format = m->format;
        break;
    }
    *body = e.local_reply_body;
    if (format == NULL)
        return;
    *body = nu_formatter_run_arena(format, &e, &s->arena);
    *content_type = nu_formatter_content_type(format);
}

static void grpc_reply(struct nu_http_stream *s, const struct nu_local_reply *r, struct nu_http_headers *h, nu_str body)
{
    unsigned grpc = r->grpc_status >= 0 ? (unsigned)r->grpc_status : nu_grpc_status_of_http(h->status);
    h->status = 200;
    nu_headers_set_id(h, NU_HDR_CONTENT_TYPE, NU_STR("application/grpc"));
    nu_headers_set_id(h, NU_HDR_GRPC_STATUS, number(&s->arena, grpc));
    if (nu_str_ends(body, NU_STR("\n"))) /* a JSON format ends with it */
        body.len--;
    if (body.len > 0 && !s->is_head)
        nu_headers_set_id(h, NU_HDR_GRPC_MESSAGE, percent_encode(&s->arena, body));
}

void local_reply_build(struct nu_http_stream *s, const struct nu_local_reply *r, struct nu_http_headers *h, nu_str *body)
{
    nu_str content_type = NU_STR("text/plain");
    h->status = (uint16_t)r->status;
    *body = r->body;
    if (s->route_cached)
        nu_route_local_reply_headers(&s->route, s->dir[DIR_DECODE].headers, h, &s->info);
    if (r->more != NULL)
        r->more(h, r->arg);
    if (s->conf->local_reply != NULL)
        rewrite(s, h, body, &content_type);
    if (s->is_grpc) {
        grpc_reply(s, r, h, *body);
        *body = NU_STR("");
        return;
    }
    if (body->len > 0) {
        nu_headers_set_id(h, NU_HDR_CONTENT_LENGTH, number(&s->arena, body->len));
        if (!nu_headers_has_id(h, NU_HDR_CONTENT_TYPE) || s->conf->local_reply != NULL)
            nu_headers_set_id(h, NU_HDR_CONTENT_TYPE, content_type);
    } else {
        nu_headers_remove_id(h, NU_HDR_CONTENT_LENGTH);
        nu_headers_remove_id(h, NU_HDR_CONTENT_TYPE);
    }
}
