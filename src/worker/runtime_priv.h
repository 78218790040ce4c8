/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NU_WORKER_RUNTIME_PRIV_H
#define NU_WORKER_RUNTIME_PRIV_H

#include "base/arena.h"
#include "base/map.h"
#include "worker/runtime.h"

/* A value as Envoy understands its text; what it is not stays unset. */
struct nu_runtime_value {
    nu_str text;
    uint64_t u64;
    double number;
    uint32_t numerator, denominator;
    bool has_u64, has_number, has_bool, boolean, has_fraction;
};
/* Reads the forms that a text has: integer, number, boolean, FractionalPercent. Borrows text. */
void nu_runtime_parse(nu_str text, struct nu_runtime_value *out);

/* Calls fn for each file under dir: key with dots for folders, content without trailing white space. Views are valid
 * during the call. false: the directory cannot be read. */
bool nu_runtime_read_dir(const char *dir, void (*fn)(nu_str key, nu_str value, void *arg), void *arg);

#endif
