/* SPDX-License-Identifier: Apache-2.0
 *
 * Our session against nghttp2's, in both roles: random messages, windows and cuts, and both sides must have understood the
 * same. */
#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/random.h"
#include "codec/h2/h2_drive.h"

enum { MOST_STREAMS = 40 };

/* One exchange, as nghttp2's side sees it. */
struct exchange {
    int32_t id;
    nu_str body;      /* to send */
    size_t sent;
    bool trailers;    /* to send, too */
    struct nu_sb got; /* "name=value; " of all blocks, then the body */
    size_t got_body;
    bool closed;
    uint32_t code;
};

struct peer {
    nghttp2_session *session;
    struct exchange exchanges[MOST_STREAMS];
    unsigned n;
    bool server;
};

static const char x_data[200000] = "begin";

static nu_str random_body(struct nu_random *r)
{
    static const size_t most[] = {0, 1, 100, 5000, 16384, 16385, 70000, 200000};
    return nu_str_make(x_data, nu_random_below(r, most[nu_random_below(r, NU_ARRAY_LEN(most))] + 1));
}

static struct exchange *exchange_of(struct peer *p, int32_t id)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->exchanges[i].id == id)
            return &p->exchanges[i];
    return NULL;
}

#define NV(n, v)                                                                                   \
    ((nghttp2_nv){(uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), NGHTTP2_NV_FLAG_NONE})

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    struct exchange *x = source->ptr;
    size_t n = nu_min(length, x->body.len - x->sent);
    (void)user;
    memcpy(buf, x->body.ptr + x->sent, n);
    x->sent += n;
    if (x->sent < x->body.len)
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (x->trailers) {
        nghttp2_nv nv = NV("x-trailer", "end");
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(session, id, &nv, 1);
    }
    return (ssize_t)n;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct exchange *x = exchange_of(user, frame->hd.stream_id);
    (void)session;
    (void)flags;
    assert_non_null(x);
    nu_sb_add(&x->got, nu_str_make(name, name_len));
    nu_sb_char(&x->got, '=');
    nu_sb_add(&x->got, nu_str_make(value, value_len));
    nu_sb_lit(&x->got, "; ");
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct peer *p = user;
    (void)session;
    if (p->server && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        p->exchanges[p->n++].id = frame->hd.stream_id;
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
    struct exchange *x = exchange_of(user, id);
    (void)session;
    (void)flags;
    assert_memory_equal(data, x_data + x->got_body, len);
    x->got_body += len;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct exchange *x = exchange_of(user, id);
    (void)session;
    if (x != NULL) {
        x->closed = true;
        x->code = code;
    }
    return 0;
}

/* As a server: answers a complete request with its own body. */
static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct peer *p = user;
    struct exchange *x = exchange_of(p, frame->hd.stream_id);
    if (!p->server || x == NULL || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 ||
        (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS))
        return 0;
    x->body = nu_str_make(x_data, x->got_body);
    x->trailers = x->got_body % 2 == 1;
    nghttp2_nv nv[] = {NV(":status", "200"), NV("server", "nghttp2"), NV("x-same", "again and again"), NV("x-id", "")};
    nghttp2_data_provider body = {.source.ptr = x, .read_callback = read_body};
    assert_int_equal(nghttp2_submit_response(session, x->id, nv, NU_ARRAY_LEN(nv), &body), 0);
    return 0;
}

static void peer_start(struct peer *p, bool server, uint32_t window)
{
    nghttp2_session_callbacks *cb;
    *p = (struct peer){.server = server};
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    assert_int_equal((server ? nghttp2_session_server_new : nghttp2_session_client_new)(&p->session, cb, p), 0);
    nghttp2_session_callbacks_del(cb);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, window % 5000}, {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100}};
    nghttp2_submit_settings(p->session, NGHTTP2_FLAG_NONE, settings, NU_ARRAY_LEN(settings));
}

static void peer_free(struct peer *p)
{
    for (unsigned i = 0; i < p->n; i++)
        nu_sb_free(&p->exchanges[i].got);
    nghttp2_session_del(p->session);
}

static void peer_request(struct peer *p, struct nu_random *r)
{
    struct exchange *x = &p->exchanges[p->n++];
    char path[32];
    snprintf(path, sizeof(path), "/%u", (unsigned)nu_random_below(r, 5));
    bool with_body = nu_random_below(r, 3) != 0;
    nghttp2_nv nv[] = {NV(":method", with_body ? "POST" : "GET"), NV(":scheme", "https"), NV(":path", path),
        NV(":authority", "some.host.test"), NV("accept", "*/*"), NV("cookie", "a=b"), NV("x-path", path)};
    nghttp2_data_provider body = {.source.ptr = x, .read_callback = read_body};
    x->body = with_body ? random_body(r) : NU_STR("");
    x->trailers = nu_random_below(r, 2) == 0;
    x->id = nghttp2_submit_request(p->session, NULL, nv, NU_ARRAY_LEN(nv), with_body ? &body : NULL, NULL);
    assert_true(x->id > 0);
}

static bool to_us(struct peer *p, struct app *a, struct nu_random *r)
{
    struct nu_sb bytes = {0};
    const uint8_t *out;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(p->session, &out)) > 0)
        nu_sb_add(&bytes, nu_str_make(out, (size_t)n));
    assert_int_equal(n, 0);
    size_t most = nu_random_below(r, 4) == 0 ? 20 : 40000;
    for (size_t i = 0, step; i < bytes.len; i += step) {
        step = nu_min(1 + nu_random_below(r, most), bytes.len - i);
        app_receive(a, bytes.ptr + i, step);
        assert_int_equal(a->result, 0);
    }
    bool moved = bytes.len > 0;
    nu_sb_free(&bytes);
    return moved;
}

static bool from_us(struct peer *p, struct app *a, struct nu_random *r)
{
    struct nu_sb bytes = {0};
    app_flush(a, &bytes, 1 + nu_random_below(r, 100000));
    size_t most = nu_random_below(r, 4) == 0 ? 20 : 40000;
    for (size_t i = 0, step; i < bytes.len; i += step) {
        step = nu_min(1 + nu_random_below(r, most), bytes.len - i);
        assert_int_equal(nghttp2_session_mem_recv(p->session, (const uint8_t *)bytes.ptr + i, step), step);
    }
    bool moved = bytes.len > 0;
    nu_sb_free(&bytes);
    return moved;
}

static void run(struct peer *p, struct app *a, struct nu_random *r)
{
    bool moved = true;
    for (unsigned turn = 0; moved && turn < 1000000; turn++) {
        moved = to_us(p, a, r);
        moved |= from_us(p, a, r);
    }
    assert_false(moved);
}

static uint32_t random_window(struct nu_random *r)
{
    return nu_random_below(r, 3) == 0 ? (uint32_t)nu_random_below(r, 3000) + 1 : 65535 + (uint32_t)nu_random_below(r, 100000);
}

static void nghttp2_is_served(void **state)
{
    (void)state;
    struct nu_random r;
    nu_random_seed(&r, 7);
    for (unsigned round = 0; round < 60; round++) {
        static struct peer p;
        struct app *a = nu_new(struct app);
        app_prepare(a);
        a->opt.initial_stream_window_size = 65535 + (uint32_t)nu_random_below(&r, 100000);
        a->opt.initial_connection_window_size = 65535 + (uint32_t)nu_random_below(&r, 100000);
        a->opt.hpack_table_size = (uint32_t)nu_random_below(&r, 5000);
        a->answer = app_echo;
        app_start(a, true);
        peer_start(&p, false, random_window(&r));
        while (p.n < MOST_STREAMS) {
            for (unsigned k = (unsigned)nu_random_below(&r, 5); k > 0 && p.n < MOST_STREAMS; k--)
                peer_request(&p, &r);
            if (nu_random_below(&r, 2) == 0)
                run(&p, a, &r);
            else
                to_us(&p, a, &r);
        }
        run(&p, a, &r);
        for (unsigned i = 0; i < p.n; i++) {
            const struct exchange *x = &p.exchanges[i];
            assert_true(x->closed);
            assert_int_equal(x->code, 0);
            assert_int_equal(x->got_body, x->body.len);
            assert_true(nu_str_eq(nu_sb_str(&x->got), x->body.len > 0 ? NU_STR(":status=200; server=test; x-trailer=end; ")
                                                                      : NU_STR(":status=200; server=test; ")));
        }
        assert_int_equal(a->h2.n_streams, 0);
        peer_free(&p);
        app_free(a);
        nu_free(a);
    }
}

static unsigned n_answers;
static size_t answered_bytes;

static void count_answer(struct app *a, struct app_stream *s)
{
    (void)a;
    n_answers++;
    answered_bytes += s->body.len;
    assert_memory_equal(s->body.ptr, x_data, s->body.len);
}

static void nghttp2_serves(void **state)
{
    (void)state;
    struct nu_random r;
    nu_random_seed(&r, 8);
    for (unsigned round = 0; round < 60; round++) {
        static struct peer p;
        struct app *a = nu_new(struct app);
        size_t sent = 0;
        app_prepare(a);
        a->opt.initial_stream_window_size = 65535 + (uint32_t)nu_random_below(&r, 100000);
        a->opt.hpack_table_size = (uint32_t)nu_random_below(&r, 5000);
        a->answer = count_answer;
        n_answers = 0;
        answered_bytes = 0;
        app_start(a, false);
        peer_start(&p, true, random_window(&r));
        for (unsigned i = 0; i < MOST_STREAMS / 2; i++) {
            nu_str body = random_body(&r);
            struct app_stream *t = app_new_stream(a);
            struct nu_h2_writer w;
            app_request(a, "POST", i % 2 ? "/" : "/some", NULL);
            nu_h2_head_begin(&w, &a->h2, &t->h2, NU_H2_HEAD, 6, 200);
            nu_h2_put_pseudo(&w, NU_H2_METHOD, NU_STR("PUT"));
            nu_h2_put_pseudo(&w, NU_H2_SCHEME, NU_STR("http"));
            nu_h2_put_pseudo(&w, NU_H2_PATH, NU_STR("/put"));
            nu_h2_put_pseudo(&w, NU_H2_AUTHORITY, NU_STR("host"));
            nu_h2_put(&w, 0, NU_STR("x-same"), NU_STR("again and again"), false);
            nu_h2_put(&w, 0, NU_STR("authorization"), NU_STR("Basic secret"), false);
            nu_h2_head_end(&w, false);
            sent += body.len;
            for (size_t at = 0, n; at < body.len; at += n) {
                n = nu_min(1 + nu_random_below(&r, 50000), body.len - at);
                app_send(a, t, body.ptr + at, n, false);
            }
            if (i % 3 == 0)
                app_send_trailers(a, t);
            else
                app_send(a, t, "", 0, true);
            if (nu_random_below(&r, 2) == 0)
                run(&p, a, &r);
        }
        run(&p, a, &r);
        assert_int_equal(a->h2.n_streams, 0);
        assert_int_equal(n_answers, p.n);
        assert_int_equal(answered_bytes, sent);
        peer_free(&p);
        app_free(a);
        nu_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nghttp2_is_served),
        cmocka_unit_test(nghttp2_serves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
