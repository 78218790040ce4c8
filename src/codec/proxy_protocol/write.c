/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing PROXY headers. */
#include <arpa/inet.h>

#include "codec/proxy_protocol/proxy_protocol.h"

static bool is_ip(const struct nu_pp_addresses *a)
{
    return a->family == NU_PP_INET || a->family == NU_PP_INET6;
}

static size_t ip_len(const struct nu_pp_addresses *a)
{
    return a->family == NU_PP_INET ? 4 : 16;
}

void nu_pp_write_v1(struct nu_sb *sb, const struct nu_pp_addresses *a)
{
    if (!is_ip(a)) {
        nu_sb_lit(sb, "PROXY UNKNOWN\r\n");
        return;
    }
    int af = a->family == NU_PP_INET ? AF_INET : AF_INET6;
    char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
    inet_ntop(af, a->source, source, sizeof(source));
    inet_ntop(af, a->destination, destination, sizeof(destination));
    nu_sb_printf(sb, "PROXY %s %s %s %u %u\r\n", af == AF_INET ? "TCP4" : "TCP6", source, destination,
                 a->source_port, a->destination_port);
}

static void add_u16(struct nu_sb *sb, size_t v)
{
    nu_sb_char(sb, (char)(v >> 8));
    nu_sb_char(sb, (char)v);
}

/* How many TLVs fit behind `used` bytes; a TLV that does not is left out and the next one tried. */
static bool fits(const struct nu_pp_tlv *t, size_t used)
{
    return t->value.len <= UINT16_MAX && used + 3 + t->value.len <= UINT16_MAX;
}

static void add_addresses(struct nu_sb *sb, const struct nu_pp_addresses *a)
{
    nu_sb_add(sb, nu_str_make(a->source, ip_len(a)));
    nu_sb_add(sb, nu_str_make(a->destination, ip_len(a)));
    add_u16(sb, a->source_port);
    add_u16(sb, a->destination_port);
}

size_t nu_pp_write_v2(struct nu_sb *sb, const struct nu_pp_addresses *a, const struct nu_pp_tlv *tlvs, size_t n)
{
    size_t start = sb->len, body, left_out = 0;
    nu_sb_lit(sb, "\r\n\r\n\0\r\nQUIT\n");
    nu_sb_char(sb, is_ip(a) ? 0x21 : 0x20);
    nu_sb_char(sb, a->family == NU_PP_INET ? 0x11 : a->family == NU_PP_INET6 ? 0x21 : 0);
    add_u16(sb, 0);
    if (is_ip(a))
        add_addresses(sb, a);
    for (size_t i = 0; i < n; i++) {
        if (!fits(&tlvs[i], sb->len - start - NU_PP_V2_FIXED)) {
            left_out++;
            continue;
        }
        nu_sb_char(sb, (char)tlvs[i].type);
        add_u16(sb, tlvs[i].value.len);
        nu_sb_add(sb, tlvs[i].value);
    }
    body = sb->len - start - NU_PP_V2_FIXED;
    sb->ptr[start + 14] = (char)(body >> 8);
    sb->ptr[start + 15] = (char)body;
    return left_out;
}
