/* SPDX-License-Identifier: Apache-2.0
 *
 * Encoding header blocks (RFC 7541 s6). What repeats is indexed: a field goes into the table when it comes the second time,
 * so that a table has no memory on connections that never send the same twice, and nothing in it that comes only once.
 *
 * Finding an entry: `slots` has, for the hash of name and value and, in its second half, for that of a name alone, the
 * number of an entry. Of several with one hash only the last is found; that costs bytes, never correctness. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/map.h"
#include "codec/h2/hpack_priv.h"
#include "codec/h2/huffman.h"

enum {
    N_SLOTS = 64,        /* of pairs, and as many of names */
    GUESSABLE_COOKIE = 20,
    INDEX_AUTHORITY = 1,
    INDEX_METHOD = 2,
    INDEX_PATH = 4,
    INDEX_SCHEME = 6,
    INDEX_STATUS = 8,
};

void nu_hpack_encoder_init(struct nu_hpack_encoder *e, const struct nu_hpack_names *names, uint32_t limit, bool huffman)
{
    *e = (struct nu_hpack_encoder){.names = names, .limit = limit, .huffman = huffman};
    e->table.max_size = nu_min(limit, NU_HPACK_DEFAULT_TABLE);
    e->update_min = e->table.max_size;
    e->update = e->table.max_size != NU_HPACK_DEFAULT_TABLE;
}

void nu_hpack_encoder_clear(struct nu_hpack_encoder *e)
{
    nu_free(e->slots);
    e->slots = NULL;
    hpack_table_clear(&e->table);
}

void nu_hpack_encoder_peer_limit(struct nu_hpack_encoder *e, uint32_t size)
{
    uint32_t max = nu_min(size, e->limit);
    if (max == e->table.max_size)
        return;
    e->update_min = e->update ? nu_min(e->update_min, max) : nu_min(e->table.max_size, max);
    e->update = true;
    hpack_table_resize(&e->table, max);
}

void nu_hpack_encoder_trim(struct nu_hpack_encoder *e)
{
    nu_hpack_table_trim(&e->table);
    if (e->table.n > 0)
        return;
    nu_free(e->slots);
    e->slots = NULL;
}

/* s5.1. */
static inline uint8_t *put_int(uint8_t *at, uint8_t first, unsigned bits, uint32_t value)
{
    uint32_t mask = (1u << bits) - 1;
    if (nu_likely(value < mask)) {
        *at++ = (uint8_t)(first | value);
        return at;
    }
    *at++ = (uint8_t)(first | mask);
    for (value -= mask; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* s5.2: coded when that is shorter. */
static uint8_t *put_string(const struct nu_hpack_encoder *e, uint8_t *at, nu_str s)
{
    size_t coded = e->huffman ? nu_huffman_len(s) : s.len;
    if (coded < s.len) {
        at = put_int(at, 0x80, 7, (uint32_t)coded);
        return nu_huffman_encode(at, s);
    }
    at = put_int(at, 0, 7, (uint32_t)s.len);
    if (s.len > 0)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

uint8_t *nu_hpack_put_begin(struct nu_hpack_encoder *e, uint8_t *at)
{
    if (nu_likely(!e->update))
        return at;
    e->update = false;
    if (e->update_min < e->table.max_size)
        at = put_int(at, 0x20, 5, e->update_min);
    return put_int(at, 0x20, 5, e->table.max_size);
}

static inline uint64_t load8(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15ull) * (b ^ 0xd6e8feb86659fd93ull);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* All of what is short, and of longer ones the ends and the middle. */
static inline uint64_t hash_value(nu_str s, uint64_t seed)
{
    uint64_t a = 0, b = 0;
    const char *p = s.ptr;
    if (s.len >= 8) {
        a = load8(p);
        b = load8(p + s.len - 8);
        if (s.len > 16)
            a ^= load8(p + (s.len - 8) / 2) * 31;
    } else {
        for (size_t i = 0; i < s.len; i++)
            a = a << 8 | (uint8_t)p[i];
    }
    return mix(a + seed, b + s.len);
}

/* A field on its way out. */
struct outgoing {
    nu_str name, value;
    unsigned name_index; /* of a static entry with the name, or 0 */
    uint16_t id;
    uint8_t pseudo;
    uint64_t name_hash, hash;
};

static uint64_t hash_name(const struct outgoing *f)
{
    if (f->id != 0 || f->pseudo != NU_H2_REGULAR)
        return mix((uint64_t)f->id << 8 | f->pseudo, 0);
    return f->name_index != 0 ? mix(f->name_index, 1) : nu_hash64(f->name);
}

/* An entry of the table by the number that a slot has, if it is still there. */
static const struct nu_hpack_entry *entry_of(const struct nu_hpack_encoder *e, uint16_t slot, uint32_t *index)
{
    uint32_t age = (uint16_t)(e->table.newest - slot);
    if (slot == 0 || age >= e->table.n)
        return NULL;
    *index = age + NU_HPACK_N_STATIC + 1;
    return hpack_entry(&e->table, age);
}

static bool same_name(const struct nu_hpack_encoder *e, const struct nu_hpack_entry *entry, const struct outgoing *f)
{
    if (entry->id != f->id || entry->pseudo != f->pseudo)
        return false;
    return f->id != 0 || f->pseudo != NU_H2_REGULAR || nu_str_eq(hpack_entry_name(&e->table, entry), f->name);
}

static uint32_t find_pair(const struct nu_hpack_encoder *e, const struct outgoing *f)
{
    uint32_t index = 0;
    const struct nu_hpack_entry *entry = entry_of(e, e->slots[f->hash % N_SLOTS], &index);
    return entry != NULL && same_name(e, entry, f) && nu_str_eq(hpack_entry_value(&e->table, entry), f->value) ? index : 0;
}

static uint32_t find_name(const struct nu_hpack_encoder *e, const struct outgoing *f)
{
    uint32_t index = 0;
    if (f->name_index != 0 || e->slots == NULL)
        return f->name_index;
    const struct nu_hpack_entry *entry = entry_of(e, e->slots[N_SLOTS + f->name_hash % N_SLOTS], &index);
    return entry != NULL && same_name(e, entry, f) ? index : 0;
}

/* Whether the same came before: then it is worth an entry. */
static bool seen_before(struct nu_hpack_encoder *e, const struct outgoing *f)
{
    uint16_t *seen = &e->seen[f->hash / N_SLOTS % NU_HPACK_SEEN], mark = (uint16_t)(f->hash >> 40 | 1);
    bool before = *seen == mark;
    *seen = mark;
    return before;
}

static void add_entry(struct nu_hpack_encoder *e, const struct outgoing *f)
{
    struct nu_hpack_entry *entry = hpack_table_add(&e->table, f->name, f->value);
    NU_ASSERT(entry != NULL);
    entry->id = f->id;
    entry->pseudo = f->pseudo;
    if (e->slots == NULL)
        e->slots = nu_calloc((size_t)2 * N_SLOTS, sizeof(*e->slots));
    e->slots[f->hash % N_SLOTS] = (uint16_t)e->table.newest;
    e->slots[N_SLOTS + f->name_hash % N_SLOTS] = (uint16_t)e->table.newest;
}

static uint8_t *put_literal(const struct nu_hpack_encoder *e, uint8_t *at, uint8_t kind, unsigned bits, uint32_t name_index,
                            const struct outgoing *f)
{
    at = put_int(at, kind, bits, name_index);
    if (name_index == 0)
        at = put_string(e, at, f->name);
    return put_string(e, at, f->value);
}

/* A literal without an entry; but a name that repeats and is in no table becomes one, with the value it has by chance, so
 * that from then on it takes a byte or two. */
static uint8_t *put_passing(struct nu_hpack_encoder *e, uint8_t *at, const struct outgoing *f, size_t size)
{
    uint32_t name = find_name(e, f);
    const struct outgoing just_name = {.hash = f->name_hash};
    if (name != 0 || size > e->table.max_size / 2 || !seen_before(e, &just_name))
        return put_literal(e, at, 0, 4, name, f);
    at = put_literal(e, at, 0x40, 6, 0, f);
    add_entry(e, f);
    return at;
}

static uint8_t *put_adaptive(struct nu_hpack_encoder *e, uint8_t *at, struct outgoing *f)
{
    size_t size = f->name.len + f->value.len + NU_HPACK_OVERHEAD;
    f->name_hash = hash_name(f);
    f->hash = hash_value(f->value, f->name_hash);
    uint32_t index = e->slots != NULL ? find_pair(e, f) : 0;
    if (nu_likely(index != 0))
        return put_int(at, 0x80, 7, index);
    /* What is so large that it would drive out most of the others stays outside. */
    if (size > e->table.max_size / 2 || !seen_before(e, f))
        return put_passing(e, at, f, size);
    at = put_literal(e, at, 0x40, 6, find_name(e, f), f);
    add_entry(e, f);
    return at;
}

uint8_t *nu_hpack_put(struct nu_hpack_encoder *e, uint8_t *at, uint16_t id, nu_str name, nu_str value, bool sensitive)
{
    struct outgoing f = {.name = name, .value = value, .id = id};
    f.name_index = id != 0 ? e->names->to_static[id] : hpack_static_name(name);
    enum nu_hpack_policy policy = sensitive ? NU_HPACK_NEVER : hpack_policy(e->names, id, name);
    if (policy == NU_HPACK_COOKIE)
        policy = value.len < GUESSABLE_COOKIE ? NU_HPACK_NEVER : NU_HPACK_ADAPTIVE;
    if (policy == NU_HPACK_ADAPTIVE)
        return put_adaptive(e, at, &f);
    if (f.name_index == 0)
        f.hash = f.name_hash = hash_name(&f);
    if (policy == NU_HPACK_NEVER)
        return put_literal(e, at, 0x10, 4, find_name(e, &f), &f);
    return put_passing(e, at, &f, f.name.len + f.value.len + NU_HPACK_OVERHEAD);
}

/* A static entry that has the value, too; 0: none. */
static unsigned static_pseudo(enum nu_h2_pseudo which, nu_str value)
{
    switch (which) {
    case NU_H2_METHOD:
        return nu_str_eq(value, NU_STR("GET")) ? INDEX_METHOD : nu_str_eq(value, NU_STR("POST")) ? INDEX_METHOD + 1 : 0;
    case NU_H2_PATH:
        return nu_str_eq(value, NU_STR("/")) ? INDEX_PATH : nu_str_eq(value, NU_STR("/index.html")) ? INDEX_PATH + 1 : 0;
    case NU_H2_SCHEME:
        return nu_str_eq(value, NU_STR("http")) ? INDEX_SCHEME : nu_str_eq(value, NU_STR("https")) ? INDEX_SCHEME + 1 : 0;
    case NU_H2_STATUS:
        for (unsigned i = INDEX_STATUS; i < INDEX_STATUS + 7; i++)
            if (nu_str_eq(hpack_static[i].value, value))
                return i;
        return 0;
    case NU_H2_AUTHORITY:
    case NU_H2_PROTOCOL:
    case NU_H2_REGULAR:
        break;
    }
    return 0;
}

uint8_t *nu_hpack_put_pseudo(struct nu_hpack_encoder *e, uint8_t *at, enum nu_h2_pseudo which, nu_str value)
{
    static const uint8_t name_index[] = {[NU_H2_AUTHORITY] = INDEX_AUTHORITY, [NU_H2_METHOD] = INDEX_METHOD,
        [NU_H2_PATH] = INDEX_PATH, [NU_H2_SCHEME] = INDEX_SCHEME, [NU_H2_STATUS] = INDEX_STATUS, [NU_H2_PROTOCOL] = 0};
    unsigned index = static_pseudo(which, value);
    if (nu_likely(index != 0))
        return put_int(at, 0x80, 7, index);
    struct outgoing f = {.value = value, .name_index = name_index[which], .pseudo = (uint8_t)which};
    f.name = f.name_index != 0 ? hpack_static[f.name_index].name : NU_STR(":protocol");
    return put_adaptive(e, at, &f);
}

uint8_t *nu_hpack_put_status(struct nu_hpack_encoder *e, uint8_t *at, unsigned status)
{
    if (nu_likely(status == 200)) {
        *at++ = 0x80 | INDEX_STATUS;
        return at;
    }
    char text[20];
    return nu_hpack_put_pseudo(e, at, NU_H2_STATUS, nu_str_make(text, nu_u64_to_text(text, status)));
}
