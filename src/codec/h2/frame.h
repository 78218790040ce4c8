/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames of HTTP/2 (RFC 9113 s4.1, s6): their names, and reading and writing of the parts that all have.
 *
 *     Length (24), Type (8), Flags (8), Reserved (1), Stream Identifier (31), Frame Payload (..) */
#ifndef NU_CODEC_H2_FRAME_H
#define NU_CODEC_H2_FRAME_H

#include <stdint.h>
#include <string.h>

enum h2_frame_type {
    H2_DATA,
    H2_HEADERS,
    H2_PRIORITY,
    H2_RST_STREAM,
    H2_SETTINGS,
    H2_PUSH_PROMISE,
    H2_PING,
    H2_GOAWAY,
    H2_WINDOW_UPDATE,
    H2_CONTINUATION,
    H2_N_FRAME_TYPES,
};

enum h2_flag {
    H2_END_STREAM = 0x1, /* DATA, HEADERS */
    H2_ACK = 0x1,        /* SETTINGS, PING */
    H2_END_HEADERS = 0x4,
    H2_PADDED = 0x8,
    H2_HAS_PRIORITY = 0x20, /* HEADERS */
};

enum h2_setting_id {
    H2_HEADER_TABLE_SIZE = 1,
    H2_ENABLE_PUSH,
    H2_MAX_CONCURRENT_STREAMS,
    H2_INITIAL_WINDOW_SIZE,
    H2_MAX_FRAME_SIZE,
    H2_MAX_HEADER_LIST_SIZE,
    H2_ENABLE_CONNECT_PROTOCOL = 8, /* RFC 8441 */
};

#define H2_FRAME_HEAD 9u
#define H2_FRAME_MAX 16384u /* what we take, and the largest that we send */
#define H2_DEFAULT_WINDOW 65535u
#define H2_MAX_WINDOW 0x7fffffffu
#define H2_MAX_ID 0x7fffffffu
#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_PREFACE_LEN 24u

struct h2_frame_head {
    uint32_t length, stream_id;
    uint8_t type, flags;
};

static inline uint32_t h2_get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}

static inline uint16_t h2_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint8_t *h2_put32(uint8_t *at, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(at, &v, 4);
    return at + 4;
}

static inline uint8_t *h2_put16(uint8_t *at, uint16_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
    return at + 2;
}

static inline struct h2_frame_head h2_get_head(const uint8_t *p)
{
    return (struct h2_frame_head){.length = h2_get32(p) >> 8, .type = p[3], .flags = p[4],
        .stream_id = h2_get32(p + 5) & H2_MAX_ID};
}

static inline uint8_t *h2_put_head(uint8_t *at, uint32_t length, uint8_t type, uint8_t flags, uint32_t stream_id)
{
    h2_put32(at, length << 8 | type);
    at[4] = flags;
    return h2_put32(at + 5, stream_id);
}

#endif
