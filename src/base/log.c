/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log_format.h"

_Atomic unsigned char nu_log_levels[NU_LOG_N_MODULES] = {
#define X(name) NU_LOG_INFO,
    NU_LOG_MODULES(X)
#undef X
};

static const char *const module_names[] = {
#define X(name) #name,
    NU_LOG_MODULES(X)
#undef X
};

static const char *const level_names[] = {"trace", "debug",    "info", "warning",
                                          "error", "critical", "off"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = STDERR_FILENO;
static char *log_path;
static const char *format = "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v"; /* Envoy's default */

const char *nu_log_level_name(enum nu_log_level level)
{
    return level_names[level];
}

const char *nu_log_module_name(enum nu_log_module module)
{
    return module_names[module];
}

bool nu_log_parse_level(nu_str text, enum nu_log_level *out)
{
    if (nu_str_eq(text, NU_STR("warn")))
        text = NU_STR("warning");
    for (unsigned i = 0; i < NU_ARRAY_LEN(level_names); i++)
        if (nu_str_eq(text, nu_str_from(level_names[i]))) {
            *out = (enum nu_log_level)i;
            return true;
        }
    return false;
}

void nu_log_set_all(enum nu_log_level level)
{
    for (unsigned i = 0; i < NU_LOG_N_MODULES; i++)
        atomic_store_explicit(&nu_log_levels[i], (unsigned char)level, memory_order_relaxed);
}

bool nu_log_set(nu_str module, enum nu_log_level level)
{
    for (unsigned i = 0; i < NU_LOG_N_MODULES; i++)
        if (nu_str_eq(module, nu_str_from(module_names[i]))) {
            atomic_store_explicit(&nu_log_levels[i], (unsigned char)level, memory_order_relaxed);
            return true;
        }
    return false;
}

const char *nu_log_set_format(const char *pattern)
{
    const char *why = nu_log_format_check(pattern);
    if (why == NULL)
        format = pattern;
    return why;
}

const char *nu_log_format(void)
{
    return format;
}

/* Built as ../src/base/x.c; shown as src/base/x.c. */
static const char *shown_file(const char *file)
{
    while (strncmp(file, "../", 3) == 0)
        file += 3;
    return file;
}

static void write_line(struct nu_log_record *r, char *out, size_t cap)
{
    size_t len = nu_log_format_line(format, r, out, cap - 1);
    out[len++] = '\n';
    pthread_mutex_lock(&lock);
    ssize_t written = write(log_fd, out, len); /* nothing sensible can be done when the log itself fails */
    (void)written;
    pthread_mutex_unlock(&lock);
}

/* Lines that headers make may be long. */
NU_PRINTF(2, 0) static void write_long_line(struct nu_log_record *r, const char *fmt, va_list ap)
{
    size_t cap = 2 * (r->text_len + 1) + 1024;
    char *text = nu_alloc(cap);
    r->text = text;
    vsnprintf(text, r->text_len + 1, fmt, ap);
    write_line(r, text + r->text_len + 1, cap - r->text_len - 1);
    nu_free(text);
}

void nu_log_write(enum nu_log_module module, enum nu_log_level level, const char *file, int line, const char *fmt, ...)
{
    char text[4096], out[5120];
    struct nu_log_record r = {.thread = syscall(SYS_gettid),
                              .level = level_names[level],
                              .module = module_names[module],
                              .file = shown_file(file),
                              .line = line,
                              .text = text};
    va_list ap, again;
    clock_gettime(CLOCK_REALTIME, &r.when);
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    r.text_len = n > 0 ? (size_t)n : 0;
    if (r.text_len < sizeof(text))
        write_line(&r, out, sizeof(out));
    else
        write_long_line(&r, fmt, again);
    va_end(again);
}

static int open_path(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return NU_ERR_SYSTEM;
    pthread_mutex_lock(&lock);
    if (log_fd != STDERR_FILENO)
        close(log_fd);
    log_fd = fd;
    pthread_mutex_unlock(&lock);
    return 0;
}

int nu_log_open(const char *path)
{
    int err = open_path(path);
    if (err == 0) {
        nu_free(log_path);
        size_t len = strlen(path);
        log_path = memcpy(nu_zalloc(len + 1), path, len);
    }
    return err;
}

void nu_log_reopen(void)
{
    if (log_path != NULL && open_path(log_path) != 0)
        nu_log(main, NU_LOG_ERROR, "cannot reopen the log file %s", log_path);
}
