/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.listener.http_inspector: peeks at the first line of a plain-text connection, so that a filter chain can be
 * chosen by its protocol: application_protocols "h2c", "http/1.1" or "http/1.0". Nothing is taken from the socket. */
#include "codec/h1/chars.h"
#include "codec/pb/pb.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.nu.h"
#include "ext/listener_filter/http_inspector_stats.h"
#include "net/listener_filter.h"
#include "net/server.h"

/* Bytes to peek at: at first, and the most. */
#define FIRST 1024u
#define LARGEST 65536u

struct conf {
    struct nu_listener_filter_conf base;
    struct nu_scope *scope;
};

enum finding { MORE, HTTP10, HTTP11, HTTP2, NOT_HTTP };

static const nu_str preface = NU_STR_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); /* RFC 9113 s3.4 */

/* ---- the first line ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes a word and the blanks before it. */
static nu_str next_word(nu_str *line)
{
    size_t from = 0, to;
    while (from < line->len && is_blank(line->ptr[from]))
        from++;
    for (to = from; to < line->len && !is_blank(line->ptr[to]); to++)
        ;
    nu_str word = nu_str_make(line->ptr + from, to - from);
    *line = nu_str_skip(*line, to);
    return word;
}

static bool is_token_char(char c)
{
    return nu_h1_token[(uint8_t)c] != 0;
}

static bool is_method(nu_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_token_char(s.ptr[i]))
            return false;
    return s.len > 0;
}

static bool is_target(nu_str method, nu_str s)
{
    if (s.len == 0)
        return false;
    if (nu_str_eq(method, NU_STR("CONNECT")))
        return true;
    return s.ptr[0] == '/' || s.ptr[0] == '*' || nu_str_search(s, NU_STR("://")) > 0;
}

/* "HTTP/" DIGIT "." DIGIT; none at all is HTTP/0.9. */
static enum finding by_version(nu_str s)
{
    if (s.len == 0)
        return HTTP10;
    if (s.len != 8 || !nu_str_starts(s, NU_STR("HTTP/")) || !nu_ascii_digit(s.ptr[5]) || s.ptr[6] != '.' || !nu_ascii_digit(s.ptr[7]))
        return NOT_HTTP;
    return nu_str_ends(s, NU_STR("1.1")) ? HTTP11 : HTTP10;
}

static enum finding read_line(nu_str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    nu_str method = next_word(&line), target = next_word(&line), version = next_word(&line);
    if (!is_method(method) || !is_target(method, target) || next_word(&line).len > 0)
        return NOT_HTTP;
    return by_version(version);
}

static enum finding inspect(nu_str in)
{
    if (nu_str_starts(preface, nu_str_first(in, preface.len)))
        return in.len >= preface.len ? HTTP2 : MORE;
    if (!is_token_char(in.ptr[0]))
        return NOT_HTTP;
    ssize_t end = nu_str_find(in, '\n');
    return end < 0 ? MORE : read_line(nu_str_first(in, (size_t)end));
}

/* ---- what was found ---- */

static enum nu_lf_status found(const struct conf *c, struct nu_accepting *a, enum finding f)
{
    static const struct {
        unsigned stat;
        nu_str name;
    } rows[] = {
        [HTTP10] = {NU_HTTP_INSPECTOR_http10_found, NU_STR_INIT("http/1.0")},
        [HTTP11] = {NU_HTTP_INSPECTOR_http11_found, NU_STR_INIT("http/1.1")},
        [HTTP2] = {NU_HTTP_INSPECTOR_http2_found, NU_STR_INIT("h2c")},
        [NOT_HTTP] = {NU_HTTP_INSPECTOR_http_not_found, NU_STR_INIT("")},
    };
    nu_stat_inc(c->scope, a->worker->index, rows[f].stat);
    if (f == NOT_HTTP)
        return NU_LF_CONTINUE;
    struct nu_conn_details *d = nu_accepting_details(a);
    d->application_protocols = &rows[f].name;
    d->n_application_protocols = 1;
    return NU_LF_CONTINUE;
}

static enum nu_lf_status look(const struct nu_listener_filter_conf *base, struct nu_accepting *a, nu_str seen)
{
    const struct conf *c = (const struct conf *)base; /* base is first */
    enum finding f = inspect(seen);
    if (f != MORE)
        return found(c, a, f);
    if (seen.len < LARGEST)
        return NU_LF_WAIT;
    nu_stat_inc(c->scope, a->worker->index, NU_HTTP_INSPECTOR_read_error);
    return NU_LF_REFUSE;
}

static enum nu_lf_status run(const struct nu_listener_filter_conf *base, struct nu_accepting *a)
{
    nu_str transport = nu_conn_details(a->info)->transport_protocol;
    if (transport.len > 0 && !nu_str_eq(transport, NU_STR("raw_buffer")))
        return NU_LF_CONTINUE; /* its text is encrypted */
    return nu_accepting_peek(base, a, FIRST, LARGEST, look);
}

/* ---- configuration ---- */

static struct nu_listener_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    struct conf *c = nu_arena_new(f->arena, struct conf);
    nu_str prefix = NU_STR("http_inspector.");
    (void)msg;
    c->base.run = run;
    c->scope = nu_factory_keep_scope(f, nu_scope_get(f->server->stats, &nu_http_inspector_layout, prefix, prefix, NULL, 0));
    return &c->base;
}

static const struct nu_listener_filter_factory factory = {.create = create};

const struct nu_extension nu_ext_listener_filter_http_inspector = {
    .category = "envoy.filters.listener",
    .name = "envoy.filters.listener.http_inspector",
    .config_type = &envoy_extensions_filters_listener_http_inspector_v3_HttpInspector_type,
    .ops = &factory,
};
