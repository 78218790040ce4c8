/* SPDX-License-Identifier: Apache-2.0
 *
 * What a YAML scalar without quotes means: the types of Envoy's YAML 1.1. For the readers of this folder. */
#ifndef NU_CODEC_YAML_SCALAR_H
#define NU_CODEC_YAML_SCALAR_H

#include "codec/tree.h"

/* A node of the builder's arena: null, a boolean, a number or, with the text copied, a string. A typographic quote at the
 * beginning adds a warning. */
struct nu_tree *nu_yaml_typed_scalar(struct nu_tree_builder *b, nu_str text, struct nu_pos pos);

#endif
