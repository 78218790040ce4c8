/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1 responses, pipelined, with bodies and trailers: cut as one likes, they mean the same. */
#include "codec/h1/fuzz_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nu_h1_rules strict = {.request = false, .max_fields = 100};
    struct nu_h1_rules lax = {.request = strict.request, .max_fields = 100, .allow_custom_methods = true,
                              .allow_chunked_length = true, .keep_case = true, .underscores = 2};
    drive_all_ways(data, size, &strict);
    drive_all_ways(data, size, &lax);
    return 0;
}
