/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of api/ as text: protobuf's JSON mapping in the form of Envoy's admin interface, and YAML in block style. */
#ifndef NU_CODEC_PB_PRINT_H
#define NU_CODEC_PB_PRINT_H

#include "base/sb.h"
#include "codec/pb/pb.h"

struct nu_pb_print_options {
    /* Print scalars without presence, lists and maps also when they have their default (Envoy: /server_info). Otherwise
     * what is unset is left out (Envoy: /config_dump, /clusters?format=json). */
    bool primitives;
    /* No line breaks and spaces. JSON only. */
    bool compact;
    /* Begin with "@type", as what an Any holds does. */
    bool as_any;
    /* Levels of indentation that the surrounding text has (JSON: one space each, YAML: two); the first line gets none. */
    unsigned indent;
};

/* Appends a message (any generated struct) as JSON: snake_case names, one space of indentation, 64-bit integers and
 * durations as strings, enums by name, wrappers as their value, what an Any holds beside "@type". No line break at the
 * end. `options` may be NULL: all zero. */
void nu_pb_print_json(struct nu_sb *out, const void *msg, const struct nu_pb_print_options *options);

/* The same as YAML in block style, which nu_yaml_read and Envoy read back to an equal message (but for numbers in a Struct
 * that are no 32-bit integers: Envoy's YAML has no way to say those). Texts that YAML would take
 * for something else are quoted. Ends with a line break, even for an empty message ("{}"). */
void nu_pb_print_yaml(struct nu_sb *out, const void *msg, const struct nu_pb_print_options *options);

#endif
