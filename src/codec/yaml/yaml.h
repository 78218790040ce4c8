/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML -> tree. What configuration files consist of is read in one pass (plain.c); a text that has anything else, or an
 * error, goes whole to libyaml (yaml.c). Scalars are read as Envoy reads them (YAML 1.1 through yaml-cpp): plain y, yes, on,
 * true (and their opposites) are booleans, plain integers of 32 bits numbers (0x and 0 prefixes too), everything else
 * a string, also fractions and larger integers. Merge keys are ordinary keys. Only the first document counts. */
#ifndef NU_CODEC_YAML_YAML_H
#define NU_CODEC_YAML_YAML_H

#include "codec/tree.h"

/* Reads `text` into `a`. NULL: an error was added to `d`. `file` is for messages. */
NU_NODISCARD struct nu_tree *nu_yaml_read(struct nu_arena *a, struct nu_diags *d, nu_str file, nu_str text);

#endif
