/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.access_loggers.stdout: lines to the process's stdout. */
#include "codec/pb/pb.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.nu.h"
#include "http/file_logger.h"

static struct nu_access_log *create(struct nu_factory *f, const struct nu_pb_msg *any)
{
    const struct envoy_extensions_access_loggers_stream_v3_StdoutAccessLog *msg =
        (const struct envoy_extensions_access_loggers_stream_v3_StdoutAccessLog *)(const void *)any;
    const struct nu_formatter *format = nu_formatter_default();
    if (msg->log_format != NULL)
        format = nu_formatter_build(f, msg->log_format);
    return format != NULL ? nu_file_logger_new(f, msg, NU_STR("/dev/stdout"), format) : NULL;
}

static const struct nu_access_log_factory factory = {.create = create};

const struct nu_extension nu_ext_access_log_stdout = {
    .category = "envoy.access_loggers",
    .name = "envoy.access_loggers.stdout",
    .config_type = &envoy_extensions_access_loggers_stream_v3_StdoutAccessLog_type,
    .ops = &factory,
};
