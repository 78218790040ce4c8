/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads of messages in the application log, for debugging: one field a line, as they are. */
#ifndef NU_HTTP_LOG_HEAD_H
#define NU_HTTP_LOG_HEAD_H

#include "http/headers.h"
#include "net/log_ids.h"

/* At debug level: "[C1][S2] WHAT (end_stream=true):" and the fields. */
#define nu_log_head(module, info, what, h, end)                                                                       \
    do {                                                                                                              \
        if (nu_log_on(NU_LOG_MODULE_##module, NU_LOG_DEBUG))                                                          \
            nu_log_head_write(NU_LOG_MODULE_##module, __FILE__, __LINE__, (info), (what), (h), (end));                \
    } while (0)

void nu_log_head_write(enum nu_log_module module, const char *file, int line, const struct nu_stream_info *info,
                       const char *what, const struct nu_http_headers *h, bool end) NU_COLD;

#endif
