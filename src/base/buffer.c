/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include "base/alloc.h"

/* Up to here a copy costs less than another vector of sendmsg(2). */
#define COPIED_AT_MOST 2048u

void nu_buf_pool_init(struct nu_buf_pool *p)
{
    *p = (struct nu_buf_pool){.max_small = 64, .max_large = 8, .max_slices = 1024};
}

static void free_blocks(struct nu_block **list, unsigned *n, unsigned keep)
{
    while (*n > keep) {
        struct nu_block *b = *list;
        *list = b->next_free;
        nu_free(b);
        (*n)--;
    }
}

void nu_buf_pool_trim(struct nu_buf_pool *p, unsigned small)
{
    if (small == 0 && p->shared != NULL) {
        nu_block_unref(p->shared);
        p->shared = NULL;
    }
    free_blocks(&p->small, &p->n_small, small);
    free_blocks(&p->large, &p->n_large, 0);
}

void nu_buf_pool_clear(struct nu_buf_pool *p)
{
    nu_buf_pool_trim(p, 0);
    while (p->slices != NULL) {
        struct nu_slice *s = p->slices;
        p->slices = s->next;
        nu_free(s);
    }
    p->n_slices = 0;
}

static struct nu_block *take_spare(struct nu_block **list, unsigned *n)
{
    struct nu_block *b = *list;
    if (b == NULL)
        return NULL;
    *list = b->next_free;
    (*n)--;
    return b;
}

struct nu_block *nu_block_new(struct nu_buf_pool *p, size_t size)
{
    const size_t head = sizeof(struct nu_block);
    struct nu_block *b = NULL;
    size_t whole = size + head;
    NU_ASSERT(size < UINT32_MAX - head);
    if (whole <= NU_BLOCK_SMALL) {
        whole = NU_BLOCK_SMALL;
        b = take_spare(&p->small, &p->n_small);
    } else if (whole <= NU_BLOCK_LARGE) {
        whole = NU_BLOCK_LARGE;
        b = take_spare(&p->large, &p->n_large);
    }
    if (b == NULL) {
        b = nu_alloc(whole);
        b->pool = p;
        b->size = (uint32_t)(whole - head);
        b->static_ = whole > NU_BLOCK_LARGE;
    }
    b->refs = 1;
    b->used = 0;
    return b;
}

void nu_block_free(struct nu_block *b)
{
    struct nu_buf_pool *p = b->pool;
    bool small = b->size + sizeof(*b) == NU_BLOCK_SMALL;
    struct nu_block **list = small ? &p->small : &p->large;
    unsigned *n = small ? &p->n_small : &p->n_large;
    if (b->static_ || *n >= (small ? p->max_small : p->max_large)) {
        nu_free(b);
        return;
    }
    b->next_free = *list;
    *list = b;
    (*n)++;
}

static struct nu_slice *slice_new(struct nu_buf_pool *p)
{
    struct nu_slice *s = p->slices;
    if (s == NULL)
        return nu_alloc(sizeof(*s));
    p->slices = s->next;
    p->n_slices--;
    return s;
}

static void slice_free(struct nu_buf_pool *p, struct nu_slice *s)
{
    if (s->block != NULL)
        nu_block_unref(s->block);
    if (p->n_slices >= p->max_slices) {
        nu_free(s);
        return;
    }
    s->next = p->slices;
    p->slices = s;
    p->n_slices++;
}

static void append_slice(struct nu_buf *b, struct nu_slice *s)
{
    s->next = NULL;
    if (b->tail != NULL)
        b->tail->next = s;
    else
        b->head = s;
    b->tail = s;
    b->len += s->len;
}

void nu_buf_add_block(struct nu_buf *b, struct nu_buf_pool *p, struct nu_block *block, const uint8_t *ptr,
                      size_t len)
{
    struct nu_slice *t = b->tail;
    if (len == 0)
        return;
    if (t != NULL && block != NULL && t->block == block && t->ptr + t->len == ptr) {
        t->len += len;
        b->len += len;
        return;
    }
    struct nu_slice *s = slice_new(p);
    s->block = block != NULL ? nu_block_ref(block) : NULL;
    s->ptr = ptr;
    s->len = len;
    append_slice(b, s);
}

/* Room behind the last slice, when nobody else has appended to its block. */
static size_t tail_room(const struct nu_buf *b)
{
    const struct nu_slice *t = b->tail;
    if (t == NULL || t->block == NULL || t->ptr + t->len != t->block->data + t->block->used)
        return 0;
    return t->block->size - t->block->used;
}

/* The block that packed bytes go to, with room for len; a new reference. From its start again when nobody else has it. */
static struct nu_block *shared_block(struct nu_buf_pool *p, size_t len)
{
    struct nu_block *b = p->shared;
    if (nu_likely(b != NULL)) {
        if (b->refs == 1)
            b->used = 0;
        if (nu_likely(b->size - b->used >= len))
            return nu_block_ref(b);
        nu_block_unref(b);
    }
    p->shared = nu_block_new(p, NU_BLOCK_SMALL - sizeof(struct nu_block));
    return nu_block_ref(p->shared);
}

uint8_t *nu_buf_reserve(struct nu_buf *b, struct nu_buf_pool *p, size_t len)
{
    if (b->tail == NULL || tail_room(b) < len) {
        struct nu_slice *s = slice_new(p);
        s->block = len <= NU_BUF_PACKED ? shared_block(p, len) : nu_block_new(p, len);
        s->ptr = s->block->data + s->block->used;
        s->len = 0;
        append_slice(b, s);
    }
    return b->tail->block->data + b->tail->block->used;
}

uint8_t *nu_buf_reserve_some(struct nu_buf *b, struct nu_buf_pool *p, size_t min, size_t want, size_t *room_out)
{
    uint8_t *room = nu_buf_reserve(b, p, tail_room(b) >= min ? min : want);
    *room_out = b->tail->block->size - b->tail->block->used;
    return room;
}

static void drop_empty_tail(struct nu_buf *b)
{
    struct nu_slice *empty = b->tail, *before = NULL;
    for (struct nu_slice *s = b->head; s != empty; s = s->next)
        before = s;
    b->tail = before;
    if (before != NULL)
        before->next = NULL;
    else
        b->head = NULL;
    slice_free(empty->block->pool, empty);
}

void nu_buf_commit(struct nu_buf *b, size_t len)
{
    NU_ASSERT_SLOW(b->tail != NULL && len <= tail_room(b));
    b->tail->block->used += (uint32_t)len;
    b->tail->len += len;
    b->len += len;
    if (b->tail->len == 0)
        drop_empty_tail(b);
}

void nu_buf_add(struct nu_buf *b, struct nu_buf_pool *p, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    while (len > 0) {
        size_t room = tail_room(b);
        size_t n = nu_min(len, room > 0 ? room : NU_BLOCK_SMALL - sizeof(struct nu_block));
        memcpy(nu_buf_reserve(b, p, n), from, n);
        nu_buf_commit(b, n);
        from += n;
        len -= n;
    }
}

void nu_buf_prepend(struct nu_buf *b, struct nu_buf_pool *p, const void *bytes, size_t len)
{
    struct nu_buf front = {0};
    nu_buf_add(&front, p, bytes, len);
    nu_buf_move(&front, b);
    *b = front;
}

void nu_buf_move(struct nu_buf *to, struct nu_buf *from)
{
    if (from->head == NULL)
        return;
    if (to->tail != NULL)
        to->tail->next = from->head;
    else
        to->head = from->head;
    to->tail = from->tail;
    to->len += from->len;
    *from = (struct nu_buf){0};
}

void nu_buf_join(struct nu_buf *to, struct nu_buf *from, struct nu_buf_pool *p)
{
    if (from->len == 0 || from->len > COPIED_AT_MOST || tail_room(to) < from->len) {
        nu_buf_move(to, from);
        return;
    }
    size_t n = from->len;
    nu_buf_copy_out(from, 0, to->tail->block->data + to->tail->block->used, n);
    nu_buf_commit(to, n);
    nu_buf_drain(from, p, n);
}

void nu_buf_move_n(struct nu_buf *to, struct nu_buf *from, struct nu_buf_pool *p, size_t n)
{
    NU_ASSERT_SLOW(n <= from->len);
    while (n > 0 && from->head->len <= n) {
        struct nu_slice *s = from->head;
        from->head = s->next;
        if (from->head == NULL)
            from->tail = NULL;
        from->len -= s->len;
        n -= s->len;
        append_slice(to, s);
    }
    if (n == 0)
        return;
    nu_buf_add_block(to, p, from->head->block, from->head->ptr, n);
    from->head->ptr += n;
    from->head->len -= n;
    from->len -= n;
}

void nu_buf_drain(struct nu_buf *b, struct nu_buf_pool *p, size_t n)
{
    NU_ASSERT_SLOW(n <= b->len);
    b->len -= n;
    while (b->head != NULL && b->head->len <= n) {
        struct nu_slice *s = b->head;
        n -= s->len;
        b->head = s->next;
        slice_free(p, s);
    }
    if (b->head == NULL) {
        b->tail = NULL;
        return;
    }
    b->head->ptr += n;
    b->head->len -= n;
}

const uint8_t *nu_buf_linearize(struct nu_buf *b, struct nu_buf_pool *p, size_t n)
{
    NU_ASSERT_SLOW(n <= b->len);
    if (n == 0)
        return (const uint8_t *)"";
    if (b->head->len >= n)
        return b->head->ptr;
    struct nu_buf front = {0};
    /* Room for as much again: what is read next goes there, and many small reads do not copy all of it each time. */
    uint8_t *room = nu_buf_reserve(&front, p, n > NU_BUF_PACKED / 2 ? 2 * n : n);
    nu_buf_copy_out(b, 0, room, n);
    nu_buf_commit(&front, n);
    nu_buf_drain(b, p, n);
    nu_buf_move(&front, b);
    *b = front;
    return b->head->ptr;
}

void nu_buf_copy_out(const struct nu_buf *b, size_t offset, void *dst, size_t n)
{
    uint8_t *to = dst;
    NU_ASSERT_SLOW(offset + n <= b->len);
    for (const struct nu_slice *s = b->head; n > 0; s = s->next) {
        if (offset >= s->len) {
            offset -= s->len;
            continue;
        }
        size_t part = nu_min(n, s->len - offset);
        memcpy(to, s->ptr + offset, part);
        to += part;
        n -= part;
        offset = 0;
    }
}

unsigned nu_buf_iov(const struct nu_buf *b, struct iovec *iov, unsigned max)
{
    unsigned n = 0;
    for (const struct nu_slice *s = b->head; s != NULL && n < max; s = s->next)
        iov[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)s->ptr, .iov_len = s->len};
    return n;
}

ssize_t nu_buf_find(const struct nu_buf *b, uint8_t byte, size_t from)
{
    size_t at = 0;
    for (const struct nu_slice *s = b->head; s != NULL; at += s->len, s = s->next) {
        if (from >= at + s->len)
            continue;
        size_t skip = from > at ? from - at : 0;
        const uint8_t *hit = memchr(s->ptr + skip, byte, s->len - skip);
        if (hit != NULL)
            return (ssize_t)(at + (size_t)(hit - s->ptr));
    }
    return -1;
}

void nu_buf_check(const struct nu_buf *b)
{
    size_t len = 0;
    const struct nu_slice *last = NULL;
    for (const struct nu_slice *s = b->head; s != NULL; s = s->next) {
        NU_ASSERT(s->len > 0);
        NU_ASSERT(s->block == NULL ||
                  (s->ptr >= s->block->data && s->ptr + s->len <= s->block->data + s->block->used));
        len += s->len;
        last = s;
    }
    NU_ASSERT(last == b->tail && len == b->len);
}
