/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/tls/client_hello.h"

#define ROOM 8192u

/* What a ClientHello is put together from. */
struct plan {
    const char *version, *session_id, *ciphers, *compression, *extensions;
    size_t n_session_id, n_ciphers, n_compression, n_extensions;
};

#define PART(name, literal) .name = "" literal, .n_##name = sizeof(literal) - 1

#define SNI "\0\0\0\x0c\0\x0a\0\0\x07" "a.Bc.de"
#define ALPN "\0\x10\0\x0e\0\x0c\2h2\x08http/1.1"
#define VERSIONS "\0\x2b\0\5\4\x3a\x3a\3\4"
#define GROUPS "\0\x0a\0\6\0\4\x2a\x2a\0\x1d"
#define FORMATS "\0\x0b\0\2\1\0"
#define SIGALGS "\0\x0d\0\6\0\4\4\3\x08\4"
#define ECH "\xfe\x0d\0\2\1a"
#define GREASE "\x1a\x1a\0\0"

#define CIPHERS "\x13\1\x0a\x0a\x12\1"
#define WITH(v, id, c, z) .version = (v), PART(session_id, id), PART(ciphers, c), PART(compression, z)
#define GOOD WITH("\3\3", "", CIPHERS, "\0")

static void put_vector(struct nu_sb *sb, size_t width, const char *bytes, size_t n)
{
    for (size_t i = width; i-- > 0;)
        nu_sb_char(sb, (char)(n >> (8 * i)));
    nu_sb_add(sb, nu_str_make(bytes, n));
}

static void build_message(struct nu_sb *sb, const struct plan *p)
{
    struct nu_sb body = {0};
    nu_sb_add(&body, nu_str_make(p->version, 2));
    nu_sb_lit(&body, "0123456789abcdef0123456789abcdef");
    put_vector(&body, 1, p->session_id, p->n_session_id);
    put_vector(&body, 2, p->ciphers, p->n_ciphers);
    put_vector(&body, 1, p->compression, p->n_compression);
    if (p->extensions != NULL)
        put_vector(&body, 2, p->extensions, p->n_extensions);
    nu_sb_char(sb, 1);
    put_vector(sb, 3, body.ptr, body.len);
    nu_sb_free(&body);
}

/* In records of `step` bytes. */
static void build(struct nu_sb *sb, const struct plan *p, size_t step)
{
    struct nu_sb message = {0};
    build_message(&message, p);
    for (nu_str rest = nu_sb_str(&message); rest.len > 0; rest = nu_str_skip(rest, step)) {
        nu_str part = nu_str_first(rest, step);
        nu_sb_lit(sb, "\x16\3\1");
        put_vector(sb, 2, part.ptr, part.len);
    }
    nu_sb_free(&message);
}

static void assert_text(nu_str got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}

static const struct plan full = {GOOD, PART(extensions, GREASE SNI ECH GROUPS FORMATS SIGALGS ALPN VERSIONS)};

static void finds_name_and_protocols_however_it_is_cut(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 2, 3, 5, 50, 4096};
    for (size_t i = 0; i < NU_ARRAY_LEN(steps); i++) {
        struct nu_sb in = {0};
        struct nu_client_hello h;
        char scratch[ROOM];
        build(&in, &full, steps[i]);
        for (size_t n = 0; n < in.len; n++) {
            assert_int_equal(nu_client_hello_parse(nu_str_first(nu_sb_str(&in), n), scratch, &h), NU_HELLO_MORE);
            assert_int_equal(h.looked_at, n);
        }
        size_t whole = in.len;
        nu_sb_lit(&in, "what follows");
        assert_int_equal(nu_client_hello_parse(nu_sb_str(&in), scratch, &h), NU_HELLO_DONE);
        assert_int_equal(h.looked_at, whole);
        assert_text(h.server_name, "a.Bc.de");
        nu_str name;
        assert_true(nu_alpn_next(&h.alpn, &name));
        assert_text(name, "h2");
        assert_true(nu_alpn_next(&h.alpn, &name));
        assert_text(name, "http/1.1");
        assert_false(nu_alpn_next(&h.alpn, &name));
        nu_sb_free(&in);
    }
}

static void writes_the_texts_of_fingerprints(void **state)
{
    (void)state;
    struct nu_sb in = {0}, ja3 = {0}, head = {0}, ciphers = {0}, extensions = {0};
    struct nu_client_hello h;
    char scratch[ROOM];
    build(&in, &full, 4096);
    assert_int_equal(nu_client_hello_parse(nu_sb_str(&in), scratch, &h), NU_HELLO_DONE);
    nu_ja3_text(&h, &ja3);
    nu_ja4_head(&h, &head);
    nu_ja4_ciphers(&h, &ciphers);
    nu_ja4_extensions(&h, &extensions);
    assert_text(nu_sb_str(&ja3), "771,4865-4609,0-65037-10-11-13-16-43,10794-29,0");
    assert_text(nu_sb_str(&head), "t13d0207h2");
    assert_text(nu_sb_str(&ciphers), "1201,1301");
    assert_text(nu_sb_str(&extensions), "000a,000b,000d,002b,fe0d_0403,0804");
    nu_sb_free(&in);
    nu_sb_free(&ja3);
    nu_sb_free(&head);
    nu_sb_free(&ciphers);
    nu_sb_free(&extensions);
}

#define EXT(literal) {GOOD, PART(extensions, literal)}

/* error NULL: accepted. */
static const struct {
    const char *what;
    struct plan plan;
    const char *error;
} messages[] = {
    {"no extensions", {GOOD}, NULL},
    {"empty extensions", EXT(""), NULL},
    {"an extension cut off", EXT("\0\x17\0"), "CLIENTHELLO_PARSE_FAILED"},
    {"an extension longer than the rest", EXT("\0\x17\0\1"), "CLIENTHELLO_PARSE_FAILED"},
    {"an extension twice", EXT("\x77\x77\0\0\x77\x77\0\0"), "CLIENTHELLO_PARSE_FAILED"},
    {"empty name", EXT("\0\0\0\5\0\3\0\0\0"), "ERROR_PARSING_EXTENSION"},
    {"a name with NUL", EXT("\0\0\0\x08\0\6\0\0\3a\0b"), "ERROR_PARSING_EXTENSION"},
    {"two names", EXT("\0\0\0\x0a\0\x08\0\0\1a\0\0\1b"), "ERROR_PARSING_EXTENSION"},
    {"a name that is no host", EXT("\0\0\0\6\0\4\1\0\1a"), "ERROR_PARSING_EXTENSION"},
    {"bytes behind the name", EXT("\0\0\0\7\0\4\0\0\1ax"), "ERROR_PARSING_EXTENSION"},
    {"malformed ALPN", EXT("\0\x10\0\5\0\3\5h2"), NULL},
    {"empty ALPN name", EXT("\0\x10\0\3\0\1\0"), NULL},
    {"odd groups", EXT("\0\x0a\0\3\0\1\0"), NULL},
    {"unknown versions", EXT("\0\x2b\0\3\2\x7f\x1c"), NULL},
    {"outer ECH", EXT("\xfe\x0d\0\x0b\0\0\1\0\1\5\0\0\0\1p"), NULL},
    {"outer ECH cut off", EXT("\xfe\x0d\0\x0a\0\0\1\0\1\5\0\0\0\1"), "DECODE_ERROR"},
    {"bytes behind outer ECH", EXT("\xfe\x0d\0\x0b\0\0\1\0\1\5\0\0\0\0p"), "DECODE_ERROR"},
    {"inner ECH", EXT("\xfe\x0d\0\1\1"), NULL},
    {"empty ECH", EXT("\xfe\x0d\0\0"), "DECODE_ERROR"},
    {"SSL 3", {WITH("\3\0", "", CIPHERS, "\0")}, NULL},
    {"no ciphers", {WITH("\3\3", "", "", "\0")}, "CLIENTHELLO_PARSE_FAILED"},
    {"odd ciphers", {WITH("\3\3", "", "\x13\1\x13", "\0")}, "CLIENTHELLO_PARSE_FAILED"},
    {"no compression", {WITH("\3\3", "", CIPHERS, "")}, "CLIENTHELLO_PARSE_FAILED"},
    {"no null compression", {WITH("\3\3", "", CIPHERS, "\1")}, NULL},
    {"long session id", {WITH("\3\3", "123456789012345678901234567890123", CIPHERS, "\0")}, "CLIENTHELLO_PARSE_FAILED"},
};

static void checks_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < NU_ARRAY_LEN(messages); i++) {
        struct nu_sb in = {0};
        struct nu_client_hello h;
        char scratch[ROOM];
        build(&in, &messages[i].plan, 40);
        enum nu_hello_status got = nu_client_hello_parse(nu_sb_str(&in), scratch, &h);
        print_message("%s\n", messages[i].what);
        if (messages[i].error == NULL) {
            assert_int_equal(got, NU_HELLO_DONE);
            assert_int_equal(h.alpn.len, 0);
        } else {
            assert_int_equal(got, NU_HELLO_ERROR);
            assert_string_equal(h.error->name, messages[i].error);
        }
        nu_sb_free(&in);
    }
}

#define R(literal) literal, sizeof(literal) - 1

static const struct {
    const char *in;
    size_t n;
    const char *error; /* NULL: more is needed */
    size_t looked_at;
} records[] = {
    {R("GET "), NULL, 4},
    {R("GET / HTTP/1.1\r\n"), "HTTP_REQUEST", 5},
    {R("POST / HTTP/1.1\r\n"), "HTTP_REQUEST", 5},
    {R("CONNECT a:1 HTTP/1.1\r\n"), "HTTPS_PROXY_REQUEST", 5},
    {R("DELETE / HTTP/1.1\r\n"), "WRONG_VERSION_NUMBER", 5},
    {R("SSH-2.0-OpenSSH\r\n"), "WRONG_VERSION_NUMBER", 5},
    {R("\x16\2\0\0\1a"), "WRONG_VERSION_NUMBER", 5},
    {R("\x16\3\1\xff\xff"), "ENCRYPTED_LENGTH_TOO_LONG", 5},
    {R("\x16\3\1\x40\1"), NULL, 5},
    {R("\x15\3\1\0\2\2"), NULL, 6},
    {R("\x15\3\1\0\2\2\x28"), "UNEXPECTED_RECORD", 7},
    {R("\x17\3\3\0\1a"), "UNEXPECTED_RECORD", 6},
    {R("\x16\3\1\0\4\1\1\0\0"), "EXCESSIVE_MESSAGE_SIZE", 9},
    {R("\x16\3\1\0\4\1\0\x40\0"), NULL, 9},
    {R("\x16\3\1\0\4\2\0\0\0"), "UNEXPECTED_MESSAGE", 9},
    {R("\x16\3\1\0\5\1\0\0\0x"), "EXCESS_HANDSHAKE_DATA", 10},
};

static void checks_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < NU_ARRAY_LEN(records); i++) {
        struct nu_client_hello h;
        char scratch[ROOM];
        enum nu_hello_status got = nu_client_hello_parse(nu_str_make(records[i].in, records[i].n), scratch, &h);
        print_message("row %zu\n", i);
        assert_int_equal(h.looked_at, records[i].looked_at);
        assert_int_equal(got, records[i].error != NULL ? NU_HELLO_ERROR : NU_HELLO_MORE);
        if (records[i].error != NULL)
            assert_string_equal(h.error->name, records[i].error);
    }
}

static void bears_few_empty_records(void **state)
{
    (void)state;
    for (unsigned n = 32; n <= 33; n++) {
        struct nu_sb in = {0};
        struct nu_client_hello h;
        char scratch[ROOM];
        for (unsigned i = 0; i < n; i++)
            nu_sb_lit(&in, "\x16\3\1\0\0");
        build(&in, &full, 4096);
        enum nu_hello_status got = nu_client_hello_parse(nu_sb_str(&in), scratch, &h);
        assert_int_equal(got, n == 32 ? NU_HELLO_DONE : NU_HELLO_ERROR);
        nu_sb_free(&in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_name_and_protocols_however_it_is_cut),
        cmocka_unit_test(writes_the_texts_of_fingerprints),
        cmocka_unit_test(checks_messages),
        cmocka_unit_test(checks_records),
        cmocka_unit_test(bears_few_empty_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
