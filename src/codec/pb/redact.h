/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes out of a message what must not be shown: keys, passwords and other values of fields that the API calls sensitive. */
#ifndef NU_CODEC_PB_REDACT_H
#define NU_CODEC_PB_REDACT_H

#include "codec/pb/pb.h"

/* In place, deep, in what an Any holds, too: texts and bytes become "[redacted]", as in Envoy (the name of a key's file, too),
 * numbers are left out. The names of maps stay. */
void nu_pb_redact(void *msg);

#endif
