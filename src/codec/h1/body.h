/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1 bodies: how a message is framed (RFC 9112 s6.3) and the decoder of its body. Pure; spans, no copies. */
#ifndef NU_CODEC_H1_BODY_H
#define NU_CODEC_H1_BODY_H

#include "codec/h1/head.h"

enum nu_h1_framing {
    NU_H1_NO_BODY,
    NU_H1_LENGTH,
    NU_H1_CHUNKED,
    NU_H1_UNTIL_CLOSE,
};

/* The framing of a request / of the response to a request with this method (s6.3). */
enum nu_h1_framing nu_h1_request_framing(const struct nu_h1_head *h);
enum nu_h1_framing nu_h1_response_framing(const struct nu_h1_head *h, bool to_head, bool to_connect);

enum nu_h1_body_state { /* of the chunked decoder */
    NU_H1_CHUNK_SIZE,
    NU_H1_CHUNK_SIZE_MORE, /* at least one digit seen */
    NU_H1_CHUNK_BLANK,     /* blanks after the size */
    NU_H1_CHUNK_EXT,
    NU_H1_CHUNK_SIZE_LF,
    NU_H1_CHUNK_DATA,
    NU_H1_CHUNK_DATA_CR,
    NU_H1_CHUNK_DATA_LF,
    NU_H1_CHUNK_TRAILERS,  /* the zero chunk was read: field lines follow */
};

struct nu_h1_body {
    uint8_t framing; /* enum nu_h1_framing */
    uint8_t state;   /* enum nu_h1_body_state */
    uint8_t digits;
    bool done;
    uint32_t ext;    /* bytes of the current chunk extension */
    uint64_t left;   /* of the body (LENGTH) or of the chunk */
};

void nu_h1_body_init(struct nu_h1_body *b, enum nu_h1_framing framing, uint64_t length);

enum nu_h1_body_event {
    NU_H1_BODY_MORE,     /* everything was used; more is needed */
    NU_H1_BODY_DATA,     /* *data, *len: body bytes inside `in` */
    NU_H1_BODY_TRAILERS, /* the chunks are over: field lines and an empty line follow (nu_h1_scan, then parse_fields) */
    NU_H1_BODY_END,
};

/* Decodes from in[0, n). *used: bytes consumed (data included). Call until MORE, TRAILERS or END. Negative: refused. */
int nu_h1_body_decode(struct nu_h1_body *b, const uint8_t *in, size_t n, size_t *used, const uint8_t **data, size_t *len);

#endif
