/* SPDX-License-Identifier: Apache-2.0
 *
 * The handful of macros that every file may use: attributes, container_of, array length, likely. */
#ifndef NU_BASE_ATTR_H
#define NU_BASE_ATTR_H

#include <stddef.h>

#define NU_NODISCARD __attribute__((warn_unused_result))
#define NU_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define NU_NORETURN __attribute__((noreturn))
#define NU_COLD __attribute__((cold, noinline))
#define NU_UNUSED __attribute__((unused))

#define nu_likely(x) __builtin_expect(!!(x), 1)
#define nu_unlikely(x) __builtin_expect(!!(x), 0)

#define NU_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The object that embeds `ptr` as its `member`. */
#define nu_container_of(ptr, type, member)                                                         \
    ((type *)(void *)((char *)(ptr) - offsetof(type, member) +                                     \
                      0 * sizeof((ptr) == &((type *)0)->member)))

/* Takes a pointer away from the caller: yields the old value and leaves NULL. */
#define nu_take(pp)                                                                                \
    __extension__({                                                                                \
        __typeof__(*(pp)) taken_ = *(pp);                                                          \
        *(pp) = NULL;                                                                              \
        taken_;                                                                                    \
    })

#define nu_min(a, b)                                                                               \
    __extension__({                                                                                \
        __typeof__(a) a_ = (a);                                                                    \
        __typeof__(b) b_ = (b);                                                                    \
        a_ < b_ ? a_ : b_;                                                                         \
    })
#define nu_max(a, b)                                                                               \
    __extension__({                                                                                \
        __typeof__(a) max_a_ = (a);                                                                \
        __typeof__(b) max_b_ = (b);                                                                \
        max_a_ > max_b_ ? max_a_ : max_b_; /* other names than nu_min's: the two are nested */     \
    })

#endif
