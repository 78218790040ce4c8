/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the writer and the reader of wire bytes. */
#ifndef NU_CODEC_PB_WIRE_PRIV_H
#define NU_CODEC_PB_WIRE_PRIV_H

#include "codec/pb/desc.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fixed-size values are copied as they lie");

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_LENGTH = 2,
    WIRE_GROUP = 3,
    WIRE_GROUP_END = 4,
    WIRE_32 = 5,
};

static inline enum wire_type nu_pb_wire_type(enum nu_pb_kind kind)
{
    switch (kind) {
    case NU_PB_FLOAT:
        return WIRE_32;
    case NU_PB_DOUBLE:
        return WIRE_64;
    case NU_PB_STRING:
    case NU_PB_BYTES:
    case NU_PB_MESSAGE:
        return WIRE_LENGTH;
    case NU_PB_BOOL:
    case NU_PB_INT32:
    case NU_PB_INT64:
    case NU_PB_UINT32:
    case NU_PB_UINT64:
    case NU_PB_ENUM:
        break;
    }
    return WIRE_VARINT;
}

#endif
