/* SPDX-License-Identifier: Apache-2.0
 *
 * google.protobuf.Duration to nu_ms, rounded up so that "0.5ms" is not "never" or "none". */
#ifndef NU_NET_DURATION_H
#define NU_NET_DURATION_H

#include "base/clock.h"
#include "google/protobuf/duration.nu.h"

/* d == NULL: the fallback. */
static inline nu_ms nu_duration_or(const struct google_protobuf_Duration *d, nu_ms fallback)
{
    if (d == NULL)
        return fallback;
    return NU_MS(d->seconds * 1000 + (d->nanos + 999999) / 1000000);
}

#endif
