/* SPDX-License-Identifier: Apache-2.0
 *
 * Byte buffers of the data path: a chain of slices, each a view of a reference-counted block. Bytes move between
 * buffers without being copied. Blocks and slices come from a pool that belongs to one worker; nothing here is
 * thread-safe, and a block never leaves its worker. An empty buffer holds no memory. */
#ifndef NU_BASE_BUFFER_H
#define NU_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "base/str.h"

/* Size classes of blocks, header included. */
#define NU_BLOCK_SMALL 16384u
#define NU_BLOCK_LARGE 131072u
/* What is not larger than this shares a block with what other buffers took before it: heads and small messages of many
 * connections lie beside each other in memory that stays in the cache. */
#define NU_BUF_PACKED 4096u

struct nu_buf_pool;

struct nu_block {
    struct nu_buf_pool *pool;
    struct nu_block *next_free;
    uint32_t refs;
    uint32_t size; /* bytes in data[] */
    uint32_t used; /* the first `used` bytes of data[] belong to some slice; the rest is free to append to */
    uint32_t static_:1; /* not from the pool: freed with the heap */
    _Alignas(16) uint8_t data[];
};

struct nu_slice {
    struct nu_slice *next;
    struct nu_block *block; /* NULL: static memory that outlives everything (literals) */
    const uint8_t *ptr;
    size_t len;
};

/* Zero-initialise. */
struct nu_buf {
    struct nu_slice *head, *tail;
    size_t len;
};

/* One per worker. Zero-initialise and set the limits; spare blocks over the limit go back to the heap. */
struct nu_buf_pool {
    struct nu_block *small, *large;
    struct nu_block *shared; /* a small block that takes the next packed bytes; the pool's own reference; may be NULL */
    struct nu_slice *slices;
    unsigned n_small, n_large, n_slices;
    unsigned max_small, max_large, max_slices;
};

void nu_buf_pool_init(struct nu_buf_pool *p);
void nu_buf_pool_clear(struct nu_buf_pool *p);
/* Gives spare blocks back until at most `small` small and no large ones are kept: called when a worker idles. */
void nu_buf_pool_trim(struct nu_buf_pool *p, unsigned small);

/* A fresh block with one reference that the caller owns; `size` bytes at least (small, large or exact). */
struct nu_block *nu_block_new(struct nu_buf_pool *p, size_t size);
void nu_block_free(struct nu_block *b);

static inline struct nu_block *nu_block_ref(struct nu_block *b)
{
    b->refs++;
    return b;
}

static inline void nu_block_unref(struct nu_block *b)
{
    NU_ASSERT_SLOW(b->refs > 0);
    if (--b->refs == 0)
        nu_block_free(b);
}

static inline bool nu_buf_empty(const struct nu_buf *b)
{
    return b->len == 0;
}

/* Appends `len` bytes of `block` that start at ptr; takes a new reference. Merges with the last slice when it
 * continues it. block may be NULL for memory that outlives the buffer. */
void nu_buf_add_block(struct nu_buf *b, struct nu_buf_pool *p, struct nu_block *block, const uint8_t *ptr,
                      size_t len);
/* Copies bytes to the end. */
void nu_buf_add(struct nu_buf *b, struct nu_buf_pool *p, const void *bytes, size_t len);
static inline void nu_buf_add_str(struct nu_buf *b, struct nu_buf_pool *p, nu_str s)
{
    nu_buf_add(b, p, s.ptr, s.len);
}
/* Contiguous room for `len` bytes at the end; the caller writes them and calls nu_buf_commit with what it used, before
 * anything else of the pool is asked for. */
uint8_t *nu_buf_reserve(struct nu_buf *b, struct nu_buf_pool *p, size_t len);
void nu_buf_commit(struct nu_buf *b, size_t len);
/* For readers that take what comes: room at the end of the last block when it has at least `min` bytes, else in the
 * shared block (want == min == NU_BUF_PACKED) or a new one for `want` bytes. *room_out: how many there are. Then
 * nu_buf_commit. */
uint8_t *nu_buf_reserve_some(struct nu_buf *b, struct nu_buf_pool *p, size_t min, size_t want, size_t *room_out);
/* Copies bytes to the front. */
void nu_buf_prepend(struct nu_buf *b, struct nu_buf_pool *p, const void *bytes, size_t len);

/* Moves everything / the first n bytes (n <= from->len) from one buffer to the end of another; no copy. */
void nu_buf_move(struct nu_buf *to, struct nu_buf *from);
/* As nu_buf_move, but few bytes are copied behind what is there when that has room: one vector less to write. */
void nu_buf_join(struct nu_buf *to, struct nu_buf *from, struct nu_buf_pool *p);
void nu_buf_move_n(struct nu_buf *to, struct nu_buf *from, struct nu_buf_pool *p, size_t n);
/* Drops the first n bytes, n <= len. */
void nu_buf_drain(struct nu_buf *b, struct nu_buf_pool *p, size_t n);
static inline void nu_buf_clear(struct nu_buf *b, struct nu_buf_pool *p)
{
    if (b->head != NULL)
        nu_buf_drain(b, p, b->len);
}

/* Makes the first n bytes (n <= len) contiguous, copying only when they are not, and returns them. */
const uint8_t *nu_buf_linearize(struct nu_buf *b, struct nu_buf_pool *p, size_t n);
/* Copies out n bytes from offset; offset + n <= len. */
void nu_buf_copy_out(const struct nu_buf *b, size_t offset, void *dst, size_t n);
/* Fills at most max vectors with the front of the buffer; returns how many. */
unsigned nu_buf_iov(const struct nu_buf *b, struct iovec *iov, unsigned max);
/* Offset of a byte at or after `from`; -1 when absent. */
ssize_t nu_buf_find(const struct nu_buf *b, uint8_t byte, size_t from);

/* Invariants, for slow builds and tests. */
void nu_buf_check(const struct nu_buf *b);

#endif
