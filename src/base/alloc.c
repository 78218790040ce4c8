/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdint.h>
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

void *nu_alloc_huge(void)
{
    uint8_t *p = mmap(NULL, 2 * (size_t)NU_HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        out_of_memory(NU_HUGE_PAGE);
    size_t before = -(uintptr_t)p % NU_HUGE_PAGE; /* what makes it aligned goes back */
    uint8_t *at = p + before;
    if (before > 0)
        munmap(p, before);
    munmap(at + NU_HUGE_PAGE, NU_HUGE_PAGE - before);
    (void)madvise(at, NU_HUGE_PAGE, MADV_HUGEPAGE);
    return at;
}

void nu_free_huge(void *p)
{
    munmap(p, NU_HUGE_PAGE);
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
