/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoding header blocks (RFC 7541 s6). Strings that are not Huffman-coded are views of the block, and what goes into the
 * table is a view of that. */
#include "base/assert.h"
#include "codec/h2/hpack_priv.h"
#include "codec/h2/huffman.h"

void nu_hpack_decoder_init(struct nu_hpack_decoder *d, const struct nu_hpack_names *names, uint32_t limit,
                           uint32_t max_string)
{
    *d = (struct nu_hpack_decoder){.names = names, .limit = limit, .max_string = max_string};
    d->table.max_size = nu_min(limit, NU_HPACK_DEFAULT_TABLE);
}

void nu_hpack_decoder_clear(struct nu_hpack_decoder *d)
{
    nu_hpack_end(d);
    hpack_table_clear(&d->table);
}

void nu_hpack_decoder_limit(struct nu_hpack_decoder *d, uint32_t limit)
{
    d->limit = limit;
    if (d->table.max_size > limit)
        hpack_table_resize(&d->table, limit);
}

void nu_hpack_begin(struct nu_hpack_decoder *d)
{
    d->fields_begun = false;
}

void nu_hpack_end(struct nu_hpack_decoder *d)
{
    if (d->scratch != NULL)
        nu_block_unref(d->scratch);
    d->scratch = NULL;
    d->last = NULL;
}

void nu_hpack_mark_clean(struct nu_hpack_decoder *d)
{
    if (d->last != NULL)
        d->last->clean = true;
}

/* What is read of a field before anything of it is decoded. */
struct raw_string {
    const uint8_t *ptr;
    uint32_t len;
    bool huffman;
};

/* s5.1: an integer whose first byte, with `bits` bits of it, is at *at. At most five more, and 2^32 - 1. */
static enum nu_hpack_result read_int(const uint8_t **at, const uint8_t *end, unsigned bits, uint32_t *out)
{
    const uint8_t *p = *at;
    uint32_t mask = (1u << bits) - 1;
    uint64_t value = *p++ & mask;
    if (value == mask) {
        for (unsigned shift = 0;; shift += 7) {
            if (p == end)
                return NU_HPACK_MORE;
            uint8_t byte = *p++;
            value += (uint64_t)(byte & 0x7f) << shift;
            if (shift > 28 || value > UINT32_MAX)
                return NU_HPACK_BAD;
            if ((byte & 0x80) == 0)
                break;
        }
    }
    *at = p;
    *out = (uint32_t)value;
    return NU_HPACK_DONE;
}

static enum nu_hpack_result read_string(const struct nu_hpack_decoder *d, const uint8_t **at, const uint8_t *end,
                                        struct raw_string *s)
{
    if (*at == end)
        return NU_HPACK_MORE;
    s->huffman = (**at & 0x80) != 0;
    enum nu_hpack_result r = read_int(at, end, 7, &s->len);
    if (r != NU_HPACK_DONE)
        return r;
    if (s->len > d->max_string)
        return NU_HPACK_BAD;
    if (s->len > (size_t)(end - *at))
        return NU_HPACK_MORE;
    s->ptr = *at;
    *at += s->len;
    return NU_HPACK_DONE;
}

/* Memory for both strings of a field. */
static uint8_t *scratch_of(struct nu_hpack_decoder *d, struct nu_buf_pool *p, size_t size)
{
    if (d->scratch == NULL || d->scratch->size < size) {
        if (d->scratch != NULL)
            nu_block_unref(d->scratch);
        d->scratch = nu_block_new(p, nu_max(size, NU_BLOCK_SMALL - sizeof(struct nu_block)));
    }
    return d->scratch->data;
}

/* The string; *room moves behind it when it had to be decoded. false: it cannot be. */
static bool decode_string(const struct nu_hpack_decoder *d, const struct raw_string *s, uint8_t **room, nu_str *out)
{
    if (!s->huffman) {
        *out = nu_str_make(s->ptr, s->len);
        return true;
    }
    ssize_t len = nu_huffman_decode(s->ptr, s->len, *room);
    if (len < 0 || (size_t)len > d->max_string)
        return false;
    *out = nu_str_make(*room, (size_t)len);
    *room += len;
    return true;
}

/* Name, and value if wanted, of the entry with this index (s2.3.3). */
static bool field_of_index(struct nu_hpack_decoder *d, uint32_t index, struct nu_h2_field *out, bool with_value)
{
    if (index - 1 < NU_HPACK_N_STATIC) {
        const struct hpack_static *s = &hpack_static[index];
        out->name = s->name;
        if (with_value)
            out->value = s->value;
        out->pseudo = s->pseudo;
        out->id = d->names != NULL ? d->names->of_static[index] : 0;
        out->clean_name = out->clean_value = out->static_name = true;
        return true;
    }
    if (index == 0 || index - NU_HPACK_N_STATIC - 1 >= d->table.n)
        return false;
    struct nu_hpack_entry *e = hpack_entry(&d->table, index - NU_HPACK_N_STATIC - 1);
    out->name = hpack_entry_name(&d->table, e);
    if (with_value) {
        out->value = hpack_entry_value(&d->table, e);
        d->last = e;
    }
    out->pseudo = e->pseudo;
    out->id = e->id;
    out->clean_name = out->clean_value = e->clean;
    out->static_name = false;
    return true;
}

static void identify(const struct nu_hpack_decoder *d, struct nu_h2_field *f)
{
    f->pseudo = (uint8_t)hpack_pseudo(f->name);
    f->id = d->names != NULL && f->pseudo == NU_H2_REGULAR ? d->names->lookup(f->name) : 0;
    f->static_name = f->clean_name = false;
}

static void add_to_table(struct nu_hpack_decoder *d, struct nu_h2_field *f)
{
    struct nu_hpack_entry *e = hpack_table_add(&d->table, f->name, f->value);
    if (e == NULL)
        return;
    e->id = f->id;
    e->pseudo = f->pseudo;
    if (!f->static_name)
        f->name = hpack_entry_name(&d->table, e);
    f->value = hpack_entry_value(&d->table, e);
    d->last = e;
}

/* s6.2: a literal, its name an index or a string. */
static enum nu_hpack_result read_literal(struct nu_hpack_decoder *d, struct nu_buf_pool *p, const uint8_t **at,
                                         const uint8_t *end, struct nu_h2_field *out)
{
    uint8_t first = **at;
    bool indexed = (first & 0x40) != 0;
    uint32_t index;
    struct raw_string name = {0}, value;
    enum nu_hpack_result r = read_int(at, end, indexed ? 6 : 4, &index);
    if (r == NU_HPACK_DONE && index == 0)
        r = read_string(d, at, end, &name);
    if (r == NU_HPACK_DONE)
        r = read_string(d, at, end, &value);
    if (r != NU_HPACK_DONE)
        return r;
    uint8_t *room = NULL;
    if (name.huffman || value.huffman)
        room = scratch_of(d, p, nu_huffman_room(name.len) + nu_huffman_room(value.len));
    if (index == 0) {
        if (!decode_string(d, &name, &room, &out->name))
            return NU_HPACK_BAD;
        identify(d, out);
    } else if (!field_of_index(d, index, out, false)) {
        return NU_HPACK_BAD;
    }
    out->clean_value = false;
    if (!decode_string(d, &value, &room, &out->value))
        return NU_HPACK_BAD;
    out->sensitive = (first & 0xf0) == 0x10;
    if (indexed)
        add_to_table(d, out);
    return NU_HPACK_FIELD;
}

/* s6.3. */
static enum nu_hpack_result read_size_update(struct nu_hpack_decoder *d, const uint8_t **at, const uint8_t *end)
{
    uint32_t size;
    enum nu_hpack_result r = read_int(at, end, 5, &size);
    if (r != NU_HPACK_DONE)
        return r;
    if (d->fields_begun || size > d->limit)
        return NU_HPACK_BAD;
    hpack_table_resize(&d->table, size);
    return NU_HPACK_DONE;
}

enum nu_hpack_result nu_hpack_next(struct nu_hpack_decoder *d, struct nu_buf_pool *p, const uint8_t **at,
                                   const uint8_t *end, struct nu_h2_field *out)
{
    const uint8_t *from = *at;
    enum nu_hpack_result r = NU_HPACK_DONE;
    d->last = NULL;
    while (r == NU_HPACK_DONE && from < end && (*from & 0xe0) == 0x20) {
        r = read_size_update(d, &from, end);
        if (r == NU_HPACK_DONE)
            *at = from;
    }
    if (r != NU_HPACK_DONE || from == end)
        return r;
    d->fields_begun = true;
    if ((*from & 0x80) != 0) {
        uint32_t index;
        r = read_int(&from, end, 7, &index);
        if (r != NU_HPACK_DONE)
            return r;
        if (!field_of_index(d, index, out, true))
            return NU_HPACK_BAD;
        out->sensitive = false;
        r = NU_HPACK_FIELD;
    } else {
        r = read_literal(d, p, &from, end, out);
    }
    if (r == NU_HPACK_FIELD)
        *at = from;
    return r;
}
