/* SPDX-License-Identifier: Apache-2.0
 *
 * Configuration messages: plain structs that tools/protoc-gen-nu declares from api/, each with a struct nu_pb_msg in
 * front. A message lives in the arena it was loaded into; it knows its type, where it hangs (parent, field, index) and
 * the text it came from, so that any later check can say file, line, column and field path. */
#ifndef NU_CODEC_PB_PB_H
#define NU_CODEC_PB_PB_H

#include "base/arena.h"
#include "base/diag.h"
#include "codec/pb/desc.h"

struct nu_tree; /* codec/tree.h */

struct nu_pb_msg {
    const struct nu_pb_type *type;
    const struct nu_pb_msg *parent; /* NULL: the root */
    const struct nu_tree *tree;     /* what it was read from; NULL: made by code or from the wire, where only the root
                                     * has one, without content, that names the source */
    uint16_t parent_field;          /* index in the parent's fields */
    bool incomplete;                /* a field could not be read: what is unset here may have been meant */
    bool partial;                   /* a field that api/ lacks was set: it may be the missing member of a oneof */
    uint32_t parent_index;          /* repeated field, map: which element */
};

/* Reports against a message of api/ (any generated struct), or against one of its fields by proto name: kind ERROR,
 * UNSUPPORTED or WARNING with file, position and field path. `field` may be NULL, and may name an element as in
 * "domains[2]". */
void nu_pb_error(struct nu_diags *d, const void *msg, const char *field, const char *fmt, ...) NU_PRINTF(4, 5);
void nu_pb_unsupported(struct nu_diags *d, const void *msg, const char *field, const char *fmt, ...)
    NU_PRINTF(4, 5);
void nu_pb_warn(struct nu_diags *d, const void *msg, const char *field, const char *fmt, ...) NU_PRINTF(4, 5);

/* The same with a place of the caller's choice, which may be 0 (unknown). */
void nu_pb_report(struct nu_diags *d, enum nu_diag_kind kind, const void *msg, const char *field, struct nu_pos pos,
                  const char *fmt, ...) NU_PRINTF(6, 7);

/* The field path of a message ("static_resources.listeners[0]"), in `a`; "" for the root. */
nu_str nu_pb_path(struct nu_arena *a, const void *msg);

/* The file and position of a message; line 0 when it did not come from a text. */
nu_str nu_pb_file(const void *msg);
struct nu_pos nu_pb_pos(const void *msg);

/* An empty message of a type, in `a`. */
void *nu_pb_new(struct nu_arena *a, const struct nu_pb_type *type);
#define NU_PB_NEW(a, name) ((struct name *)nu_pb_new((a), &name##_type))

/* Checks the type of what a google.protobuf.Any holds: the message, or NULL when it is of another type.
 *     struct envoy_..._Router *r = NU_PB_AS(any->msg, envoy_..._Router); */
#define NU_PB_AS(message, name)                                                                    \
    ((const struct name *)((message) != NULL && (message)->type == &name##_type ? (const void *)(message) : NULL))

#endif
