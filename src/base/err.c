/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include "base/attr.h"

const char *nu_err_text(int err)
{
    static const char *const texts[] = {
#define X(name, text) [NU_ERR_INDEX_##name] = text,
        NU_ERR_LIST(X)
#undef X
    };
    int index = -err - 1;
    if (err == 0)
        return "ok";
    return index >= 0 && index < (int)NU_ARRAY_LEN(texts) ? texts[index] : "unknown error";
}
