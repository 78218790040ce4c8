/* SPDX-License-Identifier: Apache-2.0
 *
 * Assertions. NU_ASSERT is always on: it guards what only our own mistake can break. NU_ASSERT_SLOW is on in
 * debug, sanitizer and fuzz builds (NU_SLOW_CHECKS). What a peer or a config can cause is never asserted. */
#ifndef NU_BASE_ASSERT_H
#define NU_BASE_ASSERT_H

#include "base/attr.h"

/* Prints file, line and the failed condition to stderr and aborts. */
NU_NORETURN NU_COLD void nu_assert_fail(const char *file, int line, const char *what);

#define NU_ASSERT(cond)                                                                            \
    do {                                                                                           \
        if (nu_unlikely(!(cond)))                                                                  \
            nu_assert_fail(__FILE__, __LINE__, #cond);                                             \
    } while (0)

#ifdef NU_SLOW_CHECKS
#define NU_ASSERT_SLOW(cond) NU_ASSERT(cond)
#else
#define NU_ASSERT_SLOW(cond) ((void)0)
#endif

/* For a place that no input can reach. */
#define NU_UNREACHABLE() nu_assert_fail(__FILE__, __LINE__, "unreachable")

/* An object that travels behind an interface carries a magic number and is checked on arrival. */
#define NU_CHECK_MAGIC(p, value) NU_ASSERT((p) != NULL && (p)->magic == (value))

#endif
