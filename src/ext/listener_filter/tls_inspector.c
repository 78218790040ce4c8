/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.filters.listener.tls_inspector: peeks at a ClientHello, so that a filter chain can be chosen by whether it is TLS,
 * by server name and by protocol names. Nothing is taken from the socket. */
#include "codec/pb/pb.h"
#include "codec/tls/client_hello.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.nu.h"
#include "ext/listener_filter/tls_inspector_stats.h"
#include "net/listener_filter.h"
#include "net/server.h"
#include "tls/digest.h"

/* The most that is ever peeked at, and the default of max_client_hello_size. */
#define LARGEST 16384u
/* legacy_version: TLS 1.0 to 1.3. */
#define OLDEST_VERSION 0x0301
#define NEWEST_VERSION 0x0304

struct conf {
    struct nu_listener_filter_conf base;
    bool ja3, ja4, close_on_errors;
    size_t first, max; /* bytes to peek at */
    struct nu_scope *scope;
};

static void count(const struct conf *c, const struct nu_accepting *a, unsigned index)
{
    nu_stat_inc(c->scope, a->worker->index, index);
}

static void record_bytes(const struct conf *c, const struct nu_accepting *a, size_t n)
{
    nu_hist_record(c->scope, a->worker->index, NU_TLS_INSPECTOR_bytes_processed, n);
}

/* ---- fingerprints ---- */

static nu_str make_ja3(struct nu_arena *a, const struct nu_client_hello *h)
{
    uint8_t digest[NU_MD5_BYTES];
    struct nu_sb text = {0};
    nu_ja3_text(h, &text);
    nu_md5(nu_sb_str(&text), digest);
    nu_sb_free(&text);
    return nu_hex(a, digest, sizeof(digest));
}

static nu_str short_hash(struct nu_arena *a, const struct nu_sb *text)
{
    uint8_t digest[NU_SHA256_BYTES];
    if (text->len == 0)
        return NU_STR("000000000000");
    nu_sha256(nu_sb_str(text), digest);
    return nu_hex(a, digest, 6);
}

static nu_str make_ja4(struct nu_arena *a, const struct nu_client_hello *h)
{
    struct nu_sb head = {0}, ciphers = {0}, extensions = {0};
    nu_ja4_head(h, &head);
    nu_ja4_ciphers(h, &ciphers);
    nu_ja4_extensions(h, &extensions);
    nu_str parts[] = {nu_sb_str(&head), NU_STR("_"), short_hash(a, &ciphers), NU_STR("_"), short_hash(a, &extensions)};
    nu_str all = nu_arena_concat(a, parts, NU_ARRAY_LEN(parts));
    nu_sb_free(&head);
    nu_sb_free(&ciphers);
    nu_sb_free(&extensions);
    return all;
}

static void set_fingerprints(const struct conf *c, struct nu_accepting *a, const struct nu_client_hello *h)
{
    if (!c->ja3 && !c->ja4)
        return;
    struct nu_tls_fingerprints *f = nu_arena_new(&a->arena, struct nu_tls_fingerprints);
    if (c->ja3)
        f->ja3 = make_ja3(&a->arena, h);
    if (c->ja4)
        f->ja4 = make_ja4(&a->arena, h);
    nu_accepting_details(a)->fingerprints = f;
}

/* ---- what was found ---- */

static void set_server_name(const struct conf *c, struct nu_accepting *a, nu_str name)
{
    if (name.len == 0) {
        count(c, a, NU_TLS_INSPECTOR_sni_not_found);
        return;
    }
    char *lower = nu_arena_cstr(&a->arena, name);
    for (size_t i = 0; i < name.len; i++)
        lower[i] = nu_ascii_lower(lower[i]);
    nu_accepting_details(a)->requested_server_name = nu_str_make(lower, name.len);
    count(c, a, NU_TLS_INSPECTOR_sni_found);
}

static void set_protocols(const struct conf *c, struct nu_accepting *a, nu_str list)
{
    unsigned n = 0;
    nu_str rest = list, name;
    while (nu_alpn_next(&rest, &name))
        n++;
    count(c, a, n > 0 ? NU_TLS_INSPECTOR_alpn_found : NU_TLS_INSPECTOR_alpn_not_found);
    if (n == 0)
        return;
    nu_str *names = nu_arena_array(&a->arena, nu_str, n);
    list = nu_arena_str(&a->arena, list);
    for (unsigned i = 0; nu_alpn_next(&list, &name); i++)
        names[i] = name;
    nu_accepting_details(a)->application_protocols = names;
    nu_accepting_details(a)->n_application_protocols = n;
}

static void set_failure(struct nu_accepting *a, nu_str reason)
{
    nu_accepting_add_metadata(a, NU_STR("envoy.filters.listener.tls_inspector"), NU_STR("failure_reason"), reason);
}

static void set_error(struct nu_accepting *a, unsigned code, const char *name)
{
    nu_accepting_details(a)->transport_failure =
        nu_arena_printf(&a->arena, "TLS_error|error:%08x:SSL routines:OPENSSL_internal:%s:TLS_error_end",
                        0x10000000u | code, name);
}

static enum nu_lf_status found(const struct conf *c, struct nu_accepting *a, const struct nu_client_hello *h)
{
    record_bytes(c, a, h->looked_at);
    set_fingerprints(c, a, h);
    set_server_name(c, a, h->server_name);
    if (h->version < OLDEST_VERSION || h->version > NEWEST_VERSION) {
        set_failure(a, NU_STR("ClientHelloInvalidTlsVersion"));
        set_error(a, 133, "CONNECTION_REJECTED");
        count(c, a, NU_TLS_INSPECTOR_tls_not_found);
        return NU_LF_REFUSE;
    }
    set_protocols(c, a, h->alpn);
    count(c, a, NU_TLS_INSPECTOR_tls_found);
    nu_accepting_details(a)->transport_protocol = NU_STR("tls");
    return NU_LF_CONTINUE;
}

static enum nu_lf_status too_large(const struct conf *c, struct nu_accepting *a)
{
    count(c, a, NU_TLS_INSPECTOR_client_hello_too_large);
    set_failure(a, NU_STR("ClientHelloTooLarge"));
    return NU_LF_REFUSE;
}

/* No TLS, or a ClientHello that is wrong: which of them cannot be told. n: bytes that were there. */
static enum nu_lf_status not_found(const struct conf *c, struct nu_accepting *a, const struct nu_client_hello *h, size_t n)
{
    record_bytes(c, a, h->looked_at);
    set_error(a, h->error->code, h->error->name);
    if (c->close_on_errors && n >= c->max)
        return too_large(c, a);
    set_failure(a, NU_STR("ClientHelloNotDetected"));
    count(c, a, NU_TLS_INSPECTOR_tls_not_found);
    return c->close_on_errors ? NU_LF_REFUSE : NU_LF_CONTINUE;
}

static enum nu_lf_status not_complete(const struct conf *c, struct nu_accepting *a, size_t n)
{
    if (n < c->max)
        return NU_LF_WAIT;
    record_bytes(c, a, n);
    return too_large(c, a);
}

/* ---- looking ---- */

static enum nu_lf_status look(const struct nu_listener_filter_conf *base, struct nu_accepting *a, nu_str seen)
{
    const struct conf *c = (const struct conf *)base; /* base is first */
    char scratch[LARGEST];
    struct nu_client_hello h;
    switch (nu_client_hello_parse(seen, scratch, &h)) {
    case NU_HELLO_DONE:
        return found(c, a, &h);
    case NU_HELLO_ERROR:
        return not_found(c, a, &h, seen.len);
    case NU_HELLO_MORE:
        return not_complete(c, a, seen.len);
    }
    NU_UNREACHABLE();
}

static enum nu_lf_status run(const struct nu_listener_filter_conf *base, struct nu_accepting *a)
{
    const struct conf *c = (const struct conf *)base; /* base is first */
    return nu_accepting_peek(base, a, c->first, c->max, look);
}

/* ---- configuration ---- */

static bool is_true(const bool *b)
{
    return b != NULL && *b;
}

static struct nu_listener_filter_conf *create(struct nu_factory *f, const struct nu_pb_msg *msg)
{
    const struct envoy_extensions_filters_listener_tls_inspector_v3_TlsInspector *m =
        NU_PB_AS(msg, envoy_extensions_filters_listener_tls_inspector_v3_TlsInspector);
    struct conf *c = nu_arena_new(f->arena, struct conf);
    c->base.run = run;
    c->ja3 = is_true(m->enable_ja3_fingerprinting);
    c->ja4 = is_true(m->enable_ja4_fingerprinting);
    c->close_on_errors = m->close_connection_on_client_hello_parsing_errors;
    c->max = m->max_client_hello_size != NULL ? *m->max_client_hello_size : LARGEST;
    c->first = m->initial_read_buffer_size != NULL ? nu_min((size_t)*m->initial_read_buffer_size, c->max) : c->max;
    nu_str prefix = NU_STR("tls_inspector.");
    c->scope = nu_factory_keep_scope(f, nu_scope_get(f->server->stats, &nu_tls_inspector_layout, prefix, prefix, NULL, 0));
    return &c->base;
}

static const struct nu_listener_filter_factory factory = {.create = create};

const struct nu_extension nu_ext_listener_filter_tls_inspector = {
    .category = "envoy.filters.listener",
    .name = "envoy.filters.listener.tls_inspector",
    .config_type = &envoy_extensions_filters_listener_tls_inspector_v3_TlsInspector_type,
    .ops = &factory,
};
