/* SPDX-License-Identifier: Apache-2.0 */
#include "http/uuid.h"

nu_str nu_uuid_text(struct nu_random *r, char *dst)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t half[2] = {nu_random_u64(r), nu_random_u64(r)};
    half[0] = (half[0] & ~0xf000ull) | 0x4000ull;                             /* version 4 */
    half[1] = (half[1] & ~(3ull << 62)) | (2ull << 62);                       /* variant */
    char *at = dst;
    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *at++ = '-';
        *at++ = digits[half[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    return nu_str_make(dst, NU_UUID_TEXT);
}
