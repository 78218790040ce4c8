/* SPDX-License-Identifier: Apache-2.0
 *
 * What both HTTP/1 sessions do to read a message: find and parse the head in the connection's input, decode the body. */
#ifndef NU_HTTP_H1_READ_H
#define NU_HTTP_H1_READ_H

#include "codec/h1/body.h"
#include "http/session.h"
#include "net/conn.h"

/* Fields that a head may have without a heap allocation. */
#define H1_FEW_FIELDS 128

struct h1_reader {
    struct nu_h1_scan scan; /* of the trailers; a client's of the head, too */
    struct nu_h1_body body;
    uint64_t head_bytes, bytes;
};

/* A parsed head and the bytes it points into. */
struct h1_head {
    struct nu_h1_head parsed;
    uint8_t *base;
    size_t len;
    struct nu_block *block; /* holds the bytes */
    struct nu_h1_field *many; /* heap, when there are more than a few; freed by h1_head_done */
    struct nu_h1_field few[H1_FEW_FIELDS];
};

/* Looks for a complete head at the front of `in` and parses it. 1: parsed (call h1_head_take or h1_head_done), 0: more
 * bytes are needed, negative: enum nu_h1_error. */
int h1_read_head(struct nu_h1_scan *scan, struct nu_conn *c, struct nu_buf *in, const struct nu_h1_options *opt,
                 bool request, struct h1_head *out);
/* Puts the fields into h (all but Host for requests, which becomes the authority), keeps the bytes alive with h's arena,
 * and takes the head off `in`; r->scan is ready for trailers. */
void h1_head_take(struct h1_reader *r, struct nu_conn *c, struct nu_buf *in, const struct nu_h1_options *opt,
                  struct h1_head *head, struct nu_http_headers *h);
void h1_head_done(struct h1_head *head);

enum h1_read_result {
    H1_READ_MORE, /* all of `in` was used */
    H1_READ_END,  /* the message is complete */
};
/* Decodes as much body as `in` has, appending to `data`. Trailers (when the message has them and *trailers is not NULL) are
 * put into a new map in the arena. enum h1_read_result or a negative enum nu_h1_error. */
int h1_read_body(struct h1_reader *r, struct nu_conn *c, struct nu_buf *in, const struct nu_h1_options *opt,
                 struct nu_arena *arena, bool request, struct nu_buf *data, struct nu_http_headers **trailers);

#endif
