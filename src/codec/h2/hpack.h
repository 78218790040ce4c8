/* SPDX-License-Identifier: Apache-2.0
 *
 * HPACK (RFC 7541): header lists to and from header blocks. Pure; one decoder and one encoder a connection. A table takes
 * no memory before the first entry, and then as much as its entries need.
 *
 * Names that the user knows have ids of its own (nu_hpack_names), so that nobody has to look a name up again that came as
 * an index. Entries of the dynamic table remember the id. */
#ifndef NU_CODEC_H2_HPACK_H
#define NU_CODEC_H2_HPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/str.h"

/* RFC 7541 appendix A: 1 to 61. */
#define NU_HPACK_N_STATIC 61u
/* What an entry counts beside its name and value (s4.1). */
#define NU_HPACK_OVERHEAD 32u
#define NU_HPACK_DEFAULT_TABLE 4096u

/* The pseudo-header fields (RFC 9113 s8.3, RFC 8441 s4). */
enum nu_h2_pseudo {
    NU_H2_REGULAR,
    NU_H2_AUTHORITY,
    NU_H2_METHOD,
    NU_H2_PATH,
    NU_H2_SCHEME,
    NU_H2_STATUS,
    NU_H2_PROTOCOL,
};

/* The user's ids of regular names; id 0 is no name. Made once by nu_hpack_names_init, immutable from then on. */
struct nu_hpack_names {
    uint16_t (*lookup)(nu_str name); /* the id of a lower-case name, or 0 */
    const nu_str *text;              /* [n_ids]: the name of each id */
    uint16_t n_ids;                  /* at most NU_HPACK_MAX_IDS */
    uint16_t of_static[NU_HPACK_N_STATIC + 1];
#define NU_HPACK_MAX_IDS 256u
    uint8_t to_static[NU_HPACK_MAX_IDS]; /* a static entry with that name, or 0 */
    uint8_t policy[NU_HPACK_MAX_IDS];    /* how the encoder treats it: enum nu_hpack_policy */
};
void nu_hpack_names_init(struct nu_hpack_names *n, uint16_t (*lookup)(nu_str name), const nu_str *text, uint16_t n_ids);

/* ---- decoder ---- */

/* The view of a decoded field is valid until the next call of the decoder. */
struct nu_h2_field {
    nu_str name, value;
    uint16_t id;      /* the user's id of the name; 0: unknown, or no names were given */
    uint8_t pseudo;   /* enum nu_h2_pseudo */
    bool sensitive;   /* came as never indexed (s6.2.3): must be sent on as such */
    bool static_name; /* the name is static memory */
    bool clean_name;  /* its characters have been checked before: it is that of an entry */
    bool clean_value;
};

/* One of a table's entries; its name and value lie one behind the other. */
struct nu_hpack_entry {
    uint32_t at; /* in the bytes */
    uint32_t name_len, value_len;
    uint16_t id;
    uint8_t pseudo;
    bool clean;
};

/* The dynamic table (s2.3.2), newest first; index 0 is the newest. */
struct nu_hpack_table {
    uint8_t *bytes;                 /* [bytes_cap]; names and values, oldest first */
    struct nu_hpack_entry *entries; /* ring [entries_cap], a power of two */
    uint32_t bytes_cap, bytes_end;
    uint32_t entries_cap, n;
    uint32_t newest;                /* how many were ever added: the newest is at (newest - 1) & (entries_cap - 1) */
    uint32_t size, max_size;        /* as s4.1 counts */
};

struct nu_hpack_decoder {
    struct nu_hpack_table table;
    const struct nu_hpack_names *names; /* may be NULL */
    struct nu_block *scratch;           /* of Huffman-coded strings, while a block is decoded */
    uint32_t limit;                     /* the largest table that the peer may ask for (SETTINGS_HEADER_TABLE_SIZE) */
    uint32_t max_string;                /* longer names or values are refused */
    struct nu_hpack_entry *last;        /* the entry that the last field came from or went to */
    bool fields_begun;                  /* no more table size updates in this block (s4.2) */
};

enum nu_hpack_result {
    NU_HPACK_FIELD = 1,       /* *out is set */
    NU_HPACK_DONE = 0,        /* everything was used */
    NU_HPACK_MORE = -1,       /* the bytes end within a field */
    NU_HPACK_BAD = -2,        /* COMPRESSION_ERROR */
};

/* names may be NULL. limit: our SETTINGS_HEADER_TABLE_SIZE. max_string: bytes of one name or value, encoded or decoded. */
void nu_hpack_decoder_init(struct nu_hpack_decoder *d, const struct nu_hpack_names *names, uint32_t limit,
                           uint32_t max_string);
void nu_hpack_decoder_clear(struct nu_hpack_decoder *d);
/* Another limit, as our acknowledged SETTINGS say: entries over it go. */
void nu_hpack_decoder_limit(struct nu_hpack_decoder *d, uint32_t limit);
/* A header block begins. */
void nu_hpack_begin(struct nu_hpack_decoder *d);
/* The next field of the block from *at on, which moves behind it; MORE leaves it where the field begins, so that more
 * bytes can be appended. `p` lends scratch memory. */
enum nu_hpack_result nu_hpack_next(struct nu_hpack_decoder *d, struct nu_buf_pool *p, const uint8_t **at,
                                   const uint8_t *end, struct nu_h2_field *out);
/* The block is over, or given up: scratch memory is returned. */
void nu_hpack_end(struct nu_hpack_decoder *d);
/* The last field that was given, if it went into the table, has allowed characters only: clean from now on. */
void nu_hpack_mark_clean(struct nu_hpack_decoder *d);

/* ---- encoder ---- */

enum nu_hpack_policy {
    NU_HPACK_ADAPTIVE, /* indexed when it comes a second time: what never repeats takes no room */
    NU_HPACK_PLAIN,    /* never worth an entry (content-length, etag, ...) */
    NU_HPACK_NEVER,    /* never indexed, here and by those behind the peer (s7.1.3): credentials */
    NU_HPACK_COOKIE,   /* NEVER when short enough to be guessed, else ADAPTIVE */
};

#define NU_HPACK_SEEN 32u
struct nu_hpack_encoder {
    struct nu_hpack_table table;
    const struct nu_hpack_names *names;
    uint16_t *slots;               /* hash of name and value -> low bits of the entry's number + 1, lossy; made with the first entry */
    uint16_t seen[NU_HPACK_SEEN];  /* hashes of what was sent without an index */
    uint32_t limit;                /* the largest table that we want */
    uint32_t update_min;           /* the smallest size that the peer asked for since the last block */
    bool update;                   /* the next block begins with table size updates (s4.2) */
    bool huffman;
};

/* names may be NULL. limit: how large a table we ever use. */
void nu_hpack_encoder_init(struct nu_hpack_encoder *e, const struct nu_hpack_names *names, uint32_t limit, bool huffman);
void nu_hpack_encoder_clear(struct nu_hpack_encoder *e);
/* The peer's SETTINGS_HEADER_TABLE_SIZE. */
void nu_hpack_encoder_peer_limit(struct nu_hpack_encoder *e, uint32_t size);

/* Room that a block needs at most: for `bytes` of names and values in `n` fields. */
static inline size_t nu_hpack_bound(size_t n, size_t bytes)
{
    return bytes + n * 12 + 12;
}
/* Each appends at `at`, where there is room (nu_hpack_bound), and returns the new end. First nu_hpack_put_begin. */
uint8_t *nu_hpack_put_begin(struct nu_hpack_encoder *e, uint8_t *at);
/* A regular field. id: of the name, or 0. sensitive: never indexed. */
uint8_t *nu_hpack_put(struct nu_hpack_encoder *e, uint8_t *at, uint16_t id, nu_str name, nu_str value, bool sensitive);
uint8_t *nu_hpack_put_pseudo(struct nu_hpack_encoder *e, uint8_t *at, enum nu_h2_pseudo which, nu_str value);
uint8_t *nu_hpack_put_status(struct nu_hpack_encoder *e, uint8_t *at, unsigned status);

/* Give back what a table does not use at the moment. */
void nu_hpack_table_trim(struct nu_hpack_table *t);
void nu_hpack_encoder_trim(struct nu_hpack_encoder *e);

#endif
