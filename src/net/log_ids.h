/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of the application log that say whose they are: "[C12]" a connection, "[C12][S40]" a stream on it. Costs a load
 * and a compare when the level is off. */
#ifndef NU_NET_LOG_IDS_H
#define NU_NET_LOG_IDS_H

#include <inttypes.h>

#include "base/log.h"
#include "net/stream_info.h"

/* info: struct nu_conn_info *; text: a literal. */
#define nu_log_conn(module, level, info, text, ...) \
    nu_log(module, level, "[C%" PRIu64 "] " text, (info)->id, ##__VA_ARGS__)

/* info: struct nu_stream_info * of a stream that came on a connection. */
#define nu_log_stream(module, level, info, text, ...) \
    nu_log(module, level, "[C%" PRIu64 "][S%" PRIu64 "] " text, (info)->conn->id, (info)->id, ##__VA_ARGS__)

#endif
