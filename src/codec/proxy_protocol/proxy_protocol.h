/* SPDX-License-Identifier: Apache-2.0
 *
 * The PROXY protocol (haproxy.org, proxy-protocol.txt): what a proxy writes in front of a connection's bytes to say who
 * the client is. Version 1 is a line of text, version 2 binary with optional TLVs. Pure: bytes in, values out. */
#ifndef NU_CODEC_PROXY_PROTOCOL_PROXY_PROTOCOL_H
#define NU_CODEC_PROXY_PROTOCOL_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sb.h"
#include "base/str.h"

/* The longest line of version 1 that is read, CR LF included (Envoy's limit; the specification says 107). */
#define NU_PP_V1_MAX 108u
/* Version 2: signature and fixed fields; the largest block of addresses (unix). */
#define NU_PP_V2_FIXED 16u
#define NU_PP_V2_UNIX 216u

enum nu_pp_version { NU_PP_NEITHER, NU_PP_V1, NU_PP_V2 };

enum nu_pp_family { NU_PP_UNSPEC, NU_PP_INET, NU_PP_INET6, NU_PP_UNIX };

/* Who talks to whom. IPv4 addresses are the first four bytes; ports are in host order. */
struct nu_pp_addresses {
    enum nu_pp_family family; /* UNSPEC: nothing is said */
    uint8_t source[16], destination[16];
    uint16_t source_port, destination_port;
    nu_str source_path, destination_path; /* UNIX: views of the input, without the padding */
};

struct nu_pp_header {
    enum nu_pp_version version; /* of an error: whose rules were broken; NEITHER: it does not begin like a header */
    bool local;    /* v1 UNKNOWN, v2 LOCAL: the socket's own addresses count */
    bool datagram; /* v2: the client spoke a datagram protocol */
    struct nu_pp_addresses addresses;
    size_t len;    /* of the whole header; 0 while it is not known */
    nu_str tlvs;   /* v2: a view of the input; see nu_pp_tlv_next */
};

enum nu_pp_status {
    NU_PP_MORE,  /* a header may follow: ask again with more bytes (out->len says how many when that is known) */
    NU_PP_DONE,  /* out is complete; out->len bytes of the input belong to it */
    NU_PP_ERROR, /* no header, or a wrong one */
};

/* Reads the header that `in` begins with. Keeps no state: call it again with all bytes when there are more. Of a v2
 * header family, local and len are known as soon as MORE has version V2. Does not look into the TLVs. */
enum nu_pp_status nu_pp_parse(nu_str in, struct nu_pp_header *out);
/* Whether these bytes may still become a header of that version. */
bool nu_pp_may_be_v1(nu_str in);
bool nu_pp_may_be_v2(nu_str in);

struct nu_pp_tlv {
    uint8_t type;
    nu_str value;
};
enum nu_pp_tlv_status { NU_PP_TLV, NU_PP_TLV_END, NU_PP_TLV_ERROR };
/* Takes the next TLV from the front of *rest. */
enum nu_pp_tlv_status nu_pp_tlv_next(nu_str *rest, struct nu_pp_tlv *out);

/* Appends a line of version 1; "PROXY UNKNOWN" for anything but IP. */
void nu_pp_write_v1(struct nu_sb *sb, const struct nu_pp_addresses *a);
/* Appends a header of version 2; LOCAL without addresses for UNSPEC (TLVs included: they need no address). TLVs that
 * would make it longer than its length field can say are left out; returns how many were. */
size_t nu_pp_write_v2(struct nu_sb *sb, const struct nu_pp_addresses *a, const struct nu_pp_tlv *tlvs, size_t n);

#endif
