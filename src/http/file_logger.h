/* SPDX-License-Identifier: Apache-2.0
 *
 * What the loggers that write lines share: a formatter and a file of the writer thread. */
#ifndef NU_HTTP_FILE_LOGGER_H
#define NU_HTTP_FILE_LOGGER_H

#include "http/formatter.h"
#include "net/log_writer.h"

struct nu_file_logger {
    struct nu_access_log base;
    struct nu_log_file *file; /* NULL while validating */
    const struct nu_formatter *format;
};

/* A logger for a path, in f->arena; format NULL: the default one. NULL: reported on msg. */
struct nu_access_log *nu_file_logger_new(struct nu_factory *f, const void *msg, nu_str path,
                                         const struct nu_formatter *format);

#endif
