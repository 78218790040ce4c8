// SPDX-License-Identifier: Apache-2.0
/* The few pieces of HTTP/2 framing and HPACK encoding that the load generator and the origin need.
 *
 * Neither decodes header blocks. Each sends the same header list on every stream of a connection, so a
 * block is encoded in three forms when the program starts: FIRST puts the fields that are not in the
 * static table into the peer's dynamic table, NEXT then refers to them by index (as every real client
 * and server does), and PLAIN uses no dynamic table, for a peer that has set its size to zero. */
#ifndef BENCH_H2WIRE_H
#define BENCH_H2WIRE_H

#include <stddef.h>
#include <stdint.h>

#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_PREFACE_LEN 24
#define H2_FRAME_HEADER 9
#define H2_DEFAULT_WINDOW 65535
#define H2_MAX_FRAME 16384

enum h2_type {
  H2_DATA = 0,
  H2_HEADERS = 1,
  H2_RST_STREAM = 3,
  H2_SETTINGS = 4,
  H2_PUSH_PROMISE = 5,
  H2_PING = 6,
  H2_GOAWAY = 7,
  H2_WINDOW_UPDATE = 8,
  H2_CONTINUATION = 9,
};

enum { H2_END_STREAM = 1, H2_ACK = 1, H2_END_HEADERS = 4, H2_PADDED = 8, H2_PRIORITY_FLAG = 0x20 };
enum { H2_SET_HEADER_TABLE_SIZE = 1, H2_SET_ENABLE_PUSH = 2, H2_SET_MAX_STREAMS = 3, H2_SET_INITIAL_WINDOW = 4 };

struct h2_frame {
  uint32_t len, stream;
  uint8_t type, flags;
};

static inline uint32_t get_be32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put_be32(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)(v >> 24);
  p[1] = (uint8_t)(v >> 16);
  p[2] = (uint8_t)(v >> 8);
  p[3] = (uint8_t)v;
}

static inline void h2_get_frame(const uint8_t *p, struct h2_frame *f) {
  f->len = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
  f->type = p[3];
  f->flags = p[4];
  f->stream = get_be32(p + 5) & 0x7fffffff;
}

static inline void h2_put_frame(uint8_t *p, uint32_t len, uint8_t type, uint8_t flags, uint32_t stream) {
  p[0] = (uint8_t)(len >> 16);
  p[1] = (uint8_t)(len >> 8);
  p[2] = (uint8_t)len;
  p[3] = type;
  p[4] = flags;
  put_be32(p + 5, stream);
}

/* A header field. `static_index` is its name's index in the static table (0: none there);
 * `whole` says that the static entry's value matches too. */
struct h2_field {
  unsigned static_index;
  int whole;
  const char *name, *value;
};

struct h2_block {
  uint8_t first[1024], next[1024], plain[1024];
  size_t first_len, next_len, plain_len;
};

/* The state one connection needs to pick the right form of its blocks. A connection that sends two
 * different blocks (headers and trailers) may put only one of them into the dynamic table. */
struct h2_encoder {
  int no_table;    /* the peer's HEADER_TABLE_SIZE is smaller than the default */
  int table_known; /* FIRST has been sent */
  int shrink_sent;
};

void h2_block_build(struct h2_block *b, const struct h2_field *fields, size_t n);
/* Writes the block's bytes for this connection to `out` (at least 1,100 bytes) and returns their number. */
size_t h2_block_put(struct h2_encoder *e, const struct h2_block *b, uint8_t *out);

/* The offset of the payload proper in a DATA or HEADERS frame and its length, without padding and priority. */
int h2_payload(const struct h2_frame *f, const uint8_t *payload, size_t *off, size_t *len);

#endif
