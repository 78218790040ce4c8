/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a TLS ClientHello (RFC 8446 s4.1.2, RFC 5246 s7.4.1.2) without a TLS library: who the client wants to talk to
 * (SNI), what it would speak (ALPN), and the lists that tell one client program from another (JA3, JA4). Pure and without
 * state: bytes in, views out. With an encrypted ClientHello (ECH) it is the outer one that is read.
 *
 * What is a ClientHello, and what an error is called, follows the library that Envoy uses, so that the same connections
 * count as TLS. */
#ifndef NU_CODEC_TLS_CLIENT_HELLO_H
#define NU_CODEC_TLS_CLIENT_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sb.h"
#include "base/str.h"

/* The longest handshake message that is read. */
#define NU_HELLO_MESSAGE_MAX 16384u

enum nu_hello_status {
    NU_HELLO_MORE,  /* may become a ClientHello: ask again with more bytes */
    NU_HELLO_DONE,
    NU_HELLO_ERROR, /* not TLS, or a malformed ClientHello */
};

/* Name and code of a failure as the TLS library has them: "error:1000009c:SSL routines:OPENSSL_internal:HTTP_REQUEST". */
struct nu_hello_error {
    uint16_t code;
    const char *name;
};

/* Views of the input, or of scratch. */
struct nu_client_hello {
    size_t looked_at;  /* bytes of the input that took part: whole records, or the header that was wrong */
    const struct nu_hello_error *error; /* of NU_HELLO_ERROR */
    uint16_t version;  /* legacy_version, whatever it is */
    nu_str ciphers;    /* two bytes each */
    nu_str extensions; /* type, length, body; well-formed, each type once */
    nu_str server_name; /* as sent; empty: none */
    nu_str alpn;       /* ProtocolNameList without its length; empty: none or malformed */
};

/* Reads the ClientHello that `in` begins with. Keeps no state: call it again with all bytes when there are more. `scratch`
 * has room for in.len bytes: a message that lies in several records is put together there. */
enum nu_hello_status nu_client_hello_parse(nu_str in, char *scratch, struct nu_client_hello *out);

/* Takes the next name from the front of a list of out->alpn; false: no more. */
bool nu_alpn_next(nu_str *list, nu_str *name);

/* The body of the first extension of that type; false: there is none. */
bool nu_client_hello_extension(const struct nu_client_hello *h, uint16_t type, nu_str *body);

/* ---- fingerprints ---- */

/* The text whose MD5 is the JA3 fingerprint: version, ciphers, extensions, curves, point formats. Without GREASE (RFC 8701),
 * but among the curves, where Envoy leaves it. Appends. */
void nu_ja3_text(const struct nu_client_hello *h, struct nu_sb *out);

/* JA4 is "<a>_<b>_<c>". a: version, SNI, counts and ALPN; b and c: the first 12 hex digits of the SHA-256 of the lists
 * that these write (empty list: twelve zeros). They append. */
void nu_ja4_head(const struct nu_client_hello *h, struct nu_sb *out);
void nu_ja4_ciphers(const struct nu_client_hello *h, struct nu_sb *out);
void nu_ja4_extensions(const struct nu_client_hello *h, struct nu_sb *out);

#endif
