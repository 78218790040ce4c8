/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/error.h"

#include <openssl/err.h>
#include <openssl/pem.h>

nu_str nu_tls_error_text(struct nu_arena *a)
{
    char text[256];
    uint32_t code = ERR_peek_last_error();
    ERR_clear_error();
    if (code == 0)
        return NU_STR("unknown");
    ERR_error_string_n(code, text, sizeof(text));
    return nu_arena_str(a, nu_str_from(text));
}

bool nu_tls_error_is_pem_end(void)
{
    uint32_t code = ERR_peek_last_error();
    if (ERR_GET_LIB(code) != ERR_LIB_PEM || ERR_GET_REASON(code) != PEM_R_NO_START_LINE)
        return false;
    ERR_clear_error();
    return true;
}
