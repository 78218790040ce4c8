/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap. These never return NULL: out of memory logs and aborts, because sizes that a peer chooses are bounded
 * before they get here. Only base/ calls malloc. */
#ifndef NU_BASE_ALLOC_H
#define NU_BASE_ALLOC_H

#include <stddef.h>

#include "base/attr.h"

__attribute__((malloc, returns_nonnull)) void *nu_alloc(size_t size);
__attribute__((malloc, returns_nonnull)) void *nu_zalloc(size_t size);
__attribute__((returns_nonnull)) void *nu_realloc(void *p, size_t size);
/* Whole pages. Freed with nu_free. */
__attribute__((malloc, returns_nonnull)) void *nu_alloc_pages(size_t n);
/* Gives the memory of one such page back to the system; it reads as zeros, or as before, until it is written again. */
void nu_page_unneeded(void *page);
#define NU_PAGE 4096u
/* One huge page of its own, where the system has them (fewer page faults), else as many small ones; zeroed. For what is large
 * and goes soon as a whole. */
#define NU_HUGE_PAGE (2u << 20)
__attribute__((malloc, returns_nonnull)) void *nu_alloc_huge(void);
void nu_free_huge(void *p);

/* n * size with an overflow check. */
__attribute__((malloc, returns_nonnull)) void *nu_calloc(size_t n, size_t size);
void nu_free(void *p);

#define nu_new(type) ((type *)nu_zalloc(sizeof(type)))

#endif
