/* SPDX-License-Identifier: Apache-2.0
 *
 * The texts behind JA3 (github.com/salesforce/ja3) and JA4 (github.com/FoxIO-LLC/ja4), as Envoy's tls_inspector makes
 * them. */
#include <stdlib.h>

#include "codec/tls/client_hello.h"
#include "codec/tls/reader.h"

enum {
    EXT_SERVER_NAME = 0,
    EXT_SUPPORTED_GROUPS = 10,
    EXT_POINT_FORMATS = 11,
    EXT_SIGNATURE_ALGORITHMS = 13,
    EXT_ALPN = 16,
    EXT_SUPPORTED_VERSIONS = 43,
};

/* RFC 8701: 0x0a0a, 0x1a1a, ... 0xfafa. */
static bool is_grease(uint16_t v)
{
    return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

/* ---- JA3 ---- */

static void add_number(struct nu_sb *out, bool *first, uint32_t v)
{
    if (!*first)
        nu_sb_char(out, '-');
    *first = false;
    nu_sb_u64(out, v);
}

static void ja3_list(struct nu_sb *out, nu_str list, bool with_grease)
{
    bool first = true;
    uint16_t v;
    while (nu_tls_u16(&list, &v))
        if (with_grease || !is_grease(v))
            add_number(out, &first, v);
}

static void ja3_extensions(struct nu_sb *out, nu_str list)
{
    bool first = true;
    uint16_t type;
    nu_str body;
    while (nu_tls_u16(&list, &type) && nu_tls_vector(&list, 2, &body))
        if (!is_grease(type))
            add_number(out, &first, type);
}

static void ja3_point_formats(struct nu_sb *out, nu_str body)
{
    bool first = true;
    for (size_t i = 1; i < body.len; i++)
        add_number(out, &first, (uint8_t)body.ptr[i]);
}

void nu_ja3_text(const struct nu_client_hello *h, struct nu_sb *out)
{
    nu_str body;
    nu_sb_u64(out, h->version);
    nu_sb_char(out, ',');
    ja3_list(out, h->ciphers, false);
    nu_sb_char(out, ',');
    ja3_extensions(out, h->extensions);
    nu_sb_char(out, ',');
    if (nu_client_hello_extension(h, EXT_SUPPORTED_GROUPS, &body))
        ja3_list(out, nu_str_skip(body, 2), true);
    nu_sb_char(out, ',');
    if (nu_client_hello_extension(h, EXT_POINT_FORMATS, &body))
        ja3_point_formats(out, body);
}

/* ---- JA4 ---- */

static uint16_t highest_version(const struct nu_client_hello *h)
{
    nu_str body, list;
    uint16_t v, highest = 0;
    if (!nu_client_hello_extension(h, EXT_SUPPORTED_VERSIONS, &body))
        return h->version;
    if (!nu_tls_vector(&body, 1, &list))
        return 0;
    while (nu_tls_u16(&list, &v))
        if (!is_grease(v) && v > highest)
            highest = v;
    return highest != 0 ? highest : h->version;
}

static const char *version_text(uint16_t v)
{
    static const char *const texts[] = {"10", "11", "12", "13"};
    return v >= 0x0301 && v <= 0x0304 ? texts[v - 0x0301] : "00";
}

static unsigned count_ciphers(nu_str list)
{
    unsigned n = 0;
    uint16_t v;
    while (nu_tls_u16(&list, &v))
        n += !is_grease(v);
    return n;
}

static unsigned count_extensions(nu_str list)
{
    unsigned n = 0;
    uint16_t type;
    nu_str body;
    while (nu_tls_u16(&list, &type) && nu_tls_vector(&list, 2, &body))
        n += !is_grease(type);
    return n;
}

/* First and last character of the first protocol; where they are not both alphanumeric, first and last digit of its hex. */
static void add_alpn(const struct nu_client_hello *h, struct nu_sb *out)
{
    nu_str list, name;
    if (!nu_client_hello_extension(h, EXT_ALPN, &list) || list.len < 3) {
        nu_sb_lit(out, "00");
        return;
    }
    list = nu_str_skip(list, 2);
    if (!nu_tls_vector(&list, 1, &name) || name.len == 0) {
        nu_sb_lit(out, "00");
        return;
    }
    char first = name.ptr[0], last = name.ptr[name.len - 1];
    if (nu_ascii_alnum(first) && nu_ascii_alnum(last))
        nu_sb_printf(out, "%c%c", first, last);
    else
        nu_sb_printf(out, "%x%x", (uint8_t)first >> 4, last & 15);
}

void nu_ja4_head(const struct nu_client_hello *h, struct nu_sb *out)
{
    nu_str body;
    bool named = nu_client_hello_extension(h, EXT_SERVER_NAME, &body);
    nu_sb_printf(out, "t%s%c%02u%02u", version_text(highest_version(h)), named ? 'd' : 'i',
                 nu_min(count_ciphers(h->ciphers), 99u), nu_min(count_extensions(h->extensions), 99u));
    add_alpn(h, out);
}

static int by_value(const void *a, const void *b)
{
    uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;
    return (x > y) - (x < y);
}

static void add_hex_list(struct nu_sb *out, const uint16_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        nu_sb_printf(out, i == 0 ? "%04x" : ",%04x", list[i]);
}

void nu_ja4_ciphers(const struct nu_client_hello *h, struct nu_sb *out)
{
    uint16_t list[NU_HELLO_MESSAGE_MAX / 2], v;
    size_t n = 0;
    nu_str rest = h->ciphers;
    while (nu_tls_u16(&rest, &v))
        if (!is_grease(v))
            list[n++] = v;
    qsort(list, n, sizeof(list[0]), by_value);
    add_hex_list(out, list, n);
}

static void add_signature_algorithms(const struct nu_client_hello *h, struct nu_sb *out)
{
    nu_str body;
    uint16_t v;
    bool first = true;
    if (!nu_client_hello_extension(h, EXT_SIGNATURE_ALGORITHMS, &body))
        return;
    body = nu_str_skip(body, 2);
    for (; nu_tls_u16(&body, &v); first = false)
        nu_sb_printf(out, first ? "_%04x" : ",%04x", v);
}

void nu_ja4_extensions(const struct nu_client_hello *h, struct nu_sb *out)
{
    uint16_t list[NU_HELLO_MESSAGE_MAX / 4], type;
    size_t n = 0;
    nu_str rest = h->extensions, body;
    while (nu_tls_u16(&rest, &type) && nu_tls_vector(&rest, 2, &body))
        if (!is_grease(type) && type != EXT_SERVER_NAME && type != EXT_ALPN)
            list[n++] = type;
    qsort(list, n, sizeof(list[0]), by_value);
    add_hex_list(out, list, n);
    if (n > 0)
        add_signature_algorithms(h, out);
}
