/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

NU_NORETURN NU_COLD static void out_of_memory(size_t size)
{
    fprintf(stderr, "[critical][memory] out of memory (%zu bytes wanted)\n", size);
    abort();
}

void *nu_alloc(size_t size)
{
    void *p = malloc(size > 0 ? size : 1);
    if (p == NULL)
        out_of_memory(size);
    return p;
}

void *nu_zalloc(size_t size)
{
    return nu_calloc(1, size);
}

void *nu_calloc(size_t n, size_t size)
{
    void *p = calloc(n > 0 ? n : 1, size > 0 ? size : 1);
    if (p == NULL)
        out_of_memory(size);
    return p;
}

void *nu_alloc_pages(size_t n)
{
    void *p = aligned_alloc(NU_PAGE, n * NU_PAGE);
    if (p == NULL)
        out_of_memory(n * NU_PAGE);
    return p;
}

void nu_page_unneeded(void *page)
{
    (void)madvise(page, NU_PAGE, MADV_DONTNEED); /* where pages are larger it stays */
}

void *nu_realloc(void *old, size_t size)
{
    void *p = realloc(old, size > 0 ? size : 1);
    if (p == NULL)
        out_of_memory(size);
    return p;
}

void nu_free(void *p)
{
    free(p);
}
