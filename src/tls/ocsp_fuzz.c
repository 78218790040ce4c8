/* SPDX-License-Identifier: Apache-2.0
 *
 * OCSP responses from files: anything, without reading past the end. */
#include "base/assert.h"
#include "tls/ocsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nu_ocsp o;
    nu_str der = nu_str_make(data, size);
    if (nu_ocsp_read(der, &o) == NULL)
        NU_ASSERT(o.serial.ptr >= der.ptr && o.serial.ptr + o.serial.len <= der.ptr + der.len);
    return 0;
}
