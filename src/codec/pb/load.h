/* SPDX-License-Identifier: Apache-2.0
 *
 * Text -> tree -> message: how every configuration that people write gets in. As many errors as can be told are told
 * in one run; the message may be used only when the diagnostics have none. */
#ifndef NU_CODEC_PB_LOAD_H
#define NU_CODEC_PB_LOAD_H

#include "codec/pb/pb.h"
#include "codec/tree.h"

enum nu_text_format {
    NU_TEXT_BY_NAME, /* .yaml, .yml: YAML; everything else JSON, as Envoy */
    NU_TEXT_YAML,
    NU_TEXT_JSON,
};

/* Reads a configuration text into a tree in `a`; `file` is the name for messages. NULL: errors were added. */
NU_NODISCARD struct nu_tree *nu_config_parse(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str text,
                                             enum nu_text_format format);

/* Makes a message of `type` in `a` from a tree by the rules of protobuf's JSON mapping (with what Envoy's reader takes
 * beyond: enum names in any case, one value in place of a list, {seconds: 1} for a Duration), decodes what each
 * google.protobuf.Any holds, and checks the API's validation rules everywhere. Adds every error to `d`; never NULL. The
 * tree must live as long as the message: both belong into one arena. */
struct nu_pb_msg *nu_pb_load(struct nu_arena *a, struct nu_diags *d, const struct nu_tree *tree,
                             const struct nu_pb_type *type);

/* The rules alone, for a message that came from the wire; nu_pb_load has done it. */
void nu_pb_validate(struct nu_arena *a, struct nu_diags *d, struct nu_pb_msg *m);

/* The same for wire bytes (a `.pb` bootstrap): nu_pb_decode (wire.h) with its default options, then the rules. Adds every
 * error to `d`; NULL: the bytes are malformed. `file` is the name for messages. */
struct nu_pb_msg *nu_pb_load_wire(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str bytes,
                                  const struct nu_pb_type *type);

/* nu_config_parse and nu_pb_load in one: NULL when the text could not be read at all. */
struct nu_pb_msg *nu_pb_load_text(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str text,
                                  enum nu_text_format format, const struct nu_pb_type *type);

#endif
