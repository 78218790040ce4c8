/* SPDX-License-Identifier: Apache-2.0 */
#include "http/file_logger.h"

#include <errno.h>

#include "codec/pb/pb.h"
#include "net/server.h"

static void log_line(const struct nu_access_log *base, const struct nu_log_entry *e)
{
    const struct nu_file_logger *l = (const struct nu_file_logger *)(const void *)base;
    struct nu_worker *w = e->info->worker;
    struct nu_sb *line = nu_log_writer_scratch(w);
    line->len = 0;
    nu_formatter_run(l->format, e, line);
    if (l->file != NULL)
        nu_log_file_write(l->file, w, nu_sb_str(line));
}

static void drop_file(void *arg)
{
    struct nu_log_file *file = arg;
    nu_log_file_unref(&file);
}

struct nu_access_log *nu_file_logger_new(struct nu_factory *f, const void *msg, nu_str path,
                                         const struct nu_formatter *format)
{
    struct nu_file_logger *l = nu_arena_new(f->arena, struct nu_file_logger);
    l->base.log = log_line;
    l->format = format != NULL ? format : nu_formatter_default();
    if (f->validate_only)
        return &l->base;
    l->file = nu_log_file_open(f->server->log_writer, path);
    if (l->file == NULL) {
        nu_pb_error(f->diags, msg, NULL, "unable to open file '%.*s': %s", NU_STR_ARG(path), strerror(errno));
        return NULL;
    }
    nu_arena_on_clear(f->arena, drop_file, l->file);
    return &l->base;
}
