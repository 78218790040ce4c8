/* SPDX-License-Identifier: Apache-2.0
 *
 * HPACK against the examples of RFC 7541 appendix C, and against nghttp2 with random lists in both directions. */
#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/sb.h"
#include "codec/h2/hpack_priv.h"
#include "codec/h2/huffman.h"

static struct nu_buf_pool pool;

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (; *hex != '\0'; hex++) {
        unsigned digit = *hex >= '0' && *hex <= '9' ? (unsigned)(*hex - '0') : (unsigned)(*hex - 'a' + 10);
        if (*hex == ' ')
            continue;
        out[n / 2] = (uint8_t)(n % 2 == 0 ? digit << 4 : out[n / 2] | digit);
        n++;
    }
    return n / 2;
}

/* The fields of a block as "name: value\n" lines; a result other than DONE comes last. */
static void decode_all(struct nu_hpack_decoder *d, const uint8_t *block, size_t n, struct nu_sb *out)
{
    const uint8_t *at = block;
    struct nu_h2_field f;
    enum nu_hpack_result r;
    nu_hpack_begin(d);
    while ((r = nu_hpack_next(d, &pool, &at, block + n, &f)) == NU_HPACK_FIELD) {
        nu_sb_add(out, f.name);
        nu_sb_lit(out, ": ");
        nu_sb_add(out, f.value);
        nu_sb_char(out, '\n');
    }
    nu_hpack_end(d);
    if (r != NU_HPACK_DONE)
        nu_sb_printf(out, "<%d>", r);
}

static void expect(struct nu_hpack_decoder *d, const char *hex, const char *want, uint32_t size)
{
    uint8_t block[512];
    struct nu_sb got = {0};
    decode_all(d, block, from_hex(hex, block), &got);
    assert_string_equal(nu_sb_cstr(&got), want);
    assert_int_equal(d->table.size, size);
    nu_sb_free(&got);
}

#define FIRST ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n"
#define SECOND FIRST "cache-control: no-cache\n"
#define THIRD ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n"

static void decodes_the_requests_of_appendix_c(void **state)
{
    (void)state;
    struct nu_hpack_decoder d;
    nu_hpack_decoder_init(&d, NULL, 4096, 65536);
    expect(&d, "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header\n", 55);
    nu_hpack_decoder_clear(&d);
    expect(&d, "040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path\n", 0);
    expect(&d, "1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret\n", 0);
    expect(&d, "82", ":method: GET\n", 0);
    expect(&d, "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST, 57);
    expect(&d, "8286 84be 5808 6e6f 2d63 6163 6865", SECOND, 110);
    expect(&d, "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", THIRD, 164);
    nu_hpack_decoder_clear(&d);
    expect(&d, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST, 57);
    expect(&d, "8286 84be 5886 a8eb 1064 9cbf", SECOND, 110);
    expect(&d, "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", THIRD, 164);
    nu_hpack_decoder_clear(&d);
}

#define DATE1 "date: Mon, 21 Oct 2013 20:13:21 GMT\n"
#define LOCATION "location: https://www.example.com\n"

static void decodes_the_responses_of_appendix_c_with_eviction(void **state)
{
    (void)state;
    struct nu_hpack_decoder d;
    nu_hpack_decoder_init(&d, NULL, 256, 65536);
    expect(&d, "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 "
               "8f0b 97c8 e9ae 82ae 43d3", ":status: 302\ncache-control: private\n" DATE1 LOCATION, 222);
    expect(&d, "4883 640e ffc1 c0bf", ":status: 307\ncache-control: private\n" DATE1 LOCATION, 222);
    expect(&d, "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 "
               "dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
           ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n" LOCATION
           "content-encoding: gzip\nset-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n", 215);
    nu_hpack_decoder_clear(&d);
}

static void refuses_what_is_no_header_block(void **state)
{
    (void)state;
    static const struct {
        const char *what, *hex, *want;
    } cases[] = {
        {"index 0", "80", "<-2>"},
        {"index behind the static table", "be", "<-2>"},
        {"name index behind the static table", "7e 0161", "<-2>"},
        {"index 2^31", "ff 81ff ffff 07", "<-2>"},
        {"index 2^32 - 1", "ff 80ff ffff 0f", "<-2>"},
        {"an integer without an end", "ff 8080 8080 8080 8080 8000", "<-2>"},
        {"a size update over the limit", "3fe2 1f", "<-2>"},
        {"a size update behind a field", "8220", ":method: GET\n<-2>"},
        {"EOS in a string", "0001 6184 ffff ffff", "<-2>"},
        {"a padding of eight ones", "0001 6182 1fff", "<-2>"},
        {"a padding of zeros", "0001 6181 18", "<-2>"},
        {"a string that ends early", "0005 6162", "<-1>"},
        {"a field that ends early", "40", "<-1>"},
        {"an index that ends early", "ff", "<-1>"},
    };
    for (size_t i = 0; i < NU_ARRAY_LEN(cases); i++) {
        struct nu_hpack_decoder d;
        nu_hpack_decoder_init(&d, NULL, 4096, 65536);
        print_message("%s\n", cases[i].what);
        expect(&d, cases[i].hex, cases[i].want, 0);
        nu_hpack_decoder_clear(&d);
    }
}

static void takes_size_updates_at_the_beginning(void **state)
{
    (void)state;
    struct nu_hpack_decoder d;
    nu_hpack_decoder_init(&d, NULL, 4096, 65536);
    expect(&d, "4001 6101 62 4001 6301 64", "a: b\nc: d\n", 68);
    expect(&d, "3f11 be", "c: d\n", 34); /* 48 */
    expect(&d, "20 3fe1 1f", "", 0);
    assert_int_equal(d.table.max_size, 4096);
    nu_hpack_decoder_clear(&d);
}

static void limits_strings(void **state)
{
    (void)state;
    struct nu_hpack_decoder d;
    nu_hpack_decoder_init(&d, NULL, 4096, 3);
    expect(&d, "0001 6103 6262 62", "a: bbb\n", 0);
    expect(&d, "0001 6104 6262 6262", "<-2>", 0);
    expect(&d, "0001 6183 18c6 3f", "<-2>", 0); /* aaaa, in three bytes */
    expect(&d, "0001 617f ff7f", "<-2>", 0);  /* before the string has come */
    nu_hpack_decoder_clear(&d);
}

/* ---- Huffman ---- */

static void huffman_goes_there_and_back(void **state)
{
    (void)state;
    struct nu_random r;
    nu_random_seed(&r, 1);
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t in[64], coded[256], out[512];
        size_t n = nu_random_below(&r, sizeof(in) + 1);
        bool text = nu_random_below(&r, 2) == 0;
        for (size_t i = 0; i < n; i++)
            in[i] = (uint8_t)(text ? 32 + nu_random_below(&r, 95) : nu_random_below(&r, 256));
        nu_str s = nu_str_make(in, n);
        size_t len = (size_t)(nu_huffman_encode(coded, s) - coded);
        assert_int_equal(len, nu_huffman_len(s));
        assert_int_equal(nu_huffman_decode(coded, len, out), n);
        assert_memory_equal(out, in, n);
        if (len > 0)
            assert_true(nu_huffman_decode(coded, len - 1, out) < (ssize_t)n);
    }
}

/* ---- against nghttp2 ---- */

static const char *const some_names[] = {"accept", "cookie", "x-a", "x-request-id", "authorization", "server", "date",
    "content-type", "content-length", "grpc-status", "x-very-long-name-of-a-header-that-nobody-knows", "via", "range"};

static nu_str random_value(struct nu_random *r, char *room, size_t max)
{
    size_t len = nu_random_below(r, max + 1);
    bool common = nu_random_below(r, 3) != 0;
    for (size_t i = 0; i < len; i++)
        room[i] = common ? (char)('a' + i % 3 + nu_random_below(r, 20) / 19) : (char)nu_random_below(r, 256);
    return nu_str_make(room, len);
}

struct list {
    unsigned n;
    nghttp2_nv nv[24];
    char values[24][400];
    struct nu_sb text;
};

static void random_list(struct nu_random *r, struct list *l)
{
    l->n = (unsigned)nu_random_below(r, 24);
    l->text.len = 0;
    for (unsigned i = 0; i < l->n; i++) {
        const char *name = some_names[nu_random_below(r, NU_ARRAY_LEN(some_names))];
        nu_str value = random_value(r, l->values[i], nu_random_below(r, 20) == 0 ? 400 : 12);
        l->nv[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)l->values[i], strlen(name), value.len,
            nu_random_below(r, 10) == 0 ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE};
        nu_sb_printf(&l->text, "%s: ", name);
        nu_sb_add(&l->text, value);
        nu_sb_char(&l->text, '\n');
    }
}

static uint32_t random_size(struct nu_random *r)
{
    static const uint32_t sizes[] = {0, 31, 100, 256, 1000, 4096, 8192, 65536};
    return sizes[nu_random_below(r, NU_ARRAY_LEN(sizes))];
}

static void same_text(const struct list *l, const struct nu_sb *got)
{
    assert_int_equal(got->len, l->text.len);
    assert_memory_equal(nu_sb_str(got).ptr, nu_sb_str(&l->text).ptr, got->len);
}

static void decodes_what_nghttp2_encodes(void **state)
{
    (void)state;
    struct nu_random r;
    nu_random_seed(&r, 2);
    struct list *l = nu_new(struct list);
    for (unsigned round = 0; round < 40; round++) {
        struct nu_hpack_decoder d;
        nghttp2_hd_deflater *deflater;
        uint32_t limit = 65536;
        assert_int_equal(nghttp2_hd_deflate_new(&deflater, limit), 0);
        nu_hpack_decoder_init(&d, NULL, limit, 65536);
        for (unsigned i = 0; i < 200; i++) {
            uint8_t block[32768];
            struct nu_sb got = {0};
            if (nu_random_below(&r, 20) == 0) {
                limit = random_size(&r);
                nghttp2_hd_deflate_change_table_size(deflater, limit);
                nu_hpack_decoder_limit(&d, limit);
            }
            random_list(&r, l);
            ssize_t n = nghttp2_hd_deflate_hd(deflater, block, sizeof(block), l->nv, l->n);
            assert_true(n >= 0);
            decode_all(&d, block, (size_t)n, &got);
            same_text(l, &got);
            assert_int_equal(d.table.size, nghttp2_hd_deflate_get_dynamic_table_size(deflater));
            nu_sb_free(&got);
            if (nu_random_below(&r, 50) == 0)
                nu_hpack_table_trim(&d.table);
        }
        nghttp2_hd_deflate_del(deflater);
        nu_hpack_decoder_clear(&d);
    }
    nu_sb_free(&l->text);
    nu_free(l);
}

static uint16_t lookup(nu_str name)
{
    for (uint16_t i = 0; i < 8; i++)
        if (nu_str_eq(name, nu_str_from(some_names[i])))
            return (uint16_t)(i + 1);
    return 0;
}

static void inflate_all(nghttp2_hd_inflater *inflater, const uint8_t *block, size_t n, struct nu_sb *out)
{
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, block, n, 1);
        assert_true(used >= 0);
        block += used;
        n -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            nu_sb_add(out, nu_str_make(nv.name, nv.namelen));
            nu_sb_lit(out, ": ");
            nu_sb_add(out, nu_str_make(nv.value, nv.valuelen));
            nu_sb_char(out, '\n');
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
        assert_true((flags & NGHTTP2_HD_INFLATE_EMIT) || n > 0);
    }
    nghttp2_hd_inflate_end_headers(inflater);
}

static void nghttp2_decodes_what_we_encode(void **state)
{
    (void)state;
    struct nu_random r;
    nu_random_seed(&r, 3);
    struct list *l = nu_new(struct list);
    nu_str texts[9] = {NU_STR("")};
    struct nu_hpack_names names;
    for (unsigned i = 0; i < 8; i++)
        texts[i + 1] = nu_str_from(some_names[i]);
    nu_hpack_names_init(&names, lookup, texts, 9);
    for (unsigned round = 0; round < 40; round++) {
        struct nu_hpack_encoder e;
        nghttp2_hd_inflater *inflater;
        uint8_t block[32768];
        nu_hpack_encoder_init(&e, round % 2 ? &names : NULL, round % 3 == 0 ? 512 : 8192, round % 4 != 0);
        assert_int_equal(nghttp2_hd_inflate_new(&inflater), 0);
        for (unsigned i = 0; i < 200; i++) {
            struct nu_sb got = {0};
            if (nu_random_below(&r, 20) == 0) {
                uint32_t limit = random_size(&r);
                assert_int_equal(nghttp2_hd_inflate_change_table_size(inflater, limit), 0);
                nu_hpack_encoder_peer_limit(&e, limit);
                if (nu_random_below(&r, 2) == 0) {
                    limit = random_size(&r);
                    assert_int_equal(nghttp2_hd_inflate_change_table_size(inflater, limit), 0);
                    nu_hpack_encoder_peer_limit(&e, limit);
                }
            }
            random_list(&r, l);
            size_t bytes = 0;
            uint8_t *at = nu_hpack_put_begin(&e, block);
            for (unsigned k = 0; k < l->n; k++) {
                nu_str name = nu_str_make(l->nv[k].name, l->nv[k].namelen), value = nu_str_make(l->nv[k].value, l->nv[k].valuelen);
                bytes += name.len + value.len;
                at = nu_hpack_put(&e, at, e.names != NULL ? lookup(name) : 0, name, value, l->nv[k].flags != 0);
            }
            assert_true((size_t)(at - block) <= nu_hpack_bound(l->n, bytes));
            inflate_all(inflater, block, (size_t)(at - block), &got);
            same_text(l, &got);
            nu_sb_free(&got);
            if (nu_random_below(&r, 50) == 0)
                nu_hpack_table_trim(&e.table);
        }
        nghttp2_hd_inflate_del(inflater);
        nu_hpack_encoder_clear(&e);
    }
    nu_sb_free(&l->text);
    nu_free(l);
}

static void indexes_what_repeats_and_hides_credentials(void **state)
{
    (void)state;
    struct nu_hpack_encoder e;
    uint8_t out[256], *at;
    nu_str type = NU_STR("content-type"), json = NU_STR("application/json");
    nu_hpack_encoder_init(&e, NULL, 4096, true);
    at = nu_hpack_put(&e, nu_hpack_put_begin(&e, out), 0, type, json, false);
    assert_int_equal(out[0], 0x0f); /* without indexing */
    assert_null(e.table.bytes);
    at = nu_hpack_put(&e, out, 0, type, json, false);
    assert_int_equal(out[0], 0x40 | 31);
    at = nu_hpack_put(&e, out, 0, type, json, false);
    assert_int_equal(at - out, 1);
    assert_int_equal(out[0], 0x80 | 62);
    for (unsigned i = 0; i < 3; i++) {
        nu_hpack_put(&e, out, 0, NU_STR("authorization"), NU_STR("Basic abc"), false);
        assert_int_equal(out[0] & 0xf0, 0x10);
        nu_hpack_put(&e, out, 0, NU_STR("cookie"), NU_STR("a=b"), false);
        assert_int_equal(out[0] & 0xf0, 0x10);
        nu_hpack_put(&e, out, 0, type, json, true);
        assert_int_equal(out[0] & 0xf0, 0x10);
    }
    at = nu_hpack_put_status(&e, out, 204);
    assert_int_equal(out[0], 0x89);
    nu_hpack_encoder_clear(&e);
}

/* ---- the table against a simple model ---- */

struct model {
    unsigned n;
    struct {
        char name[48], value[300];
    } e[4096];
};

static void model_fit(struct model *m, uint32_t max, uint32_t *size)
{
    *size = 0;
    for (unsigned i = 0; i < m->n; i++) {
        uint32_t next = *size + (uint32_t)(strlen(m->e[i].name) + strlen(m->e[i].value)) + NU_HPACK_OVERHEAD;
        if (next > max)
            m->n = i;
        else
            *size = next;
    }
}

static void the_table_is_what_a_simple_one_is(void **state)
{
    (void)state;
    struct nu_random r;
    nu_random_seed(&r, 4);
    struct model *m = nu_new(struct model);
    struct nu_hpack_table t = {.max_size = 4096};
    uint32_t size = 0;
    for (unsigned round = 0; round < 20000; round++) {
        unsigned what = (unsigned)nu_random_below(&r, 100);
        if (what < 3) {
            hpack_table_resize(&t, random_size(&r));
        } else if (what < 5) {
            nu_hpack_table_trim(&t);
        } else {
            char value[300];
            size_t len = nu_random_below(&r, what < 10 ? 300 : 20);
            memset(value, 'a' + (int)(round % 26), len);
            value[len] = '\0';
            nu_str name = NU_STR("name");
            if (what < 40 && t.n > 0)
                name = hpack_entry_name(&t, hpack_entry(&t, (uint32_t)nu_random_below(&r, t.n)));
            memmove(&m->e[1], &m->e[0], sizeof(m->e[0]) * nu_min(m->n, 4095u));
            snprintf(m->e[0].name, sizeof(m->e[0].name), "%.*s", NU_STR_ARG(name));
            snprintf(m->e[0].value, sizeof(m->e[0].value), "%s", value);
            m->n++;
            if (name.len + len + NU_HPACK_OVERHEAD > t.max_size)
                m->n = 0;
            hpack_table_add(&t, name, nu_str_from(value));
        }
        model_fit(m, t.max_size, &size);
        assert_int_equal(t.n, m->n);
        assert_int_equal(t.size, size);
        for (unsigned i = 0; i < m->n; i += 1 + m->n / 8) {
            assert_true(nu_str_eq(hpack_entry_name(&t, hpack_entry(&t, i)), nu_str_from(m->e[i].name)));
            assert_true(nu_str_eq(hpack_entry_value(&t, hpack_entry(&t, i)), nu_str_from(m->e[i].value)));
        }
        assert_true(t.bytes_cap <= 2 * 65536 + 2 * 4096);
    }
    hpack_table_clear(&t);
    nu_free(m);
}

static int set_up(void **state)
{
    (void)state;
    nu_buf_pool_init(&pool);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nu_buf_pool_clear(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_the_requests_of_appendix_c),
        cmocka_unit_test(decodes_the_responses_of_appendix_c_with_eviction),
        cmocka_unit_test(refuses_what_is_no_header_block),
        cmocka_unit_test(takes_size_updates_at_the_beginning),
        cmocka_unit_test(limits_strings),
        cmocka_unit_test(huffman_goes_there_and_back),
        cmocka_unit_test(decodes_what_nghttp2_encodes),
        cmocka_unit_test(nghttp2_decodes_what_we_encode),
        cmocka_unit_test(indexes_what_repeats_and_hides_credentials),
        cmocka_unit_test(the_table_is_what_a_simple_one_is),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
