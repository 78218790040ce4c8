/* SPDX-License-Identifier: Apache-2.0
 *
 * Maps, lists and scalars written as JSON: the layout of print.c. For codec/pb only. */
#ifndef NU_CODEC_PB_PRINT_OUT_H
#define NU_CODEC_PB_PRINT_OUT_H

#include "base/sb.h"

struct nu_pb_out {
    struct nu_sb *sb;
    bool compact;    /* no line breaks and spaces */
    unsigned indent; /* levels */
};

/* A map or list that is being written. */
struct nu_pb_out_level {
    bool list, used;
};

void nu_pb_out_open(struct nu_pb_out *o, struct nu_pb_out_level *level, bool list);
void nu_pb_out_close(struct nu_pb_out *o, const struct nu_pb_out_level *level);
/* What comes next belongs to this key (map) or is the next item (list). */
void nu_pb_out_key(struct nu_pb_out *o, struct nu_pb_out_level *level, nu_str key);
void nu_pb_out_item(struct nu_pb_out *o, struct nu_pb_out_level *level);

/* A scalar as it stands (a number, true, null), and a string in quotes. */
void nu_pb_out_raw(struct nu_pb_out *o, nu_str text);
void nu_pb_out_string(struct nu_pb_out *o, nu_str text);

#endif
