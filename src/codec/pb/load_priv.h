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
/* Reports "must be ..." against a field; `t` is what stands there, NULL when it came from the wire. */
void nu_pb_fail_expected(struct loader *l, const struct place *at, const struct nu_tree *t, const char *what);
/* Envoy refuses negative durations wherever it uses one, and those that do not fit 64 bits of nanoseconds. */
void nu_pb_check_duration(struct loader *l, const struct place *at, const struct google_protobuf_Duration *d,
                          struct nu_pos pos);
/* Warns when the API calls a field deprecated or work in progress. */
void nu_pb_warn_of_field(struct nu_diags *d, const struct nu_pb_msg *m, const struct nu_pb_field *f, struct nu_pos pos);
/* Reports a field that Envoy has and api/ lacks, and marks m partial; `type` is m's or that of a wrapper or map entry in it. */
void nu_pb_report_absent(struct nu_diags *d, struct nu_pb_msg *m, const struct nu_pb_type *type,
                         const struct nu_pb_absent_field *absent, struct nu_pos pos);

/* {"@type": ..., fields} into an Any and the message that it holds. */
void nu_pb_load_any(struct loader *l, struct google_protobuf_Any *any, const struct nu_tree *t);

/* Puts what a TypedStruct describes in its place: into `any`, which holds it. */
void nu_pb_resolve_typed_struct(struct loader *l, struct google_protobuf_Any *any, const struct nu_pb_msg *typed_struct);

/* A Struct as the tree that it would have been read from, without places; in `a`, as are the texts of `s`. */
struct nu_tree *nu_pb_struct_tree(struct nu_arena *a, const struct nu_tree_doc *doc, const struct google_protobuf_Struct *s);
/* The source of a message; NULL: none. */
const struct nu_tree_doc *nu_pb_doc(const void *msg);

/* Whether a text looks like a type URL; else reports against `any`. */
bool nu_pb_check_type_url(struct nu_diags *d, struct google_protobuf_Any *any, const char *field, nu_str url,
                          struct nu_pos pos);
/* The type of a type URL (what follows the last '/'); NULL: reported against `any`, unless what holds it is_optional and the
 * type is one of Envoy's, or unknown_ok. */
const struct nu_pb_type *nu_pb_any_type(struct nu_diags *d, struct google_protobuf_Any *any, nu_str url,
                                        struct nu_pos pos, bool unknown_ok);

#endif
