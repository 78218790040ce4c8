/* SPDX-License-Identifier: Apache-2.0
 *
 * Descriptors of the configuration's messages: what tools/protoc-gen-nu writes from api/. All of it is constant data
 * that holds offsets and indexes instead of pointers, so its pages stay unrelocated, shared and untouched until used.
 * Types are sorted by full name. */
#ifndef NU_CODEC_PB_DESC_H
#define NU_CODEC_PB_DESC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum nu_pb_kind {
    NU_PB_BOOL,
    NU_PB_INT32,
    NU_PB_INT64,
    NU_PB_UINT32,
    NU_PB_UINT64,
    NU_PB_FLOAT,
    NU_PB_DOUBLE,
    NU_PB_ENUM,
    NU_PB_STRING,
    NU_PB_BYTES,
    NU_PB_MESSAGE,
};

/* How the value lies in the struct. */
enum nu_pb_label {
    NU_PB_SINGLE,   /* scalar by value; message: pointer, NULL when absent */
    NU_PB_OPTIONAL, /* proto3 optional scalar: value and bool has_<name> (aux) */
    NU_PB_WRAPPER,  /* google.protobuf.UInt32Value ...: pointer to the scalar, NULL when absent; kind is the scalar's */
    NU_PB_REPEATED, /* size_t n_<name> (aux) and an array; messages: an array of pointers */
    NU_PB_MAP,      /* size_t n_<name> (aux) and an array of entry structs; sub is the entry's type */
};

enum nu_pb_field_flag {
    NU_PB_IN_ONEOF = 1, /* aux is the offset of int <oneof>_case */
    NU_PB_DEPRECATED = 2,
    NU_PB_WIP = 4,
    NU_PB_SENSITIVE = 8,
};

struct nu_pb_field {
    uint32_t name, json_name; /* offsets in nu_pb_names: snake_case and lowerCamelCase */
    uint32_t number;
    uint16_t offset; /* of the value in the struct */
    uint16_t aux;    /* see enum nu_pb_label and NU_PB_IN_ONEOF */
    uint8_t kind, label, flags;
    uint8_t oneof; /* index into the type's oneofs */
    uint16_t sub;  /* message: index in nu_pb_types; enum: in nu_pb_enums; wrapper: its message type */
    uint16_t rule; /* index in nu_pb_rules; 0: none */
};

struct nu_pb_oneof {
    uint32_t name;
    uint16_t case_offset;
    bool required;
};

/* Types that the codec treats specially. */
enum nu_pb_well_known {
    NU_PB_ORDINARY,
    NU_PB_MAP_ENTRY, /* no struct nu_pb_msg in front */
    NU_PB_ANY,
    NU_PB_DURATION,
    NU_PB_TIMESTAMP,
    NU_PB_STRUCT,
    NU_PB_VALUE,
    NU_PB_LIST_VALUE,
    NU_PB_SCALAR_WRAPPER,
    NU_PB_TYPED_STRUCT,
};

struct nu_pb_type {
    uint32_t name; /* full name */
    uint32_t size; /* of the struct */
    uint16_t first_field, n_fields; /* in nu_pb_fields, by number */
    uint16_t first_oneof, n_oneofs; /* in nu_pb_oneofs */
    uint16_t first_absent, n_absent; /* in nu_pb_absent_fields */
    uint8_t well_known;
};

struct nu_pb_enum_value {
    uint32_t name;
    int32_t number;
};

struct nu_pb_enum {
    uint32_t name;
    uint16_t first, n; /* in nu_pb_enum_values */
};

enum nu_pb_rule_flag {
    NU_PB_RULE_REQUIRED = 1,
    NU_PB_RULE_GT = 2,
    NU_PB_RULE_GTE = 4,
    NU_PB_RULE_LT = 8,
    NU_PB_RULE_LTE = 16,
    NU_PB_RULE_IGNORE_EMPTY = 32,
    NU_PB_RULE_HEADER_NAME = 64,
    NU_PB_RULE_HEADER_VALUE = 128,
    NU_PB_RULE_LOOSE = 256,
    NU_PB_RULE_DEFINED = 512,
    NU_PB_RULE_UNIQUE = 1024,
    NU_PB_RULE_TRUE = 2048,
    NU_PB_RULE_SKIP = 4096,
};

/* One set of rules of the API. lo and hi are numbers, or seconds for a Duration. A maximum of 0 means none. */
struct nu_pb_rule {
    double lo, hi;
    uint32_t flags;
    uint32_t min_len, max_len, min_bytes, max_bytes;
    uint32_t min_items, max_items, min_pairs;
    uint32_t pattern, prefix, suffix; /* in nu_pb_names; 0: none */
    uint32_t in, not_in;              /* first of n_* NUL-terminated texts */
    uint16_t n_in, n_not_in;
    uint16_t items, keys, values; /* in nu_pb_rules; 0: none */
};

/* A field that Envoy has and api/ lacks. */
struct nu_pb_absent_field {
    uint32_t name;
    uint32_t number;
    bool refused; /* Envoy refuses it as well */
};

extern const char nu_pb_names[];
extern const struct nu_pb_type nu_pb_types[];
extern const struct nu_pb_field nu_pb_fields[];
extern const struct nu_pb_oneof nu_pb_oneofs[];
extern const struct nu_pb_enum nu_pb_enums[];
extern const struct nu_pb_enum_value nu_pb_enum_values[];
extern const struct nu_pb_rule nu_pb_rules[];
extern const struct nu_pb_absent_field nu_pb_absent_fields[];
extern const uint32_t nu_pb_absent_types[]; /* names of Envoy's message types that api/ lacks, sorted */
extern const uint16_t nu_pb_n_types;
extern const uint16_t nu_pb_n_absent_types;

/* A name by its offset. */
static inline nu_str nu_pb_name(uint32_t offset)
{
    return nu_str_from(nu_pb_names + offset);
}

static inline const struct nu_pb_field *nu_pb_field_at(const struct nu_pb_type *type, size_t i)
{
    return &nu_pb_fields[type->first_field + i];
}

/* The type of a message field, map entry or wrapper. */
static inline const struct nu_pb_type *nu_pb_field_type(const struct nu_pb_field *f)
{
    return &nu_pb_types[f->sub];
}

/* By full name; NULL: api/ has no such message. */
const struct nu_pb_type *nu_pb_find_type(nu_str full_name);
/* Whether Envoy has such a message, though api/ does not. */
bool nu_pb_is_absent_type(nu_str full_name);
/* By snake_case or lowerCamelCase name; NULL: not in api/. */
const struct nu_pb_field *nu_pb_find_field(const struct nu_pb_type *type, nu_str name);
const struct nu_pb_field *nu_pb_find_number(const struct nu_pb_type *type, uint32_t number);
/* The name of an enum's value; NU_STR_NONE: no such value. */
nu_str nu_pb_enum_name(const struct nu_pb_enum *e, int32_t number);

#endif
