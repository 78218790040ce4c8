/* SPDX-License-Identifier: Apache-2.0
 *
 * Error codes. A function that can fail returns 0 or a negative enum nu_err; a count is returned as ssize_t
 * with the same negatives. */
#ifndef NU_BASE_ERR_H
#define NU_BASE_ERR_H

#define NU_ERR_LIST(X)                                                                             \
    X(INVALID, "invalid value")                                                                    \
    X(LIMIT, "limit exceeded")                                                                     \
    X(NOT_FOUND, "not found")                                                                      \
    X(EXISTS, "already exists")                                                                    \
    X(UNSUPPORTED, "not supported")                                                                \
    X(SYSTEM, "system call failed")                                                                \
    X(CLOSED, "closed")                                                                            \
    X(TIMEOUT, "timed out")                                                                        \
    X(AGAIN, "try again")                                                                          \
    X(TRUNCATED, "truncated")

enum nu_err_index {
#define X(name, text) NU_ERR_INDEX_##name,
    NU_ERR_LIST(X)
#undef X
};

enum nu_err {
    NU_OK = 0,
#define X(name, text) NU_ERR_##name = -(int)NU_ERR_INDEX_##name - 1,
    NU_ERR_LIST(X)
#undef X
};

/* The text of a negative error code; never NULL. */
const char *nu_err_text(int err);

#endif
