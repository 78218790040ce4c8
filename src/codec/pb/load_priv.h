/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the loader. */
#ifndef NU_CODEC_PB_LOAD_PRIV_H
#define NU_CODEC_PB_LOAD_PRIV_H

#include "codec/pb/load.h"
#include "google/protobuf/any.nu.h"
#include "google/protobuf/duration.nu.h"
#include "google/protobuf/struct.nu.h"

struct loader {
    struct nu_arena *arena;
    struct nu_diags *diags;
};

/* Where a value hangs: a field of a message, and which element of it. */
struct place {
    struct nu_pb_msg *msg;
    uint16_t field;
    uint32_t index;
};

/* A message from a tree; NULL: an error was added. `at` is NULL for the root. */
struct nu_pb_msg *nu_pb_load_message(struct loader *l, const struct nu_tree *t, const struct nu_pb_type *type,
                                     const struct place *at);
/* The members of a map into a message; "@type" is passed over in what an Any holds. */
void nu_pb_load_members(struct loader *l, struct nu_pb_msg *m, const struct nu_tree *t);
/* {"@type": ..., fields} into an Any and the message that it holds. */
void nu_pb_load_any(struct loader *l, struct google_protobuf_Any *any, const struct nu_tree *t);

/* The type of a type URL (what follows the last '/'), or NULL after a report against `any`. */
const struct nu_pb_type *nu_pb_any_type(struct nu_diags *d, struct google_protobuf_Any *any, nu_str url,
                                        struct nu_pos pos);

#endif
