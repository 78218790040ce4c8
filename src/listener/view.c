/* SPDX-License-Identifier: Apache-2.0 */
#include "listener/listener_conf.h"
#include "net/stream_info.h"

nu_str nu_conn_info_listener_name(const struct nu_conn_info *c)
{
    return c->listener != NULL ? c->listener->name : NU_STR_NONE;
}
