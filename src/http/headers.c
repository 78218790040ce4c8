/* SPDX-License-Identifier: Apache-2.0 */
#include "http/headers.h"

#include "base/assert.h"
#include "http/header_hash.h"

const nu_str nu_hdr_names[NU_N_HDR] = {
    NU_STR_INIT(""),
#define X(id, name, in_req, in_resp) NU_STR_INIT(name),
    NU_KNOWN_HEADERS(X)
#undef X
};

enum { INLINE_REQUEST = 1, INLINE_RESPONSE = 2 };
static const uint8_t inline_in[NU_N_HDR] = {
    0,
#define X(id, name, in_req, in_resp) (in_req ? INLINE_REQUEST : 0) | (in_resp ? INLINE_RESPONSE : 0),
    NU_KNOWN_HEADERS(X)
#undef X
};

/* memcmp(a, b, n) == 0 without a call: names are short, and there are many. The last words overlap. */
static inline bool same_name(const char *a, const char *b, size_t n)
{
    uint64_t x, y;
    uint32_t v, w;
    if (n < 4) {
        while (n > 0 && a[n - 1] == b[n - 1])
            n--;
        return n == 0;
    }
    if (n < 8) {
        memcpy(&v, a, 4), memcpy(&w, b, 4);
        if (v != w)
            return false;
        memcpy(&v, a + n - 4, 4), memcpy(&w, b + n - 4, 4);
        return v == w;
    }
    for (size_t i = 0; i + 8 < n; i += 8) {
        memcpy(&x, a + i, 8), memcpy(&y, b + i, 8);
        if (x != y)
            return false;
    }
    memcpy(&x, a + n - 8, 8), memcpy(&y, b + n - 8, 8);
    return x == y;
}

static inline enum nu_hdr lookup(nu_str name)
{
    const uint8_t *p = (const uint8_t *)name.ptr;
    size_t n = name.len;
    if (n == 0)
        return NU_HDR_OTHER;
    size_t slot = HEADER_HASH(n, p[0], p[n - 1], p[n / 2], p[n * 3 / 4]);
    enum nu_hdr id = (enum nu_hdr)header_hash[slot];
    return nu_hdr_names[id].len == n && same_name(nu_hdr_names[id].ptr, name.ptr, n) ? id : NU_HDR_OTHER;
}

enum nu_hdr nu_hdr_lookup(nu_str name)
{
    return lookup(name);
}

void nu_headers_init(struct nu_http_headers *h, struct nu_arena *a, bool response)
{
    memset(h, 0, sizeof(*h));
    h->arena = a;
    h->response = response;
}

struct nu_http_headers *nu_headers_new(struct nu_arena *a, bool response)
{
    struct nu_http_headers *h = nu_arena_alloc(a, sizeof(*h));
    nu_headers_init(h, a, response);
    return h;
}

void nu_headers_reserve(struct nu_http_headers *h, uint32_t n)
{
    if (n <= h->cap)
        return;
    struct nu_header *items = nu_arena_alloc(h->arena, n * sizeof(*items));
    if (h->n > 0)
        memcpy(items, h->items, h->n * sizeof(*items));
    h->items = items;
    h->cap = n;
}

__attribute__((noinline)) static void grow(struct nu_http_headers *h)
{
    nu_headers_reserve(h, h->cap > 0 ? h->cap * 2 : 16);
}

static inline struct nu_header *append(struct nu_http_headers *h, enum nu_hdr id, nu_str name, nu_str value)
{
    if (nu_unlikely(h->n == h->cap))
        grow(h);
    NU_ASSERT(h->n < UINT16_MAX);
    struct nu_header *e = &h->items[h->n++];
    *e = (struct nu_header){.name = name, .value = value, .id = (uint16_t)id};
    h->n_live++;
    if (id != NU_HDR_OTHER && h->first[id] == 0)
        h->first[id] = (uint16_t)h->n;
    return e;
}

void nu_headers_add(struct nu_http_headers *h, nu_str name, nu_str value)
{
    append(h, lookup(name), name, value);
}

void nu_headers_add_id(struct nu_http_headers *h, enum nu_hdr id, nu_str value)
{
    append(h, id, nu_hdr_names[id], value);
}

__attribute__((noinline)) static void join(struct nu_http_headers *h, struct nu_header *e, nu_str value, nu_str separator)
{
    nu_str parts[] = {e->value, separator, value};
    e->value = e->value.len == 0 ? value : nu_arena_concat(h->arena, parts, 3);
}

struct nu_header *nu_headers_add_wire(struct nu_http_headers *h, nu_str name, nu_str value)
{
    enum nu_hdr id = lookup(name);
    if (nu_unlikely(id != NU_HDR_OTHER && h->first[id] != 0) &&
        (inline_in[id] & (h->response ? INLINE_RESPONSE : INLINE_REQUEST)) != 0) {
        struct nu_header *e = &h->items[h->first[id] - 1];
        join(h, e, value, NU_STR(","));
        return e;
    }
    return append(h, id, name, value);
}

static void unlink_entry(struct nu_http_headers *h, struct nu_header *e)
{
    e->name = NU_STR_NONE;
    h->n_live--;
}

unsigned nu_headers_remove_id(struct nu_http_headers *h, enum nu_hdr id)
{
    unsigned removed = 0;
    if (h->first[id] == 0)
        return 0;
    for (uint32_t i = h->first[id] - 1u; i < h->n; i++) {
        struct nu_header *e = &h->items[i];
        if (e->id != id || e->name.ptr == NULL)
            continue;
        unlink_entry(h, e);
        removed++;
    }
    h->first[id] = 0;
    return removed;
}

unsigned nu_headers_remove(struct nu_http_headers *h, nu_str name)
{
    enum nu_hdr id = nu_hdr_lookup(name);
    unsigned removed = 0;
    if (id != NU_HDR_OTHER)
        return nu_headers_remove_id(h, id);
    nu_headers_foreach(e, h) {
        if (e->id != NU_HDR_OTHER || !nu_str_eq(e->name, name))
            continue;
        unlink_entry(h, e);
        removed++;
    }
    return removed;
}

void nu_headers_remove_prefix(struct nu_http_headers *h, nu_str prefix)
{
    nu_headers_foreach(e, h) {
        if (!nu_str_starts(e->name, prefix))
            continue;
        if (e->id != NU_HDR_OTHER)
            nu_headers_remove_id(h, (enum nu_hdr)e->id);
        else
            unlink_entry(h, e);
    }
}

void nu_headers_set_id(struct nu_http_headers *h, enum nu_hdr id, nu_str value)
{
    if (h->first[id] == 0) {
        append(h, id, nu_hdr_names[id], value);
        return;
    }
    uint32_t at = h->first[id] - 1u;
    h->items[at].value = value;
    for (uint32_t i = at + 1; i < h->n; i++)
        if (h->items[i].id == id && h->items[i].name.ptr != NULL)
            unlink_entry(h, &h->items[i]);
}

void nu_headers_set(struct nu_http_headers *h, nu_str name, nu_str value)
{
    enum nu_hdr id = nu_hdr_lookup(name);
    bool done = false;
    if (id != NU_HDR_OTHER) {
        nu_headers_set_id(h, id, value);
        return;
    }
    nu_headers_foreach(e, h) {
        if (e->id != NU_HDR_OTHER || !nu_str_eq(e->name, name))
            continue;
        if (done)
            unlink_entry(h, e);
        else
            e->value = value;
        done = true;
    }
    if (!done)
        append(h, id, name, value);
}

void nu_headers_append_id(struct nu_http_headers *h, enum nu_hdr id, nu_str value, nu_str separator)
{
    if (h->first[id] == 0)
        append(h, id, nu_hdr_names[id], value);
    else
        join(h, &h->items[h->first[id] - 1], value, separator);
}

static nu_str status_text(const struct nu_http_headers *h)
{
    if (h->status == 0)
        return NU_STR_NONE;
    char *text = nu_arena_alloc(h->arena, 20);
    return nu_str_make(text, nu_u64_to_text(text, h->status));
}

static bool pseudo(const struct nu_http_headers *h, nu_str name, nu_str *out)
{
    if (name.len > 0 && name.ptr[0] == ':') {
        if (nu_str_eq(name, NU_STR(":path")))
            *out = h->path;
        else if (nu_str_eq(name, NU_STR(":authority")))
            *out = h->authority;
        else if (nu_str_eq(name, NU_STR(":method")))
            *out = h->method;
        else if (nu_str_eq(name, NU_STR(":scheme")))
            *out = h->scheme;
        else if (nu_str_eq(name, NU_STR(":status")))
            *out = status_text(h);
        else if (nu_str_eq(name, NU_STR(":protocol")))
            *out = h->protocol;
        else
            *out = NU_STR_NONE;
        return true;
    }
    if (!h->response && nu_str_eq(name, NU_STR("host"))) {
        *out = h->authority;
        return true;
    }
    return false;
}

nu_str nu_headers_get(const struct nu_http_headers *h, nu_str name)
{
    nu_str value;
    if (pseudo(h, name, &value))
        return value;
    enum nu_hdr id = nu_hdr_lookup(name);
    if (id != NU_HDR_OTHER)
        return nu_headers_get_id(h, id);
    nu_headers_foreach(e, h)
        if (e->id == NU_HDR_OTHER && nu_str_eq(e->name, name))
            return e->value;
    return NU_STR_NONE;
}

nu_str nu_headers_get_all(const struct nu_http_headers *h, nu_str name, struct nu_arena *a)
{
    nu_str all;
    if (pseudo(h, name, &all))
        return all;
    all = NU_STR_NONE;
    nu_headers_foreach(e, h) {
        if (!nu_str_eq(e->name, name))
            continue;
        nu_str parts[] = {all, NU_STR(","), e->value};
        all = all.ptr == NULL ? e->value : nu_arena_concat(a, parts, 3);
    }
    return all;
}

struct nu_http_headers *nu_headers_copy(const struct nu_http_headers *h, struct nu_arena *a)
{
    struct nu_http_headers *copy = nu_headers_new(a, h->response);
    copy->status = h->status;
    copy->method = h->method.ptr != NULL ? nu_arena_str(a, h->method) : NU_STR_NONE;
    copy->path = h->path.ptr != NULL ? nu_arena_str(a, h->path) : NU_STR_NONE;
    copy->authority = h->authority.ptr != NULL ? nu_arena_str(a, h->authority) : NU_STR_NONE;
    copy->scheme = h->scheme.ptr != NULL ? nu_arena_str(a, h->scheme) : NU_STR_NONE;
    copy->protocol = h->protocol.ptr != NULL ? nu_arena_str(a, h->protocol) : NU_STR_NONE;
    nu_headers_reserve(copy, h->n_live + 8);
    nu_headers_foreach(e, h) {
        nu_str name = e->id != NU_HDR_OTHER ? nu_hdr_names[e->id] : nu_arena_str(a, e->name);
        struct nu_header *c = append(copy, (enum nu_hdr)e->id, name, nu_arena_str(a, e->value));
        if (e->original_name.ptr != NULL)
            c->original_name = nu_arena_str(a, e->original_name);
    }
    return copy;
}

size_t nu_headers_bytes(const struct nu_http_headers *h)
{
    size_t n = 0;
    nu_headers_foreach(e, h)
        n += e->name.len + e->value.len;
    if (h->method.ptr != NULL)
        n += sizeof(":method") - 1 + h->method.len;
    if (h->path.ptr != NULL)
        n += sizeof(":path") - 1 + h->path.len;
    if (h->authority.ptr != NULL)
        n += sizeof(":authority") - 1 + h->authority.len;
    if (h->scheme.ptr != NULL)
        n += sizeof(":scheme") - 1 + h->scheme.len;
    if (h->status != 0)
        n += sizeof(":status") - 1 + 3;
    return n;
}

bool nu_headers_is_grpc(const struct nu_http_headers *h)
{
    nu_str type = nu_headers_get_id(h, NU_HDR_CONTENT_TYPE);
    nu_str grpc = NU_STR("application/grpc");
    return nu_str_starts(type, grpc) && (type.len == grpc.len || type.ptr[grpc.len] == '+');
}

bool nu_headers_is_upgrade(const struct nu_http_headers *h)
{
    if (!nu_headers_has_id(h, NU_HDR_UPGRADE) || !nu_headers_has_id(h, NU_HDR_CONNECTION))
        return false;
    nu_str rest = nu_headers_get_id(h, NU_HDR_CONNECTION);
    while (rest.ptr != NULL)
        if (nu_str_eq_nocase(nu_str_trim(nu_str_next(&rest, ',')), NU_STR("upgrade")))
            return true;
    return false;
}

static bool ends_a_line(char ch)
{
    return ch == '\r' || ch == '\n' || ch == '\0';
}

nu_str nu_header_value_clean(nu_str value, struct nu_arena *a)
{
    size_t at = 0;
    while (at < value.len && !ends_a_line(value.ptr[at]))
        at++;
    if (at == value.len)
        return value;
    char *copy = nu_arena_cstr(a, value);
    for (; at < value.len; at++)
        if (ends_a_line(copy[at]))
            copy[at] = '_';
    return nu_str_make(copy, value.len);
}
