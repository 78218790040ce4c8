/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON -> tree (RFC 8259), with positions, for configuration. What Envoy's reader takes beyond the standard is taken as
 * well: 'single quotes', bare words as keys, a comma before the closing bracket, control characters in strings. */
#ifndef NU_CODEC_JSON_JSON_H
#define NU_CODEC_JSON_JSON_H

#include "codec/tree.h"

/* Reads `text` into `a`. NULL: an error was added to `d`. `file` is for messages. */
NU_NODISCARD struct nu_tree *nu_json_read(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str text);

#endif
