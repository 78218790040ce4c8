/* SPDX-License-Identifier: Apache-2.0
 *
 * Random UUIDs (RFC 9562 version 4), for x-request-id. */
#ifndef NU_HTTP_UUID_H
#define NU_HTTP_UUID_H

#include "base/random.h"
#include "base/str.h"

/* Bytes of a UUID's text; no NUL. */
#define NU_UUID_TEXT 36

/* Writes a new one at dst and returns the view. */
nu_str nu_uuid_text(struct nu_random *r, char *dst);

#endif
