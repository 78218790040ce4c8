/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading PROXY headers. Where the specification leaves room, Envoy decides: blanks at the end of a v1 line are taken, one
 * blank stands between its words, and a v2 LOCAL header may carry what it likes. */
#include <arpa/inet.h>

#include "codec/proxy_protocol/proxy_protocol.h"

static const nu_str v1_signature = NU_STR_INIT("PROXY ");
static const nu_str v2_signature = NU_STR_INIT("\r\n\r\n\0\r\nQUIT\n");

static bool prefix_of(nu_str in, nu_str signature)
{
    return nu_str_starts(signature, nu_str_first(in, signature.len));
}

bool nu_pp_may_be_v1(nu_str in)
{
    return prefix_of(in, v1_signature);
}

bool nu_pp_may_be_v2(nu_str in)
{
    return prefix_of(in, v2_signature);
}

/* ---- version 1 ---- */

static bool parse_ip(enum nu_pp_family family, nu_str text, uint8_t *out)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(family == NU_PP_INET ? AF_INET : AF_INET6, copy, out) == 1;
}

static bool parse_port(nu_str text, uint16_t *out)
{
    uint64_t v;
    if (!nu_str_to_u64(text, &v) || v > UINT16_MAX)
        return false;
    *out = (uint16_t)v;
    return true;
}

/* Also the CR LF: what C calls white space. */
static nu_str trim_end(nu_str s)
{
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || (s.ptr[s.len - 1] >= '\t' && s.ptr[s.len - 1] <= '\r')))
        s.len--;
    return s;
}

/* "PROXY" SP ("TCP4" / "TCP6") SP source SP destination SP source port SP destination port CRLF
 * "PROXY" SP "UNKNOWN" anything CRLF */
static bool parse_line(nu_str line, struct nu_pp_header *out)
{
    nu_str rest = trim_end(line), word[6] = {{0}};
    unsigned n = 0;
    while (rest.ptr != NULL && n < NU_ARRAY_LEN(word))
        word[n++] = nu_str_next(&rest, ' ');
    if (!nu_str_eq(word[0], NU_STR("PROXY")))
        return false;
    if (nu_str_eq(word[1], NU_STR("UNKNOWN"))) {
        out->local = true;
        return true;
    }
    struct nu_pp_addresses *a = &out->addresses;
    if (nu_str_eq(word[1], NU_STR("TCP4")))
        a->family = NU_PP_INET;
    else if (nu_str_eq(word[1], NU_STR("TCP6")))
        a->family = NU_PP_INET6;
    return a->family != NU_PP_UNSPEC && n == NU_ARRAY_LEN(word) && rest.ptr == NULL &&
           parse_ip(a->family, word[2], a->source) && parse_ip(a->family, word[3], a->destination) &&
           parse_port(word[4], &a->source_port) && parse_port(word[5], &a->destination_port);
}

static enum nu_pp_status parse_v1(nu_str in, struct nu_pp_header *out)
{
    nu_str seen = nu_str_first(in, NU_PP_V1_MAX + 1);
    ssize_t crlf = nu_str_search(seen, NU_STR("\r\n"));
    if (crlf < 0)
        return in.len > NU_PP_V1_MAX ? NU_PP_ERROR : NU_PP_MORE;
    if (crlf == 0) /* of the other version's signature */
        return NU_PP_MORE;
    out->version = NU_PP_V1;
    size_t len = (size_t)crlf + 2;
    if (len > NU_PP_V1_MAX || !parse_line(nu_str_first(in, len), out))
        return NU_PP_ERROR;
    out->len = len;
    return NU_PP_DONE;
}

/* ---- version 2 ---- */

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static const size_t address_bytes[] = {
    [NU_PP_UNSPEC] = 0, [NU_PP_INET] = 12, [NU_PP_INET6] = 36, [NU_PP_UNIX] = NU_PP_V2_UNIX};

static nu_str path(const uint8_t *p)
{
    return nu_str_make(p, strnlen((const char *)p, NU_PP_V2_UNIX / 2));
}

static void read_addresses(const uint8_t *p, struct nu_pp_addresses *a)
{
    if (a->family == NU_PP_UNIX) {
        a->source_path = path(p);
        a->destination_path = path(p + NU_PP_V2_UNIX / 2);
    } else if (a->family != NU_PP_UNSPEC) {
        size_t n = a->family == NU_PP_INET ? 4 : 16;
        memcpy(a->source, p, n);
        memcpy(a->destination, p + n, n);
        a->source_port = be16(p + 2 * n);
        a->destination_port = be16(p + 2 * n + 2);
    }
}

/* signature(12), version and command(1), family and transport(1), length(2), addresses, TLVs */
static enum nu_pp_status parse_v2(nu_str in, struct nu_pp_header *out)
{
    const uint8_t *p = (const uint8_t *)in.ptr;
    unsigned version = p[12] >> 4, command = p[12] & 15, family = p[13] >> 4, transport = p[13] & 15;
    size_t body = be16(p + 14);
    out->version = NU_PP_V2;
    if (version != 2 || command > 1)
        return NU_PP_ERROR;
    out->local = command == 0;
    if (!out->local) {
        /* What claims to have an address says of which kind and transport; UNSPEC goes with UNSPEC. */
        if (family > NU_PP_UNIX || transport > 2 || (family == 0) != (transport == 0) || body < address_bytes[family])
            return NU_PP_ERROR;
        out->addresses.family = (enum nu_pp_family)family;
        out->datagram = transport == 2;
    }
    out->len = NU_PP_V2_FIXED + body;
    if (in.len < out->len)
        return NU_PP_MORE;
    size_t addresses = address_bytes[out->addresses.family];
    read_addresses(p + NU_PP_V2_FIXED, &out->addresses);
    if (!out->local)
        out->tlvs = nu_str_make(p + NU_PP_V2_FIXED + addresses, body - addresses);
    return NU_PP_DONE;
}

enum nu_pp_status nu_pp_parse(nu_str in, struct nu_pp_header *out)
{
    *out = (struct nu_pp_header){.version = NU_PP_NEITHER};
    if (in.len >= NU_PP_V2_FIXED && nu_str_starts(in, v2_signature))
        return parse_v2(in, out);
    if (in.len >= NU_PP_V2_FIXED && !nu_str_starts(in, v1_signature))
        return NU_PP_ERROR;
    return parse_v1(in, out);
}

/* type(1), length(2), value */
enum nu_pp_tlv_status nu_pp_tlv_next(nu_str *rest, struct nu_pp_tlv *out)
{
    const uint8_t *p = (const uint8_t *)rest->ptr;
    if (rest->len == 0)
        return NU_PP_TLV_END;
    if (rest->len < 3 || rest->len - 3 < be16(p + 1))
        return NU_PP_TLV_ERROR;
    out->type = p[0];
    out->value = nu_str_make(p + 3, be16(p + 1));
    *rest = nu_str_skip(*rest, 3 + out->value.len);
    return NU_PP_TLV;
}
