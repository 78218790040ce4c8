/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "codec/proxy_protocol/proxy_protocol.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\x01\x02\x03\x04\x05\x06\x07\x08\x03\xe8\x07\xd0"
#define R(literal) literal, sizeof(literal) - 1

/* What Envoy says to each of them (version of an error: which counter it counts). */
static const struct {
    const char *in;
    size_t n;
    enum nu_pp_status want;
    enum nu_pp_version version;
    enum nu_pp_family family;
    bool local;
} rows[] = {
    {R("PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\nx"), NU_PP_DONE, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY TCP6 1:2::3 5::8 1000 2000\r\n"), NU_PP_DONE, NU_PP_V1, NU_PP_INET6, false},
    {R("PROXY TCP6 ::ffff:1.2.3.4 5::8 1000 2000\r\n"), NU_PP_DONE, NU_PP_V1, NU_PP_INET6, false},
    {R("PROXY UNKNOWN\r\n"), NU_PP_DONE, NU_PP_V1, NU_PP_UNSPEC, true},
    {R("PROXY UNKNOWN a b c d e f g\r\n"), NU_PP_DONE, NU_PP_V1, NU_PP_UNSPEC, true},
    {R("PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000 \r\n"), NU_PP_DONE, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\t\r\n"), NU_PP_DONE, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY TCP4 1.2.3.4 5.6.7.8 0 65535\r\n"), NU_PP_DONE, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY \r\nGET / HTTP/1.1\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_UNSPEC, false},
    {R("PROXY  TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_UNSPEC, false},
    {R("PROXY TCP4 1.2.3.4  5.6.7.8 1000 2000\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY TCP4 1.2.3.4 5.6.7.8 1000\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY TCP4 1::2 5::8 1 2\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_INET6, false},
    {R("PROXY TCP6 fe80::1%lo 5::8 1 2\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_INET6, false},
    {R("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_UNSPEC, false},
    {R("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\nGET / HTTP/1.1\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n"), NU_PP_ERROR, NU_PP_V1, NU_PP_INET, false},
    {R("PROXY\r\nGET / HTTP/1.1\r\n"), NU_PP_ERROR, NU_PP_NEITHER, NU_PP_UNSPEC, false},
    {R("proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), NU_PP_ERROR, NU_PP_NEITHER, NU_PP_UNSPEC, false},
    {R("GET / HTTP/1.1\r\n\r\n"), NU_PP_ERROR, NU_PP_NEITHER, NU_PP_UNSPEC, false},
    {R("PROXxxxxxxxxxxxxxxxx"), NU_PP_ERROR, NU_PP_NEITHER, NU_PP_UNSPEC, false},
    {R("xxxxxxxxxxxxxxx"), NU_PP_MORE, NU_PP_NEITHER, NU_PP_UNSPEC, false},
    {R("\r\n\r\n"), NU_PP_MORE, NU_PP_NEITHER, NU_PP_UNSPEC, false},
    {R("\r\nxxxx"), NU_PP_MORE, NU_PP_NEITHER, NU_PP_UNSPEC, false},
    {R(SIGNATURE), NU_PP_MORE, NU_PP_NEITHER, NU_PP_UNSPEC, false},
    {R(""), NU_PP_MORE, NU_PP_NEITHER, NU_PP_UNSPEC, false},
    {R(SIGNATURE "\x21\x11\0\x0c" V4), NU_PP_DONE, NU_PP_V2, NU_PP_INET, false},
    {R(SIGNATURE "\x21\x12\0\x0c" V4), NU_PP_DONE, NU_PP_V2, NU_PP_INET, false},
    {R(SIGNATURE "\x21\x11\0\x0c" "\x01\x02"), NU_PP_MORE, NU_PP_V2, NU_PP_INET, false},
    {R(SIGNATURE "\x20\x00\0\0"), NU_PP_DONE, NU_PP_V2, NU_PP_UNSPEC, true},
    {R(SIGNATURE "\x20\x11\0\x0c" V4), NU_PP_DONE, NU_PP_V2, NU_PP_UNSPEC, true},
    {R(SIGNATURE "\x20\xff\0\x04" "\xea\0\4a"), NU_PP_DONE, NU_PP_V2, NU_PP_UNSPEC, true},
    {R(SIGNATURE "\x21\x00\0\0"), NU_PP_DONE, NU_PP_V2, NU_PP_UNSPEC, false},
    {R(SIGNATURE "\x31\x11\0\x0c" V4), NU_PP_ERROR, NU_PP_V2, NU_PP_UNSPEC, false},
    {R(SIGNATURE "\x22\x11\0\x0c" V4), NU_PP_ERROR, NU_PP_V2, NU_PP_UNSPEC, false},
    {R(SIGNATURE "\x21\x10\0\x0c" V4), NU_PP_ERROR, NU_PP_V2, NU_PP_UNSPEC, false},
    {R(SIGNATURE "\x21\x13\0\x0c" V4), NU_PP_ERROR, NU_PP_V2, NU_PP_UNSPEC, false},
    {R(SIGNATURE "\x21\x41\0\x0c" V4), NU_PP_ERROR, NU_PP_V2, NU_PP_UNSPEC, false},
    {R(SIGNATURE "\x21\x11\0\x0b" V4), NU_PP_ERROR, NU_PP_V2, NU_PP_UNSPEC, false},
    {R(SIGNATURE "\x21\x21\0\x23" V4), NU_PP_ERROR, NU_PP_V2, NU_PP_UNSPEC, false},
};

static void headers_are_read_as_envoy_reads_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < NU_ARRAY_LEN(rows); i++) {
        struct nu_pp_header h;
        enum nu_pp_status got = nu_pp_parse(nu_str_make(rows[i].in, rows[i].n), &h);
        if (got != rows[i].want || h.version != rows[i].version || h.local != rows[i].local ||
            (got == NU_PP_DONE && h.addresses.family != rows[i].family))
            fail_msg("row %zu: %s", i, rows[i].in);
    }
}

static void addresses_and_ports_come_out(void **state)
{
    (void)state;
    struct nu_pp_header h;
    assert_int_equal(nu_pp_parse(NU_STR(SIGNATURE "\x21\x11\0\x10" V4 "\xea\0\1xGET"), &h), NU_PP_DONE);
    assert_memory_equal(h.addresses.source, "\x01\x02\x03\x04", 4);
    assert_memory_equal(h.addresses.destination, "\x05\x06\x07\x08", 4);
    assert_int_equal(h.addresses.source_port, 1000);
    assert_int_equal(h.addresses.destination_port, 2000);
    assert_int_equal(h.len, 32);
    assert_int_equal(h.tlvs.len, 4);
    struct nu_pp_header v1;
    assert_int_equal(nu_pp_parse(NU_STR("PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n\r\n"), &v1), NU_PP_DONE);
    assert_int_equal(v1.len, 38);
    assert_memory_equal(v1.addresses.source, h.addresses.source, 16);
    assert_memory_equal(v1.addresses.destination, h.addresses.destination, 16);
    assert_int_equal(v1.addresses.destination_port, 2000);
}

static void a_line_has_its_limit(void **state)
{
    (void)state;
    struct nu_pp_header h;
    char line[NU_PP_V1_MAX + 10];
    for (size_t n = 100; n <= NU_PP_V1_MAX + 1; n++) {
        memset(line, 'x', sizeof(line));
        memcpy(line, "PROXY UNKNOWN ", 14);
        memcpy(line + n - 2, "\r\n", 2);
        assert_int_equal(nu_pp_parse(nu_str_make(line, n), &h), n <= NU_PP_V1_MAX ? NU_PP_DONE : NU_PP_ERROR);
        assert_int_equal(nu_pp_parse(nu_str_make(line, n - 2), &h), NU_PP_MORE);
    }
    memset(line + 14, 'x', sizeof(line) - 14);
    assert_int_equal(nu_pp_parse(nu_str_make(line, NU_PP_V1_MAX + 1), &h), NU_PP_ERROR);
    assert_int_equal(h.version, NU_PP_NEITHER);
}

static void unix_paths_end_at_their_padding(void **state)
{
    (void)state;
    char in[NU_PP_V2_FIXED + NU_PP_V2_UNIX] = SIGNATURE "\x21\x31\0\xd8";
    struct nu_pp_header h;
    memset(in + 16, 'a', 108);
    memcpy(in + 16 + 108, "/b", 2);
    assert_int_equal(nu_pp_parse(nu_str_make(in, sizeof(in)), &h), NU_PP_DONE);
    assert_int_equal(h.addresses.source_path.len, 108);
    assert_true(nu_str_eq(h.addresses.destination_path, NU_STR("/b")));
    assert_int_equal(nu_pp_parse(nu_str_make(in, sizeof(in) - 1), &h), NU_PP_MORE);
    assert_int_equal(h.addresses.family, NU_PP_UNIX);
    assert_int_equal(h.len, sizeof(in));
}

static void tlvs_are_taken_one_by_one(void **state)
{
    (void)state;
    nu_str rest = NU_STR("\xea\0\3abc\x01\0\0\x02\0\2zz");
    struct nu_pp_tlv t;
    assert_int_equal(nu_pp_tlv_next(&rest, &t), NU_PP_TLV);
    assert_int_equal(t.type, 0xea);
    assert_true(nu_str_eq(t.value, NU_STR("abc")));
    assert_int_equal(nu_pp_tlv_next(&rest, &t), NU_PP_TLV);
    assert_int_equal(t.value.len, 0);
    assert_int_equal(nu_pp_tlv_next(&rest, &t), NU_PP_TLV);
    assert_int_equal(nu_pp_tlv_next(&rest, &t), NU_PP_TLV_END);
    static const struct {
        const char *in;
        size_t n;
    } bad[] = {{R("\xea")}, {R("\xea\0")}, {R("\xea\0\4abc")}, {R("\xea\xff\xff")}};
    for (size_t i = 0; i < NU_ARRAY_LEN(bad); i++) {
        rest = nu_str_make(bad[i].in, bad[i].n);
        assert_int_equal(nu_pp_tlv_next(&rest, &t), NU_PP_TLV_ERROR);
    }
}

static void what_is_written_is_what_envoy_writes(void **state)
{
    (void)state;
    struct nu_sb sb = {0};
    struct nu_pp_addresses a = {.family = NU_PP_INET, .source = {1, 2, 3, 4}, .destination = {5, 6, 7, 8},
                                .source_port = 1000, .destination_port = 2000};
    nu_pp_write_v1(&sb, &a);
    assert_true(nu_str_eq(nu_sb_str(&sb), NU_STR("PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n")));
    sb.len = 0;
    struct nu_pp_tlv tlvs[] = {{.type = 0xea, .value = NU_STR("AAA")}, {.type = 0xf0, .value = NU_STR("")}};
    assert_int_equal(nu_pp_write_v2(&sb, &a, tlvs, 2), 0);
    assert_true(nu_str_eq(nu_sb_str(&sb), NU_STR(SIGNATURE "\x21\x11\0\x15" V4 "\xea\0\3AAA\xf0\0\0")));
    sb.len = 0;
    a.family = NU_PP_INET6;
    nu_pp_write_v1(&sb, &a);
    assert_true(nu_str_eq(nu_sb_str(&sb), NU_STR("PROXY TCP6 102:304:: 506:708:: 1000 2000\r\n")));
    sb.len = 0;
    a.family = NU_PP_UNSPEC;
    nu_pp_write_v1(&sb, &a);
    assert_int_equal(nu_pp_write_v2(&sb, &a, NULL, 0), 0);
    assert_true(nu_str_eq(nu_sb_str(&sb), NU_STR("PROXY UNKNOWN\r\n" SIGNATURE "\x20\0\0\0")));
    nu_sb_free(&sb);
}

/* CVE-2026-47692: a length field that wraps around makes the rest of the header part of the stream. */
static void tlvs_that_do_not_fit_are_left_out(void **state)
{
    (void)state;
    static char value[UINT16_MAX + 1];
    struct nu_pp_addresses a = {.family = NU_PP_INET};
    for (size_t total = 65520; total <= 65600; total++) {
        struct nu_sb sb = {0};
        struct nu_pp_header h;
        struct nu_pp_tlv tlvs[] = {{.type = 1, .value = nu_str_make(value, 30000)},
                                   {.type = 2, .value = nu_str_make(value, total - 12 - 30000 - 6)}};
        bool fit = total <= UINT16_MAX;
        assert_int_equal(nu_pp_write_v2(&sb, &a, tlvs, 2), fit ? 0 : 1);
        assert_int_equal(nu_pp_parse(nu_sb_str(&sb), &h), NU_PP_DONE);
        assert_int_equal(h.len, sb.len);
        assert_int_equal(sb.len, NU_PP_V2_FIXED + (fit ? total : 12 + 30003));
        nu_sb_free(&sb);
    }
    struct nu_sb sb = {0};
    struct nu_pp_tlv huge = {.type = 1, .value = nu_str_make(value, sizeof(value))};
    assert_int_equal(nu_pp_write_v2(&sb, &a, &huge, 1), 1);
    assert_int_equal(sb.len, 28);
    nu_sb_free(&sb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read_as_envoy_reads_them), cmocka_unit_test(addresses_and_ports_come_out),
        cmocka_unit_test(a_line_has_its_limit),                 cmocka_unit_test(unix_paths_end_at_their_padding),
        cmocka_unit_test(tlvs_are_taken_one_by_one),            cmocka_unit_test(what_is_written_is_what_envoy_writes),
        cmocka_unit_test(tlvs_that_do_not_fit_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
