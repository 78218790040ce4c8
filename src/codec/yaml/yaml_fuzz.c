/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML: what the fast reader takes, libyaml reads as the same tree. */
#include <stdio.h>

#include "codec/yaml/compare_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *wrong;
    nu_yaml_compare(nu_str_make(data, size), &wrong);
    if (wrong != NULL) {
        fprintf(stderr, "%s\n", wrong);
        NU_ASSERT(wrong == NULL);
    }
    return 0;
}
