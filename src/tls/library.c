/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/library.h"

#include <openssl/crypto.h>

#ifndef OPENSSL_IS_AWSLC
#error "these are not AWS-LC's headers: tools/aws-lc makes them, and meson.build names their folder"
#endif

const char *nu_tls_library(void)
{
    return "AWS-LC " AWSLC_VERSION_NUMBER_STRING;
}
