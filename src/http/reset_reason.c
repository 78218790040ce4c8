/* SPDX-License-Identifier: Apache-2.0
 *
 * Envoy's words for why a stream was reset. */
#include "base/assert.h"
#include "http/session.h"

nu_str nu_reset_reason_text(enum nu_reset_reason r)
{
    switch (r) {
    case NU_RESET_LOCAL:
        return NU_STR("local reset");
    case NU_RESET_LOCAL_REFUSED:
        return NU_STR("local refused stream reset");
    case NU_RESET_REMOTE:
        return NU_STR("remote reset");
    case NU_RESET_REMOTE_REFUSED:
        return NU_STR("remote refused stream reset");
    case NU_RESET_LOCAL_CONNECT_FAILURE:
        return NU_STR("local connection failure");
    case NU_RESET_REMOTE_CONNECT_FAILURE:
        return NU_STR("remote connection failure");
    case NU_RESET_CONNECT_TIMEOUT:
        return NU_STR("connection timeout");
    case NU_RESET_CONN_TERMINATION:
        return NU_STR("connection termination");
    case NU_RESET_OVERFLOW:
        return NU_STR("overflow");
    case NU_RESET_CONNECT_ERROR:
        return NU_STR("remote error with CONNECT request");
    case NU_RESET_PROTOCOL_ERROR:
        return NU_STR("protocol error");
    case NU_RESET_OVERLOAD:
        return NU_STR("overload manager reset");
    }
    NU_UNREACHABLE();
}
