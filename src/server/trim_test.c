/* SPDX-License-Identifier: Apache-2.0
 *
 * Letting go of code and constants: they are gone from memory, and still there for who needs them. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdint.h>
#include <stdio.h>

#include "server/trim.h"

#define SIZE (2u << 20)

static const unsigned char constants[SIZE] = {[0] = 1, [SIZE / 2] = 2, [SIZE - 1] = 3};
static unsigned char variables[SIZE] = {[0] = 4, [SIZE - 1] = 5};

static unsigned sum(const volatile unsigned char *p)
{
    unsigned n = 0;
    for (size_t i = 0; i < SIZE; i += 4096)
        n += p[i];
    return n + p[SIZE - 1];
}

/* Resident KiB of the mapping that an address is in; -1: there is none. */
static long resident(const void *address)
{
    char line[512];
    unsigned long from, to;
    long kib = -1;
    bool inside = false;
    FILE *f = fopen("/proc/self/smaps", "re");
    assert_non_null(f);
    while (kib < 0 && fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (uintptr_t)address >= from && (uintptr_t)address < to;
        else if (inside && sscanf(line, "Rss: %ld", &kib) != 1)
            kib = -1;
    }
    fclose(f);
    return kib;
}

static void constants_go_and_come_back(void **state)
{
    (void)state;
    assert_int_equal(sum(constants), 1 + 2 + 3);
    long before = resident(constants);
    if (before < (long)(SIZE / 1024)) /* the kernel does not count */
        skip();
    nu_trim(); /* lets go of nothing under a debugger: this fails there */
    assert_true(resident(constants) <= before - (long)(SIZE / 1024) / 2);
    assert_int_equal(sum(constants), 1 + 2 + 3);
}

static void variables_stay(void **state)
{
    (void)state;
    variables[SIZE / 2] = 6;
    nu_trim();
    assert_int_equal(sum(variables), 4 + 5 + 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_go_and_come_back),
        cmocka_unit_test(variables_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
