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

#include "base/err.h"

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

/* "[2026-01-31 12:00:00.123][4711][info][main] " */
static int prefix(char *dst, size_t cap, enum nu_log_module module, enum nu_log_level level)
{
    struct timespec ts;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    return snprintf(dst, cap, "[%04d-%02d-%02d %02d:%02d:%02d.%03ld][%ld][%s][%s] ", tm.tm_year + 1900,
                    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000,
                    syscall(SYS_gettid), level_names[level], module_names[module]);
}

void nu_log_write(enum nu_log_module module, enum nu_log_level level, const char *fmt, ...)
{
    char line[4096];
    va_list ap;
    int head = prefix(line, sizeof(line), module, level);
    size_t n = head > 0 ? (size_t)head : 0;
    va_start(ap, fmt);
    int body = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
    va_end(ap);
    if (body > 0)
        n = nu_min(n + (size_t)body, sizeof(line) - 2);
    line[n++] = '\n';
    pthread_mutex_lock(&lock);
    ssize_t written = write(log_fd, line, n); /* nothing sensible can be done when the log itself fails */
    (void)written;
    pthread_mutex_unlock(&lock);
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
        free(log_path);
        log_path = strdup(path);
    }
    return err;
}

void nu_log_reopen(void)
{
    if (log_path != NULL && open_path(log_path) != 0)
        nu_log(main, NU_LOG_ERROR, "cannot reopen the log file %s", log_path);
}
