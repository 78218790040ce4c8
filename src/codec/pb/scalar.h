/* SPDX-License-Identifier: Apache-2.0
 *
 * Scalars of messages: from a tree node and to bytes in a struct. For codec/pb only. */
#ifndef NU_CODEC_PB_SCALAR_H
#define NU_CODEC_PB_SCALAR_H

#include "base/arena.h"
#include "codec/pb/desc.h"
#include "codec/tree.h"

/* Bytes that a scalar takes in a struct. */
size_t nu_pb_scalar_size(enum nu_pb_kind kind);

/* Whether a value without presence counts as unset: zero in every bit (-0.0 is set), an empty text, no message. */
bool nu_pb_is_default(enum nu_pb_kind kind, const void *at);

/* Whether a member of a oneof is the one that is set; `base` is the message. */
static inline bool nu_pb_oneof_has(const struct nu_pb_field *f, const void *base)
{
    int set;
    memcpy(&set, (const char *)base + f->aux, sizeof(set));
    return set == (int)f->number;
}

/* Reads a scalar by the rules of protobuf's JSON mapping and writes it to `at`. NULL: done; else why not, in words
 * that follow "must be ..." (in `a` or constant). `e` is the enum's, else unused. */
NU_NODISCARD const char *nu_pb_scalar_read(struct nu_arena *a, const struct nu_tree *t, enum nu_pb_kind kind,
                                           const struct nu_pb_enum *e, void *at);

/* "1.5s" -> seconds and nanoseconds of the same sign; false: malformed or out of the API's range. */
NU_NODISCARD bool nu_pb_parse_duration(nu_str text, int64_t *seconds, int32_t *nanos);

#endif
