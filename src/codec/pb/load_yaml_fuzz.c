/* SPDX-License-Identifier: Apache-2.0
 *
 * The loader on YAML: the input is a bootstrap. */
#include "codec/pb/fuzz_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nu_fuzz_text(data, size, NU_TEXT_YAML);
    return 0;
}
