/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/h1/body.h"

#include <string.h>

/* Bytes of extensions that one chunk may have. */
#define MAX_CHUNK_EXT 4096

enum nu_h1_framing nu_h1_request_framing(const struct nu_h1_head *h)
{
    if (h->chunked)
        return NU_H1_CHUNKED;
    return h->has_length && h->length > 0 ? NU_H1_LENGTH : NU_H1_NO_BODY;
}

enum nu_h1_framing nu_h1_response_framing(const struct nu_h1_head *h, bool to_head, bool to_connect)
{
    if (to_head || h->status / 100 == 1 || h->status == 204 || h->status == 304)
        return NU_H1_NO_BODY;
    if (to_connect && h->status / 100 == 2)
        return NU_H1_UNTIL_CLOSE;
    if (h->chunked)
        return NU_H1_CHUNKED;
    if (h->has_length)
        return h->length > 0 ? NU_H1_LENGTH : NU_H1_NO_BODY;
    return NU_H1_UNTIL_CLOSE;
}

void nu_h1_body_init(struct nu_h1_body *b, enum nu_h1_framing framing, uint64_t length)
{
    *b = (struct nu_h1_body){
        .framing = (uint8_t)framing,
        .left = framing == NU_H1_LENGTH ? length : 0,
        .done = framing == NU_H1_NO_BODY || (framing == NU_H1_LENGTH && length == 0),
    };
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF (s7.1). One byte of what stands around the data. A size has at
 * most 16 digits; lines end with CRLF, nothing else. 0 or an error. */
static int step(struct nu_h1_body *b, uint8_t c)
{
    int digit;
    switch ((enum nu_h1_body_state)b->state) {
    case NU_H1_CHUNK_SIZE:
    case NU_H1_CHUNK_SIZE_MORE:
        digit = hex_value(c);
        if (digit >= 0) {
            if (b->digits == 16)
                return NU_H1_ERR_CHUNK;
            b->digits++;
            b->left = b->left << 4 | (uint64_t)digit;
            b->state = NU_H1_CHUNK_SIZE_MORE;
            return b->left > INT64_MAX ? NU_H1_ERR_CHUNK : 0;
        }
        if (b->state == NU_H1_CHUNK_SIZE)
            return NU_H1_ERR_CHUNK;
        if (c == ' ' || c == '\t')
            b->state = NU_H1_CHUNK_BLANK;
        else if (c == ';')
            b->state = NU_H1_CHUNK_EXT;
        else if (c == '\r')
            b->state = NU_H1_CHUNK_SIZE_LF;
        else
            return NU_H1_ERR_CHUNK;
        return 0;
    case NU_H1_CHUNK_BLANK: /* BWS stands before ";"; old servers pad sizes with it, and Envoy reads over that */
        if (c == ';')
            b->state = NU_H1_CHUNK_EXT;
        else if (c == '\r')
            b->state = NU_H1_CHUNK_SIZE_LF;
        else if (c != ' ' && c != '\t')
            return NU_H1_ERR_CHUNK;
        return ++b->ext > MAX_CHUNK_EXT ? NU_H1_ERR_CHUNK : 0;
    case NU_H1_CHUNK_EXT:
        if (c == '\r')
            b->state = NU_H1_CHUNK_SIZE_LF;
        else if ((c < 0x20 && c != '\t') || c == 0x7f || ++b->ext > MAX_CHUNK_EXT)
            return NU_H1_ERR_CHUNK;
        return 0;
    case NU_H1_CHUNK_SIZE_LF:
        if (c != '\n')
            return NU_H1_ERR_CHUNK;
        b->state = b->left > 0 ? NU_H1_CHUNK_DATA : NU_H1_CHUNK_TRAILERS;
        b->digits = 0;
        b->ext = 0;
        return 0;
    case NU_H1_CHUNK_DATA_CR:
        b->state = NU_H1_CHUNK_DATA_LF;
        return c == '\r' ? 0 : NU_H1_ERR_CHUNK;
    case NU_H1_CHUNK_DATA_LF:
        b->state = NU_H1_CHUNK_SIZE;
        return c == '\n' ? 0 : NU_H1_ERR_CHUNK;
    case NU_H1_CHUNK_DATA:
    case NU_H1_CHUNK_TRAILERS:
        break;
    }
    return NU_H1_ERR_CHUNK;
}

static int take(struct nu_h1_body *b, const uint8_t *in, size_t n, size_t *used, const uint8_t **data, size_t *len)
{
    size_t k = b->left < n ? (size_t)b->left : n;
    *data = in;
    *len = k;
    *used += k;
    b->left -= k;
    return NU_H1_BODY_DATA;
}

static int decode_chunked(struct nu_h1_body *b, const uint8_t *in, size_t n, size_t *used, const uint8_t **data,
                          size_t *len)
{
    while (*used < n) {
        if (b->state == NU_H1_CHUNK_DATA) {
            int event = take(b, in + *used, n - *used, used, data, len);
            if (b->left == 0)
                b->state = NU_H1_CHUNK_DATA_CR;
            return event;
        }
        int err = step(b, in[*used]);
        if (err != 0)
            return err;
        (*used)++;
        if (b->state == NU_H1_CHUNK_TRAILERS)
            return NU_H1_BODY_TRAILERS;
    }
    return NU_H1_BODY_MORE;
}

int nu_h1_body_decode(struct nu_h1_body *b, const uint8_t *in, size_t n, size_t *used, const uint8_t **data, size_t *len)
{
    *used = 0;
    *len = 0;
    if (b->done)
        return NU_H1_BODY_END;
    switch ((enum nu_h1_framing)b->framing) {
    case NU_H1_NO_BODY:
        return NU_H1_BODY_END;
    case NU_H1_LENGTH:
        if (n == 0)
            return NU_H1_BODY_MORE;
        take(b, in, n, used, data, len);
        b->done = b->left == 0;
        return NU_H1_BODY_DATA;
    case NU_H1_CHUNKED:
        if (b->state == NU_H1_CHUNK_TRAILERS)
            return NU_H1_BODY_TRAILERS;
        return decode_chunked(b, in, n, used, data, len);
    case NU_H1_UNTIL_CLOSE:
        if (n == 0)
            return NU_H1_BODY_MORE;
        b->left = n;
        return take(b, in, n, used, data, len);
    }
    return NU_H1_BODY_MORE;
}
