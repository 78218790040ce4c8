/* SPDX-License-Identifier: Apache-2.0
 *
 * envoy.access_loggers.file: lines into a file. */
#include "codec/pb/pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.nu.h"
#include "google/protobuf/struct.nu.h"
#include "http/file_logger.h"

typedef struct envoy_extensions_access_loggers_file_v3_FileAccessLog file_msg;

static const struct nu_formatter *json(struct nu_factory *f, const file_msg *msg, const char *field,
                                       const struct google_protobuf_Struct *s)
{
    struct nu_format_error err;
    const struct nu_formatter *made = nu_formatter_json(f->arena, s, false, &err);
    if (made == NULL && err.unsupported)
        nu_pb_unsupported(f->diags, msg, field, "%.*s", NU_STR_ARG(err.text));
    else if (made == NULL)
        nu_pb_error(f->diags, msg, field, "%.*s", NU_STR_ARG(err.text));
    return made;
}

static struct nu_access_log *create(struct nu_factory *f, const struct nu_pb_msg *any)
{
    const file_msg *msg = (const file_msg *)(const void *)any;
    const struct nu_formatter *format = nu_formatter_default();
    switch (msg->access_log_format_case) {
    case envoy_extensions_access_loggers_file_v3_FileAccessLog_format_case:
        if (msg->format.len > 0)
            format = nu_formatter_build_text(f, msg, "format", msg->format, false);
        break;
    case envoy_extensions_access_loggers_file_v3_FileAccessLog_json_format_case:
        format = json(f, msg, "json_format", msg->json_format);
        break;
    case envoy_extensions_access_loggers_file_v3_FileAccessLog_typed_json_format_case:
        format = json(f, msg, "typed_json_format", msg->typed_json_format);
        break;
    case envoy_extensions_access_loggers_file_v3_FileAccessLog_log_format_case:
        format = nu_formatter_build(f, msg->log_format);
        break;
    default:
        break;
    }
    return format != NULL ? nu_file_logger_new(f, msg, msg->path, format) : NULL;
}

static const struct nu_access_log_factory factory = {.create = create};

const struct nu_extension nu_ext_access_log_file = {
    .category = "envoy.access_loggers",
    .name = "envoy.access_loggers.file",
    .config_type = &envoy_extensions_access_loggers_file_v3_FileAccessLog_type,
    .ops = &factory,
};
