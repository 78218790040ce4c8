/* SPDX-License-Identifier: Apache-2.0
 *
 * Dynamic metadata: what filters say about a stream, a google.protobuf.Struct by namespace. */
#ifndef NU_HTTP_METADATA_H
#define NU_HTTP_METADATA_H

#include "net/stream_info.h"

struct google_protobuf_Struct;

/* A deep copy in the arena, which does not know where it came from. s == NULL: an empty one. */
struct google_protobuf_Struct *nu_struct_copy(struct nu_arena *a, const struct google_protobuf_Struct *s);
/* Sets the namespace's metadata of a stream, replacing what it had. Name and fields are borrowed and must live as long as
 * the stream; they are not changed. */
void nu_dynamic_metadata_set(struct nu_stream_info *si, nu_str filter, const struct google_protobuf_Struct *fields);

#endif
