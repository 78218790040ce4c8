/* SPDX-License-Identifier: Apache-2.0
 *
 * What both HTTP/1 sessions do to write a message: the head straight into the connection's write buffer, then body bytes
 * plain or in chunks (RFC 9112 s6, s7). */
#ifndef NU_HTTP_H1_WRITE_H
#define NU_HTTP_H1_WRITE_H

#include "http/session.h"
#include "net/conn.h"

enum h1_write_state { H1_WRITE_HEAD, H1_WRITE_BODY, H1_WRITE_DONE };

struct h1_writer {
    uint8_t state; /* enum h1_write_state */
    bool chunked;
    uint64_t head_bytes, bytes; /* on the wire for this message */
};

struct h1_head_lines {
    nu_str parts[5];   /* the start line, in pieces, CRLF included */
    unsigned n_parts;
    nu_str host;       /* written first when ptr != NULL */
    nu_str host_name;  /* ptr == NULL: "host" */
    nu_str framing;    /* "content-length: 0\r\n", "transfer-encoding: chunked\r\n" or nothing */
};

/* Writes a head: start line, host, all headers of h (not transfer-encoding), framing, empty line. */
void h1_write_head(struct nu_conn *c, struct h1_writer *w, const struct nu_h1_options *opt,
                   const struct h1_head_lines *lines, const struct nu_http_headers *h);
/* Moves body bytes; end: the last ones (the last chunk is written when chunked). */
void h1_write_data(struct nu_conn *c, struct h1_writer *w, struct nu_buf *data, bool end);
/* Ends a chunked body with trailers; without chunks they are dropped. */
void h1_write_trailers(struct nu_conn *c, struct h1_writer *w, const struct nu_h1_options *opt,
                       const struct nu_http_headers *t);

#endif
