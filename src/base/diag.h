/* SPDX-License-Identifier: Apache-2.0
 *
 * Diagnostics: what is wrong with a configuration, where, and why. One collector per load; many errors can be
 * told in one run. Each has file, line, column, field path and a sentence:
 *
 *     envoy.yaml:14:9: static_resources.listeners[0]: unknown field "adress" in ...; did you mean "address"?
 */
#ifndef NU_BASE_DIAG_H
#define NU_BASE_DIAG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/* A place in a text. line and column count from 1; line == 0: unknown. */
struct nu_pos {
    uint32_t line, column;
};

enum nu_diag_kind {
    NU_DIAG_ERROR,       /* the configuration's fault: Envoy would refuse it as well */
    NU_DIAG_UNSUPPORTED, /* Envoy takes it, nuncio does not yet */
    NU_DIAG_WARNING,     /* taken, but the user should know (deprecated field, ...) */
};

struct nu_diag {
    enum nu_diag_kind kind;
    nu_str file;
    struct nu_pos pos;
    nu_str path; /* "static_resources.listeners[0]"; may be empty */
    nu_str text;
};

/* nu_diags_init; then add; nu_diags_clear frees. */
struct nu_diags {
    struct nu_arena arena;
    struct nu_diag *items;
    size_t n, cap;
    size_t n_errors;     /* ERROR and UNSUPPORTED */
    size_t n_suppressed; /* over NU_DIAGS_MAX: counted, not kept */
    bool allow_unknown;  /* fields that nobody knows are warnings (--allow-unknown-static-fields) */
    size_t n_unknown;    /* how many of those there were */
    bool building;       /* the text was read: errors against what could not be read completely are left out from here on,
                          * since what is missing there may only be what could not be read */
};

#define NU_DIAGS_MAX 1000u

void nu_diags_init(struct nu_diags *d);
void nu_diags_clear(struct nu_diags *d);

/* Adds one; strings are copied. */
void nu_diag_add(struct nu_diags *d, enum nu_diag_kind kind, nu_str file, struct nu_pos pos, nu_str path,
                 const char *fmt, ...) NU_PRINTF(6, 7);

static inline bool nu_diags_failed(const struct nu_diags *d)
{
    return d->n_errors > 0;
}

#endif
