/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void nu_assert_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "[critical][assert] %s:%d: %s\n", file, line, what);
    fflush(stderr);
    abort();
}
