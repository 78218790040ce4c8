/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel maps sixteen pages around each that is touched, so reading a configuration leaves nearly the whole program
 * mapped, and counted as ours: parsers, builders, tables of names. Segments that cannot be written hold nothing that the file
 * does not, so they can be let go of at any time, by any thread. */
#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/trim.h"

/* A debugger's breakpoints are written over the code, and would be lost. */
static bool is_traced(void)
{
    char line[128];
    FILE *f = fopen("/proc/self/status", "re");
    int tracer = 0;
    if (f == NULL)
        return true;
    while (fgets(line, sizeof(line), f) != NULL && sscanf(line, "TracerPid: %d", &tracer) != 1)
        ;
    fclose(f);
    return tracer != 0;
}

static int let_go(struct dl_phdr_info *object, size_t size, void *arg)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)size;
    (void)arg;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &object->dlpi_phdr[i];
        if (h->p_type != PT_LOAD || (h->p_flags & PF_W) != 0 || h->p_filesz != h->p_memsz)
            continue;
        uintptr_t from = (uintptr_t)(object->dlpi_addr + h->p_vaddr), to = from + h->p_memsz;
        from = (from + page - 1) & ~(page - 1); /* whole pages of this segment: its neighbour's may have been written */
        to = to & ~(page - 1);
        if (from < to)
            madvise((void *)from, to - from, MADV_DONTNEED); /* refused: then it stays */
    }
    return 0;
}

void nu_trim(void)
{
    malloc_trim(0);
    if (!is_traced())
        dl_iterate_phdr(let_go, NULL);
}
