/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether two messages say the same: a hash of what a message holds, deep, wherever it was read from. The order of a
 * map's entries does not count. */
#ifndef NU_CODEC_PB_HASH_H
#define NU_CODEC_PB_HASH_H

#include "codec/pb/pb.h"

/* 64 bits; 0 for NULL. */
uint64_t nu_pb_hash(const void *msg);
/* The same without some fields (proto names, NULL-terminated) of the outermost message. */
uint64_t nu_pb_hash_without(const void *msg, const char *const *fields);

#endif
