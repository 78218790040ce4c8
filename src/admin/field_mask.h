/* SPDX-License-Identifier: Apache-2.0
 *
 * google.protobuf.FieldMask over messages of api/: paths of snake_case names joined by dots. Only the last name of a path
 * may be a list, a map or a scalar. */
#ifndef NU_ADMIN_FIELD_MASK_H
#define NU_ADMIN_FIELD_MASK_H

#include <stdbool.h>

#include "base/arena.h"

struct nu_pb_type;

struct nu_field_mask {
    nu_str *paths;
    size_t n;
};

/* "a.b,c"; in the arena. Empty paths are left out. */
struct nu_field_mask nu_field_mask_parse(struct nu_arena *a, nu_str text);
/* The paths below `first`, without it; a path that is `first` alone gives n == 0 and *all true. */
struct nu_field_mask nu_field_mask_below(struct nu_arena *a, const struct nu_field_mask *m, nu_str first, bool *all);
/* Whether a message type has that path. */
bool nu_field_mask_path_valid(const struct nu_pb_type *type, nu_str path);
/* Removes from a message (any generated struct) what no path names. Paths must be valid. */
void nu_field_mask_trim(void *msg, const struct nu_field_mask *m);

#endif
