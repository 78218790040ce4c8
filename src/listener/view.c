/* SPDX-License-Identifier: Apache-2.0 */
#include "listener/listener_conf.h"
#include "net/stream_info.h"

nu_str nu_conn_info_listener_name(const struct nu_conn_info *c)
{
    return c->listener != NULL ? c->listener->name : NU_STR_NONE;
}

nu_str nu_conn_info_filter_chain_name(const struct nu_conn_info *c)
{
    if (c->drain == NULL)
        return NU_STR_NONE;
    return ((const struct nu_filter_chain *)((uintptr_t)c->drain - offsetof(struct nu_filter_chain, drain)))->name;
}
