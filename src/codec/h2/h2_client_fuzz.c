/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames for a session that is a client. */
#include "codec/h2/h2_fuzz_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_all_ways(data, size, false);
    return 0;
}
