/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1 heads: start line and fields (RFC 9112 s2 to s5), of requests and responses. Pure: bytes in, offsets out. Two
 * steps, so that hostile byte-at-a-time input costs O(n): nu_h1_scan looks for the end of the head and remembers how far
 * it got; nu_h1_parse runs once, over a complete, contiguous head. Before them comes one attempt in one step,
 * nu_h1_parse_whole, which is all that a head needs that came whole and has no fault.
 *
 *     HTTP-message = start-line CRLF *( field-line CRLF ) CRLF
 *
 * Lines may end with a bare LF (Envoy accepts that; s2.2 allows it). Names are lower-cased in place. */
#ifndef NU_CODEC_H1_HEAD_H
#define NU_CODEC_H1_HEAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

/* What is refused: HTTP status of the answer, Envoy's response-code details. Negative values. */
#define NU_H1_ERRORS(X)                                                                            \
    X(SYNTAX, 400, "http1.codec_error")                                                            \
    X(CHARACTERS, 400, "http1.invalid_characters")                                                 \
    X(URL, 400, "http1.invalid_url")                                                               \
    X(HEAD_TOO_LARGE, 431, "http1.headers_too_large")                                              \
    X(TOO_MANY_FIELDS, 431, "http1.too_many_headers")                                              \
    X(TRAILERS_TOO_LARGE, 431, "http1.trailers_too_large")                                         \
    X(CONTENT_LENGTH, 400, "http1.codec_error")                                                    \
    X(LENGTH_AND_CHUNKED, 400, "http1.content_length_and_chunked_not_allowed")                     \
    X(TRANSFER_CODING, 501, "http1.invalid_transfer_encoding")                                     \
    X(UNDERSCORE, 400, "http1.unexpected_underscore")                                              \
    X(VERSION, 426, "low_version")                                                                 \
    X(CHUNK, 400, "http1.codec_error")

enum nu_h1_error_index {
#define X(name, status, details) NU_H1_INDEX_##name,
    NU_H1_ERRORS(X)
#undef X
};
enum nu_h1_error {
#define X(name, status, details) NU_H1_ERR_##name = -1000 - (int)NU_H1_INDEX_##name,
    NU_H1_ERRORS(X)
#undef X
};
/* HTTP status and details of an error above. */
unsigned nu_h1_error_status(int err);
nu_str nu_h1_error_details(int err);

/* A field as offsets into the head. */
struct nu_h1_field {
    uint32_t name, value;
    uint32_t value_len;
    uint16_t name_len;
};

/* How far the search for the end has got; zero-initialise for each message. */
struct nu_h1_scan {
    uint32_t pos;       /* bytes looked at */
    uint32_t lines;     /* line ends seen */
    uint32_t line;      /* where the current line begins */
    bool start_checked; /* the first bytes can begin a message */
};

/* base: all bytes of this message so far, n of them. Returns the length of the head, its empty line included; 0: not
 * complete; negative: no head can begin like this, or it is longer than max. */
ssize_t nu_h1_scan(struct nu_h1_scan *s, const uint8_t *base, size_t n, size_t max, bool request);

enum nu_h1_version { NU_H1_VERSION_09, NU_H1_VERSION_10, NU_H1_VERSION_11 };

struct nu_h1_rules {
    bool request;
    bool allow_custom_methods;
    bool allow_chunked_length; /* Content-Length beside chunked: dropped, not refused */
    bool keep_case;            /* do not lower-case names: the caller keeps the original and does it */
    uint8_t underscores;       /* 0 allow, 1 reject, 2 drop */
    uint32_t max_fields;
};

/* What a head says. Offsets count from base. */
struct nu_h1_head {
    struct nu_h1_field *fields; /* caller's, room for `cap` */
    uint32_t cap, n;
    uint32_t n_underscore_dropped;
    nu_str method, target, reason; /* into base */
    uint16_t status;
    uint8_t version; /* enum nu_h1_version */
    /* What the framing and the connection's fate depend on (s6, s9.6). */
    bool has_length, chunked, has_transfer_encoding;
    uint64_t length;
    bool close, keep_alive, upgrade_token; /* tokens of Connection */
    bool has_upgrade, expect_continue;
    uint32_t n_hosts;
};

/* Parses the complete head base[0, n) as found by nu_h1_scan. h->fields and h->cap are set by the caller (cap at least
 * the lines of the scan). 0 or a negative error. */
int nu_h1_parse(struct nu_h1_head *h, const struct nu_h1_rules *r, uint8_t *base, size_t n);

/* Parses the head that begins base[0, n) when it is complete and has no fault and no folded line: its length, *h as from
 * nu_h1_parse. 0: scan and parse tell what it is (names may be lower case by now). h as for nu_h1_parse. */
size_t nu_h1_parse_whole(struct nu_h1_head *h, const struct nu_h1_rules *r, uint8_t *base, size_t n);

/* Parses field lines alone (trailers): base[0, n) ends with the empty line. */
int nu_h1_parse_fields(struct nu_h1_head *h, const struct nu_h1_rules *r, uint8_t *base, size_t n);

#endif
