/* SPDX-License-Identifier: Apache-2.0 */
#include "base/diag.h"

#include <stdarg.h>

#include "base/alloc.h"

void nu_diags_init(struct nu_diags *d)
{
    *d = (struct nu_diags){0};
    nu_arena_init(&d->arena, NULL);
}

void nu_diags_clear(struct nu_diags *d)
{
    nu_free(d->items);
    nu_arena_clear(&d->arena);
    *d = (struct nu_diags){0};
}

void nu_diag_add(struct nu_diags *d, enum nu_diag_kind kind, nu_str file, struct nu_pos pos, nu_str path,
                 const char *fmt, ...)
{
    va_list ap;
    if (kind != NU_DIAG_WARNING)
        d->n_errors++;
    if (d->n >= NU_DIAGS_MAX) {
        d->n_suppressed++;
        return;
    }
    if (d->n == d->cap) {
        d->cap = d->cap > 0 ? d->cap * 2 : 8;
        d->items = nu_realloc(d->items, d->cap * sizeof(*d->items));
    }
    va_start(ap, fmt);
    d->items[d->n++] = (struct nu_diag){.kind = kind,
                                        .file = nu_arena_str(&d->arena, file),
                                        .pos = pos,
                                        .path = nu_arena_str(&d->arena, path),
                                        .text = nu_arena_vprintf(&d->arena, fmt, ap)};
    va_end(ap);
}
