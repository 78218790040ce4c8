/* SPDX-License-Identifier: Apache-2.0
 *
 * The form of application log lines: spdlog's pattern language, as --log-format takes it, with Envoy's %_ (message with
 * line breaks escaped) and %j (message as the inside of a JSON string). */
#ifndef NU_BASE_LOG_FORMAT_H
#define NU_BASE_LOG_FORMAT_H

#include <stddef.h>
#include <time.h>

/* One line's facts. */
struct nu_log_record {
    struct timespec when;
    long thread;
    const char *level, *module;
    const char *file; /* of the source */
    int line;
    const char *text;
    size_t text_len;
};

/* NULL: the pattern is good; else why it is not (static). */
const char *nu_log_format_check(const char *pattern);
/* Writes a line by a good pattern, without line break, at most cap bytes; returns how many. */
size_t nu_log_format_line(const char *pattern, const struct nu_log_record *r, char *dst, size_t cap);

#endif
