/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames by hand: what the session does with each that is wrong, floods, and the rules of messages; as a server unless said
 * otherwise. h2spec says much of the same from outside; here every cut of the input is tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/h2/h2_drive.h"

/* A list of frames in words: "TYPE stream flags payload" each, the payload in C escapes by the compiler. */
struct raw {
    uint8_t type, flags;
    uint32_t id;
    const char *payload;
    size_t n;
};
#define F(type, flags, id, payload)                                                                \
    {                                                                                              \
        H2_##type, flags, id, payload, sizeof(payload) - 1                                         \
    }
#define ES H2_END_STREAM
#define EH H2_END_HEADERS
#define GET(id) F(HEADERS, ES | EH, id, RAW_GET)
#define POST(id) F(HEADERS, EH, id, "\x83\x86\x84\x41\x09host.test")
#define TOLD "head 1 end: :method=GET; :scheme=http; :path=/; :authority=host.test; \n"
#define TOLD_POST "head 1: :method=POST; :scheme=http; :path=/; :authority=host.test; \n"

struct session_case {
    const char *what;
    struct raw frames[6];
    const char *log, *out; /* what the user is told; what is sent, without SETTINGS and the connection's WINDOW_UPDATE */
    bool strict_streams;   /* stream_error_on_invalid */
};

static void run_case(const struct session_case *t, size_t step, bool server)
{
    struct app *a = nu_new(struct app);
    struct nu_sb in = {0}, out = {0}, text = {0};
    app_prepare(a);
    a->opt.stream_error_on_invalid = t->strict_streams;
    a->opt.initial_stream_window_size = 65535;
    a->opt.initial_connection_window_size = 65535;
    app_start(a, server);
    if (server) {
        raw_preface(&in);
    } else {
        raw_frame(&in, H2_SETTINGS, 0, 0, "", 0);
        app_request(a, "GET", "/", NULL);
        app_flush(a, &out, 1000);
        out.len = 0;
    }
    for (const struct raw *f = t->frames; f < t->frames + 6 && f->payload != NULL; f++)
        raw_frame(&in, f->type, f->flags, f->id, f->payload, f->n);
    for (size_t i = 0; i < in.len; i += step)
        app_receive(a, in.ptr + i, nu_min(step, in.len - i));
    app_flush(a, &out, 1000);
    raw_print(nu_sb_str(&out), &text);
    assert_string_equal(nu_sb_cstr(&a->log), t->log);
    assert_string_equal(nu_sb_cstr(&text), t->out);
    assert_int_equal(a->result != 0, strstr(t->out, "GOAWAY") != NULL);
    app_free(a);
    nu_sb_free(&in);
    nu_sb_free(&out);
    nu_sb_free(&text);
    nu_free(a);
}

static void run_cases(const struct session_case *cases, size_t n, bool server)
{
    for (size_t i = 0; i < n; i++) {
        print_message("%s\n", cases[i].what);
        for (size_t step = 1; step < 20; step++)
            run_case(&cases[i], step, server);
        run_case(&cases[i], 100000, server);
    }
}

static const struct session_case frame_cases[] = {
    {"a request", {GET(1)}, TOLD, "", false},
    {"unknown frames are ignored", {F(HEADERS, ES | EH, 1, RAW_GET), {0x4d, 0xff, 1, "abc", 3}, {10, 0, 0, "", 0}}, TOLD, "", false},
    {"a padded request", {F(HEADERS, ES | EH | H2_PADDED, 1, "\x03" RAW_GET "\0\0\0")}, TOLD, "", false},
    {"with priority", {F(HEADERS, ES | EH | H2_HAS_PRIORITY, 1, "\0\0\0\0\x10" RAW_GET)}, TOLD, "", false},
    {"in three parts", {F(HEADERS, ES, 1, "\x82\x86\x84"), F(CONTINUATION, 0, 1, "\x41\x09host"), F(CONTINUATION, EH, 1, ".test")},
     TOLD, "", false},
    {"priority is too short, 0", {F(HEADERS, ES | EH | H2_HAS_PRIORITY, 1, "")}, "", "GOAWAY 0 6\n", false},
    {"priority is too short, 4", {F(HEADERS, ES | EH | H2_HAS_PRIORITY, 1, "\0\0\0\0")}, "", "GOAWAY 0 6\n", false},
    {"too much padding, HEADERS", {F(HEADERS, ES | EH | H2_PADDED, 1, "\x10" RAW_GET)}, "", "GOAWAY 0 1\n", false},
    {"too much padding, DATA", {POST(1), F(DATA, ES | H2_PADDED, 1, "\x04xyz")}, TOLD_POST, "GOAWAY 1 1\n", false},
    {"padding that fills DATA", {POST(1), F(DATA, ES | H2_PADDED, 1, "\x02xy")}, TOLD_POST "body 1: 0 \n", "", false},
    {"the padding's length is missing", {POST(1), F(DATA, ES | H2_PADDED, 1, ""), F(DATA, 0, 1, "")}, TOLD_POST, "GOAWAY 1 6\n", false},
    {"a body in two frames", {POST(1), F(DATA, 0, 1, "ab"), F(DATA, ES | H2_PADDED, 1, "\x02" "cd\0\0")},
     TOLD_POST "body 1: 4 abcd\n", "", false},
    {"HEADERS on stream 0", {GET(0)}, "", "GOAWAY 0 1\n", false},
    {"HEADERS on an even stream", {GET(2)}, "", "GOAWAY 0 1\n", false},
    {"HEADERS below the highest", {GET(5), GET(3)},
     "head 5 end: :method=GET; :scheme=http; :path=/; :authority=host.test; \n", "GOAWAY 5 1\n", false},
    {"HEADERS after END_STREAM", {GET(1), F(HEADERS, ES | EH, 1, "\x82")}, TOLD "reset 1 fault 5 http2.remote_reset\n",
     "RST_STREAM 1 5\n", false},
    {"DATA after END_STREAM", {GET(1), F(DATA, ES, 1, "x"), F(DATA, ES, 1, "x")}, TOLD "reset 1 fault 5 http2.remote_reset\n",
     "RST_STREAM 1 5\n", false},
    {"DATA on an idle stream", {F(DATA, ES, 1, "x")}, "", "GOAWAY 0 1\n", false},
    {"RST_STREAM on an idle stream", {F(RST_STREAM, 0, 1, "\0\0\0\x08")}, "", "GOAWAY 0 1\n", false},
    {"RST_STREAM", {GET(1), F(RST_STREAM, 0, 1, "\0\0\0\x08"), F(RST_STREAM, 0, 1, "\0\0\0\x08")},
     TOLD "reset 1 remote 8 http2.remote_reset\n", "", false},
    {"RST_STREAM, refused", {GET(1), F(RST_STREAM, 0, 1, "\0\0\0\x07")}, TOLD "reset 1 remote 7 http2.remote_refuse\n", "", false},
    {"HEADERS after RST_STREAM", {GET(1), F(RST_STREAM, 0, 1, "\0\0\0\x08"), GET(1)},
     TOLD "reset 1 remote 8 http2.remote_reset\n", "GOAWAY 1 5\n", false},
    {"DATA after RST_STREAM", {GET(1), F(RST_STREAM, 0, 1, "\0\0\0\x08"), F(DATA, 0, 1, "x")},
     TOLD "reset 1 remote 8 http2.remote_reset\n", "RST_STREAM 1 5\n", false},
    {"CONTINUATION without HEADERS", {GET(1), F(CONTINUATION, EH, 1, "\x82")}, TOLD, "GOAWAY 1 1\n", false},
    {"another frame in a header block", {F(HEADERS, ES, 1, "\x82"), F(PING, 0, 0, "12345678")}, "", "GOAWAY 1 1\n", false},
    {"CONTINUATION of another stream", {F(HEADERS, ES, 1, "\x82"), F(CONTINUATION, EH, 3, "\x86")}, "", "GOAWAY 1 1\n", false},
    {"a header block that is none", {F(HEADERS, ES | EH, 1, "\x82\x80")}, "", "GOAWAY 1 9\n", false},
    {"a header block that ends early", {F(HEADERS, ES | EH, 1, "\x82\x41\x09host")}, "", "GOAWAY 1 9\n", false},
    {"PRIORITY on an idle stream", {F(PRIORITY, 0, 9, "\0\0\0\x01\x10"), GET(1)}, TOLD, "", false},
    {"PRIORITY of a wrong size", {POST(1), F(PRIORITY, 0, 1, "\0\0\0\x01")}, TOLD_POST "reset 1 fault 6 http2.remote_reset\n",
     "RST_STREAM 1 6\n", false},
    {"PRIORITY on itself", {POST(1), F(PRIORITY, 0, 1, "\0\0\0\x01\x10")}, TOLD_POST "reset 1 fault 1 http2.remote_reset\n",
     "RST_STREAM 1 1\n", false},
    {"SETTINGS on a stream", {F(SETTINGS, 0, 1, "")}, "", "GOAWAY 0 1\n", false},
    {"SETTINGS of a wrong size", {F(SETTINGS, 0, 0, "abc")}, "", "GOAWAY 0 6\n", false},
    {"a window over 2^31-1", {F(SETTINGS, 0, 0, "\0\4\x80\0\0\0")}, "", "GOAWAY 0 3\n", false},
    {"an unknown setting", {F(SETTINGS, 0, 0, "\xff\xff\x80\0\0\0"), GET(1)}, TOLD, "", false},
    {"PING", {F(PING, 0, 0, "12345678")}, "", "PING 0 1 8\n", false},
    {"PING of a wrong size", {F(PING, 0, 0, "1234567")}, "", "GOAWAY 0 6\n", false},
    {"PING on a stream", {F(PING, 0, 1, "12345678")}, "", "GOAWAY 0 1\n", false},
    {"GOAWAY", {F(GOAWAY, 0, 0, "\0\0\0\0\0\0\0\x02why"), GET(1)}, "goaway 0 2\n" TOLD, "", false},
    {"GOAWAY of a wrong size", {F(GOAWAY, 0, 0, "\0\0\0\0\0\0\0")}, "", "GOAWAY 0 6\n", false},
    {"WINDOW_UPDATE of 0 on a stream", {POST(1), F(WINDOW_UPDATE, 0, 1, "\0\0\0\0")},
     TOLD_POST "reset 1 fault 1 http2.remote_reset\n", "RST_STREAM 1 1\n", false},
    {"WINDOW_UPDATE over 2^31-1 on a stream", {POST(1), F(WINDOW_UPDATE, 0, 1, "\x7f\xff\xff\xff")},
     TOLD_POST "reset 1 fault 3 http2.remote_reset\n", "RST_STREAM 1 3\n", false},
    {"WINDOW_UPDATE up to 2^31-1", {POST(1), F(WINDOW_UPDATE, 0, 1, "\x7f\xff\x00\x00"), F(WINDOW_UPDATE, 0, 0, "\x7f\xff\x00\x00")},
     TOLD_POST, "", false},
    {"WINDOW_UPDATE on an idle stream", {F(WINDOW_UPDATE, 0, 1, "\0\0\0\1")}, "", "GOAWAY 0 1\n", false},
    {"WINDOW_UPDATE of a wrong size", {F(WINDOW_UPDATE, 0, 0, "\0\0\0")}, "", "GOAWAY 0 6\n", false},
    {"PUSH_PROMISE", {GET(1), F(PUSH_PROMISE, EH, 1, "\0\0\0\2\x82")}, TOLD, "GOAWAY 1 1\n", false},
    {"after an error nothing is looked at", {F(PING, 0, 0, "1"), F(PING, 0, 0, "2"), GET(1), GET(1), GET(0)}, "", "GOAWAY 0 6\n", false},
};

static void frames(void **state)
{
    (void)state;
    run_cases(frame_cases, NU_ARRAY_LEN(frame_cases), true);
}

#define LIT(name_len, name, value_len, value) "\0" name_len name value_len value
#define BAD_FIELD "reset 1 message 1 http2.invalid.header.field\n"
#define BAD_MESSAGE "reset 1 message 1 http2.violation.of.messaging.rule\n"
#define RST1 "RST_STREAM 1 1\n"

static const struct session_case message_cases[] = {
    {"the same ends the session by default", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\1", "A", "\1", "b"))}, "", "GOAWAY 1 1\n", false},
    {"upper case", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\1", "A", "\1", "b"))}, BAD_FIELD, RST1, true},
    {"no name", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\0", "", "\1", "b"))}, BAD_FIELD, RST1, true},
    {"a blank behind the name", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\2", "a ", "\1", "b"))}, BAD_FIELD, RST1, true},
    {"a tab behind the name", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\7", "cookie\t", "\1", "b"))}, BAD_FIELD, RST1, true},
    {"NUL in a name", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\2", "a\0", "\1", "b"))}, BAD_FIELD, RST1, true},
    {"CR in a value", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\1", "a", "\2", "b\r"))}, BAD_FIELD, RST1, true},
    {"LF in a value", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\1", "a", "\3", "b\nc"))}, BAD_FIELD, RST1, true},
    {"NUL in a value", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\1", "a", "\1", "\0"))}, BAD_FIELD, RST1, true},
    {"LF that is indexed, and again", {F(HEADERS, ES | EH, 1, RAW_GET "\x40\1a\1\n"), F(HEADERS, ES | EH, 3, RAW_GET "\xbf")},
     BAD_FIELD "reset 3 message 1 http2.invalid.header.field\n", RST1 "RST_STREAM 3 1\n", true},
    {"an unknown pseudo-header field", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\2", ":a", "\1", "b"))}, BAD_FIELD, RST1, true},
    {"a response's pseudo-header field", {F(HEADERS, ES | EH, 1, RAW_GET "\x88")}, BAD_FIELD, RST1, true},
    {"a pseudo-header field twice", {F(HEADERS, ES | EH, 1, RAW_GET "\x82")}, BAD_FIELD, RST1, true},
    {"a pseudo-header field behind others", {F(HEADERS, ES | EH, 1, "\x82\x86" LIT("\1", "a", "\1", "b") "\x84")}, BAD_FIELD, RST1, true},
    {"no method", {F(HEADERS, ES | EH, 1, "\x86\x84\x41\x01h")}, BAD_MESSAGE, RST1, true},
    {"no scheme", {F(HEADERS, ES | EH, 1, "\x82\x84\x41\x01h")}, BAD_MESSAGE, RST1, true},
    {"no path", {F(HEADERS, ES | EH, 1, "\x82\x86\x41\x01h")}, BAD_MESSAGE, RST1, true},
    {"no authority", {F(HEADERS, ES | EH, 1, "\x82\x86\x84")}, BAD_MESSAGE, RST1, true},
    {"an empty path", {F(HEADERS, ES | EH, 1, "\x82\x86\x04\x00\x41\x01h")}, BAD_FIELD, RST1, true},
    {"a path without a slash", {F(HEADERS, ES | EH, 1, "\x82\x86\x04\x01x\x41\x01h")}, BAD_MESSAGE, RST1, true},
    {"a path with a blank", {F(HEADERS, ES | EH, 1, "\x82\x86\x04\x03/ x\x41\x01h")}, BAD_FIELD, RST1, true},
    {"GET *", {F(HEADERS, ES | EH, 1, "\x82\x86\x04\x01*\x41\x01h")}, BAD_MESSAGE, RST1, true},
    {"OPTIONS *", {F(HEADERS, ES | EH, 1, "\x02\x07OPTIONS\x86\x04\x01*\x41\x01h")},
     "head 1 end: :method=OPTIONS; :scheme=http; :path=*; :authority=h; \n", "", true},
    {"host for authority", {F(HEADERS, ES | EH, 1, "\x82\x86\x84\x0f\x17\x01h")},
     "head 1 end: :method=GET; :scheme=http; :path=/; host=h; \n", "", true},
    {"host twice", {F(HEADERS, ES | EH, 1, "\x82\x86\x84\x0f\x17\x01h\x0f\x17\x01h")}, BAD_FIELD, RST1, true},
    {"an authority that is none", {F(HEADERS, ES | EH, 1, "\x82\x86\x84\x41\x03" "a/b")}, BAD_FIELD, RST1, true},
    {"connection", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\x0a", "connection", "\5", "close"))}, BAD_FIELD, RST1, true},
    {"transfer-encoding", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\x11", "transfer-encoding", "\7", "chunked"))}, BAD_FIELD, RST1, true},
    {"upgrade", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\7", "upgrade", "\3", "h2c"))}, BAD_FIELD, RST1, true},
    {"te: gzip", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\2", "te", "\4", "gzip"))}, BAD_FIELD, RST1, true},
    {"te: trailers", {F(HEADERS, ES | EH, 1, RAW_GET LIT("\2", "te", "\x8", "trailers"))},
     "head 1 end: :method=GET; :scheme=http; :path=/; :authority=host.test; te=trailers; \n", "", true},
    {"CONNECT", {F(HEADERS, EH, 1, "\x02\x07" "CONNECT\x41\x03h:1")}, "head 1: :method=CONNECT; :authority=h:1; \n", "", true},
    {"CONNECT with a path", {F(HEADERS, EH, 1, "\x02\x07" "CONNECT\x84\x41\x03h:1")}, BAD_MESSAGE, RST1, true},
    {"two lengths", {F(HEADERS, EH, 1, RAW_GET "\x0f\x0d\x01\x33\x0f\x0d\x01\x33")}, BAD_FIELD, RST1, true},
    {"a length that is none", {F(HEADERS, EH, 1, RAW_GET "\x0f\x0d\x01x")}, BAD_FIELD, RST1, true},
    {"a length and no body", {F(HEADERS, ES | EH, 1, RAW_GET "\x0f\x0d\x01\x33")}, BAD_MESSAGE, RST1, true},
    {"a longer body", {F(HEADERS, EH, 1, "\x83\x86\x84\x41\x09host.test\x0f\x0d\x01\x33"), F(DATA, 0, 1, "abcd"), F(PING, 0, 0, "12345678")},
     "head 1: :method=POST; :scheme=http; :path=/; :authority=host.test; content-length=3; \n" BAD_MESSAGE, RST1 "PING 0 1 8\n", false},
    {"a shorter body", {F(HEADERS, EH, 1, "\x83\x86\x84\x41\x09host.test\x0f\x0d\x01\x33"), F(DATA, ES, 1, "ab"), F(PING, 0, 0, "12345678")},
     "head 1: :method=POST; :scheme=http; :path=/; :authority=host.test; content-length=3; \n" BAD_MESSAGE, RST1 "PING 0 1 8\n", false},
    {"trailers", {POST(1), F(DATA, 0, 1, "ab"), F(HEADERS, ES | EH, 1, LIT("\1", "a", "\1", "b"))},
     TOLD_POST "trailers 1 end: a=b; \n", "", true},
    {"trailers without END_STREAM", {POST(1), F(DATA, 0, 1, "ab"), F(HEADERS, EH, 1, LIT("\1", "a", "\1", "b"))},
     TOLD_POST BAD_MESSAGE, RST1, true},
    {"a pseudo-header field in trailers", {POST(1), F(HEADERS, ES | EH, 1, "\x84")}, TOLD_POST BAD_FIELD, RST1, true},
    {"a stream's error leaves the table right", {F(HEADERS, ES | EH, 1, "\x82\x82\x40\1a\1b"), F(HEADERS, ES | EH, 3, RAW_GET "\xbf")},
     BAD_FIELD "head 3 end: :method=GET; :scheme=http; :path=/; :authority=host.test; a=b; \n", RST1, true},
};

static void messages(void **state)
{
    (void)state;
    run_cases(message_cases, NU_ARRAY_LEN(message_cases), true);
}

#define OK200 "head 1: :status=200; \n"
static const struct session_case client_cases[] = {
    {"a response", {F(HEADERS, EH, 1, "\x88"), F(DATA, ES, 1, "ok")}, OK200 "body 1: 2 ok\n", "", false},
    {"1xx before it", {F(HEADERS, EH, 1, "\x08\x03" "103"), F(HEADERS, ES | EH, 1, "\x88")},
     "informational 1: :status=103; \nhead 1 end: :status=200; \n", "", false},
    {"1xx with END_STREAM", {F(HEADERS, ES | EH, 1, "\x08\x03" "103")}, BAD_MESSAGE, RST1, true},
    {"101", {F(HEADERS, EH, 1, "\x08\x03" "101")}, BAD_FIELD, RST1, true},
    {"no status", {F(HEADERS, EH, 1, LIT("\1", "a", "\1", "b"))}, BAD_MESSAGE, RST1, true},
    {"a status that is none", {F(HEADERS, EH, 1, "\x08\x02" "20")}, BAD_FIELD, RST1, true},
    {"a request's pseudo-header field", {F(HEADERS, EH, 1, "\x88\x82")}, BAD_FIELD, RST1, true},
    {"DATA before HEADERS", {F(DATA, ES, 1, "ok")}, BAD_MESSAGE, RST1, true},
    {"204 with a body", {F(HEADERS, EH, 1, "\x89"), F(DATA, ES, 1, "ok")}, "head 1: :status=204; \n" BAD_MESSAGE, RST1, true},
    {"a second head without END_STREAM", {F(HEADERS, EH, 1, "\x88"), F(HEADERS, EH, 1, "\x88"), F(DATA, ES, 1, "ok")},
     OK200 BAD_MESSAGE, RST1, true},
    {"HEADERS on an idle stream", {F(HEADERS, EH, 3, "\x88")}, "", "GOAWAY 0 1\n", false},
    {"HEADERS on an even stream", {F(HEADERS, EH, 2, "\x88")}, "", "GOAWAY 0 1\n", false},
    {"PUSH_PROMISE", {F(PUSH_PROMISE, EH, 1, "\0\0\0\2\x82")}, "", "GOAWAY 0 1\n", false},
    {"ENABLE_PUSH of a server", {F(SETTINGS, 0, 0, "\0\2\0\0\0\1")}, "", "GOAWAY 0 1\n", false},
    {"GOAWAY that did not see it", {F(GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0")}, "goaway 0 0\nreset 1 goaway 7 http2.remote_refuse\n", "", false},
    {"GOAWAY and no streams at once", {F(GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0"), F(SETTINGS, 0, 0, "\0\3\0\0\0\0")},
     "goaway 0 0\nreset 1 goaway 7 http2.remote_refuse\n", "", false},
    {"RST_STREAM and GOAWAY", {F(RST_STREAM, 0, 1, "\0\0\0\x07"), F(GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0")},
     "reset 1 remote 7 http2.remote_refuse\ngoaway 0 0\n", "", false},
    {"frames after the end", {F(HEADERS, ES | EH, 1, "\x88"), F(HEADERS, ES | EH, 1, "\x88"), F(DATA, ES, 1, "x")},
     "head 1 end: :status=200; \n", "RST_STREAM 1 5\n", false},
};

static void responses(void **state)
{
    (void)state;
    run_cases(client_cases, NU_ARRAY_LEN(client_cases), false);
}

/* ---- the preface ---- */

static void what_is_no_preface_is_refused_at_once(void **state)
{
    (void)state;
    struct app *a = nu_new(struct app);
    app_prepare(a);
    app_start(a, true);
    app_receive(a, "PRI * HTTP/2.0\r\n\r\nSM\r\n", 22);
    assert_int_equal(a->result, 0);
    app_receive(a, "x", 1);
    assert_int_not_equal(a->result, 0);
    assert_true(nu_str_eq(nu_h2_failure(&a->h2)->text, NU_STR("Received bad client magic byte string")));
    app_free(a);
    nu_free(a);
}

/* ---- floods ---- */

struct flood {
    const char *what;
    struct raw first, again;
    unsigned most;          /* times that are fine; one more is not */
    enum nu_h2_counter counter;
    const char *text;
};

static void floods(void **state)
{
    (void)state;
    static char settings[33 * 6];
    static const struct flood cases[] = {
        {"PING", {0}, F(PING, 0, 0, "12345678"), 1000 - 1, NU_H2_COUNT_outbound_control_flood,
         "Too many control frames in the outbound queue."}, /* one is the acknowledgement of SETTINGS */
        {"SETTINGS", {0}, F(SETTINGS, 0, 0, ""), 1000 - 1, NU_H2_COUNT_outbound_control_flood,
         "Too many control frames in the outbound queue."},
        {"PRIORITY", {0}, F(PRIORITY, 0, 9, "\0\0\0\0\0"), 100, NU_H2_COUNT_inbound_priority_frames_flood, "Too many PRIORITY frames"},
        {"PRIORITY with a stream", GET(1), F(PRIORITY, 0, 9, "\0\0\0\0\0"), 200, NU_H2_COUNT_inbound_priority_frames_flood,
         "Too many PRIORITY frames"},
        {"WINDOW_UPDATE", {0}, F(WINDOW_UPDATE, 0, 0, "\0\0\0\1"), 5, NU_H2_COUNT_inbound_window_update_frames_flood,
         "Too many WINDOW_UPDATE frames"},
        {"WINDOW_UPDATE with a stream", GET(1), F(WINDOW_UPDATE, 0, 0, "\0\0\0\1"), 7, NU_H2_COUNT_inbound_window_update_frames_flood,
         "Too many WINDOW_UPDATE frames"},
        {"empty DATA", POST(1), F(DATA, 0, 1, ""), 1, NU_H2_COUNT_inbound_empty_frames_flood,
         "Too many consecutive frames with an empty payload"},
        {"padding alone", POST(1), F(DATA, H2_PADDED, 1, "\2xx"), 1, NU_H2_COUNT_inbound_empty_frames_flood,
         "Too many consecutive frames with an empty payload"},
        {"empty CONTINUATION", F(HEADERS, 0, 1, "\x82"), F(CONTINUATION, 0, 1, ""), 1, NU_H2_COUNT_inbound_empty_frames_flood,
         "Too many consecutive frames with an empty payload"},
        {"CONTINUATION", F(HEADERS, 0, 1, RAW_GET), F(CONTINUATION, 0, 1, "\0\1a\1b"), 8, NU_H2_N_COUNTERS,
         "The user callback function failed"},
        {"too many settings", {0}, {H2_SETTINGS, 0, 0, settings, sizeof(settings)}, 0, NU_H2_N_COUNTERS,
         "The user callback function failed"},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        const struct flood *t = &cases[i];
        struct app *a = nu_new(struct app);
        struct nu_sb in = {0};
        print_message("%s\n", t->what);
        app_prepare(a);
        app_start(a, true);
        raw_preface(&in);
        if (t->first.payload != NULL)
            raw_frame(&in, t->first.type, t->first.flags, t->first.id, t->first.payload, t->first.n);
        for (unsigned k = 0; k < t->most; k++)
            raw_frame(&in, t->again.type, t->again.flags, t->again.id, t->again.payload, t->again.n);
        app_receive(a, in.ptr, in.len);
        assert_int_equal(a->result, 0);
        in.len = 0;
        for (unsigned k = 0; k < 100; k++) /* what follows changes nothing any more */
            raw_frame(&in, t->again.type, t->again.flags, t->again.id, t->again.payload, t->again.n);
        app_receive(a, in.ptr, in.len);
        assert_int_not_equal(a->result, 0);
        assert_true(nu_str_eq(nu_h2_failure(&a->h2)->text, nu_str_from(t->text)));
        assert_int_equal(nu_h2_failure(&a->h2)->code, NU_H2_ENHANCE_YOUR_CALM);
        for (unsigned k = 0; k < NU_H2_N_COUNTERS; k++)
            if (k != NU_H2_COUNT_rx_reset && k != NU_H2_COUNT_tx_reset)
                assert_int_equal(a->counts[k], k == t->counter);
        app_free(a);
        nu_sb_free(&in);
        nu_free(a);
    }
}

/* Acknowledgements that leave do not count; those that do not, do, over many flushes. */
static void outbound_frames_count_until_they_have_left(void **state)
{
    (void)state;
    for (unsigned slow = 0; slow < 3; slow++) {
        struct app *a = nu_new(struct app);
        struct nu_sb in = {0}, out = {0};
        unsigned n = 0;
        app_prepare(a);
        app_start(a, true);
        raw_preface(&in);
        app_receive(a, in.ptr, in.len);
        in.len = 0;
        raw_frame(&in, H2_PING, 0, 0, "12345678", 8);
        for (; n < 5000 && a->result == 0; n++) {
            app_receive(a, in.ptr, in.len);
            app_flush(a, &out, 1000);
            /* 0: all leaves; 1: nothing; 2: as much as comes, always 500 frames late */
            size_t late = (size_t)500 * (H2_FRAME_HEAD + 8);
            a->unsent = slow == 0 ? 0 : slow == 1 ? out.len : nu_min(out.len, late);
        }
        if (slow == 1)
            assert_int_equal(n, 1000);
        else
            assert_int_equal(n, 5000);
        assert_true(slow != 2 || (a->h2.outbound_control_frames >= 500 && a->h2.outbound_control_frames < 1000));
        app_free(a);
        nu_sb_free(&in);
        nu_sb_free(&out);
        nu_free(a);
    }
}

/* H2-01: windows of one byte. */
static void data_in_tiny_windows_is_bounded(void **state)
{
    (void)state;
    static char body[100000];
    struct app *a = nu_new(struct app);
    struct nu_sb in = {0}, out = {0};
    app_prepare(a);
    a->opt.max_inbound_window_update_frames_per_data_frame_sent = 1000;
    app_start(a, true);
    nu_sb_lit(&in, H2_PREFACE);
    raw_frame(&in, H2_SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
    raw_frame(&in, H2_HEADERS, ES | EH, 1, RAW_GET, sizeof(RAW_GET) - 1);
    app_receive(a, in.ptr, in.len);
    struct app_stream *s = nu_list_entry(a->streams.next, struct app_stream, node);
    app_respond_head(a, s, 200, false);
    app_send(a, s, body, sizeof(body), true);
    in.len = 0;
    raw_frame(&in, H2_WINDOW_UPDATE, 0, 1, "\0\0\0\1", 4);
    unsigned n = 0;
    for (; n < 20000 && a->result == 0; n++) {
        app_receive(a, in.ptr, in.len);
        app_flush(a, &out, 100000);
        a->unsent = out.len;
    }
    assert_in_range(n, 9990, 10001);
    assert_int_equal(a->counts[NU_H2_COUNT_outbound_flood], 1);
    app_free(a);
    nu_sb_free(&in);
    nu_sb_free(&out);
    nu_free(a);
}

/* H2-09, H2-10: n requests that are reset, by the peer or because of it, each after n_good that are answered. How many it
 * takes until the session fails. */
static unsigned resets_until_failure(const struct raw *cause, unsigned n_good, bool answer_first, uint64_t ms)
{
    struct app *a = nu_new(struct app);
    struct nu_sb in = {0}, out = {0};
    unsigned n = 0, id = 1;
    app_prepare(a);
    a->opt.stream_reset_burst = 0;
    a->opt.stream_error_on_invalid = true;
    app_start(a, true);
    raw_preface(&in);
    app_receive(a, in.ptr, in.len);
    for (; n < 3000 && a->result == 0; n++) {
        for (unsigned k = 0; k <= n_good && a->result == 0; k++, id += 2) {
            in.len = 0;
            raw_frame(&in, H2_HEADERS, EH | (k < n_good ? ES : 0), id, RAW_GET, sizeof(RAW_GET) - 1);
            app_receive(a, in.ptr, in.len);
            if (k < n_good || answer_first)
                app_respond_head(a, nu_list_entry(a->streams.next, struct app_stream, node), 200, k < n_good);
        }
        in.len = 0;
        raw_frame(&in, cause->type, cause->flags, id - 2, cause->payload, cause->n);
        a->now_ms += ms;
        app_receive(a, in.ptr, in.len);
        app_flush(a, &out, 1000);
        out.len = 0;
    }
    if (a->result != 0)
        assert_int_equal(nu_h2_failure(&a->h2)->kind, NU_H2_FAIL_PREMATURE_RESETS);
    app_free(a);
    nu_sb_free(&in);
    nu_sb_free(&out);
    nu_free(a);
    return n;
}

static void premature_resets_end_the_session(void **state)
{
    (void)state;
    const struct raw reset = F(RST_STREAM, 0, 1, "\0\0\0\x08");
    static const struct raw ours[] = {F(WINDOW_UPDATE, 0, 1, "\0\0\0\0"), F(WINDOW_UPDATE, 0, 1, "\x7f\xff\xff\xff"),
        F(PRIORITY, 0, 1, "\0\0\0"), F(HEADERS, EH, 1, "\x82"), F(HEADERS, EH | ES, 1, "\x82")};
    assert_int_equal(resets_until_failure(&reset, 0, false, 0), 250);
    assert_int_equal(resets_until_failure(&reset, 1, false, 0), 250);  /* half of them */
    assert_int_equal(resets_until_failure(&reset, 2, false, 0), 3000); /* a third */
    assert_int_equal(resets_until_failure(&reset, 0, true, 0), 3000);  /* after an answer */
    assert_int_equal(resets_until_failure(&reset, 0, false, 1001), 3000);
    for (size_t i = 0; i < NU_ARRAY_LEN(ours); i++)
        assert_int_equal(resets_until_failure(&ours[i], 0, false, 0), 250);
}

static void rst_streams_have_a_rate(void **state)
{
    (void)state;
    struct app *a = nu_new(struct app);
    struct nu_sb in = {0}, out = {0};
    app_prepare(a);
    a->opt.premature_reset_total_stream_count = 0;
    app_start(a, true);
    raw_preface(&in);
    app_receive(a, in.ptr, in.len);
    unsigned n = 0;
    for (unsigned id = 1; a->result == 0 && n < 10000; id += 2, n++) {
        in.len = 0;
        raw_frame(&in, H2_HEADERS, EH, id, RAW_GET, sizeof(RAW_GET) - 1);
        raw_frame(&in, H2_RST_STREAM, 0, id, "\0\0\0\x08", 4);
        a->now_ms += n < 2000 ? 31 : 0; /* 32 a second */
        app_receive(a, in.ptr, in.len);
        app_flush(a, &out, 1000);
        out.len = 0;
    }
    assert_in_range(n, 3000, 3003);
    app_free(a);
    nu_sb_free(&in);
    nu_sb_free(&out);
    nu_free(a);
}

/* ---- limits on heads ---- */

static void head_limits(void **state)
{
    (void)state;
    static const struct {
        const char *what, *block;
        size_t n_bytes;
        unsigned n_before; /* how many times "x-a: 1" comes before that, as an index */
        bool fine;
    } cases[] = {
        {"fields", "", 0, 96, true},
        {"too many fields", "", 0, 97, false},
        {"cookies do not count", "\x60\1x\xbe\xbe\xbe\xbe\xbe\xbe", 9, 95, true},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        struct app *a = nu_new(struct app);
        struct nu_sb in = {0}, block = {0};
        print_message("%s\n", cases[i].what);
        app_prepare(a);
        app_start(a, true);
        raw_preface(&in);
        nu_sb_lit(&block, RAW_GET "\x40\3x-a\1" "1");
        for (unsigned k = 1; k < cases[i].n_before; k++)
            nu_sb_lit(&block, "\xbe");
        nu_sb_add(&block, nu_str_make(cases[i].block, cases[i].n_bytes));
        raw_frame(&in, H2_HEADERS, ES | EH, 1, block.ptr, block.len);
        app_receive(a, in.ptr, in.len);
        assert_int_equal(a->result, 0);
        assert_int_equal(strstr(nu_sb_cstr(&a->log), "reset 1 limit 2 http2.too_many_headers") == NULL, cases[i].fine);
        assert_int_equal(a->counts[NU_H2_COUNT_header_overflow], !cases[i].fine);
        app_free(a);
        nu_sb_free(&in);
        nu_sb_free(&block);
        nu_free(a);
    }
}

/* HP-04, HP-05: one large value, referenced again and again, also where it is thrown away. */
static void references_to_large_values_count(void **state)
{
    (void)state;
    static const char *const literals[] = {"\x60", "\x66", "\x40\1x"}; /* cookie, host, x */
    for (size_t i = 0; i < NU_ARRAY_LEN(literals); i++) {
        struct app *a = nu_new(struct app);
        struct nu_sb in = {0}, block = {0};
        app_prepare(a);
        a->opt.max_headers_count = 100000;
        app_start(a, true);
        raw_preface(&in);
        nu_sb_lit(&block, RAW_GET);
        nu_sb_add(&block, nu_str_from(literals[i]));
        nu_sb_lit(&block, "\x7f\xc1\x1e"); /* 4,032 bytes */
        for (unsigned k = 0; k < 4032; k++)
            nu_sb_char(&block, 'c');
        for (unsigned k = 0; k < 10000; k++)
            nu_sb_lit(&block, "\xbe");
        raw_frame(&in, H2_HEADERS, ES | EH, 1, block.ptr, block.len);
        raw_frame(&in, H2_HEADERS, ES | EH, 3, RAW_GET, sizeof(RAW_GET) - 1);
        a->opt.stream_error_on_invalid = true;
        app_receive(a, in.ptr, in.len);
        assert_int_equal(a->result, 0);
        assert_int_equal(a->n_closed, 1);
        assert_non_null(strstr(nu_sb_cstr(&a->log), "head 3 end"));
        app_free(a);
        nu_sb_free(&in);
        nu_sb_free(&block);
        nu_free(a);
    }
}

static void underscores(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < 3; mode++) {
        struct app *a = nu_new(struct app);
        struct nu_sb in = {0};
        static const char *const logs[] = {"head 1 end: :method=GET; :scheme=http; :path=/; :authority=host.test; a_b=c; \n",
            "reset 1 limit 2 http2.unexpected_underscore\n", TOLD};
        app_prepare(a);
        a->opt.underscores = mode == 0 ? NU_H2_UNDERSCORES_ALLOW : mode == 1 ? NU_H2_UNDERSCORES_REJECT : NU_H2_UNDERSCORES_DROP;
        app_start(a, true);
        raw_preface(&in);
        raw_frame(&in, H2_HEADERS, ES | EH, 1, RAW_GET LIT("\3", "a_b", "\1", "c"), sizeof(RAW_GET LIT("\3", "a_b", "\1", "c")) - 1);
        app_receive(a, in.ptr, in.len);
        assert_string_equal(nu_sb_cstr(&a->log), logs[mode]);
        assert_int_equal(a->counts[NU_H2_COUNT_dropped_headers_with_underscores], mode == 2);
        assert_int_equal(a->counts[NU_H2_COUNT_requests_rejected_with_underscores_in_headers], mode == 1);
        app_free(a);
        nu_sb_free(&in);
        nu_free(a);
    }
}

/* ---- windows ---- */

/* H2-30: the initial window shrinks below what was sent, and grows again. */
static void windows_may_be_negative(void **state)
{
    (void)state;
    static char body[70000];
    struct app *a = nu_new(struct app);
    struct nu_sb in = {0}, out = {0};
    app_prepare(a);
    app_start(a, true);
    raw_preface(&in);
    raw_frame(&in, H2_HEADERS, ES | EH, 1, RAW_GET, sizeof(RAW_GET) - 1);
    raw_frame(&in, H2_WINDOW_UPDATE, 0, 0, "\0\1\0\0", 4);
    app_receive(a, in.ptr, in.len);
    struct app_stream *s = nu_list_entry(a->streams.next, struct app_stream, node);
    app_respond_head(a, s, 200, false);
    app_send(a, s, body, sizeof(body), true);
    app_flush(a, &out, 1000000);
    assert_int_equal(s->h2.queue.len, 70000 - 65535);
    in.len = 0;
    raw_frame(&in, H2_SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
    app_receive(a, in.ptr, in.len);
    assert_int_equal(s->h2.send_window, -65535);
    in.len = 0;
    raw_frame(&in, H2_WINDOW_UPDATE, 0, 1, "\0\0\xff\xff", 4);
    app_receive(a, in.ptr, in.len);
    app_flush(a, &out, 1000000);
    assert_int_equal(s->h2.queue.len, 70000 - 65535);
    in.len = 0;
    raw_frame(&in, H2_SETTINGS, 0, 0, "\0\4\0\0\0\1", 6);
    app_receive(a, in.ptr, in.len);
    app_flush(a, &out, 1000000);
    assert_int_equal(s->h2.queue.len, 70000 - 65536);
    in.len = 0;
    raw_frame(&in, H2_SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
    app_receive(a, in.ptr, in.len);
    assert_int_equal(a->result, 0);
    app_flush(a, &out, 1000000);
    assert_int_equal(a->n_closed, 1);
    app_free(a);
    nu_sb_free(&in);
    nu_sb_free(&out);
    nu_free(a);
}

static void a_window_that_settings_overflow_is_an_error(void **state)
{
    (void)state;
    const struct session_case t = {"", {POST(1), F(WINDOW_UPDATE, 0, 1, "\0\0\0\1"), F(SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff")},
        TOLD_POST, "GOAWAY 1 3\n", false};
    run_case(&t, 1000, true);
}

static void more_data_than_the_window_is_an_error(void **state)
{
    (void)state;
    static char body[16384];
    for (unsigned of_connection = 0; of_connection < 2; of_connection++) {
        struct app *a = nu_new(struct app);
        struct nu_sb in = {0};
        app_prepare(a);
        a->no_consume = true;
        a->opt.initial_stream_window_size = of_connection ? 1000000 : 65535;
        a->opt.initial_connection_window_size = of_connection ? 65535 : 1000000;
        app_start(a, true);
        raw_preface(&in);
        raw_frame(&in, H2_HEADERS, EH, 1, RAW_GET, sizeof(RAW_GET) - 1);
        for (unsigned k = 0; k < 4; k++)
            raw_frame(&in, H2_DATA, 0, 1, body, k < 3 ? 16384 : 16383);
        app_receive(a, in.ptr, in.len);
        assert_int_equal(a->n_closed, 0);
        assert_int_equal(a->result, 0);
        in.len = 0;
        raw_frame(&in, H2_DATA, 0, 1, body, 1);
        app_receive(a, in.ptr, in.len);
        if (of_connection)
            assert_int_equal(nu_h2_failure(&a->h2)->code, NU_H2_FLOW_CONTROL_ERROR);
        else
            assert_non_null(strstr(nu_sb_cstr(&a->log), "reset 1 fault 3"));
        app_free(a);
        nu_sb_free(&in);
        nu_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames),
        cmocka_unit_test(messages),
        cmocka_unit_test(responses),
        cmocka_unit_test(what_is_no_preface_is_refused_at_once),
        cmocka_unit_test(floods),
        cmocka_unit_test(outbound_frames_count_until_they_have_left),
        cmocka_unit_test(data_in_tiny_windows_is_bounded),
        cmocka_unit_test(premature_resets_end_the_session),
        cmocka_unit_test(rst_streams_have_a_rate),
        cmocka_unit_test(head_limits),
        cmocka_unit_test(references_to_large_values_count),
        cmocka_unit_test(underscores),
        cmocka_unit_test(windows_may_be_negative),
        cmocka_unit_test(a_window_that_settings_overflow_is_an_error),
        cmocka_unit_test(more_data_than_the_window_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
