/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of api/ as protobuf's wire bytes: `.pb` bootstrap files and what control planes send. Bytes are hostile:
 * depth, size and the number of values are bounded. */
#ifndef NU_CODEC_PB_WIRE_H
#define NU_CODEC_PB_WIRE_H

#include "base/sb.h"
#include "codec/pb/pb.h"

/* Messages inside messages, what an Any holds included; Google's readers have the same limit. */
#define NU_PB_WIRE_MAX_DEPTH 100u

/* Field numbers that neither api/ nor Envoy 1.40 knows. Fields of Envoy that api/ lacks are always reported as
 * NU_DIAG_UNSUPPORTED: nothing that would have an effect is dropped. */
enum nu_pb_unknown {
    NU_PB_UNKNOWN_ERROR,
    NU_PB_UNKNOWN_WARN,
    NU_PB_UNKNOWN_IGNORE,
};

struct nu_pb_wire_options {
    enum nu_pb_unknown unknown;
    unsigned max_depth; /* 0: NU_PB_WIRE_MAX_DEPTH */
    size_t max_bytes;   /* of the input; 0: NU_TREE_MAX_BYTES */
    size_t max_values;  /* messages, list elements and map entries; 0: NU_TREE_MAX_NODES */
};

/* Appends the wire form of a message (any generated struct): fields by number, what is unset left out, maps in the order
 * they have in the struct. An Any is written from what it holds, or from its bytes when that was not decoded. */
void nu_pb_encode(struct nu_sb *out, const void *msg);

/* Makes a message of `type` in `a` from its wire form; `bytes` may go afterwards. What each google.protobuf.Any holds is
 * decoded as nu_pb_load does it, a TypedStruct included. `file` names the source in reports (copied into `a`) and may be
 * empty; places have line 0. Adds every error to `d`: the message may be used only when there is none. NULL: the bytes
 * are malformed or beyond a limit. Does not check the API's rules (nu_pb_validate in load.h; nu_pb_load_wire does both).
 * `options` may be NULL: all zero. */
NU_NODISCARD struct nu_pb_msg *nu_pb_decode(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str bytes,
                                            const struct nu_pb_type *type, const struct nu_pb_wire_options *options);

#endif
