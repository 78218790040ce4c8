/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of api/ as text: protobuf's JSON mapping in the form of Envoy's admin interface. */
#ifndef NU_CODEC_PB_PRINT_H
#define NU_CODEC_PB_PRINT_H

#include "base/sb.h"
#include "codec/pb/pb.h"

struct nu_pb_print_options {
    /* Print scalars without presence, lists and maps also when they have their default (Envoy: /server_info). Otherwise
     * what is unset is left out (Envoy: /config_dump, /clusters?format=json). */
    bool primitives;
    /* No line breaks and spaces. */
    bool compact;
    /* Begin with "@type", as what an Any holds does. */
    bool as_any;
    /* Levels of indentation that the surrounding text has (one space each); the first line gets none. */
    unsigned indent;
};

/* Appends a message (any generated struct) as JSON: snake_case names, one space of indentation, 64-bit integers and
 * durations as strings, enums by name, wrappers as their value, what an Any holds beside "@type". No line break at the
 * end. `options` may be NULL: all zero. */
void nu_pb_print_json(struct nu_sb *out, const void *msg, const struct nu_pb_print_options *options);

#endif
