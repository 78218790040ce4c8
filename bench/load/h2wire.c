// SPDX-License-Identifier: Apache-2.0
#include "h2wire.h"

#include <string.h>

#include "util.h"

static size_t put_int(uint8_t *p, uint8_t first, unsigned prefix_bits, size_t v) {
  size_t max = (1u << prefix_bits) - 1, n = 1;
  if (v < max) {
    p[0] = (uint8_t)(first | v);
    return 1;
  }
  p[0] = (uint8_t)(first | max);
  for (v -= max; v >= 128; v >>= 7) p[n++] = (uint8_t)(v | 128);
  p[n++] = (uint8_t)v;
  return n;
}

static size_t put_string(uint8_t *p, const char *s) {
  size_t len = strlen(s), n = put_int(p, 0, 7, len);
  memcpy(p + n, s, len);
  return n + len;
}

static size_t put_literal(uint8_t *p, uint8_t first, unsigned prefix_bits, const struct h2_field *f) {
  size_t n = put_int(p, first, prefix_bits, f->static_index);
  if (!f->static_index) n += put_string(p + n, f->name);
  return n + put_string(p + n, f->value);
}

void h2_block_build(struct h2_block *b, const struct h2_field *fields, size_t n) {
  size_t total = 0, inserted = 0, room = 0;
  for (size_t i = 0; i < n; i++) {
    total += !fields[i].whole;
    room += strlen(fields[i].name) + strlen(fields[i].value) + 32;
  }
  if (room > sizeof(b->first)) die("header block is too large");
  memset(b, 0, sizeof(*b));
  for (size_t i = 0; i < n; i++) {
    const struct h2_field *f = &fields[i];
    if (f->whole) {
      b->first_len += put_int(b->first + b->first_len, 0x80, 7, f->static_index);
      b->next_len += put_int(b->next + b->next_len, 0x80, 7, f->static_index);
      b->plain_len += put_int(b->plain + b->plain_len, 0x80, 7, f->static_index);
    } else {
      b->first_len += put_literal(b->first + b->first_len, 0x40, 6, f);
      b->plain_len += put_literal(b->plain + b->plain_len, 0, 4, f);
      b->next_len += put_int(b->next + b->next_len, 0x80, 7, 62 + total - 1 - inserted);
      inserted++;
    }
  }
}

size_t h2_block_put(struct h2_encoder *e, const struct h2_block *b, uint8_t *out) {
  if (e->no_table) {
    size_t n = 0;
    if (!e->shrink_sent) out[n++] = 0x20;
    e->shrink_sent = 1;
    memcpy(out + n, b->plain, b->plain_len);
    return n + b->plain_len;
  }
  int first = !e->table_known;
  e->table_known = 1;
  memcpy(out, first ? b->first : b->next, first ? b->first_len : b->next_len);
  return first ? b->first_len : b->next_len;
}

int h2_payload(const struct h2_frame *f, const uint8_t *payload, size_t *off, size_t *len) {
  size_t skip = 0, pad = 0;
  if (f->flags & H2_PADDED) {
    if (f->len < 1) return 0;
    pad = payload[0];
    skip = 1;
  }
  if (f->type == H2_HEADERS && (f->flags & H2_PRIORITY_FLAG)) skip += 5;
  if (skip + pad > f->len) return 0;
  *off = skip;
  *len = f->len - skip - pad;
  return 1;
}
