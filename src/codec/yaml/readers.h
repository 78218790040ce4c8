/* SPDX-License-Identifier: Apache-2.0
 *
 * The two readers behind nu_yaml_read. They give the same tree for each text that both take; yaml_fuzz.c compares them. */
#ifndef NU_CODEC_YAML_READERS_H
#define NU_CODEC_YAML_READERS_H

#include "codec/tree.h"

/* The subset that configuration files are written in, in one pass. NULL: not such a text, or one about which there is
 * something to tell; nothing was reported, and the arena may hold what was read so far. */
NU_NODISCARD struct nu_tree *nu_yaml_read_plain(struct nu_arena *a, nu_str file, nu_str text);

/* All of YAML. NULL: an error was added to `d`. */
NU_NODISCARD struct nu_tree *nu_yaml_read_full(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str text);

#endif
