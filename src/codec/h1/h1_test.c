/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "codec/h1/encode.h"
#include "codec/h1/fuzz_drive.h"

static nu_str digest(struct nu_sb *sb, const char *text, size_t step, bool request)
{
    struct nu_h1_rules rules = {.request = request, .max_fields = 100};
    sb->len = 0;
    drive((const uint8_t *)text, strlen(text), step, &rules, sb);
    return nu_sb_str(sb);
}

static const struct {
    bool request;
    const char *in, *want;
} messages[] = {
    {true, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "<GET /a 0 v2>host=x;<body 0>"},
    {true, "GET /a HTTP/1.1\nHost: x\n\n", "<GET /a 0 v2>host=x;<body 0>"},
    {true, "GET / HTTP/1.0\r\nA:  b \t\r\n\r\n", "<GET / 0 v1>a=b;<body 0>"},
    {true, "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n",
     "<POST / 0 v2>content-length=3;<body 1>abc<GET / 0 v2><body 0>"},
    {true, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: u\r\n\r\n",
     "<POST / 0 v2>transfer-encoding=chunked;<body 2>abc0123456789<  0 v0>t=u;"},
    {true, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", "<POST / 0 v2>content-length=9;<body 1>abc<cut>"},
    {false, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No\r\n\r\n",
     "<  200 v2>content-length=2;<body 1>ok<  204 v2><body 0>"},
    {false, "HTTP/1.0 200\r\n\r\nrest", "<  200 v1><body 3>rest<cut>"},
};

static void messages_are_read_however_they_are_cut(void **state)
{
    (void)state;
    struct nu_sb sb = {0};
    for (size_t i = 0; i < NU_ARRAY_LEN(messages); i++)
        for (size_t step = 1; step < 100; step += step < 8 ? 1 : 45) {
            nu_str got = digest(&sb, messages[i].in, step, messages[i].request);
            if (!nu_str_eq(got, nu_str_from(messages[i].want)))
                fail_msg("row %zu, step %zu: %.*s", i, step, NU_STR_ARG(got));
        }
    nu_sb_free(&sb);
}

static const struct {
    bool request;
    const char *in;
    int want;
} wrong[] = {
    {true, "\x16\x03\x01", NU_H1_ERR_SYNTAX},
    {true, "GET\r\n\r\n", NU_H1_ERR_SYNTAX},
    {true, "GET / HTTP/1.1\r\nbad\r\n\r\n", 0},
    {true, "GET / HTTP/1.1\r\na b: c\r\n\r\n", 0},
    {true, "GET / HTTP/1.1\r\na : c\r\n\r\n", 0},
    {true, "GET / HTTP/1.1\r\n: c\r\n\r\n", 0},
    {true, "GET / HTTP/1.1\r\na: c\r\n d\r\n\r\n", 0},
    {true, "GET / HTTP/1.1\r\na: \x01\r\n\r\n", 0},
    {true, "GET / HTTP/1.1\r\na: b\rc\r\n\r\n", 0},
    {true, "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 0},
    {true, "POST / HTTP/1.1\r\ncontent-length: +1\r\n\r\n", 0},
    {true, "POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n", 0},
    {true, "POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", NU_H1_ERR_LENGTH_AND_CHUNKED},
    {true, "POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", NU_H1_ERR_TRANSFER_CODING},
    {true, "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nx\r\n", NU_H1_ERR_CHUNK},
    {true, "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\nx\r\n", NU_H1_ERR_CHUNK},
    {true, "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxy\r\n", NU_H1_ERR_CHUNK},
    {true, "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n11111111111111111\r\n", NU_H1_ERR_CHUNK},
    {false, "HTTP/1.1 20 OK\r\n\r\n", 0},
    {false, "HTTX/1.1 200 OK\r\n\r\n", NU_H1_ERR_SYNTAX},
};

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    struct nu_sb sb = {0};
    for (size_t i = 0; i < NU_ARRAY_LEN(wrong); i++)
        for (size_t step = 1; step < 100; step += 33) {
            nu_str got = digest(&sb, wrong[i].in, step, wrong[i].request);
            char number[32];
            snprintf(number, sizeof(number), " %d>", wrong[i].want);
            if (nu_str_search(got, NU_STR(" -1")) < 0 ||
                (wrong[i].want != 0 && nu_str_search(got, nu_str_from(number)) < 0))
                fail_msg("row %zu, step %zu: %.*s", i, step, NU_STR_ARG(got));
        }
    nu_sb_free(&sb);
}

static void a_head_has_its_limit(void **state)
{
    (void)state;
    struct nu_sb text = {0}, sb = {0};
    nu_sb_lit(&text, "GET / HTTP/1.1\r\na: ");
    while (text.len < DRIVE_MAX_HEAD - 4)
        nu_sb_char(&text, 'x');
    nu_sb_lit(&text, "\r\n\r\n");
    assert_true(nu_str_ends(digest(&sb, nu_sb_cstr(&text), 1000, true), NU_STR("<body 0>")));
    text.len -= 4;
    nu_sb_lit(&text, "y\r\n\r\n");
    char want[32];
    snprintf(want, sizeof(want), "<head %d>", NU_H1_ERR_HEAD_TOO_LARGE);
    for (size_t step = 1; step < 10000; step *= 9)
        assert_true(nu_str_eq(digest(&sb, nu_sb_cstr(&text), step, true), nu_str_from(want)));
    nu_sb_free(&text);
    nu_sb_free(&sb);
}

static size_t parse_whole(const char *text, struct nu_h1_head *h, uint8_t *room)
{
    static struct nu_h1_field fields[8];
    struct nu_h1_rules rules = {.request = true, .underscores = 2, .max_fields = 8};
    *h = (struct nu_h1_head){.fields = fields, .cap = NU_ARRAY_LEN(fields)};
    memcpy(room, text, strlen(text));
    return nu_h1_parse_whole(h, &rules, room, strlen(text));
}

static void a_head_that_came_whole_is_parsed_in_one_step(void **state)
{
    (void)state;
    uint8_t room[1000];
    struct nu_h1_head h;
    const char *head = "GET /a HTTP/1.1\r\nHost: x\r\nX-B3-A.Rather+Long'Name: \t a b\xe9\tc \t\r\nDropped_Name: 1\r\nE:\r\n"
                       "Content-Length: 4\n\r\n";
    char text[400];
    snprintf(text, sizeof(text), "%sbody\r\n", head);
    assert_int_equal(parse_whole(text, &h, room), strlen(head));
    assert_int_equal(h.n, 4);
    assert_int_equal(h.n_underscore_dropped, 1);
    assert_true(h.has_length && h.length == 4);
    static const char *const names[] = {"host", "x-b3-a.rather+long'name", "e", "content-length"};
    static const char *const values[] = {"x", "a b\xe9\tc", "", "4"};
    for (uint32_t i = 0; i < h.n; i++) {
        assert_true(nu_str_eq(nu_str_make(room + h.fields[i].name, h.fields[i].name_len), nu_str_from(names[i])));
        assert_true(nu_str_eq(nu_str_make(room + h.fields[i].value, h.fields[i].value_len), nu_str_from(values[i])));
    }
    static const char *const not_that_way[] = {
        "GET / HTTP/1.1\r\nA: b\r\n", "GET / HTTP/1.1\r\nA: b\r\n\r", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\x7f" "c\r\n\r\n", "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "GET / HTTP/1.1\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\r\nA\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\n1: a\r\n2: b\r\n3: c\r\n4: d\r\n5: e\r\n6: f\r\n7: g\r\n8: h\r\n9: i\r\n\r\n",
        "GET / HTTP/1.1\r\n1: a\r\n2: b\r\n3: c\r\n4: d\r\n5: e\r\n6: f\r\n7: g\r\n8: h\r\n_: i\r\n\r\n",
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(not_that_way); i++)
        if (parse_whole(not_that_way[i], &h, room) != 0)
            fail_msg("row %zu", i);
}

static void heads_and_chunks_are_written(void **state)
{
    (void)state;
    uint8_t room[100];
    static const struct {
        uint64_t size;
        const char *want;
    } sizes[] = {{1, "1\r\n"}, {0x1f4, "1f4\r\n"}, {UINT64_MAX, "ffffffffffffffff\r\n"}};
    for (size_t i = 0; i < NU_ARRAY_LEN(sizes); i++) {
        nu_str got = nu_str_make(room, (size_t)(nu_h1_put_chunk_head(room, sizes[i].size) - room));
        assert_true(nu_str_eq(got, nu_str_from(sizes[i].want)));
    }
    nu_str got = nu_str_make(room, (size_t)(nu_h1_put_field(room, NU_STR("a-b"), NU_STR("c")) - room));
    assert_true(nu_str_eq(got, NU_STR("a-b: c\r\n")));
    got = nu_str_make(room, (size_t)(nu_h1_put_field_proper(room, NU_STR("content-type"), NU_STR("c")) - room));
    assert_true(nu_str_eq(got, NU_STR("Content-Type: c\r\n")));
    assert_true(nu_str_eq(nu_h1_reason(404), NU_STR("Not Found")));
    assert_true(nu_str_eq(nu_h1_reason(299), NU_STR("Unknown")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_read_however_they_are_cut), cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(a_head_has_its_limit),
        cmocka_unit_test(a_head_that_came_whole_is_parsed_in_one_step), cmocka_unit_test(heads_and_chunks_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
