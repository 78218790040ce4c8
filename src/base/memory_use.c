/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory_use.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

static uint64_t resident_bytes(void)
{
    unsigned long long total, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu %llu", &total, &resident) != 2)
        resident = 0;
    fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

struct nu_memory_use nu_memory_use(void)
{
    struct mallinfo2 m = mallinfo2();
    struct nu_memory_use u = {
        .allocated = m.uordblks + m.hblkhd,
        .heap = m.arena + m.hblkhd,
        .heap_free = m.fordblks,
        .cached = m.fsmblks,
        .resident = resident_bytes(),
    };
    if (u.heap == 0)
        u.allocated = u.heap = u.resident;
    return u;
}
