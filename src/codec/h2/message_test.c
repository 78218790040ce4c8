/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of messages against nghttp2's: random heads of requests, most of them nearly right. What nghttp2 refuses we
 * refuse; what it takes we take, but for fields that it drops where we refuse the message, and names in ":protocol". */
#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/random.h"
#include "codec/h2/h2_drive.h"

enum { MOST_FIELDS = 12, ROUNDS = 20000 };

struct field {
    const char *name, *value;
};
struct head {
    unsigned n;
    struct field fields[MOST_FIELDS];
};

static const char *const names[] = {":method", ":scheme", ":path", ":authority", ":protocol", ":status", "host", "content-length",
    "te", "connection", "cookie", "x-a", "X-A", "a b", "", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection", "x_b",
    ":x", "a\x01"};
static const char *const values[] = {"GET", "POST", "CONNECT", "OPTIONS", "HEAD", "http", "https", "ftp", "/", "*", "/a b", "x", "",
    "host.test", "h:1", "u@h", "a/b", "0", "5", "05", "+5", "5,5", "-1", "trailers", "gzip", "close", "a\nb", "\x80", "a\x7f", "200",
    "websocket", "HTTP", " lead", "trail ", "/\x80"};

static void insert(struct head *h, unsigned at, const char *name, const char *value)
{
    if (h->n == MOST_FIELDS)
        return;
    memmove(&h->fields[at + 1], &h->fields[at], (h->n - at) * sizeof(h->fields[0]));
    h->fields[at] = (struct field){name, value};
    h->n++;
}

static void change(struct head *h, struct nu_random *r)
{
    const char *name = names[nu_random_below(r, NU_ARRAY_LEN(names))], *value = values[nu_random_below(r, NU_ARRAY_LEN(values))];
    unsigned at = (unsigned)nu_random_below(r, h->n);
    switch (nu_random_below(r, 4)) {
    case 0:
        if (h->n > 1)
            memmove(&h->fields[at], &h->fields[at + 1], (--h->n - at) * sizeof(h->fields[0]));
        break;
    case 1:
        h->fields[at].value = value;
        break;
    case 2:
        insert(h, at, name, value);
        break;
    default:
        insert(h, h->n, name, value);
        break;
    }
}

static void put_text(struct nu_sb *block, const char *text)
{
    nu_sb_char(block, (char)strlen(text));
    nu_sb_add(block, nu_str_from(text));
}

static void request_of(const struct head *h, bool end, struct nu_sb *to)
{
    struct nu_sb block = {0};
    for (unsigned i = 0; i < h->n; i++) {
        nu_sb_char(&block, 0);
        put_text(&block, h->fields[i].name);
        put_text(&block, h->fields[i].value);
    }
    raw_preface(to);
    raw_frame(to, H2_HEADERS, (uint8_t)(H2_END_HEADERS | (end ? H2_END_STREAM : 0)), 1, block.ptr, block.len);
    nu_sb_free(&block);
}

/* What nghttp2's callbacks saw. */
struct seen {
    bool head, dropped;
};

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    if (frame->hd.type == NGHTTP2_HEADERS)
        ((struct seen *)user)->head = true;
    return 0;
}

static int on_dropped(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                      const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    (void)session, (void)frame, (void)name, (void)name_len, (void)value, (void)value_len, (void)flags;
    ((struct seen *)user)->dropped = true;
    return 0;
}

static bool refuses(nu_str frames)
{
    for (; frames.len >= H2_FRAME_HEAD;) {
        struct h2_frame_head h = h2_get_head((const uint8_t *)frames.ptr);
        if (h.type == H2_RST_STREAM || h.type == H2_GOAWAY)
            return true;
        frames = nu_str_skip(frames, H2_FRAME_HEAD + h.length);
    }
    return false;
}

static bool nghttp2_takes(const nghttp2_session_callbacks *cb, const struct nu_sb *in, bool *dropped)
{
    struct seen seen = {0};
    nghttp2_session *session;
    const uint8_t *out;
    nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
    assert_int_equal(nghttp2_session_server_new(&session, cb, &seen), 0);
    nghttp2_submit_settings(session, 0, &settings, 1);
    bool refused = nghttp2_session_mem_recv(session, (const uint8_t *)in->ptr, in->len) < 0;
    for (ssize_t n; (n = nghttp2_session_mem_send(session, &out)) > 0;)
        refused |= refuses(nu_str_make(out, (size_t)n));
    nghttp2_session_del(session);
    *dropped = seen.dropped;
    return seen.head && !refused;
}

static bool we_take(const struct nu_sb *in)
{
    static struct app a;
    app_prepare(&a);
    a.opt.stream_error_on_invalid = true;
    a.opt.allow_connect = true;
    app_start(&a, true);
    app_receive(&a, in->ptr, in->len);
    bool told = strncmp(nu_sb_cstr(&a.log), "head 1", 6) == 0;
    assert_int_equal(told, a.n_closed == 0);
    app_free(&a);
    return told;
}

static bool has_protocol(const struct head *h)
{
    for (unsigned i = 0; i < h->n; i++)
        if (strcmp(h->fields[i].name, ":protocol") == 0)
            return true;
    return false;
}

static void takes_and_refuses_what_nghttp2_does(void **state)
{
    (void)state;
    struct nu_random r;
    unsigned taken = 0;
    nghttp2_session_callbacks *cb;
    nu_random_seed(&r, 99);
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_dropped);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct head h = {4, {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "host.test"}}};
        struct nu_sb in = {0};
        bool dropped;
        for (unsigned n = 1 + (unsigned)nu_random_below(&r, 3); n > 0; n--)
            change(&h, &r);
        request_of(&h, nu_random_below(&r, 2) == 0, &in);
        bool theirs = nghttp2_takes(cb, &in, &dropped), ours = we_take(&in);
        if (ours != theirs)
            assert_true(theirs && (dropped || has_protocol(&h)));
        taken += ours;
        nu_sb_free(&in);
    }
    assert_in_range(taken, ROUNDS / 20, ROUNDS);
    nghttp2_session_callbacks_del(cb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_and_refuses_what_nghttp2_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
