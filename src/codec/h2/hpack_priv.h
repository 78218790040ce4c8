/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of HPACK share: the static table, and what can be done with a dynamic one. */
#ifndef NU_CODEC_H2_HPACK_PRIV_H
#define NU_CODEC_H2_HPACK_PRIV_H

#include "codec/h2/hpack.h"

struct hpack_static {
    nu_str name, value;
    uint8_t pseudo; /* enum nu_h2_pseudo */
};
extern const struct hpack_static hpack_static[NU_HPACK_N_STATIC + 1];

/* The first static entry with this name, or 0. */
unsigned hpack_static_name(nu_str name);
/* Which pseudo-header field this name is. */
enum nu_h2_pseudo hpack_pseudo(nu_str name);
/* How the encoder treats a field. */
enum nu_hpack_policy hpack_policy(const struct nu_hpack_names *n, uint16_t id, nu_str name);

/* ---- dynamic tables ---- */

/* The entry that is `age` younger ones away from the newest: 0 is the newest; age < t->n. */
static inline struct nu_hpack_entry *hpack_entry(const struct nu_hpack_table *t, uint32_t age)
{
    return &t->entries[(t->newest - 1 - age) & (t->entries_cap - 1)];
}
static inline nu_str hpack_entry_name(const struct nu_hpack_table *t, const struct nu_hpack_entry *e)
{
    return nu_str_make(t->bytes + e->at, e->name_len);
}
static inline nu_str hpack_entry_value(const struct nu_hpack_table *t, const struct nu_hpack_entry *e)
{
    return nu_str_make(t->bytes + e->at + e->name_len, e->value_len);
}

/* Drops the oldest until at most `max` is left, which becomes the table's maximum. */
void hpack_table_resize(struct nu_hpack_table *t, uint32_t max);
/* Adds an entry (RFC 7541 s4.4); the name may lie in the table. The entry, or NULL: it is larger than the table, which
 * is empty now. */
struct nu_hpack_entry *hpack_table_add(struct nu_hpack_table *t, nu_str name, nu_str value);
void hpack_table_clear(struct nu_hpack_table *t);

#endif
