/* SPDX-License-Identifier: Apache-2.0 */
#include "net/data_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sb.h"
#include "codec/pb/pb.h"
#include "envoy/config/core/v3/base.nu.h"

static int read_all(int fd, struct nu_sb *sb, size_t max)
{
    for (;;) {
        nu_sb_reserve(sb, 4096);
        ssize_t n = read(fd, sb->ptr + sb->len, sb->cap - sb->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return NU_ERR_SYSTEM;
        if (n == 0)
            return 0;
        sb->len += (size_t)n;
        if (max > 0 && sb->len > max)
            return NU_ERR_LIMIT;
    }
}

int nu_file_read(struct nu_arena *a, const char *path, size_t max, nu_str *out)
{
    struct nu_sb sb = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NU_ERR_SYSTEM;
    int err = read_all(fd, &sb, max);
    int saved = errno;
    close(fd);
    if (err == 0)
        *out = nu_arena_str(a, nu_sb_str(&sb));
    nu_sb_free(&sb);
    errno = saved;
    return err;
}

static bool from_file(struct nu_factory *f, const struct envoy_config_core_v3_DataSource *d, size_t max, nu_str *out)
{
    int err = nu_file_read(f->arena, nu_arena_cstr(f->arena, d->filename), max, out);
    if (err == NU_ERR_LIMIT)
        nu_pb_error(f->diags, d, "filename", "file %.*s is larger than %zu bytes", NU_STR_ARG(d->filename), max);
    else if (err != 0)
        nu_pb_error(f->diags, d, "filename", "cannot read file %.*s: %s", NU_STR_ARG(d->filename), strerror(errno));
    return err == 0;
}

static bool from_environment(struct nu_factory *f, const struct envoy_config_core_v3_DataSource *d, nu_str *out)
{
    const char *value = getenv(nu_arena_cstr(f->arena, d->environment_variable));
    if (value == NULL) {
        nu_pb_error(f->diags, d, "environment_variable", "the environment has no variable %.*s",
                    NU_STR_ARG(d->environment_variable));
        return false;
    }
    *out = nu_arena_str(f->arena, nu_str_from(value));
    return true;
}

bool nu_data_source_read(struct nu_factory *f, const struct envoy_config_core_v3_DataSource *d, size_t max, nu_str *out)
{
    *out = NU_STR("");
    if (d == NULL)
        return true;
    switch (d->specifier_case) {
    case 1:
        return from_file(f, d, max, out);
    case 2:
        *out = nu_arena_str(f->arena, d->inline_bytes);
        break;
    case 3:
        *out = nu_arena_str(f->arena, d->inline_string);
        break;
    default:
        if (!from_environment(f, d, out))
            return false;
    }
    if (max > 0 && out->len > max) {
        nu_pb_error(f->diags, d, NULL, "is %zu bytes long; at most %zu are allowed", out->len, max);
        return false;
    }
    return true;
}
