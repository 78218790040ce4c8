/* SPDX-License-Identifier: Apache-2.0
 *
 * Tree -> YAML. */
#ifndef NU_CODEC_YAML_PRINT_H
#define NU_CODEC_YAML_PRINT_H

#include "base/sb.h"
#include "codec/tree.h"

/* Adds the tree in block style, two spaces a level, each line ended. Strings stay plain where every reader of YAML 1.1
 * takes them for the same string, and are in double quotes, ASCII controls and line separators escaped, elsewhere;
 * bytes that are not UTF-8 become U+FFFD. nu_yaml_read of the result gives the same tree (numbers beyond 32 bits and
 * fractions come back as strings, as that reader has it). */
void nu_yaml_print(struct nu_sb *out, const struct nu_tree *t);

#endif
